//! `compiler` and `option`: how the file is read, and how the model is stepped.

use glam::{DQuat, DVec3};

use super::MjcfError;
use super::attributes::Attributes;
use super::document::Element;
use crate::physics::model::{Cone, Integrator, Options};

/// Where a body's mass comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FromGeoms {
    Never,
    Always,
    /// From `inertial` where it is given.
    Auto,
}

/// The settings of the `compiler` element.
#[derive(Debug, Clone)]
pub(super) struct Compiler {
    degrees: bool,
    sequence: [char; 3],
    pub from_geoms: FromGeoms,
    /// Only geoms whose group lies in the range count for a body's mass.
    pub inertia_groups: [f64; 2],
    pub automatic_limits: bool,
    pub total_mass: Option<f64>,
    pub bound_mass: f64,
    pub bound_inertia: f64,
    pub balance_inertia: bool,
}

impl Compiler {
    /// Reads all `compiler` elements; a later one overrides an earlier one.
    pub fn read(root: &Element) -> Result<Self, MjcfError> {
        let mut compiler = Self {
            degrees: true,
            sequence: ['x', 'y', 'z'],
            from_geoms: FromGeoms::Auto,
            inertia_groups: [0.0, 5.0],
            automatic_limits: true,
            total_mass: None,
            bound_mass: 0.0,
            bound_inertia: 0.0,
            balance_inertia: false,
        };
        for element in root.all("compiler") {
            compiler.apply(&Attributes::plain(element))?;
        }
        Ok(compiler)
    }

    fn apply(&mut self, at: &Attributes) -> Result<(), MjcfError> {
        self.degrees = at.keyword("angle", &[("degree", true), ("radian", false)], self.degrees)?;
        if let Some(text) = at.text("eulerseq") {
            let letters: Vec<char> = text.chars().collect();
            self.sequence = <[char; 3]>::try_from(letters)
                .ok()
                .filter(|letters| letters.iter().all(|letter| "xyzXYZ".contains(*letter)))
                .ok_or_else(|| at.element.error(format!("`eulerseq` is `{text}`, expected three letters of xyzXYZ")))?;
        }
        let words = [("false", FromGeoms::Never), ("true", FromGeoms::Always), ("auto", FromGeoms::Auto)];
        self.from_geoms = at.keyword("inertiafromgeom", &words, self.from_geoms)?;
        self.inertia_groups = at.vector("inertiagrouprange")?.unwrap_or(self.inertia_groups);
        self.automatic_limits = at.boolean("autolimits", self.automatic_limits)?;
        let total = at.number("settotalmass", self.total_mass.unwrap_or(-1.0))?;
        self.total_mass = (total > 0.0).then_some(total);
        self.bound_mass = at.magnitude("boundmass", self.bound_mass)?;
        self.bound_inertia = at.magnitude("boundinertia", self.bound_inertia)?;
        self.balance_inertia = at.boolean("balanceinertia", self.balance_inertia)?;
        at.keyword("coordinate", &[("local", ())], ())?;
        for name in ["fusestatic", "discardvisual", "alignfree"] {
            at.keyword(name, &[("false", ())], ())?;
        }
        Ok(())
    }

    /// An angle of the file in radians.
    pub fn radians(&self, angle: f64) -> f64 {
        if self.degrees { angle.to_radians() } else { angle }
    }

    /// Three turns one after the other: small letters about the turned axes, capitals about the fixed ones.
    pub fn euler(&self, angles: [f64; 3]) -> DQuat {
        let mut rotation = DQuat::IDENTITY;
        for (letter, angle) in self.sequence.into_iter().zip(angles) {
            let axis = match letter.to_ascii_lowercase() {
                'x' => DVec3::X,
                'y' => DVec3::Y,
                _ => DVec3::Z,
            };
            let turn = DQuat::from_axis_angle(axis, self.radians(angle));
            rotation = if letter.is_lowercase() { rotation * turn } else { turn * rotation };
        }
        rotation.normalize()
    }
}

/// Reads all `option` elements with their flags.
pub(super) fn options(root: &Element) -> Result<Options, MjcfError> {
    let mut options = Options::default();
    for element in root.all("option") {
        let at = Attributes::plain(element);
        options.timestep = at.number("timestep", options.timestep)?;
        if options.timestep <= 0.0 {
            return Err(element.error(format!("`timestep` is {}, expected more than 0", options.timestep)));
        }
        options.gravity = at.vector("gravity")?.map_or(options.gravity, DVec3::from);
        options.wind = at.vector("wind")?.map_or(options.wind, DVec3::from);
        options.density = at.magnitude("density", options.density)?;
        options.viscosity = at.magnitude("viscosity", options.viscosity)?;
        options.impedance_ratio = at.number("impratio", options.impedance_ratio)?;
        if options.impedance_ratio <= 0.0 {
            return Err(element.error(format!("`impratio` is {}, expected more than 0", options.impedance_ratio)));
        }
        let integrators = [
            ("Euler", Integrator::Euler),
            ("implicitfast", Integrator::ImplicitFast),
            ("RK4", Integrator::RungeKutta4),
        ];
        options.integrator = at.keyword("integrator", &integrators, options.integrator)?;
        let cones = [("pyramidal", Cone::Pyramidal), ("elliptic", Cone::Elliptic)];
        options.cone = at.keyword("cone", &cones, options.cone)?;
        at.keyword("solver", &[("Newton", ())], ())?;
        at.zero("noslip_iterations")?;
        for flag in element.all("flag") {
            flags(&Attributes::plain(flag), &mut options)?;
        }
    }
    Ok(options)
}

fn flags(at: &Attributes, options: &mut Options) -> Result<(), MjcfError> {
    let enabled = &mut options.enabled;
    for (name, flag) in [
        ("constraint", &mut enabled.constraint),
        ("frictionloss", &mut enabled.friction_loss),
        ("limit", &mut enabled.limit),
        ("contact", &mut enabled.contact),
        ("spring", &mut enabled.spring),
        ("damper", &mut enabled.damper),
        ("gravity", &mut enabled.gravity),
        ("clampctrl", &mut enabled.clamp_control),
        ("warmstart", &mut enabled.warm_start),
        ("filterparent", &mut enabled.filter_parent),
        ("actuation", &mut enabled.actuation),
        ("refsafe", &mut enabled.reference_safety),
        ("eulerdamp", &mut enabled.euler_damping),
    ] {
        *flag = at.keyword(name, &[("enable", true), ("disable", false)], *flag)?;
    }
    for name in ["override", "multiccd"] {
        at.keyword(name, &[("disable", ())], ())?;
    }
    Ok(())
}
