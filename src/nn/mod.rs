//! Networks as graph builders: dense layers, activations, embeddings, initial values, the velocity network.

mod activation;
mod choice;
mod dense;
mod embedding;
mod initial;
mod velocity;

pub use activation::Activation;
pub(crate) use choice::choice;
pub use choice::{UnknownChoice, nearest, suggestion};
pub use dense::{Linear, Mlp};
pub use embedding::TimeEmbedding;
pub(crate) use embedding::times;
pub use initial::{Distribution, Initializer, OutputInit, Tensor};
pub use velocity::{FoldedVelocity, VelocityNetwork, VelocityShape};
