//! From a builder to a graph: what only derivatives needed goes, dense layers merge, dead code goes, ids are renumbered.

use super::*;
use std::collections::{BTreeSet, HashMap, HashSet};

impl Builder {
    /// The graph, or the first error. Nodes, carried values of loops and declarations that no sink needs are removed;
    /// ids are renumbered, operands before users. `StopGradient` has done its work and is gone.
    pub fn finish(self) -> Result<Graph, GraphError> {
        let mut graph = self.into_graph()?;
        if graph.nodes.iter().any(|n| matches!(n.op, Op::StopGradient(_))) {
            graph = without_stop_gradient(graph)?;
        }
        Ok(compact(merge_dense(compact(graph))))
    }
}

/// The graph built again without `StopGradient`, so that what is computed from a value and from the stopped value
/// is computed once.
fn without_stop_gradient(mut graph: Graph) -> Result<Graph, GraphError> {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut b = Builder::new(&graph.name);
    b.graph = Graph { nodes: std::mem::take(&mut b.graph.nodes), ..graph };
    b.reopen_loops(&nodes);
    let mut ids: Vec<NodeId> = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let operands: Vec<_> = node.op.operands().iter().map(|o| ids[o.0 as usize]).collect();
        ids.push(match &node.op {
            Op::StopGradient(_) => operands[0],
            op => b.make(op.with_operands(&operands), node.width),
        });
    }
    for sink in &mut b.graph.sinks {
        sink.replace_operands(|id| ids[id.0 as usize]);
    }
    b.into_graph()
}

/// Turns `dense + dense` into one layer with the terms of both where neither is used elsewhere and both belong to the
/// same loops. Leaves the parts behind as dead code.
fn merge_dense(mut graph: Graph) -> Graph {
    let loops = graph.loops();
    let mut uses = vec![0; graph.nodes.len()];
    let operands = graph.nodes.iter().flat_map(|n| n.op.operands());
    operands.chain(graph.sinks.iter().flat_map(Sink::operands)).for_each(|o| uses[o.0 as usize] += 1);
    for index in 0..graph.nodes.len() {
        let Op::Binary(Binary::Add, x, y) = graph.nodes[index].op else { continue };
        let (Op::Dense(left), Op::Dense(right)) = (&graph.node(x).op, &graph.node(y).op) else { continue };
        let (x, y) = (x.0 as usize, y.0 as usize);
        if uses[x] == 1 && uses[y] == 1 && loops[x] == loops[y] && (left.bias.is_none() || right.bias.is_none()) {
            let terms = left.terms.iter().chain(&right.terms).copied().collect();
            let dense = Dense { terms, bias: left.bias.or(right.bias) };
            graph.nodes[index].op = Op::Dense(dense);
        }
    }
    graph
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
        sink.replace_operands(|id| ids[&id]);
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
    let mut names = |op: &Op| match op {
        Op::Input(i) => inputs.extend([i.0]),
        Op::Uniform(u) => uniforms.extend([u.0]),
        _ => params.extend(op.params().iter().map(|p| p.0)),
    };
    graph.nodes.iter().for_each(|n| names(&n.op));
    params.extend(graph.sinks.iter_mut().filter_map(param_of_sink).map(|p| p.0));

    let position = |set: &BTreeSet<u32>, id: &mut u32| *id = set.range(..*id).count() as u32;
    for node in &mut graph.nodes {
        match &mut node.op {
            Op::Input(i) => position(&inputs, &mut i.0),
            Op::Uniform(u) => position(&uniforms, &mut u.0),
            op => op.params_mut().into_iter().for_each(|p| position(&params, &mut p.0)),
        }
    }
    graph.sinks.iter_mut().filter_map(param_of_sink).for_each(|p| position(&params, &mut p.0));
    retain_indices(&mut graph.inputs, &inputs);
    retain_indices(&mut graph.params, &params);
    retain_indices(&mut graph.uniforms, &uniforms);
}

impl Op {
    fn params_mut(&mut self) -> Vec<&mut ParamId> {
        match self {
            Op::Param(p) | Op::Gather(p, _) => vec![p],
            Op::Dense(layer) => layer.terms.iter_mut().map(|t| &mut t.weight.param).chain(&mut layer.bias).collect(),
            _ => vec![],
        }
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

impl Sink {
    fn replace_operands(&mut self, new: impl Fn(NodeId) -> NodeId) {
        match self {
            Sink::Store { value, .. } | Sink::Mean { value, .. } => *value = new(*value),
            Sink::GradDense { x, dy, .. } => (*x, *dy) = (new(*x), new(*dy)),
            Sink::GradVector { dy, .. } => *dy = new(*dy),
        }
    }
}
