//! Adapters, buffers, kernels, recordings and the two engines that execute them: `gpu` through wgpu, `cpu` without any
//! driver. Knows no graph and no RL.

mod adapter;
mod catalogue;
mod check;
mod counters;
mod cpu;
mod dry;
mod error;
mod executor;
mod gpu;
mod handle;
mod kernel;
mod lint;
mod module;
mod profile;
mod recording;
mod reflect;
mod targets;
mod uniformity;
mod work;

pub use adapter::{AdapterChoice, AdapterKind, AdapterSummary, DeviceLimits, adapters};
pub use counters::Counters;
pub use cpu::Words;
pub use error::EngineError;
pub use handle::{Engine, EngineOptions};
pub use kernel::{Call, HostKernel, KernelDesc, Tiles, Twin};
pub use lint::{LintFinding, LintKind, lint, lint_parsed};
pub use module::ModuleError;
pub use profile::{DispatchSpan, HostSpan, HostTask, KernelTime, Profile, Timing};
pub use recording::{BufferId, Command, Dispatch, KernelId, Recording, Span, Ticket};
pub use reflect::{Binding, BindingKind, Reflection, reflect};
pub use targets::{Targets, validate_targets};
pub use work::{CountedWork, Work};
