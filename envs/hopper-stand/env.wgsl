// A hopper with one leg in the vertical plane. HOP is 0 (stand) or 1.

struct State { physics: Physics }

fn reset(random: Random) -> State {
    var physics = physics_at_rest(random_pose(random, 0u));
    physics_touch(&physics, array<f32, NU>());
    return State(physics);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let view = physics_view((*state).physics);
    let height = view.body_centre_torso.z - view.body_centre_foot.z;
    let standing = tolerance(outside(height, LOWEST, HIGHEST), 0.0);
    if (HOP == 1) {
        return StepResult(standing * fast(view.sensor_velocity.x, SPEED), false);
    }
    let idle = idleness(action[0]) + idleness(action[1]) + idleness(action[2]) + idleness(action[3]);
    return StepResult(standing * (4.0 + idle / 4.0) / 5.0, false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(
        p.qpos[1], p.qpos[2], p.qpos[3], p.qpos[4], p.qpos[5], p.qpos[6],
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3], p.qvel[4], p.qvel[5], p.qvel[6],
        log(1.0 + p.touch[0]), log(1.0 + p.touch[1]),
    );
}
