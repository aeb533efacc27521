//! From a graph to an ordered list of statements: which nodes share a loop over features, and in which order.
//!
//! Nodes are visited in topological order. An elementwise node joins an existing loop of its width where that is
//! legal; a dense layer, a concatenation and a `repeat` are statements of their own. Nodes that no row changes are
//! not scheduled at all: whoever needs them computes them in place.

use std::collections::{HashMap, HashSet};

use super::FuseError;
use crate::ir::{Graph, LoopId, NodeId, Op, Sink};

/// One statement of a tile program.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// A loop over `width` features that computes elementwise nodes and sums (straight-line code for width 1).
    Group(Group),
    /// A dense layer.
    Dense(NodeId),
    /// Copies of the parts of a concatenation into its home.
    Concat(NodeId),
    /// A loop with carried values.
    Repeat {
        /// The repeat node.
        node: NodeId,
        /// Its body.
        body: Vec<Stmt>,
    },
}

/// Nodes of equal width that are computed in one loop.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Features that the loop visits.
    pub width: usize,
    /// Elementwise nodes in topological order.
    pub nodes: Vec<NodeId>,
    /// `Sum` nodes over members or homes, accumulated by the loop.
    pub sums: Vec<NodeId>,
}

/// Facts about nodes that the later stages share.
pub struct Facts {
    /// Loop that each node belongs to (`None`: outside any).
    pub context: Vec<Option<LoopId>>,
    /// Nodes that no row changes.
    pub invariant: Vec<bool>,
    /// Inputs that dense layers or gradients read, and which therefore get a home.
    pub loaded: HashSet<NodeId>,
}

impl Facts {
    /// Analyse a graph. Nested loops are refused.
    pub fn new(graph: &Graph) -> Result<Self, FuseError> {
        let mut context = Vec::with_capacity(graph.nodes.len());
        for loops in graph.loops() {
            if loops.len() > 1 {
                return Err(FuseError::NestedLoops { graph: graph.name.clone() });
            }
            context.push(loops.first().copied());
        }
        let mut invariant = Vec::with_capacity(graph.nodes.len());
        let mut loaded = HashSet::new();
        for node in &graph.nodes {
            let fixed = match &node.op {
                Op::Uniform(_) | Op::Const(_) | Op::Param(_) | Op::LoopIndex(_) => true,
                Op::Input(_) | Op::Draw { .. } | Op::LoopVar(..) | Op::Dense(_) => false,
                Op::Repeat { .. } | Op::RepeatOut(..) | Op::History(..) | Op::Concat(_) | Op::Sum(_) => false,
                op => op.operands().iter().all(|o| invariant[o.0 as usize]),
            };
            invariant.push(fixed);
            if let Op::Dense(dense) = &node.op {
                loaded.extend(dense.terms.iter().map(|t| t.x));
            }
        }
        for sink in &graph.sinks {
            if let Sink::GradDense { .. } | Sink::GradVector { .. } = sink {
                loaded.extend(sink.operands());
            }
        }
        loaded.retain(|n| matches!(graph.node(*n).op, Op::Input(_)) || invariant[n.0 as usize]);
        Ok(Self { context, invariant, loaded })
    }

    /// Whether users compute the node in place instead of reading it from somewhere.
    pub fn inline(&self, graph: &Graph, id: NodeId) -> bool {
        let input = matches!(graph.node(id).op, Op::Input(_));
        (self.invariant[id.0 as usize] || input) && !self.loaded.contains(&id)
    }
}

/// The program of one context: its statements and where each node is produced.
#[derive(Default)]
struct Block {
    stmts: Vec<Stmt>,
    /// Statement that produces a node.
    position: HashMap<NodeId, usize>,
    /// Groups (statement indices) that read or produce a node.
    touches: HashMap<NodeId, Vec<usize>>,
}

/// Order the graph's nodes into statements.
pub fn schedule(graph: &Graph, facts: &Facts) -> Result<Vec<Stmt>, FuseError> {
    let mut blocks: HashMap<Option<LoopId>, Block> = HashMap::new();
    for index in 0..graph.nodes.len() {
        let id = NodeId(index as u32);
        let node = graph.node(id);
        let context = facts.context[index];
        if facts.inline(graph, id) {
            continue;
        }
        match &node.op {
            Op::LoopVar(..) => {}
            Op::RepeatOut(repeat, _) => {
                let block = blocks.entry(context).or_default();
                if let Some(&at) = block.position.get(repeat) {
                    block.position.insert(id, at);
                }
            }
            Op::Dense(_) => blocks.entry(context).or_default().push(id, Stmt::Dense(id)),
            Op::Concat(_) => blocks.entry(context).or_default().push(id, Stmt::Concat(id)),
            Op::Repeat { id: own, .. } => {
                let body = blocks.remove(&Some(*own)).unwrap_or_default().stmts;
                blocks.entry(context).or_default().push(id, Stmt::Repeat { node: id, body });
            }
            _ => blocks.entry(context).or_default().place(graph, facts, id),
        }
    }
    Ok(blocks.remove(&None).unwrap_or_default().stmts)
}

impl Block {
    fn push(&mut self, id: NodeId, stmt: Stmt) {
        self.position.insert(id, self.stmts.len());
        self.stmts.push(stmt);
    }

    /// Put an elementwise node or a sum into a loop.
    fn place(&mut self, graph: &Graph, facts: &Facts, id: NodeId) {
        let op = &graph.node(id).op;
        let summed = match op {
            Op::Sum(a) => Some(*a),
            _ => None,
        };
        let width = summed.map_or(graph.width(id), |a| graph.width(a));
        let operands = live_operands(graph, facts, op);
        let chosen = self.choose(graph, op, width, &operands);
        let at = chosen.unwrap_or_else(|| {
            self.stmts.push(Stmt::Group(Group { width, ..Group::default() }));
            self.stmts.len() - 1
        });
        if let Stmt::Group(group) = &mut self.stmts[at] {
            if summed.is_some() { group.sums.push(id) } else { group.nodes.push(id) }
        }
        self.position.insert(id, at);
        for node in operands.into_iter().chain([id]) {
            self.touches.entry(node).or_default().push(at);
        }
    }

    /// The loop to join: one that already touches an operand if any is legal, else the last one if legal.
    fn choose(&self, graph: &Graph, op: &Op, width: usize, operands: &[NodeId]) -> Option<usize> {
        // A slice reads its operand at another feature: never inside the loop that produces the operand.
        let aligned = !matches!(op, Op::Slice(..));
        let legal = |at: usize| match &self.stmts[at] {
            Stmt::Group(group) => {
                let available = |o: &NodeId| match self.position.get(o) {
                    None => true,
                    Some(&p) if p == at => aligned && graph.width(*o) == width && group.nodes.contains(o),
                    Some(&p) => p < at,
                };
                group.width == width && operands.iter().all(available)
            }
            _ => false,
        };
        let mut touching: Vec<usize> = operands.iter().filter_map(|o| self.touches.get(o)).flatten().copied().collect();
        touching.sort();
        if let Some(at) = touching.into_iter().find(|&at| legal(at)) {
            return Some(at);
        }
        let last = self.stmts.len().checked_sub(1)?;
        legal(last).then_some(last)
    }
}

/// Operands that are produced somewhere, looking through nodes that are computed in place.
pub fn live_operands(graph: &Graph, facts: &Facts, op: &Op) -> Vec<NodeId> {
    let mut out = Vec::new();
    for operand in op.operands() {
        if !facts.inline(graph, operand) {
            out.push(operand);
        }
    }
    out
}
