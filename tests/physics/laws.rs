//! What must hold without a reference: conservation, rest, friction, optimality of the solver, invariances.

use flowmill::physics::dynamics::{Law, SolverLimits, State, forward, sensors, step};
use flowmill::physics::mjcf;
use flowmill::physics::model::Model;

use crate::fixture::own;

const CONVERGED: SolverLimits = SolverLimits { iterations: 50, searches: 30 };

fn model(text: &str) -> Model {
    mjcf::parse(text, "test.xml").unwrap()
}

/// Steps without controls; returns the state after them.
fn run(model: &Model, state: &State<f64>, steps: usize) -> State<f64> {
    let mut state = state.clone();
    for _ in 0..steps {
        step(model, &mut state, &vec![0.0; model.nu()], CONVERGED);
    }
    state
}

#[test]
fn free_fall_gains_g_t_and_sinks_by_the_sum_of_the_steps() {
    let model = model("<mujoco><worldbody><body><freejoint/><geom size='0.1'/></body></worldbody></mujoco>");
    let (h, n) = (model.options.timestep, 100.0);
    let end = run(&model, &State::initial(&model), 100);
    assert!((end.qvel[2] + 9.81 * h * n).abs() < 1e-12);
    // Velocities come first, so step k moves by its end velocity.
    assert!((end.qpos[2] + 9.81 * h * h * n * (n + 1.0) / 2.0).abs() < 1e-12);
}

#[test]
fn a_tumbling_tree_in_free_space_keeps_its_momentum() {
    let model = model(
        "<mujoco><option timestep='0.001' gravity='0 0 0' integrator='RK4'/><worldbody><body name='top'><freejoint/><geom type='box' size='0.1 0.2 0.3'/>
           <body pos='0.1 0.2 0.3'><joint axis='1 2 3'/><geom type='capsule' size='0.05 0.2' pos='0 0.2 0'/></body>
         </body></worldbody><sensor><subtreelinvel body='top'/></sensor></mujoco>",
    );
    let mut state = State::initial(&model);
    state.qvel = vec![0.3, -0.2, 0.5, 1.0, -2.0, 1.5, 3.0];
    let velocity = |state: &State<f64>| {
        let now = forward(&model, state, &[], CONVERGED);
        sensors(&model, state, &now)
    };
    let before = velocity(&state);
    let after = velocity(&run(&model, &state, 300));
    for (a, b) in before.iter().zip(&after) {
        // Up to the error of the rule of fourth order.
        assert!((a - b).abs() < 1e-7, "{before:?} {after:?}");
    }
}

#[test]
fn the_energy_error_of_a_double_pendulum_falls_with_the_fourth_power_of_the_step() {
    let text = |h: f64| {
        format!(
            "<mujoco><option timestep='{h}' integrator='RK4'/><worldbody><body><joint axis='0 1 0'/>
               <geom type='capsule' size='0.02' fromto='0 0 0 0 0 -0.5'/><body pos='0 0 -0.5'><joint axis='0 1 0'/>
               <geom type='capsule' size='0.02' fromto='0 0 0 0 0 -0.4'/></body></body></worldbody></mujoco>"
        )
    };
    let drift = |h: f64| {
        let model = model(&text(h));
        let mut state = State::initial(&model);
        state.qpos = vec![1.2, -0.7];
        let energy = |state: &State<f64>| {
            let now = forward(&model, state, &[], CONVERGED);
            let momentum = now.mass.times(&state.qvel);
            let kinetic: f64 = momentum.iter().zip(&state.qvel).map(|(p, v)| 0.5 * p * v).sum();
            let masses = model.bodies.iter().zip(&now.position.centres);
            kinetic + masses.map(|(body, centre)| 9.81 * body.mass * centre.0[2]).sum::<f64>()
        };
        (energy(&run(&model, &state, (0.8 / h).round() as usize)) - energy(&state)).abs()
    };
    let ratio = drift(0.008) / drift(0.004);
    assert!((10.0..40.0).contains(&ratio), "halving the step divides the error by {ratio}, expected about 16 to 32");
}

