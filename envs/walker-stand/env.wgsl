// A walker with two legs in the vertical plane. SPEED is 0 where it has to stand only.

struct State { physics: Physics }

fn reset(random: Random) -> State {
    return State(physics_at_rest(random_pose(random, 0u)));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let view = physics_view((*state).physics);
    let standing = tolerance(HEIGHT - view.body_position_torso.z, HEIGHT / 2.0);
    let upright = (1.0 + view.body_z_axis_torso.z) / 2.0;
    let stand = (3.0 * standing + upright) / 4.0;
    if (SPEED == 0.0) {
        return StepResult(stand, false);
    }
    return StepResult(stand * (5.0 * fast(view.sensor_velocity.x, SPEED) + 1.0) / 6.0, false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let view = physics_view(p);
    return array<f32, OBS_DIM>(
        view.body_x_axis_torso.x, view.body_z_axis_torso.x,
        view.body_x_axis_right_thigh.x, view.body_z_axis_right_thigh.x,
        view.body_x_axis_right_leg.x, view.body_z_axis_right_leg.x,
        view.body_x_axis_right_foot.x, view.body_z_axis_right_foot.x,
        view.body_x_axis_left_thigh.x, view.body_z_axis_left_thigh.x,
        view.body_x_axis_left_leg.x, view.body_z_axis_left_leg.x,
        view.body_x_axis_left_foot.x, view.body_z_axis_left_foot.x,
        view.body_position_torso.z,
        p.qvel[0], p.qvel[1], p.qvel[2], p.qvel[3], p.qvel[4], p.qvel[5], p.qvel[6], p.qvel[7], p.qvel[8],
    );
}
