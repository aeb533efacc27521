//! What the trainer needs to know of an algorithm, as plain data.

use crate::ir::Graph;
use crate::nn::Tensor;

/// Widths of what an agent sees and does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spaces {
    /// Observation width o.
    pub observation: usize,
    /// Action width d.
    pub action: usize,
}

/// A per-row value: `[rows, width]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Name of the store of the `act` graph.
    pub name: String,
    /// Values per row.
    pub width: usize,
}

/// Where an input of the `update` graph comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The observation that the action was chosen at.
    Observation,
    /// The kept field of this name.
    Rollout(String),
    /// The normalised advantage.
    Advantage,
    /// The return: advantage before normalisation plus value.
    Return,
}

/// A copy of a tensor that stays as it is during the updates of an iteration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frozen {
    /// Name of the copy, such as `old.log_std`.
    pub copy: String,
    /// Name of the trained tensor of the same shape.
    pub of: String,
}

/// Rows that a prepare graph runs over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrepareInput {
    /// The row's own number, as a float.
    RowNumber,
    /// The rows of this tensor.
    Tensor(String),
}

/// A tensor that is computed from frozen copies before each rollout, row by row.
#[derive(Clone, PartialEq, Debug)]
pub struct Prepare {
    /// Has one input and one store.
    pub graph: Graph,
    /// Rows it runs over.
    pub rows: usize,
    /// What its input is.
    pub input: PrepareInput,
    /// Name of the tensor `[rows, width of the store]`.
    pub output: String,
}

/// Value of a uniform of the `update` graph as training goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anneal {
    /// Falls linearly from 1 at iteration 0 to 0 at this iteration, and stays there.
    LinearToZero {
        /// Iterations until 0.
        iterations: usize,
    },
}

impl Anneal {
    /// The value during `iteration`, counted from 0.
    pub fn at(self, iteration: usize) -> f64 {
        match self {
            Anneal::LinearToZero { iterations } => (1.0 - iteration as f64 / iterations.max(1) as f64).max(0.0),
        }
    }
}

/// An agent: graphs, tensors, and how the trainer feeds one with the other.
///
/// An iteration copies [`Agent::frozen`], runs [`Agent::prepare`], then `act` at every step of the rollout, `value` once
/// on the last observation, and `update` on every minibatch.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// Input `obs`; stores `action` and every field of [`Agent::rollout`], among them `logp` and `value`.
    pub act: Graph,
    /// The deterministic agent, without any noise: input `obs`, store `action`.
    pub act_zero: Graph,
    /// Input `obs`, store `value`.
    pub value: Graph,
    /// Loss and gradients of a minibatch; its means are the metrics, `loss` and `kl` among them.
    pub update: Graph,
    /// Derived tensors.
    pub prepare: Vec<Prepare>,
    /// Tensors with initial values, in a fixed order: all that a checkpoint needs. Frozen copies and derived tensors
    /// are not among them.
    pub tensors: Vec<Tensor>,
    /// Frozen copies.
    pub frozen: Vec<Frozen>,
    /// Stores of `act` that are kept for the update.
    pub rollout: Vec<Field>,
    /// The source of every input of `update`.
    pub batch: Vec<(String, Source)>,
    /// Uniforms of `update`.
    pub uniforms: Vec<(String, Anneal)>,
}

/// The frozen copies of the trained tensors of an actor: `old.X` of `actor.X`, for those that `keep` accepts.
pub(super) fn frozen_copies(tensors: &[Tensor], keep: impl Fn(&str) -> bool) -> Vec<Frozen> {
    let copy = |tensor: &Tensor| {
        let rest = tensor.name.strip_prefix("actor.").filter(|rest| tensor.trained && keep(rest))?;
        Some(Frozen { copy: format!("old.{rest}"), of: tensor.name.clone() })
    };
    tensors.iter().filter_map(copy).collect()
}

/// The stores of `act` named in `kept`.
pub(super) fn kept_fields(act: &Graph, kept: &[&str]) -> Vec<Field> {
    let stores = act.stores.iter().filter(|store| kept.contains(&store.name.as_str()));
    stores.map(|store| Field { name: store.name.clone(), width: store.width }).collect()
}
