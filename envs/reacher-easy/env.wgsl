// An arm of two links in the plane that reaches for a goal.

const TURN = 6.283185307179586;

struct State {
    physics: Physics,
    goal: vec2f,
}

fn reset(random: Random) -> State {
    let angle = random_range(random, POSE_LANES, 0.0, TURN);
    let distance = random_range(random, POSE_LANES + 1, NEAREST, FARTHEST);
    return State(physics_at_rest(random_pose(random, 0u)), distance * vec2f(sin(angle), cos(angle)));
}

fn to_goal(state: State) -> vec2f {
    return state.goal - physics_view(state.physics).body_position_finger.xy;
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let distance = length(to_goal(*state));
    return StepResult(tolerance(distance - (RADIUS + FINGER_RADIUS), 0.0), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let away = to_goal(state);
    return array<f32, OBS_DIM>(p.qpos[0], p.qpos[1], away.x, away.y, p.qvel[0], p.qvel[1]);
}
