//! Which operations a program needs, how often each is used, and which variables can take the place of others.

use std::collections::HashMap;

use super::tape::{Kind, Phi, Statement, Tape, Value};

/// What is known of every place on the tape.
#[derive(Debug)]
pub(super) struct Live {
    /// Whether it is needed.
    pub needed: Vec<bool>,
    /// Values that are written into their only user.
    pub inline: Vec<bool>,
    /// Variables read behind a branch that can be those that it began with, overwritten.
    pub in_place: Vec<bool>,
    /// The innermost block in which all users are. Blocks are numbered in the order in which they are printed, the program's is 0.
    pub homes: Vec<u32>,
}

/// What a variable depends on.
struct Source {
    values: Vec<Value>,
}

/// A value that is used once is written into its user up to so many characters.
const INLINE: usize = 72;

/// Who uses a value: how many, and within how many loops.
#[derive(Debug, Clone, Copy, Default)]
struct Users {
    count: u32,
    depth: u32,
}

impl Users {
    fn add(&mut self, depth: u32) {
        self.count += 1;
        self.depth = depth;
    }
}

fn add_values(tape: &Tape, values: &[Value], users: &mut [Users]) {
    for place in values.iter().filter_map(|value| value.place()) {
        users[place as usize].add(tape.depths[place as usize]);
    }
}

/// Looks at a whole program, whose results are `results`.
pub(super) fn live(tape: &Tape, statements: &[Statement], results: &[Value]) -> Live {
    let count = tape.nodes.len();
    let mut sources = HashMap::new();
    collect(statements, &mut Vec::new(), &mut sources);
    let none = || vec![false; count];
    let mut live = Live { needed: none(), inline: none(), in_place: none(), homes: Vec::new() };
    live.need(tape, &sources, results);
    live.find_homes(tape, statements, results);
    live.find_inline(tape, statements, results);
    let mut later = vec![false; count];
    reach(tape, results, &mut later);
    live.find_in_place(tape, statements, &mut later);
    live
}

/// For each variable what it needs: its values and the masks of all statements around.
fn collect(statements: &[Statement], around: &mut Vec<Value>, sources: &mut HashMap<u32, Source>) {
    for statement in statements {
        around.push(statement.mask());
        for phi in &statement.phis {
            let values: Vec<Value> = [phi.begin, phi.end].into_iter().chain(around.iter().copied()).collect();
            for read in phi.inner.into_iter().chain([phi.outer]) {
                sources.insert(read, Source { values: values.clone() });
            }
        }
        collect(&statement.body, around, sources);
        around.pop();
    }
}

impl Statement {
    pub fn mask(&self) -> Value {
        match self.kind {
            Kind::When(mask) | Kind::Repeat(_, mask) => mask,
        }
    }
}

