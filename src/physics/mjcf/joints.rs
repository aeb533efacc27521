//! Joints and their degrees of freedom.

use glam::DVec3;

use super::MjcfError;
use super::attributes::Attributes;
use super::frame::Pose;
use super::settings::Compiler;
use super::softness;
use crate::physics::model::{Dof, Joint, JointKind};

/// A joint before its place in the model is known.
pub(super) struct JointDraft {
    pub joint: Joint,
    /// What all its degrees of freedom have.
    pub dof: Dof,
    /// Position of a hinge or a slide in the file's configuration.
    pub reference: f64,
    /// Position in which the spring is at rest.
    pub spring: f64,
}

/// Reads a `joint` or a `freejoint`; `around` is the frame of the elements around it in its body's.
pub(super) fn read(at: &Attributes, compiler: &Compiler, around: Pose) -> Result<JointDraft, MjcfError> {
    let words = [
        ("free", JointKind::Free),
        ("ball", JointKind::Ball),
        ("slide", JointKind::Slide),
        ("hinge", JointKind::Hinge),
    ];
    let kind = match at.element.tag.as_str() {
        "freejoint" => {
            at.keyword("align", &[("false", ()), ("auto", ())], ())?;
            JointKind::Free
        }
        _ => at.keyword("type", &words, JointKind::Hinge)?,
    };
    for name in ["springdamper", "actuatorgravcomp"] {
        match at.text(name) {
            None | Some("false") => {}
            Some(_) => at.zero(name)?,
        }
    }
    let angular = matches!(kind, JointKind::Hinge | JointKind::Ball);
    let convert = |value: f64| if angular { compiler.radians(value) } else { value };
    let axis = DVec3::from(at.vector::<3>("axis")?.unwrap_or([0.0, 0.0, 1.0]));
    if axis.length() < 1e-10 {
        return Err(at.element.error("`axis` has no length"));
    }
    let position = DVec3::from(at.vector::<3>("pos")?.unwrap_or([0.0; 3]));
    let range = match kind {
        JointKind::Free => None, // never limited, whatever its class says
        _ => at.limits("range", "limited", compiler.automatic_limits)?.map(|range| range.map(convert)),
    };
    if let (JointKind::Ball, Some([low, _])) = (kind, range)
        && low != 0.0
    {
        return Err(at.element.error("`range` of a ball joint must begin at 0"));
    }
    let joint = Joint {
        name: at.name(),
        kind,
        body: 0,
        position: if kind == JointKind::Free { DVec3::ZERO } else { around.position + around.rotation * position },
        axis: match kind {
            JointKind::Slide | JointKind::Hinge => (around.rotation * axis).normalize(),
            _ => DVec3::Z,
        },
        qpos: 0,
        dof: 0,
        stiffness: at.magnitude("stiffness", 0.0)?,
        range,
        margin: at.number("margin", 0.0)?, // not an angle of the file: MuJoCo does not convert it
        limit: softness(at, "solreflimit", "solimplimit")?,
        force_range: at.limits("actuatorfrcrange", "actuatorfrclimited", compiler.automatic_limits)?,
    };
    if joint.force_range.is_some() && !matches!(kind, JointKind::Slide | JointKind::Hinge) {
        return Err(at.element.error("`actuatorfrcrange` needs a hinge or a slide"));
    }
    let dof = Dof {
        joint: 0,
        body: 0,
        parent: None,
        armature: at.magnitude("armature", 0.0)?,
        damping: at.magnitude("damping", 0.0)?,
        friction_loss: at.magnitude("frictionloss", 0.0)?,
        friction: softness(at, "solreffriction", "solimpfriction")?,
        inverse_weight: 0.0,
    };
    let scalar = matches!(kind, JointKind::Slide | JointKind::Hinge);
    let rest = |name| at.number(name, 0.0).map(|value| if scalar { convert(value) } else { 0.0 });
    Ok(JointDraft { joint, dof, reference: rest("ref")?, spring: rest("springref")? })
}
