// A finger of two links that turns a free body until its tip is in the goal.

const PI = 3.141592653589793;
const HINGE = vec2f(0.2, 0.4);

struct State {
    physics: Physics,
    goal: vec2f, // x and z
}

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
    let angle = random_range(random, DRAWS * POSE_LANES, -PI, PI);
    return State(free_pose(random), HINGE + ARM * vec2f(sin(angle), cos(angle)));
}

// From the tip to the goal's surface; negative inside.
fn distance_to_goal(state: State) -> f32 {
    return distance(state.goal - HINGE, tip(state.physics)) - RADIUS;
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).physics = physics_advance((*state).physics, action);
    return StepResult(tolerance(distance_to_goal(*state), 0.0), false);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    let p = state.physics;
    let tip = tip(p);
    let to_goal = state.goal - HINGE;
    return array<f32, OBS_DIM>(
        p.qpos[0], p.qpos[1], tip.x, tip.y,
        p.qvel[0], p.qvel[1], p.qvel[2], log(1.0 + p.touch[0]), log(1.0 + p.touch[1]),
        to_goal.x, to_goal.y, distance_to_goal(state),
    );
}
