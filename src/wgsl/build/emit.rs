//! Instructions, with constants folded and repeated operations computed once.

use super::super::inst::{Inst, Slot};
use super::super::lane::Lane;
use super::Builder;

/// Everything that a scope in the program forgets at its end.
#[derive(Clone, Copy)]
pub(super) struct Scope(usize);

impl Builder<'_> {
    /// A new slot.
    pub(super) fn fresh(&mut self) -> Slot {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn label(&mut self) -> u32 {
        self.labels += 1;
        self.labels - 1
    }

    /// The slot that holds a word in all lanes.
    pub(super) fn constant(&mut self, word: u32) -> Slot {
        if let Some(&slot) = self.constants.get(&word) {
            return slot;
        }
        let slot = self.fresh();
        self.constants.insert(word, slot);
        self.known.insert(slot, word);
        slot
    }

    pub(super) fn float(&mut self, value: f32) -> Slot {
        self.constant(value.to_bits())
    }

    /// The word that a slot holds in all lanes, where that is known.
    pub(super) fn word(&self, slot: Slot) -> Option<u32> {
        self.known.get(&slot).copied()
    }

    /// The slot of a word of the immediates.
    pub(super) fn immediate(&mut self, word: u32) -> Slot {
        if let Some(&slot) = self.immediates.get(&word) {
            return slot;
        }
        let slot = self.fresh();
        self.immediates.insert(word, slot);
        slot
    }

    pub(super) fn op1(&mut self, op: Lane, a: Slot) -> Slot {
        self.op(op, [a, 0, 0])
    }

    pub(super) fn op2(&mut self, op: Lane, a: Slot, b: Slot) -> Slot {
        self.op(op, [a, b, 0])
    }

    pub(super) fn op3(&mut self, op: Lane, a: Slot, b: Slot, c: Slot) -> Slot {
        self.op(op, [a, b, c])
    }

    /// An operation; unused sources are 0.
    fn op(&mut self, op: Lane, src: [Slot; 3]) -> Slot {
        let words: Vec<u32> = src[..op.arity()].iter().filter_map(|&s| self.word(s)).collect();
        if words.len() == op.arity() {
            let word = |i: usize| words.get(i).copied().unwrap_or(0);
            return self.constant(op.eval([word(0), word(1), word(2)]));
        }
        if let Some(slot) = self.simplified(op, src) {
            return slot;
        }
        if let Some(&slot) = self.computed.get(&(op, src)) {
            return slot;
        }
        let dst = self.fresh();
        self.insts.push(Inst::Lane { op, dst, src });
        self.computed.insert((op, src), dst);
        self.order.push((op, src));
        dst
    }

    /// Operations that change nothing or whose result is known. Floats only where that holds for every value.
    fn simplified(&mut self, op: Lane, [a, b, c]: [Slot; 3]) -> Option<Slot> {
        const ONES: u32 = u32::MAX;
        let known = |slot: Slot| self.known.get(&slot).copied();
        match (op, known(a), known(b)) {
            (Lane::Copy, ..) => Some(a),
            (Lane::And, Some(ONES), _) | (Lane::Or | Lane::Add | Lane::Xor, Some(0), _) | (Lane::Mul, Some(1), _) => {
                Some(b)
            }
            (Lane::And, _, Some(ONES)) | (Lane::Or | Lane::Add | Lane::Xor | Lane::Sub, _, Some(0)) => Some(a),
            (Lane::Mul, _, Some(1)) | (Lane::AndNot, _, Some(0)) => Some(a),
            (Lane::ShiftLeft | Lane::ShiftRightI | Lane::ShiftRightU, _, Some(0)) => Some(a),
            (Lane::And | Lane::Mul, Some(0), _) | (Lane::And | Lane::Mul, _, Some(0)) => Some(self.constant(0)),
            (Lane::AndNot, Some(0), _) | (Lane::AndNot, _, Some(ONES)) => Some(self.constant(0)),
            (Lane::AndNot, Some(ONES), _) => Some(self.op1(Lane::Not, b)),
            (Lane::Or, Some(ONES), _) | (Lane::Or, _, Some(ONES)) => Some(self.constant(ONES)),
            (Lane::And | Lane::Or | Lane::MinU | Lane::MinI | Lane::MaxU | Lane::MaxI, ..) if a == b => Some(a),
            (Lane::Select, Some(0), _) => Some(c),
            (Lane::Select, Some(ONES), _) => Some(b),
            (Lane::Select, ..) if b == c => Some(b),
            (Lane::Select, _, Some(ONES)) if known(c) == Some(0) => Some(a),
            (Lane::Select, _, Some(0)) if known(c) == Some(ONES) => Some(self.op1(Lane::Not, a)),
            (Lane::MulF, _, Some(0x3f80_0000)) | (Lane::DivF, _, Some(0x3f80_0000)) => Some(a),
            (Lane::MulF, Some(0x3f80_0000), _) => Some(b),
            _ => None,
        }
    }

    /// What is computed from here on may not be executed by those who come after.
    pub(super) fn open(&mut self) -> Scope {
        Scope(self.order.len())
    }

    pub(super) fn close(&mut self, scope: Scope) {
        self.forget(scope.0);
    }

    /// Forgets all operations but the first `count`.
    pub(super) fn forget(&mut self, count: usize) {
        for key in self.order.drain(count.min(self.order.len())..) {
            self.computed.remove(&key);
        }
    }

    /// Assigns several slots at once: a source that is itself assigned is read before.
    pub(super) fn assign(&mut self, mask: Option<Slot>, pairs: &[(Slot, Slot)]) {
        let assigned: std::collections::HashSet<Slot> =
            pairs.iter().filter(|(dst, src)| dst != src).map(|&(dst, _)| dst).collect();
        let mut moves = Vec::new();
        for &(dst, src) in pairs.iter().filter(|(dst, src)| dst != src) {
            if assigned.contains(&src) {
                let saved = self.fresh();
                self.insts.push(Inst::Lane { op: Lane::Copy, dst: saved, src: [src, 0, 0] });
                moves.push((dst, saved));
            } else {
                moves.push((dst, src));
            }
        }
        self.insts.extend(moves.into_iter().map(|(dst, src)| Inst::Assign { dst, mask, src }));
    }
}
