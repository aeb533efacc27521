//! Nodes, declarations and the finished graph.

/// Index of a node; a node's operands always have smaller indices than the node itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub u32);

/// Index into [`Graph::inputs`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InputId(pub u32);

/// Index into [`Graph::params`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ParamId(pub u32);

/// Index into [`Graph::uniforms`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UniformId(pub u32);

/// Names one `repeat`; its loop variables and its body are the nodes that depend on leaves with this id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LoopId(pub u32);

/// A per-row input: `[rows, width]`.
#[derive(Clone, PartialEq, Debug)]
pub struct InputDecl {
    /// Name, unique among inputs.
    pub name: String,
    /// Values per row.
    pub width: usize,
}

/// A tensor `[rows, cols]`, the same for every sample (weights, vectors with `rows == 1`, look-up tables).
#[derive(Clone, PartialEq, Debug)]
pub struct ParamDecl {
    /// Name, unique among parameters, such as `actor.mlp.0.w`.
    pub name: String,
    /// Leading dimension (inputs of a dense layer; 1 for a vector).
    pub rows: usize,
    /// Trailing dimension (outputs of a dense layer).
    pub cols: usize,
    /// Whether [`Builder::differentiate`](super::Builder::differentiate) emits its gradient.
    pub trained: bool,
}

/// A scalar that is constant during a dispatch and may change between dispatches.
#[derive(Clone, PartialEq, Debug)]
pub struct UniformDecl {
    /// Name, unique among uniforms.
    pub name: String,
}

/// A per-row output: `[rows, width]`.
#[derive(Clone, PartialEq, Debug)]
pub struct StoreDecl {
    /// Name, unique among stores.
    pub name: String,
    /// Values per row.
    pub width: usize,
}

/// A block of consecutive rows of a parameter: `W[row0 .. row0 + rows, :]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct View {
    /// The tensor.
    pub param: ParamId,
    /// First row.
    pub row0: u32,
    /// Number of rows.
    pub rows: u32,
}

/// One summand of a dense layer: `x W` (`x: [rows(W)]`), or `x W^T` (`x: [cols(W)]`) when transposed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Term {
    /// The row value.
    pub x: NodeId,
    /// The weight block.
    pub weight: View,
    /// Multiply by the transpose.
    pub transposed: bool,
}

/// `y = sum_k x_k W_k + b`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Dense {
    /// The summands, at least one.
    pub terms: Vec<Term>,
    /// A `[1, width]` parameter.
    pub bias: Option<ParamId>,
}

/// Elementwise functions of one value. `*Slope` is the derivative of an activation at its *pre-activation*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `e^x`
    Exp,
    /// natural logarithm
    Log,
    /// square root
    Sqrt,
    /// `1 / x`
    Recip,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// hyperbolic tangent
    Tanh,
    /// absolute value
    Abs,
    /// -1, 0 or 1
    Sign,
    /// largest integer not above `x`
    Floor,
    /// `max(x, 0)`
    Relu,
    /// `x > 0 ? x : e^x - 1`
    Elu,
    /// derivative of `Elu`
    EluSlope,
    /// `x / (1 + e^-x)`
    Silu,
    /// derivative of `Silu`
    SiluSlope,
    /// `x tanh(ln(1 + e^x))`
    Mish,
    /// derivative of `Mish`
    MishSlope,
}

/// Elementwise functions of two values of equal width.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// the smaller
    Min,
    /// the larger
    Max,
    /// `a < b ? 1 : 0`
    Less,
}

/// Distribution of a counter-based draw.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DrawKind {
    /// Standard normal.
    Normal,
    /// Uniform in `[0, 1)`.
    Uniform,
}

/// What a node computes. Widths are in [`Node::width`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// The row's entry of an input.
    Input(InputId),
    /// A scalar that is the same for all rows (width 1).
    Uniform(UniformId),
    /// A constant, the bits of an `f32` (width 1).
    Const(u32),
    /// A `[1, width]` parameter, the same for every row.
    Param(ParamId),
    /// Independent draws, keyed by (seed, stream, iteration, step, row, lane).
    Draw {
        /// Distribution.
        kind: DrawKind,
        /// Stream number: draws of different streams are independent.
        stream: u32,
    },
    /// Dense layer.
    Dense(Dense),
    /// Elementwise function of one value.
    Unary(Unary, NodeId),
    /// Elementwise function of two values.
    Binary(Binary, NodeId, NodeId),
    /// `c != 0 ? a : b`, elementwise.
    Select(NodeId, NodeId, NodeId),
    /// Values one after the other.
    Concat(Vec<NodeId>),
    /// `a[start .. start + width]`.
    Slice(NodeId, u32),
    /// Sum over the width (width 1).
    Sum(NodeId),
    /// A width-1 value repeated `width` times.
    Broadcast(NodeId),
    /// Row `index` (a width-1 value holding an integer) of a `[rows, width]` parameter.
    Gather(ParamId, NodeId),
    /// `1` at position `index` (a width-1 value holding an integer), `0` elsewhere.
    OneHot(NodeId),
    /// The value, without a derivative.
    StopGradient(NodeId),
    /// Carried value `k` of a loop, inside its body.
    LoopVar(LoopId, u32),
    /// Iteration number `0 .. count` of a loop as a float (width 1), inside its body.
    LoopIndex(LoopId),
    /// A loop: `v = init; for i in 0..count { v = next(v, i) }`. Its width is 0; [`Op::RepeatOut`] reads the results.
    Repeat {
        /// Names the loop.
        id: LoopId,
        /// Iterations.
        count: u32,
        /// Initial carried values.
        init: Vec<NodeId>,
        /// Carried values after one iteration (nodes of the body).
        next: Vec<NodeId>,
    },
    /// Final carried value `k` of a repeat.
    RepeatOut(NodeId, u32),
    /// Carried value `k` of a finished repeat as it was at the *start* of iteration `index` (a width-1 value).
    History(NodeId, u32, NodeId),
}

