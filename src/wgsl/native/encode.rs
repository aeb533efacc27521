//! Machine code of x86-64: the vector instructions that programs need, with VEX or EVEX prefixes, and what is around them.

/// A general register.
pub(super) type Gpr = u8;
/// A vector or mask register.
pub(super) type Reg = u8;

pub(super) const RAX: Gpr = 0;
pub(super) const RCX: Gpr = 1;
pub(super) const RDX: Gpr = 2;
pub(super) const RBX: Gpr = 3;
pub(super) const RBP: Gpr = 5;
pub(super) const RSI: Gpr = 6;
pub(super) const RDI: Gpr = 7;
pub(super) const R12: Gpr = 12;
pub(super) const R13: Gpr = 13;
pub(super) const R15: Gpr = 15;

/// How vectors are encoded, and how wide they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// AVX2: 16 registers of 8 lanes.
    Vex,
    /// AVX-512: 32 registers of 16 lanes, 8 mask registers.
    Evex,
}

impl Form {
    /// Lanes of a vector.
    pub fn lanes(self) -> usize {
        if self == Form::Evex { 16 } else { 8 }
    }

    /// Bytes of a vector.
    pub fn bytes(self) -> i32 {
        4 * self.lanes() as i32
    }
}

/// The last operand of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rm {
    Reg(Reg),
    /// A vector in memory.
    Row(Gpr, i32),
    /// A word in memory, for all lanes.
    Word(Gpr, i32),
}

/// Opcode map, mandatory prefix, opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Op(u8, u8, u8);

const P66: u8 = 1;
const PF3: u8 = 2;
const PF2: u8 = 3;

pub(super) mod op {
    use super::{Op, P66, PF2, PF3};

    pub const ADD_PS: Op = Op(1, 0, 0x58);
    pub const MUL_PS: Op = Op(1, 0, 0x59);
    pub const SUB_PS: Op = Op(1, 0, 0x5c);
    pub const MIN_PS: Op = Op(1, 0, 0x5d);
    pub const DIV_PS: Op = Op(1, 0, 0x5e);
    pub const MAX_PS: Op = Op(1, 0, 0x5f);
    pub const SQRT_PS: Op = Op(1, 0, 0x51);
    /// With a predicate. To a mask register in the EVEX form.
    pub const CMP_PS: Op = Op(1, 0, 0xc2);
    pub const ROUND_PS: Op = Op(3, P66, 0x08);
    pub const AND: Op = Op(1, P66, 0xdb);
    /// !a & b
    pub const NOT_AND: Op = Op(1, P66, 0xdf);
    pub const OR: Op = Op(1, P66, 0xeb);
    pub const XOR: Op = Op(1, P66, 0xef);
    pub const ADD_D: Op = Op(1, P66, 0xfe);
    pub const SUB_D: Op = Op(1, P66, 0xfa);
    pub const MUL_D: Op = Op(2, P66, 0x40);
    pub const MIN_SD: Op = Op(2, P66, 0x39);
    pub const MIN_UD: Op = Op(2, P66, 0x3b);
    pub const MAX_SD: Op = Op(2, P66, 0x3d);
    pub const MAX_UD: Op = Op(2, P66, 0x3f);
    pub const ABS_D: Op = Op(2, P66, 0x1e);
    pub const SHIFT_LEFT_EACH: Op = Op(2, P66, 0x47);
    pub const SHIFT_RIGHT_EACH: Op = Op(2, P66, 0x45);
    pub const SHIFT_RIGHT_SIGNED_EACH: Op = Op(2, P66, 0x46);
    pub const INT_TO_FLOAT: Op = Op(1, 0, 0x5b);
    /// Truncates.
    pub const FLOAT_TO_INT: Op = Op(1, PF3, 0x5b);
    /// EVEX only.
    pub const UINT_TO_FLOAT: Op = Op(1, PF2, 0x7a);
    /// EVEX only; truncates.
    pub const FLOAT_TO_UINT: Op = Op(1, 0, 0x78);
    /// VEX only.
    pub const EQUAL_D: Op = Op(1, P66, 0x76);
    /// VEX only.
    pub const GREATER_SD: Op = Op(1, P66, 0x66);
    /// EVEX only: with a predicate, to a mask register.
    pub const CMP_SD: Op = Op(3, P66, 0x1f);
    /// EVEX only: with a predicate, to a mask register.
    pub const CMP_UD: Op = Op(3, P66, 0x1e);
    /// EVEX only: b where the mask, else a.
    pub const BLEND_MASK: Op = Op(2, P66, 0x65);
    /// VEX only: b where the sign of the register in the immediate's high half, else a.
    pub const BLEND_SIGN: Op = Op(3, P66, 0x4a);
    /// EVEX only: mask register to vector.
    pub const MASK_TO_VECTOR: Op = Op(2, PF3, 0x38);
    /// EVEX only: signs to mask register.
    pub const VECTOR_TO_MASK: Op = Op(2, PF3, 0x39);
    /// VEX only.
    pub const TEST: Op = Op(2, P66, 0x17);
    pub const LOAD: Op = Op(1, 0, 0x10);
    pub const STORE: Op = Op(1, 0, 0x11);
    pub const MOVE: Op = Op(1, 0, 0x28);
    pub const BROADCAST: Op = Op(2, P66, 0x18);
    pub const SHIFT_BY: Op = Op(1, P66, 0x72);

