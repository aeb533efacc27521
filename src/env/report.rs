//! What the environment checker found, for people and as data.

use std::fmt;

use serde::Serialize;

/// The actions under which an environment is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Actions {
    /// All zero.
    Zero,
    /// Uniform within the action's bounds.
    Random,
    /// Every entry at one of its bounds, held for a few steps.
    Extreme,
    /// Every entry a hundred times beyond one of its bounds: what an unbounded policy may ask for.
    Beyond,
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Actions::Zero => "zero",
            Actions::Random => "random",
            Actions::Extreme => "extreme",
            Actions::Beyond => "beyond",
        })
    }
}

/// Where something was seen first, and how often.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Occurrence {
    /// The actions of that run.
    pub actions: Actions,
    /// Step of the run, from 0; the observation after it.
    pub step: u32,
    /// Environment.
    pub env: u32,
    /// How many values in that run.
    pub count: u64,
}

/// One thing that is wrong with an environment.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Something that goes wrong inside `env.wgsl`: an index out of bounds, a division by zero, a variable that is read
    /// before it is written, a number that is not finite.
    Program {
        /// Path of `env.wgsl`.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column in bytes, from 1.
        column: u32,
        /// The cause in words.
        message: String,
        /// Where it happened first.
        at: Occurrence,
    },
    /// A NaN or an infinity.
    NonFinite {
        /// Name of the observation entry, or `reward`.
        entry: String,
        /// `NaN`, `inf` or `-inf`.
        value: String,
        /// Where.
        at: Occurrence,
    },
    /// An observation outside the bounds of `env.toml`; the value is the one farthest outside.
    OutOfBounds {
        /// Name of the observation entry.
        entry: String,
        /// The observed value.
        value: f32,
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
        /// Where it was left first.
        at: Occurrence,
    },
    /// `random_lanes` says that resets are random, but all environments start in one state.
    ResetNotRandom {
        /// `random_lanes` of `env.toml`.
        random_lanes: u32,
    },
    /// `random_lanes` is 0, but environments start in different states.
    ResetRandom,
    /// The start states do not depend on the seed.
    SeedIgnored,
    /// All episodes that follow an automatic reset start in one state.
    AutoResetNotRandom {
        /// How many resets were seen.
        resets: u64,
    },
    /// What follows an ended episode begins where that one ended.
    GoesOn,
    /// Most episodes end in their first step although nothing is done.
    EndsAtOnce {
        /// Episodes of one step.
        ended: u64,
        /// All episodes that ended.
        episodes: u64,
    },
    /// No state changed during a whole run.
    Frozen {
        /// The actions of that run.
        actions: Actions,
    },
    /// Two runs of the same seed and actions differ.
    NotDeterministic {
        /// Name of the observation entry, `reward` or `flag`.
        entry: String,
        /// Where.
        at: Occurrence,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Program { file, line, column, message, at } => {
                write!(f, "{file}:{line}:{column}: {message} {at}")
            }
            Finding::NonFinite { entry, value, at } => write!(f, "`{entry}` is {value} {at}"),
            Finding::OutOfBounds { entry, value, low, high, at } => {
                write!(f, "`{entry}` reaches {value:?}, outside its bounds {low:?}..={high:?}, {at}")
            }
            Finding::ResetNotRandom { random_lanes } => write!(
                f,
                "resets do not reset: `random_lanes` is {random_lanes}, but all environments start in the same state"
            ),
            Finding::ResetRandom => {
                write!(f, "`random_lanes` is 0, but environments start in different states")
            }
            Finding::SeedIgnored => write!(f, "another seed gives the same start states"),
            Finding::AutoResetNotRandom { resets } => {
                write!(f, "resets do not reset: all {resets} episodes after a reset start with the same observation")
            }
            Finding::GoesOn => write!(f, "episodes do not begin anew: the state after a restart is the one before it"),
            Finding::EndsAtOnce { ended, episodes } => {
                write!(f, "{ended} of {episodes} episodes end in their first step under zero actions")
            }
            Finding::Frozen { actions } => write!(f, "no state changes under {actions} actions"),
            Finding::NotDeterministic { entry, at } => {
                write!(f, "two equal runs differ: `{entry}` {at}")
            }
        }
    }
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Occurrence { actions, step, env, count } = self;
        write!(f, "under {actions} actions (first at step {step} in environment {env}, {count} times in all)")
    }
}

/// What one run showed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunSummary {
    /// The actions.
    pub actions: Actions,
    /// Smallest and largest finite reward of a step.
    pub reward: [f32; 2],
    /// Episodes that ended.
    pub episodes: u64,
    /// Those of them that terminated; the others timed out.
    pub terminated: u64,
    /// Mean undiscounted return of the episodes that ended.
    pub mean_return: f64,
    /// Mean steps of the episodes that ended.
    pub mean_length: f64,
}

/// The result of a check.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CheckReport {
    /// Name of the environment.
    pub environment: String,
    /// Environments run side by side.
    pub num_envs: u32,
    /// Steps of every run.
    pub steps: u32,
    /// A summary of every run.
    pub runs: Vec<RunSummary>,
    /// What is wrong; empty where nothing is.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} environments, {} steps under each kind of action",
            self.environment, self.num_envs, self.steps
        )?;
        writeln!(
            f,
            "  {:<8} {:>23} {:>9} {:>11} {:>12} {:>12}",
            "actions", "reward of a step", "episodes", "terminated", "mean return", "mean length"
        )?;
        for run in &self.runs {
            let reward = format!("{:.4} .. {:.4}", run.reward[0], run.reward[1]);
            let RunSummary { episodes, terminated, mean_return, mean_length, .. } = run;
            let actions = run.actions.to_string();
            writeln!(
                f,
                "  {actions:<8} {reward:>23} {episodes:>9} {terminated:>11} {mean_return:>12.3} {mean_length:>12.2}"
            )?;
        }
        if self.passed() {
            return write!(f, "  passed");
        }
        for finding in &self.findings {
            writeln!(f, "  FAILED {finding}")?;
        }
        write!(f, "  {} findings", self.findings.len())
    }
}
