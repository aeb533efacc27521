//! Compiled models against MuJoCo's.

use flowmill::physics::model::{Frame, JointKind, Model, Shape, Softness};
use glam::DMat3;

use crate::fixture::{Numbers, assert_close, models};

fn frame(frame: &Frame) -> Vec<f64> {
    // Row-major, as MuJoCo writes matrices.
    let matrix = DMat3::from_quat(frame.rotation).transpose();
    frame.position.to_array().into_iter().chain(matrix.to_cols_array()).collect()
}

fn range(range: Option<[f64; 2]>) -> [f64; 2] {
    range.unwrap_or_default()
}

/// A model's constants under the names of the fixtures.
fn constants(m: &Model) -> Numbers {
    let scalar = |kind: JointKind| matches!(kind, JointKind::Slide | JointKind::Hinge);
    let joints = || m.joints.iter();
    let softness = |s: &Softness| (s.reference, s.impedance);
    let parent = |p: Option<usize>| p.map_or(-1.0, |p| p as f64);
    let extent = |shape| match shape {
        Shape::Plane => 0,
        Shape::Sphere => 1,
        Shape::Capsule | Shape::Cylinder => 2,
        Shape::Ellipsoid | Shape::Box => 3,
    };
    let table: Vec<(&str, Vec<f64>)> = vec![
        ("timestep", vec![m.options.timestep]),
        ("mean_inertia", vec![m.mean_inertia]),
        ("qpos0", m.qpos0.clone()),
        (
            "qpos_spring",
            joints().filter(|j| j.stiffness > 0.0 && scalar(j.kind)).map(|j| m.qpos_spring[j.qpos]).collect(),
        ),
        ("body_parent", m.bodies.iter().map(|b| b.parent as f64).collect()),
        ("body_frame", m.bodies.iter().flat_map(|b| frame(&b.frame)).collect()),
        ("body_mass", m.bodies.iter().map(|b| b.mass).collect()),
        ("body_centre", m.bodies.iter().flat_map(|b| b.inertial.position.to_array()).collect()),
        (
            "body_inertia",
            m.bodies
                .iter()
                .flat_map(|b| {
                    let i = b.inertia_matrix();
                    [i.x_axis.x, i.y_axis.y, i.z_axis.z, i.x_axis.y, i.x_axis.z, i.y_axis.z]
                })
                .collect(),
        ),
        ("body_subtree_mass", m.bodies.iter().map(|b| b.subtree_mass).collect()),
        ("body_inverse_weight", m.bodies.iter().flat_map(|b| b.inverse_weight).collect()),
        ("joint_kind", joints().map(|j| f64::from(j.kind as u8)).collect()),
        ("joint_position", joints().flat_map(|j| j.position.to_array()).collect()),
        ("joint_axis", joints().filter(|j| scalar(j.kind)).flat_map(|j| j.axis.to_array()).collect()),
        ("joint_range", joints().flat_map(|j| range(j.range)).collect()),
        ("joint_margin", joints().map(|j| j.margin).collect()),
        ("joint_stiffness", joints().map(|j| j.stiffness).collect()),
        ("joint_force_range", joints().flat_map(|j| range(j.force_range)).collect()),
        ("joint_solref", joints().filter(|j| j.range.is_some()).flat_map(|j| softness(&j.limit).0).collect()),
        ("joint_solimp", joints().filter(|j| j.range.is_some()).flat_map(|j| softness(&j.limit).1).collect()),
        ("dof_parent", m.dofs.iter().map(|d| parent(d.parent)).collect()),
        ("dof_armature", m.dofs.iter().map(|d| d.armature).collect()),
        ("dof_damping", m.dofs.iter().map(|d| d.damping).collect()),
        ("dof_friction_loss", m.dofs.iter().map(|d| d.friction_loss).collect()),
        ("dof_inverse_weight", m.dofs.iter().map(|d| d.inverse_weight).collect()),
        ("geom_size", m.geoms.iter().flat_map(|g| g.size.to_array().into_iter().take(extent(g.shape))).collect()),
        ("geom_frame", m.geoms.iter().flat_map(|g| frame(&g.frame)).collect()),
        ("site_frame", m.sites.iter().flat_map(|s| frame(&s.frame)).collect()),
        ("tendon_range", m.tendons.iter().flat_map(|t| range(t.range)).collect()),
        ("tendon_spring_length", m.tendons.iter().flat_map(|t| range(t.spring_length)).collect()),
        ("tendon_inverse_weight", m.tendons.iter().map(|t| t.inverse_weight).collect()),
        ("actuator_gear", m.actuators.iter().map(|a| a.gear[0]).collect()),
        ("actuator_gain", m.actuators.iter().flat_map(|a| a.gain).collect()),
        ("actuator_bias", m.actuators.iter().flat_map(|a| a.bias).collect()),
        ("actuator_control_range", m.actuators.iter().flat_map(|a| range(a.control_range)).collect()),
        ("actuator_force_range", m.actuators.iter().flat_map(|a| range(a.force_range)).collect()),
        ("key_qpos", m.keyframes.iter().flat_map(|k| k.qpos.clone()).collect()),
    ];
    table.into_iter().map(|(key, values)| (key.to_string(), values)).collect()
}

#[test]
fn compiled_constants_agree_with_mujoco() {
    for (name, model, fixture) in models() {
        assert_close(name, &constants(&model), &fixture.constants, 1e-12, 1e-9);
    }
}
