//! Environments: folders with `env.toml` and `env.wgsl`, loaded at run time, run in batches on the device.
//!
//! `env.wgsl` defines a `struct State` (anything a storage buffer can hold) and three functions:
//!
//! ```wgsl
//! fn reset(random: Random) -> State
//! fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult
//! fn observe(state: State) -> array<f32, OBS_DIM>
//! ```
//!
//! and may define `fn reset_evaluation(random: Random) -> State`, where evaluations start, and
//! `fn restart(state: State, random: Random) -> State`, how an episode begins after another one has ended. It finds predefined:
//! `OBS_DIM`, `ACTION_DIM`, `DT`, the bounds of `env.toml` as `ACTION_LOW[i]`, `ACTION_HIGH[i]`, `OBS_LOW[i]`, `OBS_HIGH[i]`,
//! every key of `[constants]`, `struct StepResult { reward: f32, terminated: bool }` and the draws
//! `random_uniform(random, lane)` in `[0, 1)`, `random_range(random, lane, low, high)` and `random_normal(random, lane)`,
//! where different lanes are independent. With `[physics]` it finds the model's step as well ([`PhysicsSection`]). Batching, resets, time-outs and statistics are the runner's.

mod batch;
mod catalogue;
mod check;
mod compile;
mod error;
mod fields;
mod inline;
mod inspect;
mod manifest;
mod module;
mod physics;
mod report;
mod runner;
mod section;
pub mod streams;
mod watch;

pub use batch::{Batch, Trace};
pub use catalogue::{EnvSummary, Environment, environments, load, search_path};
pub use check::{CheckOptions, check, random_actions};
pub use error::{EnvError, nearest};
pub use fields::StateFields;
pub use inline::StepFunction;
pub use manifest::{Channel, Constant, Evaluation, MAX_CHANNELS, MAX_HORIZON, Manifest};
pub use physics::PhysicsSection;
pub use report::{Actions, CheckReport, Finding, Occurrence, RunSummary};
pub use runner::{EnvArgs, EnvKernels, FLAG_NONE, FLAG_TERMINATED, FLAG_TIME_OUT, MAX_ENVS, STATS_BYTES, WORKGROUP};
