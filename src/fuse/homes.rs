//! Where values live between statements: registers, workgroup memory by liveness, or the tile's scratch.

use std::collections::{BTreeMap, HashMap};

use super::schedule::{Facts, Group, Stmt, live_operands};
use super::target::Shape;
use crate::ir::{Graph, LoopId, NodeId, Op, Sink};

/// Home of a value, in features of the tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Workgroup memory from this feature.
    Tile(u32),
    /// The tile's part of the scratch buffer from this feature.
    Scratch(u32),
    /// A register of every invocation (width-1 values).
    Register,
}

/// A copy in scratch that outlives the kernel (gradient operands) or an iteration (history of a loop).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// First feature.
    pub feature: u32,
    /// Features from one iteration of the value's loop to the next (0 outside loops).
    pub stride: u32,
    /// Iterations (1 outside loops).
    pub segments: u32,
    /// Rows beyond the batch must hold zero.
    pub masked: bool,
}

/// All homes of a program.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// Where readers find a value.
    pub home: HashMap<NodeId, Home>,
    /// Additional copies.
    pub record: HashMap<NodeId, Record>,
    /// Features of scratch that one tile needs.
    pub scratch_features: u32,
    /// Features of workgroup memory that are used.
    pub tile_features: u32,
}

/// A value that wants workgroup memory from statement `first` to statement `last`.
#[derive(Clone, Debug)]
struct Region {
    owner: NodeId,
    width: u32,
    first: usize,
    last: usize,
    dense_operand: bool,
}

/// Linear view of the nested statements.
struct Line<'a> {
    stmts: Vec<(&'a Stmt, usize, usize)>,
}

/// Assign homes.
pub fn assign(graph: &Graph, facts: &Facts, program: &[Stmt], shape: &Shape) -> Homes {
    let mut homes = Homes::default();
    records(graph, facts, &mut homes);
    let line = Line::new(program);
    let regions = regions(graph, facts, &line, &mut homes);
    let mut spilled = vec![false; regions.len()];
    loop {
        match allocate(graph, &line, &regions, &spilled, shape) {
            Ok((bases, used)) => {
                homes.tile_features = used;
                for (index, region) in regions.iter().enumerate() {
                    let home = match bases.get(&index) {
                        Some(&base) => Home::Tile(base),
                        None => match homes.record.get(&region.owner) {
                            // A record inside a loop moves with the iteration; readers of the same iteration may use it.
                            Some(record) if record.segments == 1 => Home::Scratch(record.feature),
                            _ => Home::Scratch(take(&mut homes.scratch_features, region.width)),
                        },
                    };
                    homes.home.insert(region.owner, home);
                }
                break;
            }
            Err(victim) => spilled[victim] = true,
        }
    }
    alias_results(graph, &mut homes);
    homes
}

fn take(counter: &mut u32, width: u32) -> u32 {
    let at = *counter;
    *counter += width;
    at
}

/// Records: operands of gradients, batch means (side by side, so that one reduction serves them), loop histories.
fn records(graph: &Graph, facts: &Facts, homes: &mut Homes) {
    let counts = loop_counts(graph);
    // Batch means outside loops come first and side by side.
    for sink in &graph.sinks {
        if let Sink::Mean { value, .. } = sink
            && facts.context[value.0 as usize].is_none()
        {
            let feature = take(&mut homes.scratch_features, 1);
            let record = Record { feature, stride: 0, segments: 1, masked: true };
            homes.record.entry(*value).or_insert(record);
        }
    }
    let want = |node: NodeId, masked: bool, homes: &mut Homes| {
        let width = graph.width(node) as u32;
        let segments = facts.context[node.0 as usize].map_or(1, |l| counts[&l]);
        let scratch = &mut homes.scratch_features;
        let record = homes.record.entry(node).or_insert_with(|| Record {
            feature: take(scratch, width * segments),
            stride: if segments > 1 { width } else { 0 },
            segments,
            masked,
        });
        record.masked |= masked;
    };
    for sink in &graph.sinks {
        match sink {
            Sink::GradDense { x, dy, .. } => {
                want(*x, false, homes);
                want(*dy, true, homes);
            }
            Sink::GradVector { dy, .. } => want(*dy, true, homes),
            Sink::Mean { value, .. } => want(*value, true, homes),
            Sink::Store { .. } => {}
        }
    }
    for node in &graph.nodes {
        if let Op::History(repeat, k, _) = &node.op
            && let Some(var) = carried(graph, *repeat, *k)
        {
            want(var, false, homes);
        }
    }
}

