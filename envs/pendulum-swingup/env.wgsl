// A rod on a motor too weak to lift it directly; angle 0 is upright.

struct State { physics: Physics }

fn reset(random: Random) -> State {
    return State(physics_at_rest(random_pose(random, 0u)));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let upright = cos((*state).physics.qpos[0]);
    return StepResult(tolerance(outside(upright, UPRIGHT, 1.0), 0.0), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let angle = state.physics.qpos[0];
    return array<f32, OBS_DIM>(cos(angle), sin(angle), state.physics.qvel[0]);
}
