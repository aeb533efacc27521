//! From accelerations to the next state.

use super::actuation::Actuation;
use super::inertia::Velocity;
use super::kinematics::{Position, quaternion};
use super::linear::{Quat, Vec3};
use super::passive::Drag;
use super::scalar::Scalar;
use super::sparse::Symmetric;
use super::tendon::Line;
use crate::physics::model::{JointKind, Model};

/// The configuration after moving with a constant velocity for a time.
pub fn advance<S: Scalar>(model: &Model, qpos: &[S], qvel: &[S], time: f64) -> Vec<S> {
    let time = S::of(time);
    let mut next = qpos.to_vec();
    for joint in &model.joints {
        let (mut q, mut v) = (joint.qpos, joint.dof);
        let steps = match joint.kind {
            JointKind::Free => 3,
            JointKind::Ball => 0,
            JointKind::Slide | JointKind::Hinge => 1,
        };
        for _ in 0..steps {
            next[q] = qpos[q] + time * qvel[v];
            (q, v) = (q + 1, v + 1);
        }
        if matches!(joint.kind, JointKind::Free | JointKind::Ball) {
            let turn = Quat::exponential(Vec3([qvel[v], qvel[v + 1], qvel[v + 2]]) * time);
            let turned = quaternion(qpos, q).times(turn);
            next[q..q + 4].copy_from_slice(&Quat::normalized(turned.0).0);
        }
    }
    next
}

/// M + h D, D the joints' damping: what Euler's rule with implicit damping solves with.
pub(super) fn with_damping<'m, S: Scalar>(model: &'m Model, mass: &Symmetric<'m, S>) -> Symmetric<'m, S> {
    let mut matrix = mass.clone();
    for (i, dof) in model.dofs.iter().enumerate() {
        matrix.add(i, i, S::of(model.options.timestep * dof.damping));
    }
    matrix
}

/// M - h ∂force/∂qvel without Coriolis terms, symmetric: what `implicitfast` solves with. As in MuJoCo, entries
/// that M does not have are dropped: those of tendons and actuators between branches.
pub(super) fn with_velocity_forces<'m, S: Scalar>(
    model: &'m Model,
    mass: &Symmetric<'m, S>,
    position: &Position<S>,
    velocity: &Velocity<S>,
    tendons: &[Line<S>],
    actuation: &Actuation<S>,
) -> Symmetric<'m, S> {
    let h = model.options.timestep;
    let mut matrix = mass.clone();
    let mut subtract = |line: &Line<S>, slope: S| {
        for (index, &(i, a)) in line.terms.iter().enumerate() {
            for &(j, b) in line.terms[..=index].iter().filter(|(j, _)| matrix.pattern.holds(i, *j)) {
                matrix.add(i, j, -(S::of(h) * slope * a * b));
            }
        }
    };
    for (line, slope) in &actuation.lines {
        subtract(line, *slope);
    }
    let (springs, dampers) = (model.options.enabled.spring, model.options.enabled.damper);
    if dampers {
        for (tendon, line) in model.tendons.iter().zip(tendons) {
            subtract(line, S::of(-tendon.damping));
        }
        for (i, dof) in model.dofs.iter().enumerate() {
            matrix.add(i, i, S::of(h * dof.damping));
        }
    }
    if (springs || dampers) && (model.options.density > 0.0 || model.options.viscosity > 0.0) {
        for body in 1..model.bodies.len() {
            let Some(drag) = Drag::new(model, body, position, velocity) else { continue };
            let motions = drag.motions(model, position);
            for (index, (i, a)) in motions.iter().enumerate() {
                let scaled = |v: Vec3<S>, slope: Vec3<S>| Vec3(std::array::from_fn(|k| v.0[k] * slope.0[k]));
                let (torque, force) = (scaled(a.rotation, drag.torque_slope), scaled(a.linear, drag.force_slope));
                for (j, b) in &motions[..=index] {
                    matrix.add(*i, *j, -(S::of(h) * (torque.dot(b.rotation) + force.dot(b.linear))));
                }
            }
        }
    }
    matrix
}
