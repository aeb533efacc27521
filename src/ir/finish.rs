//! From a builder to a graph: dead code out, ids renumbered.

use super::*;
use std::collections::{BTreeSet, HashMap, HashSet};

impl Builder {
    /// The graph, or the first error. Nodes, carried values of loops and declarations that no sink needs are removed;
    /// ids are renumbered, operands before users.
    pub fn finish(self) -> Result<Graph, GraphError> {
        Ok(compact(self.into_graph()?))
    }
}

/// What the sinks need.
#[derive(Default)]
struct Live {
    nodes: HashSet<NodeId>,
    /// Carried values by loop and number.
    carried: HashSet<(LoopId, u32)>,
}

impl Live {
    /// Walks back from the sinks. A loop's carried values are followed one by one, so that one that only feeds itself
    /// is dead; a loop lives while anything of its body does.
    fn of(graph: &Graph) -> Live {
        let mut repeats = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            if let Op::Repeat { id, .. } = node.op {
                repeats.insert(id, NodeId(index as u32));
            }
        }
        let mut live = Live::default();
        let mut todo: Vec<NodeId> = graph.sinks.iter().flat_map(Sink::operands).collect();
        while let Some(id) = todo.pop() {
            let op = &graph.node(id).op;
            match op {
                Op::LoopVar(l, k) => live.carry(graph, repeats.get(l), *k, &mut todo),
                Op::RepeatOut(r, k) | Op::History(r, k, _) => live.carry(graph, Some(r), *k, &mut todo),
                Op::LoopIndex(l) => todo.extend(repeats.get(l)),
                _ => {}
            }
            if live.nodes.insert(id) && !matches!(op, Op::Repeat { .. }) {
                todo.extend(op.operands());
            }
        }
        live
    }

    fn carry(&mut self, graph: &Graph, repeat: Option<&NodeId>, k: u32, todo: &mut Vec<NodeId>) {
        let Some(&repeat) = repeat else { return };
        let Op::Repeat { id, init, next, .. } = &graph.node(repeat).op else { return };
        if self.carried.insert((*id, k)) {
            todo.extend([repeat, init[k as usize], next[k as usize]]);
        }
    }
}

/// The same graph with live nodes and used declarations only.
fn compact(mut graph: Graph) -> Graph {
    let live = Live::of(&graph);
    let carried = Carried::new(&graph, &live);
    let mut ids: HashMap<NodeId, NodeId> = HashMap::new();
    let mut nodes = vec![];
    for (index, mut node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        let old = NodeId(index as u32);
        if !live.nodes.contains(&old) {
            continue;
        }
        carried.renumber(&mut node.op);
        let operands: Vec<_> = node.op.operands().iter().map(|o| ids[o]).collect();
        node.op = node.op.with_operands(&operands);
        ids.insert(old, NodeId(nodes.len() as u32));
        nodes.push(node);
    }
    for sink in &mut graph.sinks {
        match sink {
            Sink::Store { value, .. } | Sink::Mean { value, .. } => *value = ids[value],
            Sink::GradDense { x, dy, .. } => (*x, *dy) = (ids[x], ids[dy]),
            Sink::GradVector { dy, .. } => *dy = ids[dy],
        }
    }
    graph.nodes = nodes;
    drop_unused_declarations(&mut graph);
    graph
}

/// New numbers of the carried values that stay.
struct Carried {
    numbers: HashMap<(LoopId, u32), u32>,
    loops: HashMap<NodeId, LoopId>,
}

impl Carried {
    fn new(graph: &Graph, live: &Live) -> Carried {
        let mut carried = Carried { numbers: HashMap::new(), loops: HashMap::new() };
        for (index, node) in graph.nodes.iter().enumerate() {
            if let Op::Repeat { id, init, .. } = &node.op {
                carried.loops.insert(NodeId(index as u32), *id);
                let kept = (0..init.len() as u32).filter(|k| live.carried.contains(&(*id, *k)));
                carried.numbers.extend(kept.enumerate().map(|(new, old)| ((*id, old), new as u32)));
            }
        }
        carried
    }

    fn renumber(&self, op: &mut Op) {
        match op {
            Op::LoopVar(id, k) => *k = self.numbers[&(*id, *k)],
            Op::RepeatOut(repeat, k) | Op::History(repeat, k, _) => *k = self.numbers[&(self.loops[repeat], *k)],
            Op::Repeat { id, init, next, .. } => {
                for values in [init, next] {
                    let mut k = 0..;
                    values.retain(|_| k.next().is_some_and(|k| self.numbers.contains_key(&(*id, k))));
                }
            }
            _ => {}
        }
    }
}

/// Removes declarations that no node and no sink names; the others keep their order.
fn drop_unused_declarations(graph: &mut Graph) {
    let (mut inputs, mut params, mut uniforms) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut names = |op: &mut Op| match op {
        Op::Input(i) => inputs.extend([i.0]),
        Op::Uniform(u) => uniforms.extend([u.0]),
        _ => params.extend(params_of(op).into_iter().map(|p| p.0)),
    };
    graph.nodes.iter_mut().for_each(|n| names(&mut n.op));
    params.extend(graph.sinks.iter_mut().filter_map(param_of_sink).map(|p| p.0));

    let position = |set: &BTreeSet<u32>, id: &mut u32| *id = set.range(..*id).count() as u32;
    for node in &mut graph.nodes {
        match &mut node.op {
            Op::Input(i) => position(&inputs, &mut i.0),
            Op::Uniform(u) => position(&uniforms, &mut u.0),
            op => params_of(op).into_iter().for_each(|p| position(&params, &mut p.0)),
        }
    }
    graph.sinks.iter_mut().filter_map(param_of_sink).for_each(|p| position(&params, &mut p.0));
    retain_indices(&mut graph.inputs, &inputs);
    retain_indices(&mut graph.params, &params);
    retain_indices(&mut graph.uniforms, &uniforms);
}

fn params_of(op: &mut Op) -> Vec<&mut ParamId> {
    match op {
        Op::Param(p) | Op::Gather(p, _) => vec![p],
        Op::Dense(d) => d.terms.iter_mut().map(|t| &mut t.weight.param).chain(&mut d.bias).collect(),
        _ => vec![],
    }
}

fn param_of_sink(sink: &mut Sink) -> Option<&mut ParamId> {
    match sink {
        Sink::GradDense { weight, .. } => Some(&mut weight.param),
        Sink::GradVector { param, .. } => Some(param),
        Sink::Store { .. } | Sink::Mean { .. } => None,
    }
}

fn retain_indices<T>(list: &mut Vec<T>, indices: &BTreeSet<u32>) {
    let mut index = 0..;
    list.retain(|_| index.next().is_some_and(|i| indices.contains(&i)));
}
