//! The tape: operations that were recorded, each once, and the statements between which they stand.

use std::cell::RefCell;
use std::collections::HashMap;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// An input of the program, by its number.
    Input(u32),
    /// A variable, as a statement sees it: see [`Phi`].
    Read(u32),
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Sqrt,
    Sin,
    Cos,
    Atan2,
    Power,
    Abs,
    Min,
    Max,
    Less,
    Not,
    And,
    Or,
    Xor,
    Select,
}

impl Op {
    /// Whether it gives a mask.
    pub fn is_mask(self) -> bool {
        matches!(self, Op::Less | Op::Not | Op::And | Op::Or | Op::Xor)
    }

    /// Operands.
    pub fn arity(self) -> usize {
        match self {
            Op::Input(_) | Op::Read(_) => 0,
            Op::Neg | Op::Sqrt | Op::Sin | Op::Cos | Op::Abs | Op::Not => 1,
            Op::Select => 3,
            _ => 2,
        }
    }
}

/// A number, or a mask as 1 or 0: known while recording, or the place of its operation on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Known(f64),
    At(u32),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Value {
    /// What orders and distinguishes values.
    pub fn key(&self) -> (bool, u64) {
        match self {
            Value::At(place) => (false, u64::from(*place)),
            Value::Known(x) => (true, x.to_bits()),
        }
    }

    /// The place on the tape, if it has one.
    pub fn place(self) -> Option<u32> {
        if let Value::At(place) = self { Some(place) } else { None }
    }
}

/// An operation and its operands; those that it does not have are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub op: Op,
    pub operands: [Value; 3],
}

/// A variable that a statement carries: what it begins with, and what it becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phi {
    pub begin: Value,
    /// At the end of the statement's body.
    pub end: Value,
    /// What the body of a loop reads; nothing for a branch, whose body uses `begin`.
    pub inner: Option<u32>,
    /// What is read behind the statement.
    pub outer: u32,
}

/// A branch or a loop.
#[derive(Debug)]
pub(super) struct Statement {
    /// What it is, in a line.
    pub about: String,
    pub kind: Kind,
    pub body: Vec<Statement>,
    pub phis: Vec<Phi>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// The body runs where the mask is set.
    When(Value),
    /// The body runs while the mask is set at its end, at most that many times.
    Repeat(usize, Value),
}

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub nodes: Vec<Node>,
    /// For each node how many loops it depends on: it may stand outside all others.
    pub depths: Vec<u32>,
    places: HashMap<Node, u32>,
    /// Open blocks, the program's first.
    blocks: Vec<Vec<Statement>>,
    loops: u32,
    reads: u32,
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

/// Records what `program` does; returns that and its result.
pub(super) fn record<R>(program: impl FnOnce() -> R) -> (Tape, Vec<Statement>, R) {
    TAPE.with_borrow_mut(|tape| *tape = Tape { blocks: vec![Vec::new()], ..Tape::default() });
    let result = program();
    let mut tape = TAPE.take();
    let statements = tape.blocks.pop().unwrap_or_default();
    (tape, statements, result)
}

/// The operation's place; the same operation twice has one place.
pub(super) fn node(op: Op, operands: [Value; 3]) -> Value {
    TAPE.with_borrow_mut(|tape| tape.node(op, operands))
}

/// The operation at a place.
pub(super) fn at(place: u32) -> Node {
    TAPE.with_borrow(|tape| tape.nodes[place as usize])
}

pub(super) fn when(
    mask: Value,
    about: impl FnOnce() -> String,
    values: Vec<Value>,
    work: impl FnOnce(Vec<Value>) -> Vec<Value>,
) -> Vec<Value> {
    if let Value::Known(mask) = mask {
        return if mask != 0.0 { work(values) } else { values };
    }
    open();
    let results = work(values.clone());
    TAPE.with_borrow_mut(|tape| {
        let body = tape.blocks.pop().unwrap_or_default();
        let mut phis = Vec::new();
        let outer = values.iter().zip(&results).map(|(&begin, &end)| {
            if begin == end {
                return begin;
            }
            let read = tape.read(tape.loops);
            phis.push(Phi { begin, end, inner: None, outer: read });
            Value::At(read)
        });
        let outer = outer.collect();
        tape.push(Statement { about: about(), kind: Kind::When(mask), body, phis });
        outer
    })
}

pub(super) fn repeat(most: usize, values: Vec<Value>, body: impl Fn(Vec<Value>) -> (Vec<Value>, Value)) -> Vec<Value> {
    // A body that is never repeated is no loop.
    open();
    let (results, more) = body(values.clone());
    let statements = close();
    if most == 1 || more == Value::Known(0.0) {
        TAPE.with_borrow_mut(|tape| statements.into_iter().for_each(|statement| tape.push(statement)));
        return results;
    }
    let inner: Vec<u32> = TAPE.with_borrow_mut(|tape| {
        tape.loops += 1;
        values.iter().map(|_| tape.read(tape.loops)).collect()
    });
    open();
    let (ends, more) = body(inner.iter().map(|&place| Value::At(place)).collect());
    let body = close();
    TAPE.with_borrow_mut(|tape| {
        tape.loops -= 1;
        let mut phis = Vec::new();
        for ((&begin, &end), &inner) in values.iter().zip(&ends).zip(&inner) {
            let outer = tape.read(tape.loops);
            phis.push(Phi { begin, end, inner: Some(inner), outer });
        }
        let outer = phis.iter().map(|phi| Value::At(phi.outer)).collect();
        tape.push(Statement { about: String::new(), kind: Kind::Repeat(most, more), body, phis });
        outer
    })
}

fn open() {
    TAPE.with_borrow_mut(|tape| tape.blocks.push(Vec::new()));
}

fn close() -> Vec<Statement> {
    TAPE.with_borrow_mut(|tape| tape.blocks.pop().unwrap_or_default())
}

impl Tape {
    fn node(&mut self, op: Op, operands: [Value; 3]) -> Value {
        let node = Node { op, operands };
        if let Some(&place) = self.places.get(&node) {
            return Value::At(place);
        }
        let depth = |value: &Value| value.place().map_or(0, |place| self.depths[place as usize]);
        let depth = operands.iter().map(depth).max().unwrap_or(0);
        let place = self.nodes.len() as u32;
        self.places.insert(node, place);
        self.nodes.push(node);
        self.depths.push(depth);
        Value::At(place)
    }

    /// A new variable that can be read inside so many loops.
    fn read(&mut self, loops: u32) -> u32 {
        let place = self.nodes.len() as u32;
        self.nodes.push(Node { op: Op::Read(self.reads), operands: [Value::Known(0.0); 3] });
        self.depths.push(loops);
        self.reads += 1;
        place
    }

    fn push(&mut self, statement: Statement) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(statement);
        }
    }
}