    // Mask registers, 16 bits each.
    pub const MASK_AND: Op = Op(1, 0, 0x41);
    /// !a & b
    pub const MASK_NOT_AND: Op = Op(1, 0, 0x42);
    pub const MASK_NOT: Op = Op(1, 0, 0x44);
    pub const MASK_OR: Op = Op(1, 0, 0x45);
    pub const MASK_XOR: Op = Op(1, 0, 0x47);
    pub const MASK_TEST: Op = Op(1, 0, 0x98);
}

/// Where a jump goes: numbered by the user of the assembler.
pub(super) type Target = usize;

/// Writes machine code.
#[derive(Debug)]
pub(super) struct Assembler {
    pub code: Vec<u8>,
    form: Form,
    /// Where targets are, and jumps that wait for them.
    targets: Vec<Option<usize>>,
    jumps: Vec<(usize, Target)>,
}

impl Assembler {
    pub fn new(form: Form) -> Self {
        Self { code: Vec::new(), form, targets: Vec::new(), jumps: Vec::new() }
    }

    /// `reg = op(a, b)`; `a` is 0 where the instruction has one source.
    pub fn vector(&mut self, op: Op, reg: Reg, a: Reg, b: Rm) {
        self.masked(op, reg, a, b, 0, false);
    }

    /// The same with an immediate byte.
    pub fn vector_imm(&mut self, op: Op, reg: Reg, a: Reg, b: Rm, immediate: u8) {
        self.vector(op, reg, a, b);
        self.code.push(immediate);
    }

    /// With a mask register; lanes outside it become zero or stay.
    pub fn masked(&mut self, op: Op, reg: Reg, a: Reg, b: Rm, mask: Reg, zero: bool) {
        match self.form {
            Form::Vex => self.vex(op, 1, reg, a, b),
            Form::Evex => self.evex(op, reg, a, b, mask, zero),
        }
    }

    /// An instruction on mask registers.
    pub fn mask(&mut self, op: Op, reg: Reg, a: Reg, b: Reg) {
        let long = !matches!(op, op::MASK_NOT | op::MASK_TEST);
        self.vex(op, u8::from(long), reg, a, Rm::Reg(b));
    }

    fn vex(&mut self, Op(map, prefix, code): Op, long: u8, reg: Reg, a: Reg, b: Rm) {
        let high = |n: u8| n >> 3 & 1;
        let (Rm::Reg(base) | Rm::Row(base, _) | Rm::Word(base, _)) = b;
        let last = (!a & 15) << 3 | long << 2 | prefix;
        if map == 1 && high(base) == 0 {
            self.code.extend([0xc5, (high(reg) ^ 1) << 7 | last, code]);
        } else {
            let first = (high(reg) ^ 1) << 7 | 1 << 6 | (high(base) ^ 1) << 5 | map;
            self.code.extend([0xc4, first, last, code]);
        }
        self.operand(reg, b, 1);
    }

