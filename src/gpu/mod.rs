//! Adapters, buffers, kernels, recordings and the engine that executes them. Knows no graph and no RL.

mod adapter;
mod check;
mod counters;
mod device;
mod engine;
mod error;
mod execute;
mod health;
mod kernel;
mod lint;
mod module;
mod pipeline;
mod profile;
mod readback;
mod recording;
mod reflect;
mod targets;
mod uniformity;

pub use adapter::{AdapterChoice, AdapterSummary, DeviceLimits, adapters};
pub use counters::Counters;
pub use engine::{Engine, EngineOptions};
pub use error::GpuError;
pub use kernel::{KernelDesc, Twin, Work};
pub use lint::{LintFinding, LintKind, lint};
pub use module::ModuleError;
pub use profile::KernelTime;
pub use recording::{BufferId, Command, Dispatch, KernelId, Recording, Ticket};
pub use reflect::{Binding, BindingKind, Reflection, reflect};
pub use targets::{Targets, validate_targets};
