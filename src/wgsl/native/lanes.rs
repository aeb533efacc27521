//! Machine code of the operations on lanes, with the bits that `lane.rs` defines.

use super::super::inst::Slot;
use super::super::lane::Lane;
use super::emit::Emitter;
use super::encode::{Form, Op, Reg, Rm, op};
use super::registers::Registers;

/// Predicates of comparisons of floats: false where a value is NaN, but for `NOT_EQUAL`.
pub(super) mod floats {
    pub const EQUAL: u8 = 0x00;
    pub const LESS: u8 = 0x11;
    pub const LESS_EQUAL: u8 = 0x12;
    pub const NOT_EQUAL: u8 = 0x04;
    pub const ORDERED: u8 = 0x07;
}

/// Predicates of comparisons of integers.
pub(super) mod integers {
    pub const EQUAL: u8 = 0;
    pub const LESS: u8 = 1;
    pub const LESS_EQUAL: u8 = 2;
    pub const NOT_EQUAL: u8 = 4;
}

const ONES: u32 = u32::MAX;
pub(super) const ONE: u32 = 0x3f80_0000;
pub(super) const SIGN: u32 = 0x8000_0000;

/// Rounding modes of `ROUND_PS`.
const NEAREST: u8 = 8;
const DOWN: u8 = 9;
const UP: u8 = 10;
const TO_ZERO: u8 = 11;

const LEFT: u8 = 6;
pub(super) const RIGHT: u8 = 2;
const RIGHT_SIGNED: u8 = 4;

