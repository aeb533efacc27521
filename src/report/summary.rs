//! `summary.json`: how a run ended, in one object.

use serde::{Deserialize, Serialize};

use super::multigoal::{Coverage, FirstActions};
use super::run_dir::{read_json, write_json};
use super::{ReportError, RunDir};

/// The last word on a run. MultiGoal's measures are absent for other environments; a return that is not finite, or a
/// run in which no episode ended, has no return.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Goals that own at least 5 % of the trajectories, of 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<usize>,
    /// Normalised entropy of the shares of the goals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// Share of trajectories that end at a goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<f64>,
    /// Goals that own at least 5 % of the first actions, of 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_action_coverage: Option<usize>,
    /// Normalised entropy of the first actions' shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_action_entropy: Option<f64>,
    /// Share of first actions with norm at least 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_action_strong: Option<f64>,
    /// Mean episode return at the end.
    pub final_return: Option<f64>,
    /// Best mean episode return of any iteration.
    pub best_return: Option<f64>,
    /// Environment steps over all environments.
    pub env_steps: u64,
    /// Iterations finished.
    pub iterations: u64,
    /// Seconds of training, compilation excluded.
    pub seconds_training: f64,
    /// Seconds of shader and pipeline compilation.
    pub seconds_compiling: f64,
    /// Adapter name.
    pub adapter: String,
}

impl Summary {
    /// Fills in MultiGoal's measures.
    pub fn with_multigoal(mut self, ends: &Coverage, first: &FirstActions) -> Self {
        self.coverage = Some(ends.coverage);
        self.entropy = Some(ends.entropy);
        self.reached = Some(ends.reached);
        self.first_action_coverage = Some(first.first_action_coverage);
        self.first_action_entropy = Some(first.first_action_entropy);
        self.first_action_strong = Some(first.first_action_strong);
        self
    }

    /// Writes `summary.json` into the run's directory, atomically.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write(&self, dir: &RunDir) -> Result<(), ReportError> {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let summary =
            Self { final_return: finite(self.final_return), best_return: finite(self.best_return), ..self.clone() };
        write_json(&dir.path().join("summary.json"), &summary)
    }

    /// Reads `summary.json` of a run.
    ///
    /// # Errors
    /// [`ReportError::Io`] or [`ReportError::Malformed`].
    pub fn read(dir: &RunDir) -> Result<Self, ReportError> {
        read_json(&dir.path().join("summary.json"))
    }
}
