//! One function in one calling context: which of its values, locals and statements are divergent.

use naga::{AddressSpace, Block, Expression, Function, GlobalVariable, Handle, LocalVariable, Span, Statement};

use super::{Analysis, Argument, Cause, DivergentBarrier, Divider, Effect, Source, bound};

/// A `loop` or `switch` around the current statement.
struct Frame {
    is_loop: bool,
    /// Why some invocations may have left it, or its current iteration.
    left: Option<Cause>,
}

/// What a pointer expression leads to.
enum Root {
    Local(Handle<LocalVariable>),
    Argument(usize),
    Global(Handle<GlobalVariable>),
    Unknown,
}

/// One function in one calling context.
pub(super) struct Walk<'a, 'm> {
    analysis: &'a mut Analysis<'m>,
    function: &'m Function,
    /// Divergence at the call.
    outside: Option<Cause>,
    arguments: Vec<Argument>,
    values: Vec<Option<Source>>,
    locals: Vec<Option<Source>>,
    result: Option<Source>,
    /// Loops in the order of their text, and why some invocations leave them early.
    loops: Vec<Option<Cause>>,
    loops_seen: usize,
    conditions: Vec<Cause>,
    frames: Vec<Frame>,
    returned: Option<Cause>,
    changed: bool,
    reports: bool,
}

impl<'a, 'm> Walk<'a, 'm> {
    pub(super) fn new(
        analysis: &'a mut Analysis<'m>,
        function: &'m Function,
        arguments: Vec<Argument>,
        outside: Option<Cause>,
    ) -> Self {
        Self {
            analysis,
            function,
            outside,
            arguments,
            values: vec![None; function.expressions.len()],
            locals: vec![None; function.local_variables.len()],
            result: None,
            loops: Vec::new(),
            loops_seen: 0,
            conditions: Vec::new(),
            frames: Vec::new(),
            returned: None,
            changed: false,
            reports: false,
        }
    }

    /// Repeats until nothing new is divergent, then reports.
    pub(super) fn run(mut self) -> Effect {
        loop {
            self.changed = false;
            self.pass();
            if !self.changed {
                break;
            }
        }
        self.reports = true;
        self.pass();
        Effect { result: self.result, pointees: self.arguments.iter().map(|argument| argument.pointee).collect() }
    }

    fn pass(&mut self) {
        // Operands stand before their users in the arena, so one sweep suffices for what loads and calls gave.
        let function = self.function;
        for (handle, expression) in function.expressions.iter() {
            let value = self.evaluate(handle, expression);
            raise(&mut self.values[handle.index()], value, &mut self.changed);
        }
        (self.loops_seen, self.returned) = (0, None);
        self.block(&function.body);
    }

    fn value(&self, expression: Handle<Expression>) -> Option<Source> {
        self.values[expression.index()]
    }

    fn evaluate(&self, handle: Handle<Expression>, expression: &Expression) -> Option<Source> {
        let value = |expression: &Handle<Expression>| self.value(*expression);
        match expression {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::ArrayLength(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
            | Expression::WorkGroupUniformLoadResult { .. } => None,
            Expression::FunctionArgument(index) => self.arguments[*index as usize].value,
            Expression::CallResult(_) => self.value(handle),
            Expression::AtomicResult { .. } => Some(Source::Atomic),
            Expression::Compose { components, .. } => components.iter().find_map(value),
            Expression::Access { base, index } => value(base).or(value(index)),
            Expression::AccessIndex { base, index } => match self.function.expressions[*base] {
                Expression::FunctionArgument(argument) => {
                    let argument = &self.function.arguments[argument as usize];
                    self.analysis.member(argument, *index).map_or(value(base), bound)
                }
                _ => value(base),
            },
            Expression::Splat { value: inner, .. }
            | Expression::Swizzle { vector: inner, .. }
            | Expression::Unary { expr: inner, .. }
            | Expression::Relational { argument: inner, .. }
            | Expression::As { expr: inner, .. } => value(inner),
            Expression::Binary { left, right, .. } => value(left).or(value(right)),
            Expression::Select { condition, accept, reject } => [condition, accept, reject].into_iter().find_map(value),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                [Some(arg), arg1.as_ref(), arg2.as_ref(), arg3.as_ref()].into_iter().flatten().find_map(value)
            }
            Expression::Load { pointer } => value(pointer).or(self.stored(*pointer)),
            _ => Some(Source::Unknown),
        }
    }

