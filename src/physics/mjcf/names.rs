//! References to other elements by name.

use super::MjcfError;
use super::attributes::Attributes;
use crate::physics::model::Model;

/// Index of the element of a kind that an attribute names.
pub(super) fn find<'n>(
    at: &Attributes<'_>,
    attribute: &'static str,
    kind: &str,
    names: impl Iterator<Item = &'n str>,
) -> Result<usize, MjcfError> {
    let wanted = at.required(attribute)?;
    let mut names = names;
    names
        .position(|name| name == wanted && !name.is_empty())
        .ok_or_else(|| at.element.error(format!("`{attribute}` names the unknown {kind} `{wanted}`")))
}

/// A body; the outermost one is called `world`.
pub(super) fn body(at: &Attributes<'_>, attribute: &'static str, model: &Model) -> Result<usize, MjcfError> {
    find(at, attribute, "body", model.bodies.iter().map(|body| body.name.as_str()))
}

/// A joint.
pub(super) fn joint(at: &Attributes<'_>, attribute: &'static str, model: &Model) -> Result<usize, MjcfError> {
    find(at, attribute, "joint", model.joints.iter().map(|joint| joint.name.as_str()))
}

/// A geom.
pub(super) fn geom(at: &Attributes<'_>, attribute: &'static str, model: &Model) -> Result<usize, MjcfError> {
    find(at, attribute, "geom", model.geoms.iter().map(|geom| geom.name.as_str()))
}

/// A site.
pub(super) fn site(at: &Attributes<'_>, attribute: &'static str, model: &Model) -> Result<usize, MjcfError> {
    find(at, attribute, "site", model.sites.iter().map(|site| site.name.as_str()))
}

/// A tendon.
pub(super) fn tendon(at: &Attributes<'_>, attribute: &'static str, model: &Model) -> Result<usize, MjcfError> {
    find(at, attribute, "tendon", model.tendons.iter().map(|tendon| tendon.name.as_str()))
}
