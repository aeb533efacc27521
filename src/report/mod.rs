//! What a run writes and shows: the run directory, metrics (CSV, JSON lines, TensorBoard), console and summary.
//!
//! Nothing here knows a GPU or an algorithm: the trainer hands over plain numbers under rsl_rl's tags.

mod clock;
mod console;
mod metrics;
pub mod multigoal;
mod run_dir;
mod summary;
mod tensorboard;

use std::path::{Path, PathBuf};

pub use clock::timestamp;
pub use console::{Console, DeviceLine, IterationReport, Layout, format_duration, format_si};
pub use metrics::{MetricsLog, MetricsRow, MetricsTable, read_metrics};
pub use run_dir::{BuildInfo, RunDir, RunIdentity, write_atomic, write_atomic_with};
pub use summary::Summary;
pub use tensorboard::EventWriter;

/// Why a run's files could not be written or read. Every message names the file and the reason.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// `--run-dir` names a directory that is in use.
    #[error("run directory `{path}` already holds `{entry}`: expected a new or an empty directory")]
    Occupied {
        /// The directory asked for.
        path: PathBuf,
        /// One of the names found in it.
        entry: String,
    },
    /// The run directory cannot be made or written to.
    #[error("run directory `{path}` cannot be written: {source}")]
    NotWritable {
        /// The directory asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A path that should be a run directory is none.
    #[error("`{path}` is not a run directory: {reason}")]
    NotARun {
        /// The path given.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A metric that was not declared when the log was opened: CSV columns are fixed for a run.
    #[error("metric `{tag}` is not among the columns declared for this run: {columns}")]
    UnknownMetric {
        /// The tag handed over.
        tag: String,
        /// The declared tags, comma separated.
        columns: String,
    },
    /// A file of the run has other contents than expected.
    #[error("`{path}`: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line or key, value and what was expected.
        reason: String,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// `read`, `write`, `create` ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ReportError {
    /// Whether the user's input is at fault (exit code 2) and not the run (exit code 1).
    pub fn is_input_error(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::UnknownMetric { .. })
    }

    fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_path_buf(), reason: reason.into() }
    }
}