    fn root(&self, pointer: Handle<Expression>) -> Root {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(local) => Root::Local(local),
            Expression::GlobalVariable(global) => Root::Global(global),
            Expression::FunctionArgument(index) => Root::Argument(index as usize),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.root(base),
            _ => Root::Unknown,
        }
    }

    /// Divergence of the memory that a pointer leads to.
    fn stored(&self, pointer: Handle<Expression>) -> Option<Source> {
        match self.root(pointer) {
            Root::Local(local) => self.locals[local.index()],
            Root::Argument(index) => self.arguments[index].pointee,
            Root::Global(global) => match self.analysis.module.global_variables[global].space {
                AddressSpace::Uniform | AddressSpace::Immediate => None,
                AddressSpace::Storage { access } if !access.contains(naga::StorageAccess::STORE) => None,
                _ => Some(Source::Global(global)),
            },
            Root::Unknown => Some(Source::Unknown),
        }
    }

    fn taint(&mut self, pointer: Handle<Expression>, source: Option<Source>) {
        match self.root(pointer) {
            Root::Local(local) => raise(&mut self.locals[local.index()], source, &mut self.changed),
            Root::Argument(index) => raise(&mut self.arguments[index].pointee, source, &mut self.changed),
            // Global memory is uniform or divergent by its kind.
            Root::Global(_) | Root::Unknown => {}
        }
    }

    /// Why some invocations may not be here; the nearest reason first.
    fn control(&self) -> Option<Cause> {
        let left = self.frames.iter().rev().find_map(|frame| frame.left);
        self.conditions.last().copied().or(left).or(self.returned).or(self.outside)
    }

    fn block(&mut self, block: &'m Block) {
        for (statement, span) in block.span_iter() {
            self.statement(statement, *span);
        }
    }

    fn statement(&mut self, statement: &'m Statement, span: Span) {
        match statement {
            Statement::Block(block) => self.block(block),
            Statement::If { condition, accept, reject } => {
                self.under(*condition, span, |walk| [accept, reject].into_iter().for_each(|block| walk.block(block)));
            }
            Statement::Switch { selector, cases } => {
                self.frames.push(Frame { is_loop: false, left: None });
                self.under(*selector, span, |walk| cases.iter().for_each(|case| walk.block(&case.body)));
                self.frames.pop();
            }
            Statement::Loop { body, continuing, break_if } => self.repeat(body, continuing, *break_if, span),
            Statement::Break => self.leave(self.frames.len().saturating_sub(1), Divider::Loop),
            Statement::Continue => {
                let nearest = self.frames.iter().rposition(|frame| frame.is_loop);
                self.leave(nearest.unwrap_or(0), Divider::Loop);
            }
            Statement::Return { value } => {
                let control = self.control();
                let returned = value.and_then(|value| self.value(value)).or(control.map(|cause| cause.source));
                raise(&mut self.result, returned, &mut self.changed);
                self.leave(0, Divider::Return);
                let cause = control.map(|cause| Cause { divider: Divider::Return, span, ..cause });
                self.returned = self.returned.or(cause);
            }
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => {
                if let (true, Some(cause)) = (self.reports, self.control()) {
                    self.analysis.found.push(DivergentBarrier { span, cause });
                }
            }
            Statement::Store { pointer, value } => {
                let control = self.control().map(|cause| cause.source);
                self.taint(*pointer, self.value(*value).or(self.value(*pointer)).or(control));
            }
            Statement::Call { function, arguments, result } => self.call(*function, arguments, *result),
            _ => {}
        }
    }

    fn under(&mut self, condition: Handle<Expression>, span: Span, body: impl FnOnce(&mut Self)) {
        let source = self.value(condition);
        self.conditions.extend(source.map(|source| Cause { divider: Divider::Branch, span, source }));
        body(self);
        if source.is_some() {
            self.conditions.pop();
        }
    }

    fn repeat(&mut self, body: &'m Block, continuing: &'m Block, break_if: Option<Handle<Expression>>, span: Span) {
        let number = self.loops_seen;
        self.loops_seen += 1;
        if self.loops.len() <= number {
            self.loops.push(None);
        }
        // Whoever leaves early is missing from the next iteration on, so the last pass's reason holds from the top.
        self.frames.push(Frame { is_loop: true, left: self.loops[number] });
        self.block(body);
        self.block(continuing);
        if let Some(source) = break_if.and_then(|condition| self.value(condition))
            && let Some(frame) = self.frames.last_mut()
        {
            frame.left = frame.left.or(Some(Cause { divider: Divider::Loop, span, source }));
        }
        let left = self.frames.pop().and_then(|frame| frame.left);
        raise(&mut self.loops[number], left, &mut self.changed);
    }

    /// Some invocations jump out of all frames from `outermost` inwards, if control is divergent here.
    fn leave(&mut self, outermost: usize, divider: Divider) {
        let Some(cause) = self.control() else { return };
        let divider = if cause.divider == Divider::Branch { divider } else { cause.divider };
        for frame in self.frames.iter_mut().skip(outermost) {
            frame.left = frame.left.or(Some(Cause { divider, ..cause }));
        }
    }

    fn call(
        &mut self,
        function: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
    ) {
        let types = &self.analysis.module.types;
        let pointer = |index: usize| {
            let argument = &self.analysis.module.functions[function].arguments[index];
            types[argument.ty].inner.pointer_space().is_some()
        };
        let pointers: Vec<bool> = (0..arguments.len()).map(pointer).collect();
        let given = arguments.iter().zip(&pointers).map(|(&argument, &pointer)| Argument {
            value: self.value(argument),
            pointee: if pointer { self.stored(argument) } else { None },
        });
        let (given, control) = (given.collect(), self.control());
        let effect = self.analysis.call(function, given, control);
        for ((&argument, pointee), pointer) in arguments.iter().zip(effect.pointees).zip(pointers) {
            if pointer {
                self.taint(argument, pointee);
            }
        }
        if let Some(result) = result {
            raise(&mut self.values[result.index()], effect.result, &mut self.changed);
        }
    }
}

/// The first reason stays.
fn raise<T: Copy>(slot: &mut Option<T>, reason: Option<T>, changed: &mut bool) {
    if slot.is_none() && reason.is_some() {
        *slot = reason;
        *changed = true;
    }
}
