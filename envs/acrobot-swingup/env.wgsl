// Two rods, of which only the elbow has a motor; angle 0 is upright.

struct State { physics: Physics }

fn reset(random: Random) -> State {
    return State(physics_at_rest(random_pose(random, 0u)));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let tip = physics_view((*state).physics).site_position_tip;
    return StepResult(tolerance(distance(tip, vec3f(0.0, 0.0, HEIGHT)) - RADIUS, MARGIN), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let upper = p.qpos[0];
    let lower = upper + p.qpos[1]; // to the vertical
    return array<f32, OBS_DIM>(sin(upper), sin(lower), cos(upper), cos(lower), p.qvel[0], p.qvel[1]);
}
