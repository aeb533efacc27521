// A ball on two slides.

struct State { physics: Physics }

fn reset(random: Random) -> State {
    return State(physics_at_rest(random_pose(random, 0u)));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let position = vec2f((*state).physics.qpos[0], (*state).physics.qpos[1]);
    let small = (4.0 + (idleness(action[0]) + idleness(action[1])) / 2.0) / 5.0;
    return StepResult(tolerance(length(position) - RADIUS, RADIUS) * small, false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(p.qpos[0], p.qpos[1], p.qvel[0], p.qvel[1]);
}
