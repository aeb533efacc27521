//! Where values are while code is written: vector registers, mask registers, homes in the frame.
//!
//! Of the values in registers the one whose next use is furthest gives way (Belady 1966). A value that is assigned once is stored
//! when it gives way, and never again; one that is assigned several times is stored whenever it changes, so that its home is right
//! on every path.

use std::collections::HashMap;

use super::super::inst::Slot;
use super::encode::{Assembler, Form, R15, RBP, RBX, Reg, Rm, op};
use super::uses::Uses;

pub(super) const NONE: u32 = u32::MAX;
const NO_REGISTER: Reg = Reg::MAX;
/// A register that holds what has no slot.
const TEMPORARY: Slot = u32::MAX - 1;
/// Homes and uniforms in front of what their base register points to: the reach of a displacement of one byte.
pub(super) const REACH: i32 = 128;
/// A value that is used again within so many instructions is brought to a register.
const SOON: u32 = 48;

/// A value that is the same in all lanes and during a dispatch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Uniform {
    Constant(u32),
    /// A word of the immediates.
    Immediate(u32),
    /// Elements of a runtime-sized array.
    Length {
        buffer: u32,
        offset: u32,
        stride: u32,
    },
}

/// A slot that is in memory from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fixed {
    Uniform(u32),
    /// A row of inputs.
    Input(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    register: Reg,
    /// A mask register with the same truth; 0 where there is none.
    mask: Reg,
    pub home: u32,
    /// Whether the home holds the value.
    pub valid: bool,
    pub fixed: Option<Fixed>,
}

/// Values of the registers where a branch was passed over.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    at: u32,
    file: [(Slot, bool); 32],
}

pub(super) struct Registers {
    pub asm: Assembler,
    pub form: Form,
    pub uses: Uses,
    /// The instruction at hand.
    pub at: u32,
    places: Vec<Place>,
    file: [Slot; 32],
    masks: [Slot; 8],
    locked: u32,
    locked_masks: u8,
    homes: u32,
    free_homes: Vec<u32>,
    uniforms: Vec<Uniform>,
    numbers: HashMap<Uniform, u32>,
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

    fn count(&self) -> usize {
        if self.form == Form::Evex { 32 } else { 16 }
    }

    fn place(&mut self, slot: Slot) -> &mut Place {
        &mut self.places[slot as usize]
    }

    pub fn uniform(&mut self, uniform: Uniform) -> u32 {
        let next = self.uniforms.len() as u32;
        let number = *self.numbers.entry(uniform).or_insert(next);
        if number == next {
            self.uniforms.push(uniform);
        }
        number
    }

    pub fn fix(&mut self, slot: Slot, fixed: Fixed) {
        self.place(slot).fixed = Some(fixed);
    }

    pub fn fixed(&self, slot: Slot) -> Option<Fixed> {
        self.places[slot as usize].fixed
    }

    /// The word that a slot holds in all lanes, if that is known.
    pub fn word(&self, slot: Slot) -> Option<u32> {
        match self.fixed(slot)? {
            Fixed::Uniform(number) => match self.uniforms[number as usize] {
                Uniform::Constant(word) => Some(word),
                _ => None,
            },
            Fixed::Input(_) => None,
        }
    }

    /// Where a uniform lies from its base register.
    pub fn uniform_offset(&self, number: u32) -> i32 {
        (number as i32 - REACH) * if self.form == Form::Evex { 4 } else { self.form.bytes() }
    }

    fn uniform_at(&self, number: u32) -> Rm {
        let at = self.uniform_offset(number);
        if self.form == Form::Evex { Rm::Word(RBP, at) } else { Rm::Row(RBP, at) }
    }

    /// A constant as an operand.
    pub fn constant(&mut self, word: u32) -> Rm {
        let number = self.uniform(Uniform::Constant(word));
        self.uniform_at(number)
    }

    /// Where row `home` of the frame lies from its base register; negative rows are those of calls.
    pub fn row_at(&self, home: i32) -> i32 {
        (home - REACH) * self.form.bytes()
    }

    /// A home for the slot.
    pub fn home(&mut self, slot: Slot) -> i32 {
        if self.place(slot).home == NONE {
            let home = self.free_homes.pop().unwrap_or_else(|| {
                self.homes += 1;
                self.homes - 1
            });
            self.place(slot).home = home;
        }
        self.row_at(self.places[slot as usize].home as i32)
    }

    /// The life of a slot has ended.
    pub fn end(&mut self, slot: Slot) {
        self.forget(slot);
        let home = std::mem::replace(&mut self.place(slot).home, NONE);
        if home != NONE {
            self.free_homes.push(home);
        }
    }

    /// Whether the home has the value.
    pub fn valid(&mut self, slot: Slot) -> &mut bool {
        &mut self.place(slot).valid
    }

    fn in_memory(&self, slot: Slot) -> bool {
        let place = &self.places[slot as usize];
        place.valid || place.fixed.is_some()
    }

    /// The value's place in memory.
    fn memory(&self, slot: Slot) -> Rm {
        let place = &self.places[slot as usize];
        match place.fixed {
            Some(Fixed::Uniform(number)) => self.uniform_at(number),
            Some(Fixed::Input(row)) => Rm::Row(R15, row as i32 * 256),
            // A slot that no lane has written is anything.
            None if place.home == NONE => Rm::Row(RBX, 0),
            None => Rm::Row(RBX, self.row_at(place.home as i32)),
        }
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

    fn bind(&mut self, register: Reg, slot: Slot) {
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

    fn drop_masks(&mut self) {
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
