// A cup on springs and a ball on a string.

struct State { physics: Physics }

// The ball is placed anew until nothing touches.
fn reset(random: Random) -> State {
    var physics = physics_initial();
    for (var lane = 0u; lane < LANES; lane += 2u) {
        physics.qpos[2] = random_range(random, lane, -0.2, 0.2);
        physics.qpos[3] = random_range(random, lane + 1u, 0.2, 0.5);
        if (physics_view(physics).touching == 0.0) { break; }
    }
    return State(physics);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let view = physics_view((*state).physics);
    let away = abs(view.site_position_target - view.body_position_ball);
    return StepResult(select(0.0, 1.0, max(away.x, away.z) < HALF_SIZE - BALL_RADIUS), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(
        p.qpos[0], p.qpos[1], p.qpos[2], p.qpos[3],
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3],
    );
}
