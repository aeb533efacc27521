//! What a checked program looks for, and where.

use naga::Span;

use super::super::inst::{Inst, Slot};
use super::super::lane::Lane;
use super::Builder;

/// What is wrong where a check strikes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum What {
    /// A finite input gave a result that is not; the built-in function that it happened in.
    NotFinite(Lane, Option<&'static str>),
    /// An integer division or remainder.
    DivisionByZero(&'static str),
    /// An index that is not below the count; whether it is signed.
    Index { of: String, count: Option<u32>, signed: bool },
    /// A variable that has no value yet.
    Unwritten(String),
    /// A loop that ran very often.
    Endless,
}

/// A place in the text and what a check there looks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Site {
    pub line: u32,
    pub column: u32,
    pub what: What,
}

impl Builder<'_> {
    /// A place for findings at the expression at hand, or at the innermost call in the user's own text that led here.
    pub(super) fn site(&mut self, what: What) -> u32 {
        let own = |span: &&Span| span.to_range().is_some_and(|r| r.start < self.source.own);
        let span = std::iter::once(&self.span).chain(self.spans.iter().rev()).find(own).copied().unwrap_or(self.span);
        let (line, column) = self.lines.position(span);
        self.sites.push(Site { line, column, what });
        self.sites.len() as u32 - 1
    }

    /// Reports the lanes in which the condition holds.
    pub(super) fn check(&mut self, condition: Slot, args: &[Slot], what: What) {
        let Some(mask) = self.mask else { return };
        if !self.source.checked || self.word(condition) == Some(0) {
            return;
        }
        let site = self.site(what);
        self.insts.push(Inst::Check { mask, condition, args: args.to_vec(), site });
    }

    /// Reports a float operation whose result is not finite although its inputs are.
    pub(super) fn check_float(&mut self, op: Lane, result: Slot, inputs: &[Slot]) {
        if !self.source.checked {
            return;
        }
        let mut condition = self.op1(Lane::NotFinite, result);
        for &input in inputs {
            let already = self.op1(Lane::NotFinite, input);
            condition = self.op2(Lane::AndNot, condition, already);
        }
        let mut args = vec![result];
        args.extend(inputs);
        self.check(condition, &args, What::NotFinite(op, self.within));
    }
}
