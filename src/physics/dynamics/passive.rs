//! Springs, dampers and the drag of a medium.

use std::f64::consts::PI;

use super::inertia::Velocity;
use super::kinematics::{Position, quaternion};
use super::linear::{Quat, Spatial, Vec3};
use super::scalar::Scalar;
use super::tendon::Line;
use crate::physics::model::{Body, JointKind, Model};

/// Forces of joints' and tendons' springs and dampers, and of the medium. `[nv]`
pub fn passive_force<S: Scalar>(
    model: &Model,
    qpos: &[S],
    qvel: &[S],
    position: &Position<S>,
    velocity: &Velocity<S>,
    tendons: &[Line<S>],
) -> Vec<S> {
    let (springs, dampers) = (model.options.enabled.spring, model.options.enabled.damper);
    let mut force = vec![S::zero(); model.nv()];
    if !springs && !dampers {
        return force;
    }
    if springs {
        joint_springs(model, qpos, &mut force);
    }
    if dampers {
        for (i, dof) in model.dofs.iter().enumerate().filter(|(_, dof)| dof.damping != 0.0) {
            force[i] = force[i] - S::of(dof.damping) * qvel[i];
        }
    }
    for (tendon, line) in model.tendons.iter().zip(tendons) {
        if let (true, Some([low, high])) = (springs && tendon.stiffness != 0.0, tendon.spring_length) {
            let stretch = (line.length - S::of(high)).max(S::zero()) + (line.length - S::of(low)).min(S::zero());
            line.pull(-(S::of(tendon.stiffness) * stretch), &mut force);
        }
        if dampers && tendon.damping != 0.0 {
            line.pull(-(S::of(tendon.damping) * line.velocity(qvel)), &mut force);
        }
    }
    if model.options.density > 0.0 || model.options.viscosity > 0.0 {
        for index in 1..model.bodies.len() {
            if let Some(drag) = Drag::new(model, index, position, velocity) {
                drag.add_force(model, position, &mut force);
            }
        }
    }
    force
}

fn joint_springs<S: Scalar>(model: &Model, qpos: &[S], force: &mut [S]) {
    for joint in model.joints.iter().filter(|joint| joint.stiffness != 0.0) {
        let stiffness = S::of(joint.stiffness);
        let rest = |k: usize| S::of(model.qpos_spring[k]);
        let mut dof = joint.dof;
        let mut q = joint.qpos;
        if joint.kind == JointKind::Free {
            for k in 0..3 {
                force[dof + k] = force[dof + k] - stiffness * (qpos[q + k] - rest(q + k));
            }
            dof += 3;
            q += 3;
        }
        match joint.kind {
            JointKind::Free | JointKind::Ball => {
                let target: Quat<S> = Quat([rest(q), rest(q + 1), rest(q + 2), rest(q + 3)]);
                let (angle, axis) = target.inverse().times(quaternion(qpos, q)).angle_axis();
                for k in 0..3 {
                    force[dof + k] = force[dof + k] - stiffness * angle * axis.0[k];
                }
            }
            JointKind::Slide | JointKind::Hinge => force[dof] = force[dof] - stiffness * (qpos[q] - rest(q)),
        }
    }
}

/// Drag of a box with a body's mass and inertia, in the frame of its principal axes.
pub(super) struct Drag<S> {
    body: usize,
    /// The axes in the world.
    rotation: super::linear::Mat3<S>,
    force: Vec3<S>,
    torque: Vec3<S>,
    /// Derivatives of the components of force by those of the linear velocity.
    pub force_slope: Vec3<S>,
    /// Derivatives of the components of torque by those of the angular velocity.
    pub torque_slope: Vec3<S>,
}

impl<S: Scalar> Drag<S> {
    /// `None` for a body without mass.
    pub fn new(model: &Model, index: usize, position: &Position<S>, velocity: &Velocity<S>) -> Option<Self> {
        let body = &model.bodies[index];
        let sides = box_sides(body)?;
        let (density, viscosity) = (model.options.density, model.options.viscosity);
        let rotation = position.bodies[index].then(&body.inertial).rotation;
        let speed = velocity.bodies[index];
        let at_centre = speed.at(position.centres[index] - position.origins[index]) - Vec3::of(model.options.wind);
        let (v, w) = (rotation.apply_transposed(at_centre), rotation.apply_transposed(speed.rotation));
        let diameter = (sides[0] + sides[1] + sides[2]) / 3.0;
        let area = |k: usize| sides[(k + 1) % 3] * sides[(k + 2) % 3];
        let fourth = |k: usize| sides[(k + 1) % 3].powi(4) + sides[(k + 2) % 3].powi(4);
        // Viscous part of a sphere of the mean diameter, quadratic part of the box.
        let linear = [3.0 * PI * diameter * viscosity, PI * diameter.powi(3) * viscosity];
        let quadratic = |k: usize| [0.5 * density * area(k), density * sides[k] * fourth(k) / 64.0];
        let law = |which: usize, u: Vec3<S>| {
            Vec3(std::array::from_fn(|k| {
                -((S::of(linear[which]) + S::of(quadratic(k)[which]) * u.0[k].abs()) * u.0[k])
            }))
        };
        let slope = |which: usize, u: Vec3<S>| {
            Vec3(std::array::from_fn(|k| -(S::of(linear[which]) + S::of(2.0 * quadratic(k)[which]) * u.0[k].abs())))
        };
        Some(Self {
            body: index,
            rotation,
            force: law(0, v),
            torque: law(1, w),
            force_slope: slope(0, v),
            torque_slope: slope(1, w),
        })
    }

    /// For each degree of freedom that moves the body: its rotation and the velocity of its centre in the body's principal axes.
    pub fn motions(&self, model: &Model, position: &Position<S>) -> Vec<(usize, Spatial<S>)> {
        let offset = position.centres[self.body] - position.origins[self.body];
        let local = |dof: &usize| {
            let motion = position.motions[*dof];
            let rotation = self.rotation.apply_transposed(motion.rotation);
            (*dof, Spatial { rotation, linear: self.rotation.apply_transposed(motion.at(offset)) })
        };
        model.bodies[self.body].chain.iter().map(local).collect()
    }

    fn add_force(&self, model: &Model, position: &Position<S>, target: &mut [S]) {
        for (dof, motion) in self.motions(model, position) {
            target[dof] = target[dof] + motion.rotation.dot(self.torque) + motion.linear.dot(self.force);
        }
    }
}

/// Sides of the homogeneous box with a body's mass and inertia.
fn box_sides(body: &Body) -> Option<[f64; 3]> {
    if body.mass < 1e-15 {
        return None;
    }
    let [a, b, c] = body.inertia.to_array();
    Some([b + c - a, a + c - b, a + b - c].map(|sum| (sum.max(1e-15) * 6.0 / body.mass).sqrt()))
}
