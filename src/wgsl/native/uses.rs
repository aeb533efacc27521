//! Where slots are used, in the order of the instructions.

use super::super::inst::{Access, Inst, Slot};
use super::registers::NONE;

/// The instructions that use each slot.
#[derive(Debug)]
pub(super) struct Uses {
    /// Of slot s those from `first[s]` to `first[s + 1]`.
    first: Vec<u32>,
    all: Vec<u32>,
    next: Vec<u32>,
    definition: Vec<u32>,
}

impl Uses {
    /// An assignment is a use as well, since the other lanes stay.
    pub fn new(insts: &mut [Inst], slots: usize) -> Self {
        let mut first = vec![0; slots + 1];
        let mut definition = vec![NONE; slots];
        for (at, inst) in insts.iter_mut().enumerate() {
            inst.visit(&mut |slot, access| {
                if access != Access::Define {
                    first[*slot as usize + 1] += 1;
                }
                if access != Access::Use {
                    let definition = &mut definition[*slot as usize];
                    *definition = (*definition).min(at as u32);
                }
            });
        }
        for slot in 0..slots {
            first[slot + 1] += first[slot];
        }
        let mut fill = first.clone();
        let mut all = vec![0; first[slots] as usize];
        for (at, inst) in insts.iter_mut().enumerate() {
            inst.visit(&mut |slot, access| {
                if access != Access::Define {
                    let fill = &mut fill[*slot as usize];
                    all[*fill as usize] = at as u32;
                    *fill += 1;
                }
            });
        }
        let next = first[..slots].to_vec();
        Self { first, all, next, definition }
    }

    /// The first use at `at` or behind it. `at` never decreases.
    pub fn from(&mut self, slot: Slot, at: u32) -> u32 {
        let slot = slot as usize;
        if slot >= self.next.len() {
            return 0; // a temporary is used now
        }
        let end = self.first[slot + 1];
        while self.next[slot] < end && self.all[self.next[slot] as usize] < at {
            self.next[slot] += 1;
        }
        if self.next[slot] < end { self.all[self.next[slot] as usize] } else { NONE }
    }

    /// The first use behind `at`.
    pub fn after(&mut self, slot: Slot, at: u32) -> u32 {
        let slot = slot as usize;
        if slot >= self.next.len() {
            return NONE;
        }
        self.from(slot as Slot, at);
        let uses = &self.all[self.next[slot] as usize..self.first[slot + 1] as usize];
        uses.iter().copied().find(|&used| used > at).unwrap_or(NONE)
    }

    /// Number of uses.
    pub fn count(&self, slot: Slot) -> u32 {
        self.first[slot as usize + 1] - self.first[slot as usize]
    }

    /// Where the slot is first defined.
    pub fn definition(&self, slot: Slot) -> u32 {
        self.definition[slot as usize]
    }
}
