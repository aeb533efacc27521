//! Counted work against an independent count: the kernel's WGSL, executed statement by statement for one invocation, with
//! every multiply-add, every other operation on four rows, and every word of every buffer noted down.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::fresh::Fresh;
use common::programs::{Case, layout, values};
use flowmill::engine::{CountedWork, Work};
use flowmill::fuse::{Target, TileArgs};
use flowmill::ir::{Builder, Graph, NodeId, Op, Sink, Unary, work};
use flowmill::kernels::weight_gradients::{self, WeightGradientArgs};
use naga::valid::{Capabilities, FunctionInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, BinaryOperator, Expression, Function, GlobalVariable, Handle, Literal, LocalVariable, MathFunction,
    Module, ScalarKind, Statement, TypeInner, VectorSize,
};

/// A value, as far as control flow and addresses need it.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Word(u32),
    Float(f32),
    Bool(bool),
    Words(Vec<u32>),
    /// Values of rows.
    Other,
}

/// What one invocation did.
#[derive(Default, Debug)]
struct Count {
    fmas: u64,
    others: u64,
    /// Words by buffer; views of one buffer count as one.
    read: BTreeMap<String, BTreeSet<u32>>,
    written: BTreeMap<String, BTreeSet<u32>>,
}

enum Flow {
    On,
    Break,
    Return,
}

struct Walk<'a> {
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
    args: Vec<u32>,
    values: Vec<Value>,
    locals: BTreeMap<Handle<LocalVariable>, Value>,
    count: Count,
}

/// Runs invocation 0 of workgroup 0.
fn walk(wgsl: &str, args: &TileArgs) -> Count {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap();
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).unwrap();
    let function = &module.entry_points[0].function;
    let mut walk = Walk {
        module: &module,
        function,
        info: info.get_entry_point(0),
        args: bytemuck::cast_slice(bytemuck::bytes_of(args)).to_vec(),
        values: vec![Value::Other; function.expressions.len()],
        locals: BTreeMap::new(),
        count: Count::default(),
    };
    for (local, variable) in function.local_variables.iter() {
        let value = variable.init.map_or(Value::Other, |init| walk.value(init));
        walk.locals.insert(local, value);
    }
    walk.block(&function.body);
    walk.count
}

