//! A compiled model: everything that stays the same while it moves, as plain numbers in f64.
//!
//! Bodies stand in depth-first order, the world first; joints, geoms and sites in the order of their bodies. Lengths, masses and
//! times are in the file's units, angles in radians, frames are given in their body's frame.

mod compile;
mod contact;
mod parts;
mod pattern;
mod weights;

use glam::DVec3;

pub use self::compile::ModelFault;
pub use self::contact::{Crowd, Pair};
pub use self::parts::{
    Actuator, Body, Dof, Frame, Geom, Joint, JointKind, Keyframe, Object, Sensor, SensorKind, Shape, Site, Softness,
    Tendon, TendonPath, Transmission,
};
pub use self::pattern::Pattern;

/// A compiled model.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The file's name for it.
    pub name: String,
    /// How it is stepped.
    pub options: Options,
    /// Bodies, the world first.
    pub bodies: Vec<Body>,
    /// Joints.
    pub joints: Vec<Joint>,
    /// Degrees of freedom.
    pub dofs: Vec<Dof>,
    /// Geoms.
    pub geoms: Vec<Geom>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Tendons.
    pub tendons: Vec<Tendon>,
    /// Actuators.
    pub actuators: Vec<Actuator>,
    /// Sensors.
    pub sensors: Vec<Sensor>,
    /// Keyframes.
    pub keyframes: Vec<Keyframe>,
    /// Pairs of geoms that may touch, by their geoms' indices.
    pub pairs: Vec<Pair>,
    /// Pairs whose contacts may share places.
    pub crowds: Vec<Crowd>,
    /// Pairs of bodies whose geoms do not touch.
    pub excludes: Vec<[usize; 2]>,
    /// The configuration of the file. `[nq]`
    pub qpos0: Vec<f64>,
    /// The configuration in which joint springs are at rest. `[nq]`
    pub qpos_spring: Vec<f64>,
    /// Mean of the diagonal of the mass matrix at `qpos0`.
    pub mean_inertia: f64,
    /// Non-zeros of the mass matrix.
    pub mass_pattern: Pattern,
    /// Non-zeros of the mass matrix together with whatever contacts, limits and tendons may couple.
    pub system_pattern: Pattern,
}

impl Model {
    /// Numbers in a configuration.
    pub fn nq(&self) -> usize {
        self.qpos0.len()
    }

    /// Degrees of freedom.
    pub fn nv(&self) -> usize {
        self.dofs.len()
    }

    /// Controls.
    pub fn nu(&self) -> usize {
        self.actuators.len()
    }
}

/// How a model is stepped.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Seconds of one step.
    pub timestep: f64,
    /// Acceleration of free fall.
    pub gravity: DVec3,
    /// Velocity of the medium.
    pub wind: DVec3,
    /// Density of the medium.
    pub density: f64,
    /// Viscosity of the medium.
    pub viscosity: f64,
    /// Impedance of friction over that of the normal direction.
    pub impedance_ratio: f64,
    /// Rule of integration.
    pub integrator: Integrator,
    /// Shape of the friction cone.
    pub cone: Cone,
    /// Parts of the computation that are switched on.
    pub enabled: Enabled,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timestep: 0.002,
            gravity: DVec3::new(0.0, 0.0, -9.81),
            wind: DVec3::ZERO,
            density: 0.0,
            viscosity: 0.0,
            impedance_ratio: 1.0,
            integrator: Integrator::Euler,
            cone: Cone::Pyramidal,
            enabled: Enabled::default(),
        }
    }
}

/// Rule of integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrator {
    /// Semi-implicit Euler, with joint damping implicit unless it is switched off.
    Euler,
    /// Implicit in the velocity-dependent forces, without Coriolis terms, symmetric.
    ImplicitFast,
    /// The classic rule of fourth order.
    RungeKutta4,
}

/// Shape of the friction cone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cone {
    /// Four edges.
    Pyramidal,
    /// A round cone.
    Elliptic,
}

/// Parts of the computation; all are on unless the file switches them off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enabled {
    /// All constraints.
    pub constraint: bool,
    /// Dry friction in joints and tendons.
    pub friction_loss: bool,
    /// Limits of joints and tendons.
    pub limit: bool,
    /// Contacts.
    pub contact: bool,
    /// Springs of joints and tendons.
    pub spring: bool,
    /// Dampers of joints and tendons.
    pub damper: bool,
    /// Gravity.
    pub gravity: bool,
    /// Clamping of controls to their ranges.
    pub clamp_control: bool,
    /// Starting the solver from the last acceleration.
    pub warm_start: bool,
    /// No contacts between a body and its parent.
    pub filter_parent: bool,
    /// Actuators.
    pub actuation: bool,
    /// Time constants of constraints are at least two steps.
    pub reference_safety: bool,
    /// Implicit joint damping in Euler's rule.
    pub euler_damping: bool,
}

impl Default for Enabled {
    fn default() -> Self {
        Self {
            constraint: true,
            friction_loss: true,
            limit: true,
            contact: true,
            spring: true,
            damper: true,
            gravity: true,
            clamp_control: true,
            warm_start: true,
            filter_parent: true,
            actuation: true,
            reference_safety: true,
            euler_damping: true,
        }
    }
}
