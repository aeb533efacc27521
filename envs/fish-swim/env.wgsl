// A fish that swims to a goal and keeps its back up.

struct State {
    physics: Physics,
    goal: vec3f,
}

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
    let x = random_range(random, 11u, -0.4, 0.4);
    let y = random_range(random, 12u, -0.4, 0.4);
    let z = random_range(random, 13u, 0.1, 0.3);
    return State(random_fish(random), vec3f(x, y, z));
}

// The goal as seen from the mouth: to the right, down, forwards.
fn to_goal(state: State, view: View) -> vec3f {
    let away = state.goal - view.geom_position_mouth;
    let right = dot(view.body_x_axis_torso, away);
    let down = -dot(view.body_z_axis_torso, away);
    return vec3f(right, down, dot(view.body_y_axis_torso, away));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let view = physics_view((*state).physics);
    let near = tolerance(length(to_goal(*state, view)) - RADIUS, 2.0 * RADIUS);
    let upright = (1.0 + view.body_z_axis_torso.z) / 2.0;
    return StepResult((7.0 * near + upright) / 8.0, false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let view = physics_view(p);
    let away = to_goal(state, view);
    return array<f32, OBS_DIM>(
        p.qpos[7], p.qpos[8], p.qpos[9], p.qpos[10], p.qpos[11], p.qpos[12], p.qpos[13], view.body_z_axis_torso.z,
        away.x, away.y, away.z,
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3], p.qvel[4], p.qvel[5],
        p.qvel[6], p.qvel[7], p.qvel[8], p.qvel[9], p.qvel[10], p.qvel[11], p.qvel[12],
    );
}
