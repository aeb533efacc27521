//! The parity tests can fail: a model or a step with one thing wrong is told from the right one.

use flowmill::physics::dynamics::{SolverLimits, State, forward, solve};
use flowmill::physics::model::Model;

use crate::fixture::{Numbers, difference, fixture, own};

const CONVERGED: SolverLimits = SolverLimits { iterations: 50, searches: 30 };

/// The acceleration in a fixture's state; `negate` changes the sign of friction's reference.
pub fn acceleration(model: &Model, numbers: &Numbers, negate: bool) -> Vec<f64> {
    let list = |key: &str| numbers[key].clone();
    let state = State { qpos: list("qpos"), qvel: list("qvel"), warm: list("warm") };
    let mut now = forward(model, &state, &list("control"), CONVERGED);
    if negate {
        for row in now.constraints.rows.iter_mut().filter(|row| row.friction.is_some()) {
            row.reference = -row.reference;
        }
        for contact in &mut now.constraints.contacts {
            contact.reference[1] = -contact.reference[1];
        }
        now.solution =
            solve(model, &now.position, &now.mass, &now.smooth_force, &now.constraints, &state.warm, CONVERGED);
    }
    now.solution.acceleration
}

/// The largest error of the acceleration over the fixture's states.
fn error(name: &str, model: &Model, negate: bool) -> f64 {
    let of = |numbers: &Numbers| difference(&acceleration(model, numbers, negate), &numbers["acceleration"], 1e-3);
    fixture(name).states.iter().map(of).fold(0.0, f64::max)
}

#[test]
fn a_dropped_armature_and_other_lost_terms_are_seen() {
    type Change = fn(&mut Model);
    let changes: [(&str, &str, Change); 8] = [
        ("arm", "armature", |m| m.dofs.iter_mut().for_each(|dof| dof.armature = 0.0)),
        ("arm", "damping", |m| m.dofs.iter_mut().for_each(|dof| dof.damping = 0.0)),
        ("arm", "joint springs", |m| m.joints.iter_mut().for_each(|joint| joint.stiffness = 0.0)),
        ("arm", "tendon springs", |m| m.tendons.iter_mut().for_each(|tendon| tendon.stiffness = 0.0)),
        ("arm", "actuator bias", |m| m.actuators.iter_mut().for_each(|actuator| actuator.bias = [0.0; 3])),
        ("tumble", "friction", |m| m.pairs.iter_mut().for_each(|pair| pair.friction = [1e-3; 2])),
        ("arm", "limits", |m| m.joints.iter_mut().for_each(|joint| joint.range = None)),
        ("swing", "viscosity", |m| m.options.viscosity = 0.0),
    ];
    for (name, what, change) in changes {
        let mut model = own(name);
        assert!(error(name, &model, false) < 1e-9, "{name} as it is");
        change(&mut model);
        assert!(error(name, &model, false) > 1e-4, "{name} without its {what} passes");
    }
}

#[test]
fn a_flipped_sign_of_friction_is_seen() {
    for name in ["arm", "tumble", "shapes"] {
        let model = own(name);
        assert!(error(name, &model, true) > 1e-4, "{name} with the sign of friction changed passes");
    }
}
