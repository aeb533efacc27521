//! A scheduled program with its homes, written as WGSL that is meant to be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::FuseError;
use super::homes::{Home, Homes};
use super::placement::Placement;
use super::schedule::{Facts, Group, Stmt};
use super::target::Shape;
use crate::ir::{Graph, LoopId, NodeId, Op, Sink};

mod dense;
mod memory;
mod module;
mod repeat;
mod steps;
mod value;

pub use module::{ARGS_WORDS, Module, module};

/// How an expression varies: the same for all rows, or one component a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Scalar,
    Rows,
}

/// A WGSL expression.
#[derive(Clone, Debug)]
struct Expr {
    text: String,
    kind: Kind,
}

impl Expr {
    fn rows(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Rows }
    }
    fn scalar(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Scalar }
    }
    /// As a `vec4f`.
    fn wide(&self) -> String {
        match self.kind {
            Kind::Rows => self.text.clone(),
            Kind::Scalar => format!("vec4f({})", self.text),
        }
    }
}

/// A range of features that a statement touches, for barriers.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Access {
    scratch: bool,
    base: u32,
    width: u32,
    write: bool,
    /// Invocation `col_lane` touches only features `f` with `f % col_lanes == col_lane`, counted from `base`.
    own: bool,
}

/// Writer of one kernel's body.
struct Printer<'a> {
    graph: &'a Graph,
    facts: &'a Facts,
    homes: &'a Homes,
    shape: &'a Shape,
    placement: &'a Placement,
    stores: HashMap<NodeId, Vec<usize>>,
    out: String,
    depth: usize,
    /// Names of values in the enclosing scopes, by node and feature expression.
    scopes: Vec<HashMap<(NodeId, String), Expr>>,
    /// Loop bounds are hidden from the compiler.
    rolled: bool,
    /// Iterations of all loops that one invocation makes, and the factor of the loops that are open.
    iterations: u64,
    repeats: u64,
    /// What happened to memory since the last barrier.
    pending: Vec<Access>,
    /// Role buffers whose `vec4f` view is read: name -> how many of them, from the start.
    vector_buffers: BTreeMap<String, u32>,
    /// Role buffers in use by words: name -> written.
    scalar_buffers: BTreeMap<String, bool>,
    error: Option<FuseError>,
}

/// Text of the body and the buffers that it names.
struct Body {
    text: String,
    vector_buffers: BTreeMap<String, u32>,
    scalar_buffers: BTreeMap<String, bool>,
    iterations: u64,
}

