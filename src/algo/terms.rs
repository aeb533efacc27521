//! Terms that the losses of on-policy algorithms share, row by row.

use super::config::{Reduction, TrainConfig, ValueLoss};
use super::observation;
use crate::ir::{Builder, Graph, GraphError, NodeId};
use crate::nn::{Initializer, Mlp, OutputInit};

/// `ln(2 pi) / 2`
const HALF_LOG_TAU: f32 = 0.918_938_5;
/// `ln(2 pi e) / 2`
const HALF_LOG_TAU_E: f32 = 1.418_938_5;
/// Inside the logarithm of the divergence, as rsl_rl and the released PolicyFlow code have it.
const KL_LOG_OFFSET: f32 = 1e-5;

/// State-independent Gaussian noise of the actions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ActionNoise {
    /// Clamped log standard deviation `[d]`.
    pub log_std: NodeId,
    /// Standard deviation `[d]`.
    pub std: NodeId,
}

impl ActionNoise {
    /// Declares `<name>.log_std` `[1, d]`.
    pub fn declare(g: &mut Builder, name: &str, train: &TrainConfig, action: usize, trained: bool) -> Self {
        let log_std = g.param(&format!("{name}.log_std"), 1, action, trained);
        let free = g.vector(log_std);
        let log_std = g.clamp(free, train.log_std_min as f32, train.log_std_max as f32);
        Self { log_std, std: g.exp(log_std) }
    }

    /// `sum_i log N(x_i; mean_i, std_i^2)` of a deviation `x - mean: [d]`.
    pub fn log_density(&self, g: &mut Builder, deviation: NodeId) -> NodeId {
        let u = g.div(deviation, self.std);
        let squared = g.square(u);
        let exponent = g.scale(squared, -0.5);
        let normalised = g.sub(exponent, self.log_std);
        let density = g.offset(normalised, -HALF_LOG_TAU);
        g.sum(density)
    }

    /// Entropy, summed or averaged over the action dimensions.
    pub fn entropy(&self, g: &mut Builder, reduction: Reduction) -> NodeId {
        let entropy = g.offset(self.log_std, HALF_LOG_TAU_E);
        reduce(g, entropy, reduction)
    }

    /// Divergence of the old policy from this one, whose mean has moved by `shift: [d]`:
    /// `sum_i log(s_i / s_old_i + 1e-5) + (s_old_i^2 + shift_i^2) / (2 s_i^2) - 1/2`.
    pub fn divergence_from(&self, g: &mut Builder, old: &ActionNoise, shift: NodeId) -> NodeId {
        let ratio = g.div(self.std, old.std);
        let ratio = g.offset(ratio, KL_LOG_OFFSET);
        let log_ratio = g.log(ratio);
        let old_variance = g.square(old.std);
        let shift_squared = g.square(shift);
        let second_moment = g.add(old_variance, shift_squared);
        let variance = g.square(self.std);
        let doubled = g.scale(variance, 2.0);
        let fraction = g.div(second_moment, doubled);
        let terms = g.add(log_ratio, fraction);
        let terms = g.offset(terms, -0.5);
        g.sum(terms)
    }

    /// Mean standard deviation over the action dimensions.
    pub fn mean_std(&self, g: &mut Builder) -> NodeId {
        reduce(g, self.std, Reduction::Mean)
    }
}

/// Sum or mean over the width.
pub fn reduce(g: &mut Builder, x: NodeId, reduction: Reduction) -> NodeId {
    let width = g.width(x);
    let sum = g.sum(x);
    match reduction {
        Reduction::Sum => sum,
        Reduction::Mean => {
            let width = g.constant(width as f32);
            g.div(sum, width)
        }
    }
}

/// The clipped objective `min(rho A, clip(rho, 1 - eps, 1 + eps) A)` (PolicyFlow equation 12, PPO equation 7).
pub fn clipped_objective(g: &mut Builder, ratio: NodeId, advantage: NodeId, clip: f64) -> NodeId {
    let clipped = g.clamp(ratio, (1.0 - clip) as f32, (1.0 + clip) as f32);
    let unclipped_gain = g.mul(ratio, advantage);
    let clipped_gain = g.mul(clipped, advantage);
    g.min(unclipped_gain, clipped_gain)
}

/// 1 where the ratio lies outside `1 - eps ..= 1 + eps`.
pub fn outside_clip(g: &mut Builder, ratio: NodeId, clip: f64) -> NodeId {
    let change = g.offset(ratio, -1.0);
    let size = g.abs(change);
    let clip = g.constant(clip as f32);
    g.less(clip, size)
}

/// Value loss of a row, with its coefficient.
pub fn value_loss(g: &mut Builder, train: &TrainConfig, value: NodeId, old: NodeId, target: NodeId) -> NodeId {
    let squared_error = |g: &mut Builder, prediction| {
        let error = g.sub(target, prediction);
        g.square(error)
    };
    let clipped_error = |g: &mut Builder| {
        let change = g.sub(value, old);
        let change = g.clamp(change, -train.value_clip as f32, train.value_clip as f32);
        let prediction = g.add(old, change);
        squared_error(g, prediction)
    };
    let loss = match train.value_loss {
        ValueLoss::Mse => squared_error(g, value),
        ValueLoss::ClippedDirect => clipped_error(g),
        ValueLoss::ClippedMax => {
            let plain = squared_error(g, value);
            let clipped = clipped_error(g);
            g.max(plain, clipped)
        }
    };
    g.scale(loss, train.value_coef as f32)
}

/// Widths of a plain MLP: inputs, hidden layers, outputs.
pub fn mlp_widths(inputs: usize, hidden: &[usize], outputs: usize) -> Vec<usize> {
    let mut widths = vec![inputs];
    widths.extend(hidden);
    widths.push(outputs);
    widths
}

/// The critic's value `[1]` of `obs: [o]`; declares `critic.mlp.*`.
pub fn critic(g: &mut Builder, train: &TrainConfig, obs: NodeId, trained: bool) -> NodeId {
    let widths = mlp_widths(g.width(obs), &train.hidden, 1);
    Mlp::declare(g, "critic.mlp", &widths, train.activation, trained).build(g, obs)
}

/// Appends the critic's initial tensors.
pub fn initialize_critic(init: &mut Initializer, train: &TrainConfig, observation: usize, output: OutputInit) {
    let widths = mlp_widths(observation, &train.hidden, 1);
    Mlp::initialize(init, "critic.mlp", &widths, output);
}

/// The graph that values an observation: input `obs`, store `value`.
pub fn value_graph(train: &TrainConfig, width: usize) -> Result<Graph, GraphError> {
    let mut g = Builder::new("critic_value");
    let obs = observation::seen(&mut g, train, width);
    let value = critic(&mut g, train, obs, false);
    g.store("value", value);
    g.finish()
}
