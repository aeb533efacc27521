//! Explicit pairs of geoms, and excluded pairs of bodies.

use super::MjcfError;
use super::classes::Classes;
use super::document::Element;
use super::{names, softness};
use crate::physics::model::{Model, Pair};

/// Reads all `contact` sections: the explicit pairs, and into the model the excluded bodies.
pub(super) fn read(root: &Element, classes: &Classes, model: &mut Model) -> Result<Vec<Pair>, MjcfError> {
    let mut pairs = Vec::new();
    for element in root.all("contact").flat_map(|section| &section.children) {
        let at = classes.of(element, None)?;
        if element.tag == "exclude" {
            let bodies = [names::body(&at, "body1", model)?, names::body(&at, "body2", model)?];
            model.excludes.push(bodies);
            continue;
        }
        at.zero("gap")?;
        let mut geoms = [names::geom(&at, "geom1", model)?, names::geom(&at, "geom2", model)?];
        geoms.sort_unstable();
        let directions = match at.integer("condim", 3)? {
            n @ (1 | 3) => n,
            n => return Err(element.error(format!("`condim` is {n}, supported: 1, 3"))),
        };
        // Nothing is inherited from the geoms. Torsional and rolling friction belong to contacts of more directions.
        let [first, second, ..] = at.partial("friction", [1.0, 1.0, 0.0, 0.0, 0.0])?;
        pairs.push(Pair {
            directions,
            friction: [first, second],
            softness: softness(&at, "solref", "solimp")?,
            margin: at.magnitude("margin", 0.0)?,
            ..Pair::mixed(geoms, model)
        });
    }
    Ok(pairs)
}
