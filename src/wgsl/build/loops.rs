//! Loops: written out where their end is known, else repeated while lanes are in them.

use naga::{Block, Expression, Handle};

use super::super::inst::{Inst, Slot};
use super::super::lane::Lane;
use super::call::Call;
use super::effects::exits;
use super::flow::Target;
use super::{Builder, Built, Stop};

/// Most iterations that are written out, and most instructions of all of them.
const ITERATIONS: usize = 512;
const INSTRUCTIONS: usize = 8192;

/// What an attempt may change.
struct Saved<'a> {
    insts: usize,
    computed: usize,
    variables: usize,
    sites: usize,
    spans: usize,
    span: naga::Span,
    within: Option<&'static str>,
    current: Vec<Slot>,
    mask: Option<Slot>,
    depth: u32,
    calls: usize,
    call: Option<Call<'a>>,
}

impl<'a> Builder<'a> {
    fn save(&self) -> Saved<'a> {
        Saved {
            insts: self.insts.len(),
            computed: self.order.len(),
            variables: self.variables.len(),
            sites: self.sites.len(),
            spans: self.spans.len(),
            span: self.span,
            within: self.within,
            current: self.current.clone(),
            mask: self.mask,
            depth: self.depth,
            calls: self.calls.len(),
            call: self.calls.last().cloned(),
        }
    }

    fn restore(&mut self, saved: Saved<'a>) {
        self.insts.truncate(saved.insts);
        self.forget(saved.computed);
        self.variables.truncate(saved.variables);
        self.sites.truncate(saved.sites);
        self.spans.truncate(saved.spans);
        self.calls.truncate(saved.calls);
        if let (Some(last), Some(call)) = (self.calls.last_mut(), saved.call) {
            *last = call;
        }
        (self.span, self.within, self.current) = (saved.span, saved.within, saved.current);
        (self.mask, self.depth) = (saved.mask, saved.depth);
    }

    pub(super) fn repeat(
        &mut self,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
    ) -> Built<()> {
        let before = self.save();
        match self.unrolled(body, continuing, break_if) {
            Err(Stop::Roll) => {
                self.restore(before);
                self.rolled(body, continuing, break_if)
            }
            done => done,
        }
    }

    fn unrolled(&mut self, body: &Block, continuing: &Block, break_if: Option<Handle<Expression>>) -> Built<()> {
        let first = self.insts.len();
        let length = self.current.len();
        let continues = exits(body).continues;
        let changed = if continues { self.changed(&[body], length) } else { Vec::new() };
        for _ in 0..ITERATIONS {
            let next = continues.then(|| {
                let slots = changed.iter().map(|&c| (c, self.fresh())).collect();
                (slots, self.fresh())
            });
            let start = self.insts.len();
            if let Some((_, lanes)) = next {
                let src = self.constant(0);
                self.insts.push(Inst::Assign { dst: lanes, mask: None, src });
            }
            self.push_target(Target::Unrolled { depth: self.depth, exit: None, next: next.clone() });
            self.block(body)?;
            let exit = match self.calls.last_mut().and_then(|call| call.targets.last_mut()) {
                Some(Target::Unrolled { exit, .. }) => exit.take(),
                _ => None,
            };
            let met = self.meet_next(next, start);
            if let (Some((mask, current)), false) = (&exit, met) {
                self.pop_target();
                (self.mask, self.current) = (Some(*mask), current.clone());
                return Ok(());
            }
            if exit.is_some() {
                return Err(Stop::Roll); // some lanes go on, the others leave
            }
            if self.mask.is_some() {
                self.block(continuing)?;
                if let Some(condition) = break_if {
                    let condition = self.scalar(condition)?;
                    match self.word(condition) {
                        Some(0) => {}
                        Some(_) => {
                            self.pop_target();
                            return Ok(());
                        }
                        None => return Err(Stop::Roll),
                    }
                }
            }
            self.pop_target();
            if self.mask.is_none() {
                return Ok(()); // all have returned
            }
            if self.insts.len() - first > INSTRUCTIONS {
                return Err(Stop::Roll);
            }
        }
        Err(Stop::Roll)
    }

    /// Where lanes that went on by `continue` meet the others; whether there are any, by the instructions from `start` on.
    fn meet_next(&mut self, next: Option<(Vec<(usize, Slot)>, Slot)>, start: usize) -> bool {
        let Some((changed, lanes)) = next else { return false };
        let arrived = |inst: &Inst| matches!(inst, Inst::Assign { dst, mask: Some(_), .. } if *dst == lanes);
        if !self.insts[start..].iter().any(arrived) {
            return false;
        }
        if let Some(mask) = self.mask {
            self.arrive(mask, &changed, Some(lanes));
        }
        for (component, slot) in changed {
            self.current[component] = slot;
        }
        self.mask = Some(lanes);
        true
    }

    fn rolled(&mut self, body: &Block, continuing: &Block, break_if: Option<Handle<Expression>>) -> Built<()> {
        let Some(mask) = self.mask else { return Ok(()) };
        let limit = self.current.len();
        let components = self.changed(&[body, continuing], limit);
        let changed: Vec<(usize, Slot)> = components.iter().map(|&c| (c, self.fresh())).collect();
        let pairs: Vec<(Slot, Slot)> = changed.iter().map(|&(c, slot)| (slot, self.current[c])).collect();
        self.assign(None, &pairs);
        for &(component, slot) in &changed {
            self.current[component] = slot;
        }
        let found = exits(body);
        let (lanes, id, end, zero) = (self.fresh(), self.label(), self.label(), self.constant(0));
        self.insts.push(Inst::Assign { dst: lanes, mask: None, src: mask });
        let left = found.returns.then(|| self.fresh());
        if let Some(dst) = left {
            self.insts.push(Inst::Assign { dst, mask: None, src: zero });
        }
        self.insts.push(Inst::LoopStart(id));
        let scope = self.open();
        self.depth += 1;
        // A copy, since the lanes of the next iteration are assigned while this one's are still needed.
        let inside = self.fresh();
        self.insts.push(Inst::Lane { op: Lane::Copy, dst: inside, src: [lanes, 0, 0] });
        self.mask = Some(inside);
        let next = found.continues.then(|| {
            let slots: Vec<(usize, Slot)> = components.iter().map(|&c| (c, self.fresh())).collect();
            (slots, self.fresh())
        });
        let start = self.insts.len();
        if let Some((_, there)) = next {
            self.insts.push(Inst::Assign { dst: there, mask: None, src: zero });
        }
        let depth = self.depth;
        self.push_target(Target::Loop { changed: changed.clone(), left, next: next.clone(), depth, end });
        self.block(body)?;
        self.meet_next(next, start);
        if self.mask.is_some() {
            self.block(continuing)?;
        }
        if let (Some(mask), Some(condition)) = (self.mask, break_if) {
            let condition = self.scalar(condition)?;
            let leaving = self.op2(Lane::And, mask, condition);
            self.arrive(leaving, &changed, left);
            self.mask = Some(self.op2(Lane::AndNot, mask, condition));
        }
        self.pop_target();
        if let Some(mask) = self.mask {
            let pairs: Vec<(Slot, Slot)> = changed.iter().map(|&(c, slot)| (slot, self.current[c])).collect();
            self.assign(Some(mask), &pairs);
            self.insts.push(Inst::Assign { dst: lanes, mask: None, src: mask });
            let site = self.source.checked.then(|| self.site(super::What::Endless));
            self.insts.push(Inst::Repeat { mask: lanes, id, site });
        }
        self.depth -= 1;
        self.close(scope);
        self.insts.push(Inst::Label(end));
        self.current.truncate(limit);
        for (component, slot) in changed {
            self.current[component] = slot;
        }
        self.mask = Some(left.unwrap_or(mask));
        if left.is_some() {
            self.skip_if_left();
        }
        Ok(())
    }

    /// `continue`.
    pub(super) fn go_on(&mut self) -> Built<()> {
        let Some(mask) = self.mask.take() else { return Ok(()) };
        let targets = self.calls.last().map(|call| call.targets.as_slice()).unwrap_or_default();
        let of_loop = targets.iter().rev().find(|target| !matches!(target, Target::Switch { .. }));
        let next = match of_loop {
            Some(Target::Loop { next: Some(next), .. } | Target::Unrolled { next: Some(next), .. }) => next.clone(),
            _ => return self.refuse("a `continue` outside a loop"),
        };
        self.arrive(mask, &next.0, Some(next.1));
        Ok(())
    }
}