impl Op {
    /// Operands in order (for `Repeat`: initial values, then next values).
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Op::Input(_) | Op::Uniform(_) | Op::Const(_) | Op::Param(_) | Op::Draw { .. } => vec![],
            Op::LoopVar(..) | Op::LoopIndex(_) => vec![],
            Op::Dense(dense) => dense.terms.iter().map(|t| t.x).collect(),
            Op::Unary(_, a) | Op::Slice(a, _) | Op::Sum(a) | Op::Broadcast(a) => vec![*a],
            Op::Gather(_, a) | Op::OneHot(a) | Op::StopGradient(a) | Op::RepeatOut(a, _) => vec![*a],
            Op::Binary(_, a, b) | Op::History(a, _, b) => vec![*a, *b],
            Op::Select(c, a, b) => vec![*c, *a, *b],
            Op::Concat(parts) => parts.clone(),
            Op::Repeat { init, next, .. } => init.iter().chain(next).copied().collect(),
        }
    }

    /// The same operation on other operands, given in the order of [`Op::operands`].
    pub fn with_operands(&self, new: &[NodeId]) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Input(_) | Op::Uniform(_) | Op::Const(_) | Op::Param(_) | Op::Draw { .. } => {}
            Op::LoopVar(..) | Op::LoopIndex(_) => {}
            Op::Dense(dense) => dense.terms.iter_mut().zip(new).for_each(|(t, n)| t.x = *n),
            Op::Unary(_, a) | Op::Slice(a, _) | Op::Sum(a) | Op::Broadcast(a) => *a = new[0],
            Op::Gather(_, a) | Op::OneHot(a) | Op::StopGradient(a) | Op::RepeatOut(a, _) => *a = new[0],
            Op::Binary(_, a, b) | Op::History(a, _, b) => (*a, *b) = (new[0], new[1]),
            Op::Select(c, a, b) => (*c, *a, *b) = (new[0], new[1], new[2]),
            Op::Concat(parts) => parts.copy_from_slice(new),
            Op::Repeat { init, next, .. } => {
                let carried = init.len();
                init.copy_from_slice(&new[..carried]);
                next.copy_from_slice(&new[carried..]);
            }
        }
        op
    }
}

/// A row value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Values per row.
    pub width: usize,
}

/// What leaves the graph. Sinks whose nodes depend on a loop's variables happen in every iteration of that loop.
#[derive(Clone, PartialEq, Debug)]
pub enum Sink {
    /// `[rows, width]` output number `store`.
    Store {
        /// Index into [`Graph::stores`].
        store: usize,
        /// The value.
        value: NodeId,
    },
    /// Mean over the batch of a width-1 value (loss terms, diagnostics).
    Mean {
        /// Index into [`Graph::means`].
        mean: usize,
        /// The value.
        value: NodeId,
    },
    /// Gradient of a weight block: `dW[row0.., :] += mean over the batch of x^T dy` (outer products).
    GradDense {
        /// The block; `rows` equals the width of `x`.
        weight: View,
        /// Width = `weight.rows`.
        x: NodeId,
        /// Width = columns of the tensor.
        dy: NodeId,
    },
    /// Gradient of a `[1, width]` parameter: `db += mean over the batch of dy`.
    GradVector {
        /// The parameter.
        param: ParamId,
        /// Width = columns of the parameter.
        dy: NodeId,
    },
}

impl Sink {
    /// The nodes that the sink reads.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Sink::Store { value, .. } | Sink::Mean { value, .. } => vec![*value],
            Sink::GradDense { x, dy, .. } => vec![*x, *dy],
            Sink::GradVector { dy, .. } => vec![*dy],
        }
    }
}

/// A finished graph: only nodes that some sink needs, operands before users.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Graph {
    /// Name, used for kernel names and messages.
    pub name: String,
    /// Nodes in topological order.
    pub nodes: Vec<Node>,
    /// Per-row inputs.
    pub inputs: Vec<InputDecl>,
    /// Tensors.
    pub params: Vec<ParamDecl>,
    /// Scalars.
    pub uniforms: Vec<UniformDecl>,
    /// Per-row outputs.
    pub stores: Vec<StoreDecl>,
    /// Names of batch means.
    pub means: Vec<String>,
    /// What leaves the graph, in the order in which it was asked for.
    pub sinks: Vec<Sink>,
}

impl Graph {
    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Width of a node.
    pub fn width(&self, id: NodeId) -> usize {
        self.node(id).width
    }

    /// For every node, the loops whose variables it depends on (sorted, innermost last is not implied).
    /// A `Repeat` and what reads its results no longer depend on its own loop.
    pub fn loops(&self) -> Vec<Vec<LoopId>> {
        let mut loops: Vec<Vec<LoopId>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let mut own: Vec<LoopId> = match &node.op {
                Op::LoopVar(id, _) | Op::LoopIndex(id) => vec![*id],
                _ => vec![],
            };
            for operand in node.op.operands() {
                own.extend(&loops[operand.0 as usize]);
            }
            if let Op::Repeat { id, .. } = &node.op {
                own.retain(|l| l != id);
            }
            own.sort();
            own.dedup();
            loops.push(own);
        }
        loops
    }
}
