//! Reverse mode: walks a graph from the loss back, by the table of `gradient.rs`, and through loops.
//!
//! The derivative of `repeat` is a repeat that runs backwards. It carries the adjoints of the carried values, and one
//! sum for every value that the body takes from outside. Forward values of an iteration are computed again from the
//! carried values at its start ([`Op::History`]).

use super::activity::Activity;
use super::gradient::{Contribution, derivative};
use super::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::Location;

impl Builder {
    /// Adds sinks for the gradient of the batch mean of `loss` (width 1) by every trained parameter that it depends
    /// on. Several calls add up.
    #[track_caller]
    pub fn differentiate(&mut self, loss: NodeId) {
        if !self.loops(loss).is_empty() {
            self.fail(1, "differentiate inside the body of a repeat: differentiate its result instead".to_string());
            return;
        }
        Reverse::new(self, &[], true, Location::caller()).run(loss);
    }

    /// For every row `r`, `d loss_r / d wrt_r` (zeros where the loss does not depend on it); `loss` has width 1.
    ///
    /// A value that simplification may look through (a concat, a slice, a negation ...) has no derivative of its own
    /// and is refused: wrap it in [`Builder::stop_gradient`] and build the loss from, and ask for, the wrapped value.
    #[track_caller]
    pub fn gradients(&mut self, loss: NodeId, wrt: &[NodeId]) -> Vec<NodeId> {
        if let Some(&id) = wrt.iter().find(|&&id| simplify::is_transparent(self, id)) {
            let message = format!("gradients by {:?}, which is simplified away: wrap it in stop_gradient", self.op(id));
            self.fail(1, message);
            return wrt.to_vec();
        }
        let found = Reverse::new(self, wrt, false, Location::caller()).run(loss);
        wrt.iter().map(|id| found.get(id).copied().unwrap_or_else(|| self.filled(0.0, self.width(*id)))).collect()
    }
}

/// Contributions to the adjoints of nodes, as `(start, value)`. For a `Repeat`, whose width is 0, `start` is the
/// number of the carried value instead.
#[derive(Default)]
struct Adjoints(BTreeMap<NodeId, Vec<(usize, NodeId)>>);

impl Adjoints {
    fn add(&mut self, b: &Builder, node: NodeId, start: usize, value: NodeId) {
        if simplify::value(b, value) != Some(0.0) {
            self.0.entry(node).or_default().push((start, value));
        }
    }
}

/// A loop body being differentiated: values of iteration `index` of `repeat`, inside the reversed loop `reversed`.
struct Region {
    repeat: NodeId,
    reversed: LoopId,
    index: NodeId,
}

impl Region {
    /// Carried values of the iteration, and values from outside of the loop: the walk ends there.
    fn is_border(&self, b: &Builder, id: NodeId) -> bool {
        self.carried(b, id).is_some() || !b.loops(id).contains(&self.reversed)
    }

    fn carried(&self, b: &Builder, id: NodeId) -> Option<usize> {
        match b.op(id) {
            Op::History(repeat, k, index) if (*repeat, *index) == (self.repeat, self.index) => Some(*k as usize),
            _ => None,
        }
    }
}

struct Reverse<'b> {
    b: &'b mut Builder,
    active: Activity,
    /// Whether to emit the gradients of parameters.
    params: bool,
    /// Adjoints of the nodes that were asked for.
    found: HashMap<NodeId, NodeId>,
    caller: &'static Location<'static>,
}

impl<'b> Reverse<'b> {
    fn new(b: &'b mut Builder, wrt: &[NodeId], params: bool, caller: &'static Location<'static>) -> Self {
        let active = Activity::new(b, wrt, params);
        Reverse { b, active, params, found: HashMap::new(), caller }
    }

    fn run(mut self, loss: NodeId) -> HashMap<NodeId, NodeId> {
        if self.b.width(loss) != 1 {
            self.fail(format!("the derivative of a loss of width {}, expected 1", self.b.width(loss)));
        } else if self.active.of(self.b, loss) {
            let mut adjoints = Adjoints::default();
            let one = self.b.constant(1.0);
            adjoints.add(self.b, loss, 0, one);
            self.walk(adjoints, None);
        }
        self.found
    }

    fn fail(&mut self, message: String) {
        self.b.fail_at(self.caller, 1, message);
    }