    fn evex(&mut self, op: Op, reg: Reg, a: Reg, b: Rm, mask: Reg, zero: bool) {
        let Op(map, prefix, code) = op;
        let bit = |n: u8, at: u8| (n >> at & 1) ^ 1;
        let (base, index, broadcast) = match b {
            Rm::Reg(reg) => (reg, bit(reg, 4), 0),
            Rm::Row(base, _) => (base, 1, 0),
            // A broadcast is an instruction of its own, not the modifier of one.
            Rm::Word(base, _) => (base, 1, u8::from(op != op::BROADCAST)),
        };
        self.code.extend([
            0x62,
            bit(reg, 3) << 7 | index << 6 | bit(base, 3) << 5 | bit(reg, 4) << 4 | map,
            (!a & 15) << 3 | 1 << 2 | prefix,
            u8::from(zero) << 7 | 0b10 << 5 | broadcast << 4 | bit(a, 4) << 3 | mask,
            code,
        ]);
        let unit = if matches!(b, Rm::Word(..)) { 4 } else { 64 };
        self.operand(reg, b, unit);
    }

    /// ModRM and displacement; a displacement of one byte counts units.
    fn operand(&mut self, reg: Reg, b: Rm, unit: i32) {
        let reg = (reg & 7) << 3;
        match b {
            Rm::Reg(b) => self.code.push(0xc0 | reg | b & 7),
            Rm::Row(base, at) | Rm::Word(base, at) => {
                let short = (at % unit == 0).then(|| i8::try_from(at / unit).ok()).flatten();
                let mode = if short.is_some() { 0x40 } else { 0x80 };
                self.code.push(mode | reg | base & 7);
                if base & 7 == 4 {
                    self.code.push(0x24);
                }
                match short {
                    Some(short) => self.code.push(short as u8),
                    None => self.code.extend(at.to_le_bytes()),
                }
            }
        }
    }

    /// Shifts each lane of `a` by so many bits: `6` left, `2` right, `4` right with the sign.
    pub fn shift(&mut self, direction: u8, reg: Reg, a: Reg, bits: u8) {
        self.vector_imm(op::SHIFT_BY, direction, reg, Rm::Reg(a), bits);
    }

    pub fn push(&mut self, register: Gpr) {
        self.prefixed(register, 0x50);
    }

    pub fn pop(&mut self, register: Gpr) {
        self.prefixed(register, 0x58);
    }

    fn prefixed(&mut self, register: Gpr, code: u8) {
        if register >= 8 {
            self.code.push(0x41);
        }
        self.code.push(code | register & 7);
    }

    /// `to = from`
    pub fn move_register(&mut self, to: Gpr, from: Gpr) {
        self.code.extend([0x48 | from >> 3 << 2 | to >> 3, 0x89, 0xc0 | (from & 7) << 3 | to & 7]);
    }

    /// `to = value`
    pub fn move_constant(&mut self, to: Gpr, value: u64) {
        self.code.extend([0x48 | to >> 3, 0xb8 | to & 7]);
        self.code.extend(value.to_le_bytes());
    }

    /// `to = base + at`
    pub fn address(&mut self, to: Gpr, base: Gpr, at: i32) {
        self.code.extend([0x48 | to >> 3 << 2 | base >> 3, 0x8d, 0x80 | (to & 7) << 3 | base & 7]);
        self.code.extend(at.to_le_bytes());
    }

    /// The word at `base + at` becomes `value`.
    pub fn set_word(&mut self, base: Gpr, at: i32, value: u32) {
        self.code.extend([0xc7, 0x80 | base & 7]);
        self.code.extend(at.to_le_bytes());
        self.code.extend(value.to_le_bytes());
    }

    /// Takes one off the word at `base + at`; [`Self::jump_unless_zero`] may follow.
    pub fn decrement_word(&mut self, base: Gpr, at: i32) {
        self.code.extend([0xff, 0x88 | base & 7]);
        self.code.extend(at.to_le_bytes());
    }

    /// Calls the function at an address.
    pub fn call(&mut self, address: u64) {
        self.move_constant(RAX, address);
        self.code.extend([0xff, 0xd0]);
    }

    /// Leaves the upper halves of vector registers clean, then returns.
    pub fn clear_upper(&mut self) {
        self.code.extend([0xc5, 0xf8, 0x77]);
    }

    pub fn ret(&mut self) {
        self.code.push(0xc3);
    }

    /// The target is here.
    pub fn place(&mut self, target: Target) {
        self.reserve(target);
        self.targets[target] = Some(self.code.len());
    }

    fn reserve(&mut self, target: Target) {
        if self.targets.len() <= target {
            self.targets.resize(target + 1, None);
        }
    }

    pub fn jump_if_zero(&mut self, target: Target) {
        self.jump(0x84, target);
    }

    pub fn jump_unless_zero(&mut self, target: Target) {
        self.jump(0x85, target);
    }

