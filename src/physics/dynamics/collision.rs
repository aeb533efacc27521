//! Where two geoms touch: distance, point and normal, for each pair of shapes.
//!
//! A pair has a fixed number of possible contacts; those that are not there have their mask unset.

use super::kinematics::Pose;
use super::linear::Vec3;
use super::scalar::Scalar;
use crate::physics::model::{Geom, Shape};

/// A possible contact.
#[derive(Debug, Clone, Copy)]
pub struct Touch<S: Scalar> {
    /// Distance of the surfaces, negative in penetration.
    pub distance: S,
    /// The point midway between them.
    pub point: Vec3<S>,
    /// Unit normal from the first geom to the second.
    pub normal: Vec3<S>,
    /// A direction that the first tangent should have.
    pub tangent: Option<Vec3<S>>,
    /// Whether it exists: whether its distance is below the margin.
    pub acts: S::Mask,
}

/// Whether two surfaces that are `reach` away from a point or a line each, both together, are nearer than the margin when the square of the
/// distance between those is `square`. Where the scalar is not exact no root is needed to know it.
fn closer<S: Scalar>(distance: S, square: S, reach: f64, margin: f64) -> S::Mask {
    if S::EXACT { distance.less(S::of(margin)) } else { square.less(S::of((reach + margin).powi(2))) }
}

/// All possible contacts of two geoms, the one with the earlier shape first. `margin` is the distance at which they begin.
pub fn touches<S: Scalar>(geoms: [&Geom; 2], poses: [&Pose<S>; 2], margin: f64) -> Vec<Touch<S>> {
    let [a, b] = poses;
    let [first, second] = geoms.map(|geom| geom.size.to_array());
    let z = |pose: &Pose<S>| pose.rotation.0[2];
    match geoms.map(|geom| geom.shape) {
        [Shape::Plane, Shape::Sphere] => vec![plane_sphere(a, b.position, second[0], None, margin)],
        [Shape::Plane, Shape::Capsule] => {
            let half = z(b) * S::of(second[1]);
            [b.position + half, b.position - half]
                .map(|end| plane_sphere(a, end, second[0], Some(z(b)), margin))
                .to_vec()
        }
        [Shape::Plane, Shape::Box] => plane_box(a, b, second, margin),
        [Shape::Sphere, Shape::Sphere] => {
            vec![sphere_sphere(
                [a.position, b.position],
                [first[0], second[0]],
                z(a).cross(z(b)),
                S::mask(false),
                margin,
            )]
        }
        [Shape::Sphere, Shape::Capsule] => {
            let along = (a.position - b.position).dot(z(b)).clamp(S::of(-second[1]), S::of(second[1]));
            let nearest = b.position + z(b) * along;
            vec![sphere_sphere([a.position, nearest], [first[0], second[0]], z(a).cross(z(b)), S::mask(false), margin)]
        }
        [Shape::Sphere, Shape::Box] => vec![sphere_box(a, b, first[0], second, margin)],
        [Shape::Capsule, Shape::Capsule] => capsule_capsule(a, b, first, second, margin),
        // Models with other pairs are refused when they are compiled.
        _ => Vec::new(),
    }
}

fn plane_sphere<S: Scalar>(
    plane: &Pose<S>,
    centre: Vec3<S>,
    radius: f64,
    tangent: Option<Vec3<S>>,
    margin: f64,
) -> Touch<S> {
    let normal = plane.rotation.0[2];
    let distance = (centre - plane.position).dot(normal) - S::of(radius);
    let point = centre - normal * (S::of(radius) + distance * S::of(0.5));
    Touch { distance, point, normal, tangent, acts: distance.less(S::of(margin)) }
}

/// The corners on the lower side, at most four, in the order of their signs.
fn plane_box<S: Scalar>(plane: &Pose<S>, cube: &Pose<S>, size: [f64; 3], margin: f64) -> Vec<Touch<S>> {
    let normal = plane.rotation.0[2];
    let height = (cube.position - plane.position).dot(normal);
    let mut count = S::zero();
    let mut corner = |index: usize| {
        let sign = |k: usize| if index >> k & 1 == 1 { size[k] } else { -size[k] };
        let offset = cube.rotation.apply(Vec3([0, 1, 2].map(|k| S::of(sign(k)))));
        let along = normal.dot(offset);
        let distance = height + along;
        let counts = !S::zero().less(along) & !S::of(margin).less(distance) & count.less(S::of(4.0));
        count = count + S::select(counts, S::of(1.0), S::zero());
        let point = cube.position + offset - normal * (distance * S::of(0.5));
        Touch { distance, point, normal, tangent: None, acts: counts & distance.less(S::of(margin)) }
    };
    (0..8).map(&mut corner).collect()
}

/// `sideways` gives the normal of two spheres with one centre, and of those of which it is said that theirs are one.
fn sphere_sphere<S: Scalar>(
    [a, b]: [Vec3<S>; 2],
    [ra, rb]: [f64; 2],
    sideways: Vec3<S>,
    meets: S::Mask,
    margin: f64,
) -> Touch<S> {
    let forwards = Vec3([S::of(1.0), S::zero(), S::zero()]);
    let between = Vec3::select(meets, Vec3::zero(), b - a);
    let (length, normal) = between.direction(4.0 * S::EPSILON, sideways.direction(1e-15, forwards).1);
    let distance = length - S::of(ra + rb);
    let point = a + normal * (S::of(ra) + distance * S::of(0.5));
    let acts = closer(distance, between.dot(between), ra + rb, margin);
    Touch { distance, point, normal, tangent: None, acts }
}