    /// Goes through the nodes from the last to the first; returns the adjoints at the border of the region.
    fn walk(&mut self, mut adjoints: Adjoints, region: Option<&Region>) -> Vec<(NodeId, NodeId)> {
        let mut border = vec![];
        while let Some((id, pieces)) = adjoints.0.pop_last() {
            if region.is_some_and(|r| r.is_border(self.b, id)) {
                border.push((id, self.assemble(self.b.width(id), &pieces)));
            } else if let Op::Repeat { .. } = self.b.op(id) {
                self.repeat(id, &pieces, &mut adjoints);
            } else {
                let dy = self.assemble(self.b.width(id), &pieces);
                self.node(id, dy, &mut adjoints);
            }
        }
        border
    }

    /// The sum of the contributions: where they overlap they are added, where there are none it is 0.
    fn assemble(&mut self, width: usize, pieces: &[(usize, NodeId)]) -> NodeId {
        let ends = pieces.iter().flat_map(|&(start, value)| [start, start + self.b.width(value)]);
        let cuts: Vec<usize> = ends.chain([0, width]).collect::<BTreeSet<_>>().into_iter().collect();
        let mut parts = vec![];
        for cut in cuts.windows(2) {
            let mut sum = self.b.filled(0.0, cut[1] - cut[0]);
            for &(start, value) in pieces {
                if start <= cut[0] && cut[1] <= start + self.b.width(value) {
                    let part = self.b.slice(value, cut[0] - start, cut[1] - cut[0]);
                    sum = self.b.add(sum, part);
                }
            }
            parts.push(sum);
        }
        self.b.concat(&parts)
    }

    /// One node: its parameters get sinks, its operands get their share.
    fn node(&mut self, id: NodeId, dy: NodeId, adjoints: &mut Adjoints) {
        if self.active.wrt.contains(&id) {
            let sum = self.found.get(&id).copied().unwrap_or(NodeId(0));
            let sum = self.b.add(sum, dy);
            self.found.insert(id, sum);
        }
        match self.b.op(id).clone() {
            Op::RepeatOut(repeat, k) => return adjoints.add(self.b, repeat, k as usize, dy),
            Op::Param(param) => self.sink(param, |_| Sink::GradVector { param, dy }),
            Op::Gather(param, index) => self.sink(param, |b| {
                let weight = b.view(param);
                Sink::GradDense { weight, x: b.one_hot(index, weight.rows as usize), dy }
            }),
            Op::Dense(layer) => {
                for Term { x, weight, transposed } in layer.terms {
                    let (x, dy) = if transposed { (dy, x) } else { (x, dy) };
                    self.sink(weight.param, |_| Sink::GradDense { weight, x, dy });
                }
                if let Some(param) = layer.bias {
                    self.sink(param, |_| Sink::GradVector { param, dy });
                }
            }
            _ => {}
        }
        match derivative(self.b, id, dy) {
            Ok(contributions) => {
                for Contribution { operand, start, value } in contributions {
                    if self.active.of(self.b, operand) {
                        adjoints.add(self.b, operand, start, value);
                    }
                }
            }
            Err(message) => self.fail(message),
        }
    }

    fn sink(&mut self, param: ParamId, sink: impl FnOnce(&mut Builder) -> Sink) {
        if self.params && self.b.decl(param).trained {
            let sink = sink(self.b);
            self.b.sink(sink);
        }
    }

