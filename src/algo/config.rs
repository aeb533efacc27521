//! Hyper-parameters: typed, serialisable, with the values of the released code as defaults.
//!
//! Ranges are checked in [`super::settings`], key by key, before a value reaches these types.

use serde::{Deserialize, Serialize};

use crate::flow::{Path, TimeSampling};
use crate::nn::{Activation, OutputInit, choice};

choice! {
    /// When the learning rate is adapted to the KL divergence: divided by 1.5 above twice `kl_target`, multiplied by
    /// 1.5 below half of it, kept within `lr_min ..= lr_max`.
    pub enum Schedule {
        /// Never.
        Fixed = "fixed",
        /// After every minibatch, from that minibatch's divergence (rsl_rl).
        Minibatch = "minibatch",
        /// After every epoch, from the mean over that epoch's minibatches (skrl).
        Epoch = "epoch",
        /// After every epoch, from the mean over all minibatches of the iteration so far (released PolicyFlow code).
        EpochAccumulated = "epoch-accumulated",
    }
}

choice! {
    /// The form of the value loss; `V'` is the prediction moved no further than `value_clip` from the old one.
    pub enum ValueLoss {
        /// `(R - V)^2`
        Mse = "mse",
        /// `max((R - V)^2, (R - V')^2)` (PPO, rsl_rl).
        ClippedMax = "clipped-max",
        /// `(R - V')^2` (released PolicyFlow code); no gradient once the clip is active.
        ClippedDirect = "clipped-direct",
    }
}

choice! {
    /// How a term is reduced over the action dimensions.
    pub enum Reduction {
        /// Sum over the dimensions.
        Sum = "sum",
        /// Mean over the dimensions.
        Mean = "mean",
    }
}

choice! {
    /// How the policy's action becomes the one that the environment gets, within the bounds that it states. The policy's
    /// own action is what its density belongs to: the ratio of two densities at one action has no Jacobian in it.
    pub enum Squash {
        /// It stays as it is.
        None = "none",
        /// The nearest action within the bounds.
        Clip = "clip",
        /// `tanh` of it, scaled and moved to the bounds.
        Tanh = "tanh",
    }
}

/// What every on-policy algorithm shares: rollout, returns, clipping, optimiser.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Environments that run side by side.
    pub num_envs: usize,
    /// Steps of each environment in an iteration (rollout length T).
    pub horizon: usize,
    /// Iterations (rollout and update) of a run.
    pub iterations: usize,
    /// Widths of the hidden layers of actor and critic.
    pub hidden: Vec<usize>,
    /// Activation after each hidden layer.
    pub activation: Activation,
    /// Passes over the rollout in an update.
    pub epochs: usize,
    /// Minibatches in an epoch; divides `num_envs * horizon`.
    pub minibatches: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Smallest learning rate of the KL rule.
    pub lr_min: f64,
    /// Largest learning rate of the KL rule.
    pub lr_max: f64,
    /// Divergence that the KL rule aims for.
    pub kl_target: f64,
    /// When the KL rule is applied.
    pub schedule: Schedule,
    /// Iterations over which a factor on the learning rate falls linearly from 1 to 0; 0 for no decay.
    pub lr_decay_iterations: usize,
    /// Discount of a step.
    pub gamma: f64,
    /// Decay of the generalised advantage estimate.
    pub lambda: f64,
    /// Factor on rewards before advantages are estimated; reported returns are without it.
    pub reward_scale: f64,
    /// Whether networks see observations normalised by the mean and variance of everything that was collected before the
    /// iteration.
    pub normalize_observations: bool,
    /// Normalised observations are clipped to so many standard deviations.
    pub observation_clip: f64,
    /// What becomes of the policy's actions on their way to the environment.
    pub squash_actions: Squash,
    /// The ratio is clipped to `1 - clip ..= 1 + clip`.
    pub clip: f64,
    /// Form of the value loss.
    pub value_loss: ValueLoss,
    /// Largest counted change of the value prediction (clipped forms).
    pub value_clip: f64,
    /// Weight of the value loss.
    pub value_coef: f64,
    /// Largest norm of the gradient of all parameters together.
    pub grad_norm: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Standard deviation of the action noise at the start.
    pub init_std: f64,
    /// Lower end of the clamp on the log standard deviation.
    pub log_std_min: f64,
    /// Upper end of the clamp on the log standard deviation.
    pub log_std_max: f64,
}

