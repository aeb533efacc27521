//! Which variables a piece of code may change.

use std::collections::{BTreeSet, HashMap};

use naga::{AddressSpace, Block, Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Statement};

use super::pointer::Root;
use super::{Builder, Value};

/// What a store may change, as the function sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Target {
    Local(Handle<LocalVariable>),
    Argument(u32),
    Private(Handle<GlobalVariable>),
}

/// How control leaves a block.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Exits {
    /// A return.
    pub returns: bool,
    /// A `continue` of the loop around the block.
    pub continues: bool,
}

/// The exits of a block.
pub(super) fn exits(block: &Block) -> Exits {
    let mut all = Exits::default();
    let mut join = |exits: Exits, in_loop: bool| {
        all.returns |= exits.returns;
        all.continues |= exits.continues && !in_loop;
    };
    for statement in block.iter() {
        match statement {
            Statement::Return { .. } => join(Exits { returns: true, ..Exits::default() }, false),
            Statement::Continue => join(Exits { continues: true, ..Exits::default() }, false),
            Statement::Block(inner) => join(exits(inner), false),
            Statement::If { accept, reject, .. } => {
                join(exits(accept), false);
                join(exits(reject), false);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| join(exits(&case.body), false)),
            Statement::Loop { body, continuing, .. } => {
                join(exits(body), true);
                join(exits(continuing), true);
            }
            _ => {}
        }
    }
    all
}

fn target(module: &Module, function: &Function, pointer: Handle<Expression>) -> Option<Target> {
    match function.expressions[pointer] {
        Expression::LocalVariable(local) => Some(Target::Local(local)),
        Expression::FunctionArgument(index) => Some(Target::Argument(index)),
        Expression::GlobalVariable(global) => {
            (module.global_variables[global].space == AddressSpace::Private).then_some(Target::Private(global))
        }
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => target(module, function, base),
        _ => None,
    }
}

/// What functions change, as far as that is known: each is looked at once.
type Known = HashMap<Handle<Function>, BTreeSet<Target>>;

fn collect(module: &Module, function: &Function, block: &Block, found: &mut BTreeSet<Target>, known: &mut Known) {
    for statement in block.iter() {
        match statement {
            Statement::Store { pointer, .. } => found.extend(target(module, function, *pointer)),
            Statement::Block(inner) => collect(module, function, inner, found, known),
            Statement::If { accept, reject, .. } => {
                collect(module, function, accept, found, known);
                collect(module, function, reject, found, known);
            }
            Statement::Switch { cases, .. } => {
                cases.iter().for_each(|case| collect(module, function, &case.body, found, known));
            }
            Statement::Loop { body, continuing, .. } => {
                collect(module, function, body, found, known);
                collect(module, function, continuing, found, known);
            }
            Statement::Call { function: callee, arguments, .. } => {
                if !known.contains_key(callee) {
                    let (body, mut inner) = (&module.functions[*callee], BTreeSet::new());
                    collect(module, body, &body.body, &mut inner, known);
                    known.insert(*callee, inner);
                }
                for change in known.get(callee).into_iter().flatten().copied() {
                    match change {
                        Target::Private(_) => drop(found.insert(change)),
                        Target::Argument(index) => {
                            let argument = arguments.get(index as usize);
                            found.extend(argument.and_then(|&a| target(module, function, a)));
                        }
                        Target::Local(_) => {}
                    }
                }
            }
            _ => {}
        }
    }
}

impl Builder<'_> {
    /// The components, in the list of current values, that blocks of the function at hand may change, below `limit`.
    pub(super) fn changed(&self, blocks: &[&Block], limit: usize) -> Vec<usize> {
        let Some(call) = self.calls.last() else { return Vec::new() };
        let mut found = BTreeSet::new();
        let mut known = Known::new();
        blocks.iter().for_each(|block| collect(self.module, call.function, block, &mut found, &mut known));
        let mut variables = BTreeSet::new();
        for target in found {
            let variable = match target {
                Target::Local(local) => call.locals.get(&local).copied(),
                Target::Private(global) => self.privates.get(&global).copied(),
                Target::Argument(index) => match call.arguments.get(index as usize) {
                    Some(Value::Pointer(pointer)) => match pointer.root {
                        Root::Variable(index) => Some(index),
                        _ => None,
                    },
                    _ => None,
                },
            };
            variables.extend(variable);
        }
        let components = variables.into_iter().flat_map(|v| self.variables[v].all());
        components.filter(|&c| c < limit).collect()
    }
}
