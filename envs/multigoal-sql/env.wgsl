// A first-order point with four goals on the axes; reaching one ends the episode.

struct State { position: vec2f }

const LOW = vec2f(OBS_LOW[0], OBS_LOW[1]);
const HIGH = vec2f(OBS_HIGH[0], OBS_HIGH[1]);

fn reset(random: Random) -> State {
    let start = START_DEVIATION * vec2f(random_normal(random, 0u), random_normal(random, 1u));
    return State(clamp(start, LOW, HIGH));
}

// By symmetry the nearest of the goals (+-r, 0), (0, +-r) is the one on the axis of the larger coordinate.
fn squared_distance_to_goal(position: vec2f) -> f32 {
    let p = abs(position);
    let along = max(p.x, p.y) - GOAL_RADIUS;
    let across = min(p.x, p.y);
    return along * along + across * across;
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    let low = vec2f(ACTION_LOW[0], ACTION_LOW[1]);
    let high = vec2f(ACTION_HIGH[0], ACTION_HIGH[1]);
    let displacement = clamp(vec2f(action[0], action[1]), low, high);
    (*state).position = clamp((*state).position + displacement, LOW, HIGH);

    let d2 = squared_distance_to_goal((*state).position);
    let reached = d2 < GOAL_THRESHOLD * GOAL_THRESHOLD;
    let cost = ACTION_COST * dot(displacement, displacement) + DISTANCE_COST * d2;
    return StepResult(select(0.0, GOAL_REWARD, reached) - cost, reached);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    return array<f32, OBS_DIM>(state.position.x, state.position.y);
}
