// A chain of six links in a dense fluid that swims to a goal.

struct State {
    physics: Physics,
    goal: vec2f,
}

fn reset(random: Random) -> State {
    let box = select(FAR, CLOSE, random_uniform(random, POSE_LANES) < SHARE_CLOSE);
    let x = random_range(random, POSE_LANES + 1, -box, box);
    let y = random_range(random, POSE_LANES + 2, -box, box);
    return State(physics_at_rest(random_pose(random, 0u)), vec2f(x, y));
}

// From the nose, in the frame of the head.
fn to_goal(state: State, view: View) -> vec2f {
    let away = vec3f(state.goal - view.geom_position_nose.xy, 0.0);
    return vec2f(dot(view.body_x_axis_head, away), dot(view.body_y_axis_head, away));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    let distance = length(to_goal(*state, physics_view((*state).physics)));
    let d = max(distance - RADIUS, 0.0) / MARGIN;
    return StepResult(1.0 / (1.0 + 9.0 * d * d), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let view = physics_view(p);
    let away = to_goal(state, view);
    return array<f32, OBS_DIM>(
        p.qpos[3], p.qpos[4], p.qpos[5], p.qpos[6], p.qpos[7], away.x, away.y,
        view.sensor_head_velocity.x, view.sensor_head_velocity.y, view.sensor_head_turn.z,
        view.sensor_link1_velocity.x, view.sensor_link1_velocity.y, view.sensor_link1_turn.z,
        view.sensor_link2_velocity.x, view.sensor_link2_velocity.y, view.sensor_link2_turn.z,
        view.sensor_link3_velocity.x, view.sensor_link3_velocity.y, view.sensor_link3_turn.z,
        view.sensor_link4_velocity.x, view.sensor_link4_velocity.y, view.sensor_link4_turn.z,
        view.sensor_link5_velocity.x, view.sensor_link5_velocity.y, view.sensor_link5_turn.z,
    );
}
