//! Adapters, buffers, kernels, recordings and the engine that executes them. Knows no graph and no RL.

mod kernel;
mod recording;

pub use kernel::{KernelDesc, Twin, Work};
pub use recording::{BufferId, Command, Dispatch, KernelId, Recording, Ticket};