    /// A loop: `seeds` are the adjoints of its final carried values.
    fn repeat(&mut self, repeat: NodeId, seeds: &[(usize, NodeId)], adjoints: &mut Adjoints) {
        let Op::Repeat { id, count, init, next } = self.b.op(repeat).clone() else { return };
        let carried = self.carried_with_adjoint(id, &next, seeds);
        let mut reversed_init = vec![];
        for &k in &carried {
            let seeds: Vec<_> = seeds.iter().filter(|(seed, _)| *seed == k).map(|&(_, value)| (0, value)).collect();
            reversed_init.push(self.assemble(self.b.width(init[k]), &seeds));
        }

        let reversed = self.b.open_loop(count);
        let last = self.b.constant((count - 1) as f32);
        let j = self.b.push(Op::LoopIndex(reversed), 1);
        let region = Region { repeat, reversed, index: self.b.sub(last, j) };
        let wanted: Vec<NodeId> = carried.iter().map(|&k| next[k]).collect();
        let forward = self.instantiate(id, &wanted, &region);
        let mut inner = Adjoints::default();
        for (slot, value) in forward.into_iter().enumerate() {
            let adjoint = self.b.loop_var(reversed, slot, self.b.width(value));
            if self.active.of(self.b, value) {
                inner.add(self.b, value, 0, adjoint);
            }
        }
        let mut reversed_next = vec![];
        for &value in &reversed_init {
            reversed_next.push(self.b.filled(0.0, self.b.width(value)));
        }
        let mut captured = vec![];
        for (id, dy) in self.walk(inner, Some(&region)) {
            match region.carried(self.b, id).map(|k| carried.iter().position(|&c| c == k)) {
                Some(Some(slot)) => reversed_next[slot] = self.b.add(reversed_next[slot], dy),
                Some(None) => {}
                None => {
                    let sum = self.b.loop_var(reversed, reversed_next.len(), self.b.width(id));
                    reversed_init.push(self.b.filled(0.0, self.b.width(id)));
                    reversed_next.push(self.b.add(sum, dy));
                    captured.push(id);
                }
            }
        }
        let results = self.b.finish_loop(reversed, count, reversed_init, reversed_next);
        let targets = carried.iter().map(|&k| init[k]).chain(captured);
        for (target, value) in targets.zip(results) {
            if self.active.of(self.b, target) {
                adjoints.add(self.b, target, 0, value);
            }
        }
    }

    /// Carried values whose adjoint may differ from 0 in some iteration and is wanted.
    fn carried_with_adjoint(&mut self, id: LoopId, next: &[NodeId], seeds: &[(usize, NodeId)]) -> Vec<usize> {
        let mut reached = BTreeSet::new();
        let mut todo: Vec<usize> = seeds.iter().map(|&(k, _)| k).collect();
        while let Some(k) = todo.pop() {
            if !self.active.carried.contains(&(id, k as u32)) || !reached.insert(k) {
                continue;
            }
            let (mut seen, mut nodes) = (HashSet::new(), vec![next[k]]);
            while let Some(node) = nodes.pop() {
                if !self.b.loops(node).contains(&id) || !self.active.of(self.b, node) || !seen.insert(node) {
                    continue;
                }
                match self.b.op(node) {
                    Op::LoopVar(_, from) => todo.push(*from as usize),
                    op => nodes.extend(op.operands()),
                }
            }
        }
        reached.into_iter().collect()
    }

    /// The body's values `wanted` in iteration `region.index` of loop `id`: its loop variables become history,
    /// and loops inside of it are made anew.
    fn instantiate(&mut self, id: LoopId, wanted: &[NodeId], region: &Region) -> Vec<NodeId> {
        let (mut body, mut inner) = (BTreeSet::new(), vec![]);
        let mut todo = wanted.to_vec();
        while let Some(node) = todo.pop() {
            let within = |l: &LoopId| *l == id || inner.iter().any(|(i, _)| i == l);
            if !self.b.loops(node).iter().any(within) || !body.insert(node) {
                continue;
            }
            let op = self.b.op(node);
            todo.extend(op.operands());
            if let Op::Repeat { id, count, .. } = op {
                inner.push((*id, *count));
            }
        }
        let mut renamed = HashMap::new();
        for &(old, count) in &inner {
            let new = self.b.open_loop(count);
            renamed.insert(old, new);
            self.active.copy_carried(old, new);
        }
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        for node in body {
            let Node { op, width } = self.b.node(node).clone();
            let operands: Vec<_> = op.operands().iter().map(|o| map.get(o).copied().unwrap_or(*o)).collect();
            let new = match op.with_operands(&operands) {
                Op::LoopIndex(l) if l == id => region.index,
                Op::LoopVar(l, k) if l == id => self.b.push(Op::History(region.repeat, k, region.index), width),
                mut op => {
                    if let Op::LoopIndex(l) | Op::LoopVar(l, _) | Op::Repeat { id: l, .. } = &mut op {
                        *l = renamed.get(l).copied().unwrap_or(*l);
                    }
                    self.b.make(op, width)
                }
            };
            map.insert(node, new);
        }
        inner.iter().for_each(|_| self.b.close_loop());
        wanted.iter().map(|w| map.get(w).copied().unwrap_or(*w)).collect()
    }
}
