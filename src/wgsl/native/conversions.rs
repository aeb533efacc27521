//! Conversions, and other operations of several instructions.

use super::super::inst::Slot;
use super::encode::{Form, Reg, Rm, op};
use super::lanes::{ONE, RIGHT, SIGN, floats};
use super::registers::Registers;

impl Registers {
    /// The halves as floats with the exponents of 2^23 and 2^39, whose difference rounds once.
    pub(super) fn uint_to_float(&mut self, dst: Slot, a: Slot) {
        let x = self.vector(a);
        let (low, d) = (self.temporary(), self.define(dst));
        let [half, low_exponent, high_exponent, both] =
            [0xffff, 0x4b00_0000, 0x5300_0000, 0x5300_0080].map(|word| self.constant(word));
        self.asm.vector(op::AND, low, x, half);
        self.asm.vector(op::OR, low, low, low_exponent);
        self.asm.shift(RIGHT, d, x, 16);
        self.asm.vector(op::OR, d, d, high_exponent);
        self.asm.vector(op::SUB_PS, d, d, both);
        self.asm.vector(op::ADD_PS, d, low, Rm::Reg(d));
    }

    /// `to = min(x, limit)`, 0 where x is NaN.
    fn limited(&mut self, to: Reg, x: Reg, limit: f32) {
        let limit = self.constant(limit.to_bits());
        self.asm.vector(op::MIN_PS, to, x, limit);
        self.in_order(to, x);
    }

    /// `to = 0` where x is NaN.
    fn in_order(&mut self, to: Reg, x: Reg) {
        match self.form {
            Form::Evex => {
                let mask = self.take_mask();
                self.asm.vector_imm(op::CMP_PS, mask, x, Rm::Reg(x), floats::ORDERED);
                self.asm.masked(op::MOVE, to, 0, Rm::Reg(to), mask, true);
            }
            Form::Vex => {
                let ordered = self.temporary();
                self.asm.vector_imm(op::CMP_PS, ordered, x, Rm::Reg(x), floats::ORDERED);
                self.asm.vector(op::AND, to, to, Rm::Reg(ordered));
            }
        }
    }

    pub(super) fn float_to_int(&mut self, dst: Slot, a: Slot) {
        let x = self.vector(a);
        let d = self.define(dst);
        self.limited(d, x, 2_147_483_520.0);
        self.asm.vector(op::FLOAT_TO_INT, d, 0, Rm::Reg(d));
    }

    pub(super) fn float_to_uint(&mut self, dst: Slot, a: Slot) {
        let x = self.vector(a);
        let d = self.define(dst);
        self.limited(d, x, 4_294_967_040.0);
        let zero = self.zero();
        self.asm.vector(op::MAX_PS, d, d, Rm::Reg(zero));
        if self.form == Form::Evex {
            return self.asm.vector(op::FLOAT_TO_UINT, d, 0, Rm::Reg(d));
        }
        // What is 2^31 or more is converted without its highest bit.
        let (half, large) = (self.temporary(), self.temporary());
        let constant = self.constant(2_147_483_648f32.to_bits());
        self.load(half, constant);
        self.asm.vector_imm(op::CMP_PS, large, half, Rm::Reg(d), floats::LESS_EQUAL);
        self.asm.vector(op::AND, half, half, Rm::Reg(large));
        self.asm.vector(op::SUB_PS, d, d, Rm::Reg(half));
        self.asm.vector(op::FLOAT_TO_INT, d, 0, Rm::Reg(d));
        let sign = self.constant(SIGN);
        self.asm.vector(op::AND, large, large, sign);
        self.asm.vector(op::XOR, d, d, Rm::Reg(large));
    }

    /// 1 above 0, -1 below, else 0.
    pub(super) fn sign(&mut self, dst: Slot, a: Slot) {
        let x = self.vector(a);
        let zero = self.zero();
        let d = self.define(dst);
        let (one, minus_one) = (self.constant(ONE), self.constant(ONE | SIGN));
        match self.form {
            Form::Evex => {
                let (above, below) = (self.take_mask(), self.take_mask());
                self.asm.vector_imm(op::CMP_PS, above, zero, Rm::Reg(x), floats::LESS);
                self.asm.vector_imm(op::CMP_PS, below, x, Rm::Reg(zero), floats::LESS);
                self.asm.masked(op::BROADCAST, d, 0, one, above, true);
                self.asm.masked(op::BROADCAST, d, 0, minus_one, below, false);
            }
            Form::Vex => {
                self.asm.vector_imm(op::CMP_PS, d, zero, Rm::Reg(x), floats::LESS);
                self.asm.vector_imm(op::CMP_PS, zero, x, Rm::Reg(zero), floats::LESS);
                self.asm.vector(op::AND, d, d, one);
                self.asm.vector(op::AND, zero, zero, minus_one);
                self.asm.vector(op::OR, d, d, Rm::Reg(zero));
            }
        }
    }
}
