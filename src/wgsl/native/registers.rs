//! Where values are while code is written: vector registers, mask registers, homes in the frame.
//!
//! Of the values in registers the one whose next use is furthest gives way (Belady 1966). A value that is assigned once is stored
//! when it gives way, and never again; one that is assigned several times is stored whenever it changes, so that its home is right
//! on every path.

use std::collections::HashMap;

use super::super::inst::Slot;
use super::encode::{Assembler, Form, RBX, Reg, Rm, op};
use super::frame::{Fixed, Uniform};
use super::uses::Uses;

pub(super) const NONE: u32 = u32::MAX;
const NO_REGISTER: Reg = Reg::MAX;
/// A register that holds what has no slot.
pub(super) const TEMPORARY: Slot = u32::MAX - 1;
/// A value that is used again within so many instructions is brought to a register.
const SOON: u32 = 48;

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) register: Reg,
    /// A mask register with the same truth; 0 where there is none.
    mask: Reg,
    pub home: u32,
    /// Whether the home holds the value.
    pub valid: bool,
    pub fixed: Option<Fixed>,
}

pub(super) struct Registers {
    pub asm: Assembler,
    pub form: Form,
    pub uses: Uses,
    /// The instruction at hand.
    pub at: u32,
    pub(super) places: Vec<Place>,
    pub(super) file: [Slot; 32],
    masks: [Slot; 8],
    locked: u32,
    locked_masks: u8,
    pub(super) homes: u32,
    pub(super) free_homes: Vec<u32>,
    pub(super) uniforms: Vec<Uniform>,
    pub(super) numbers: HashMap<Uniform, u32>,
}

