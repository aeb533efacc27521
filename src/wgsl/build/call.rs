//! Functions, written out where they are called.

use std::collections::HashMap;

use naga::valid::FunctionInfo;
use naga::{Binding, BuiltIn, Expression, Function, Handle, LocalVariable, Span};

use super::super::inst::{Draw, Input, Inst, Slot};
use super::super::lane::Lane;
use super::emit::Scope;
use super::flow::Target;
use super::{Builder, Built, Value};

/// Slots in which the values of several returns meet.
#[derive(Clone, Debug)]
pub(super) struct Meeting {
    result: Vec<Slot>,
    /// Components that outlive the call, and their slots.
    outer: Vec<(usize, Slot)>,
}

/// A call under way.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub function: &'a Function,
    pub info: &'a FunctionInfo,
    pub arguments: Vec<Value>,
    pub values: Vec<Option<Value>>,
    pub locals: HashMap<Handle<LocalVariable>, usize>,
    /// Loops and switches that are open.
    pub targets: Vec<Target>,
    /// Number of current values and open branches when it began.
    entry: usize,
    depth: u32,
    meeting: Option<Meeting>,
    result: Option<Vec<Slot>>,
    /// Behind the function.
    end: u32,
    /// From where on the function may have been skipped.
    skipped: Option<Scope>,
}

impl<'a> Builder<'a> {
    /// The whole program.
    pub(super) fn entry(&mut self) -> Built<()> {
        self.globals()?;
        let module = self.module;
        let [entry] = module.entry_points.as_slice() else {
            return self.refuse("expected exactly one entry point");
        };
        if entry.stage != naga::ShaderStage::Compute {
            return self.unsupported("an entry point that is not `@compute`");
        }
        let mask = self.input(Input::Active);
        self.mask = Some(mask);
        let mut arguments = Vec::new();
        for argument in &entry.function.arguments {
            let vector = |builder: &mut Self, input: fn(u8) -> Input| (0..3).map(|i| builder.input(input(i))).collect();
            let slots: Vec<Slot> = match argument.binding {
                Some(Binding::BuiltIn(BuiltIn::GlobalInvocationId)) => vector(self, Input::GlobalId),
                Some(Binding::BuiltIn(BuiltIn::LocalInvocationId)) => vector(self, Input::LocalId),
                Some(Binding::BuiltIn(BuiltIn::WorkGroupId)) => vector(self, Input::GroupId),
                Some(Binding::BuiltIn(BuiltIn::NumWorkGroups)) => vector(self, Input::Groups),
                Some(Binding::BuiltIn(BuiltIn::LocalInvocationIndex)) => vec![self.input(Input::LocalIndex)],
                _ => return self.unsupported("this input of the entry point"),
            };
            arguments.push(Value::Slots(slots));
        }
        self.inline(&entry.function, self.source.info.get_entry_point(0), arguments)?;
        Ok(())
    }

    fn input(&mut self, input: Input) -> Slot {
        let dst = self.fresh();
        self.insts.push(Inst::Input { dst, input });
        dst
    }

