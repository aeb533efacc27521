//! The reference executor: a graph's meaning in f64, node by node over the whole batch. Written for reading.

use super::*;
use std::collections::HashMap;

/// A draw: `(kind, stream, row, lane) -> value`.
pub type DrawFn<'a> = &'a dyn Fn(DrawKind, u32, usize, usize) -> f64;

/// What a graph reads. Entries that the graph does not declare are ignored.
#[derive(Default)]
pub struct Bindings<'a> {
    /// By name: `[rows, width]`.
    pub inputs: HashMap<String, Vec<f64>>,
    /// By name: `[rows, cols]`, row-major.
    pub params: HashMap<String, Vec<f64>>,
    /// By name.
    pub uniforms: HashMap<String, f64>,
    /// Where draws come from.
    pub draw: Option<DrawFn<'a>>,
}

/// What a graph yields.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Outputs {
    /// By name: `[rows, width]`.
    pub stores: HashMap<String, Vec<f64>>,
    /// By name: the mean over the batch, summed over the iterations of a loop.
    pub means: HashMap<String, f64>,
    /// By name, for every trained parameter: `[rows, cols]`, the mean over the batch.
    pub grads: HashMap<String, Vec<f64>>,
}

/// Why a graph could not be executed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The bindings lack something.
    #[error("graph `{graph}` reads the {kind} `{name}`, which is not bound")]
    Missing {
        /// Name of the graph.
        graph: String,
        /// `input`, `parameter` or `uniform`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A binding has the wrong number of values.
    #[error("graph `{graph}`: the {kind} `{name}` has {got} values, expected {expected}")]
    Length {
        /// Name of the graph.
        graph: String,
        /// `input` or `parameter`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Values bound.
        got: usize,
        /// Values expected.
        expected: usize,
    },
    /// The graph draws random numbers and no source is bound.
    #[error("graph `{graph}` draws random numbers, and no source of draws is bound")]
    NoDraws {
        /// Name of the graph.
        graph: String,
    },
    /// An index is outside of the tensor or loop that it selects from.
    #[error("graph `{graph}`: row {row} selects entry {index} of {what}, which has {count}")]
    Index {
        /// Name of the graph.
        graph: String,
        /// Row of the batch.
        row: usize,
        /// The index.
        index: f64,
        /// What it selects from.
        what: String,
        /// Number of entries.
        count: usize,
    },
}

/// Executes a graph on a batch of `rows` rows.
pub fn execute(graph: &Graph, bindings: &Bindings, rows: usize) -> Result<Outputs, ReferenceError> {
    let mut run = Run::new(graph, bindings, rows)?;
    run.scope(&mut vec![])?;
    Ok(run.outputs)
}

/// `[rows, width]`
type Values = Vec<f64>;

struct Run<'a> {
    graph: &'a Graph,
    bindings: &'a Bindings<'a>,
    rows: usize,
    loops: Vec<Vec<LoopId>>,
    /// Values of the nodes; in a loop those of the current iteration.
    values: Vec<Values>,
    /// By repeat: the carried values at the start of every iteration.
    history: HashMap<NodeId, Vec<Vec<Values>>>,
    outputs: Outputs,
}

impl<'a> Run<'a> {
    fn new(graph: &'a Graph, bindings: &'a Bindings<'a>, rows: usize) -> Result<Self, ReferenceError> {
        let length = |kind, name: &str, got: Option<&Values>, expected| match got {
            None => Err(ReferenceError::Missing { graph: graph.name.clone(), kind, name: name.to_string() }),
            Some(values) if values.len() != expected => Err(ReferenceError::Length {
                graph: graph.name.clone(),
                kind,
                name: name.to_string(),
                got: values.len(),
                expected,
            }),
            Some(_) => Ok(()),
        };
        for InputDecl { name, width } in &graph.inputs {
            length("input", name, bindings.inputs.get(name), rows * width)?;
        }
        let mut outputs = Outputs::default();
        for (id, ParamDecl { name, rows, cols, trained }) in (0..).map(ParamId).zip(&graph.params) {
            if *trained {
                outputs.grads.insert(name.clone(), vec![0.0; rows * cols]);
            }
            // A parameter may be named by gradient sinks only.
            if graph.nodes.iter().any(|n| n.op.params().contains(&id)) {
                length("parameter", name, bindings.params.get(name), rows * cols)?;
            }
        }
        outputs.means.extend(graph.means.iter().map(|name| (name.clone(), 0.0)));
        let values = vec![vec![]; graph.nodes.len()];
        Ok(Run { graph, bindings, rows, loops: graph.loops(), values, history: HashMap::new(), outputs })
    }

