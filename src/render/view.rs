//! Where to look from, and the camera's perspective.

use std::f64::consts::PI;

use glam::{DVec2, DVec3};

use super::scene::{Role, Scene, Solid};
use crate::physics::model::Shape;

/// A direction to look in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Along y, from a little above: x is to the right, z up.
    Side,
    /// From above: x is to the right, y up.
    Top,
    /// From the front, the right and above.
    Oblique,
}

impl Direction {
    /// To the right, up and forwards in the picture.
    fn axes(self) -> [DVec3; 3] {
        let (right, forward) = match self {
            Self::Side => (DVec3::X, DVec3::new(0.0, 1.0, -0.2)),
            Self::Top => (DVec3::X, DVec3::NEG_Z),
            Self::Oblique => (DVec3::new(0.8, 0.6, 0.0), DVec3::new(-0.6, 0.8, -0.55)),
        };
        let forward = forward.normalize();
        [right, right.cross(forward), forward]
    }

    /// What is farther along this is drawn behind. Bodies that move in one plane are layers, however the camera is tilted.
    fn order(self) -> DVec3 {
        if self == Self::Side { DVec3::Y } else { self.axes()[2] }
    }
}

/// Vertical angle of view; small, so that what is near looks little larger.
const ANGLE: f64 = PI / 8.0;
/// Room round what must be seen.
const MARGIN: f64 = 1.1;
/// Room round a body that is followed: most of it is for legs that stretch and bodies that jump.
const FOLLOWING: f64 = 1.4;
/// Room where some of what must be seen is much nearer than the rest.
const OBLIQUE: f64 = 1.3;
/// A floor is seen whole from above where it is no larger than this many times what happens on it.
const ARENA: f64 = 4.0;
/// A smaller extent than this is not magnified.
const SMALLEST: f64 = 1e-3;

/// What a camera keeps in sight through an episode.
#[derive(Debug, Clone)]
pub struct View {
    axes: [DVec3; 3],
    order: DVec3,
    /// Middle of the picture; where the camera follows, relative to the focus along `followed`.
    centre: DVec3,
    half_height: f64,
    /// The directions in which the camera follows, as factors.
    followed: DVec3,
}

impl View {
    /// For the scenes of an episode, with pictures of the given width over height. With a scene at `rest` the camera follows the
    /// focus at a distance that suits that scene. One that stands still sees whatever moves in any scene, all targets, and from above
    /// a floor that is not much larger.
    pub fn new(direction: Direction, rest: Option<&Scene>, scenes: &[Scene], aspect: f64) -> Self {
        let axes = direction.axes();
        let (mut bounds, mut followed, mut margin) = (Bounds::new(axes), DVec3::ZERO, MARGIN);
        match (rest, direction) {
            (Some(rest), Direction::Side) => {
                followed = DVec3::X;
                margin = FOLLOWING;
                bounds.add_all(rest, rest.focus * followed, |solid| solid.role == Role::Moving);
            }
            (Some(_), _) => {
                followed = DVec3::ONE;
                margin = FOLLOWING;
                scenes
                    .iter()
                    .take(1)
                    .for_each(|scene| bounds.add_all(scene, scene.focus, |solid| solid.role != Role::Fixed));
            }
            (None, _) => {
                let walls = |solid: &Solid| solid.role == Role::Fixed && solid.shape != Shape::Plane;
                scenes.iter().for_each(|scene| bounds.add_all(scene, DVec3::ZERO, |solid| solid.role != Role::Fixed));
                if direction == Direction::Oblique {
                    margin = OBLIQUE;
                }
                if let Some(scene) = scenes.first() {
                    bounds.add_all(scene, DVec3::ZERO, walls);
                    let arena = scene.floor().filter(|floor| {
                        let wide = floor.size.truncate().max_element();
                        direction == Direction::Top && wide < ARENA * bounds.half_sides().max_element()
                    });
                    arena.into_iter().for_each(|floor| bounds.add_floor(floor));
                }
            }
        }
        if let (Direction::Side, Some(floor)) = (direction, scenes.first().and_then(Scene::floor)) {
            bounds.add_point(bounds.centre() * DVec3::new(1.0, 1.0, 0.0) + floor.position * DVec3::Z);
        }
        let half = bounds.half_sides();
        let half_height = (half.y.max(half.x / aspect) * margin).max(SMALLEST);
        Self { axes, order: direction.order(), centre: bounds.centre(), half_height, followed }
    }

