//! Why training cannot start or go on.

use thiserror::Error;

use crate::engine::EngineError;
use crate::env::EnvError;
use crate::fuse::FuseError;
use crate::ir::GraphError;

/// Why training cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The device.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A graph without a plan.
    #[error(transparent)]
    Fuse(#[from] FuseError),
    /// A graph that does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The environment.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A setting that this environment or adapter cannot honour.
    #[error("{0}")]
    Setting(String),
    /// A loss, gradient, reward or observation that is not a number.
    #[error("iteration {iteration}: {what} is not finite; checkpoints written before it are kept")]
    NonFinite {
        /// Where.
        iteration: u64,
        /// What.
        what: String,
    },
    /// A checkpoint that does not fit.
    #[error("{path}: {message}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong and what was expected.
        message: String,
    },
}

impl TrainError {
    /// Whether the input is wrong (exit code 2) rather than the run (exit code 1).
    pub fn is_input_error(&self) -> bool {
        match self {
            TrainError::Engine(error) => !matches!(error, EngineError::Fault(_) | EngineError::DeviceLost(_)),
            TrainError::Fuse(_) | TrainError::Graph(_) | TrainError::Env(_) => true,
            TrainError::Setting(_) | TrainError::Checkpoint { .. } => true,
            TrainError::NonFinite { .. } => false,
        }
    }
}
