//! Named states.

use super::MjcfError;
use super::attributes::Attributes;
use super::document::Element;
use crate::physics::model::{Keyframe, Model};

/// Reads all `keyframe` sections.
pub(super) fn read(root: &Element, model: &Model) -> Result<Vec<Keyframe>, MjcfError> {
    root.all("keyframe").flat_map(|section| &section.children).map(|element| key(element, model)).collect()
}

fn key(element: &Element, model: &Model) -> Result<Keyframe, MjcfError> {
    let at = Attributes::plain(element);
    for name in ["act", "mpos", "mquat"] {
        if at.has(name) {
            return Err(element.error(format!("attribute `{name}` is not supported")));
        }
    }
    let values = |name, fallback: Vec<f64>| match at.numbers(name, fallback.len())? {
        Some(values) if values.len() == fallback.len() => Ok(values),
        Some(values) => {
            Err(element.error(format!("`{name}` has {} numbers, expected {}", values.len(), fallback.len())))
        }
        None => Ok(fallback),
    };
    Ok(Keyframe {
        name: at.name(),
        qpos: values("qpos", model.qpos0.clone())?,
        qvel: values("qvel", vec![0.0; model.nv()])?,
        control: values("ctrl", vec![0.0; model.nu()])?,
    })
}
