//! Which barriers of a module not every invocation of a workgroup may reach: a dataflow over naga's IR.
//!
//! A value is *divergent* when two invocations of one workgroup may hold different ones. Locals are followed without
//! regard to order: one divergent store, or one store that only some invocations make, taints a local for good.
//! Control flow is divergent under a divergent condition, in a loop that some invocations leave or continue before
//! others, and after a return that only some take. Like WGSL's own analysis this refuses some correct programs and
//! accepts no wrong one.

mod walk;

use std::collections::HashMap;

use naga::{BuiltIn, Function, GlobalVariable, Handle, Span};

use walk::Walk;

/// Where invocations begin to differ.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Source {
    /// An input of the invocation.
    BuiltIn(BuiltIn),
    /// Memory that invocations may see in different states.
    Global(Handle<GlobalVariable>),
    /// The old value that an atomic operation returns.
    Atomic,
    /// A value that this analysis does not follow.
    Unknown,
}

/// What makes control flow divergent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Divider {
    /// The condition of an `if` or `switch`.
    Branch,
    /// A condition that ends a loop or one of its iterations.
    Loop,
    /// A return that only some invocations take.
    Return,
}

/// The statement that divides the invocations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Cause {
    pub(super) divider: Divider,
    /// The condition's statement, or the return.
    pub(super) span: Span,
    pub(super) source: Source,
}

/// A barrier that only some invocations of a workgroup may reach.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct DivergentBarrier {
    pub(super) span: Span,
    pub(super) cause: Cause,
}

/// All divergent barriers of a module's entry points and of the functions they call.
pub(super) fn divergent_barriers(module: &naga::Module) -> Vec<DivergentBarrier> {
    let mut analysis = Analysis { module, found: Vec::new(), effects: HashMap::new() };
    for entry in &module.entry_points {
        let arguments = entry.function.arguments.iter();
        let arguments = arguments.map(|argument| Argument { value: analysis.input(argument), pointee: None }).collect();
        Walk::new(&mut analysis, &entry.function, arguments, None).run();
    }
    analysis.found
}

/// A function's argument as its caller sees it.
#[derive(Clone, Copy)]
struct Argument {
    value: Option<Source>,
    /// What a pointer argument points to.
    pointee: Option<Source>,
}

/// What a call does to its caller.
#[derive(Clone)]
struct Effect {
    result: Option<Source>,
    pointees: Vec<Option<Source>>,
}

/// A function, the divergence of its arguments (value, pointee) and of the place of the call.
type Context = (Handle<Function>, Vec<[bool; 2]>, bool);

struct Analysis<'m> {
    module: &'m naga::Module,
    found: Vec<DivergentBarrier>,
    /// Calls seen so far.
    effects: HashMap<Context, Effect>,
}

impl Analysis<'_> {
    /// Divergence of an entry point's argument; of the first divergent member when it is a struct.
    fn input(&self, argument: &naga::FunctionArgument) -> Option<Source> {
        match (&argument.binding, &self.module.types[argument.ty].inner) {
            (Some(binding), _) => bound(binding),
            (None, naga::TypeInner::Struct { members, .. }) => {
                members.iter().find_map(|member| member.binding.as_ref().map_or(Some(Source::Unknown), bound))
            }
            _ => Some(Source::Unknown),
        }
    }

    fn member(&self, argument: &naga::FunctionArgument, index: u32) -> Option<&naga::Binding> {
        match &self.module.types[argument.ty].inner {
            naga::TypeInner::Struct { members, .. } => members.get(index as usize)?.binding.as_ref(),
            _ => None,
        }
    }

    fn call(&mut self, function: Handle<Function>, arguments: Vec<Argument>, control: Option<Cause>) -> Effect {
        let flags = arguments.iter().map(|a| [a.value.is_some(), a.pointee.is_some()]).collect();
        let key = (function, flags, control.is_some());
        if let Some(effect) = self.effects.get(&key) {
            return effect.clone();
        }
        let module = self.module;
        let effect = Walk::new(self, &module.functions[function], arguments, control).run();
        self.effects.insert(key, effect.clone());
        effect
    }
}

fn bound(binding: &naga::Binding) -> Option<Source> {
    match binding {
        naga::Binding::BuiltIn(
            BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups | BuiltIn::WorkGroupSize | BuiltIn::NumSubgroups,
        ) => None,
        naga::Binding::BuiltIn(builtin) => Some(Source::BuiltIn(*builtin)),
        naga::Binding::Location { .. } => Some(Source::Unknown),
    }
}
