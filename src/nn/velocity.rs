//! The velocity network `v_t(x; s)`, evaluated in two ways that agree.
//!
//! `v = MLP([x, temb(t) + semb(s)])`. Its first layer splits into a part of `x` and a part of `h = temb + semb`:
//! `x Wx + h Wh + b0`. *Direct* evaluation computes `h` for every row; it is what is trained. *Folded* evaluation is
//! for frozen parameters: `h Wh` falls apart into a part of the observation, `obs * fold.state`, which is the same for
//! all times, and a part of the time, which takes one value for each of the `2 N + 1` grid times: `fold.time`.

use super::{Activation, Initializer, Linear, Mlp, OutputInit, TimeEmbedding};
use crate::ir::{Builder, NodeId, ParamId, View};

/// Widths of a velocity network.
#[derive(Clone, PartialEq, Debug)]
pub struct VelocityShape {
    /// Observation width o.
    pub observation: usize,
    /// Action width d.
    pub action: usize,
    /// Embedding width E.
    pub embedding: usize,
    /// Hidden widths h1, h2, ...; at least one.
    pub hidden: Vec<usize>,
    /// Activation of the MLP; the time embedding always uses Mish.
    pub activation: Activation,
}

impl VelocityShape {
    /// Widths of the MLP: `[d + E, h1, ..., d]`.
    pub fn mlp_widths(&self) -> Vec<usize> {
        let mut widths = vec![self.action + self.embedding];
        widths.extend(&self.hidden);
        widths.push(self.action);
        widths
    }

    /// Width of the first layer's output.
    pub fn first_width(&self) -> usize {
        self.mlp_widths()[1]
    }

    /// Appends the initial values of the tensors that [`VelocityNetwork::declare`] declares.
    pub fn initialize(&self, init: &mut Initializer, name: &str, output: OutputInit) {
        TimeEmbedding::initialize(init, name, self.embedding);
        Linear::initialize_pytorch(init, &format!("{name}.s"), self.observation, self.embedding);
        Mlp::initialize(init, &format!("{name}.mlp"), &self.mlp_widths(), output);
    }
}

/// The network evaluated directly, with its time and state embeddings.
#[derive(Clone, PartialEq, Debug)]
pub struct VelocityNetwork {
    time: TimeEmbedding,
    state: Linear,
    mlp: Mlp,
    shape: VelocityShape,
}

impl VelocityNetwork {
    /// Declares `actor.freqs`, `<name>.t1`, `<name>.t2`, `<name>.s` and `<name>.mlp.*`.
    pub fn declare(g: &mut Builder, name: &str, shape: &VelocityShape, trained: bool) -> Self {
        Self {
            time: TimeEmbedding::declare(g, name, shape.embedding, trained),
            state: Linear::declare(g, &format!("{name}.s"), shape.observation, shape.embedding, trained),
            mlp: Mlp::declare(g, &format!("{name}.mlp"), &shape.mlp_widths(), shape.activation, trained),
            shape: shape.clone(),
        }
    }

    /// State embedding `[E]` of `obs: [o]`; computed once for all evaluations of a row.
    pub fn embed_state(&self, g: &mut Builder, obs: NodeId) -> NodeId {
        self.state.build(g, obs)
    }

    /// Velocity `[d]` at `x: [d]`, `t: [1]`, given the state embedding.
    pub fn build(&self, g: &mut Builder, x: NodeId, t: NodeId, state: NodeId) -> NodeId {
        let time = self.time.build(g, t);
        let h = g.add(time, state);
        let (wx, wh) = (self.rows_of_x(g), self.rows_of_h(g));
        let pre_activation = g.dense_terms(&[(x, wx), (h, wh)], Some(self.mlp.layers[0].b));
        self.mlp.build_after_first(g, pre_activation)
    }

    /// A row of `fold.time`: `(temb(t) + s_b) Wh + b0`, `[h1]`, for `t: [1]`.
    pub fn fold_time(&self, g: &mut Builder, t: NodeId) -> NodeId {
        let time = self.time.build(g, t);
        let state_bias = g.vector(self.state.b);
        let h = g.add(time, state_bias);
        let wh = self.rows_of_h(g);
        g.dense_terms(&[(h, wh)], Some(self.mlp.layers[0].b))
    }

    fn rows_of_x(&self, g: &mut Builder) -> View {
        g.view_rows(self.mlp.layers[0].w, 0, self.shape.action)
    }

    fn rows_of_h(&self, g: &mut Builder) -> View {
        g.view_rows(self.mlp.layers[0].w, self.shape.action, self.shape.embedding)
    }
}

/// The same network with frozen parameters, evaluated from prepared tensors.
#[derive(Clone, PartialEq, Debug)]
pub struct FoldedVelocity {
    mlp: Mlp,
    /// `S Wh`: `[o, h1]`.
    state: ParamId,
    wx: View,
}

impl FoldedVelocity {
    /// Name of the prepared tensor `S Wh`, `[o, h1]`.
    pub const STATE: &'static str = "fold.state";
    /// Name of the prepared tensor `(temb(t_k) + s_b) Wh + b0`, `[2 N + 1, h1]`.
    pub const TIME: &'static str = "fold.time";

    /// Declares `<name>.mlp.*` and `fold.state`.
    pub fn declare(g: &mut Builder, name: &str, shape: &VelocityShape) -> Self {
        let mlp = Mlp::declare(g, &format!("{name}.mlp"), &shape.mlp_widths(), shape.activation, false);
        Self::with_mlp(g, mlp, shape)
    }

    /// Shares the MLP of a network that is declared already, and declares `fold.state`.
    pub fn of(g: &mut Builder, network: &VelocityNetwork) -> Self {
        Self::with_mlp(g, network.mlp.clone(), &network.shape)
    }

    fn with_mlp(g: &mut Builder, mlp: Mlp, shape: &VelocityShape) -> Self {
        let wx = g.view_rows(mlp.layers[0].w, 0, shape.action);
        let state = g.param(Self::STATE, shape.observation, shape.first_width(), false);
        Self { mlp, state, wx }
    }

    /// The part of the state, `[h1]`, for `obs: [o]`; computed once for all evaluations of a row.
    pub fn fold_observation(&self, g: &mut Builder, obs: NodeId) -> NodeId {
        g.dense(obs, self.state, None)
    }

    /// Velocity `[d]` at `x: [d]`, given the parts of the time and of the state, `[h1]` each. The part of the time is
    /// a row of `fold.time`, or [`VelocityNetwork::fold_time`] where the time is continuous.
    pub fn build(&self, g: &mut Builder, x: NodeId, time: NodeId, state: NodeId) -> NodeId {
        let moved = g.dense_terms(&[(x, self.wx)], None);
        let still = g.add(time, state);
        let pre_activation = g.add(moved, still);
        self.mlp.build_after_first(g, pre_activation)
    }

    /// A row of `fold.state`, `[h1]`, for a row of the state embedding's weights, `[E]`: `row Wh`.
    pub fn fold_state_row(g: &mut Builder, name: &str, shape: &VelocityShape, row: NodeId) -> NodeId {
        let widths = shape.mlp_widths();
        let w = g.param(&format!("{name}.mlp.0.w"), widths[0], widths[1], false);
        let wh = g.view_rows(w, shape.action, shape.embedding);
        g.dense_terms(&[(row, wh)], None)
    }
}
