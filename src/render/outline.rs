//! Outlines of solids: all are convex, so that an outline is the convex hull of some of the points that are seen edge-on.

use std::f64::consts::TAU;

use glam::{DVec2, DVec3};

use super::scene::Solid;
use crate::physics::model::Shape;

/// Corners of what stands for a circle.
const CORNERS: usize = 40;

/// Points of a solid whose hull is its outline, seen along `direction` (of any length).
pub(super) fn edge(solid: &Solid, direction: DVec3) -> Vec<DVec3> {
    let Solid { shape, size, position, rotation, .. } = solid;
    let end = rotation.z_axis * size.y;
    match shape {
        Shape::Plane => rectangle(solid, size.x, size.y),
        Shape::Sphere => circle(*position, direction, size.x).collect(),
        Shape::Capsule => {
            [*position + end, *position - end].into_iter().flat_map(|end| circle(end, direction, size.x)).collect()
        }
        Shape::Cylinder => {
            let ends = [*position + end, *position - end].into_iter();
            ends.flat_map(|centre| circle(centre, rotation.z_axis, size.x)).collect()
        }
        // In the frame in which it is a sphere, whose normals are at right angles to the direction there.
        Shape::Ellipsoid => {
            let direction = (rotation.transpose() * direction) / *size;
            circle(DVec3::ZERO, direction, 1.0).map(|point| *position + *rotation * (point * *size)).collect()
        }
        Shape::Box => {
            let corners =
                (0..8).map(|k| DVec3::from([0, 1, 2].map(|axis| if k >> axis & 1 == 1 { 1.0 } else { -1.0 })));
            corners.map(|corner| *position + *rotation * (corner * *size)).collect()
        }
    }
}

/// Corners of a rectangle in a solid's x and y directions.
pub(super) fn rectangle(solid: &Solid, half_x: f64, half_y: f64) -> Vec<DVec3> {
    let (x, y) = (solid.rotation.x_axis * half_x, solid.rotation.y_axis * half_y);
    vec![solid.position - x - y, solid.position + x - y, solid.position + x + y, solid.position - x + y]
}

/// Points of a circle round a centre, at right angles to a direction.
pub(super) fn circle(centre: DVec3, normal: DVec3, radius: f64) -> impl Iterator<Item = DVec3> {
    let normal = normal.normalize_or(DVec3::Z);
    let across = normal.any_orthonormal_vector();
    let (x, y) = (across * radius, normal.cross(across) * radius);
    (0..CORNERS).map(move |k| {
        let (sine, cosine) = (TAU * k as f64 / CORNERS as f64).sin_cos();
        centre + x * cosine + y * sine
    })
}

/// The convex hull, counter-clockwise where y is up (Andrew's monotone chain).
pub(super) fn hull(mut points: Vec<DVec2>) -> Vec<DVec2> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let chain = |points: &mut dyn Iterator<Item = &DVec2>| {
        let mut chain: Vec<DVec2> = Vec::new();
        for &point in points {
            while let [.., a, b] = chain[..]
                && (b - a).perp_dot(point - b) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut lower = chain(&mut points.iter());
    lower.extend(chain(&mut points.iter().rev()));
    lower
}
