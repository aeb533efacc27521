//! The builder: declarations, nodes and sinks of a graph under construction.
//!
//! Methods are infallible so that graph code reads like the formula it computes. The first mistake is kept, with the
//! call site, and [`Builder::finish`] returns it; until then the builder goes on with a harmless zero.

use super::*;
use std::collections::HashMap;
use std::panic::Location;

/// What is wrong with a graph, and the line that asked for it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("graph `{graph}`: {message} (at {file}:{line})")]
pub struct GraphError {
    /// Name of the graph.
    pub graph: String,
    /// What was wrong, with the widths or names in question.
    pub message: String,
    /// Source file of the call.
    pub file: String,
    /// Line of the call.
    pub line: u32,
}

/// Makes a [`Graph`]: hash-consed (an equal expression is the same node), simplified as it is built, widths checked.
#[derive(Debug)]
pub struct Builder {
    /// Everything built so far, dead nodes included. Node 0 is the constant 0, the stand-in after an error.
    pub(super) graph: Graph,
    /// The loops of every node, as in [`Graph::loops`].
    loops: Vec<Vec<LoopId>>,
    /// Node -> its id.
    interned: HashMap<Node, NodeId>,
    /// Loops whose bodies are being built, outermost first.
    open: Vec<(LoopId, u32)>,
    next_loop: u32,
    error: Option<GraphError>,
}

/// Declarations and leaves.
impl Builder {
    /// An empty graph; the name is used for kernels and messages.
    pub fn new(name: &str) -> Self {
        let mut builder = Builder {
            graph: Graph { name: name.to_string(), ..Graph::default() },
            loops: vec![],
            interned: HashMap::new(),
            open: vec![],
            next_loop: 0,
            error: None,
        };
        builder.constant(0.0);
        builder
    }

    /// The input `name`: `[rows, width]`, one entry a row. Asked for again, it is the same node.
    #[track_caller]
    pub fn input(&mut self, name: &str, width: usize) -> NodeId {
        let known = self.graph.inputs.iter().position(|d| d.name == name);
        let index = known.unwrap_or(self.graph.inputs.len());
        if known.is_none() {
            self.graph.inputs.push(InputDecl { name: name.to_string(), width });
        }
        let declared = self.graph.inputs[index].width;
        if declared != width || width == 0 {
            return self
                .fail(width, format!("input `{name}` has width {declared} and is asked for with width {width}"));
        }
        self.push(Op::Input(InputId(index as u32)), width)
    }

    /// The scalar `name`, constant during a dispatch.
    #[track_caller]
    pub fn uniform(&mut self, name: &str) -> NodeId {
        let known = self.graph.uniforms.iter().position(|d| d.name == name);
        let index = known.unwrap_or(self.graph.uniforms.len());
        if known.is_none() {
            self.graph.uniforms.push(UniformDecl { name: name.to_string() });
        }
        self.push(Op::Uniform(UniformId(index as u32)), 1)
    }

    /// Declares the tensor `name`: `[rows, cols]`. Asked for again with the same shape, it is the same tensor.
    #[track_caller]
    pub fn param(&mut self, name: &str, rows: usize, cols: usize, trained: bool) -> ParamId {
        let decl = ParamDecl { name: name.to_string(), rows, cols, trained };
        if rows == 0 || cols == 0 {
            self.fail(1, format!("parameter `{name}` has the shape [{rows}, {cols}], both must be at least 1"));
        }
        if let Some(index) = self.graph.params.iter().position(|d| d.name == name) {
            let old = &self.graph.params[index];
            if *old != decl {
                let shape = |d: &ParamDecl| {
                    format!("[{}, {}], {}", d.rows, d.cols, if d.trained { "trained" } else { "not trained" })
                };
                let message = format!("parameter `{name}` is {} and is asked for as {}", shape(old), shape(&decl));
                self.fail(1, message);
            }
            return ParamId(index as u32);
        }
        self.graph.params.push(decl);
        ParamId(self.graph.params.len() as u32 - 1)
    }

    /// A parameter with one row as a value, the same for every row of the batch.
    #[track_caller]
    pub fn vector(&mut self, p: ParamId) -> NodeId {
        let decl = self.decl(p);
        if decl.rows != 1 {
            let message = format!("parameter `{}` has {} rows, a vector has 1", decl.name, decl.rows);
            return self.fail(decl.cols, message);
        }
        self.make(Op::Param(p), decl.cols)
    }

    /// The whole tensor.
    pub fn view(&self, p: ParamId) -> View {
        View { param: p, row0: 0, rows: self.decl(p).rows as u32 }
    }

    /// Rows `row0 .. row0 + rows` of a tensor.
    #[track_caller]
    pub fn view_rows(&mut self, p: ParamId, row0: usize, rows: usize) -> View {
        let decl = self.decl(p);
        if rows == 0 || row0 + rows > decl.rows {
            let message = format!("rows {row0}..{} of parameter `{}`, which has {}", row0 + rows, decl.name, decl.rows);
            self.fail(1, message);
            return self.view(p);
        }
        View { param: p, row0: row0 as u32, rows: rows as u32 }
    }

