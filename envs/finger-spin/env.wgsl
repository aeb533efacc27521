// A finger of two links that spins a free body by touching it.

struct State { physics: Physics }

// The pose is drawn anew until nothing touches.
fn free_pose(random: Random) -> Physics {
    var physics = physics_initial();
    for (var draw = 0u; draw < DRAWS; draw++) {
        physics.qpos = random_pose(random, draw * POSE_LANES);
        if (physics_view(physics).touching == 0.0) { break; }
    }
    return physics;
}

// The tip of the body as seen from the hinge, x and z.
fn tip(physics: Physics) -> vec2f {
    let view = physics_view(physics);
    return (view.site_position_tip - view.body_position_spinner).xz;
}

fn reset(random: Random) -> State {
    return State(free_pose(random));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    return StepResult(select(0.0, 1.0, (*state).physics.qvel[2] <= -SPEED), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let tip = tip(p);
    return array<f32, OBS_DIM>(
        p.qpos[0], p.qpos[1], tip.x, tip.y,
        p.qvel[0], p.qvel[1], p.qvel[2], log(1.0 + p.touch[0]), log(1.0 + p.touch[1]),
    );
}