fn sphere_box<S: Scalar>(sphere: &Pose<S>, cube: &Pose<S>, radius: f64, size: [f64; 3], margin: f64) -> Touch<S> {
    let reach = radius;
    let radius = S::of(radius);
    let centre = cube.rotation.apply_transposed(sphere.position - cube.position);
    let nearest = Vec3(std::array::from_fn(|k| centre.0[k].clamp(S::of(-size[k]), S::of(size[k]))));
    // Outside: towards the nearest point of the box.
    let tiny = 4.0 * S::EPSILON;
    let (gap, outward) = (nearest - centre).direction(tiny, Vec3::zero());
    let middle = (nearest + centre + outward * radius) * S::of(0.5);
    // Inside: away from the nearest face.
    let mut depth = S::of(2.0 * (size[0] + size[1] + size[2]));
    let mut inward = Vec3::zero();
    for (k, &half) in size.iter().enumerate() {
        for side in [-1.0, 1.0] {
            let to_face = (S::of(side * half) - centre.0[k]).abs();
            let closer = to_face.less(depth);
            depth = S::select(closer, to_face, depth);
            let mut direction = Vec3::zero();
            direction.0[k] = S::of(-side);
            inward = Vec3::select(closer, direction, inward);
        }
    }
    let inside = !S::of(tiny).less(gap);
    let point = Vec3::select(inside, centre + inward * ((radius - depth) * S::of(0.5)), middle);
    let normal = Vec3::select(inside, inward, outward);
    let distance = S::select(inside, -depth, gap) - radius;
    // Inside the square is 0.
    let square = (nearest - centre).dot(nearest - centre);
    Touch {
        distance,
        point: cube.point(point),
        normal: cube.rotation.apply(normal),
        tangent: None,
        acts: closer(distance, square, reach, margin),
    }
}

/// Closest points of the two axes. Of parallel axes the ends are tried, first those of the first capsule, until two are near;
/// where the scalar is not exact they have one contact like others, at some pair of closest points.
fn capsule_capsule<S: Scalar>(
    a: &Pose<S>,
    b: &Pose<S>,
    first: [f64; 3],
    second: [f64; 3],
    margin: f64,
) -> Vec<Touch<S>> {
    let one = S::of(1.0);
    let within = |x: S| x.clamp(-one, one);
    let (axis_a, axis_b) = (a.rotation.0[2], b.rotation.0[2]);
    let (half_a, half_b) = (axis_a * S::of(first[1]), axis_b * S::of(second[1]));
    let between = a.position - b.position;
    let (aa, ab, bb) = (half_a.dot(half_a), -half_a.dot(half_b), half_b.dot(half_b));
    let (u, v) = (-half_a.dot(between), half_b.dot(between));
    let on_b = |x: S| (v - x * ab) / bb;
    let on_a = |y: S| (u - y * ab) / aa;

    // The solution of the two equations by the axes' cross product, whose rounding is small also where they are nearly parallel.
    let across = axis_a.cross(axis_b);
    let sine = across.dot(across);
    // MuJoCo's threshold for the equations' determinant, and above it what is left of the product by rounding.
    let parallel = sine.less((S::of(1e-15) / (aa * bb)).max(S::of((8.0 * S::EPSILON).powi(2))));
    let scale = -(S::of(1.0) / S::select(parallel, one, sine));

    // Parameters from -1 to 1; when one is clamped, the other follows from it.
    let x = between.dot(axis_b.cross(across)) * scale / S::of(first[1]);
    let y = between.dot(axis_a.cross(across)) * scale / S::of(second[1]);
    let past_a = one.less(x.abs()) | parallel;
    let x = within(x);
    let y = S::select(past_a, on_b(x), y);
    let past_b = one.less(y.abs());
    let y = within(y);
    let x = S::select(past_b, within(on_a(y)), x);

    // In a plane the axes cross where neither ends: rounding would leave a distance, and some direction.
    let planar = across.0.map(|x| S::possible(S::zero().less(x.abs()))) == [false, true, false];
    let meets = if planar && !S::EXACT { !(past_a | past_b) } else { S::mask(false) };
    let between = |x: S, y: S| {
        let points = [a.position + half_a * x, b.position + half_b * y];
        sphere_sphere(points, [first[0], second[0]], across, meets, margin)
    };
    if !S::EXACT {
        return vec![between(x, y)];
    }
    let ends =
        [(one, within(on_b(one))), (-one, within(on_b(-one))), (within(on_a(one)), one), (within(on_a(-one)), -one)];
    let mut count = S::zero();
    let mut touch = |index: usize| {
        let (end_x, end_y) = ends[index];
        let touch = between(S::select(parallel, end_x, x), S::select(parallel, end_y, y));
        let wanted = S::mask(index == 0) | parallel;
        let counts = wanted & count.less(S::of(2.0)) & !S::of(margin).less(touch.distance);
        count = count + S::select(counts, one, S::zero());
        Touch { acts: counts & touch.acts, ..touch }
    };
    (0..4).map(&mut touch).collect()
}