    fn jump(&mut self, condition: u8, target: Target) {
        self.reserve(target);
        self.code.extend([0x0f, condition, 0, 0, 0, 0]);
        self.jumps.push((self.code.len(), target));
    }

    /// The finished code, if every jump has its target and is not too far.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        for (from, target) in self.jumps {
            let distance = self.targets[target]? as i64 - from as i64;
            self.code[from - 4..from].copy_from_slice(&i32::try_from(distance).ok()?.to_le_bytes());
        }
        Some(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(form: Form, write: impl Fn(&mut Assembler)) -> Vec<u8> {
        let mut assembler = Assembler::new(form);
        write(&mut assembler);
        assembler.finish().unwrap()
    }

    #[rustfmt::skip]
    fn cases() -> Vec<(&'static str, Vec<u8>, &'static [u8])> {
        vec![
            ("vaddps zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::ADD_PS, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6c, 0x48, 0x58, 0xcb]),
            ("vsubps zmm17,zmm30,zmm9", bytes(Form::Evex, |a| a.vector(op::SUB_PS, 17, 30, Rm::Reg(9))), &[0x62, 0xc1, 0x0c, 0x40, 0x5c, 0xc9]),
            ("vmulps zmm8,zmm15,zmm24", bytes(Form::Evex, |a| a.vector(op::MUL_PS, 8, 15, Rm::Reg(24))), &[0x62, 0x11, 0x04, 0x48, 0x59, 0xc0]),
            ("vdivps zmm1,zmm2,[rbx+0x1000]", bytes(Form::Evex, |a| a.vector(op::DIV_PS, 1, 2, Rm::Row(RBX, 0x1000))), &[0x62, 0xf1, 0x6c, 0x48, 0x5e, 0x4b, 0x40]),
            ("vminps zmm1,zmm20,[rbx-0x12344]", bytes(Form::Evex, |a| a.vector(op::MIN_PS, 1, 20, Rm::Row(RBX, -0x12344))), &[0x62, 0xf1, 0x5c, 0x40, 0x5d, 0x8b, 0xbc, 0xdc, 0xfe, 0xff]),
            ("vmaxps zmm31,zmm2,dword ptr [rbp-512]{1to16}", bytes(Form::Evex, |a| a.vector(op::MAX_PS, 31, 2, Rm::Word(RBP, -512))), &[0x62, 0x61, 0x6c, 0x58, 0x5f, 0x7d, 0x80]),
            ("vsqrtps zmm31,dword ptr [rbp+512]{1to16}", bytes(Form::Evex, |a| a.vector(op::SQRT_PS, 31, 0, Rm::Word(RBP, 512))), &[0x62, 0x61, 0x7c, 0x58, 0x51, 0xbd, 0x00, 0x02, 0x00, 0x00]),
            ("vbroadcastss zmm8,dword ptr [rbp+508]", bytes(Form::Evex, |a| a.vector(op::BROADCAST, 8, 0, Rm::Word(RBP, 508))), &[0x62, 0x72, 0x7d, 0x48, 0x18, 0x45, 0x7f]),
            ("vbroadcastss zmm8{k3}{z},dword ptr [rbp+508]", bytes(Form::Evex, |a| a.masked(op::BROADCAST, 8, 0, Rm::Word(RBP, 508), 3, true)), &[0x62, 0x72, 0x7d, 0xcb, 0x18, 0x45, 0x7f]),
            ("vcmpps k5,zmm3,zmm29,0x11", bytes(Form::Evex, |a| a.vector_imm(op::CMP_PS, 5, 3, Rm::Reg(29), 0x11)), &[0x62, 0x91, 0x64, 0x48, 0xc2, 0xed, 0x11]),
            ("vpcmpud k1,zmm3,dword ptr [rbp+4]{1to16},1", bytes(Form::Evex, |a| a.vector_imm(op::CMP_UD, 1, 3, Rm::Word(RBP, 4), 1)), &[0x62, 0xf3, 0x65, 0x58, 0x1e, 0x4d, 0x01, 0x01]),
            ("vpcmpd k7,zmm30,zmm1,2", bytes(Form::Evex, |a| a.vector_imm(op::CMP_SD, 7, 30, Rm::Reg(1), 2)), &[0x62, 0xf3, 0x0d, 0x40, 0x1f, 0xf9, 0x02]),
            ("vblendmps zmm1{k7},zmm2,zmm30", bytes(Form::Evex, |a| a.masked(op::BLEND_MASK, 1, 2, Rm::Reg(30), 7, false)), &[0x62, 0x92, 0x6d, 0x4f, 0x65, 0xce]),
            ("vmovaps zmm21{k2}{z},zmm30", bytes(Form::Evex, |a| a.masked(op::MOVE, 21, 0, Rm::Reg(30), 2, true)), &[0x62, 0x81, 0x7c, 0xca, 0x28, 0xee]),
            ("vpmovm2d zmm19,k4", bytes(Form::Evex, |a| a.vector(op::MASK_TO_VECTOR, 19, 0, Rm::Reg(4))), &[0x62, 0xe2, 0x7e, 0x48, 0x38, 0xdc]),
            ("vpmovd2m k4,zmm27", bytes(Form::Evex, |a| a.vector(op::VECTOR_TO_MASK, 4, 0, Rm::Reg(27))), &[0x62, 0x92, 0x7e, 0x48, 0x39, 0xe3]),
            ("vrndscaleps zmm1,zmm2,9", bytes(Form::Evex, |a| a.vector_imm(op::ROUND_PS, 1, 0, Rm::Reg(2), 9)), &[0x62, 0xf3, 0x7d, 0x48, 0x08, 0xca, 0x09]),
            ("vpslld zmm18,zmm25,7", bytes(Form::Evex, |a| a.shift(6, 18, 25, 7)), &[0x62, 0x91, 0x6d, 0x40, 0x72, 0xf1, 0x07]),
            ("vpsrld zmm18,zmm5,7", bytes(Form::Evex, |a| a.shift(2, 18, 5, 7)), &[0x62, 0xf1, 0x6d, 0x40, 0x72, 0xd5, 0x07]),
            ("vpsrad zmm3,zmm15,31", bytes(Form::Evex, |a| a.shift(4, 3, 15, 31)), &[0x62, 0xd1, 0x65, 0x48, 0x72, 0xe7, 0x1f]),
            ("vpsravd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::SHIFT_RIGHT_SIGNED_EACH, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x46, 0xcb]),
            ("vpsllvd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::SHIFT_LEFT_EACH, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x47, 0xcb]),
            ("vpsrlvd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::SHIFT_RIGHT_EACH, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x45, 0xcb]),
            ("vpandd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::AND, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xdb, 0xcb]),
            ("vpandnd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::NOT_AND, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xdf, 0xcb]),
            ("vpord zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::OR, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xeb, 0xcb]),
            ("vpxord zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::XOR, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xef, 0xcb]),
            ("vpaddd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::ADD_D, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xfe, 0xcb]),
            ("vpsubd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::SUB_D, 1, 2, Rm::Reg(3))), &[0x62, 0xf1, 0x6d, 0x48, 0xfa, 0xcb]),
            ("vpmulld zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::MUL_D, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x40, 0xcb]),
            ("vpminsd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::MIN_SD, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x39, 0xcb]),
            ("vpminud zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::MIN_UD, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x3b, 0xcb]),
            ("vpmaxsd zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::MAX_SD, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x3d, 0xcb]),
            ("vpmaxud zmm1,zmm2,zmm3", bytes(Form::Evex, |a| a.vector(op::MAX_UD, 1, 2, Rm::Reg(3))), &[0x62, 0xf2, 0x6d, 0x48, 0x3f, 0xcb]),
            ("vpabsd zmm1,zmm3", bytes(Form::Evex, |a| a.vector(op::ABS_D, 1, 0, Rm::Reg(3))), &[0x62, 0xf2, 0x7d, 0x48, 0x1e, 0xcb]),
            ("vcvtdq2ps zmm1,zmm3", bytes(Form::Evex, |a| a.vector(op::INT_TO_FLOAT, 1, 0, Rm::Reg(3))), &[0x62, 0xf1, 0x7c, 0x48, 0x5b, 0xcb]),
            ("vcvttps2dq zmm1,zmm3", bytes(Form::Evex, |a| a.vector(op::FLOAT_TO_INT, 1, 0, Rm::Reg(3))), &[0x62, 0xf1, 0x7e, 0x48, 0x5b, 0xcb]),
            ("vcvtudq2ps zmm1,zmm3", bytes(Form::Evex, |a| a.vector(op::UINT_TO_FLOAT, 1, 0, Rm::Reg(3))), &[0x62, 0xf1, 0x7f, 0x48, 0x7a, 0xcb]),
            ("vcvttps2udq zmm1,zmm3", bytes(Form::Evex, |a| a.vector(op::FLOAT_TO_UINT, 1, 0, Rm::Reg(3))), &[0x62, 0xf1, 0x7c, 0x48, 0x78, 0xcb]),
            ("vmovups [r15+256],zmm5", bytes(Form::Evex, |a| a.vector(op::STORE, 5, 0, Rm::Row(R15, 256))), &[0x62, 0xd1, 0x7c, 0x48, 0x11, 0x6f, 0x04]),
            ("vmovups zmm5,[r15+257]", bytes(Form::Evex, |a| a.vector(op::LOAD, 5, 0, Rm::Row(R15, 257))), &[0x62, 0xd1, 0x7c, 0x48, 0x10, 0xaf, 0x01, 0x01, 0x00, 0x00]),
            ("vmovaps zmm25,zmm5", bytes(Form::Evex, |a| a.vector(op::MOVE, 25, 0, Rm::Reg(5))), &[0x62, 0x61, 0x7c, 0x48, 0x28, 0xcd]),
            ("kandw k1,k2,k3", bytes(Form::Evex, |a| a.mask(op::MASK_AND, 1, 2, 3)), &[0xc5, 0xec, 0x41, 0xcb]),
            ("kandnw k1,k2,k3", bytes(Form::Evex, |a| a.mask(op::MASK_NOT_AND, 1, 2, 3)), &[0xc5, 0xec, 0x42, 0xcb]),
            ("korw k1,k2,k3", bytes(Form::Evex, |a| a.mask(op::MASK_OR, 1, 2, 3)), &[0xc5, 0xec, 0x45, 0xcb]),
            ("kxorw k1,k2,k3", bytes(Form::Evex, |a| a.mask(op::MASK_XOR, 1, 2, 3)), &[0xc5, 0xec, 0x47, 0xcb]),
            ("knotw k3,k4", bytes(Form::Evex, |a| a.mask(op::MASK_NOT, 3, 0, 4)), &[0xc5, 0xf8, 0x44, 0xdc]),
            ("kortestw k2,k2", bytes(Form::Evex, |a| a.mask(op::MASK_TEST, 2, 0, 2)), &[0xc5, 0xf8, 0x98, 0xd2]),
            ("vaddps ymm1,ymm2,ymm3", bytes(Form::Vex, |a| a.vector(op::ADD_PS, 1, 2, Rm::Reg(3))), &[0xc5, 0xec, 0x58, 0xcb]),
            ("vsubps ymm9,ymm12,ymm15", bytes(Form::Vex, |a| a.vector(op::SUB_PS, 9, 12, Rm::Reg(15))), &[0xc4, 0x41, 0x1c, 0x5c, 0xcf]),
            ("vmulps ymm9,ymm12,[rbx+0x40]", bytes(Form::Vex, |a| a.vector(op::MUL_PS, 9, 12, Rm::Row(RBX, 0x40))), &[0xc5, 0x1c, 0x59, 0x4b, 0x40]),
            ("vmulps ymm9,ymm12,[rbx+0x80]", bytes(Form::Vex, |a| a.vector(op::MUL_PS, 9, 12, Rm::Row(RBX, 0x80))), &[0xc5, 0x1c, 0x59, 0x8b, 0x80, 0x00, 0x00, 0x00]),
            ("vpaddd ymm9,ymm12,[rbp-0x80]", bytes(Form::Vex, |a| a.vector(op::ADD_D, 9, 12, Rm::Row(RBP, -0x80))), &[0xc5, 0x1d, 0xfe, 0x4d, 0x80]),
            ("vpmulld ymm9,ymm12,[r15+0x100]", bytes(Form::Vex, |a| a.vector(op::MUL_D, 9, 12, Rm::Row(R15, 0x100))), &[0xc4, 0x42, 0x1d, 0x40, 0x8f, 0x00, 0x01, 0x00, 0x00]),
            ("vblendvps ymm1,ymm2,ymm3,ymm14", bytes(Form::Vex, |a| a.vector_imm(op::BLEND_SIGN, 1, 2, Rm::Reg(3), 14 << 4)), &[0xc4, 0xe3, 0x6d, 0x4a, 0xcb, 0xe0]),
            ("vcmpps ymm1,ymm2,ymm3,0x12", bytes(Form::Vex, |a| a.vector_imm(op::CMP_PS, 1, 2, Rm::Reg(3), 0x12)), &[0xc5, 0xec, 0xc2, 0xcb, 0x12]),
            ("vroundps ymm1,ymm13,11", bytes(Form::Vex, |a| a.vector_imm(op::ROUND_PS, 1, 0, Rm::Reg(13), 11)), &[0xc4, 0xc3, 0x7d, 0x08, 0xcd, 0x0b]),
            ("vptest ymm9,ymm9", bytes(Form::Vex, |a| a.vector(op::TEST, 9, 0, Rm::Reg(9))), &[0xc4, 0x42, 0x7d, 0x17, 0xc9]),
            ("vpslld ymm8,ymm9,5", bytes(Form::Vex, |a| a.shift(6, 8, 9, 5)), &[0xc4, 0xc1, 0x3d, 0x72, 0xf1, 0x05]),
            ("vpcmpeqd ymm1,ymm2,ymm3", bytes(Form::Vex, |a| a.vector(op::EQUAL_D, 1, 2, Rm::Reg(3))), &[0xc5, 0xed, 0x76, 0xcb]),
            ("vpcmpgtd ymm1,ymm2,ymm3", bytes(Form::Vex, |a| a.vector(op::GREATER_SD, 1, 2, Rm::Reg(3))), &[0xc5, 0xed, 0x66, 0xcb]),
            ("vmovups [rbx-0x1000],ymm5", bytes(Form::Vex, |a| a.vector(op::STORE, 5, 0, Rm::Row(RBX, -0x1000))), &[0xc5, 0xfc, 0x11, 0xab, 0x00, 0xf0, 0xff, 0xff]),
            ("push r12", bytes(Form::Vex, |a| a.push(R12)), &[0x41, 0x54]),
            ("pop rbx", bytes(Form::Vex, |a| a.pop(RBX)), &[0x5b]),
            ("mov rbx,rdi", bytes(Form::Vex, |a| a.move_register(RBX, RDI)), &[0x48, 0x89, 0xfb]),
            ("mov r15,rdx", bytes(Form::Vex, |a| a.move_register(R15, RDX)), &[0x49, 0x89, 0xd7]),
            ("mov rdi,r13", bytes(Form::Vex, |a| a.move_register(RDI, R13)), &[0x4c, 0x89, 0xef]),
            ("movabs rsi,0x123456789abcdef0", bytes(Form::Vex, |a| a.move_constant(RSI, 0x1234_5678_9abc_def0)), &[0x48, 0xbe, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12]),
            ("lea rdi,[rbx-0x300]", bytes(Form::Vex, |a| a.address(RDI, RBX, -0x300)), &[0x48, 0x8d, 0xbb, 0x00, 0xfd, 0xff, 0xff]),
            ("mov dword ptr [rbx-0x1000],0x1000000", bytes(Form::Vex, |a| a.set_word(RBX, -0x1000, 0x0100_0000)), &[0xc7, 0x83, 0x00, 0xf0, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01]),
            ("dec dword ptr [rbx-0x1000]", bytes(Form::Vex, |a| a.decrement_word(RBX, -0x1000)), &[0xff, 0x8b, 0x00, 0xf0, 0xff, 0xff]),
            ("vzeroupper", bytes(Form::Vex, |a| a.clear_upper()), &[0xc5, 0xf8, 0x77]),
            ("ret", bytes(Form::Vex, |a| a.ret()), &[0xc3]),
        ]
    }

    #[test]
    fn instructions_have_the_bytes_of_the_gnu_assembler() {
        for (text, got, want) in cases() {
            assert_eq!(got, want, "{text}: {got:02x?} {want:02x?}");
        }
    }

    #[test]
    fn jumps_lead_to_their_targets_and_a_jump_without_one_gives_no_code() {
        let mut assembler = Assembler::new(Form::Vex);
        assembler.place(1);
        assembler.jump_if_zero(0);
        assembler.jump_unless_zero(1);
        assembler.place(0);
        let code = assembler.finish();
        assert_eq!(code, Some(vec![0x0f, 0x84, 6, 0, 0, 0, 0x0f, 0x85, 0xf4, 0xff, 0xff, 0xff]));
        let mut assembler = Assembler::new(Form::Vex);
        assembler.jump_if_zero(3);
        assert_eq!(assembler.finish(), None);
    }
}
