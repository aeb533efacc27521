//! Turns a naga module into a list of instructions.
//!
//! Functions are written out at every call. Variables are followed as values: a store renames, an `if` ends in a selection, and
//! what a loop changes gets a slot that its iterations assign. A condition that is known here decides at once, and a
//! loop whose end is known here is written out, so that an index which counts is a constant.

mod call;
mod effects;
mod emit;
mod expression;
mod flow;
mod loops;
mod math;
mod numeric;
mod pointer;
mod site;

use std::collections::HashMap;

use naga::valid::ModuleInfo;
use naga::{AddressSpace, GlobalVariable, Handle, Module, Span, Type};

use super::error::{Lines, ProgramError};
use super::inst::{Inst, Slot};
use super::lane::Lane;
use call::Call;
use pointer::Pointer;
pub(super) use site::{Site, What};

/// Most instructions, and calls, of a program whose functions and loops are written out.
const INSTRUCTIONS: usize = 1 << 20;
/// Most values of a program before registers are given out: far fewer than rows can be addressed.
const SLOTS: Slot = 1 << 23;
/// Most components of a value, and of all variables at once.
const COMPONENTS: usize = 1 << 20;

/// Why building stops.
pub(super) enum Stop {
    /// The module is refused.
    Refused(ProgramError),
    /// A loop cannot be written out.
    Roll,
}

type Built<T> = Result<T, Stop>;

/// What an expression is.
#[derive(Clone, Debug)]
enum Value {
    /// A slot for each component.
    Slots(Vec<Slot>),
    Pointer(Pointer),
}

/// A variable: `count` components from `base` on in the list of current values, then, where it is watched, as many
/// that say whether the component is still without a value.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    ty: Handle<Type>,
    base: usize,
    count: usize,
    watched: bool,
}

impl Variable {
    fn all(&self) -> std::ops::Range<usize> {
        self.base..self.base + if self.watched { 2 * self.count } else { self.count }
    }
}

/// What the builder is told.
pub(super) struct Source<'a> {
    pub module: &'a Module,
    pub info: &'a ModuleInfo,
    pub text: &'a str,
    /// Names of the buffer variables in the order of a dispatch's buffers.
    pub bindings: &'a [String],
    /// Whether checks are built in.
    pub checked: bool,
    /// Bytes of the text that findings are attributed to, from the start.
    pub own: usize,
    /// Where `shaders/lib/rng.wgsl` stands in the text, unchanged.
    pub random: Option<std::ops::Range<usize>>,
}

/// What was built.
pub(super) struct Output {
    pub insts: Vec<Inst>,
    /// Values of the constant slots.
    pub constants: Vec<(Slot, u32)>,
    /// Slots of the immediates and the words they hold.
    pub immediates: Vec<(Slot, u32)>,
    pub sites: Vec<Site>,
    pub slots: u32,
}

pub(super) struct Builder<'a> {
    source: &'a Source<'a>,
    module: &'a Module,
    insts: Vec<Inst>,
    next: Slot,
    labels: u32,
    constants: HashMap<u32, Slot>,
    known: HashMap<Slot, u32>,
    immediates: HashMap<u32, Slot>,
    /// Operations that have been computed on the way here, and in which order they were added.
    computed: HashMap<(Lane, [Slot; 3]), Slot>,
    order: Vec<(Lane, [Slot; 3])>,
    variables: Vec<Variable>,
    /// The slot of every variable's component.
    current: Vec<Slot>,
    privates: HashMap<Handle<GlobalVariable>, usize>,
    buffers: HashMap<Handle<GlobalVariable>, u32>,
    /// The lanes that get here; `None` where none do.
    mask: Option<Slot>,
    /// How many branches and loops, not decided here, are open.
    depth: u32,
    calls: Vec<Call<'a>>,
    /// Spans of the calls under way, and of the statement or expression at hand.
    spans: Vec<Span>,
    span: Span,
    /// The built-in function being written out.
    within: Option<&'static str>,
    sites: Vec<Site>,
    lines: Lines,
    /// Calls that have been written out, those of abandoned attempts too.
    written: usize,
}