impl Emitter {
    pub(super) fn lane(&mut self, operation: Lane, dst: Slot, src: [Slot; 3]) {
        let [a, b, c] = src;
        let r = &mut self.registers;
        match operation {
            Lane::Copy => self.copy(dst, a),
            Lane::And | Lane::Or | Lane::Xor | Lane::AndNot | Lane::Not => self.logic(operation, dst, a, b),
            Lane::Select => self.select(dst, a, b, c),
            Lane::Add => r.either(op::ADD_D, dst, a, b),
            Lane::Sub => r.two(op::SUB_D, dst, a, b),
            Lane::Mul => r.either(op::MUL_D, dst, a, b),
            Lane::NegI => {
                let zero = r.zero();
                let x = r.operand(a);
                r.release(a);
                let d = r.define(dst);
                r.asm.vector(op::SUB_D, d, zero, x);
            }
            Lane::AbsI => r.one(op::ABS_D, dst, a),
            Lane::MinI => r.either(op::MIN_SD, dst, a, b),
            Lane::MaxI => r.either(op::MAX_SD, dst, a, b),
            Lane::MinU => r.either(op::MIN_UD, dst, a, b),
            Lane::MaxU => r.either(op::MAX_UD, dst, a, b),
            Lane::Equal | Lane::NotEqual | Lane::LessI | Lane::LessEqualI | Lane::LessU | Lane::LessEqualU => {
                r.compare_integers(operation, dst, a, b);
            }
            Lane::ShiftLeft => r.shift(LEFT, op::SHIFT_LEFT_EACH, dst, a, b),
            Lane::ShiftRightU => r.shift(RIGHT, op::SHIFT_RIGHT_EACH, dst, a, b),
            Lane::ShiftRightI => r.shift(RIGHT_SIGNED, op::SHIFT_RIGHT_SIGNED_EACH, dst, a, b),
            Lane::IntToFloat => r.one(op::INT_TO_FLOAT, dst, a),
            Lane::UintToFloat if r.form == Form::Evex => r.one(op::UINT_TO_FLOAT, dst, a),
            Lane::UintToFloat => r.uint_to_float(dst, a),
            Lane::FloatToI => r.float_to_int(dst, a),
            Lane::FloatToU => r.float_to_uint(dst, a),
            Lane::AddF => r.either(op::ADD_PS, dst, a, b),
            Lane::SubF => r.two(op::SUB_PS, dst, a, b),
            Lane::MulF => r.either(op::MUL_PS, dst, a, b),
            Lane::DivF => r.two(op::DIV_PS, dst, a, b),
            Lane::RemF => {
                let (x, y) = (r.vector(a), r.vector(b));
                let d = r.define(dst);
                r.asm.vector(op::DIV_PS, d, x, Rm::Reg(y));
                r.asm.vector_imm(op::ROUND_PS, d, 0, Rm::Reg(d), TO_ZERO);
                r.asm.vector(op::MUL_PS, d, y, Rm::Reg(d));
                r.asm.vector(op::SUB_PS, d, x, Rm::Reg(d));
            }
            Lane::NegF => r.with_word(op::XOR, dst, a, SIGN),
            Lane::AbsF => r.with_word(op::AND, dst, a, !SIGN),
            Lane::SignF => r.sign(dst, a),
            // The processor's minimum gives its second source where it is not below the first.
            Lane::MinF => r.two(op::MIN_PS, dst, b, a),
            Lane::MaxF => r.two(op::MAX_PS, dst, b, a),
            Lane::ClampF => {
                let (x, low, high) = (r.operand(a), r.vector(b), r.vector(c));
                let d = r.define(dst);
                r.asm.vector(op::MAX_PS, d, low, x);
                r.asm.vector(op::MIN_PS, d, high, Rm::Reg(d));
            }
            Lane::EqualF => r.compare_floats(floats::EQUAL, dst, a, b),
            Lane::NotEqualF => r.compare_floats(floats::NOT_EQUAL, dst, a, b),
            Lane::LessF => r.compare_floats(floats::LESS, dst, a, b),
            Lane::LessEqualF => r.compare_floats(floats::LESS_EQUAL, dst, a, b),
            Lane::MulAddF => {
                let (a, b) = if r.in_register(a) { (a, b) } else { (b, a) };
                let (x, y, z) = (r.vector(a), r.operand(b), r.operand(c));
                let d = r.define(dst);
                r.asm.vector(op::MUL_PS, d, x, y);
                r.asm.vector(op::ADD_PS, d, d, z);
            }
            Lane::Mix => {
                let (x, y, t) = (r.vector(a), r.operand(b), r.vector(c));
                let (one, other, d) = (r.temporary(), r.temporary(), r.define(dst));
                let constant = r.constant(ONE);
                r.load(one, constant);
                r.asm.vector(op::SUB_PS, one, one, Rm::Reg(t));
                r.asm.vector(op::MUL_PS, d, x, Rm::Reg(one));
                r.asm.vector(op::MUL_PS, other, t, y);
                r.asm.vector(op::ADD_PS, d, d, Rm::Reg(other));
            }
            Lane::Floor => r.round(DOWN, dst, a),
            Lane::Ceil => r.round(UP, dst, a),
            Lane::Round => r.round(NEAREST, dst, a),
            Lane::Trunc => r.round(TO_ZERO, dst, a),
            Lane::Fract => {
                let x = r.vector(a);
                let d = r.define(dst);
                r.asm.vector_imm(op::ROUND_PS, d, 0, Rm::Reg(x), DOWN);
                r.asm.vector(op::SUB_PS, d, x, Rm::Reg(d));
            }
            Lane::Sqrt => r.one(op::SQRT_PS, dst, a),
            Lane::InverseSqrt => {
                let x = r.operand(a);
                let (one, d) = (r.temporary(), r.define(dst));
                r.asm.vector(op::SQRT_PS, d, 0, x);
                let constant = r.constant(ONE);
                r.load(one, constant);
                r.asm.vector(op::DIV_PS, d, one, Rm::Reg(d));
            }
            _ => self.function(operation, dst, &src[..operation.arity()]),
        }
    }

