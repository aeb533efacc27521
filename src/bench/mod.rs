//! What an adapter can do at best, and what kernels, rollouts and iterations make of it: one suite for `flowmill bench`,
//! `flowmill-bench` and the benches of the crate.
//!
//! Kernels are those of the trainer's own recordings, each timed alone: whatever an iteration runs has a row. Times are
//! medians over rounds of batches, behind a warm-up; planning and compilation are apart. What is compared runs in turn.

mod baseline;
mod bed;
mod ceilings;
mod clock;
mod environments;
mod measuring;
mod networks;
mod page;
mod peer;
mod physics;
mod report;
mod row;
mod shapes;
mod suite;
mod tasks;
mod work;

pub use baseline::{Comparison, Verdict, compare};
pub use ceilings::{Ceilings, measure};
pub use page::page;
pub use report::{Report, Table};
pub use row::{Row, Unit};
pub use shapes::{parse_envs, quadruped_algorithm, quadruped_widths};
pub use suite::{Event, KernelRun, Results, Suite, SuiteOptions};
pub use tasks::Part;

use crate::algo::SettingsError;
use crate::engine::EngineError;
use crate::env::EnvError;
use crate::simulate::SimulateError;
use crate::train::TrainError;

/// Why a suite cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The device.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An environment.
    #[error(transparent)]
    Env(Box<EnvError>),
    /// A trainer.
    #[error(transparent)]
    Train(Box<TrainError>),
    /// A setting.
    #[error(transparent)]
    Settings(Box<SettingsError>),
    /// No row has such a name.
    #[error("`--filter` is {filter}: no row's name contains it; nearest: {}", nearest.join(", "))]
    Filter {
        /// What was asked for.
        filter: String,
        /// Names that are near it.
        nearest: Vec<String>,
    },
    /// A report that cannot be read.
    #[error("{path}: {message}")]
    Report {
        /// The file.
        path: String,
        /// What is wrong and what was expected.
        message: String,
    },
    /// A Python that was asked for and has no MuJoCo.
    #[error("{path}: expected a Python with mujoco and numpy: {message}")]
    Python {
        /// What was asked for.
        path: String,
        /// What it says.
        message: String,
    },
    /// The program beside which physics is timed.
    #[error("C MuJoCo in Python: {0}")]
    Peer(String),
    /// A model that cannot be read or simulated.
    #[error("{0}")]
    Model(String),
    /// A plan without what it was asked for.
    #[error("the plan has no longer {0}")]
    Missing(&'static str),
}

impl From<EnvError> for BenchError {
    fn from(error: EnvError) -> Self {
        Self::Env(Box::new(error))
    }
}

impl From<SimulateError> for BenchError {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Engine(error) => Self::Engine(error),
            error => Self::Model(error.to_string()),
        }
    }
}

impl From<TrainError> for BenchError {
    fn from(error: TrainError) -> Self {
        Self::Train(Box::new(error))
    }
}

impl From<SettingsError> for BenchError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(Box::new(error))
    }
}