const BALL_ON_FLOOR: &str = "<mujoco><option timestep='0.002' cone='CONE'/><worldbody><geom type='plane' size='1 1 1'/>
    <body pos='0 0 0.1'><freejoint/><geom size='0.1' mass='2'/></body></worldbody></mujoco>";

#[test]
fn a_resting_ball_is_held_by_its_weight() {
    for cone in ["pyramidal", "elliptic"] {
        let model = model(&BALL_ON_FLOOR.replace("CONE", cone));
        let state = run(&model, &State::initial(&model), 2000);
        let now = forward(&model, &state, &[], CONVERGED);
        let [normal, ..] = now.solution.contact_forces[0];
        assert!((normal - 2.0 * 9.81).abs() < 1e-6 * 2.0 * 9.81, "{cone}: {normal}");
        assert!(state.qpos[2] < 0.1 && state.qpos[2] > 0.099, "{cone}: height {}", state.qpos[2]);
    }
}

/// Mean acceleration of a box along the x axis on a floor that leans about the y axis, after it has settled.
fn slide(slope: f64, cone: &str) -> f64 {
    let text = format!(
        "<mujoco><compiler angle='radian'/><option timestep='0.002' cone='{cone}' gravity='{} 0 {}' impratio='20'/><worldbody>
           <geom type='plane' size='1 1 1' friction='0.5'/><body pos='0 0 0.05'><freejoint/>
           <geom type='box' size='0.1 0.1 0.05' friction='0.5'/></body></worldbody></mujoco>",
        9.81 * slope.sin(),
        -9.81 * slope.cos()
    );
    let model = model(&text);
    let settled = run(&model, &State::initial(&model), 300);
    let later = run(&model, &settled, 500);
    later.qvel[0] - settled.qvel[0] // a second of 500 steps
}

#[test]
fn a_box_creeps_below_the_friction_angle_and_slides_above_it() {
    let angle = 0.5_f64.atan();
    // In a pyramid the edges across the motion carry a part of the weight and no friction.
    for (cone, tolerance) in [("pyramidal", 0.1), ("elliptic", 0.02)] {
        let (below, above) = (slide(angle - 0.05, cone), slide(angle + 0.1, cone));
        assert!(below.abs() < 1e-3, "{cone}: {below} below");
        let want = 9.81 * ((angle + 0.1).sin() - 0.5 * (angle + 0.1).cos());
        assert!((above - want).abs() < tolerance * want, "{cone}: {above} above, expected {want}");
    }
}

/// Gradient of the solver's cost over the size of the forces in it, and whether every force is one its contact can give.
#[test]
fn solutions_are_optimal_and_forces_lie_in_their_cones() {
    for name in ["tumble", "grip", "runner", "shapes"] {
        let model = own(name);
        let mut state = State::<f64>::initial(&model);
        for k in 0..200 {
            let control: Vec<f64> = (0..model.nu()).map(|u| ((k * (u + 3)) as f64 * 0.7).sin()).collect();
            let now = step(&model, &mut state, &control, CONVERGED);
            assert!(now.solution.converged == 1.0, "{name}, step {k}");
            let mut gradient = now.mass.times(&now.solution.acceleration);
            let mut scale: f64 = 1e-6;
            for (g, f) in gradient.iter_mut().zip(&now.smooth_force) {
                *g -= f;
                scale = scale.max(f.abs()).max(g.abs());
            }
            for row in now.constraints.rows.iter().filter(|row| row.active) {
                let x = row.terms.iter().map(|(dof, factor)| factor * now.solution.acceleration[*dof]).sum::<f64>();
                let push = -row.weight * (x - row.reference);
                let force = row.friction.map_or(push.max(0.0), |loss| push.clamp(-loss, loss));
                row.terms.iter().for_each(|(dof, factor)| gradient[*dof] -= factor * force);
            }
            for (contact, force) in now.constraints.contacts.iter().zip(&now.solution.contact_forces) {
                let [normal, first, second] = *force;
                let inside = match contact.law {
                    Law::Frictionless => normal >= 0.0 && first == 0.0 && second == 0.0,
                    Law::Pyramid([a, b]) => first.abs() / a + second.abs() / b <= normal + 1e-9 * scale,
                    Law::Cone([a, b], _) => (first / a).hypot(second / b) <= normal + 1e-9 * scale,
                };
                assert!(inside, "{name}, step {k}: {force:?}");
                for (dof, along) in &contact.terms {
                    gradient[*dof] -= (0..3).map(|i| along[i] * force[i]).sum::<f64>();
                }
            }
            let worst = gradient.iter().fold(0.0, |worst: f64, g| worst.max(g.abs()));
            assert!(worst < 1e-9 * scale, "{name}, step {k}: gradient {worst:e} of {scale:e}");
        }
    }
}

