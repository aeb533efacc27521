//! Where two paths meet: the branch that ends here, and its being passed over.

use super::super::inst::Slot;
use super::encode::Reg;
use super::registers::{NONE, Registers, TEMPORARY};

/// Values of the registers where a branch was passed over.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    at: u32,
    file: [(Slot, bool); 32],
}

impl Registers {
    /// What the registers hold here.
    pub fn snapshot(&self) -> Snapshot {
        let file = self.file.map(|slot| (slot, slot < TEMPORARY && self.in_memory(slot)));
        Snapshot { at: self.at, file }
    }

    /// Ends a branch that may have been passed over where the snapshot was taken: what the registers hold afterwards is right on both
    /// paths. A value that the branch defined is not needed by lanes that passed it over.
    pub fn join(&mut self, snapshot: &Snapshot, assigned: &dyn Fn(Slot) -> bool) {
        self.without_masks();
        self.drop_masks();
        let mut moved = Vec::new();
        for (register, &(slot, valid)) in snapshot.file.iter().enumerate() {
            if slot < TEMPORARY && !valid && self.needed(slot) {
                if self.places[slot as usize].register != register as Reg {
                    self.save(slot);
                    moved.push((register as Reg, slot));
                } else {
                    self.place(slot).valid = false;
                }
            }
        }
        for &(register, _) in &moved {
            let other = self.file[register as usize];
            if other != NONE {
                if self.needed(other) {
                    self.save(other);
                }
                self.forget(other);
            }
        }
        for &(register, slot) in &moved {
            let from = self.memory(slot);
            self.forget(slot);
            self.load(register, from);
            self.bind(register, slot);
        }
        for &(_, slot) in &moved {
            self.place(slot).valid = false;
        }
        for register in 0..self.count() {
            let slot = self.file[register];
            let of_branch = |slot: Slot| self.uses.definition(slot) > snapshot.at && !assigned(slot);
            let fixed = slot != NONE && self.places[slot as usize].fixed.is_some();
            if slot != NONE && snapshot.file[register].0 != slot && (fixed || !of_branch(slot)) {
                self.forget(slot);
            }
        }
    }
}
