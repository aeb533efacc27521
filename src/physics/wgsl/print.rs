//! A recorded program as WGSL: straight lines of named values, between branches and loops.
//!
//! A value is written before it is first needed, in the innermost block around all that need it; what a loop does not change stands
//! before it. What a long branch does becomes a function of
//! its own, because naga's time for a function grows with the square of its length.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use super::live::{Live, live};
use super::tape::{Kind, Node, Op, Phi, Statement, Tape, Value};

/// Lines of a block that is being written, and the places whose names are known in it.
struct Block {
    text: String,
    named: Vec<u32>,
    /// Loops around its lines, if it is a loop's body.
    repeats: Option<u32>,
    /// Its number in [`Live::homes`].
    number: u32,
}

/// Lines of a branch from which on it is a function.
const OUTLINE: usize = 24;

/// A program's text: the functions that it calls, and the body of the function that it is.
#[derive(Debug)]
pub(super) struct Text {
    pub functions: String,
    pub body: String,
}

/// Writes the statements and assigns the results to the targets. `inputs` are names and expressions of the inputs; the names of
/// functions begin with `prefix`.
pub(super) fn print(
    tape: &Tape,
    statements: &[Statement],
    results: &[(String, Value)],
    inputs: &[(String, String)],
    prefix: &str,
) -> Text {
    let values: Vec<Value> = results.iter().map(|(_, value)| *value).collect();
    let mut printer = Printer {
        tape,
        live: live(tape, statements, &values),
        inputs,
        names: vec![None; tape.nodes.len()],
        blocks: Vec::new(),
        opened: 0,
        count: 0,
        loops: 0,
        declared: HashMap::new(),
        functions: String::new(),
        prefix,
    };
    printer.open(None);
    printer.statements(statements);
    // All are computed before the first is assigned.
    let texts: Vec<String> = values.iter().map(|value| printer.value(*value)).collect();
    for ((target, _), text) in results.iter().zip(texts) {
        printer.line(&format!("{target} = {text};"));
    }
    let body = printer.close();
    Text { functions: printer.functions, body }
}

struct Printer<'a> {
    tape: &'a Tape,
    live: Live,
    /// Name and expression of each.
    inputs: &'a [(String, String)],
    names: Vec<Option<String>>,
    blocks: Vec<Block>,
    /// Blocks so far.
    opened: u32,
    count: usize,
    loops: u32,
    /// Type of each name, and the block in which it was declared.
    declared: HashMap<String, (&'static str, usize)>,
    functions: String,
    prefix: &'a str,
}

