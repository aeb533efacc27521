//! Statements.

use naga::{Block, Expression, Handle, Statement, SwitchCase, SwitchValue};

use super::super::inst::{Inst, Slot};
use super::super::lane::Lane;
use super::effects::exits;
use super::{Builder, Built, Stop, Value};

/// Where `break` and `continue` lead.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A loop: what it changes, and its slots.
    Loop {
        changed: Vec<(usize, Slot)>,
        /// Lanes that have left by `break`, where lanes may also leave otherwise.
        left: Option<Slot>,
        /// Slots in which values meet where the next iteration is prepared, and the lanes that are there.
        next: Option<(Vec<(usize, Slot)>, Slot)>,
        depth: u32,
        end: u32,
    },
    /// A loop that is being written out.
    Unrolled {
        depth: u32,
        /// Lanes and values at the `break` that all take.
        exit: Option<(Slot, Vec<Slot>)>,
        /// As for a loop.
        next: Option<(Vec<(usize, Slot)>, Slot)>,
    },
    Switch {
        changed: Vec<(usize, Slot)>,
        left: Slot,
    },
}

impl Builder<'_> {
    pub(super) fn block(&mut self, block: &Block) -> Built<()> {
        let spans: Vec<naga::Span> = block.span_iter().map(|(_, &span)| span).collect();
        for (at, statement) in block.iter().enumerate() {
            if self.mask.is_none() {
                break;
            }
            // A value that is only loaded has no place of its own: it is that of the statement which follows.
            let place = spans[at..].iter().find(|span| span.is_defined());
            self.span = place.copied().unwrap_or(self.span);
            self.bounded()?;
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Built<()> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.evaluate(handle)?;
                }
                Ok(())
            }
            Statement::Block(block) => self.block(block),
            Statement::If { condition, accept, reject } => self.branch(*condition, accept, reject),
            Statement::Switch { selector, cases } => self.switch(*selector, cases),
            Statement::Loop { body, continuing, break_if } => self.repeat(body, continuing, *break_if),
            Statement::Break => self.exit(),
            Statement::Continue => self.go_on(),
            Statement::Return { value } => self.leave(*value),
            Statement::Store { pointer, value } => self.assign_to(*pointer, *value),
            Statement::Call { function, arguments, result } => {
                let span = self.span;
                self.call(*function, arguments, *result, span)
            }
            Statement::ControlBarrier(_) | Statement::MemoryBarrier(_) => self.unsupported("a barrier"),
            Statement::Atomic { .. } | Statement::ImageAtomic { .. } => self.unsupported("an atomic operation"),
            Statement::ImageStore { .. } => self.unsupported("`textureStore`"),
            Statement::WorkGroupUniformLoad { .. } => self.unsupported("`workgroupUniformLoad`"),
            Statement::Kill => self.unsupported("`discard`"),
            Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. } => self.unsupported("a subgroup operation"),
            _ => self.unsupported("this statement"),
        }
    }

    fn assign_to(&mut self, pointer: Handle<Expression>, value: Handle<Expression>) -> Built<()> {
        let pointee = self.pointee(pointer);
        let slots = self.slots(value)?;
        // `var x: T;` in a loop stores a zero that has the place of the declaration.
        let unwritten = match self.calls.last() {
            Some(call) => match (&call.function.expressions[pointer], &call.function.expressions[value]) {
                (Expression::LocalVariable(local), Expression::ZeroValue(_)) => {
                    call.function.local_variables.get_span(*local) == call.function.expressions.get_span(value)
                }
                _ => false,
            },
            None => false,
        };
        match self.value(pointer)? {
            Value::Pointer(pointer) => self.store(&pointer, &pointee, &slots, unwritten),
            Value::Slots(_) => self.unsupported("a store to this"),
        }
    }

    fn branch(&mut self, condition: Handle<Expression>, accept: &Block, reject: &Block) -> Built<()> {
        let condition = self.scalar(condition)?;
        if let Some(word) = self.word(condition) {
            return self.block(if word != 0 { accept } else { reject });
        }
        let Some(mask) = self.mask else { return Ok(()) };
        if accept.is_empty() && reject.is_empty() {
            return Ok(());
        }
        let masks = [self.op2(Lane::And, mask, condition), self.op2(Lane::AndNot, mask, condition)];
        let before = self.current.clone();
        let mut ends = Vec::new();
        for (block, mask) in [accept, reject].into_iter().zip(masks) {
            self.current.clone_from(&before);
            self.guarded(mask, block)?;
            ends.push((self.mask, self.current.clone()));
        }
        let (rejected, accepted) = (ends.pop().unwrap_or_default(), ends.pop().unwrap_or_default());
        self.meet(condition, mask, masks, accepted, rejected);
        Ok(())
    }

    /// A block for some of the lanes, passed over where there are none.
    fn guarded(&mut self, mask: Slot, block: &Block) -> Built<()> {
        self.mask = Some(mask);
        if block.is_empty() || self.word(mask) == Some(0) {
            return Ok(());
        }
        let label = self.label();
        let scope = self.open();
        self.insts.push(Inst::Skip { mask, label });
        self.depth += 1;
        self.block(block)?;
        self.depth -= 1;
        self.close(scope);
        self.insts.push(Inst::Label(label));
        Ok(())
    }

    fn meet(
        &mut self,
        condition: Slot,
        mask: Slot,
        [accept, reject]: [Slot; 2],
        accepted: (Option<Slot>, Vec<Slot>),
        rejected: (Option<Slot>, Vec<Slot>),
    ) {
        match (accepted.0, rejected.0) {
            (None, None) => {
                self.mask = None;
                return;
            }
            (Some(end), None) => {
                self.current = accepted.1;
                self.mask = Some(self.still(end, accept));
            }
            (None, Some(end)) => {
                self.current = rejected.1;
                self.mask = Some(self.still(end, reject));
            }
            (Some(a), Some(r)) => {
                let pairs: Vec<(Slot, Slot)> = accepted.1.into_iter().zip(rejected.1).collect();
                self.current = pairs.into_iter().map(|(a, r)| self.op3(Lane::Select, condition, a, r)).collect();
                self.mask = Some(if a == accept && r == reject {
                    mask
                } else {
                    let (a, r) = (self.still(a, accept), self.still(r, reject));
                    self.op2(Lane::Or, a, r)
                });
            }
        }
        if self.mask != Some(mask) {
            self.skip_if_left();
        }
    }

    fn switch(&mut self, selector: Handle<Expression>, cases: &[SwitchCase]) -> Built<()> {
        let selector = self.scalar(selector)?;
        let Some(mask) = self.mask else { return Ok(()) };
        let bodies: Vec<&Block> = cases.iter().map(|case| &case.body).collect();
        let limit = self.current.len();
        let changed: Vec<(usize, Slot)> = self.changed(&bodies, limit).into_iter().map(|c| (c, self.fresh())).collect();
        let pairs: Vec<(Slot, Slot)> = changed.iter().map(|&(c, slot)| (slot, self.current[c])).collect();
        self.assign(None, &pairs);
        let (left, zero) = (self.fresh(), self.constant(0));
        self.insts.push(Inst::Assign { dst: left, mask: None, src: zero });

        // Groups of values that share a body, and who takes which.
        let mut groups: Vec<(Slot, bool, &Block)> = Vec::new();
        let (mut chosen, mut any, mut default) = (zero, zero, false);
        for case in cases {
            match case.value {
                SwitchValue::Default => default = true,
                SwitchValue::I32(_) | SwitchValue::U32(_) => {
                    let word = match case.value {
                        SwitchValue::I32(value) => value as u32,
                        SwitchValue::U32(value) => value,
                        SwitchValue::Default => 0,
                    };
                    let value = self.constant(word);
                    let equal = self.op2(Lane::Equal, selector, value);
                    chosen = self.op2(Lane::Or, chosen, equal);
                    any = self.op2(Lane::Or, any, equal);
                }
            }
            if !case.fall_through {
                groups.push((chosen, default, &case.body));
                (chosen, default) = (zero, false);
            }
        }
        let before = self.current.clone();
        for (chosen, default, body) in groups {
            let chosen = if default {
                let others = self.op2(Lane::AndNot, any, chosen);
                self.op1(Lane::Not, others)
            } else {
                chosen
            };
            let lanes = self.op2(Lane::And, mask, chosen);
            self.current.clone_from(&before);
            let target = Target::Switch { changed: changed.clone(), left };
            self.push_target(target);
            self.switch_case(lanes, body)?;
            self.pop_target();
        }
        self.current = before;
        for (component, slot) in changed {
            self.current[component] = slot;
        }
        let lost = bodies.iter().map(|body| exits(body)).any(|e| e.returns || e.continues);
        self.mask = Some(if lost { left } else { mask });
        if lost {
            self.skip_if_left();
        }
        Ok(())
    }

    fn switch_case(&mut self, lanes: Slot, body: &Block) -> Built<()> {
        self.mask = Some(lanes);
        if self.word(lanes) == Some(0) {
            return Ok(());
        }
        let label = self.label();
        let scope = self.open();
        self.insts.push(Inst::Skip { mask: lanes, label });
        self.depth += 1;
        self.block(body)?;
        self.exit()?; // the end of a case is a break
        self.depth -= 1;
        self.close(scope);
        self.insts.push(Inst::Label(label));
        Ok(())
    }

    /// `break`.
    fn exit(&mut self) -> Built<()> {
        let Some(mask) = self.mask.take() else { return Ok(()) };
        let here = self.depth;
        match self.calls.last_mut().and_then(|call| call.targets.last_mut()) {
            Some(Target::Loop { changed, left, .. }) => {
                let (changed, left) = (changed.clone(), *left);
                self.arrive(mask, &changed, left);
                Ok(())
            }
            Some(Target::Switch { changed, left, .. }) => {
                let (changed, left) = (changed.clone(), *left);
                self.arrive(mask, &changed, Some(left));
                Ok(())
            }
            Some(Target::Unrolled { depth, exit, .. }) => {
                if *depth != here {
                    return Err(Stop::Roll);
                }
                *exit = Some((mask, self.current.clone()));
                Ok(())
            }
            None => self.refuse("a `break` outside a loop"),
        }
    }

    /// Brings the values of some lanes to where paths meet.
    pub(super) fn arrive(&mut self, mask: Slot, changed: &[(usize, Slot)], lanes: Option<Slot>) {
        let pairs: Vec<(Slot, Slot)> = changed.iter().map(|&(c, slot)| (slot, self.current[c])).collect();
        self.assign(Some(mask), &pairs);
        if let Some(dst) = lanes {
            let src = self.constant(u32::MAX);
            self.insts.push(Inst::Assign { dst, mask: Some(mask), src });
        }
    }

    pub(super) fn push_target(&mut self, target: Target) {
        if let Some(call) = self.calls.last_mut() {
            call.targets.push(target);
        }
    }

    pub(super) fn pop_target(&mut self) -> Option<Target> {
        self.calls.last_mut().and_then(|call| call.targets.pop())
    }
}
