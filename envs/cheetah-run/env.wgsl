// A runner with two legs in the vertical plane.

struct State {
    physics: Physics,
    start: Physics, // where its episodes begin
}

// A drawn pose falls for a step, as if it were in the air wherever it is, and settles.
fn reset(random: Random) -> State {
    var physics = physics_at_rest(random_pose(random, 0u));
    physics.qpos[2] = 0.0; // the angle of the torso is not drawn
    physics.qvel[1] = -GRAVITY * DT;
    physics.qpos[1] += DT * physics.qvel[1];
    for (var i = 0u; i < SETTLING; i++) { physics = physics_advance(physics, array<f32, NU>()); }
    return State(physics, physics);
}

// Settling takes a fifth of an episode: each environment keeps its start.
fn restart(state: State, random: Random) -> State {
    return State(state.start, state.start);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    return StepResult(fast(physics_view((*state).physics).sensor_velocity.x, SPEED), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    return array<f32, OBS_DIM>(
        p.qpos[1], p.qpos[2], p.qpos[3], p.qpos[4], p.qpos[5], p.qpos[6], p.qpos[7], p.qpos[8],
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3], p.qvel[4], p.qvel[5], p.qvel[6], p.qvel[7], p.qvel[8],
    );
}
