// A pole on a cart on a rail; angle 0 is upright. SWING_UP and SPARSE are 0 or 1.

const PI = 3.141592653589793;

struct State { physics: Physics }

fn reset(random: Random) -> State {
    var physics = physics_initial();
    if (SWING_UP == 1) {
        physics.qpos[0] = NOISE * random_normal(random, 0u);
        physics.qpos[1] = PI + NOISE * random_normal(random, 1u);
    } else {
        physics.qpos[0] = random_range(random, 0u, -START_POSITION, START_POSITION);
        physics.qpos[1] = random_range(random, 1u, -START_ANGLE, START_ANGLE);
    }
    physics.qvel[0] = NOISE * random_normal(random, 2u);
    physics.qvel[1] = NOISE * random_normal(random, 3u);
    return State(physics);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    return StepResult(reward((*state).physics, action[0]), false);
}

fn reward(physics: Physics, control: f32) -> f32 {
    let x = abs(physics.qpos[0]);
    let upright = cos(physics.qpos[1]);
    if (SPARSE == 1) {
        return select(0.0, 1.0, x <= SPARSE_POSITION && upright >= SPARSE_UPRIGHT);
    }
    let centred = (1.0 + tolerance(x, POSITION_MARGIN)) / 2.0;
    let slow = (1.0 + tolerance(abs(physics.qvel[1]), SPEED_MARGIN)) / 2.0;
    let small = (4.0 + idleness(control)) / 5.0;
    return (1.0 + upright) / 2.0 * centred * slow * small;
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(p.qpos[0], cos(p.qpos[1]), sin(p.qpos[1]), p.qvel[0], p.qvel[1]);
}
