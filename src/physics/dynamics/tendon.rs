//! Lengths of tendons and how they change with the configuration.

use super::kinematics::{Pose, Position};
use super::linear::Vec3;
use super::scalar::Scalar;
use crate::physics::model::{Model, Tendon, TendonPath};

/// What acts along a direction of configuration space: a length, and its derivatives.
#[derive(Debug, Clone)]
pub struct Line<S> {
    /// Length.
    pub length: S,
    /// Derivative by the position of each degree of freedom it depends on.
    pub terms: Vec<(usize, S)>,
}

impl<S: Scalar> Line<S> {
    /// The velocity along it.
    pub fn velocity(&self, qvel: &[S]) -> S {
        self.terms.iter().fold(S::zero(), |sum, &(dof, factor)| sum + factor * qvel[dof])
    }

    /// Adds a force along it.
    pub fn pull(&self, force: S, target: &mut [S]) {
        for &(dof, factor) in &self.terms {
            target[dof] = target[dof] + factor * force;
        }
    }
}

/// All tendons. `qpos` `[nq]`
pub fn tendons<S: Scalar>(model: &Model, qpos: &[S], position: &Position<S>) -> Vec<Line<S>> {
    model.tendons.iter().map(|tendon| line(model, tendon, qpos, position)).collect()
}

fn line<S: Scalar>(model: &Model, tendon: &Tendon, qpos: &[S], position: &Position<S>) -> Line<S> {
    let mut length = S::zero();
    let mut terms: Vec<(usize, S)> = tendon.chain.iter().map(|&dof| (dof, S::zero())).collect();
    let mut add = |dof: usize, value: S| {
        for term in terms.iter_mut().filter(|term| term.0 == dof) {
            term.1 = term.1 + value;
        }
    };
    match &tendon.path {
        TendonPath::Fixed(joints) => {
            for &(joint, coefficient) in joints {
                let joint = &model.joints[joint];
                length = length + S::of(coefficient) * qpos[joint.qpos];
                add(joint.dof, S::of(coefficient));
            }
        }
        TendonPath::Spatial(sites) => {
            for ends in sites.windows(2) {
                let [first, second] = [&model.sites[ends[0]], &model.sites[ends[1]]];
                let [a, b] = [first, second].map(|site| {
                    let pose: &Pose<S> = &position.bodies[site.body];
                    pose.point(Vec3::of(site.frame.position))
                });
                let (distance, along) = (b - a).direction(1e-15, Vec3([S::of(1.0), S::zero(), S::zero()]));
                length = length + distance;
                let [chain_a, chain_b] = [first, second].map(|site| &model.bodies[site.body].chain);
                // What moves both ends does not change their distance.
                for &dof in chain_a.iter().filter(|dof| !chain_b.contains(dof)) {
                    add(dof, -along.dot(position.point_motion(dof, first.body, a)));
                }
                for &dof in chain_b.iter().filter(|dof| !chain_a.contains(dof)) {
                    add(dof, along.dot(position.point_motion(dof, second.body, b)));
                }
            }
        }
    }
    Line { length, terms }
}