    /// A finite constant (width 1; it is broadcast where a wider operand meets it).
    #[track_caller]
    pub fn constant(&mut self, v: f32) -> NodeId {
        if !v.is_finite() {
            return self.fail(1, format!("the constant {v} is not finite"));
        }
        // `+ 0.0` turns -0 into 0: one zero.
        self.push(Op::Const((v + 0.0).to_bits()), 1)
    }

    /// A constant of any width.
    #[track_caller]
    pub fn filled(&mut self, v: f32, width: usize) -> NodeId {
        let scalar = self.constant(v);
        self.broadcast(scalar, width)
    }

    /// Independent standard normal draws of a stream.
    #[track_caller]
    pub fn normal(&mut self, stream: u32, width: usize) -> NodeId {
        self.push(Op::Draw { kind: DrawKind::Normal, stream }, width)
    }

    /// Independent draws in `[0, 1)` of a stream.
    #[track_caller]
    pub fn uniform_draw(&mut self, stream: u32, width: usize) -> NodeId {
        self.push(Op::Draw { kind: DrawKind::Uniform, stream }, width)
    }

    /// Width of a node.
    pub fn width(&self, id: NodeId) -> usize {
        self.node(id).width
    }
}

/// Loops and sinks.
impl Builder {
    /// `v = init; for i in 0..count { v = body(i, v) }`, the final `v`. What the body does not compute from `i` or `v`
    /// is outside the loop by construction, and is evaluated once.
    #[track_caller]
    pub fn repeat(
        &mut self,
        count: u32,
        init: &[NodeId],
        body: impl FnOnce(&mut Builder, NodeId, &[NodeId]) -> Vec<NodeId>,
    ) -> Vec<NodeId> {
        if count == 0 {
            return init.to_vec();
        }
        let caller = Location::caller();
        let id = self.open_loop(count);
        let index = self.push(Op::LoopIndex(id), 1);
        let variables: Vec<_> = (0..init.len()).map(|k| self.loop_var(id, k, self.width(init[k]))).collect();
        let next = body(self, index, &variables);
        let widths = |b: &Builder, ids: &[NodeId]| ids.iter().map(|&n| b.width(n)).collect::<Vec<_>>();
        let (before, after) = (widths(self, init), widths(self, &next));
        if before != after {
            self.fail_at(caller, 1, format!("repeat carries the widths {before:?}, its body returns {after:?}"));
            self.close_loop();
            return init.to_vec();
        }
        self.finish_loop(id, count, init.to_vec(), next)
    }

    /// Output `name` of every row. Inside a loop the last iteration is kept.
    #[track_caller]
    pub fn store(&mut self, name: &str, value: NodeId) {
        if self.graph.stores.iter().any(|s| s.name == name) {
            self.fail(1, format!("a second store `{name}`"));
            return;
        }
        self.graph.stores.push(StoreDecl { name: name.to_string(), width: self.width(value) });
        self.sink(Sink::Store { store: self.graph.stores.len() - 1, value });
    }

    /// Mean over the batch of a width-1 value. Inside a loop the iterations add up.
    #[track_caller]
    pub fn mean(&mut self, name: &str, value: NodeId) {
        if self.width(value) != 1 {
            self.fail(1, format!("mean `{name}` of a value of width {}, expected 1", self.width(value)));
            return;
        }
        if self.graph.means.iter().any(|m| m == name) {
            self.fail(1, format!("a second mean `{name}`"));
            return;
        }
        // What does not depend on an open loop is outside of it, and would be counted once instead of `count` times.
        let outside = self.open.iter().filter(|(id, _)| !self.loops(value).contains(id));
        let times: u32 = outside.map(|(_, count)| count).product();
        let value = self.scale(value, times as f32);
        self.graph.means.push(name.to_string());
        self.sink(Sink::Mean { mean: self.graph.means.len() - 1, value });
    }
}

impl Op {
    /// Parameters that the operation reads.
    pub(super) fn params(&self) -> Vec<ParamId> {
        match self {
            Op::Param(p) | Op::Gather(p, _) => vec![*p],
            Op::Dense(layer) => layer.terms.iter().map(|t| t.weight.param).chain(layer.bias).collect(),
            _ => vec![],
        }
    }
}

