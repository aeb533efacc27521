//! What there is to see at one moment: solids in space.

use glam::{DMat3, DVec3};

use crate::physics::model::Shape;

/// What a solid is in its scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A part of the world, which does not move.
    Fixed,
    /// What the policy moves.
    Moving,
    /// A mark such as a target: nothing collides with it, and it casts no shadow.
    Mark,
}

/// A coloured shape.
#[derive(Debug, Clone, Copy)]
pub struct Solid {
    /// Shape, in its own frame. A plane is drawn as a checkered floor with the half sides `size[0]`, `size[1]`; 0 is endless.
    pub shape: Shape,
    /// Its numbers.
    pub size: DVec3,
    /// Its centre.
    pub position: DVec3,
    /// Its axes.
    pub rotation: DMat3,
    /// Red, green, blue, opacity, each in [0, 1].
    pub rgba: [f64; 4],
    /// What it is.
    pub role: Role,
}

impl Solid {
    /// A sphere.
    pub fn sphere(position: DVec3, radius: f64, rgba: [f64; 4], role: Role) -> Self {
        let size = DVec3::new(radius, 0.0, 0.0);
        Self { shape: Shape::Sphere, size, position, rotation: DMat3::IDENTITY, rgba, role }
    }

    /// A capsule between two points, which may be the same.
    pub fn capsule([from, to]: [DVec3; 2], radius: f64, rgba: [f64; 4], role: Role) -> Self {
        let along = (to - from).normalize_or(DVec3::Z);
        let across = along.any_orthonormal_vector();
        let rotation = DMat3::from_cols(across, along.cross(across), along);
        let size = DVec3::new(radius, from.distance(to) / 2.0, 0.0);
        Self { shape: Shape::Capsule, size, position: (from + to) / 2.0, rotation, rgba, role }
    }

    /// A horizontal floor.
    pub fn floor(position: DVec3, half_sides: [f64; 2], rgba: [f64; 4]) -> Self {
        let size = DVec3::new(half_sides[0], half_sides[1], 0.0);
        Self { shape: Shape::Plane, size, position, rotation: DMat3::IDENTITY, rgba, role: Role::Fixed }
    }

    /// Half of the extent along a direction of length 1; 0 for a plane.
    pub fn reach(&self, direction: DVec3) -> f64 {
        let local = self.rotation.transpose() * direction;
        let DVec3 { x, y, .. } = self.size;
        match self.shape {
            Shape::Plane => 0.0,
            Shape::Sphere => x,
            Shape::Capsule => x + y * local.z.abs(),
            Shape::Cylinder => x * local.truncate().length() + y * local.z.abs(),
            Shape::Ellipsoid => (self.size * local).length(),
            Shape::Box => self.size.dot(local.abs()),
        }
    }
}

/// One moment.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Its solids.
    pub solids: Vec<Solid>,
    /// The point that a camera follows.
    pub focus: DVec3,
}

impl Scene {
    /// Its floor, if there is one.
    pub fn floor(&self) -> Option<&Solid> {
        self.solids.iter().find(|solid| solid.shape == Shape::Plane)
    }
}
