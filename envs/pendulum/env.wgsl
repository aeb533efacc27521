// A rod on a hinge; angle 0 is upright and the angle stays in [-pi, pi).

struct State {
    angle: f32,
    velocity: f32,
}

const PI = 3.141592653589793;

fn wrapped(angle: f32) -> f32 {
    return angle - 2.0 * PI * floor((angle + PI) / (2.0 * PI));
}

fn reset(random: Random) -> State {
    let angle = random_range(random, 0u, -PI, PI);
    let velocity = random_range(random, 1u, -START_SPEED, START_SPEED);
    return State(angle, velocity);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    let torque = clamp(action[0], ACTION_LOW[0], ACTION_HIGH[0]);
    let angle = (*state).angle;
    let velocity = (*state).velocity;
    let cost = angle * angle + 0.1 * velocity * velocity + 0.001 * torque * torque;

    // Semi-implicit Euler: the angle moves with the new velocity.
    let pull = 3.0 * GRAVITY / (2.0 * LENGTH) * sin(angle);
    let push = 3.0 / (MASS * LENGTH * LENGTH) * torque;
    (*state).velocity = clamp(velocity + DT * (pull + push), -MAX_SPEED, MAX_SPEED);
    (*state).angle = wrapped(angle + DT * (*state).velocity);
    return StepResult(-cost, false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    return array<f32, OBS_DIM>(cos(state.angle), sin(state.angle), state.velocity);
}
