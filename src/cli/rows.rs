//! One iteration's measurements as a row of the metric files and as a report on the console.

use flowmill::algo::Algorithm;
use flowmill::report::{IterationReport, MetricsRow};
use flowmill::train::IterationMetrics;

/// What stays the same over a run.
pub struct Rows {
    /// Weights of the loss terms.
    weights: Weights,
    /// Iterations over which the Brownian weight falls to 0; 0: never.
    brownian_decay: u64,
    /// Environment steps of an iteration.
    iteration_steps: u64,
    /// Iterations of the run.
    pub iterations: u64,
}

struct Weights {
    value: f64,
    entropy: f64,
    brownian: Option<f64>,
}

impl Rows {
    /// For a run under these hyper-parameters.
    pub fn new(algorithm: &Algorithm) -> Self {
        let train = algorithm.train();
        let (entropy, brownian, decay) = match algorithm {
            Algorithm::PolicyFlow(config) => (config.w_g, Some(config.w_b), config.w_b_decay_iterations),
            Algorithm::Ppo(config) => (config.w_g, None, 0),
        };
        Self {
            weights: Weights { value: train.value_coef, entropy, brownian },
            brownian_decay: decay as u64,
            iteration_steps: (train.num_envs * train.horizon) as u64,
            iterations: train.iterations as u64,
        }
    }

    /// The tags, which are the columns of `metrics.csv`.
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["Train/mean_reward", "Train/mean_episode_length", "Loss/value", "Loss/surrogate"];
        columns.extend(self.weights.brownian.map(|_| "Loss/brownian"));
        columns.extend(["Loss/entropy", "Loss/kl", "Loss/learning_rate", "Loss/grad_norm"]);
        columns.extend(["Perf/total_fps", "Perf/collection_time", "Perf/learning_time"]);
        columns.extend(["Policy/mean_std", "Policy/clip_fraction"]);
        columns
    }

    /// The mean of a term without its weight, as rsl_rl logs it; unknown where the weight is 0.
    fn term(metrics: &IterationMetrics, name: &str, weight: f64) -> f64 {
        if weight == 0.0 { f64::NAN } else { metrics.mean(name).unwrap_or(f64::NAN) / weight }
    }

    fn brownian(&self, metrics: &IterationMetrics) -> Option<f64> {
        let done = (metrics.iteration - 1) as f64;
        let factor = if self.brownian_decay == 0 { 1.0 } else { (1.0 - done / self.brownian_decay as f64).max(0.0) };
        self.weights.brownian.map(|weight| Self::term(metrics, "loss_b", weight * factor))
    }

    /// The console's view; `seconds` of training since the run began.
    pub fn report(&self, metrics: &IterationMetrics, seconds: f64) -> IterationReport {
        let mean = |name: &str| metrics.mean(name).unwrap_or(f64::NAN);
        let mut losses = vec![
            ("value".to_string(), Self::term(metrics, "loss_v", self.weights.value)),
            ("surrogate".to_string(), mean("loss_pi")),
        ];
        losses.extend(self.brownian(metrics).map(|loss| ("brownian".to_string(), loss)));
        IterationReport {
            iteration: metrics.iteration,
            iterations: self.iterations,
            env_steps: metrics.env_steps,
            iteration_steps: self.iteration_steps,
            seconds,
            collection_seconds: metrics.collection_seconds,
            learning_seconds: metrics.learning_seconds,
            env_seconds: None,
            mean_return: metrics.mean_return,
            mean_length: metrics.mean_length,
            losses,
            kl: mean("kl"),
            learning_rate: metrics.learning_rate,
            mean_std: mean("std"),
            extras: Vec::new(),
        }
    }

    /// The files' view of the same report.
    pub fn row(&self, metrics: &IterationMetrics, report: &IterationReport) -> MetricsRow {
        let mean = |name: &str| metrics.mean(name).unwrap_or(f64::NAN);
        let value = |tag: &str| match tag {
            "Train/mean_reward" => metrics.mean_return,
            "Train/mean_episode_length" => metrics.mean_length,
            "Loss/value" => Self::term(metrics, "loss_v", self.weights.value),
            "Loss/surrogate" => mean("loss_pi"),
            "Loss/brownian" => self.brownian(metrics).unwrap_or(f64::NAN),
            // The loss has minus the weighted entropy.
            "Loss/entropy" => -Self::term(metrics, "loss_g", self.weights.entropy),
            "Loss/kl" => mean("kl"),
            "Loss/learning_rate" => metrics.learning_rate,
            "Loss/grad_norm" => metrics.grad_norm,
            "Perf/total_fps" => report.total_fps(),
            "Perf/collection_time" => metrics.collection_seconds,
            "Perf/learning_time" => metrics.learning_seconds,
            "Policy/mean_std" => mean("std"),
            "Policy/clip_fraction" => mean("clip_fraction"),
            _ => f64::NAN,
        };
        MetricsRow {
            iteration: metrics.iteration,
            env_steps: metrics.env_steps,
            seconds: report.seconds,
            values: self.columns().into_iter().map(|tag| (tag.to_string(), value(tag))).collect(),
        }
    }
}
