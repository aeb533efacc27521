//! A model of articulated bodies as a scene.

use glam::{DMat3, DVec3};

use super::scene::{Role, Scene, Solid};
use super::view::Direction;
use crate::physics::dynamics::{Mat3, Pose, Position, Vec3};
use crate::physics::model::{Frame, JointKind, Model, Shape, TendonPath};

/// Colours of geoms without one, by body.
const PALETTE: [[f64; 4]; 4] =
    [[0.26, 0.47, 0.72, 1.0], [0.9, 0.55, 0.2, 1.0], [0.86, 0.36, 0.3, 1.0], [0.35, 0.6, 0.45, 1.0]];
const FLOOR: [f64; 4] = [0.86, 0.88, 0.9, 1.0];
const STRING: [f64; 4] = [0.35, 0.4, 0.48, 1.0];
/// Radius of a tendon's line.
const STRING_RADIUS: f64 = 0.002;
/// The site that a task moves.
const TARGET: &str = "target";
/// A floor with more than this many bodies' lengths to all sides is a way to go, not a place to be seen whole.
const WAY: f64 = 8.0;

/// The scene of a configuration. `target`: where the task has put its target.
pub(super) fn scene(model: &Model, qpos: &[f64], target: Option<DVec3>) -> Scene {
    let position = Position::new(model, qpos);
    let placed = |body: usize, frame: &Frame| {
        let Pose { position, rotation } = position.bodies[body].then(frame);
        (vector(position), matrix(rotation))
    };
    let mut scene =
        Scene { focus: tree(model).map_or(DVec3::ZERO, |b| vector(position.bodies[b].position)), ..Scene::default() };
    for geom in &model.geoms {
        let fixed = model.bodies[geom.body].weld == 0;
        let (position, rotation) = placed(geom.body, &geom.frame);
        let plain = if geom.shape == Shape::Plane { FLOOR } else { PALETTE[geom.body % PALETTE.len()] };
        let role = if fixed { Role::Fixed } else { Role::Moving };
        let rgba = geom.rgba.unwrap_or(plain);
        scene.solids.push(Solid { shape: geom.shape, size: geom.size, position, rotation, rgba, role });
    }
    // Most sites only say where something is measured; those that are meant to be seen have a colour.
    for site in &model.sites {
        let Some(rgba) = site.rgba else { continue };
        let (mut position, rotation) = placed(site.body, &site.frame);
        if let (TARGET, Some(target)) = (site.name.as_str(), target) {
            position = target;
        }
        scene.solids.push(Solid { shape: site.shape, size: site.size, position, rotation, rgba, role: Role::Mark });
    }
    for tendon in &model.tendons {
        let TendonPath::Spatial(sites) = &tendon.path else { continue };
        let points: Vec<DVec3> = sites.iter().map(|&s| placed(model.sites[s].body, &model.sites[s].frame).0).collect();
        let lines = points.windows(2).map(|pair| Solid::capsule([pair[0], pair[1]], STRING_RADIUS, STRING, Role::Mark));
        scene.solids.extend(lines);
    }
    scene.solids.retain(|solid| solid.rgba[3] > 0.0);
    scene
}

/// Makes the target what the task says: as large as its radius, and not to be seen where the task has neither that nor a goal.
pub(super) fn set_target(model: &mut Model, goal: bool, radius: Option<f64>) {
    let Some(site) = model.sites.iter_mut().find(|site| site.name == TARGET) else { return };
    match radius {
        Some(radius) if site.shape == Shape::Sphere => site.size.x = radius,
        None if !goal => site.rgba = None,
        _ => {}
    }
}

/// Where a target with two coordinates is: in the plane that the model moves in, at the height or depth that the file gives.
pub(super) fn target(model: &Model, direction: Direction, goal: &[f32]) -> Option<DVec3> {
    let drawn = model.sites.iter().find(|site| site.name == TARGET).map_or(DVec3::ZERO, |site| site.frame.position);
    match *goal {
        [x, y, z] => Some(DVec3::new(x.into(), y.into(), z.into())),
        [x, z] if direction == Direction::Side => Some(DVec3::new(x.into(), drawn.y, z.into())),
        [x, y] => Some(DVec3::new(x.into(), y.into(), drawn.z)),
        _ => None,
    }
}

/// Where to look from: at a right angle to the plane that all joints move in, if there is one.
pub(super) fn direction(model: &Model) -> Direction {
    let position = Position::new(model, &model.qpos0);
    let planar = |normal: DVec3| {
        model.joints.iter().all(|joint| {
            let along = (matrix(position.bodies[joint.body].rotation) * joint.axis).dot(normal).abs();
            match joint.kind {
                JointKind::Hinge => along > 1.0 - 1e-6,
                JointKind::Slide => along < 1e-6,
                JointKind::Ball | JointKind::Free => false,
            }
        })
    };
    match (planar(DVec3::Y), planar(DVec3::Z)) {
        (true, _) => Direction::Side,
        (_, true) => Direction::Top,
        _ => Direction::Oblique,
    }
}

/// Whether the camera follows: a single tree of bodies that may go anywhere, on a floor that is much larger than it.
pub(super) fn travels(model: &Model) -> bool {
    let Some(tree) = tree(model) else { return false };
    let free = model.joints[model.bodies[tree].joints.clone()].iter().any(|joint| {
        let slides = joint.kind == JointKind::Slide && joint.axis.z.abs() < 0.5;
        joint.kind == JointKind::Free || (slides && joint.range.is_none() && joint.stiffness == 0.0)
    });
    let scene = scene(model, &model.qpos0, None);
    let moving = scene.solids.iter().filter(|solid| solid.role == Role::Moving);
    let length = moving.map(|solid| solid.position.distance(scene.focus) + solid.reach(DVec3::X)).fold(0.0, f64::max);
    let floor =
        scene.floor().map_or(f64::INFINITY, |floor| if floor.size.x > 0.0 { floor.size.x } else { f64::INFINITY });
    free && floor > WAY * length
}

/// The root of the only tree that moves.
fn tree(model: &Model) -> Option<usize> {
    let mut roots =
        (1..model.bodies.len()).filter(|&b| model.bodies[b].parent == 0 && !model.bodies[b].joints.is_empty());
    roots.next().filter(|_| roots.next().is_none())
}

fn vector(v: Vec3<f64>) -> DVec3 {
    DVec3::from(v.0)
}

fn matrix(m: Mat3<f64>) -> DMat3 {
    let [x, y, z] = m.0;
    DMat3::from_cols(vector(x), vector(y), vector(z))
}
