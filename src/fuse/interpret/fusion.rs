//! Which nodes are computed together: sums inside a dense layer, products inside sums, activations with their slopes,
//! parts in the place of their concatenation.

use std::collections::{HashMap, HashSet};

use super::TileTwin;
use super::map::Function;
use crate::fuse::schedule::Facts;
use crate::ir::{Binary, NodeId, Op, Sink};

/// What an addition, subtraction or multiplication takes in.
#[derive(Clone, Debug)]
pub enum Absorb {
    /// A dense layer starts from the other summands.
    Dense {
        /// The layer.
        dense: NodeId,
        /// A summand that no row changes.
        bias: Option<NodeId>,
        /// Other summands, at most two.
        add: Vec<NodeId>,
    },
    /// A dense layer is multiplied by another value.
    Scale {
        /// The layer.
        dense: NodeId,
        /// The other factor.
        by: NodeId,
    },
    /// A product.
    Product {
        /// Of which kind.
        function: Function,
        /// The factors.
        factors: [NodeId; 2],
        /// The other operand.
        rest: NodeId,
    },
}

/// All decisions.
#[derive(Debug, Default)]
pub struct Fusion {
    /// Nodes that nobody but their absorber needs.
    pub absorbed: HashSet<NodeId>,
    /// By addition, subtraction or multiplication.
    pub binaries: HashMap<NodeId, Absorb>,
    /// By activation: the function of both, and the slope.
    pub pairs: HashMap<NodeId, (Function, NodeId)>,
    /// By part: its concatenation, its first feature there, its number.
    pub homes: HashMap<NodeId, (NodeId, usize, usize)>,
}

impl Fusion {
    /// Decides for a graph; `stores` are the nodes that leave it.
    pub fn new(twin: &TileTwin, facts: &Facts, stores: &HashMap<NodeId, Vec<usize>>) -> Fusion {
        let graph = &twin.graph;
        let mut uses = vec![0; graph.nodes.len()];
        let operands = graph.nodes.iter().flat_map(|n| n.op.operands());
        operands.chain(graph.sinks.iter().flat_map(Sink::operands)).for_each(|o| uses[o.0 as usize] += 1);
        let mut fusion = Fusion::default();
        for index in 0..graph.nodes.len() {
            let id = NodeId(index as u32);
            if facts.invariant[index] {
                continue;
            }
            // Used by `id` alone, in the same loop.
            let own = |fusion: &Fusion, other: NodeId| {
                let at = other.0 as usize;
                uses[at] == 1
                    && !facts.invariant[at]
                    && facts.context[at] == facts.context[index]
                    && !stores.contains_key(&other)
                    && !twin.records.contains_key(&other)
                    && !fusion.absorbed.contains(&other)
                    && !fusion.homes.contains_key(&other)
            };
            match &graph.node(id).op {
                Op::Binary(f @ (Binary::Add | Binary::Sub), a, b) => {
                    let dense = (*f == Binary::Add).then(|| fusion.dense(twin, facts, [*a, *b], &own)).flatten();
                    if let Some(absorb) = dense.or_else(|| fusion.product(twin, *f, [*a, *b], &own)) {
                        fusion.binaries.insert(id, absorb);
                    }
                }
                Op::Binary(Binary::Mul, a, b) => {
                    let absorb = fusion.scale(twin, facts, [*a, *b], &own);
                    fusion.binaries.extend(absorb.map(|absorb| (id, absorb)));
                }
                Op::Unary(f, x) => {
                    if let Some((function, slope)) = Function::pair(*f) {
                        let wanted = Op::Unary(slope, *x);
                        let found = graph.nodes[index..].iter().position(|n| n.op == wanted);
                        let found = found.map(|k| NodeId((index + k) as u32));
                        fusion.pairs.extend(found.map(|slope| (id, (function, slope))));
                    }
                }
                Op::Concat(parts) => fusion.concat(twin, facts, id, parts),
                _ => {}
            }
        }
        fusion
    }

