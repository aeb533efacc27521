//! The parts of a model.

use std::ops::Range;

use glam::{DMat3, DQuat, DVec3};

/// A frame in its body's frame, or a body in its parent's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Origin.
    pub position: DVec3,
    /// Orientation.
    pub rotation: DQuat,
}

impl Default for Frame {
    fn default() -> Self {
        Self { position: DVec3::ZERO, rotation: DQuat::IDENTITY }
    }
}

/// A rigid body.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Name, or empty.
    pub name: String,
    /// The body it hangs on; the world is its own parent.
    pub parent: usize,
    /// The ancestor that hangs on the world.
    pub root: usize,
    /// The nearest ancestor with a joint, or the world: bodies with one `weld` do not move against each other.
    pub weld: usize,
    /// Its frame in its parent's.
    pub frame: Frame,
    /// The frame of its principal axes of inertia, at its centre of mass.
    pub inertial: Frame,
    /// Mass.
    pub mass: f64,
    /// Principal moments of inertia.
    pub inertia: DVec3,
    /// Mass of the body and of all that hangs on it.
    pub subtree_mass: f64,
    /// Mean inverse inertia felt by a force and by a torque at the centre of mass, in the configuration of the file.
    pub inverse_weight: [f64; 2],
    /// Its joints.
    pub joints: Range<usize>,
    /// Its degrees of freedom.
    pub dofs: Range<usize>,
    /// Its geoms.
    pub geoms: Range<usize>,
    /// The degrees of freedom that move it, ascending.
    pub chain: Vec<usize>,
}

impl Body {
    /// Inertia about the centre of mass, in the body's axes.
    pub fn inertia_matrix(&self) -> DMat3 {
        let axes = DMat3::from_quat(self.inertial.rotation);
        axes * DMat3::from_diagonal(self.inertia) * axes.transpose()
    }
}

/// How a constraint gives way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softness {
    /// `solref`: time constant and damping ratio, or negative stiffness and damping.
    pub reference: [f64; 2],
    /// `solimp`: impedance at the surface and in the depth, width, midpoint and power of the curve between them.
    pub impedance: [f64; 5],
}

impl Default for Softness {
    fn default() -> Self {
        Self { reference: [0.02, 1.0], impedance: [0.9, 0.95, 0.001, 0.5, 2.0] }
    }
}

/// How a joint moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JointKind {
    /// Six degrees of freedom: 7 numbers of configuration (position, quaternion), 6 of velocity (linear in the world's axes,
    /// angular in the body's).
    Free,
    /// Three rotations: a quaternion, and the angular velocity in the body's axes.
    Ball,
    /// Translation along the axis.
    Slide,
    /// Rotation about the axis.
    Hinge,
}

impl JointKind {
    /// Numbers of configuration.
    pub fn nq(self) -> usize {
        match self {
            Self::Free => 7,
            Self::Ball => 4,
            Self::Slide | Self::Hinge => 1,
        }
    }

    /// Numbers of velocity.
    pub fn nv(self) -> usize {
        match self {
            Self::Free => 6,
            Self::Ball => 3,
            Self::Slide | Self::Hinge => 1,
        }
    }
}

/// A joint.
#[derive(Debug, Clone)]
pub struct Joint {
    /// Name, or empty.
    pub name: String,
    /// How it moves.
    pub kind: JointKind,
    /// Whose joint it is.
    pub body: usize,
    /// Anchor in the body's frame.
    pub position: DVec3,
    /// Axis in the body's frame, of length 1.
    pub axis: DVec3,
    /// Its first number of configuration.
    pub qpos: usize,
    /// Its first degree of freedom.
    pub dof: usize,
    /// Stiffness of its spring.
    pub stiffness: f64,
    /// Its range where it is limited; for a ball joint the second number is the largest angle.
    pub range: Option<[f64; 2]>,
    /// Distance from the limit at which it begins to act.
    pub margin: f64,
    /// Softness of the limit.
    pub limit: Softness,
    /// Range of the sum of all actuators' forces on it.
    pub force_range: Option<[f64; 2]>,
}

/// A degree of freedom.
#[derive(Debug, Clone)]
pub struct Dof {
    /// Its joint.
    pub joint: usize,
    /// Its body.
    pub body: usize,
    /// The one before it on the way to the world.
    pub parent: Option<usize>,
    /// Inertia added to the diagonal of the mass matrix.
    pub armature: f64,
    /// Viscous damping.
    pub damping: f64,
    /// Dry friction.
    pub friction_loss: f64,
    /// Softness of the dry friction.
    pub friction: Softness,
    /// Inverse inertia felt by it in the configuration of the file, a mean over the joint's like directions.
    pub inverse_weight: f64,
}

/// The shape of a geom, in its own frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// The half space z < 0.
    Plane,
    /// `size[0]` is the radius.
    Sphere,
    /// Along z: radius, half of the length between the centres of the ends.
    Capsule,
    /// Three half axes.
    Ellipsoid,
    /// Along z: radius, half of the length.
    Cylinder,
    /// Three half sides.
    Box,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plane => "plane",
            Self::Sphere => "sphere",
            Self::Capsule => "capsule",
            Self::Ellipsoid => "ellipsoid",
            Self::Cylinder => "cylinder",
            Self::Box => "box",
        })
    }
}

