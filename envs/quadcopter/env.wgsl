// A free body with a thrust along its z axis and three moments, which flies to a goal and stays there.

struct State {
    physics: Physics,
    goal: vec3f,
}

fn reset(random: Random) -> State {
    let x = random_range(random, 0u, -GOAL_SIDE, GOAL_SIDE);
    let y = random_range(random, 1u, -GOAL_SIDE, GOAL_SIDE);
    let z = random_range(random, 2u, GOAL_LOW, GOAL_HIGH);
    return State(physics_initial(), vec3f(x, y, z));
}

fn position(p: Physics) -> vec3f { return vec3f(p.qpos[0], p.qpos[1], p.qpos[2]); }

// Of the velocities the linear one is in the world's axes, the angular one in the body's.
fn velocity(p: Physics) -> vec3f { return vec3f(p.qvel[0], p.qvel[1], p.qvel[2]); }

fn spin(p: Physics) -> vec3f { return vec3f(p.qvel[3], p.qvel[4], p.qvel[5]); }

// A vector of the world in the body's axes.
fn in_body(p: Physics, world: vec3f) -> vec3f {
    let w = p.qpos[3];
    let u = -vec3f(p.qpos[4], p.qpos[5], p.qpos[6]);
    return world + 2.0 * cross(u, cross(u, world) + w * world);
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    // Controls saturate at 0 and 1 (thrust), -1 and 1 (moments).
    let control = array<f32, NU>((action[0] + 1.0) / 2.0, action[1], action[2], action[3]);
    var p = physics_advance((*state).physics, control);
    let slowed = MAX_SPIN / max(length(spin(p)), MAX_SPIN);
    p.qvel[3] *= slowed;
    p.qvel[4] *= slowed;
    p.qvel[5] *= slowed;
    (*state).physics = p;
    let far = distance(position(p), (*state).goal) / 0.8;
    let near = 1.0 - tanh(min(far, 20.0)); // some drivers overflow where tanh has long been 1
    let slow = VELOCITY_COST * dot(velocity(p), velocity(p)) + SPIN_COST * dot(spin(p), spin(p));
    return StepResult(DT * (NEAR_REWARD * near - slow), p.qpos[2] < LOWEST || p.qpos[2] > HIGHEST);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let v = in_body(p, velocity(p));
    let down = in_body(p, vec3f(0.0, 0.0, -1.0));
    let away = in_body(p, state.goal - position(p));
    return array<f32, OBS_DIM>(
        v.x, v.y, v.z, p.qvel[3], p.qvel[4], p.qvel[5], down.x, down.y, down.z, away.x, away.y, away.z,
    );
}
