//! What a task may ask of a model's state, by name.

use super::recorded::Recorded;
use crate::physics::dynamics::{
    Constraints, Pose, Position, Scalar, Velocity, kinematic_sensor, subtree_velocity, tendons,
};
use crate::physics::model::{Frame, Model, SensorKind};

/// A quantity: a kind and, for most, the name of a body, geom, site or sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// As it was written: `kind.name` or `kind`.
    pub text: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Origin of a body's frame, axis of it, its centre of mass, velocities of the origin.
    BodyPosition(usize),
    BodyAxis(usize, usize),
    BodyCentre(usize),
    BodyVelocity(usize),
    BodySpin(usize),
    SitePosition(usize),
    SiteAxis(usize, usize),
    GeomPosition(usize),
    SubtreeVelocity(usize),
    /// A sensor of positions and velocities.
    Sensor(usize),
    /// A sensor of contact forces.
    Touch(usize),
    /// 1 where any contact acts, else 0.
    Touching,
}

/// Kinds that name a part, and of which parts.
const KINDS: [&str; 14] = [
    "body_position",
    "body_x_axis",
    "body_y_axis",
    "body_z_axis",
    "body_centre",
    "body_linear_velocity",
    "body_angular_velocity",
    "site_position",
    "site_x_axis",
    "site_y_axis",
    "site_z_axis",
    "geom_position",
    "subtree_velocity",
    "sensor",
];

impl Quantity {
    /// Finds a quantity in a model. The error says what was expected.
    pub fn parse(model: &Model, text: &str) -> Result<Self, String> {
        let quantity = |what| Ok(Self { text: text.into(), what });
        if text == "touching" {
            return quantity(What::Touching);
        }
        let (kind, name) = text.split_once('.').unwrap_or((text, ""));
        if kind != "touch" && !KINDS.contains(&kind) {
            return Err(format!("`{text}` is no quantity, expected touching, touch.NAME or one of {}", list(&KINDS)));
        }
        let find = |what: &str, names: Vec<&str>| {
            names.iter().position(|known| *known == name && !name.is_empty()).ok_or_else(|| {
                let known: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
                format!("`{text}`: the model has no {what} `{name}`, only {}", list(&known))
            })
        };
        let body = || find("body", model.bodies.iter().map(|body| body.name.as_str()).collect());
        let site = || find("site", model.sites.iter().map(|site| site.name.as_str()).collect());
        let axis = || match kind.as_bytes()[5] {
            b'x' => 0,
            b'y' => 1,
            _ => 2,
        };
        quantity(match kind {
            "body_position" => What::BodyPosition(body()?),
            "body_centre" => What::BodyCentre(body()?),
            "body_linear_velocity" => What::BodyVelocity(body()?),
            "body_angular_velocity" => What::BodySpin(body()?),
            "site_position" => What::SitePosition(site()?),
            "geom_position" => {
                What::GeomPosition(find("geom", model.geoms.iter().map(|geom| geom.name.as_str()).collect())?)
            }
            "subtree_velocity" => What::SubtreeVelocity(body()?),
            "sensor" | "touch" => {
                let index = find("sensor", model.sensors.iter().map(|sensor| sensor.name.as_str()).collect())?;
                match (matches!(model.sensors[index].kind, SensorKind::Touch(_)), kind) {
                    (true, "touch") => What::Touch(index),
                    (false, "sensor") => What::Sensor(index),
                    (true, _) => return Err(format!("`{text}` is a touch sensor, expected touch.{name}")),
                    (false, _) => return Err(format!("`{text}` is no touch sensor, expected sensor.{name}")),
                }
            }
            _ if kind.starts_with("body") => What::BodyAxis(body()?, axis()),
            _ => What::SiteAxis(site()?, axis()),
        })
    }

    /// The sensor, if it is one of contact forces.
    pub(super) fn touch(&self) -> Option<usize> {
        if let What::Touch(sensor) = self.what { Some(sensor) } else { None }
    }

    /// Its name as a member of WGSL's `View`.
    pub fn member(&self) -> String {
        self.text.replace(['.', '-'], "_")
    }

    /// Its numbers for a state: one or three.
    pub(super) fn values(&self, model: &Model, qpos: &[Recorded], qvel: &[Recorded]) -> Vec<Recorded> {
        let position = Position::new(model, qpos);
        let velocity = Velocity::new(model, &position, qvel);
        let frame = |body: usize, frame: &Frame| -> Pose<Recorded> { position.bodies[body].then(frame) };
        let site = |site: usize| frame(model.sites[site].body, &model.sites[site].frame);
        let vector = match self.what {
            What::BodyPosition(body) => position.bodies[body].position,
            What::BodyAxis(body, axis) => position.bodies[body].rotation.0[axis],
            What::BodyCentre(body) => position.centres[body],
            What::BodyVelocity(body) => {
                velocity.bodies[body].at(position.bodies[body].position - position.origins[body])
            }
            What::BodySpin(body) => velocity.bodies[body].rotation,
            What::SitePosition(index) => site(index).position,
            What::SiteAxis(index, axis) => site(index).rotation.0[axis],
            What::GeomPosition(geom) => frame(model.geoms[geom].body, &model.geoms[geom].frame).position,
            What::SubtreeVelocity(body) => subtree_velocity(model, &position, &velocity, body),
            What::Sensor(sensor) => {
                return kinematic_sensor(model, qpos, qvel, &position, &velocity, model.sensors[sensor].kind);
            }
            // Forces do not follow from a state alone.
            What::Touch(_) => return Vec::new(),
            What::Touching => {
                let lines = tendons(model, qpos, &position);
                let constraints = Constraints::new(model, qpos, qvel, &position, &lines);
                let one = Recorded::of(1.0);
                let touching = constraints
                    .contacts
                    .iter()
                    .fold(Recorded::zero(), |any, contact| Recorded::select(contact.active, one, any));
                return vec![touching];
            }
        };
        vector.0.to_vec()
    }
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}
