//! Constants of the file's configuration: how heavy bodies, degrees of freedom and tendons feel.

use super::Model;
use super::parts::{Frame, JointKind};
use crate::physics::dynamics::{Factors, Position, mass_matrix, tendons};

/// Weights below this count as zero.
const SMALLEST: f64 = 1e-15;

/// Fills in mean inertia, inverse weights (the mean diagonal blocks of J M⁻¹ Jᵀ) and resting lengths of tendons.
pub(super) fn fill(model: &mut Model) {
    let position = Position::<f64>::new(model, &model.qpos0);
    let lines = tendons(model, &model.qpos0, &position);
    let (diagonal, bodies, dofs, tendon_weights) = {
        let mass = mass_matrix(model, &position);
        let diagonal: Vec<f64> = (0..model.nv()).map(|i| mass.values[mass.pattern.diagonal(i)]).collect();
        let factors = mass.factor();
        let bodies: Vec<[f64; 2]> =
            (0..model.bodies.len()).map(|b| body_weight(model, &position, &factors, b)).collect();
        let dof = |i| quadratic(&factors, model.nv(), &[(i, 1.0)]);
        let dofs: Vec<f64> = (0..model.nv()).map(dof).collect();
        let tendons: Vec<f64> = lines.iter().map(|line| quadratic(&factors, model.nv(), &line.terms)).collect();
        (diagonal, bodies, dofs, tendons)
    };
    let lone: Vec<bool> = (0..model.bodies.len()).map(|index| is_lone_slider(model, index)).collect();
    let at_rest = tendons(model, &model.qpos_spring, &Position::new(model, &model.qpos_spring));
    model.mean_inertia = match diagonal.len() {
        0 => 1.0,
        n => diagonal.iter().sum::<f64>() / n as f64,
    };
    for ((body, weight), lone) in model.bodies.iter_mut().zip(bodies).zip(&lone) {
        body.inverse_weight = if *lone { [1.0 / body.mass, 0.0] } else { weight };
    }
    for joint in &model.joints {
        // A free joint's translations and rotations are two groups.
        let group = joint.kind.nv().min(3);
        for first in (joint.dof..joint.dof + joint.kind.nv()).step_by(group) {
            let members = first..first + group;
            let mean = match lone[joint.body] {
                true => 1.0 / model.bodies[joint.body].mass,
                false => dofs[members.clone()].iter().sum::<f64>() / group as f64,
            };
            for dof in &mut model.dofs[members] {
                dof.inverse_weight = mean;
            }
        }
    }
    for ((tendon, line), weight) in model.tendons.iter_mut().zip(&at_rest).zip(tendon_weights) {
        tendon.inverse_weight = weight;
        tendon.spring_length.get_or_insert([line.length; 2]);
    }
}

/// A body that hangs on what stands still, that nothing hangs on, and that only slides along its principal axes through its centre.
/// MuJoCo takes its inverse mass in all directions, armature left out.
fn is_lone_slider(model: &Model, index: usize) -> bool {
    let body = &model.bodies[index];
    let slides = |joint: &super::Joint| {
        let along_axis = joint.axis.to_array().iter().filter(|x| **x != 0.0).count() == 1;
        joint.kind == JointKind::Slide && joint.position == glam::DVec3::ZERO && along_axis
    };
    !body.joints.is_empty()
        && model.joints[body.joints.clone()].iter().all(slides)
        && model.bodies[body.parent].weld == 0
        && !model.bodies.iter().skip(1).any(|other| other.parent == index)
        && body.inertial == Frame::default()
}

/// J M⁻¹ Jᵀ for one direction.
fn quadratic(factors: &Factors<f64>, nv: usize, terms: &[(usize, f64)]) -> f64 {
    let mut direction = vec![0.0; nv];
    for &(dof, factor) in terms {
        direction[dof] += factor;
    }
    let solved = factors.solve(&direction);
    direction.iter().zip(solved).map(|(a, b)| a * b).sum()
}

/// Mean over the three axes, for forces and for torques at a body's centre of mass.
fn body_weight(model: &Model, position: &Position<f64>, factors: &Factors<f64>, index: usize) -> [f64; 2] {
    let body = &model.bodies[index];
    if body.weld == 0 {
        return [0.0; 2];
    }
    let along = |axis: usize, turn: bool| {
        let term = |&dof: &usize| {
            let motion = match turn {
                true => position.motions[dof].rotation,
                false => position.point_motion(dof, index, position.centres[index]),
            };
            (dof, motion.0[axis])
        };
        quadratic(factors, model.nv(), &body.chain.iter().map(term).collect::<Vec<_>>())
    };
    let [force, torque] = [false, true].map(|turn| (0..3).map(|axis| along(axis, turn)).sum::<f64>() / 3.0);
    [if force < SMALLEST { 0.0 } else { force }, if torque < SMALLEST { 0.0 } else { torque }]
}