    /// Evaluates what depends on the innermost of the open loops, and on open loops only; then does its sinks.
    fn scope(&mut self, open: &mut Vec<LoopId>) -> Result<(), ReferenceError> {
        let graph = self.graph;
        let belongs = |loops: &[LoopId]| {
            open.last().is_none_or(|innermost| loops.contains(innermost)) && loops.iter().all(|l| open.contains(l))
        };
        let nodes: Vec<usize> = (0..graph.nodes.len()).filter(|&i| belongs(&self.loops[i])).collect();
        let sinks: Vec<&Sink> = graph.sinks.iter().filter(|s| belongs(&self.loops_of_sink(s))).collect();
        for index in nodes {
            match &graph.nodes[index].op {
                // Set by the loop.
                Op::LoopVar(..) | Op::LoopIndex(_) => {}
                Op::Repeat { .. } => self.repeat(NodeId(index as u32), open)?,
                _ => self.values[index] = self.evaluate(&graph.nodes[index])?,
            }
        }
        sinks.into_iter().for_each(|sink| self.sink(sink));
        Ok(())
    }

    fn loops_of_sink(&self, sink: &Sink) -> Vec<LoopId> {
        sink.operands().iter().flat_map(|o| self.loops[o.0 as usize].iter().copied()).collect()
    }

    fn repeat(&mut self, repeat: NodeId, open: &mut Vec<LoopId>) -> Result<(), ReferenceError> {
        let graph = self.graph;
        let Op::Repeat { id, count, init, next } = &graph.node(repeat).op else { return Ok(()) };
        let mut carried: Vec<Values> = init.iter().map(|n| self.values[n.0 as usize].clone()).collect();
        let mut history = vec![];
        open.push(*id);
        for iteration in 0..*count {
            for (index, node) in graph.nodes.iter().enumerate() {
                match node.op {
                    Op::LoopVar(l, k) if l == *id => self.values[index] = carried[k as usize].clone(),
                    Op::LoopIndex(l) if l == *id => self.values[index] = vec![iteration as f64; self.rows],
                    _ => {}
                }
            }
            history.push(carried);
            self.scope(open)?;
            carried = next.iter().map(|n| self.values[n.0 as usize].clone()).collect();
        }
        open.pop();
        // One state more than iterations: the last is the result.
        history.push(carried);
        self.history.insert(repeat, history);
        Ok(())
    }

    fn evaluate(&self, node: &Node) -> Result<Values, ReferenceError> {
        let width = node.width;
        let value = |id: &NodeId| &self.values[id.0 as usize];
        Ok(match &node.op {
            Op::Input(i) => self.bindings.inputs[&self.graph.inputs[i.0 as usize].name].clone(),
            Op::Uniform(u) => {
                let name = &self.graph.uniforms[u.0 as usize].name;
                let missing =
                    || ReferenceError::Missing { graph: self.graph.name.clone(), kind: "uniform", name: name.clone() };
                vec![*self.bindings.uniforms.get(name).ok_or_else(missing)?; self.rows]
            }
            Op::Const(bits) => vec![f32::from_bits(*bits) as f64; self.rows],
            Op::Param(p) => self.param(*p).repeat(self.rows),
            Op::Draw { kind, stream } => {
                let missing = || ReferenceError::NoDraws { graph: self.graph.name.clone() };
                let draw = self.bindings.draw.ok_or_else(missing)?;
                self.each(width, |row, lane| draw(*kind, *stream, row, lane))
            }
            Op::Dense(layer) => self.dense(layer, width),
            Op::Unary(f, x) => value(x).iter().map(|&x| f.value(x)).collect(),
            Op::Binary(f, x, y) => value(x).iter().zip(value(y)).map(|(&x, &y)| f.value(x, y)).collect(),
            Op::Select(c, x, y) => {
                let (c, x, y) = (value(c), value(x), value(y));
                (0..c.len()).map(|i| if c[i] != 0.0 { x[i] } else { y[i] }).collect()
            }
            Op::Concat(parts) => {
                let row = |row| parts.iter().flat_map(move |p| self.row(*p, row).iter().copied());
                (0..self.rows).flat_map(row).collect()
            }
            Op::Slice(x, start) => self.each(width, |row, lane| self.row(*x, row)[*start as usize + lane]),
            Op::Sum(x) => self.each(1, |row, _| self.row(*x, row).iter().sum()),
            Op::Broadcast(x) => self.each(width, |row, _| value(x)[row]),
            Op::Gather(p, index) => {
                let decl = &self.graph.params[p.0 as usize];
                let mut out = Vec::with_capacity(self.rows * width);
                for row in 0..self.rows {
                    let entry =
                        self.index(value(index)[row], row, decl.rows, || format!("parameter `{}`", decl.name))?;
                    out.extend(&self.param(*p)[entry * width..][..width]);
                }
                out
            }
            Op::OneHot(index) => self.each(width, |row, lane| f64::from(value(index)[row].round() == lane as f64)),
            Op::StopGradient(x) => value(x).clone(),
            Op::RepeatOut(repeat, k) => self.history[repeat][self.history[repeat].len() - 1][*k as usize].clone(),
            Op::History(repeat, k, index) => {
                let history = &self.history[repeat];
                let mut out = Vec::with_capacity(self.rows * width);
                for row in 0..self.rows {
                    let what = || "the iterations of a repeat".to_string();
                    let iteration = self.index(value(index)[row], row, history.len() - 1, what)?;
                    out.extend(&history[iteration][*k as usize][row * width..][..width]);
                }
                out
            }
            Op::LoopVar(..) | Op::LoopIndex(_) | Op::Repeat { .. } => vec![],
        })
    }