impl Walk<'_> {
    fn block(&mut self, block: &naga::Block) -> Flow {
        for statement in block.iter() {
            match statement {
                Statement::Emit(range) => range.clone().for_each(|expression| self.emit(expression)),
                Statement::Block(inner) => match self.block(inner) {
                    Flow::On => {}
                    other => return other,
                },
                Statement::If { condition, accept, reject } => {
                    // What depends on rows guards writes of rows that are there.
                    let taken = if self.value(*condition) == Value::Bool(false) { reject } else { accept };
                    match self.block(taken) {
                        Flow::On => {}
                        other => return other,
                    }
                }
                Statement::Loop { body, continuing, break_if } => {
                    assert!(break_if.is_none());
                    loop {
                        match self.block(body) {
                            Flow::On => drop(self.block(continuing)),
                            Flow::Break => break,
                            Flow::Return => return Flow::Return,
                        }
                    }
                }
                Statement::Break => return Flow::Break,
                Statement::Return { .. } => return Flow::Return,
                Statement::Store { pointer, value } => self.store(*pointer, *value),
                Statement::Call { function, result, .. } => {
                    let name = self.module.functions[*function].name.clone().unwrap_or_default();
                    let drawn = ["normal", "uniform", "shuffled", "draw"].iter().any(|draw| name.starts_with(draw));
                    if let Some(result) = result {
                        self.values[result.index()] = Value::Other;
                        self.count.others += u64::from(!drawn && self.is_rows(*result));
                    }
                }
                other => panic!("{other:?} is not walked"),
            }
        }
        Flow::On
    }

    /// Whether an expression is one value of four rows.
    fn is_rows(&self, expression: Handle<Expression>) -> bool {
        let inner = self.info[expression].ty.inner_with(&self.module.types);
        matches!(inner, TypeInner::Vector { size: VectorSize::Quad, scalar } if scalar.kind == ScalarKind::Float)
    }

    /// Whether it is a float that is the same for all rows: worth an operation of every row that it serves.
    fn is_shared(&self, expression: Handle<Expression>) -> bool {
        let inner = self.info[expression].ty.inner_with(&self.module.types);
        matches!(inner, TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Float)
    }

    fn emit(&mut self, handle: Handle<Expression>) {
        if self.is_rows(handle) {
            match &self.function.expressions[handle] {
                Expression::Math { fun: MathFunction::Fma, .. } => self.count.fmas += 1,
                Expression::Math { .. } | Expression::Binary { .. } | Expression::Unary { .. } => {
                    self.count.others += 1
                }
                Expression::Select { condition, .. } => self.count.others += u64::from(!self.is_mask(*condition)),
                _ => {}
            }
        }
        if let (true, Expression::Binary { .. }) = (self.is_shared(handle), &self.function.expressions[handle]) {
            self.count.others += 1;
        }
        if let Expression::Load { pointer } = self.function.expressions[handle]
            && let Some((buffer, words)) = self.buffer_words(pointer)
        {
            self.count.read.entry(buffer).or_default().extend(words);
        }
        self.values[handle.index()] = self.compute(handle);
    }

    /// Rows beyond the batch are set to zero by a comparison of integers.
    fn is_mask(&self, condition: Handle<Expression>) -> bool {
        let Expression::Binary { left, .. } = &self.function.expressions[condition] else { return false };
        !self.is_rows(*left)
    }

    /// The value of an expression that was emitted, or that needs not be.
    fn value(&self, handle: Handle<Expression>) -> Value {
        if self.function.expressions[handle].needs_pre_emit() || self.constant(handle) {
            self.compute(handle)
        } else {
            self.values[handle.index()].clone()
        }
    }

    fn constant(&self, handle: Handle<Expression>) -> bool {
        matches!(
            self.function.expressions[handle],
            Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_)
        )
    }

    fn compute(&self, handle: Handle<Expression>) -> Value {
        let literal = |literal: &Literal| match literal {
            Literal::U32(word) => Value::Word(*word),
            Literal::F32(float) => Value::Float(*float),
            Literal::Bool(truth) => Value::Bool(*truth),
            _ => Value::Other,
        };
        match &self.function.expressions[handle] {
            Expression::Literal(value) => literal(value),
            Expression::Constant(constant) => {
                match &self.module.global_expressions[self.module.constants[*constant].init] {
                    Expression::Literal(value) => literal(value),
                    _ => Value::Other,
                }
            }
            Expression::FunctionArgument(argument) => {
                let vector = matches!(self.function.arguments[*argument as usize].ty, ty
                    if matches!(self.module.types[ty].inner, TypeInner::Vector { .. }));
                if vector { Value::Words(vec![0; 3]) } else { Value::Word(0) }
            }
            Expression::Compose { components, .. } => {
                let all: Vec<Value> = components.iter().map(|c| self.value(*c)).collect();
                words(&all).map_or(Value::Other, Value::Words)
            }
            Expression::Splat { size, value } => match self.value(*value) {
                Value::Word(word) => Value::Words(vec![word; *size as usize]),
                _ => Value::Other,
            },
            Expression::AccessIndex { base, index } => match self.value(*base) {
                Value::Words(words) => Value::Word(words[*index as usize]),
                _ => Value::Other,
            },
            Expression::Load { pointer } => self.loaded(*pointer),
            Expression::As { expr, kind, .. } => match (self.value(*expr), kind) {
                (Value::Word(word), ScalarKind::Float) => Value::Float(word as f32),
                (Value::Float(float), ScalarKind::Uint) => Value::Word(float as u32),
                _ => Value::Other,
            },
            Expression::Unary { expr, op: naga::UnaryOperator::LogicalNot } => match self.value(*expr) {
                Value::Bool(truth) => Value::Bool(!truth),
                _ => Value::Other,
            },
            Expression::Unary { expr, op: naga::UnaryOperator::Negate } => match self.value(*expr) {
                Value::Float(float) => Value::Float(-float),
                _ => Value::Other,
            },
            Expression::Binary { op, left, right } => binary(*op, self.value(*left), self.value(*right)),
            Expression::Math { fun: MathFunction::Min, arg, arg1: Some(other), .. } => {
                match (self.value(*arg), self.value(*other)) {
                    (Value::Word(a), Value::Word(b)) => Value::Word(a.min(b)),
                    (Value::Words(a), Value::Words(b)) => {
                        Value::Words(a.iter().zip(&b).map(|(a, b)| *a.min(b)).collect())
                    }
                    _ => Value::Other,
                }
            }
            _ => Value::Other,
        }
    }

    fn loaded(&self, pointer: Handle<Expression>) -> Value {
        match &self.function.expressions[pointer] {
            Expression::LocalVariable(local) => self.locals.get(local).cloned().unwrap_or(Value::Other),
            Expression::AccessIndex { base, index } => match &self.function.expressions[*base] {
                Expression::GlobalVariable(global)
                    if self.module.global_variables[*global].space == AddressSpace::Immediate =>
                {
                    self.args.get(*index as usize).map_or(Value::Other, |word| Value::Word(*word))
                }
                _ => Value::Other,
            },
            _ => Value::Other,
        }
    }

    fn store(&mut self, pointer: Handle<Expression>, value: Handle<Expression>) {
        if let Expression::LocalVariable(local) = self.function.expressions[pointer] {
            let value = self.value(value);
            self.locals.insert(local, value);
        } else if let Some((buffer, words)) = self.buffer_words(pointer) {
            self.count.written.entry(buffer).or_default().extend(words);
        }
    }

    /// The words behind a pointer into a storage buffer.
    fn buffer_words(&self, pointer: Handle<Expression>) -> Option<(String, std::ops::Range<u32>)> {
        let (base, index) = match self.function.expressions[pointer] {
            Expression::Access { base, index } => (base, self.value(index)),
            Expression::AccessIndex { base, index } => (base, Value::Word(index)),
            _ => return None,
        };
        let Expression::GlobalVariable(global) = self.function.expressions[base] else { return None };
        let variable: &GlobalVariable = &self.module.global_variables[global];
        if !matches!(variable.space, AddressSpace::Storage { .. } | AddressSpace::Uniform) {
            return None;
        }
        let name = variable.name.clone().unwrap();
        let Value::Word(at) = index else { panic!("an address in `{name}` depends on data") };
        let (name, width) = name.strip_suffix("_f32").map_or((name.as_str(), 4), |role| (role, 1));
        Some((name.to_string(), at * width..(at + 1) * width))
    }
}