impl Printer<'_> {
    fn open(&mut self, repeats: Option<u32>) {
        let number = self.opened;
        self.opened += 1;
        self.blocks.push(Block { text: String::new(), named: Vec::new(), repeats, number });
    }

    fn close(&mut self) -> String {
        let Some(block) = self.blocks.pop() else { return String::new() };
        for place in block.named {
            self.names[place as usize] = None;
        }
        block.text
    }

    fn line(&mut self, text: &str) {
        self.line_in(self.blocks.len() - 1, text);
    }

    fn line_in(&mut self, block: usize, text: &str) {
        let _ = writeln!(self.blocks[block].text, "{:width$}{text}", "", width = 4 * (block + 1));
    }

    fn name(&mut self, place: u32, block: usize, name: String) {
        self.names[place as usize] = Some(name);
        self.blocks[block].named.push(place);
    }

    fn fresh(&mut self, letter: &str) -> String {
        self.count += 1;
        format!("{letter}{}", self.count)
    }

    fn node(&self, place: u32) -> Node {
        self.tape.nodes[place as usize]
    }

    /// Writes what a value needs, and gives its expression.
    fn value(&mut self, value: Value) -> String {
        if let Value::At(place) = value {
            self.define(place);
        }
        self.text(value, u32::MAX).0
    }

    /// Writes the values that are needed for a place, in the order of their recording.
    fn define(&mut self, place: u32) {
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            if self.names[place as usize].is_some() || !seen.insert(place) {
                continue;
            }
            if !self.live.inline[place as usize] {
                wanted.push(place);
            }
            let node = self.node(place);
            open.extend(node.operands[..node.op.arity()].iter().filter_map(|value| value.place()));
        }
        wanted.sort_unstable();
        for place in wanted {
            // Inputs are read where the arguments are.
            let (block, name, text) = match self.node(place).op {
                Op::Input(number) => {
                    let (name, text) = self.inputs[number as usize].clone();
                    (0, name, text)
                }
                _ => (self.home(place), self.fresh("t"), self.operation(place).0),
            };
            self.line_in(block, &format!("let {name} = {text};"));
            let kind = if self.node(place).op.is_mask() { "bool" } else { "f32" };
            self.declared.insert(name.clone(), (kind, block));
            self.name(place, block, name);
        }
    }

    /// The block in which a value is written: around all users, and outside the loops that it does not depend on.
    fn home(&self, place: u32) -> usize {
        let (home, depth) = (self.live.homes[place as usize], self.tape.depths[place as usize]);
        let mut block = self.blocks.iter().rposition(|block| block.number == home).unwrap_or(0);
        while self.blocks[block].repeats.is_some_and(|loops| loops > depth) {
            block -= 1;
        }
        block
    }

    /// A value's expression, in parentheses where an operator of that strength stands beside it.
    fn text(&self, value: Value, strength: u32) -> (String, u32) {
        let (text, own) = match value {
            Value::Known(x) => (number(x), if x < 0.0 { 2 } else { 0 }),
            Value::At(place) => match &self.names[place as usize] {
                Some(name) => (name.clone(), 0),
                None => self.operation(place),
            },
        };
        if own >= strength { (format!("({text})"), 0) } else { (text, own) }
    }

    /// An operation's expression and the strength of its operator: 0 binds best.
    fn operation(&self, place: u32) -> (String, u32) {
        let node = self.node(place);
        let operand = |k: usize, strength: u32| self.text(node.operands[k], strength).0;
        let infix = |sign: &str, left: u32, right: u32, own: u32| {
            (format!("{} {sign} {}", operand(0, left), operand(1, right)), own)
        };
        let call = |name: &str, count: usize| {
            let operands: Vec<String> = (0..count).map(|k| operand(k, u32::MAX)).collect();
            (format!("{name}({})", operands.join(", ")), 0)
        };
        match node.op {
            Op::Input(number) => (self.inputs[number as usize].0.clone(), 0),
            Op::Read(number) => (format!("read_{number}"), 0),
            Op::Add => infix("+", 4, 3, 3),
            Op::Sub => infix("-", 4, 3, 3),
            Op::Mul => infix("*", 3, 2, 2),
            Op::Div => infix("/", 3, 2, 2),
            Op::Neg => (format!("-{}", operand(0, 1)), 1),
            Op::Less => infix("<", 4, 4, 5),
            Op::Not => (format!("!{}", operand(0, 1)), 1),
            Op::And => infix("&", 1, 1, 6),
            Op::Or => infix("|", 1, 1, 6),
            Op::Xor => infix("!=", 1, 1, 6),
            Op::Sqrt => call("sqrt", 1),
            Op::Sin => call("sin", 1),
            Op::Cos => call("cos", 1),
            Op::Atan2 => call("atan2", 2),
            Op::Power => call("pow", 2),
            Op::Abs => call("abs", 1),
            Op::Min => call("min", 2),
            Op::Max => call("max", 2),
            Op::Select => {
                let [mask, yes, no] = [0, 1, 2].map(|k| operand(k, u32::MAX));
                (format!("select({no}, {yes}, {mask})"), 0)
            }
        }
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            let phis: Vec<Phi> = statement.phis.iter().filter(|phi| self.live.keeps(phi)).copied().collect();
            if phis.is_empty() {
                continue;
            }
            match statement.kind {
                Kind::When(mask) => self.when(statement, mask, &phis),
                Kind::Repeat(most, mask) => self.repeat(statement, most, mask, &phis),
            }
        }
    }

    fn when(&mut self, statement: &Statement, mask: Value, phis: &[Phi]) {
        let mask = self.value(mask);
        let mut names = Vec::new();
        for phi in phis {
            let begun = phi.begin.place().and_then(|place| self.names[place as usize].clone());
            match begun.filter(|_| self.live.in_place[phi.outer as usize]) {
                Some(name) => names.push(name),
                None => {
                    let text = self.value(phi.begin);
                    names.push(self.variable(&text));
                }
            }
        }
        self.open(None);
        self.statements(&statement.body);
        self.assign(phis, &names);
        let body = self.close();
        self.line(&format!("if ({mask}) {{ // {}", statement.about));
        match body.lines().count() > OUTLINE {
            true => self.call(&body, &names, &statement.about),
            false => self.insert(&body),
        }
        self.line("}");
        self.name_outer(phis, names);
    }

    fn variable(&mut self, begin: &str) -> String {
        let name = self.fresh("v");
        self.line(&format!("var {name} = {begin};"));
        self.declared.insert(name.clone(), ("f32", self.blocks.len() - 1));
        name
    }

    /// Makes a function of a branch's body, which sets the variables, and writes its call.
    fn call(&mut self, body: &str, variables: &[String], about: &str) {
        let block = self.blocks.len();
        let mentioned: BTreeSet<&str> = words(body).collect();
        let outside: Vec<(&str, &str)> = mentioned
            .into_iter()
            .filter_map(|word| self.declared.get(word).map(|(kind, at)| (word, *kind, *at)))
            .filter(|(.., at)| *at < block)
            .map(|(word, kind, _)| (word, kind))
            .collect();
        let is_variable = |word: &str| variables.iter().any(|name| name == word);
        let parameters: Vec<String> = outside
            .iter()
            .map(|(word, kind)| match is_variable(word) {
                true => format!("{word}_before: {kind}"),
                false => format!("{word}: {kind}"),
            })
            .collect();
        let function = self.fresh(&format!("{}_part", self.prefix));
        let count = variables.len();
        let mut text = format!("\n// {about}\nfn {function}({}) -> array<f32, {count}> {{\n", parameters.join(", "));
        for name in variables {
            let read = outside.iter().any(|(word, _)| word == name);
            let begin = if read { format!("{name}_before") } else { "0.0".into() };
            let _ = writeln!(text, "    var {name} = {begin};");
        }
        for line in body.lines() {
            let _ = writeln!(text, "{}", line.get(4 * block..).unwrap_or_default());
        }
        let _ = writeln!(text, "    return array<f32, {count}>({});\n}}", variables.join(", "));
        self.functions.push_str(&text);
        let arguments: Vec<&str> = outside.iter().map(|(word, _)| *word).collect();
        let made = self.fresh("r");
        let mut lines = format!("{:w$}let {made} = {function}({});\n", "", arguments.join(", "), w = 4 * (block + 1));
        for (index, name) in variables.iter().enumerate() {
            let _ = writeln!(lines, "{:w$}{name} = {made}[{index}];", "", w = 4 * (block + 1));
        }
        self.insert(&lines);
    }

    fn repeat(&mut self, statement: &Statement, most: usize, more: Value, phis: &[Phi]) {
        let mut names = Vec::new();
        for phi in phis {
            let text = self.value(phi.begin);
            names.push(self.variable(&text));
        }
        self.loops += 1;
        let counter = self.fresh("i");
        self.open(Some(self.loops));
        let block = self.blocks.len() - 1;
        for (phi, name) in phis.iter().zip(&names) {
            if let Some(inner) = phi.inner {
                self.name(inner, block, name.clone());
            }
        }
        self.statements(&statement.body);
        let more = self.value(more);
        let done = self.fresh("done");
        self.line(&format!("let {done} = !({more});"));
        self.assign(phis, &names);
        self.line(&format!("if ({done}) {{ break; }}"));
        let body = self.close();
        self.loops -= 1;
        self.line(&format!("for (var {counter} = 0; {counter} < {most}; {counter}++) {{"));
        self.insert(&body);
        self.line("}");
        self.name_outer(phis, names);
    }

    /// Sets the variables of a statement at the end of its body, each to what it would be before any is set.
    fn assign(&mut self, phis: &[Phi], names: &[String]) {
        let mut texts = Vec::new();
        for (phi, name) in phis.iter().zip(names) {
            let text = self.value(phi.end);
            let others = names.iter().filter(|other| *other != name);
            if others.into_iter().any(|other| mentions(&text, other)) {
                let held = self.fresh("t");
                self.line(&format!("let {held} = {text};"));
                texts.push(held);
            } else {
                texts.push(text);
            }
        }
        for (name, text) in names.iter().zip(texts).filter(|(name, text)| *name != text) {
            self.line(&format!("{name} = {text};"));
        }
    }

    fn insert(&mut self, body: &str) {
        if let Some(block) = self.blocks.last_mut() {
            block.text.push_str(body);
        }
    }

    fn name_outer(&mut self, phis: &[Phi], names: Vec<String>) {
        let block = self.blocks.len() - 1;
        for (phi, name) in phis.iter().zip(names) {
            self.name(phi.outer, block, name);
        }
    }
}

/// Whether a name stands in an expression.
fn mentions(text: &str, name: &str) -> bool {
    words(text).any(|word| word == name)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// A number that is an f32.
pub(super) fn number(x: f64) -> String {
    format!("{:?}", (x as f32).clamp(f32::MIN, f32::MAX))
}