fn body(
    graph: &Graph,
    facts: &Facts,
    program: &[Stmt],
    homes: &Homes,
    (shape, rolled, depth): (&Shape, bool, usize),
    placement: &Placement,
) -> Result<Body, FuseError> {
    let mut stores: HashMap<NodeId, Vec<usize>> = HashMap::new();
    for sink in &graph.sinks {
        if let Sink::Store { store, value } = sink {
            stores.entry(*value).or_default().push(*store);
        }
    }
    let mut printer = Printer {
        graph,
        facts,
        homes,
        shape,
        placement,
        stores,
        out: String::new(),
        depth,
        scopes: vec![HashMap::new()],
        rolled,
        iterations: 0,
        repeats: 1,
        pending: Vec::new(),
        vector_buffers: BTreeMap::new(),
        scalar_buffers: BTreeMap::new(),
        error: None,
    };
    printer.stmts(program);
    printer.leftovers();
    match printer.error {
        Some(error) => Err(error),
        None => Ok(Body {
            text: printer.out,
            vector_buffers: printer.vector_buffers,
            scalar_buffers: printer.scalar_buffers,
            iterations: printer.iterations,
        }),
    }
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:width$}{text}", "", width = 4 * self.depth);
    }

    fn open(&mut self, text: &str) {
        self.line(format!("{text} {{").trim_start());
        self.depth += 1;
        self.scopes.push(HashMap::new());
    }

    /// Open a loop over `variable` below `bound` and count its iterations.
    fn open_loop(&mut self, variable: &str, start: &str, bound: u32, step: u32) {
        let increment = if step == 1 { format!("{variable}++") } else { format!("{variable} += {step}u") };
        let once = if self.rolled { " * once" } else { "" };
        self.open(&format!("for (var {variable} = {start}; {variable} < {bound}u{once}; {increment})"));
        self.iterations += self.repeats * u64::from(bound.div_ceil(step));
    }

    fn close(&mut self) {
        self.scopes.pop();
        self.depth -= 1;
        self.line("}");
    }

    /// A readable name: what the node does and its number.
    fn name(&self, id: NodeId) -> String {
        let what = match &self.graph.node(id).op {
            Op::Input(i) => self.graph.inputs[i.0 as usize].name.replace('.', "_"),
            Op::Uniform(u) => self.graph.uniforms[u.0 as usize].name.replace('.', "_"),
            Op::Param(p) => self.graph.params[p.0 as usize].name.replace('.', "_"),
            Op::Unary(f, _) => format!("{f:?}").to_lowercase(),
            Op::Binary(f, ..) => format!("{f:?}").to_lowercase(),
            Op::Draw { kind, .. } => format!("{kind:?}_draw").to_lowercase(),
            Op::LoopVar(..) => "carried".into(),
            Op::RepeatOut(..) => "result".into(),
            Op::StopGradient(_) => "frozen".into(),
            Op::OneHot(_) => "one_hot".into(),
            op => format!("{op:?}").split(['(', ' ', '{']).next().unwrap_or("value").to_lowercase(),
        };
        format!("{what}_{}", id.0)
    }

    fn stmts(&mut self, program: &[Stmt]) {
        for stmt in program {
            match stmt {
                Stmt::Group(group) => self.group(group),
                Stmt::Dense(id) => self.dense(*id),
                Stmt::Concat(id) => self.concat(*id),
                Stmt::Repeat { node, body } => self.repeat(*node, body),
            }
        }
    }

    /// A loop over features with all its members; straight-line code for width 1.
    fn group(&mut self, group: &Group) {
        let full = !group.sums.is_empty();
        let one = group.width == 1;
        let mut accesses = Vec::new();
        for node in group.nodes.iter().chain(&group.sums) {
            for operand in self.graph.node(*node).op.operands() {
                let shifted = matches!(self.graph.node(*node).op, Op::Slice(..) | Op::History(..));
                if !group.nodes.contains(&operand) {
                    accesses.extend(self.reads(operand, !full && !one && !shifted));
                }
            }
            accesses.extend(self.access(*node, true, !one));
        }
        self.sync(&accesses);
        let shapes: Vec<String> = group.nodes.iter().chain(&group.sums).map(|n| self.name(*n)).collect();
        let shown = if shapes.len() > 6 {
            format!("{} … {}", shapes[..3].join(", "), shapes[shapes.len() - 1])
        } else {
            shapes.join(", ")
        };
        self.line(&format!("// [rows, {}]: {shown}", group.width));
        if one {
            for &node in &group.nodes {
                let value = self.compute(node, "0u");
                self.keep(node, value, "0u");
            }
            for &node in &group.sums {
                let Op::Sum(a) = self.graph.node(node).op else { continue };
                let value = self.eval(a, "0u");
                let value = self.bind(node, value);
                self.keep(node, value, "0u");
            }
            return;
        }
        for &node in &group.sums {
            let name = self.name(node);
            self.line(&format!("var {name} = vec4f(0.0);"));
        }
        for &node in group.nodes.iter().chain(&group.sums) {
            self.hoist(node);
        }
        let step = if full { 1 } else { self.shape.col_lanes };
        self.feature_loop(group.width as u32, step, |p| {
            for &node in &group.nodes {
                let value = p.compute(node, "f");
                p.remember(node, "f", value.clone());
                p.save(node, &value, "f", full);
            }
            for &node in &group.sums {
                let Op::Sum(a) = p.graph.node(node).op else { continue };
                let value = p.eval(a, "f").wide();
                let name = p.name(node);
                p.line(&format!("{name} += {value};"));
            }
        });
        for &node in &group.sums {
            let value = Expr::rows(self.name(node));
            self.keep(node, value, "0u");
        }
    }

    /// `for f` over the features of this invocation (`step` = col_lanes), or over all of them (`step` = 1).
    fn feature_loop(&mut self, width: u32, step: u32, inner: impl FnOnce(&mut Self)) {
        let start = if step == 1 { "0u" } else { "col_lane" };
        self.open_loop("f", start, width, step);
        inner(self);
        self.close();
    }

    /// Remember a width-1 value in the current scope and write it wherever else it lives.
    fn keep(&mut self, id: NodeId, value: Expr, feature: &str) {
        self.remember(id, "", value.clone());
        self.save(id, &value, feature, true);
    }

    fn remember(&mut self, id: NodeId, feature: &str, value: Expr) {
        let key = (id, if self.graph.width(id) == 1 { String::new() } else { feature.to_string() });
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(key, value);
        }
    }

    /// Parts of a concatenation copied side by side.
    fn concat(&mut self, id: NodeId) {
        let Op::Concat(parts) = self.graph.node(id).op.clone() else { return };
        let Some(home) = self.homes.home.get(&id).copied() else { return };
        let mut accesses = self.access(id, true, false);
        accesses.extend(parts.iter().flat_map(|p| self.reads(*p, false)));
        self.sync(&accesses);
        let mut start = 0;
        for part in parts {
            let width = self.graph.width(part) as u32;
            self.line(&format!("// {}[{start} .. {}]", self.name(id), start + width));
            self.hoist(part);
            self.feature_loop(width, self.shape.col_lanes, |p| {
                let value = p.eval(part, "f").wide();
                let at = format!("(f + {start}u)");
                let place = match home {
                    Home::Tile(base) => p.tile(base, &at),
                    Home::Scratch(base) => p.scratch(&format!("{base}u"), &at),
                    Home::Register => return,
                };
                p.line(&format!("{place} = {value};"));
                if let Some(line) = p.record_line(id, &value, &at) {
                    p.line(&line);
                }
                for line in p.store_lines(id, &value, &at) {
                    p.line(&line);
                }
            });
            start += width;
        }
    }

    /// Sinks of values that no statement produces: inputs, what no row changes, results of loops.
    fn leftovers(&mut self) {
        let mut wanted: BTreeSet<NodeId> = BTreeSet::new();
        for sink in &self.graph.sinks {
            wanted.extend(sink.operands().into_iter().filter(|id| {
                let result = matches!(self.graph.node(*id).op, Op::RepeatOut(..));
                result || self.facts.inline(self.graph, *id)
            }));
        }
        for id in wanted {
            let width = self.graph.width(id) as u32;
            let accesses = self.reads(id, width > 1);
            self.sync(&accesses);
            if width == 1 {
                let value = self.eval(id, "0u");
                let lines: Vec<String> = self
                    .record_line(id, &value.wide(), "0u")
                    .into_iter()
                    .chain(self.store_lines(id, &value.wide(), "0u"))
                    .collect();
                let guard = self.shape.col_lanes > 1 && !lines.is_empty();
                if guard {
                    self.open("if (col_lane == 0u)");
                }
                lines.iter().for_each(|l| self.line(l));
                if guard {
                    self.close();
                }
                continue;
            }
            self.line(&format!("// out: {} [rows, {width}]", self.name(id)));
            self.hoist(id);
            self.feature_loop(width, self.shape.col_lanes, |p| {
                let value = p.eval(id, "f").wide();
                let record = p.record_line(id, &value, "f");
                let lines = p.store_lines(id, &value, "f");
                record.into_iter().chain(lines).for_each(|l| p.line(&l));
            });
        }
    }
}

/// Name of a loop's counter.
fn iteration(id: LoopId) -> String {
    format!("i{}", id.0)
}

/// Name of the `array<f32>` view of a role buffer.
fn scalar_view(buffer: &str) -> String {
    format!("{buffer}_f32")
}