/// Iterations of every loop.
pub fn loop_counts(graph: &Graph) -> HashMap<LoopId, u32> {
    let mut counts = HashMap::new();
    for node in &graph.nodes {
        if let Op::Repeat { id, count, .. } = &node.op {
            counts.insert(*id, *count);
        }
    }
    counts
}

/// The `LoopVar` node of carried value `k`, if the body uses it.
pub fn carried(graph: &Graph, repeat: NodeId, k: u32) -> Option<NodeId> {
    let Op::Repeat { id, .. } = &graph.node(repeat).op else { return None };
    let wanted = Op::LoopVar(*id, k);
    graph.nodes.iter().position(|n| n.op == wanted).map(|i| NodeId(i as u32))
}

/// Results of a loop live where its carried values live.
fn alias_results(graph: &Graph, homes: &mut Homes) {
    for (index, node) in graph.nodes.iter().enumerate() {
        if let Op::RepeatOut(repeat, k) = &node.op
            && let Some(home) = carried(graph, *repeat, *k).and_then(|v| homes.home.get(&v).copied())
        {
            homes.home.insert(NodeId(index as u32), home);
        }
    }
}

impl<'a> Line<'a> {
    fn new(program: &'a [Stmt]) -> Self {
        let mut line = Line { stmts: Vec::new() };
        line.walk(program);
        line
    }

    /// Every statement with its index; a repeat spans its own index to that of its end marker.
    fn walk(&mut self, program: &'a [Stmt]) {
        for stmt in program {
            let at = self.stmts.len();
            self.stmts.push((stmt, at, at));
            if let Stmt::Repeat { body, .. } = stmt {
                self.walk(body);
                let end = self.stmts.len();
                self.stmts.push((stmt, at, end));
                self.stmts[at].2 = end;
            }
        }
    }
}

/// Nodes that a statement reads from homes (repeat: initial values at its start, next values at its end).
fn reads(graph: &Graph, facts: &Facts, stmt: &Stmt, end: bool) -> Vec<NodeId> {
    let of = |id: NodeId| live_operands(graph, facts, &graph.node(id).op);
    match stmt {
        Stmt::Group(group) => {
            let inner = |n: &NodeId| !group.nodes.contains(n);
            group.nodes.iter().chain(&group.sums).flat_map(|n| of(*n)).filter(inner).collect()
        }
        Stmt::Dense(id) | Stmt::Concat(id) => of(*id),
        Stmt::Repeat { node, .. } => match &graph.node(*node).op {
            Op::Repeat { init, next, .. } => {
                let list = if end { next } else { init };
                list.iter().copied().filter(|n| !facts.inline(graph, *n)).collect()
            }
            _ => vec![],
        },
    }
}