    /// A call statement.
    pub(super) fn call(
        &mut self,
        function: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Built<()> {
        self.written += 1;
        self.bounded()?;
        let mut values = Vec::new();
        for &argument in arguments {
            values.push(self.value(argument)?);
        }
        let module = self.module;
        let callee = &module.functions[function];
        self.spans.push(span);
        let value = match self.drawn(callee, module.functions.get_span(function), &values) {
            Some(slots) => Some(slots),
            None => self.inline(callee, &self.source.info[function], values)?,
        };
        self.spans.pop();
        if let (Some(result), Some(slots), Some(call)) = (result, value, self.calls.last_mut()) {
            call.values[result.index()] = Some(Value::Slots(slots));
        }
        Ok(())
    }

    /// The functions of the library of random numbers have loops of their own, if their text is the library's.
    fn drawn(&mut self, function: &Function, span: Span, arguments: &[Value]) -> Option<Vec<Slot>> {
        let library = self.source.random.as_ref()?;
        let range = span.to_range()?;
        let (draw, count) = match function.name.as_deref()? {
            "draw_words" => (Draw::Words, 4),
            "uniform_draw" => (Draw::Uniform, 1),
            "normal_draw" => (Draw::Normal, 1),
            _ => return None,
        };
        if range.start < library.start || range.end > library.end {
            return None;
        }
        let mut src = Vec::new();
        for argument in arguments {
            match argument {
                Value::Slots(slots) => src.extend(slots),
                Value::Pointer(_) => return None,
            }
        }
        if src.len() != 8 {
            return None;
        }
        let dst: Vec<Slot> = (0..count).map(|_| self.fresh()).collect();
        self.insts.push(Inst::Random { draw, dst: dst.clone(), src });
        Some(dst)
    }

    /// A function's code with these arguments; its result.
    fn inline(
        &mut self,
        function: &'a Function,
        info: &'a FunctionInfo,
        arguments: Vec<Value>,
    ) -> Built<Option<Vec<Slot>>> {
        let (mask, variables) = (self.mask, self.variables.len());
        let end = self.label();
        self.calls.push(Call {
            function,
            info,
            arguments,
            values: vec![None; function.expressions.len()],
            locals: HashMap::new(),
            targets: Vec::new(),
            entry: self.current.len(),
            depth: self.depth,
            meeting: None,
            result: None,
            end,
            skipped: None,
        });
        self.declare_locals(function)?;
        self.block(&function.body)?;
        if self.mask.is_some() {
            self.leave(None)?;
        }
        self.insts.push(Inst::Label(end));
        let call = self.calls.pop();
        self.mask = mask;
        self.variables.truncate(variables);
        let Some(call) = call else { return Ok(None) };
        if let Some(scope) = call.skipped {
            self.close(scope);
        }
        self.current.truncate(call.entry);
        match call.meeting {
            Some(meeting) => {
                for (component, slot) in meeting.outer {
                    self.current[component] = slot;
                }
                Ok(Some(meeting.result))
            }
            None => Ok(call.result),
        }
    }

    fn declare_locals(&mut self, function: &'a Function) -> Built<()> {
        for (handle, local) in function.local_variables.iter() {
            self.span = function.local_variables.get_span(handle);
            let count = self.room(&local.name, local.ty)?;
            let slots = match local.init {
                Some(init) => self.slots(init)?,
                None => vec![self.constant(0); count],
            };
            let watched = self.source.checked && local.init.is_none() && local.name.is_some();
            let index = self.declare(&local.name, local.ty, slots, watched);
            if let Some(call) = self.calls.last_mut() {
                call.locals.insert(handle, index);
            }
        }
        Ok(())
    }

    /// The address of a local variable.
    pub(super) fn local(&mut self, local: Handle<LocalVariable>) -> Built<Value> {
        let index = self.calls.last().and_then(|call| call.locals.get(&local).copied());
        match index {
            Some(index) => {
                let root = super::pointer::Root::Variable(index);
                Ok(Value::Pointer(super::pointer::Pointer { root, place: 0, indices: Vec::new() }))
            }
            None => self.refuse("an unknown variable"),
        }
    }

    /// A return of the lanes that get here.
    pub(super) fn leave(&mut self, value: Option<Handle<Expression>>) -> Built<()> {
        let value = match value {
            Some(value) => self.slots(value)?,
            None => Vec::new(),
        };
        let Some(mask) = self.mask.take() else { return Ok(()) };
        let Some(call) = self.calls.last() else { return Ok(()) };
        // Lanes that went on by `continue` are not here.
        let pending = call.targets.iter().any(|t| matches!(t, Target::Unrolled { next: Some(_), .. }));
        let (function, entry, all_leave) = (call.function, call.entry, call.depth == self.depth && !pending);
        if self.calls.len() == 1 {
            return Ok(()); // nothing outlives the entry point
        }
        if all_leave && call.meeting.is_none() {
            if let Some(call) = self.calls.last_mut() {
                call.result = Some(value);
            }
            return Ok(());
        }
        let meeting = match call.meeting.clone() {
            Some(meeting) => meeting,
            None => {
                let changed = self.changed(&[&function.body], entry);
                let result = value.iter().map(|_| self.fresh()).collect();
                let outer = changed.into_iter().map(|c| (c, self.fresh())).collect();
                Meeting { result, outer }
            }
        };
        let mut pairs: Vec<(Slot, Slot)> = meeting.result.iter().copied().zip(value).collect();
        pairs.extend(meeting.outer.iter().map(|&(component, slot)| (slot, self.current[component])));
        self.assign(Some(mask), &pairs);
        if let Some(call) = self.calls.last_mut() {
            call.meeting = Some(meeting);
        }
        Ok(())
    }

    /// Where no lane is left of all that are in the loop or function at hand, nothing up to its end need run.
    pub(super) fn skip_if_left(&mut self) {
        let scope = self.open();
        let (Some(mask), Some(call)) = (self.mask, self.calls.last_mut()) else { return };
        let label = match call.targets.last() {
            Some(Target::Loop { end, depth, next: None, .. }) if *depth == self.depth => *end,
            None if call.depth == self.depth => {
                call.skipped.get_or_insert(scope);
                call.end
            }
            _ => return,
        };
        self.insts.push(Inst::Skip { mask, label });
    }

    /// The lanes of `inner` that were in `outer` when it was last computed.
    pub(super) fn still(&mut self, inner: Slot, outer: Slot) -> Slot {
        if inner == outer { outer } else { self.op2(Lane::And, inner, outer) }
    }
}