    fn copy(&mut self, dst: Slot, src: Slot) {
        let r = &mut self.registers;
        let from = r.vector(src);
        if !r.rename(src, dst) {
            let to = r.define(dst);
            r.load(to, Rm::Reg(from));
        }
    }

    fn logic(&mut self, operation: Lane, dst: Slot, a: Slot, b: Slot) {
        let b = if operation == Lane::Not { a } else { b };
        let (true_a, true_b) = (self.truths[a as usize], self.truths[b as usize]);
        let r = &mut self.registers;
        let (mask_a, mask_b) = (r.in_mask(a), r.in_mask(b));
        if true_a && true_b && (mask_a || mask_b) {
            let (a, b) = (r.mask(a), r.mask(b));
            let d = r.define_mask(dst);
            match operation {
                Lane::And => r.asm.mask(op::MASK_AND, d, a, b),
                Lane::Or => r.asm.mask(op::MASK_OR, d, a, b),
                Lane::Xor => r.asm.mask(op::MASK_XOR, d, a, b),
                Lane::AndNot => r.asm.mask(op::MASK_NOT_AND, d, b, a),
                _ => r.asm.mask(op::MASK_NOT, d, 0, a),
            }
            return;
        }
        if operation == Lane::And && ((true_a && mask_a) || (true_b && mask_b)) {
            let (mask, value) = if true_a && mask_a { (a, b) } else { (b, a) };
            let (mask, value) = (r.mask(mask), r.operand(value));
            let d = r.define(dst);
            let how = match value {
                Rm::Reg(_) => op::MOVE,
                Rm::Row(..) => op::LOAD,
                Rm::Word(..) => op::BROADCAST,
            };
            r.asm.masked(how, d, 0, value, mask, true);
            return;
        }
        match operation {
            Lane::And => r.either(op::AND, dst, a, b),
            Lane::Or => r.either(op::OR, dst, a, b),
            Lane::Xor => r.either(op::XOR, dst, a, b),
            Lane::AndNot => r.two(op::NOT_AND, dst, b, a),
            _ => r.with_word(op::XOR, dst, a, ONES),
        }
    }

    fn select(&mut self, dst: Slot, condition: Slot, yes: Slot, no: Slot) {
        let truth = self.truths[condition as usize];
        let r = &mut self.registers;
        match r.form {
            Form::Evex if truth => {
                let (mask, no_register, yes_operand) = (r.mask(condition), r.vector(no), r.operand(yes));
                r.release(yes);
                r.release(no);
                let d = r.define(dst);
                r.asm.masked(op::BLEND_MASK, d, no_register, yes_operand, mask, false);
            }
            Form::Vex if truth => {
                let (signs, no_register, yes_operand) = (r.vector(condition), r.vector(no), r.operand(yes));
                for slot in [condition, yes, no] {
                    r.release(slot);
                }
                let d = r.define(dst);
                r.asm.vector_imm(op::BLEND_SIGN, d, no_register, yes_operand, signs << 4);
            }
            _ => {
                let (bits, yes, no) = (r.vector(condition), r.operand(yes), r.operand(no));
                let (other, d) = (r.temporary(), r.define(dst));
                r.asm.vector(op::AND, other, bits, yes);
                r.asm.vector(op::NOT_AND, d, bits, no);
                r.asm.vector(op::OR, d, d, Rm::Reg(other));
            }
        }
    }
}

impl Registers {
    /// `dst = op(a)`
    fn one(&mut self, op: Op, dst: Slot, a: Slot) {
        let x = self.operand(a);
        self.release(a);
        let d = self.define(dst);
        self.asm.vector(op, d, 0, x);
    }

    /// `dst = op(a, b)`
    fn two(&mut self, op: Op, dst: Slot, a: Slot, b: Slot) {
        let (x, y) = (self.vector(a), self.operand(b));
        self.release(a);
        self.release(b);
        let d = self.define(dst);
        self.asm.vector(op, d, x, y);
    }