fn words(values: &[Value]) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for value in values {
        match value {
            Value::Word(word) => out.push(*word),
            Value::Words(words) => out.extend(words),
            _ => return None,
        }
    }
    Some(out)
}

fn binary(op: BinaryOperator, left: Value, right: Value) -> Value {
    use BinaryOperator::*;
    match (left, right) {
        (Value::Word(a), Value::Word(b)) => match op {
            Add => Value::Word(a.wrapping_add(b)),
            Subtract => Value::Word(a.wrapping_sub(b)),
            Multiply => Value::Word(a.wrapping_mul(b)),
            Divide => Value::Word(a / b),
            Modulo => Value::Word(a % b),
            Less => Value::Bool(a < b),
            GreaterEqual => Value::Bool(a >= b),
            _ => Value::Other,
        },
        (Value::Float(a), Value::Float(b)) => match op {
            Add => Value::Float(a + b),
            Subtract => Value::Float(a - b),
            Multiply => Value::Float(a * b),
            Divide => Value::Float(a / b),
            _ => Value::Other,
        },
        (Value::Words(a), Value::Words(b)) => {
            let pairs = a.into_iter().zip(b);
            match op {
                Add => Value::Words(pairs.map(|(a, b)| a.wrapping_add(b)).collect()),
                Multiply => Value::Words(pairs.map(|(a, b)| a.wrapping_mul(b)).collect()),
                _ => Value::Other,
            }
        }
        (Value::Words(a), Value::Word(b)) if op == Multiply => Value::Words(a.iter().map(|a| a * b).collect()),
        _ => Value::Other,
    }
}