#[test]
fn crossing_capsule_axes_push_along_their_common_normal() {
    let model = model(
        "<mujoco><worldbody><geom type='capsule' size='0.1 0.5' euler='0 90 0'/><body><freejoint/>
           <geom type='capsule' size='0.1 0.5'/></body></worldbody></mujoco>",
    );
    let now = forward(&model, &State::<f64>::initial(&model), &[], CONVERGED);
    let contact = &now.constraints.contacts[0];
    assert!((contact.touch.distance + 0.2).abs() < 1e-12);
    assert!((contact.touch.normal.0[1].abs() - 1.0).abs() < 1e-12, "{:?}", contact.touch.normal);
}

#[test]
fn a_ball_inside_a_box_is_pushed_out_through_the_nearest_face() {
    let model = model(
        "<mujoco><worldbody><geom type='box' size='0.5 0.4 0.3'/><body pos='0.1 -0.35 0'><freejoint/><geom size='0.1'/></body>
         </worldbody></mujoco>",
    );
    let now = forward(&model, &State::<f64>::initial(&model), &[], CONVERGED);
    let touch = &now.constraints.contacts[0].touch;
    // 0.05 below the face y = -0.4 with its centre; the normal points from the ball into the box.
    assert!((touch.distance + 0.15).abs() < 1e-12, "{touch:?}");
    let want = [[0.0, 1.0, 0.0], [0.1, -0.325, 0.0]];
    for (got, want) in [touch.normal.0, touch.point.0].iter().flatten().zip(want.iter().flatten()) {
        assert!((got - want).abs() < 1e-12, "{touch:?}");
    }
}

#[test]
fn a_touch_sensor_counts_contacts_inside_it_and_those_whose_force_points_at_it() {
    let text = |site: &str| {
        format!(
            "<mujoco><worldbody><geom type='plane' size='1 1 1'/><body pos='0 0 0.1'><freejoint/><geom size='0.1' mass='2'/>
               <site name='s' {site}/></body></worldbody><sensor><touch site='s'/></sensor></mujoco>"
        )
    };
    let weight = 2.0 * 9.81;
    for (site, want) in [
        ("pos='0 0 -0.1' size='0.02'", weight),
        ("pos='0 0 -0.2' size='0.02'", weight),
        ("pos='0 0 0' size='0.02'", 0.0),
        ("pos='0.05 0 -0.2' size='0.02'", 0.0),
        ("pos='0.05 0 -0.2' size='0.06 0.01 0.01' type='ellipsoid'", weight),
    ] {
        let model = model(&text(site));
        let state = run(&model, &State::initial(&model), 1000);
        let now = forward(&model, &state, &[], CONVERGED);
        let got = sensors(&model, &state, &now)[0];
        assert!((got - want).abs() < 1e-3, "{site}: {got}, expected {want}");
    }
}
