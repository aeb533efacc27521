//! Initial parameter values, drawn on the host.

use std::f64::consts::TAU;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::choice::choice;

/// A named tensor with its initial values.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// Name, such as `actor.mlp.0.w`.
    pub name: String,
    /// Leading dimension (inputs of a dense layer; 1 for a vector).
    pub rows: usize,
    /// Trailing dimension (outputs of a dense layer).
    pub cols: usize,
    /// Whether the optimiser changes it.
    pub trained: bool,
    /// `[rows, cols]`, row-major.
    pub values: Vec<f32>,
}

choice! {
    /// How an MLP starts, the last layer in particular. Biases are PyTorch's except where they are zero.
    pub enum OutputInit {
        /// The last layer zero, other weights Glorot, biases zero: GI+ZOL of the PolicyFlow paper. Without random
        /// biases the first velocity field favours no direction.
        Zero = "zero",
        /// Glorot weights, those of the last layer times 0.01: the released PolicyFlow code.
        Small = "small",
        /// Glorot weights in every layer: GI of the paper.
        Glorot = "glorot",
        /// All weights and biases of the MLP zero: ZI of the paper.
        AllZero = "all-zero",
        /// Every layer, the last one too, as PyTorch's `Linear` starts: rsl_rl.
        Pytorch = "pytorch",
    }
}

/// Distribution of the values of one tensor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Distribution {
    /// The same value everywhere.
    Constant(f64),
    /// `N(0, std^2)`.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
}

impl Distribution {
    /// Glorot (Xavier) normal: variance `2 / (fan_in + fan_out)`, times `gain^2`.
    pub fn glorot(fan_in: usize, fan_out: usize, gain: f64) -> Self {
        Distribution::Normal { std: gain * (2.0 / (fan_in + fan_out) as f64).sqrt() }
    }

    /// What PyTorch's `Linear` does to weights and biases alike: uniform in `±1 / sqrt(fan_in)`.
    pub fn pytorch_linear(fan_in: usize) -> Self {
        Distribution::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }
}

/// Draws tensors one after the other from one PCG64 stream; the order of the calls is part of what a seed means.
pub struct Initializer {
    random: Pcg64,
    tensors: Vec<Tensor>,
}

impl Initializer {
    /// A stream that is a function of `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { random: Pcg64::seed_from_u64(seed), tensors: Vec::new() }
    }

    /// Appends a tensor `[rows, cols]`.
    pub fn push(&mut self, name: String, rows: usize, cols: usize, trained: bool, distribution: Distribution) {
        let values = (0..rows * cols).map(|_| self.draw(distribution) as f32).collect();
        self.tensors.push(Tensor { name, rows, cols, trained, values });
    }

    /// The tensors in the order in which they were appended.
    pub fn finish(self) -> Vec<Tensor> {
        self.tensors
    }

    fn draw(&mut self, distribution: Distribution) -> f64 {
        match distribution {
            Distribution::Constant(value) => value,
            Distribution::Uniform { bound } => bound * (2.0 * self.unit() - 1.0),
            // Box-Muller; 1 - u lies in (0, 1], so that the logarithm is finite.
            Distribution::Normal { std } => std * (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos(),
        }
    }

    /// Uniform in `[0, 1)` with 53 bits.
    fn unit(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of a 200 x 300 tensor.
    fn moments(distribution: Distribution) -> (f64, f64, Vec<f32>) {
        let mut init = Initializer::new(7);
        init.push("w".into(), 200, 300, true, distribution);
        let values = init.finish().remove(0).values;
        let n = values.len() as f64;
        let mean = values.iter().map(|v| *v as f64).sum::<f64>() / n;
        let variance = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt(), values)
    }

    #[test]
    fn glorot_has_its_standard_deviation_and_normal_tails() {
        let expected = (2.0f64 / 500.0).sqrt();
        let (mean, std, values) = moments(Distribution::glorot(200, 300, 1.0));
        assert!(mean.abs() < 4.0 * expected / 60_000f64.sqrt(), "mean {mean}");
        assert!((std / expected - 1.0).abs() < 0.012, "std {std}, expected {expected}");
        // 4.55 % of a normal lie beyond two standard deviations.
        let beyond = values.iter().filter(|v| (**v as f64).abs() > 2.0 * expected).count() as f64 / 60_000.0;
        assert!((beyond - 0.0455).abs() < 0.004, "beyond two standard deviations {beyond}");
    }

    #[test]
    fn pytorch_linear_is_uniform_within_its_bound() {
        let bound = 1.0 / 200f64.sqrt();
        let (mean, std, values) = moments(Distribution::pytorch_linear(200));
        assert!(mean.abs() < 0.01 * bound, "mean {mean}");
        assert!((std - bound / 3f64.sqrt()).abs() < 0.01 * bound, "std {std}");
        assert!(values.iter().all(|v| (*v as f64).abs() <= bound));
        assert!(values.iter().any(|v| (*v as f64) > 0.99 * bound));
    }

    #[test]
    fn a_seed_fixes_the_values_and_another_seed_changes_them() {
        let draw = |seed| {
            let mut init = Initializer::new(seed);
            init.push("w".into(), 4, 4, true, Distribution::Normal { std: 1.0 });
            init.finish()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
