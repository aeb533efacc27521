//! The dynamics of a model, written once for any [`Scalar`]: MuJoCo's forward step (version 3.12).
//!
//! In the order of a step: [`Position`] (where bodies are, what moves them), [`mass_matrix`], [`tendons`], [`Velocity`] and
//! [`bias_force`], [`passive_force`], [`Actuation`], [`Constraints`], [`solve`], and the integration in [`step`]. All functions are
//! straight lines over the model's structure; what depends on values is said through [`Scalar`].

mod actuation;
mod collision;
mod compliance;
mod constraints;
mod crowd;
mod free_body;
mod inertia;
mod integrate;
mod kinematics;
mod law;
mod linear;
mod newton;
mod passive;
mod scalar;
mod sensors;
mod sparse;
mod step;
mod tendon;

pub use self::actuation::Actuation;
pub use self::collision::{Touch, touches};
pub use self::constraints::{Constraints, Contact, Law, Row, Sides, geom_poses};
pub use self::inertia::{Velocity, bias_force, mass_matrix};
pub use self::integrate::advance;
pub use self::kinematics::{Pose, Position};
pub use self::linear::{Inertia, Mat3, Quat, Spatial, Vec3};
pub use self::newton::{Solution, SolverLimits, solve};
pub use self::passive::passive_force;
pub use self::scalar::Scalar;
pub use self::sensors::{kinematic_sensor, sensors, subtree_velocity, touch_sensor};
pub use self::sparse::{Factors, Symmetric};
pub use self::step::{Forward, State, forward, step};
pub use self::tendon::{Line, tendons};
