//! Forces of actuators, and how they change with velocity.

use super::kinematics::Position;
use super::linear::Vec3;
use super::scalar::Scalar;
use super::tendon::Line;
use crate::physics::model::{Actuator, Model, Transmission};

/// What the actuators do.
#[derive(Debug, Clone)]
pub struct Actuation<S> {
    /// Forces on the degrees of freedom. `[nv]`
    pub force: Vec<S>,
    /// For each actuator its line and the derivative of its force by its velocity.
    pub lines: Vec<(Line<S>, S)>,
}

impl<S: Scalar> Actuation<S> {
    /// Computes it. `control` `[nu]`
    pub fn new(
        model: &Model,
        qpos: &[S],
        qvel: &[S],
        control: &[S],
        position: &Position<S>,
        tendons: &[Line<S>],
    ) -> Self {
        let mut force = vec![S::zero(); model.nv()];
        let mut lines = Vec::new();
        if !model.options.enabled.actuation {
            return Self { force, lines };
        }
        for (actuator, &control) in model.actuators.iter().zip(control) {
            let line = transmission(model, actuator, qpos, position, tendons);
            // MuJoCo 3.12 takes the derivative by velocity at the control as it was given.
            let given = control;
            let control = match actuator.control_range {
                Some([low, high]) if model.options.enabled.clamp_control => control.clamp(S::of(low), S::of(high)),
                _ => control,
            };
            let speed = line.velocity(qvel);
            let affine = |[constant, by_length, by_velocity]: [f64; 3]| {
                S::of(constant) + S::of(by_length) * line.length + S::of(by_velocity) * speed
            };
            let mut pull = affine(actuator.gain) * control + affine(actuator.bias);
            let mut slope = S::of(actuator.gain[2]) * given + S::of(actuator.bias[2]);
            if let Some([low, high]) = actuator.force_range {
                let outside = pull.less(S::of(low)) | S::of(high).less(pull);
                slope = S::select(outside, S::zero(), slope);
                pull = pull.clamp(S::of(low), S::of(high));
            }
            line.pull(pull, &mut force);
            lines.push((line, slope));
        }
        for joint in &model.joints {
            if let Some([low, high]) = joint.force_range {
                force[joint.dof] = force[joint.dof].clamp(S::of(low), S::of(high));
            }
        }
        Self { force, lines }
    }
}

/// An actuator's length and moments.
fn transmission<S: Scalar>(
    model: &Model,
    actuator: &Actuator,
    qpos: &[S],
    position: &Position<S>,
    tendons: &[Line<S>],
) -> Line<S> {
    let gear = S::of(actuator.gear[0]);
    match actuator.transmission {
        Transmission::Joint(joint) => {
            let joint = &model.joints[joint];
            Line { length: gear * qpos[joint.qpos], terms: vec![(joint.dof, gear)] }
        }
        Transmission::Tendon(tendon) => {
            let line = &tendons[tendon];
            let terms = line.terms.iter().map(|&(dof, factor)| (dof, gear * factor)).collect();
            Line { length: gear * line.length, terms }
        }
        Transmission::Site(site) => {
            let site = &model.sites[site];
            let pose = position.bodies[site.body].then(&site.frame);
            let [fx, fy, fz, tx, ty, tz] = actuator.gear.map(S::of);
            let (force, torque) = (pose.rotation.apply(Vec3([fx, fy, fz])), pose.rotation.apply(Vec3([tx, ty, tz])));
            let term = |&dof: &usize| {
                let along = position.point_motion(dof, site.body, pose.position).dot(force);
                (dof, along + position.motions[dof].rotation.dot(torque))
            };
            Line { length: S::zero(), terms: model.bodies[site.body].chain.iter().map(term).collect() }
        }
    }
}