    fn dense(
        &mut self,
        twin: &TileTwin,
        facts: &Facts,
        operands: [NodeId; 2],
        own: &dyn Fn(&Fusion, NodeId) -> bool,
    ) -> Option<Absorb> {
        let graph = &twin.graph;
        let is_dense = |fusion: &Fusion, n: NodeId| matches!(graph.node(n).op, Op::Dense(_)) && own(fusion, n);
        let (dense, rest) = match operands {
            [a, b] if is_dense(self, a) => (a, b),
            [a, b] if is_dense(self, b) => (b, a),
            _ => return None,
        };
        let Op::Dense(layer) = &graph.node(dense).op else { return None };
        let fits = |n: NodeId| match graph.node(n).op {
            Op::Broadcast(_) => false,
            _ => !facts.invariant[n.0 as usize] || layer.bias.is_none(),
        };
        let mut summands = vec![rest];
        if let Op::Binary(Binary::Add, p, q) = graph.node(rest).op
            && own(self, rest)
            && !self.binaries.contains_key(&rest)
            && fits(p)
            && fits(q)
        {
            self.absorbed.insert(rest);
            summands = vec![p, q];
        }
        if !summands.iter().all(|n| fits(*n)) {
            return None;
        }
        self.absorbed.insert(dense);
        let (bias, add): (Vec<NodeId>, Vec<NodeId>) = summands.iter().partition(|n| facts.invariant[n.0 as usize]);
        Some(Absorb::Dense { dense, bias: bias.first().copied(), add })
    }

    fn scale(
        &mut self,
        twin: &TileTwin,
        facts: &Facts,
        operands: [NodeId; 2],
        own: &dyn Fn(&Fusion, NodeId) -> bool,
    ) -> Option<Absorb> {
        let graph = &twin.graph;
        let is_dense = |n: NodeId| matches!(graph.node(n).op, Op::Dense(_)) && own(self, n);
        let (dense, by) = match operands {
            [a, b] if is_dense(a) => (a, b),
            [a, b] if is_dense(b) => (b, a),
            _ => return None,
        };
        if facts.invariant[by.0 as usize] || matches!(graph.node(by).op, Op::Broadcast(_)) {
            return None;
        }
        self.absorbed.insert(dense);
        Some(Absorb::Scale { dense, by })
    }

    fn product(
        &mut self,
        twin: &TileTwin,
        f: Binary,
        operands: [NodeId; 2],
        own: &dyn Fn(&Fusion, NodeId) -> bool,
    ) -> Option<Absorb> {
        let factors = |fusion: &Fusion, n: NodeId| match twin.graph.node(n).op {
            Op::Binary(Binary::Mul, p, q) if own(fusion, n) && !fusion.binaries.contains_key(&n) => Some([p, q]),
            _ => None,
        };
        let [a, b] = operands;
        let (product, rest, factors, function) = match (factors(self, a), factors(self, b)) {
            (_, Some(factors)) if f == Binary::Sub => (b, a, factors, Function::SubMul),
            (Some(factors), _) if f == Binary::Sub => (a, b, factors, Function::MulSub),
            (_, Some(factors)) => (b, a, factors, Function::MulAdd),
            (Some(factors), _) => (a, b, factors, Function::MulAdd),
            _ => return None,
        };
        self.absorbed.insert(product);
        Some(Absorb::Product { function, factors, rest })
    }

    fn concat(&mut self, twin: &TileTwin, facts: &Facts, id: NodeId, parts: &[NodeId]) {
        let mut at = 0;
        for (number, part) in parts.iter().enumerate() {
            let index = part.0 as usize;
            let computes = matches!(
                twin.graph.node(*part).op,
                Op::Dense(_)
                    | Op::Unary(..)
                    | Op::Binary(..)
                    | Op::Select(..)
                    | Op::Draw { .. }
                    | Op::Input(_)
                    | Op::Sum(_)
            );
            let free = !twin.records.contains_key(part)
                && !self.homes.contains_key(part)
                && !facts.invariant[index]
                && facts.context[index] == facts.context[id.0 as usize];
            if computes && free {
                self.homes.insert(*part, (id, at, number));
            }
            at += twin.graph.width(*part);
        }
    }
}
