// A fish that keeps its back up.

struct State { physics: Physics }

// Any rotation, joints near their middle.
fn random_fish(random: Random) -> Physics {
    var physics = physics_initial();
    let rotation = normalize(vec4f(
        random_normal(random, 0u), random_normal(random, 1u), random_normal(random, 2u), random_normal(random, 3u),
    ));
    physics.qpos[3] = rotation.x;
    physics.qpos[4] = rotation.y;
    physics.qpos[5] = rotation.z;
    physics.qpos[6] = rotation.w;
    physics.qpos[7] = random_range(random, 4u, -JOINT, JOINT);
    physics.qpos[8] = random_range(random, 5u, -JOINT, JOINT);
    physics.qpos[9] = random_range(random, 6u, -JOINT, JOINT);
    physics.qpos[10] = random_range(random, 7u, -JOINT, JOINT);
    physics.qpos[11] = random_range(random, 8u, -JOINT, JOINT);
    physics.qpos[12] = random_range(random, 9u, -JOINT, JOINT);
    physics.qpos[13] = random_range(random, 10u, -JOINT, JOINT);
    return physics;
}

fn reset(random: Random) -> State {
    return State(random_fish(random));
}

fn upright(physics: Physics) -> f32 {
    return physics_view(physics).body_z_axis_torso.z;
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    return StepResult(tolerance(1.0 - upright((*state).physics), 1.0), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(
        p.qpos[7], p.qpos[8], p.qpos[9], p.qpos[10], p.qpos[11], p.qpos[12], p.qpos[13], upright(p),
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3], p.qvel[4], p.qvel[5],
        p.qvel[6], p.qvel[7], p.qvel[8], p.qvel[9], p.qvel[10], p.qvel[11], p.qvel[12],
    );
}