    /// `sum_k x_k W_k + b`, or `x W^T`.
    fn dense(&self, layer: &Dense, width: usize) -> Values {
        let bias = layer.bias.map_or(vec![0.0; width], |b| self.param(b).clone());
        let mut out = bias.repeat(self.rows);
        for Term { x, weight, transposed } in &layer.terms {
            let cols = self.graph.params[weight.param.0 as usize].cols;
            let w = &self.param(weight.param)[weight.row0 as usize * cols..];
            for (row, y) in out.chunks_mut(width).enumerate() {
                for (i, x) in self.row(*x, row).iter().enumerate() {
                    for (j, y) in y.iter_mut().enumerate() {
                        *y += x * if *transposed { w[j * cols + i] } else { w[i * cols + j] };
                    }
                }
            }
        }
        out
    }

    fn sink(&mut self, sink: &Sink) {
        let batch = self.rows as f64;
        match sink {
            Sink::Store { store, value } => {
                let name = self.graph.stores[*store].name.clone();
                self.outputs.stores.insert(name, self.values[value.0 as usize].clone());
            }
            Sink::Mean { mean, value } => {
                let sum: f64 = self.values[value.0 as usize].iter().sum();
                *self.outputs.means.entry(self.graph.means[*mean].clone()).or_default() += sum / batch;
            }
            Sink::GradDense { weight, x, dy } => {
                let (rows, cols) = (weight.rows as usize, self.graph.params[weight.param.0 as usize].cols);
                let mut gradient = vec![0.0; rows * cols];
                for row in 0..self.rows {
                    for (i, x) in self.row(*x, row).iter().enumerate() {
                        for (j, dy) in self.row(*dy, row).iter().enumerate() {
                            gradient[i * cols + j] += x * dy / batch;
                        }
                    }
                }
                self.add_gradient(weight.param, weight.row0 as usize * cols, &gradient);
            }
            Sink::GradVector { param, dy } => {
                let mut gradient = vec![0.0; self.graph.params[param.0 as usize].cols];
                for row in 0..self.rows {
                    gradient.iter_mut().zip(self.row(*dy, row)).for_each(|(g, dy)| *g += dy / batch);
                }
                self.add_gradient(*param, 0, &gradient);
            }
        }
    }

    fn add_gradient(&mut self, param: ParamId, offset: usize, gradient: &[f64]) {
        let decl = &self.graph.params[param.0 as usize];
        let zeros = || vec![0.0; decl.rows * decl.cols];
        let total = self.outputs.grads.entry(decl.name.clone()).or_insert_with(zeros);
        total[offset..].iter_mut().zip(gradient).for_each(|(t, g)| *t += g);
    }

    fn param(&self, p: ParamId) -> &Values {
        &self.bindings.params[&self.graph.params[p.0 as usize].name]
    }

    fn row(&self, id: NodeId, row: usize) -> &[f64] {
        let width = self.graph.width(id);
        &self.values[id.0 as usize][row * width..][..width]
    }

    fn each(&self, width: usize, f: impl Fn(usize, usize) -> f64) -> Values {
        let entry = |i| f(i / width, i % width);
        (0..self.rows * width).map(entry).collect()
    }

    /// A value that holds an integer, as an index below `count`.
    fn index(&self, index: f64, row: usize, count: usize, what: impl Fn() -> String) -> Result<usize, ReferenceError> {
        let rounded = index.round();
        if rounded >= 0.0 && rounded < count as f64 {
            return Ok(rounded as usize);
        }
        Err(ReferenceError::Index { graph: self.graph.name.clone(), row, index, what: what(), count })
    }
}
