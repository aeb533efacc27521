//! Free bodies that nothing hangs on, under `implicitfast`: their gyroscopic forces are implicit too.
//!
//! Such a body's six rows of the mass matrix stand alone, so the unsymmetric system
//! M - h ∂force/∂qvel + h ∂bias/∂qvel is solved for each by itself.

use super::inertia::Velocity;
use super::kinematics::Position;
use super::linear::{Spatial, Vec3};
use super::scalar::Scalar;
use super::sparse::Symmetric;
use crate::physics::model::{JointKind, Model};

/// Replaces the accelerations of all such bodies; `matrix` is M - h ∂force/∂qvel, `force` the right-hand side.
pub(super) fn solve_free_bodies<S: Scalar>(
    model: &Model,
    matrix: &Symmetric<S>,
    position: &Position<S>,
    velocity: &Velocity<S>,
    force: &[S],
    acceleration: &mut [S],
) {
    for joint in model.joints.iter().filter(|joint| joint.kind == JointKind::Free) {
        if model.bodies.iter().skip(1).any(|body| body.parent == joint.body) {
            continue;
        }
        let first = joint.dof;
        let slopes = bias_slopes(model.options.timestep, joint.body, first, position, velocity);
        let rows: [[S; 6]; 6] = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                matrix.values[matrix.pattern.at(first + i, first + j)]
                    + if j < 3 { S::zero() } else { slopes[j - 3][i] }
            })
        });
        let right = std::array::from_fn(|i| force[first + i]);
        acceleration[first..first + 6].copy_from_slice(&eliminate::<S, 6>(rows, right));
    }
}

/// h times the derivatives of the bias force by the three angular velocities.
fn bias_slopes<S: Scalar>(
    h: f64,
    body: usize,
    first: usize,
    position: &Position<S>,
    velocity: &Velocity<S>,
) -> [[S; 6]; 3] {
    let spin = velocity.bodies[body].rotation;
    let pose = &position.bodies[body];
    let lever = position.centres[body] - pose.position;
    let inertia = &position.inertias[body];
    let momentum = |turn| inertia.apply(Spatial { rotation: turn, linear: Vec3::zero() }).rotation;
    std::array::from_fn(|k| {
        let turn = position.motions[first + 3 + k].rotation;
        let force = (turn.cross(spin.cross(lever)) + spin.cross(turn.cross(lever))) * inertia.mass;
        let torque = turn.cross(momentum(spin)) + spin.cross(momentum(turn)) + lever.cross(force);
        let torque = pose.rotation.apply_transposed(torque);
        std::array::from_fn(|i| S::of(h) * if i < 3 { force.0[i] } else { torque.0[i - 3] })
    })
}

/// Solves a small system whose diagonal is large.
fn eliminate<S: Scalar, const N: usize>(mut rows: [[S; N]; N], mut right: [S; N]) -> [S; N] {
    for i in 0..N {
        let pivot = rows[i];
        for j in i + 1..N {
            let factor = rows[j][i] / pivot[i];
            rows[j] = std::array::from_fn(|k| rows[j][k] - factor * pivot[k]);
            right[j] = right[j] - factor * right[i];
        }
    }
    for i in (0..N).rev() {
        let sum = (i + 1..N).fold(right[i], |sum, k| sum - rows[i][k] * right[k]);
        right[i] = sum / rows[i][i];
    }
    right
}