/// A network `x -> widths` with its gradient.
fn network() -> Graph {
    let widths = [8, 16, 24, 4];
    let mut g = Builder::new("network");
    let mut h = g.input("x", widths[0]);
    for (i, pair) in widths.windows(2).enumerate() {
        let w = g.param(&format!("w{i}"), pair[0], pair[1], true);
        let b = g.param(&format!("b{i}"), 1, pair[1], true);
        h = g.dense(h, w, Some(b));
        if i + 2 < widths.len() {
            h = g.unary(Unary::Mish, h);
        }
    }
    let y = g.input("y", widths[3]);
    let error = g.sub(h, y);
    let error = g.square(error);
    let loss = g.sum(error);
    g.store("output", h);
    g.mean("loss", loss);
    g.differentiate(loss);
    g.finish().unwrap()
}

/// Midpoint integration of a small velocity field; `trained`: with its gradient through the loop.
fn flow(trained: bool) -> Graph {
    let (width, hidden, steps) = (4, 16, 3);
    let mut g = Builder::new("flow");
    let (obs, z) = (g.input("obs", 8), g.input("z", width));
    let (wx, wo) = (g.param("wx", width, hidden, trained), g.param("wo", 8, hidden, trained));
    let (w, c) = (g.param("w", hidden, width, trained), g.param("c", 1, width, trained));
    let velocity = |g: &mut Builder, x: NodeId| {
        let a = g.dense(x, wx, None);
        let s = g.dense(obs, wo, None);
        let h = g.add(a, s);
        let h = g.tanh(h);
        g.dense(h, w, Some(c))
    };
    let end = g.repeat(steps, &[z], |g, _, x| {
        let k1 = velocity(g, x[0]);
        let half = g.scale(k1, 0.5 / 3.0);
        let middle = g.add(x[0], half);
        let k2 = velocity(g, middle);
        let whole = g.scale(k2, 1.0 / 3.0);
        vec![g.add(x[0], whole)]
    });
    g.store("end", end[0]);
    if trained {
        let square = g.square(end[0]);
        let loss = g.sum(square);
        g.mean("loss", loss);
        g.differentiate(loss);
    }
    g.finish().unwrap()
}

/// Additions of biases, which start the sums and cost nothing in the text, of one row.
fn bias_additions(graph: &Graph, loop_steps: u64) -> u64 {
    let loops = graph.loops();
    let biased =
        graph.nodes.iter().zip(&loops).filter(|(node, _)| matches!(&node.op, Op::Dense(d) if d.bias.is_some()));
    biased.map(|(node, loops)| node.width as u64 * if loops.is_empty() { 1 } else { loop_steps }).sum()
}