    /// The camera of one scene, for a picture of the given size.
    pub fn camera(&self, scene: &Scene, (width, height): (u32, u32)) -> Camera {
        let [right, up, forward] = self.axes;
        let half = DVec2::new(width.into(), height.into()) / 2.0;
        let distance = self.half_height / (ANGLE / 2.0).tan();
        let centre = self.centre + scene.focus * self.followed;
        let (eye, focal) = (centre - forward * distance, half.y / (ANGLE / 2.0).tan());
        Camera { eye, right, up, forward, order: self.order, focal, half, centre, half_height: self.half_height }
    }
}

/// Extent along the picture's axes.
struct Bounds {
    axes: [DVec3; 3],
    low: DVec3,
    high: DVec3,
}

impl Bounds {
    fn new(axes: [DVec3; 3]) -> Self {
        Self { axes, low: DVec3::INFINITY, high: DVec3::NEG_INFINITY }
    }

    fn add(&mut self, point: DVec3, reach: impl Fn(DVec3) -> f64) {
        let place = DVec3::from(self.axes.map(|axis| axis.dot(point)));
        let reach = DVec3::from(self.axes.map(reach));
        (self.low, self.high) = (self.low.min(place - reach), self.high.max(place + reach));
    }

    fn add_point(&mut self, point: DVec3) {
        self.add(point, |_| 0.0);
    }

    fn add_all(&mut self, scene: &Scene, origin: DVec3, which: impl Fn(&Solid) -> bool) {
        let solids = scene.solids.iter().filter(|solid| which(solid));
        solids.for_each(|solid| self.add(solid.position - origin, |axis| solid.reach(axis)));
    }

    fn add_floor(&mut self, floor: &Solid) {
        let half = floor.rotation * DVec3::new(floor.size.x, floor.size.y, 0.0);
        [half, -half, half * DVec3::new(1.0, -1.0, 1.0), half * DVec3::new(-1.0, 1.0, 1.0)]
            .into_iter()
            .for_each(|corner| self.add_point(floor.position + corner));
    }

    fn centre(&self) -> DVec3 {
        if self.low.x > self.high.x {
            return DVec3::ZERO;
        }
        let middle = (self.low + self.high) / 2.0;
        self.axes[0] * middle.x + self.axes[1] * middle.y + self.axes[2] * middle.z
    }

    fn half_sides(&self) -> DVec3 {
        ((self.high - self.low) / 2.0).max(DVec3::ZERO)
    }
}

/// A perspective.
#[derive(Debug, Clone)]
pub struct Camera {
    /// Where it is.
    pub eye: DVec3,
    /// To the right in the picture.
    pub right: DVec3,
    /// Up in the picture.
    pub up: DVec3,
    /// Where it looks.
    pub forward: DVec3,
    /// What is farther along this is behind.
    pub order: DVec3,
    /// The point in the middle of the picture.
    pub centre: DVec3,
    /// Half of the picture's height at that point.
    pub half_height: f64,
    focal: f64,
    half: DVec2,
}

impl Camera {
    /// Distance in front of the camera.
    pub fn depth(&self, point: DVec3) -> f64 {
        self.forward.dot(point - self.eye)
    }

    /// Place in the picture, in pixels, y down. A point that is not in front of the camera is moved there.
    pub fn project(&self, point: DVec3) -> DVec2 {
        let from_eye = point - self.eye;
        let scale = self.focal / self.depth(point).max(self.half_height * 1e-3);
        self.half + DVec2::new(self.right.dot(from_eye), -self.up.dot(from_eye)) * scale
    }
}
