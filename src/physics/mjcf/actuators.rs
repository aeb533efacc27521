//! Actuators, all forms as one: an affine gain and an affine bias.

use super::MjcfError;
use super::attributes::Attributes;
use super::classes::{ACTUATORS, Classes};
use super::document::Element;
use super::names;
use super::settings::Compiler;
use crate::physics::model::{Actuator, JointKind, Model, Transmission};

/// Gain and bias: what the short forms write.
struct Law {
    gain: [f64; 3],
    bias: [f64; 3],
    affine_gain: bool,
    affine_bias: bool,
}

/// Reads all `actuator` sections.
pub(super) fn read(
    root: &Element,
    compiler: &Compiler,
    classes: &Classes,
    model: &Model,
) -> Result<Vec<Actuator>, MjcfError> {
    let elements = root.all("actuator").flat_map(|section| &section.children);
    elements.map(|element| actuator(&classes.tagged(element, None, ACTUATORS)?, compiler, model)).collect()
}

fn actuator(at: &Attributes, compiler: &Compiler, model: &Model) -> Result<Actuator, MjcfError> {
    for name in ["inheritrange", "cranklength"] {
        at.zero(name)?;
    }
    let transmission = match ["joint", "tendon", "site"].map(|name| at.has(name)) {
        [true, false, false] => {
            let joint = names::joint(at, "joint", model)?;
            if !matches!(model.joints[joint].kind, JointKind::Slide | JointKind::Hinge) {
                return Err(at.element.error("`joint` must name a hinge or a slide"));
            }
            Transmission::Joint(joint)
        }
        [false, true, false] => Transmission::Tendon(names::tendon(at, "tendon", model)?),
        [false, false, true] => Transmission::Site(names::site(at, "site", model)?),
        _ => return Err(at.element.error("expected one of `joint`, `tendon` and `site`")),
    };
    let mut law = Law { gain: [1.0, 0.0, 0.0], bias: [0.0; 3], affine_gain: false, affine_bias: false };
    for layer in at.defaults.iter().copied().chain([at.element]) {
        law.apply(layer)?;
    }
    let gear = at.partial("gear", [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])?;
    if !matches!(transmission, Transmission::Site(_)) && gear[1..].iter().any(|&number| number != 0.0) {
        return Err(at.element.error("`gear` of a joint or a tendon has one number"));
    }
    Ok(Actuator {
        name: at.name(),
        transmission,
        gear,
        gain: if law.affine_gain { law.gain } else { [law.gain[0], 0.0, 0.0] },
        bias: if law.affine_bias { law.bias } else { [0.0; 3] },
        control_range: at.limits("ctrlrange", "ctrllimited", compiler.automatic_limits)?,
        force_range: at.limits("forcerange", "forcelimited", compiler.automatic_limits)?,
    })
}

impl Law {
    /// Applies one element, a default or the actuator itself, to what the layers behind it left.
    fn apply(&mut self, element: &Element) -> Result<(), MjcfError> {
        let at = Attributes::plain(element);
        match element.tag.as_str() {
            "motor" => *self = Self { gain: [1.0, 0.0, 0.0], bias: [0.0; 3], affine_gain: false, affine_bias: false },
            "position" => {
                let kp = at.magnitude("kp", self.gain[0])?;
                let kv = at.magnitude("kv", -self.bias[2])?;
                *self = Self { gain: [kp, 0.0, 0.0], bias: [0.0, -kp, -kv], affine_gain: false, affine_bias: true };
            }
            "velocity" => {
                let kv = at.magnitude("kv", self.gain[0])?;
                *self = Self { gain: [kv, 0.0, 0.0], bias: [0.0, 0.0, -kv], affine_gain: false, affine_bias: true };
            }
            _ => {
                self.affine_gain = at.keyword("gaintype", &[("fixed", false), ("affine", true)], self.affine_gain)?;
                self.affine_bias = at.keyword("biastype", &[("none", false), ("affine", true)], self.affine_bias)?;
                at.keyword("dyntype", &[("none", ())], ())?;
                at.keyword("actlimited", &[("false", ()), ("auto", ())], ())?;
                at.zero("actrange")?;
                for (name, target) in [("gainprm", &mut self.gain), ("biasprm", &mut self.bias)] {
                    let Some(values) = at.numbers(name, 10)? else { continue };
                    if values.iter().skip(3).any(|&number| number != 0.0) {
                        return Err(element.error(format!("`{name}` has more than three numbers that are not 0")));
                    }
                    let count = values.len().min(3);
                    target[..count].copy_from_slice(&values[..count]);
                }
            }
        }
        Ok(())
    }
}
