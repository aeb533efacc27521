// A ball in a maze with one of three goals.

struct State {
    physics: Physics,
    goal: vec2f,
}

fn reset(random: Random) -> State {
    var goals = array<vec2f, 3>(vec2f(2.5, 1.5), vec2f(-2.5, -1.5), vec2f(1.5, -2.5));
    let near = goals[min(u32(3.0 * random_uniform(random, 0u)), 2u)];
    let noise = vec2f(random_range(random, 1u, -NOISE, NOISE), random_range(random, 2u, -NOISE, NOISE));
    var physics = physics_initial();
    physics.qpos[0] = START_X + random_range(random, 3u, -NOISE, NOISE);
    physics.qpos[1] = START_Y + random_range(random, 4u, -NOISE, NOISE);
    return State(physics, near + noise);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    var physics = (*state).physics;
    physics.qvel[0] = clamp(physics.qvel[0], -MAX_SPEED, MAX_SPEED);
    physics.qvel[1] = clamp(physics.qvel[1], -MAX_SPEED, MAX_SPEED);
    physics = physics_advance(physics, action);
    (*state).physics = physics;
    return StepResult(exp(-distance(vec2f(physics.qpos[0], physics.qpos[1]), (*state).goal)), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(p.qpos[0], p.qpos[1], p.qvel[0], p.qvel[1], state.goal.x, state.goal.y);
}