/// PolicyFlow (arXiv 2602.01156).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PolicyFlowConfig {
    /// The shared part; its keys stand beside the others in the same table.
    #[serde(flatten)]
    pub train: TrainConfig,
    /// Width E of the time and state embedding; a multiple of 8.
    pub embedding: usize,
    /// Midpoint steps N of the flow: 2 N evaluations of the velocity.
    pub flow_steps: usize,
    /// Interpolation path between base noise and end point.
    pub path: Path,
    /// Where the ratio is evaluated on that path.
    pub time_sampling: TimeSampling,
    /// Times of a sample under `multi-usd`.
    pub multi_times: usize,
    /// How the MLPs of actor and critic start.
    pub output_init: OutputInit,
    /// Weight of the Brownian regulariser (equation 15).
    pub w_b: f64,
    /// Iterations over which a factor on `w_b` falls linearly from 1 to 0; 0 keeps it constant.
    pub w_b_decay_iterations: usize,
    /// Reduction of the Brownian residual over the action dimensions.
    pub brownian: Reduction,
    /// Weight of the entropy of the action noise (equation 15).
    pub w_g: f64,
    /// Reduction of that entropy over the action dimensions.
    pub entropy: Reduction,
    /// Ablation: `z = 0` and no Brownian term, so that the policy is a Gaussian.
    pub degenerate_gaussian: bool,
}

/// Proximal policy optimisation with a Gaussian of state-independent standard deviation (rsl_rl).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PpoConfig {
    /// The shared part; its keys stand beside the others in the same table.
    #[serde(flatten)]
    pub train: TrainConfig,
    /// How actor and critic start.
    pub output_init: OutputInit,
    /// Weight of the entropy of the action noise.
    pub w_g: f64,
    /// Reduction of that entropy over the action dimensions.
    pub entropy: Reduction,
}

/// The agent defaults of the released PolicyFlow code; hidden widths and lengths, which it sets for each task, are
/// those of most of its tasks.
impl Default for PolicyFlowConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig {
                num_envs: 4096,
                horizon: 24,
                iterations: 1500,
                hidden: vec![256, 128, 64],
                activation: Activation::Elu,
                epochs: 5,
                minibatches: 4,
                learning_rate: 1e-4,
                lr_min: 1e-6,
                lr_max: 1e-2,
                kl_target: 0.01,
                schedule: Schedule::EpochAccumulated,
                lr_decay_iterations: 0,
                gamma: 0.99,
                lambda: 0.95,
                reward_scale: 1.0,
                normalize_observations: false,
                observation_clip: 10.0,
                squash_actions: Squash::None,
                clip: 0.2,
                value_loss: ValueLoss::ClippedDirect,
                value_clip: 0.2,
                value_coef: 1.0,
                grad_norm: 1.0,
                weight_decay: 1e-5,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                init_std: 1.0,
                log_std_min: -20.0,
                log_std_max: 4.0,
            },
            embedding: 64,
            flow_steps: 10,
            path: Path::Rectified,
            time_sampling: TimeSampling::Usd,
            multi_times: 4,
            output_init: OutputInit::Small,
            w_b: 0.01,
            w_b_decay_iterations: 0,
            brownian: Reduction::Mean,
            w_g: 0.01,
            entropy: Reduction::Sum,
            degenerate_gaussian: false,
        }
    }
}

/// The defaults of rsl_rl.
impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig {
                learning_rate: 1e-3,
                lr_min: 1e-5,
                schedule: Schedule::Minibatch,
                value_loss: ValueLoss::ClippedMax,
                weight_decay: 0.0,
                ..PolicyFlowConfig::default().train
            },
            output_init: OutputInit::Pytorch,
            w_g: 0.01,
            entropy: Reduction::Sum,
        }
    }
}