#[test]
fn counted_work_is_what_the_text_of_the_kernel_does() {
    // Enough workgroup memory, and so little that values spill.
    let mut scratch = Vec::new();
    for bytes in [32 << 10, 4 << 10] {
        let target = Target { workgroup_bytes: bytes, ..Target::SOFTWARE };
        for (graph, steps) in [(network(), 1), (flow(false), 3), (flow(true), 3)] {
            let name = format!("{} of {} nodes, {bytes} bytes", graph.name, graph.nodes.len());
            let case = Case { target, rows: 4, shuffle: None, slices: 1 };
            let values = values(&graph, 4, &mut Fresh::new(1));
            let layout = layout(&graph, case, &values).unwrap();
            scratch.push(layout.tile.scratch_features);
            let args = TileArgs { rows: 4, shuffle_count: 4, ..TileArgs::default() };
            let seen = walk(&layout.tile.desc.wgsl, &args);
            let counted = of(&layout.tile.desc.work, &args);
            // A multiply-add is two operations on each of four rows.
            assert_eq!(8.0 * seen.fmas as f64, counted.matrix_flops, "{name}: matrix products");
            let others = seen.others + bias_additions(&graph, steps);
            assert_eq!(4.0 * others as f64, counted.other_flops, "{name}: other operations");
            let words = |of: &BTreeMap<String, BTreeSet<u32>>| of.values().map(BTreeSet::len).sum::<usize>();
            let bytes = 4 * (words(&seen.read) + words(&seen.written));
            assert_eq!(bytes as f64, counted.bytes, "{name}: bytes");
        }
    }
    let (wide, narrow) = scratch.split_at(3);
    assert!(narrow.iter().sum::<u32>() > wide.iter().sum(), "nothing spills: {scratch:?}");
}

/// Words of the gradient that a reduction writes. A weight that is used twice has two.
fn words_of(graph: &Graph, sink: &Sink) -> usize {
    match sink {
        Sink::GradDense { weight, dy, .. } => weight.rows as usize * graph.width(*dy),
        Sink::GradVector { dy, .. } => graph.width(*dy),
        Sink::Mean { .. } => 1,
        Sink::Store { .. } => 0,
    }
}

fn of(work: &CountedWork, args: &TileArgs) -> Work {
    work.of(bytemuck::bytes_of(args), [1, 1, 1]).unwrap()
}

#[test]
fn a_graphs_work_is_that_of_its_kernel_and_of_its_weight_gradients_together() {
    for graph in [network(), flow(true)] {
        let case = Case { target: Target::SOFTWARE, rows: 64, shuffle: None, slices: 1 };
        let layout = layout(&graph, case, &values(&graph, 64, &mut Fresh::new(2))).unwrap();
        let kernel = of(&layout.tile.desc.work, &TileArgs { rows: 64, ..TileArgs::default() });
        let args = WeightGradientArgs {
            tiles: 64 / layout.tile.shape.rows(),
            tile_features: layout.tile.scratch_features,
            tile_rows: layout.tile.shape.rows(),
            gradient_words: layout.words,
            first_slice: 0,
        };
        let gradients = weight_gradients::work(&layout.tile.jobs);
        let gradients = gradients.of(bytemuck::bytes_of(&args), [5, 3, 1]).unwrap();
        let (matrix, other) = work(&graph);
        assert_eq!(kernel.matrix_flops + gradients.matrix_flops, 64.0 * matrix as f64, "{}", graph.name);
        assert_eq!(kernel.other_flops + gradients.other_flops, 64.0 * other as f64, "{}", graph.name);
        // Five blocks of the table, three slices of gradients, and every operand of every row once.
        let written: usize = graph.sinks.iter().map(|sink| words_of(&graph, sink)).sum();
        let table = 5 * weight_gradients::BLOCK_WORDS;
        let operands = gradients.bytes / 4.0 - (3 * written + table) as f64;
        let features = operands / 64.0;
        assert!(features.fract() == 0.0 && features <= f64::from(layout.tile.scratch_features), "{features}");
    }
}

#[test]
fn dispatches_without_their_immediates_have_no_counted_work() {
    let work = CountedWork::of_args(|args: TileArgs, _| Work { bytes: f64::from(args.rows), ..Work::default() });
    assert_eq!(work.of(&[0; 3], [1, 1, 1]), None);
    assert_eq!(CountedWork::default().of(&[0; 32], [1, 1, 1]), None);
}