    /// The same where the sources may change places.
    fn either(&mut self, op: Op, dst: Slot, a: Slot, b: Slot) {
        let swapped = self.in_register(b) && !self.in_register(a);
        if swapped { self.two(op, dst, b, a) } else { self.two(op, dst, a, b) }
    }

    /// `dst = op(a, word)`
    fn with_word(&mut self, op: Op, dst: Slot, a: Slot, word: u32) {
        let x = self.vector(a);
        self.release(a);
        let d = self.define(dst);
        let constant = self.constant(word);
        self.asm.vector(op, d, x, constant);
    }

    fn round(&mut self, mode: u8, dst: Slot, a: Slot) {
        let x = self.operand(a);
        self.release(a);
        let d = self.define(dst);
        self.asm.vector_imm(op::ROUND_PS, d, 0, x, mode);
    }

    pub(super) fn zero(&mut self) -> Reg {
        let zero = self.temporary();
        self.asm.vector(op::XOR, zero, zero, Rm::Reg(zero));
        zero
    }

    fn shift(&mut self, direction: u8, each: Op, dst: Slot, a: Slot, count: Slot) {
        let x = self.vector(a);
        if let Some(word) = self.word(count) {
            self.release(a);
            let d = self.define(dst);
            self.asm.shift(direction, d, x, (word & 31) as u8);
            return;
        }
        let count = self.vector(count);
        let (bits, low) = (self.temporary(), self.constant(31));
        let d = self.define(dst);
        self.asm.vector(op::AND, bits, count, low);
        self.asm.vector(each, d, x, Rm::Reg(bits));
    }

    fn compare_floats(&mut self, predicate: u8, dst: Slot, a: Slot, b: Slot) {
        let (x, y) = (self.vector(a), self.operand(b));
        let d = if self.form == Form::Evex {
            self.define_mask(dst)
        } else {
            self.release(a);
            self.release(b);
            self.define(dst)
        };
        self.asm.vector_imm(op::CMP_PS, d, x, y, predicate);
    }

    fn compare_integers(&mut self, operation: Lane, dst: Slot, a: Slot, b: Slot) {
        if self.form == Form::Evex {
            let (how, predicate) = match operation {
                Lane::Equal => (op::CMP_UD, integers::EQUAL),
                Lane::NotEqual => (op::CMP_UD, integers::NOT_EQUAL),
                Lane::LessI => (op::CMP_SD, integers::LESS),
                Lane::LessEqualI => (op::CMP_SD, integers::LESS_EQUAL),
                Lane::LessU => (op::CMP_UD, integers::LESS),
                _ => (op::CMP_UD, integers::LESS_EQUAL),
            };
            let (x, y) = (self.vector(a), self.operand(b));
            let d = self.define_mask(dst);
            self.asm.vector_imm(how, d, x, y, predicate);
            return;
        }
        let (x, y) = (self.vector(a), self.vector(b));
        let d = self.define(dst);
        let negated = match operation {
            Lane::Equal | Lane::NotEqual => {
                self.asm.vector(op::EQUAL_D, d, x, Rm::Reg(y));
                operation == Lane::NotEqual
            }
            Lane::LessI => {
                self.asm.vector(op::GREATER_SD, d, y, Rm::Reg(x));
                false
            }
            Lane::LessEqualI => {
                self.asm.vector(op::GREATER_SD, d, x, Rm::Reg(y));
                true
            }
            Lane::LessU => {
                self.asm.vector(op::MAX_UD, d, x, Rm::Reg(y));
                self.asm.vector(op::EQUAL_D, d, d, Rm::Reg(x));
                true
            }
            _ => {
                self.asm.vector(op::MIN_UD, d, x, Rm::Reg(y));
                self.asm.vector(op::EQUAL_D, d, d, Rm::Reg(x));
                false
            }
        };
        if negated {
            let ones = self.constant(ONES);
            self.asm.vector(op::XOR, d, d, ones);
        }
    }
}