impl Registers {
    pub fn new(form: Form, uses: Uses, slots: usize) -> Self {
        let place = Place { register: NO_REGISTER, mask: 0, home: NONE, valid: false, fixed: None };
        Self {
            asm: Assembler::new(form),
            form,
            uses,
            at: 0,
            places: vec![place; slots],
            file: [NONE; 32],
            masks: [NONE; 8],
            locked: 0,
            locked_masks: 0,
            homes: 0,
            free_homes: Vec::new(),
            uniforms: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Rows of homes, and the uniforms in their order.
    pub fn finish(self) -> (Assembler, u32, Vec<Uniform>) {
        (self.asm, self.homes, self.uniforms)
    }

    pub(super) fn count(&self) -> usize {
        if self.form == Form::Evex { 32 } else { 16 }
    }

    pub(super) fn place(&mut self, slot: Slot) -> &mut Place {
        &mut self.places[slot as usize]
    }

    /// Whether the home has the value.
    pub fn valid(&mut self, slot: Slot) -> &mut bool {
        &mut self.place(slot).valid
    }

    /// Whether the value is needed after the instruction at hand.
    pub fn needed(&mut self, slot: Slot) -> bool {
        self.uses.after(slot, self.at) != NONE
    }

    /// Stores a value that is in a register alone.
    pub fn save(&mut self, slot: Slot) {
        let Place { register, valid, fixed, .. } = self.places[slot as usize];
        if register != NO_REGISTER && !valid && fixed.is_none() {
            let home = self.home(slot);
            self.asm.vector(op::STORE, register, 0, Rm::Row(RBX, home));
            self.place(slot).valid = true;
        }
    }

    /// A register for something new; it stays locked until the instruction is done.
    fn take(&mut self) -> Reg {
        let count = self.count();
        let (mut best, mut furthest) = (0, None);
        for register in 0..count {
            if self.locked >> register & 1 == 1 {
                continue;
            }
            let slot = self.file[register];
            if slot == NONE {
                best = register;
                break;
            }
            // Among equals one that need not be stored.
            let key = (self.uses.from(slot, self.at), self.in_memory(slot));
            if furthest.is_none_or(|furthest| key > furthest) {
                (best, furthest) = (register, Some(key));
            }
        }
        let slot = self.file[best];
        if slot != NONE {
            if self.uses.from(slot, self.at) != NONE {
                self.save(slot);
            }
            self.place(slot).register = NO_REGISTER;
            self.file[best] = NONE;
        }
        self.locked |= 1 << best;
        best as Reg
    }

    /// A register until the instruction is done.
    pub fn temporary(&mut self) -> Reg {
        let register = self.take();
        self.file[register as usize] = TEMPORARY;
        register
    }

    /// A register for the value that the instruction defines.
    pub fn define(&mut self, slot: Slot) -> Reg {
        let register = self.take();
        self.bind(register, slot);
        register
    }

    pub(super) fn bind(&mut self, register: Reg, slot: Slot) {
        self.file[register as usize] = slot;
        self.place(slot).register = register;
    }

    fn unlock(&mut self, register: Reg) {
        self.locked &= !(1 << register);
    }

    /// Which registers are locked.
    pub fn locks(&self) -> u32 {
        self.locked
    }

    /// Unlocks all but these.
    pub fn unlock_but(&mut self, locks: u32) {
        self.locked &= locks;
    }

    /// Ends the use of a temporary register before the instruction is done.
    pub fn drop_temporary(&mut self, register: Reg) {
        self.file[register as usize] = NONE;
        self.unlock(register);
    }

    pub fn unlock_mask(&mut self, mask: Reg) {
        self.locked_masks &= !(1 << mask);
    }

    /// The instruction is done.
    pub fn done(&mut self) {
        for register in &mut self.file {
            if *register == TEMPORARY {
                *register = NONE;
            }
        }
        (self.locked, self.locked_masks) = (0, 0);
    }

    /// Takes the value out of registers.
    pub fn forget(&mut self, slot: Slot) {
        let Place { register, mask, .. } = self.places[slot as usize];
        if register != NO_REGISTER {
            self.file[register as usize] = NONE;
            self.place(slot).register = NO_REGISTER;
        }
        self.forget_mask(slot, mask);
    }

    /// Drops the mask register of a value that has changed.
    pub fn forget_truth(&mut self, slot: Slot) {
        let mask = self.places[slot as usize].mask;
        self.forget_mask(slot, mask);
    }

    fn forget_mask(&mut self, slot: Slot, mask: Reg) {
        if mask != 0 {
            self.masks[mask as usize] = NONE;
            self.place(slot).mask = 0;
        }
    }

    /// Frees the registers of a value that is needed no more; the instruction may define another in one of them.
    pub fn release(&mut self, slot: Slot) {
        if !self.needed(slot) {
            let register = self.places[slot as usize].register;
            self.forget(slot);
            if register != NO_REGISTER {
                self.unlock(register);
            }
        }
    }

    /// Gives the register of a value that is needed no more to another, if there is one.
    pub fn rename(&mut self, from: Slot, to: Slot) -> bool {
        let register = self.places[from as usize].register;
        if register == NO_REGISTER || self.needed(from) {
            return false;
        }
        self.forget(from);
        self.bind(register, to);
        true
    }

    /// Brings a source to a register.
    pub fn load(&mut self, register: Reg, from: Rm) {
        let how = match from {
            Rm::Reg(from) if from == register => return,
            Rm::Reg(_) => op::MOVE,
            Rm::Row(..) => op::LOAD,
            Rm::Word(..) => op::BROADCAST,
        };
        self.asm.vector(how, register, 0, from);
    }

    /// The register of a value.
    pub fn vector(&mut self, slot: Slot) -> Reg {
        let Place { register, mask, .. } = self.places[slot as usize];
        if register != NO_REGISTER {
            self.locked |= 1 << register;
            return register;
        }
        let to = self.take();
        if mask != 0 {
            self.asm.vector(op::MASK_TO_VECTOR, to, 0, Rm::Reg(mask));
        } else {
            let from = self.memory(slot);
            self.load(to, from);
        }
        self.bind(to, slot);
        to
    }

    /// A value as an operand that may lie in memory.
    pub fn operand(&mut self, slot: Slot) -> Rm {
        let free = self.file[..self.count()].contains(&NONE);
        let after = self.uses.after(slot, self.at);
        if after != NONE && (free || after - self.at < SOON) {
            return Rm::Reg(self.vector(slot));
        }
        self.anywhere(slot)
    }

    /// A value where it is.
    pub fn anywhere(&mut self, slot: Slot) -> Rm {
        let Place { register, mask, .. } = self.places[slot as usize];
        if register != NO_REGISTER || mask != 0 {
            return Rm::Reg(self.vector(slot));
        }
        self.memory(slot)
    }

    pub fn in_register(&self, slot: Slot) -> bool {
        self.places[slot as usize].register != NO_REGISTER
    }

    pub fn in_mask(&self, slot: Slot) -> bool {
        self.places[slot as usize].mask != 0
    }

    /// A mask register for something new.
    pub fn take_mask(&mut self) -> Reg {
        let (mut best, mut furthest) = (0, None);
        for mask in 1..8 {
            if self.locked_masks >> mask & 1 == 1 {
                continue;
            }
            let slot = self.masks[mask];
            if slot == NONE {
                best = mask;
                break;
            }
            let key = self.uses.from(slot, self.at);
            if furthest.is_none_or(|furthest| key > furthest) {
                (best, furthest) = (mask, Some(key));
            }
        }
        let slot = self.masks[best];
        if slot != NONE {
            if self.uses.from(slot, self.at) != NONE {
                self.as_vector(slot);
            }
            self.forget_mask(slot, best as Reg);
        }
        self.locked_masks |= 1 << best;
        best as Reg
    }

    /// A mask register for the truth that the instruction defines.
    pub fn define_mask(&mut self, slot: Slot) -> Reg {
        let mask = self.take_mask();
        self.masks[mask as usize] = slot;
        self.place(slot).mask = mask;
        mask
    }

    /// The mask register of a truth.
    pub fn mask(&mut self, slot: Slot) -> Reg {
        let mask = self.places[slot as usize].mask;
        if mask != 0 {
            self.locked_masks |= 1 << mask;
            return mask;
        }
        let vector = self.vector(slot);
        let mask = self.define_mask(slot);
        self.asm.vector(op::VECTOR_TO_MASK, mask, 0, Rm::Reg(vector));
        mask
    }

    /// Makes a vector of a truth that is in a mask register alone.
    fn as_vector(&mut self, slot: Slot) {
        if !self.in_register(slot) && !self.in_memory(slot) {
            let register = self.vector(slot);
            self.unlock(register);
        }
    }

    /// Makes vectors of all truths that are still needed.
    pub fn without_masks(&mut self) {
        for mask in 1..8 {
            let slot = self.masks[mask];
            if slot != NONE && self.needed(slot) {
                self.as_vector(slot);
            }
        }
    }

    pub(super) fn drop_masks(&mut self) {
        for mask in 1..8 {
            let slot = self.masks[mask];
            if slot != NONE {
                self.forget_mask(slot, mask as Reg);
            }
        }
    }

    /// Stores everything that is still needed.
    pub fn save_all(&mut self) {
        self.without_masks();
        for register in 0..self.count() {
            let slot = self.file[register];
            if slot < TEMPORARY && self.needed(slot) {
                self.save(slot);
            }
        }
    }

    /// Stores everything that is still needed and leaves the registers empty.
    pub fn clear(&mut self) {
        self.save_all();
        self.drop_masks();
        for register in 0..self.count() {
            let slot = self.file[register];
            if slot < TEMPORARY {
                self.place(slot).register = NO_REGISTER;
            }
            self.file[register] = NONE;
        }
    }
}
