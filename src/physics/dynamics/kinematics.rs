//! Where everything is, and what moves it: positions, inertias, motion directions.
//!
//! Spatial quantities are in the world's axes about the centre of mass of the body's tree.

use super::linear::{Inertia, Mat3, Quat, Spatial, Vec3};
use super::scalar::Scalar;
use crate::physics::model::{Frame, JointKind, Model};

/// A frame in the world's.
#[derive(Debug, Clone, Copy)]
pub struct Pose<S> {
    /// Origin.
    pub position: Vec3<S>,
    /// Axes.
    pub rotation: Mat3<S>,
}

impl<S: Scalar> Pose<S> {
    /// A frame that is fixed in this one.
    pub fn then(&self, frame: &Frame) -> Self {
        let rotation = self.rotation.times(&Mat3::of_rotation(frame.rotation));
        Self { position: self.point(Vec3::of(frame.position)), rotation }
    }

    /// A point of this frame.
    pub fn point(&self, local: Vec3<S>) -> Vec3<S> {
        self.position + self.rotation.apply(local)
    }
}

/// Everything that follows from a configuration.
#[derive(Debug, Clone)]
pub struct Position<S> {
    /// Bodies' frames.
    pub bodies: Vec<Pose<S>>,
    /// Bodies' centres of mass.
    pub centres: Vec<Vec3<S>>,
    /// For each body the origin of its tree's spatial quantities.
    pub origins: Vec<Vec3<S>>,
    /// Bodies' inertias.
    pub inertias: Vec<Inertia<S>>,
    /// For each degree of freedom the motion at unit velocity.
    pub motions: Vec<Spatial<S>>,
}

/// The quaternion at a place of a configuration.
pub(super) fn quaternion<S: Scalar>(qpos: &[S], at: usize) -> Quat<S> {
    Quat::normalized([qpos[at], qpos[at + 1], qpos[at + 2], qpos[at + 3]])
}

impl<S: Scalar> Position<S> {
    /// Computes it. `qpos` `[nq]`
    pub fn new(model: &Model, qpos: &[S]) -> Self {
        let origin = Pose { position: Vec3::zero(), rotation: Mat3::of(glam::DMat3::IDENTITY) };
        let mut bodies = vec![origin; model.bodies.len()];
        let mut anchors = vec![origin.position; model.joints.len()];
        let mut axes = anchors.clone();
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            let mut pose = bodies[body.parent].then(&body.frame);
            for j in body.joints.clone() {
                let joint = &model.joints[j];
                let anchor = pose.point(Vec3::of(joint.position));
                axes[j] = pose.rotation.apply(Vec3::of(joint.axis));
                let turn = match joint.kind {
                    JointKind::Free => {
                        pose.position = Vec3([qpos[joint.qpos], qpos[joint.qpos + 1], qpos[joint.qpos + 2]]);
                        pose.rotation = quaternion(qpos, joint.qpos + 3).matrix();
                        anchors[j] = pose.position;
                        continue;
                    }
                    JointKind::Slide => {
                        let travel = qpos[joint.qpos] - S::of(model.qpos0[joint.qpos]);
                        pose.position = pose.position + axes[j] * travel;
                        anchors[j] = anchor;
                        continue;
                    }
                    JointKind::Ball => quaternion(qpos, joint.qpos).matrix(),
                    JointKind::Hinge => Mat3::rotation(joint.axis, qpos[joint.qpos] - S::of(model.qpos0[joint.qpos])),
                };
                pose.rotation = pose.rotation.times(&turn);
                pose.position = anchor - pose.rotation.apply(Vec3::of(joint.position));
                anchors[j] = anchor;
            }
            bodies[index] = pose;
        }
        let centres: Vec<Vec3<S>> =
            bodies.iter().zip(&model.bodies).map(|(pose, body)| pose.point(Vec3::of(body.inertial.position))).collect();
        let origins = origins(model, &centres);
        let inertias = (0..bodies.len())
            .map(|b| {
                let body = &model.bodies[b];
                Inertia::new(body.inertia_matrix(), body.mass, &bodies[b].rotation, centres[b] - origins[b])
            })
            .collect();
        let motions = motions(model, &bodies, &origins, &anchors, &axes);
        Self { bodies, centres, origins, inertias, motions }
    }

    /// The bodies' motions when the degrees of freedom move so: `v` `[nv]`.
    pub fn carried(&self, model: &Model, v: &[S]) -> Vec<Spatial<S>> {
        let mut bodies = vec![Spatial::zero(); model.bodies.len()];
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            let add = |sum: Spatial<S>, dof: usize| sum + self.motions[dof] * v[dof];
            bodies[index] = body.dofs.clone().fold(bodies[body.parent], add);
        }
        bodies
    }

    /// Velocity of a point of the world per unit velocity of a degree of freedom, when it is fixed to a body of the given tree.
    pub fn point_motion(&self, dof: usize, body: usize, point: Vec3<S>) -> Vec3<S> {
        self.motions[dof].at(point - self.origins[body])
    }
}

/// For each body the centre of mass of its tree.
fn origins<S: Scalar>(model: &Model, centres: &[Vec3<S>]) -> Vec<Vec3<S>> {
    let mut sums = vec![Vec3::zero(); centres.len()];
    for (body, &centre) in model.bodies.iter().zip(centres) {
        sums[body.root] = sums[body.root] + centre * S::of(body.mass);
    }
    let origin = |body: &crate::physics::model::Body| {
        let mass = model.bodies[body.root].subtree_mass;
        if body.root == 0 || mass < 1e-15 { centres[body.root] } else { sums[body.root] * S::of(1.0 / mass) }
    };
    model.bodies.iter().map(origin).collect()
}

fn motions<S: Scalar>(
    model: &Model,
    bodies: &[Pose<S>],
    origins: &[Vec3<S>],
    anchors: &[Vec3<S>],
    axes: &[Vec3<S>],
) -> Vec<Spatial<S>> {
    let mut motions = Vec::with_capacity(model.nv());
    for (j, joint) in model.joints.iter().enumerate() {
        let lever = origins[joint.body] - anchors[j];
        let turn = |axis: Vec3<S>| Spatial { rotation: axis, linear: axis.cross(lever) };
        let slide = |axis| Spatial { rotation: Vec3::zero(), linear: axis };
        match joint.kind {
            JointKind::Free => {
                motions.extend(glam::DVec3::AXES.map(|axis| slide(Vec3::of(axis))));
                motions.extend(bodies[joint.body].rotation.0.map(turn));
            }
            JointKind::Ball => motions.extend(bodies[joint.body].rotation.0.map(turn)),
            JointKind::Slide => motions.push(slide(axes[j])),
            JointKind::Hinge => motions.push(turn(axes[j])),
        }
    }
    motions
}
