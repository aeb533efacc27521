//! Fourier embedding of the flow time.

use std::f64::consts::TAU;

use super::{Distribution, Initializer, Linear};
use crate::ir::{Builder, NodeId, ParamId};

/// Standard deviation of the random frequencies.
const FREQUENCY_SCALE: f64 = 16.0;

/// `t -> Linear(Mish(Linear([cos 2 pi f t, sin 2 pi f t])))` with fixed random frequencies `f`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeEmbedding {
    /// `[1, K]`, `K = E / 8`; drawn once and never trained, so the frozen network shares them.
    pub frequencies: ParamId,
    /// `[2 K, E]`
    pub first: Linear,
    /// `[E, E]`
    pub second: Linear,
}

impl TimeEmbedding {
    /// Frequencies of an embedding of width `embedding`.
    pub fn frequency_count(embedding: usize) -> usize {
        embedding / 8
    }

    /// Declares `actor.freqs` and the layers `<name>.t1`, `<name>.t2`.
    pub fn declare(g: &mut Builder, name: &str, embedding: usize, trained: bool) -> Self {
        let count = Self::frequency_count(embedding);
        Self {
            frequencies: g.param("actor.freqs", 1, count, false),
            first: Linear::declare(g, &format!("{name}.t1"), 2 * count, embedding, trained),
            second: Linear::declare(g, &format!("{name}.t2"), embedding, embedding, trained),
        }
    }

    /// The embedding `[E]` of the time `t: [1]`.
    pub fn build(&self, g: &mut Builder, t: NodeId) -> NodeId {
        let frequencies = g.vector(self.frequencies);
        let turns = g.mul(frequencies, t);
        // Sine and cosine are only accurate near the origin on most GPUs: keep the phase within half a turn.
        let nearest = g.offset(turns, 0.5);
        let nearest = g.floor(nearest);
        let turns = g.sub(turns, nearest);
        let phase = times(g, turns, TAU);
        let (cosine, sine) = (g.cos(phase), g.sin(phase));
        let features = g.concat(&[cosine, sine]);
        let hidden = self.first.build(g, features);
        let hidden = g.mish(hidden);
        self.second.build(g, hidden)
    }

    /// Appends frequencies and layers.
    pub fn initialize(init: &mut Initializer, name: &str, embedding: usize) {
        let count = Self::frequency_count(embedding);
        init.push("actor.freqs".into(), 1, count, false, Distribution::Normal { std: FREQUENCY_SCALE });
        Linear::initialize_pytorch(init, &format!("{name}.t1"), 2 * count, embedding);
        Linear::initialize_pytorch(init, &format!("{name}.t2"), embedding, embedding);
    }
}

/// `x` times a real number, as `x high + x low` with two f32: exact to f64 in the reference executor, and one
/// multiply-add more than a product of f32.
pub(crate) fn times(g: &mut Builder, x: NodeId, value: f64) -> NodeId {
    let high = value as f32;
    let low = (value - f64::from(high)) as f32;
    let product = g.scale(x, high);
    let rest = g.scale(x, low);
    g.add(product, rest)
}
