//! What an environment looks like: from the bytes of a state to a scene.

use glam::DVec3;

use super::RenderError;
use super::model;
use super::scene::{Role, Scene, Solid};
use super::view::Direction;
use crate::env::{Constant, Environment, StateFields};
use crate::physics::model::{Model, Shape};

const FLOOR: [f64; 4] = [0.86, 0.88, 0.9, 1.0];
const GOAL: [f64; 4] = [0.3, 0.7, 0.4, 1.0];
const BODY: [f64; 4] = [0.9, 0.55, 0.2, 1.0];
const ROD: [f64; 4] = [0.26, 0.47, 0.72, 1.0];
const HUB: [f64; 4] = [0.35, 0.4, 0.48, 1.0];

/// An environment that can be drawn.
#[derive(Debug, Clone)]
pub struct Figure {
    kind: Kind,
    fields: StateFields,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `physics.qpos` is the model's configuration; `goal`, where the state has one, its target's position; the constant `RADIUS`
    /// that target's.
    Model { model: Box<Model>, direction: Direction },
    /// `position` is that of a point among goals, within half sides of a box.
    Point { half_sides: [f64; 2], goals: Vec<[f32; 2]> },
    /// `angle` is that of a rod from upright, the constant `LENGTH` its length.
    Rod { length: f64 },
}

impl Figure {
    /// Finds out how to draw an environment.
    ///
    /// # Errors
    /// [`RenderError::Unknown`], and those of the program and the model.
    pub fn new(env: &Environment) -> Result<Self, RenderError> {
        let (manifest, fields) = (&env.manifest, StateFields::of(env)?);
        let width = |path: &str| fields.width(path);
        let constant = |name: &str| {
            let value = manifest.constants.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            let value = value.map(|value| match value {
                Constant::Float(x) => *x,
                Constant::Integer(i) => *i as f64,
            });
            value.filter(|x| *x > 0.0)
        };
        let kind = match env.model()? {
            Some(mut model) if width("physics.qpos") == Some(model.nq()) => {
                model::set_target(&mut model, width("goal").is_some(), constant("RADIUS"));
                let direction = model::direction(&model);
                Kind::Model { model: Box::new(model), direction }
            }
            None if width("position") == Some(2) && manifest.observation.len() >= 2 => {
                let half = |entry: usize| f64::from(manifest.observation[entry].high).min(100.0);
                Kind::Point { half_sides: [half(0), half(1)], goals: manifest.evaluation.goals.clone() }
            }
            None if width("angle") == Some(1) => Kind::Rod { length: constant("LENGTH").unwrap_or(1.0) },
            _ => return Err(RenderError::Unknown(manifest.name.clone())),
        };
        Ok(Self { kind, fields })
    }

    /// The scene of a state; `None` where it is not finite.
    pub fn scene(&self, state: &[u8]) -> Option<Scene> {
        let read = |path: &str| self.fields.read(state, path);
        let finite = |path: &str| read(path).filter(|numbers| numbers.iter().all(|x| x.is_finite()));
        Some(match &self.kind {
            Kind::Model { model, direction } => {
                let qpos: Vec<f64> = finite("physics.qpos")?.into_iter().map(f64::from).collect();
                let target = read("goal").and_then(|goal| model::target(model, *direction, &goal));
                model::scene(model, &qpos, target)
            }
            Kind::Point { half_sides, goals } => {
                let radius = half_sides[0].max(half_sides[1]) / 25.0;
                let at = |x: f32, y: f32| DVec3::new(x.into(), y.into(), radius);
                let mut solids = vec![Solid::floor(DVec3::ZERO, *half_sides, FLOOR)];
                let disc = |goal: &[f32; 2]| Solid {
                    shape: Shape::Cylinder,
                    size: DVec3::new(1.5 * radius, radius / 4.0, 0.0),
                    ..Solid::sphere(at(goal[0], goal[1]), radius, GOAL, Role::Mark)
                };
                solids.extend(goals.iter().map(disc));
                let position = finite("position")?;
                let focus = at(position[0], position[1]);
                solids.push(Solid::sphere(focus, radius, BODY, Role::Moving));
                Scene { solids, focus }
            }
            Kind::Rod { length } => {
                let angle = f64::from(finite("angle")?[0]);
                let tip = DVec3::new(angle.sin(), 0.0, angle.cos()) * *length;
                let rod = Solid::capsule([DVec3::ZERO, tip], length / 20.0, ROD, Role::Moving);
                let hub = Solid::sphere(DVec3::ZERO, length / 15.0, HUB, Role::Fixed);
                let end = Solid::sphere(tip, length / 12.0, BODY, Role::Moving);
                Scene { solids: vec![rod, hub, end], focus: DVec3::ZERO }
            }
        })
    }

    /// Where to look from.
    pub fn direction(&self) -> Direction {
        match &self.kind {
            Kind::Model { direction, .. } => *direction,
            Kind::Point { .. } => Direction::Top,
            Kind::Rod { .. } => Direction::Side,
        }
    }

    /// The scene that a following camera takes its distance from; `None` where the camera stands still.
    pub fn travels(&self) -> Option<Scene> {
        match &self.kind {
            Kind::Model { model, direction } if *direction != Direction::Top && model::travels(model) => {
                Some(model::scene(model, &model.qpos0, None))
            }
            _ => None,
        }
    }
}