/// Shared by the files of this module.
impl Builder {
    /// The node behind an id; the constant 0 for an id of another builder (whose use is an error in [`Self::make`]).
    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.graph.nodes.get(id.0 as usize).unwrap_or(&self.graph.nodes[0])
    }

    /// The operation behind an id.
    pub(super) fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// A parameter's declaration; a harmless one for an id of another builder.
    pub(super) fn decl(&self, p: ParamId) -> ParamDecl {
        let unknown = || ParamDecl { name: "parameter of another graph".into(), rows: 1, cols: 1, trained: false };
        self.graph.params.get(p.0 as usize).cloned().unwrap_or_else(unknown)
    }

    /// The loops whose variables a node depends on.
    pub(super) fn loops(&self, id: NodeId) -> &[LoopId] {
        self.loops.get(id.0 as usize).map_or(&[], |l| l)
    }

    /// The simplified form of an operation, as a node.
    #[track_caller]
    pub(super) fn make(&mut self, op: Op, width: usize) -> NodeId {
        if self.is_foreign(&op) {
            return self.fail(width, "an operand or parameter belongs to another builder".to_string());
        }
        match simplify::simplify(self, &op, width) {
            Some(simpler) => simpler,
            None => self.push(op, width),
        }
    }

    /// The node itself, shared with an equal one.
    #[track_caller]
    pub(super) fn push(&mut self, op: Op, width: usize) -> NodeId {
        let node = Node { op, width };
        let id = match self.interned.get(&node) {
            Some(&id) => id,
            None => {
                let loops = self.loops_of(&node.op);
                let id = NodeId(self.graph.nodes.len() as u32);
                self.loops.push(loops);
                self.graph.nodes.push(node.clone());
                self.interned.insert(node, id);
                id
            }
        };
        if !self.is_in_scope(id) {
            return self.fail(width, "a value of a loop's body is used outside of the loop".to_string());
        }
        id
    }

    /// Whether an id is none of this builder's (as far as its number tells).
    fn is_foreign(&self, op: &Op) -> bool {
        op.operands().iter().any(|o| o.0 as usize >= self.graph.nodes.len())
            || op.params().iter().any(|p| p.0 as usize >= self.graph.params.len())
    }

    fn loops_of(&self, op: &Op) -> Vec<LoopId> {
        let mut loops: Vec<LoopId> = match op {
            Op::LoopVar(id, _) | Op::LoopIndex(id) => vec![*id],
            _ => vec![],
        };
        for operand in op.operands() {
            loops.extend(self.loops(operand));
        }
        if let Op::Repeat { id, .. } = op {
            loops.retain(|l| l != id);
        }
        loops.sort();
        loops.dedup();
        loops
    }

    /// Whether every loop that the node depends on is open.
    pub(super) fn is_in_scope(&self, id: NodeId) -> bool {
        self.loops(id).iter().all(|l| self.open.iter().any(|(open, _)| open == l))
    }

    /// Begins the body of a new loop.
    pub(super) fn open_loop(&mut self, count: u32) -> LoopId {
        let id = LoopId(self.next_loop);
        self.next_loop += 1;
        self.open.push((id, count));
        id
    }

    /// Carried value `k` inside the body.
    #[track_caller]
    pub(super) fn loop_var(&mut self, id: LoopId, k: usize, width: usize) -> NodeId {
        self.push(Op::LoopVar(id, k as u32), width)
    }

    /// Ends the body that was opened last.
    pub(super) fn close_loop(&mut self) {
        self.open.pop();
    }

    /// Ends the body that was opened last and returns the final carried values.
    #[track_caller]
    pub(super) fn finish_loop(&mut self, id: LoopId, count: u32, init: Vec<NodeId>, next: Vec<NodeId>) -> Vec<NodeId> {
        self.close_loop();
        let widths: Vec<_> = init.iter().map(|&n| self.width(n)).collect();
        let repeat = self.push(Op::Repeat { id, count, init, next }, 0);
        widths.iter().enumerate().map(|(k, &w)| self.make(Op::RepeatOut(repeat, k as u32), w)).collect()
    }

    /// Opens the loops of an existing graph, to build its nodes again.
    pub(super) fn reopen_loops(&mut self, nodes: &[Node]) {
        let loops = nodes.iter().filter_map(|n| match n.op {
            Op::Repeat { id, count, .. } => Some((id, count)),
            _ => None,
        });
        self.open.extend(loops);
    }

    /// Adds a sink.
    #[track_caller]
    pub(super) fn sink(&mut self, sink: Sink) {
        if sink.operands().iter().any(|&o| o.0 as usize >= self.graph.nodes.len() || !self.is_in_scope(o)) {
            self.fail(
                1,
                "an output of a value of another builder, or of a loop's body outside of the loop".to_string(),
            );
            return;
        }
        self.graph.sinks.push(sink);
    }

    /// Remembers the first error and goes on with zeros of the expected width.
    #[track_caller]
    pub(super) fn fail(&mut self, width: usize, message: String) -> NodeId {
        self.fail_at(Location::caller(), width, message)
    }

    /// [`Self::fail`] for a call made elsewhere.
    pub(super) fn fail_at(&mut self, caller: &Location<'_>, width: usize, message: String) -> NodeId {
        let graph = self.graph.name.clone();
        let error = GraphError { graph, message, file: caller.file().to_string(), line: caller.line() };
        self.error.get_or_insert(error);
        if width <= 1 { NodeId(0) } else { self.push(Op::Broadcast(NodeId(0)), width) }
    }

    /// The graph as built, or the first error.
    pub(super) fn into_graph(self) -> Result<Graph, GraphError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.graph),
        }
    }
}
