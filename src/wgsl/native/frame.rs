//! What lies in memory: homes of values, and what is there from the beginning.

use super::super::inst::Slot;
use super::encode::{Form, R15, RBP, RBX, Rm};
use super::registers::{NONE, Registers};

/// Homes and uniforms in front of what their base register points to: the reach of a displacement of one byte.
pub(super) const REACH: i32 = 128;

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

impl Registers {
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

    pub(super) fn in_memory(&self, slot: Slot) -> bool {
        let place = &self.places[slot as usize];
        place.valid || place.fixed.is_some()
    }

    /// The value's place in memory.
    pub(super) fn memory(&self, slot: Slot) -> Rm {
        let place = &self.places[slot as usize];
        match place.fixed {
            Some(Fixed::Uniform(number)) => self.uniform_at(number),
            Some(Fixed::Input(row)) => Rm::Row(R15, row as i32 * 256),
            // A slot that no lane has written is anything.
            None if place.home == NONE => Rm::Row(RBX, 0),
            None => Rm::Row(RBX, self.row_at(place.home as i32)),
        }
    }
}
