//! What networks see of an observation: itself, or itself normalised by running statistics.
//!
//! The statistics are tensors of the agent that the optimiser leaves alone, so that they lie beside the weights, travel with
//! checkpoints and bind no buffer of their own. The trainer changes them once an iteration, behind its last update: rollout,
//! bootstrap value and update of an iteration see the same inputs. They begin as the identity, as those of rsl_rl and brax
//! do, and after the first iteration they are those of its observations alone.

use super::config::TrainConfig;
use crate::ir::{Builder, NodeId};
use crate::nn::{Distribution, Initializer};

/// Name of the running mean, `[1, o]`.
pub const MEAN: &str = "obs.mean";
/// Name of the running variance (of the population, not the sample), `[1, o]`.
pub const VARIANCE: &str = "obs.variance";

/// Added to the variance, so that an entry that never changes is divided by 1e-4.
const EPSILON: f32 = 1e-8;

/// The observation of a row as every network sees it, `[width]`: input `obs`, or
/// `clip((obs - mean) / sqrt(variance + 1e-8))`.
pub fn seen(g: &mut Builder, train: &TrainConfig, width: usize) -> NodeId {
    let obs = g.input("obs", width);
    if !train.normalize_observations {
        return obs;
    }
    let [mean, variance] = [MEAN, VARIANCE].map(|name| {
        let tensor = g.param(name, 1, width, false);
        g.vector(tensor)
    });
    let variance = g.offset(variance, EPSILON);
    let deviation = g.sqrt(variance);
    let centred = g.sub(obs, mean);
    let normal = g.div(centred, deviation);
    let clip = train.observation_clip as f32;
    g.clamp(normal, -clip, clip)
}

/// Appends the tensors, if there is a normaliser: mean 0, variance 1.
pub(super) fn initialize(init: &mut Initializer, train: &TrainConfig, width: usize) {
    if train.normalize_observations {
        for (name, value) in [(MEAN, 0.0), (VARIANCE, 1.0)] {
            init.push(name.into(), 1, width, false, Distribution::Constant(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::PpoConfig;
    use crate::ir::{Bindings, execute};

    #[test]
    fn observations_are_centred_scaled_and_clipped_and_an_entry_that_never_changes_is_zero() {
        let train = TrainConfig { normalize_observations: true, observation_clip: 3.0, ..PpoConfig::default().train };
        let mut g = Builder::new("seen");
        let value = seen(&mut g, &train, 4);
        g.store("seen", value);
        let named = |name: &str, values: [f64; 4]| (name.to_string(), values.to_vec());
        let bindings = Bindings {
            inputs: [named("obs", [5.0, 100.0, -100.0, 7.0])].into(),
            params: [named(MEAN, [1.0, 0.0, 2.0, 7.0]), named(VARIANCE, [4.0, 1.0, 9.0, 0.0])].into(),
            ..Bindings::default()
        };
        let got = execute(&g.finish().unwrap(), &bindings, 1).unwrap().stores.remove("seen").unwrap();
        assert!((got[0] - 2.0).abs() < 1e-8, "{got:?}");
        assert_eq!(got[1..], [3.0, -3.0, 0.0]);
    }
}
