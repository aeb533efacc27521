//! Where a derivative has to go.

use super::*;
use std::collections::HashSet;

/// Which nodes depend, in a differentiable way, on something whose derivative is wanted.
pub(super) struct Activity {
    /// Nodes whose adjoints are asked for.
    pub wrt: HashSet<NodeId>,
    /// Whether trained parameters are wanted.
    params: bool,
    /// Active carried values, by loop and number.
    pub carried: HashSet<(LoopId, u32)>,
    /// By node, filled up as nodes are added.
    flags: Vec<bool>,
}

impl Activity {
    pub fn new(b: &Builder, wrt: &[NodeId], params: bool) -> Activity {
        let wrt = wrt.iter().copied().collect();
        let mut activity = Activity { wrt, params, carried: HashSet::new(), flags: vec![] };
        // A carried value is active if its initial value or its next value is, which may depend on itself: repeat
        // until nothing is added.
        loop {
            let before = activity.carried.len();
            activity.flags.clear();
            activity.extend(b);
            for node in &b.graph.nodes {
                let Op::Repeat { id, init, next, .. } = &node.op else { continue };
                for (k, (i, n)) in init.iter().zip(next).enumerate() {
                    if activity.flags[i.0 as usize] || activity.flags[n.0 as usize] {
                        activity.carried.insert((*id, k as u32));
                    }
                }
            }
            if activity.carried.len() == before {
                return activity;
            }
        }
    }

    /// Whether the node is active.
    pub fn of(&mut self, b: &Builder, id: NodeId) -> bool {
        self.extend(b);
        self.flags.get(id.0 as usize).is_some_and(|f| *f)
    }

    /// The carried values of loop `to`, a copy of `from`, are active where those of `from` are.
    pub fn copy_carried(&mut self, from: LoopId, to: LoopId) {
        let copies: Vec<_> = self.carried.iter().filter(|(l, _)| *l == from).map(|&(_, k)| (to, k)).collect();
        self.carried.extend(copies);
    }

    /// Fills up the flags of nodes that were added since.
    fn extend(&mut self, b: &Builder) {
        for index in self.flags.len()..b.graph.nodes.len() {
            let op = &b.graph.nodes[index].op;
            let trained = |p: &ParamId| self.params && b.decl(*p).trained;
            let carried = |repeat: &NodeId, k: &u32| match b.op(*repeat) {
                Op::Repeat { id, .. } => self.carried.contains(&(*id, *k)),
                _ => false,
            };
            let by_operands = || op.operands().iter().any(|o| self.flags[o.0 as usize]);
            let active = match op {
                Op::StopGradient(_) | Op::OneHot(_) | Op::LoopIndex(_) => false,
                Op::Unary(Unary::Sign | Unary::Floor, _) | Op::Binary(Binary::Less, ..) => false,
                Op::Param(p) | Op::Gather(p, _) => trained(p),
                Op::Dense(_) => op.params().iter().any(trained) || by_operands(),
                Op::LoopVar(id, k) => self.carried.contains(&(*id, *k)),
                Op::RepeatOut(repeat, k) | Op::History(repeat, k, _) => carried(repeat, k),
                _ => by_operands(),
            };
            self.flags.push(active || self.wrt.contains(&NodeId(index as u32)));
        }
    }
}
