//! Geoms and sites: shape, frame, mass.

use std::f64::consts::PI;

use glam::DVec3;

use super::MjcfError;
use super::attributes::Attributes;
use super::frame::{self, Pose};
use super::settings::Compiler;
use super::softness;
use crate::physics::model::{Frame, Geom, Shape, Site};

/// A geom with what its body needs of it.
pub(super) struct GeomDraft {
    pub geom: Geom,
    pub mass: f64,
    pub moments: DVec3,
    pub group: f64,
}

const SHAPES: &[(&str, Shape)] = &[
    ("plane", Shape::Plane),
    ("sphere", Shape::Sphere),
    ("capsule", Shape::Capsule),
    ("ellipsoid", Shape::Ellipsoid),
    ("cylinder", Shape::Cylinder),
    ("box", Shape::Box),
];

/// Reads a geom; `around` is the frame of the elements around it in its body's.
pub(super) fn geom(at: &Attributes, compiler: &Compiler, around: Pose) -> Result<GeomDraft, MjcfError> {
    let shape = at.keyword("type", SHAPES, Shape::Sphere)?;
    let (frame, size) = extent(at, compiler, around, shape)?;
    at.zero("gap")?;
    at.keyword("shellinertia", &[("false", ())], ())?;
    at.keyword("fluidshape", &[("none", ())], ())?;
    let volume = volume(shape, size);
    let mass = match at.has("mass") {
        true => at.magnitude("mass", 0.0)?,
        false => at.magnitude("density", 1000.0)? * volume,
    };
    let directions = match at.integer("condim", 3)? {
        n @ (1 | 3) => n,
        n => return Err(at.element.error(format!("`condim` is {n}, supported: 1, 3"))),
    };
    let geom = Geom {
        name: at.name(),
        body: 0,
        shape,
        size,
        frame,
        kind_bits: at.integer("contype", 1)?,
        affinity_bits: at.integer("conaffinity", 1)?,
        directions,
        priority: at.integer("priority", 0)?,
        friction: at.partial("friction", [1.0, 0.005, 0.0001])?,
        mix: at.magnitude("solmix", 1.0)?,
        softness: softness(at, "solref", "solimp")?,
        margin: at.magnitude("margin", 0.0)?,
        rgba: rgba(at)?,
    };
    Ok(GeomDraft { geom, mass, moments: moments(shape, size) * mass, group: f64::from(at.integer("group", 0)?) })
}

/// Reads a site.
pub(super) fn site(at: &Attributes, compiler: &Compiler, around: Pose) -> Result<Site, MjcfError> {
    let shape = at.keyword("type", &SHAPES[1..], Shape::Sphere)?;
    let (frame, size) = extent(at, compiler, around, shape)?;
    Ok(Site { name: at.name(), body: 0, shape, size, frame, rgba: rgba(at)? })
}

/// Colour and opacity, where they are given; what a layer leaves out is MuJoCo's grey.
fn rgba(at: &Attributes) -> Result<Option<[f64; 4]>, MjcfError> {
    at.has("rgba").then(|| at.partial("rgba", [0.5, 0.5, 0.5, 1.0])).transpose()
}

/// Frame and size, from `fromto` where that is given.
fn extent(at: &Attributes, compiler: &Compiler, around: Pose, shape: Shape) -> Result<(Frame, DVec3), MjcfError> {
    let fallback = if at.element.tag == "site" { [0.005; 3] } else { [0.0; 3] };
    let mut size = DVec3::from(at.partial("size", fallback)?);
    let pose = match at.vector::<6>("fromto")? {
        None => frame::pose(at, compiler)?,
        Some([a, b, c, d, e, f]) => {
            let (from, to) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
            if from.distance(to) < 1e-10 {
                return Err(at.element.error("`fromto` has no length"));
            }
            let half = from.distance(to) / 2.0;
            match shape {
                Shape::Capsule | Shape::Cylinder => size.y = half,
                Shape::Ellipsoid | Shape::Box => size = DVec3::new(size.x, size.x, half),
                _ => return Err(at.element.error("`fromto` needs a capsule, a cylinder, an ellipsoid or a box")),
            }
            Pose { position: (from + to) / 2.0, rotation: frame::from_z(from - to) }
        }
    };
    let needed = match shape {
        Shape::Plane => 0,
        Shape::Sphere => 1,
        Shape::Capsule | Shape::Cylinder => 2,
        Shape::Ellipsoid | Shape::Box => 3,
    };
    if let Some(number) = size.to_array()[..needed].iter().find(|number| **number <= 0.0) {
        return Err(at.element.error(format!("`size` has {number} where a number above 0 is expected")));
    }
    let Pose { position, rotation } = around.then(pose);
    Ok((Frame { position, rotation }, size))
}

fn volume(shape: Shape, size: DVec3) -> f64 {
    let DVec3 { x, y, z } = size;
    match shape {
        Shape::Plane => 0.0,
        Shape::Sphere => 4.0 / 3.0 * PI * x.powi(3),
        Shape::Capsule => PI * x * x * (4.0 / 3.0 * x + 2.0 * y),
        Shape::Ellipsoid => 4.0 / 3.0 * PI * x * y * z,
        Shape::Cylinder => PI * x * x * 2.0 * y,
        Shape::Box => 8.0 * x * y * z,
    }
}

/// Moments of inertia of a homogeneous body of mass 1.
fn moments(shape: Shape, size: DVec3) -> DVec3 {
    let DVec3 { x, y, z } = size;
    match shape {
        Shape::Plane => DVec3::ZERO,
        Shape::Sphere => DVec3::splat(0.4 * x * x),
        Shape::Ellipsoid => DVec3::new(y * y + z * z, x * x + z * z, x * x + y * y) / 5.0,
        Shape::Box => DVec3::new(y * y + z * z, x * x + z * z, x * x + y * y) / 3.0,
        Shape::Cylinder => {
            let across = (3.0 * x * x + 4.0 * y * y) / 12.0;
            DVec3::new(across, across, x * x / 2.0)
        }
        Shape::Capsule => {
            // A cylinder and a ball cut in two halves, whose centres of mass lie 3/8 of the radius inside.
            let (tube, ball) = (2.0 * y / (2.0 * y + 4.0 / 3.0 * x), 4.0 / 3.0 * x / (2.0 * y + 4.0 / 3.0 * x));
            let across = tube * (3.0 * x * x + 4.0 * y * y) / 12.0 + ball * (0.4 * x * x + y * y + 0.75 * x * y);
            DVec3::new(across, across, tube * x * x / 2.0 + ball * 0.4 * x * x)
        }
    }
}
