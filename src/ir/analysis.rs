//! What can be read off a finished graph: its work, and what is the same for all rows.

use super::*;
use std::collections::{BTreeSet, HashMap};

/// Floating-point operations of one row: `(in matrix products, elsewhere)`.
///
/// A multiply-add counts 2; elsewhere every elementwise operation counts 1 an entry, whatever it is. What is in a loop
/// counts once an iteration. Gradient sinks are counted as the outer products that they are.
pub fn work(graph: &Graph) -> (u64, u64) {
    let (values, sinks) = (work_of_values(graph), work_of_sinks(graph));
    (values.0 + sinks.0, values.1 + sinks.1)
}

/// The part of [`work`] that computes values: what the graph's own kernel does.
pub fn work_of_values(graph: &Graph) -> (u64, u64) {
    let loops = graph.loops();
    let times = Times::new(graph, &loops);
    let (mut matrix, mut other) = (0, 0);
    for (node, loops) in graph.nodes.iter().zip(&loops) {
        let times = times.of(loops.iter().copied());
        let width = node.width as u64;
        match &node.op {
            Op::Dense(layer) => {
                let inputs: u64 = layer.terms.iter().map(|t| graph.width(t.x) as u64).sum();
                matrix += times * 2 * inputs * width;
                other += if layer.bias.is_some() { times * width } else { 0 };
            }
            Op::Unary(..) | Op::Binary(..) | Op::Select(..) => other += times * width,
            Op::Sum(x) => other += times * graph.width(*x) as u64,
            _ => {}
        }
    }
    (matrix, other)
}

/// The part that is left to reductions over the batch.
fn work_of_sinks(graph: &Graph) -> (u64, u64) {
    let loops = graph.loops();
    let times = Times::new(graph, &loops);
    let (mut matrix, mut other) = (0, 0);
    for sink in &graph.sinks {
        let loops = sink.operands().into_iter().flat_map(|o| loops[o.0 as usize].iter().copied());
        let times = times.of(loops);
        match sink {
            Sink::GradDense { x, dy, .. } => matrix += times * 2 * (graph.width(*x) * graph.width(*dy)) as u64,
            Sink::GradVector { dy, .. } => other += times * graph.width(*dy) as u64,
            Sink::Mean { .. } => other += times,
            Sink::Store { .. } => {}
        }
    }
    (matrix, other)
}

/// How often nodes are evaluated.
struct Times {
    /// Iterations of every loop, and the loops that its repeat itself runs in.
    repeats: HashMap<LoopId, (u64, Vec<LoopId>)>,
}

impl Times {
    fn new(graph: &Graph, loops: &[Vec<LoopId>]) -> Times {
        let mut repeats = HashMap::new();
        for (node, loops) in graph.nodes.iter().zip(loops) {
            if let Op::Repeat { id, count, .. } = &node.op {
                repeats.insert(*id, (*count as u64, loops.clone()));
            }
        }
        Times { repeats }
    }

    fn of(&self, loops: impl Iterator<Item = LoopId>) -> u64 {
        let (mut all, mut todo) = (BTreeSet::new(), loops.collect::<Vec<_>>());
        while let Some(id) = todo.pop() {
            if all.insert(id) {
                todo.extend(self.repeats.get(&id).iter().flat_map(|(_, outer)| outer));
            }
        }
        all.iter().filter_map(|id| self.repeats.get(id)).map(|(count, _)| count).product()
    }
}

/// For every node, whether its value may differ between rows. What does not (parameters, a time embedding of a loop's
/// index) may be computed once for the whole batch.
pub fn varies_by_row(graph: &Graph) -> Vec<bool> {
    // Carried values that vary, grown until nothing is added: a carried value may depend on itself.
    let mut carried: BTreeSet<(LoopId, u32)> = BTreeSet::new();
    loop {
        let mut varies: Vec<bool> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let carried_of = |repeat: &NodeId, k: &u32| match graph.node(*repeat).op {
                Op::Repeat { id, .. } => carried.contains(&(id, *k)),
                _ => false,
            };
            let own = match &node.op {
                Op::Input(_) | Op::Draw { .. } => true,
                Op::LoopVar(id, k) => carried.contains(&(*id, *k)),
                Op::RepeatOut(repeat, k) => carried_of(repeat, k),
                Op::History(repeat, k, index) => carried_of(repeat, k) || varies[index.0 as usize],
                Op::Repeat { .. } => false,
                op => op.operands().iter().any(|o| varies[o.0 as usize]),
            };
            varies.push(own);
        }
        let before = carried.len();
        for node in &graph.nodes {
            let Op::Repeat { id, init, next, .. } = &node.op else { continue };
            let pairs = init.iter().zip(next).enumerate();
            let varying = pairs.filter(|(_, (i, n))| varies[i.0 as usize] || varies[n.0 as usize]);
            carried.extend(varying.map(|(k, _)| (*id, k as u32)));
        }
        if carried.len() == before {
            return varies;
        }
    }
}
