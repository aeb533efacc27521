//! Algorithms: losses as graphs, hyper-parameters, and what the trainer needs to run any of them.

mod agent;
mod algorithm;
mod config;
mod gradient;
pub mod observation;
pub mod policyflow;
pub mod ppo;
mod settings;
pub mod squash;
mod terms;

pub use agent::{Agent, Anneal, Field, Frozen, Prepare, PrepareInput, Source, Spaces};
pub use algorithm::Algorithm;
pub use config::{PolicyFlowConfig, PpoConfig, Reduction, Schedule, Squash, TrainConfig, ValueLoss};
pub use gradient::{GradientError, GradientProblem, TensorFile};
pub use settings::{Layer, Settings, SettingsError, from_layers, parse_override, to_table, validate};

/// Streams of the counter-based random numbers that graphs of algorithms draw from; environments use none of these.
pub mod stream {
    /// Base noise `z` of the flow.
    pub const BASE: u32 = 1;
    /// Action noise `n`.
    pub const ACTION: u32 = 2;
    /// Time on the path.
    pub const TIME: u32 = 3;
    /// Noise of the stochastic interpolant.
    pub const INTERPOLANT: u32 = 4;
}
