// A double integrator with six equal goals on a circle.

struct State {
    position: vec2f,
    velocity: vec2f,
}

fn reset(random: Random) -> State {
    let x = random_range(random, 0u, -START, START);
    let y = random_range(random, 1u, -START, START);
    return State(vec2f(x, y), vec2f(0.0));
}

// Evaluations start at rest at the centre, equally far from all goals.
fn reset_evaluation(random: Random) -> State {
    return State(vec2f(0.0), vec2f(0.0));
}

// Goals stand at 0, 60, ... 300 degrees. Mirrored into the quadrant of positive coordinates, the nearest is one of two.
fn squared_distance_to_goal(position: vec2f) -> f32 {
    let p = abs(position);
    let to_axis = p - vec2f(GOAL_RADIUS, 0.0);
    let to_diagonal = p - vec2f(0.5 * GOAL_RADIUS, 0.8660254037844386 * GOAL_RADIUS);
    return min(dot(to_axis, to_axis), dot(to_diagonal, to_diagonal));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    let wanted = vec2f(action[0], action[1]);
    let low = vec2f(ACTION_LOW[0], ACTION_LOW[1]);
    let high = vec2f(ACTION_HIGH[0], ACTION_HIGH[1]);

    // The position moves with the old velocity.
    (*state).position += DT * (*state).velocity;
    (*state).velocity += DT * clamp(wanted, low, high);

    // The effort is that of the action as asked for, not as clipped.
    let d2 = squared_distance_to_goal((*state).position);
    let reward = DT * (exp(-0.3 * d2) + exp(-0.1 * d2) - ACTION_COST * dot(wanted, wanted));
    let outside = any(abs((*state).position) > vec2f(WALL));
    return StepResult(reward, outside);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    return array<f32, OBS_DIM>(state.position.x, state.position.y, state.velocity.x, state.velocity.y);
}