/// Builds the module's only entry point.
pub(super) fn build(source: &Source<'_>) -> Result<Output, ProgramError> {
    let mut builder = Builder::new(source);
    match builder.entry() {
        Ok(()) => Ok(builder.finish()),
        Err(Stop::Refused(error)) => Err(error),
        Err(Stop::Roll) => Err(ProgramError::at(source.text, Span::UNDEFINED, "a loop that cannot be executed")),
    }
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            module: source.module,
            insts: Vec::new(),
            next: 0,
            labels: 0,
            constants: HashMap::new(),
            known: HashMap::new(),
            immediates: HashMap::new(),
            computed: HashMap::new(),
            order: Vec::new(),
            variables: Vec::new(),
            current: Vec::new(),
            privates: HashMap::new(),
            buffers: HashMap::new(),
            mask: None,
            depth: 0,
            calls: Vec::new(),
            spans: Vec::new(),
            span: Span::UNDEFINED,
            within: None,
            sites: Vec::new(),
            lines: Lines::of(source.text),
            written: 0,
        }
    }

    fn finish(self) -> Output {
        let mut constants: Vec<(Slot, u32)> = self.constants.into_iter().map(|(word, slot)| (slot, word)).collect();
        constants.sort_unstable();
        let mut immediates: Vec<(Slot, u32)> = self.immediates.into_iter().map(|(word, slot)| (slot, word)).collect();
        immediates.sort_unstable();
        Output { insts: self.insts, constants, immediates, sites: self.sites, slots: self.next }
    }

    fn refuse<T>(&self, construct: impl Into<String>) -> Built<T> {
        Err(Stop::Refused(ProgramError::at(self.source.text, self.span, construct)))
    }

    fn unsupported<T>(&self, what: &str) -> Built<T> {
        self.refuse(format!("{what} is not supported by the CPU executor"))
    }

    /// Components of a type, or the refusal of one that has none.
    fn components(&self, inner: &naga::TypeInner) -> Built<usize> {
        match super::layout::components(self.module, inner) {
            Ok(count) if count as usize > COMPONENTS => {
                self.refuse(format!("a value of {count} components is too large: at most {COMPONENTS} are supported"))
            }
            Ok(count) => Ok(count as usize),
            Err(construct) => self.refuse(construct),
        }
    }

    /// Components of a new variable, or the refusal of one that is too large.
    fn room(&self, name: &Option<String>, ty: Handle<Type>) -> Built<usize> {
        let inner = &self.module.types[ty].inner;
        let before = self.current.len() / if self.source.checked { 2 } else { 1 };
        match super::layout::components(self.module, inner) {
            Ok(count) if before.saturating_add(count as usize) > COMPONENTS => {
                let name = name.as_deref().unwrap_or("a variable");
                self.refuse(format!(
                    "`{name}` has {count} components, too many: all variables together may have {COMPONENTS}"
                ))
            }
            _ => self.components(inner),
        }
    }

    /// Refuses a program that grows too large where it is written out.
    fn bounded(&self) -> Built<()> {
        if self.insts.len() <= INSTRUCTIONS && self.written <= INSTRUCTIONS && self.next <= SLOTS {
            return Ok(());
        }
        self.refuse(format!(
            "the program is too large with its functions and loops written out: at most {INSTRUCTIONS} instructions are supported"
        ))
    }

    /// Finds the place of every global variable.
    fn globals(&mut self) -> Built<()> {
        let module = self.module;
        for (handle, variable) in module.global_variables.iter() {
            self.span = module.global_variables.get_span(handle);
            match variable.space {
                AddressSpace::Storage { .. } | AddressSpace::Uniform => {
                    let name = variable.name.as_deref().unwrap_or_default();
                    match self.source.bindings.iter().position(|b| b == name) {
                        Some(index) => self.buffers.insert(handle, index as u32),
                        None => return self.refuse(format!("the buffer `{name}` is not among the kernel's bindings")),
                    };
                }
                AddressSpace::Private => {
                    let count = self.room(&variable.name, variable.ty)?;
                    let slots = match variable.init {
                        Some(init) => self.global_value(init)?,
                        None => vec![self.constant(0); count],
                    };
                    let index = self.declare(&variable.name, variable.ty, slots, false);
                    self.privates.insert(handle, index);
                }
                AddressSpace::Immediate => {}
                AddressSpace::WorkGroup => return self.unsupported("`var<workgroup>`"),
                AddressSpace::Handle => return self.unsupported("a texture or sampler"),
                _ => return self.unsupported("this address space"),
            }
        }
        Ok(())
    }

    /// A new variable; a watched one counts as unwritten.
    fn declare(&mut self, name: &Option<String>, ty: Handle<Type>, slots: Vec<Slot>, watched: bool) -> usize {
        let name = name.clone().unwrap_or_default();
        let variable = Variable { name, ty, base: self.current.len(), count: slots.len(), watched };
        let unwritten = self.constant(u32::MAX);
        self.current.extend(&slots);
        if watched {
            self.current.extend(std::iter::repeat_n(unwritten, slots.len()));
        }
        self.variables.push(variable);
        self.variables.len() - 1
    }
}
