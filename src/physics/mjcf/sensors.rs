//! Sensors.

use super::MjcfError;
use super::attributes::Attributes;
use super::document::Element;
use super::names;
use crate::physics::model::{JointKind, Model, Object, Sensor, SensorKind, Shape};

/// Reads all `sensor` sections.
pub(super) fn read(root: &Element, model: &Model) -> Result<Vec<Sensor>, MjcfError> {
    let elements = root.all("sensor").flat_map(|section| &section.children);
    elements.map(|element| sensor(&Attributes::plain(element), model)).collect()
}

fn sensor(at: &Attributes, model: &Model) -> Result<Sensor, MjcfError> {
    let kind = match at.element.tag.as_str() {
        "jointpos" => SensorKind::JointPosition(scalar_joint(at, model)?),
        "jointvel" => SensorKind::JointVelocity(scalar_joint(at, model)?),
        "framepos" => SensorKind::Position(object(at, model)?),
        "framexaxis" => SensorKind::Axis(object(at, model)?, 0),
        "frameyaxis" => SensorKind::Axis(object(at, model)?, 1),
        "framezaxis" => SensorKind::Axis(object(at, model)?, 2),
        "touch" => {
            let site = names::site(at, "site", model)?;
            if !matches!(model.sites[site].shape, Shape::Sphere | Shape::Ellipsoid) {
                return Err(at.element.error("`site` of a touch sensor must be a sphere or an ellipsoid"));
            }
            SensorKind::Touch(site)
        }
        "velocimeter" => SensorKind::LinearVelocity(names::site(at, "site", model)?),
        "gyro" => SensorKind::AngularVelocity(names::site(at, "site", model)?),
        "subtreelinvel" => SensorKind::SubtreeVelocity(names::body(at, "body", model)?),
        other => return Err(at.element.error(format!("sensor `{other}` is not supported"))),
    };
    Ok(Sensor { name: at.name(), kind })
}

fn scalar_joint(at: &Attributes, model: &Model) -> Result<usize, MjcfError> {
    let joint = names::joint(at, "joint", model)?;
    match model.joints[joint].kind {
        JointKind::Slide | JointKind::Hinge => Ok(joint),
        _ => Err(at.element.error("`joint` must name a hinge or a slide")),
    }
}

fn object(at: &Attributes, model: &Model) -> Result<Object, MjcfError> {
    at.required("objtype")?;
    match at.keyword("objtype", &[("xbody", 0), ("body", 1), ("geom", 2), ("site", 3)], 0)? {
        0 => names::body(at, "objname", model).map(Object::Body),
        1 => names::body(at, "objname", model).map(Object::Inertial),
        2 => names::geom(at, "objname", model).map(Object::Geom),
        _ => names::site(at, "objname", model).map(Object::Site),
    }
}