/// A geom.
#[derive(Debug, Clone)]
pub struct Geom {
    /// Name, or empty.
    pub name: String,
    /// Its body.
    pub body: usize,
    /// Shape.
    pub shape: Shape,
    /// Its numbers.
    pub size: DVec3,
    /// Its frame in its body's.
    pub frame: Frame,
    /// Bits that touch other geoms' `affinity`.
    pub kind_bits: u32,
    /// Bits that other geoms' `kind_bits` touch.
    pub affinity_bits: u32,
    /// Directions in which a contact acts: 1 (normal) or 3 (with friction).
    pub directions: u32,
    /// Whose parameters hold when two geoms differ: the higher.
    pub priority: u32,
    /// Sliding, torsional and rolling friction.
    pub friction: [f64; 3],
    /// Weight of this geom's softness in the mean.
    pub mix: f64,
    /// Softness of its contacts.
    pub softness: Softness,
    /// Distance at which a contact begins.
    pub margin: f64,
    /// Colour and opacity, each in [0, 1], where the file gives them.
    pub rgba: Option<[f64; 4]>,
}

/// A site: a named frame in a body, with an extent that touch sensors use.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name, or empty.
    pub name: String,
    /// Its body.
    pub body: usize,
    /// Shape.
    pub shape: Shape,
    /// Its numbers.
    pub size: DVec3,
    /// Its frame in its body's.
    pub frame: Frame,
    /// Colour and opacity, each in [0, 1], where the file gives them.
    pub rgba: Option<[f64; 4]>,
}

/// What a tendon's length is.
#[derive(Debug, Clone, PartialEq)]
pub enum TendonPath {
    /// A sum of joint positions: joint and coefficient.
    Fixed(Vec<(usize, f64)>),
    /// The length of the line through sites.
    Spatial(Vec<usize>),
}

/// A tendon.
#[derive(Debug, Clone)]
pub struct Tendon {
    /// Name, or empty.
    pub name: String,
    /// Its way.
    pub path: TendonPath,
    /// The range of its length where it is limited.
    pub range: Option<[f64; 2]>,
    /// Distance from the limit at which it begins to act.
    pub margin: f64,
    /// Softness of the limit.
    pub limit: Softness,
    /// Stiffness of its spring.
    pub stiffness: f64,
    /// Viscous damping.
    pub damping: f64,
    /// The lengths between which the spring is slack; `None` until the length with all joint springs at rest is known.
    pub spring_length: Option<[f64; 2]>,
    /// Dry friction.
    pub friction_loss: f64,
    /// Softness of the dry friction.
    pub friction: Softness,
    /// Inverse inertia felt along it in the configuration of the file.
    pub inverse_weight: f64,
    /// The degrees of freedom its length may depend on, ascending.
    pub chain: Vec<usize>,
}

/// What an actuator pulls at.
#[derive(Debug, Clone, PartialEq)]
pub enum Transmission {
    /// A hinge or slide joint.
    Joint(usize),
    /// A tendon.
    Tendon(usize),
    /// A force and a torque in a site's frame; `gear` has all six.
    Site(usize),
}

/// An actuator: force = (g0 + g1 length + g2 velocity) control + b0 + b1 length + b2 velocity.
#[derive(Debug, Clone)]
pub struct Actuator {
    /// Name, or empty.
    pub name: String,
    /// What it pulls at.
    pub transmission: Transmission,
    /// Force per unit of actuator force; the first number is that of joints and tendons.
    pub gear: [f64; 6],
    /// g0, g1, g2.
    pub gain: [f64; 3],
    /// b0, b1, b2.
    pub bias: [f64; 3],
    /// Range of the control.
    pub control_range: Option<[f64; 2]>,
    /// Range of the force.
    pub force_range: Option<[f64; 2]>,
}

/// What a sensor reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A body's frame.
    Body(usize),
    /// The frame of a body's principal axes of inertia.
    Inertial(usize),
    /// A geom.
    Geom(usize),
    /// A site.
    Site(usize),
}

/// What a sensor reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorKind {
    /// Position of a joint.
    JointPosition(usize),
    /// Velocity of a joint.
    JointVelocity(usize),
    /// Position of a frame.
    Position(Object),
    /// One of a frame's axes, 0 to 2.
    Axis(Object, usize),
    /// Sum of the normal forces of contacts inside a site.
    Touch(usize),
    /// Linear velocity of a site in its own axes.
    LinearVelocity(usize),
    /// Angular velocity of a site in its own axes.
    AngularVelocity(usize),
    /// Velocity of the centre of mass of a body and all that hangs on it.
    SubtreeVelocity(usize),
}

/// A sensor.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Name, or empty.
    pub name: String,
    /// What it reports.
    pub kind: SensorKind,
}

/// A named state.
#[derive(Debug, Clone)]
pub struct Keyframe {
    /// Name, or empty.
    pub name: String,
    /// Configuration. `[nq]`
    pub qpos: Vec<f64>,
    /// Velocity. `[nv]`
    pub qvel: Vec<f64>,
    /// Controls. `[nu]`
    pub control: Vec<f64>,
}
