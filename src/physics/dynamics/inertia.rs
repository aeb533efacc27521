//! Mass matrix, velocities, and the forces of inertia and gravity.

use super::kinematics::Position;
use super::linear::{Inertia, Spatial, Vec3};
use super::scalar::Scalar;
use super::sparse::Symmetric;
use crate::physics::model::{JointKind, Model};

/// The mass matrix, by composite rigid bodies (Featherstone), with armature on its diagonal.
pub fn mass_matrix<'m, S: Scalar>(model: &'m Model, position: &Position<S>) -> Symmetric<'m, S> {
    let mut composite: Vec<Inertia<S>> = position.inertias.clone();
    for b in (1..composite.len()).rev() {
        let parent = model.bodies[b].parent;
        if parent != 0 {
            composite[parent] = composite[parent] + composite[b];
        }
    }
    let mut mass = Symmetric::zero(&model.mass_pattern);
    for (i, dof) in model.dofs.iter().enumerate() {
        let momentum = composite[dof.body].apply(position.motions[i]);
        mass.add(i, i, position.motions[i].dot(momentum) + S::of(dof.armature));
        for &j in model.mass_pattern.row(i) {
            mass.add(i, j, position.motions[j].dot(momentum));
        }
    }
    mass
}

/// Velocities of bodies, and how the motion directions change.
#[derive(Debug, Clone)]
pub struct Velocity<S> {
    /// Bodies' spatial velocities.
    pub bodies: Vec<Spatial<S>>,
    /// Time derivatives of the motion directions.
    pub motion_rates: Vec<Spatial<S>>,
}

impl<S: Scalar> Velocity<S> {
    /// Computes it. `qvel` `[nv]`
    pub fn new(model: &Model, position: &Position<S>, qvel: &[S]) -> Self {
        let mut bodies = vec![Spatial::zero(); model.bodies.len()];
        let mut motion_rates = vec![Spatial::zero(); model.nv()];
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            let mut velocity = bodies[body.parent];
            for joint in &model.joints[body.joints.clone()] {
                let dofs = joint.dof..joint.dof + joint.kind.nv();
                // A free joint's translations are along the world's axes and do not turn.
                let fixed = if joint.kind == JointKind::Free { 3 } else { 0 };
                let moved = |from: Spatial<S>, dof: usize| from + position.motions[dof] * qvel[dof];
                velocity = dofs.clone().take(fixed).fold(velocity, moved);
                let before = velocity;
                for dof in dofs.skip(fixed) {
                    motion_rates[dof] = before.cross_motion(position.motions[dof]);
                    velocity = moved(velocity, dof);
                }
            }
            bodies[index] = velocity;
        }
        Self { bodies, motion_rates }
    }
}

/// Forces of Coriolis, centrifugal and gravity terms, by recursive Newton-Euler. `[nv]`
pub fn bias_force<S: Scalar>(model: &Model, position: &Position<S>, velocity: &Velocity<S>, qvel: &[S]) -> Vec<S> {
    let mut accelerations = vec![Spatial::zero(); model.bodies.len()];
    if model.options.enabled.gravity {
        accelerations[0].linear = Vec3::of(-model.options.gravity);
    }
    let mut forces = vec![Spatial::zero(); model.bodies.len()];
    for (index, body) in model.bodies.iter().enumerate().skip(1) {
        let mut acceleration = accelerations[body.parent];
        for dof in body.dofs.clone() {
            acceleration = acceleration + velocity.motion_rates[dof] * qvel[dof];
        }
        accelerations[index] = acceleration;
        let (inertia, speed) = (&position.inertias[index], velocity.bodies[index]);
        forces[index] = inertia.apply(acceleration) + speed.cross_force(inertia.apply(speed));
    }
    for index in (1..forces.len()).rev() {
        let parent = model.bodies[index].parent;
        forces[parent] = forces[parent] + forces[index];
    }
    model.dofs.iter().zip(&position.motions).map(|(dof, motion)| motion.dot(forces[dof.body])).collect()
}
