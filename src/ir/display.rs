//! A graph as text, one node a line, for messages, tests and people.

use super::*;
use std::fmt::{self, Display, Formatter};

/// `%3  [64]  mish(%2)`: id, width, operation; a bar before the operation for every loop that the node runs in.
impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph {}", self.name)?;
        for input in &self.inputs {
            writeln!(f, "  input    {} [{}]", input.name, input.width)?;
        }
        for param in &self.params {
            let trained = if param.trained { ", trained" } else { "" };
            writeln!(f, "  param    {} [{}, {}]{trained}", param.name, param.rows, param.cols)?;
        }
        for uniform in &self.uniforms {
            writeln!(f, "  uniform  {}", uniform.name)?;
        }
        for (index, (node, loops)) in self.nodes.iter().zip(self.loops()).enumerate() {
            let (id, width) = (format!("%{index}"), format!("[{}]", node.width));
            let bars = "| ".repeat(loops.len());
            writeln!(f, "  {id:<6} {width:<6} {bars}{}", Line(self, &node.op))?;
        }
        self.sinks.iter().try_for_each(|sink| writeln!(f, "  {}", SinkLine(self, sink)))
    }
}

impl Display for NodeId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl Display for LoopId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", self.0)
    }
}

struct Line<'a>(&'a Graph, &'a Op);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Line(graph, op) = self;
        let param = |p: &ParamId| &graph.params[p.0 as usize].name;
        match op {
            Op::Input(i) => write!(f, "{}", graph.inputs[i.0 as usize].name),
            Op::Uniform(u) => write!(f, "{}", graph.uniforms[u.0 as usize].name),
            Op::Const(bits) => write!(f, "{:?}", f32::from_bits(*bits)),
            Op::Param(p) => write!(f, "{}", param(p)),
            Op::Draw { kind, stream } => write!(f, "{} draw of stream {stream}", lower(kind)),
            Op::Dense(layer) => {
                for (i, term) in layer.terms.iter().enumerate() {
                    let plus = if i == 0 { "" } else { " + " };
                    let transpose = if term.transposed { "^T" } else { "" };
                    write!(f, "{plus}{} @ {}{transpose}", term.x, ViewName(graph, term.weight))?;
                }
                layer.bias.iter().try_for_each(|b| write!(f, " + {}", param(b)))
            }
            Op::Unary(Unary::Neg, x) => write!(f, "-{x}"),
            Op::Unary(function, x) => write!(f, "{}({x})", lower(function)),
            Op::Binary(function, x, y) => match function {
                Binary::Add => write!(f, "{x} + {y}"),
                Binary::Sub => write!(f, "{x} - {y}"),
                Binary::Mul => write!(f, "{x} * {y}"),
                Binary::Div => write!(f, "{x} / {y}"),
                Binary::Less => write!(f, "{x} < {y}"),
                Binary::Min | Binary::Max => write!(f, "{}({x}, {y})", lower(function)),
            },
            Op::Select(c, x, y) => write!(f, "{c} ? {x} : {y}"),
            Op::Concat(parts) => {
                let parts: Vec<_> = parts.iter().map(NodeId::to_string).collect();
                write!(f, "concat({})", parts.join(", "))
            }
            Op::Slice(x, start) => write!(f, "{x}[{start}..]"),
            Op::Sum(x) => write!(f, "sum({x})"),
            Op::Broadcast(x) => write!(f, "broadcast({x})"),
            Op::Gather(p, index) => write!(f, "{}[row {index}]", param(p)),
            Op::OneHot(index) => write!(f, "one_hot({index})"),
            Op::StopGradient(x) => write!(f, "stop_gradient({x})"),
            Op::LoopVar(id, k) => write!(f, "{id}.v{k}"),
            Op::LoopIndex(id) => write!(f, "{id}.i"),
            Op::Repeat { id, count, init, next } => {
                write!(f, "repeat {id} {count} times:")?;
                let mut carried = init.iter().zip(next).enumerate();
                carried.try_for_each(|(k, (i, n))| write!(f, " v{k} = {i}, then {n};"))
            }
            Op::RepeatOut(repeat, k) => write!(f, "{repeat}.v{k}"),
            Op::History(repeat, k, index) => write!(f, "{repeat}.v{k} before iteration {index}"),
        }
    }
}

struct SinkLine<'a>(&'a Graph, &'a Sink);

impl Display for SinkLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let SinkLine(graph, sink) = self;
        match sink {
            Sink::Store { store, value } => write!(f, "store    {} = {value}", graph.stores[*store].name),
            Sink::Mean { mean, value } => write!(f, "mean     {} = {value}", graph.means[*mean]),
            Sink::GradDense { weight, x, dy } => write!(f, "gradient {} += {x}^T @ {dy}", ViewName(graph, *weight)),
            Sink::GradVector { param, dy } => write!(f, "gradient {} += {dy}", graph.params[param.0 as usize].name),
        }
    }
}

/// `w`, or `w[2..5]` for a part of its rows.
struct ViewName<'a>(&'a Graph, View);

impl Display for ViewName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ViewName(graph, View { param, row0, rows }) = self;
        let decl = &graph.params[param.0 as usize];
        if *rows as usize == decl.rows {
            write!(f, "{}", decl.name)
        } else {
            write!(f, "{}[{row0}..{}]", decl.name, row0 + rows)
        }
    }
}

/// `MishSlope` as `mish_slope`.
fn lower(name: &impl fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{name:?}").chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}