/// Values that need a home beyond registers, with their life times.
fn regions(graph: &Graph, facts: &Facts, line: &Line, homes: &mut Homes) -> Vec<Region> {
    let mut users: HashMap<NodeId, Vec<(usize, bool)>> = HashMap::new();
    let mut produced: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut spans: HashMap<LoopId, (usize, usize)> = HashMap::new();
    for (at, (stmt, start, end)) in line.stmts.iter().enumerate() {
        let closing = matches!(stmt, Stmt::Repeat { .. }) && at == *end && start != end;
        for node in reads(graph, facts, stmt, closing) {
            let dense = matches!(stmt, Stmt::Dense(_) | Stmt::Concat(_) | Stmt::Repeat { .. });
            users.entry(node).or_default().push((at, dense));
        }
        match stmt {
            Stmt::Group(group) => produce(group, at, &mut produced),
            Stmt::Dense(id) | Stmt::Concat(id) => drop(produced.insert(*id, at)),
            Stmt::Repeat { node, .. } if !closing => {
                if let Op::Repeat { id, init, .. } = &graph.node(*node).op {
                    spans.insert(*id, (*start, *end));
                    for k in 0..init.len() {
                        if let Some(var) = carried(graph, *node, k as u32) {
                            produced.insert(var, at);
                            users.entry(var).or_default().push((*end, false));
                        }
                    }
                }
            }
            Stmt::Repeat { .. } => {}
        }
    }
    // Who reads a loop's result reads the carried value's home.
    for (index, node) in graph.nodes.iter().enumerate() {
        if let Op::RepeatOut(repeat, k) = &node.op
            && let Some(var) = carried(graph, *repeat, *k)
            && let Some(list) = users.get(&NodeId(index as u32)).cloned()
        {
            users.entry(var).or_default().extend(list);
        }
    }
    for sink in &graph.sinks {
        if let Sink::Store { value, .. } = sink
            && let Op::RepeatOut(repeat, k) = &graph.node(*value).op
            && let Some(var) = carried(graph, *repeat, *k)
        {
            users.entry(var).or_default().push((line.stmts.len(), false));
        }
    }
    let mut regions = Vec::new();
    for (node, first) in produced {
        let width = graph.width(node);
        let is_dense = matches!(graph.node(node).op, Op::Dense(_) | Op::Concat(_));
        let used = users.get(&node);
        let dense_operand = used.is_some_and(|u| u.iter().any(|(_, dense)| *dense));
        if width == 1 && !is_dense {
            homes.home.insert(node, Home::Register);
            if !used.is_some_and(|u| u.iter().any(|(at, _)| matches!(line.stmts.get(*at), Some((Stmt::Dense(_), ..)))))
            {
                continue;
            }
        }
        let Some(used) = used else {
            if is_dense {
                regions.push(Region { owner: node, width: width as u32, first, last: first, dense_operand });
            }
            continue;
        };
        let own = match graph.node(node).op {
            Op::LoopVar(..) => None,
            _ => facts.context[node.0 as usize],
        };
        let mut last = first;
        for (at, _) in used {
            // A value from outside a loop that the loop reads lives until the loop ends.
            let inside = spans.iter().filter(|(id, span)| Some(**id) != own && (span.0 + 1..=span.1).contains(at));
            let reach = inside.map(|(_, span)| if first <= span.0 { span.1 } else { *at }).max();
            last = last.max(reach.unwrap_or(*at));
        }
        regions.push(Region { owner: node, width: width as u32, first, last, dense_operand });
    }
    regions.sort_by_key(|r| r.first);
    regions
}

fn produce(group: &Group, at: usize, produced: &mut BTreeMap<NodeId, usize>) {
    for node in group.nodes.iter().chain(&group.sums) {
        produced.insert(*node, at);
    }
}

/// First-fit by order of definition. `Err` names the region to move to scratch.
fn allocate(
    graph: &Graph,
    line: &Line,
    regions: &[Region],
    spilled: &[bool],
    shape: &Shape,
) -> Result<(HashMap<usize, u32>, u32), usize> {
    let mut bases: HashMap<usize, u32> = HashMap::new();
    let mut used = 0;
    for (index, region) in regions.iter().enumerate() {
        if spilled[index] {
            continue;
        }
        // A single-pass dense layer holds its result in registers before it writes: its dying inputs make room.
        let in_place = match line.stmts.get(region.first) {
            Some((Stmt::Dense(id), ..)) => *id == region.owner && shape.single_pass(graph.width(*id)),
            _ => false,
        };
        let busy = |other: &Region| {
            let starts = other.first <= region.last && region.first <= other.last;
            starts && !(in_place && other.last == region.first && other.first < region.first)
        };
        let mut taken: Vec<(u32, u32)> = bases
            .iter()
            .filter(|(i, _)| busy(&regions[**i]))
            .map(|(i, base)| (*base, *base + regions[*i].width))
            .collect();
        taken.sort();
        let mut base = 0;
        for (from, to) in taken {
            if base + region.width <= from {
                break;
            }
            base = base.max(to);
        }
        if base + region.width > shape.features {
            let live = |i: &usize| regions[*i].first <= region.first && region.first <= regions[*i].last;
            let cost = |i: &usize| {
                let r = &regions[*i];
                let length = (r.last - r.first + 1) as u64;
                length * if r.dense_operand { 1 } else { 1000 }
            };
            let victim = bases.keys().copied().filter(live).chain([index]).max_by_key(|i| (cost(i), *i));
            return Err(victim.unwrap_or(index));
        }
        used = used.max(base + region.width);
        bases.insert(index, base);
    }
    Ok((bases, used))
}
