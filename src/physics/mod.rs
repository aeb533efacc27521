//! Physics of articulated bodies after MuJoCo: model files, compiled models, and their dynamics.
//!
//! - [`mjcf`] reads a model file (MJCF) and refuses what is not supported.
//! - [`model`] is the compiled model: plain numbers.
//! - [`dynamics`] is the step, written once for any scalar.
//! - [`wgsl`] is the step of one model as text for a GPU.
//! - [`rollout`] steps many states under given controls.

pub mod dynamics;
pub mod mjcf;
pub mod model;
pub mod rollout;
pub mod wgsl;