impl Live {
    fn need(&mut self, tape: &Tape, sources: &HashMap<u32, Source>, results: &[Value]) {
        let mut open: Vec<u32> = results.iter().filter_map(|value| value.place()).collect();
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut self.needed[place as usize], true) {
                continue;
            }
            let source = sources.get(&place).map_or(&[][..], |source| &source.values);
            open.extend(tape.nodes[place as usize].operands.iter().chain(source).filter_map(|value| value.place()));
        }
    }

    /// Whether anything asks for the variable.
    pub fn keeps(&self, phi: &Phi) -> bool {
        self.needed[phi.outer as usize] || phi.inner.is_some_and(|inner| self.needed[inner as usize])
    }

    fn find_homes(&mut self, tape: &Tape, statements: &[Statement], results: &[Value]) {
        let mut homes = Homes { parents: vec![0], of: vec![None; tape.nodes.len()] };
        homes.add(0, results);
        self.add_homes(statements, 0, &mut homes);
        // Users stand behind what they use.
        for place in (0..tape.nodes.len()).rev().filter(|&place| self.needed[place]) {
            if let Some(block) = homes.of[place] {
                homes.add(block, &tape.nodes[place].operands);
            }
        }
        self.homes = homes.of.into_iter().map(Option::unwrap_or_default).collect();
    }

    fn add_homes(&self, statements: &[Statement], block: u32, homes: &mut Homes) {
        for statement in statements {
            let kept: Vec<&Phi> = statement.phis.iter().filter(|phi| self.keeps(phi)).collect();
            if kept.is_empty() {
                continue;
            }
            let body = homes.parents.len() as u32;
            homes.parents.push(block);
            let begins: Vec<Value> = kept.iter().map(|phi| phi.begin).collect();
            let ends: Vec<Value> = kept.iter().map(|phi| phi.end).collect();
            homes.add(block, &begins);
            homes.add(if matches!(statement.kind, Kind::When(_)) { block } else { body }, &[statement.mask()]);
            homes.add(body, &ends);
            self.add_homes(&statement.body, body, homes);
        }
    }

    fn find_inline(&mut self, tape: &Tape, statements: &[Statement], results: &[Value]) {
        let mut users: Vec<Users> = vec![Users::default(); tape.nodes.len()];
        let needed = || (0..tape.nodes.len()).filter(|&place| self.needed[place]);
        for user in needed() {
            for operand in tape.nodes[user].operands.iter().filter_map(|value| value.place()) {
                users[operand as usize].add(tape.depths[user]);
            }
        }
        self.add_statements(tape, statements, &mut users);
        add_values(tape, results, &mut users);
        let mut widths = vec![0; tape.nodes.len()];
        let mut inline = vec![false; tape.nodes.len()];
        for place in needed() {
            let node = &tape.nodes[place];
            let operand = |value: &Value| match value.place() {
                None => 10,
                Some(place) if inline[place as usize] => widths[place as usize],
                Some(_) => 5,
            };
            widths[place] = 6 + node.operands[..node.op.arity()].iter().map(operand).sum::<usize>();
            inline[place] = node.op.arity() > 0
                && users[place].count == 1
                && users[place].depth == tape.depths[place]
                && widths[place] <= INLINE;
        }
        self.inline = inline;
    }

    fn add_statements(&self, tape: &Tape, statements: &[Statement], users: &mut [Users]) {
        for statement in statements {
            let kept: Vec<Value> =
                statement.phis.iter().filter(|phi| self.keeps(phi)).flat_map(|phi| [phi.begin, phi.end]).collect();
            if !kept.is_empty() {
                // Twice: a name is better for what a statement is about.
                add_values(tape, &[statement.mask(), statement.mask()], users);
            }
            add_values(tape, &kept, users);
            self.add_statements(tape, &statement.body, users);
        }
    }

    /// Goes backwards through the statements; `later` holds what anything behind them needs.
    fn find_in_place(&mut self, tape: &Tape, statements: &[Statement], later: &mut [bool]) {
        let declared: Vec<u32> =
            statements.iter().flat_map(|statement| statement.phis.iter().map(|phi| phi.outer)).collect();
        for statement in statements.iter().rev() {
            let kept: Vec<Phi> = statement.phis.iter().filter(|phi| self.keeps(phi)).copied().collect();
            if kept.is_empty() {
                continue;
            }
            if matches!(statement.kind, Kind::When(_)) {
                for phi in &kept {
                    if let Some(begin) = phi.begin.place().filter(|begin| declared.contains(begin)) {
                        self.in_place[phi.outer as usize] = !later[begin as usize];
                    }
                }
            }
            let ends: Vec<Value> = kept.iter().map(|phi| phi.end).collect();
            reach(tape, &ends, later);
            if matches!(statement.kind, Kind::Repeat(..)) {
                reach(tape, &[statement.mask()], later);
            }
            self.find_in_place(tape, &statement.body, later);
            let begins: Vec<Value> = kept.iter().map(|phi| phi.begin).chain([statement.mask()]).collect();
            reach(tape, &begins, later);
        }
    }
}

/// Blocks of a program, and in which of them values are used.
struct Homes {
    /// The block around each.
    parents: Vec<u32>,
    of: Vec<Option<u32>>,
}

impl Homes {
    /// The values are used in a block.
    fn add(&mut self, block: u32, values: &[Value]) {
        for place in values.iter().filter_map(|value| value.place()) {
            let home = self.of[place as usize].map_or(block, |home| self.common(home, block));
            self.of[place as usize] = Some(home);
        }
    }

    /// The innermost block around two: what is around a block has a smaller number.
    fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            let inner = if a > b { &mut a } else { &mut b };
            *inner = self.parents[*inner as usize];
        }
        a
    }
}

/// Marks what values are computed from.
fn reach(tape: &Tape, values: &[Value], reached: &mut [bool]) {
    let mut open: Vec<u32> = values.iter().filter_map(|value| value.place()).collect();
    while let Some(place) = open.pop() {
        if !std::mem::replace(&mut reached[place as usize], true) {
            open.extend(tape.nodes[place as usize].operands.iter().filter_map(|value| value.place()));
        }
    }
}
