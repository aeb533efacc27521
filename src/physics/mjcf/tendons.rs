//! Tendons: sums of joint positions, and lines through sites.

use super::MjcfError;
use super::attributes::Attributes;
use super::classes::Classes;
use super::document::Element;
use super::settings::Compiler;
use super::{names, softness};
use crate::physics::model::{JointKind, Model, Tendon, TendonPath};

/// Reads all `tendon` sections.
pub(super) fn read(
    root: &Element,
    compiler: &Compiler,
    classes: &Classes,
    model: &Model,
) -> Result<Vec<Tendon>, MjcfError> {
    let mut tendons: Vec<Tendon> = Vec::new();
    for element in root.all("tendon").flat_map(|section| &section.children) {
        let tendon = tendon(&classes.tagged(element, None, &["tendon"])?, compiler, model)?;
        if !tendon.name.is_empty() && tendons.iter().any(|other| other.name == tendon.name) {
            return Err(element.error("another tendon has this name"));
        }
        tendons.push(tendon);
    }
    Ok(tendons)
}

fn tendon(at: &Attributes, compiler: &Compiler, model: &Model) -> Result<Tendon, MjcfError> {
    at.zero("armature")?;
    at.zero("actuatorfrcrange")?;
    let path = match at.element.tag.as_str() {
        "fixed" => TendonPath::Fixed(fixed(at.element, model)?),
        _ => TendonPath::Spatial(spatial(at.element, model)?),
    };
    let spring_length = match at.numbers("springlength", 2)?.as_deref() {
        None => None,
        Some([length]) => Some([*length; 2]),
        Some([low, high]) if low <= high => Some([*low, *high]),
        _ => return Err(at.element.error("`springlength` must not fall")),
    };
    Ok(Tendon {
        name: at.name(),
        path,
        range: at.limits("range", "limited", compiler.automatic_limits)?,
        margin: at.number("margin", 0.0)?,
        limit: softness(at, "solreflimit", "solimplimit")?,
        stiffness: at.magnitude("stiffness", 0.0)?,
        damping: at.magnitude("damping", 0.0)?,
        // A length of -1 asks for the length with all joint springs at rest.
        spring_length: spring_length.filter(|[low, _]| *low != -1.0),
        friction_loss: at.magnitude("frictionloss", 0.0)?,
        friction: softness(at, "solreffriction", "solimpfriction")?,
        inverse_weight: 0.0,
        chain: Vec::new(),
    })
}

fn fixed(element: &Element, model: &Model) -> Result<Vec<(usize, f64)>, MjcfError> {
    let mut terms = Vec::new();
    for child in &element.children {
        let at = Attributes::plain(child);
        let joint = names::joint(&at, "joint", model)?;
        if !matches!(model.joints[joint].kind, JointKind::Slide | JointKind::Hinge) {
            return Err(child.error("`joint` must name a hinge or a slide"));
        }
        if terms.iter().any(|(other, _)| *other == joint) {
            return Err(child.error(format!("names the joint `{}` again", model.joints[joint].name)));
        }
        at.required("coef")?;
        terms.push((joint, at.number("coef", 0.0)?));
    }
    match terms.is_empty() {
        true => Err(element.error("has no joint")),
        false => Ok(terms),
    }
}

fn spatial(element: &Element, model: &Model) -> Result<Vec<usize>, MjcfError> {
    let sites = element.children.iter().map(|child| names::site(&Attributes::plain(child), "site", model));
    let sites = sites.collect::<Result<Vec<usize>, _>>()?;
    match sites.len() {
        0 | 1 => Err(element.error("needs two sites or more")),
        _ => Ok(sites),
    }
}
