//! Training: memory layout, kernels of an agent, the iteration as a recording, metrics, checkpoints, evaluation.

mod checkpoint;
mod error;
mod evaluate;
mod fused;
mod gradient;
mod iteration;
mod layout;
mod normalizer;
mod program;
mod rollout;
mod setup;
mod sizes;
mod state;
mod trainer;

pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use evaluate::{Episodes, EvalNoise, Evaluator};
pub use fused::fuse_rollout;
pub use gradient::{HostTensor, HostTensors, evaluate_gradient};
pub use layout::{ParamLayout, RolloutLayout};
pub use program::{BoundKernel, Program};
pub use sizes::Limits;
pub use trainer::{IterationMetrics, TrainOptions, Trainer};
