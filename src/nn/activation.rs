//! Activations of the hidden layers.

use super::choice::choice;
use crate::ir::{Builder, NodeId};

choice! {
    /// Elementwise function after a hidden layer.
    pub enum Activation {
        /// `x tanh(ln(1 + e^x))`
        Mish = "mish",
        /// `x > 0 ? x : e^x - 1`
        Elu = "elu",
        /// `x / (1 + e^-x)`
        Silu = "silu",
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// `max(x, 0)`
        Relu = "relu",
    }
}

impl Activation {
    /// The activation of `x`, elementwise.
    pub fn build(self, g: &mut Builder, x: NodeId) -> NodeId {
        match self {
            Activation::Mish => g.mish(x),
            Activation::Elu => g.elu(x),
            Activation::Silu => g.silu(x),
            Activation::Tanh => g.tanh(x),
            Activation::Relu => g.relu(x),
        }
    }
}
