//! Machine code of a list of instructions.
#![allow(clippy::vec_box)] // the code has the addresses of accesses

use std::collections::HashMap;

use super::super::finish::{Listing, lives};
use super::super::inst::{Input, Inst, Slot};
use super::super::lane::Lane;
use super::super::run::LIMIT;
use super::access::Access;
use super::encode::{Form, R12, R13, R15, RBP, RBX, RCX, RDI, RDX, RSI, Rm, op};
use super::frame::{Fixed, Uniform};
use super::join::Snapshot;
use super::lanes::integers;
use super::registers::Registers;
use super::truths::truths;
use super::uses::Uses;

/// Rows in front of the homes, for the arguments and results of calls.
pub(super) const CALL_ROWS: i32 = 12;

/// A label that one branch leads to, or several.
enum Label {
    One(Option<Box<Snapshot>>),
    Several,
}

pub(super) struct Emitter {
    pub registers: Registers,
    pub truths: Vec<bool>,
    /// Loads and stores; each has an address of its own, which is part of the code.
    pub accesses: Vec<Box<Access>>,
    inputs: Vec<Input>,
    assigned: Vec<bool>,
    labels: HashMap<u32, Label>,
    /// Jump targets and counters of loops.
    loops: HashMap<u32, (usize, i32)>,
    targets: usize,
}

/// What is emitted.
pub(super) struct Emitted {
    pub code: Vec<u8>,
    pub accesses: Vec<Box<Access>>,
    pub inputs: Vec<Input>,
    pub uniforms: Vec<Uniform>,
    /// Rows of homes.
    pub homes: u32,
    pub loops: u32,
}

pub(super) fn emit(listing: &mut Listing, form: Form) -> Option<Emitted> {
    let slots = listing.slots as usize;
    let uses = Uses::new(&mut listing.insts, slots);
    let lives = lives(&mut listing.insts, listing.slots);
    let mut registers = Registers::new(form, uses, slots);
    let mut inputs = Vec::new();
    fix(listing, &mut registers, &mut inputs);
    let truths = truths(&listing.insts, slots, |slot| registers.word(slot));
    let mut assigned = vec![false; slots];
    let mut labels: HashMap<u32, Label> = HashMap::new();
    for inst in &listing.insts {
        match inst {
            Inst::Assign { dst, .. } => assigned[*dst as usize] = true,
            Inst::Skip { label, .. } => {
                labels.entry(*label).and_modify(|label| *label = Label::Several).or_insert(Label::One(None));
            }
            _ => {}
        }
    }
    let mut ending: Vec<Vec<Slot>> = vec![Vec::new(); listing.insts.len()];
    let mut starting: Vec<Vec<Slot>> = vec![Vec::new(); listing.insts.len()];
    for (slot, life) in (0..).zip(&lives) {
        if life.is_used() {
            ending[life.end].push(slot);
            if assigned[slot as usize] {
                starting[life.start].push(slot);
            }
        }
    }
    let mut touched = Vec::new();
    let mut places = Vec::new();
    for inst in &mut listing.insts {
        inst.visit(&mut |slot, _| places.push(*slot));
        touched.push(places.len());
    }

    let targets = labels.keys().map(|&label| label as usize + 1).max().unwrap_or(0);
    let mut emitter =
        Emitter { registers, truths, accesses: Vec::new(), inputs, assigned, labels, loops: HashMap::new(), targets };
    let pairs = pairs(&listing.insts);
    emitter.begin();
    let mut first = 0;
    for (at, inst) in listing.insts.iter().enumerate() {
        emitter.registers.at = at as u32;
        for &slot in &starting[at] {
            emitter.registers.home(slot);
            *emitter.registers.valid(slot) = true;
        }
        match (pairs.get(&at), inst) {
            (Some(Pair::First(other)), &Inst::Lane { op, dst, src }) => {
                let (sine, cosine) = if op == Lane::Sin { (dst, *other) } else { (*other, dst) };
                emitter.sine_and_cosine(sine, cosine, src[0]);
            }
            (Some(Pair::Second), _) => {}
            _ => emitter.inst(inst)?,
        }
        emitter.registers.done();
        let slots = &places[first..touched[at]];
        slots.iter().for_each(|&slot| emitter.registers.release(slot));
        first = touched[at];
        ending[at].iter().for_each(|&slot| emitter.registers.end(slot));
    }
    emitter.end();
    let (asm, homes, uniforms) = emitter.registers.finish();
    let (accesses, inputs, loops) = (emitter.accesses, emitter.inputs, emitter.loops.len() as u32);
    Some(Emitted { code: asm.finish()?, accesses, inputs, uniforms, homes, loops })
}

/// Of a sine and a cosine of one angle.
enum Pair {
    /// With the other's slot.
    First(Slot),
    Second,
}

/// Sines and cosines that are computed together: those of one angle with no branch between them.
fn pairs(insts: &[Inst]) -> HashMap<usize, Pair> {
    let mut pairs = HashMap::new();
    let mut open: HashMap<Slot, (Lane, usize)> = HashMap::new();
    for (at, inst) in insts.iter().enumerate() {
        match inst {
            Inst::Lane { op: op @ (Lane::Sin | Lane::Cos), dst, src: [angle, ..] } => match open.get(angle) {
                Some(&(first, place)) if first != *op && !pairs.contains_key(&place) => {
                    pairs.insert(place, Pair::First(*dst));
                    pairs.insert(at, Pair::Second);
                }
                _ => drop(open.insert(*angle, (*op, at))),
            },
            Inst::Assign { dst, .. } => drop(open.remove(dst)),
            Inst::Skip { .. } | Inst::Label(_) | Inst::LoopStart(_) | Inst::Repeat { .. } => open.clear(),
            _ => {}
        }
    }
    pairs
}

/// Gives slots that are in memory from the beginning their places, uniforms that are used often the near ones.
fn fix(listing: &Listing, registers: &mut Registers, inputs: &mut Vec<Input>) {
    let mut uniforms: Vec<(Slot, Uniform)> = Vec::new();
    uniforms.extend(listing.constants.iter().map(|&(slot, word)| (slot, Uniform::Constant(word))));
    uniforms.extend(listing.immediates.iter().map(|&(slot, word)| (slot, Uniform::Immediate(word))));
    for inst in &listing.insts {
        match *inst {
            Inst::Length { dst, buffer, offset, stride } => {
                uniforms.push((dst, Uniform::Length { buffer, offset, stride }));
            }
            Inst::Input { dst, input } => {
                registers.fix(dst, Fixed::Input(inputs.len() as u32));
                inputs.push(input);
            }
            _ => {}
        }
    }
    uniforms.retain(|&(slot, _)| registers.uses.count(slot) > 0);
    uniforms.sort_by_key(|&(slot, _)| std::cmp::Reverse(registers.uses.count(slot)));
    for (slot, uniform) in uniforms {
        let number = registers.uniform(uniform);
        registers.fix(slot, Fixed::Uniform(number));
    }
}

impl Emitter {
    fn begin(&mut self) {
        let asm = &mut self.registers.asm;
        for register in [RBX, RBP, R12, R13, R15] {
            asm.push(register);
        }
        asm.move_register(RBX, RDI);
        asm.move_register(RBP, RSI);
        asm.move_register(R15, RDX);
        asm.move_register(R13, RCX);
    }

    fn end(&mut self) {
        let asm = &mut self.registers.asm;
        asm.clear_upper();
        for register in [R15, R13, R12, RBP, RBX] {
            asm.pop(register);
        }
        asm.ret();
    }

    /// A jump target without a label.
    fn target(&mut self) -> usize {
        self.targets += 1;
        self.targets - 1
    }

    fn inst(&mut self, inst: &Inst) -> Option<()> {
        match inst {
            Inst::Lane { op, dst, src } => self.lane(*op, *dst, *src),
            Inst::Assign { dst, mask, src } => self.assign(*dst, *mask, *src),
            Inst::Gather { dst, index, table } => self.gather(*dst, *index, table),
            Inst::Scatter { dst, index, value, table } => self.scatter(dst, *index, *value, table),
            Inst::Random { draw, dst, src } => self.random(*draw, dst, src),
            Inst::Input { .. } | Inst::Length { .. } => {}
            Inst::Load { dst, mask, address, buffer } => self.load(dst, *mask, *address, *buffer),
            Inst::Store { src, mask, address, buffer } => self.store(src, *mask, *address, *buffer),
            Inst::Skip { mask, label } => self.skip(*mask, *label),
            Inst::Label(label) => self.label(*label),
            Inst::LoopStart(id) => self.loop_start(*id),
            Inst::Repeat { mask, id, .. } => self.repeat(*mask, *id)?,
            Inst::Check { .. } => return None,
        }
        Some(())
    }

    fn assign(&mut self, dst: Slot, mask: Option<Slot>, src: Slot) {
        let truth = mask.is_some_and(|mask| self.truths[mask as usize]);
        let r = &mut self.registers;
        let home = r.home(dst);
        let Some(mask) = mask else {
            let value = r.vector(src);
            r.forget(dst);
            r.asm.vector(op::STORE, value, 0, Rm::Row(RBX, home));
            r.rename(src, dst);
            return;
        };
        let value = r.operand(src);
        let old = r.vector(dst);
        match r.form {
            Form::Evex if truth => {
                let mask = r.mask(mask);
                r.asm.masked(op::BLEND_MASK, old, old, value, mask, false);
            }
            Form::Vex if truth => {
                let signs = r.vector(mask);
                r.asm.vector_imm(op::BLEND_SIGN, old, old, value, signs << 4);
            }
            _ => {
                let (bits, other) = (r.vector(mask), r.temporary());
                r.asm.vector(op::AND, other, bits, value);
                r.asm.vector(op::NOT_AND, old, bits, Rm::Reg(old));
                r.asm.vector(op::OR, old, old, Rm::Reg(other));
            }
        }
        r.asm.vector(op::STORE, old, 0, Rm::Row(RBX, home));
        r.forget_truth(dst);
    }

    fn gather(&mut self, dst: Slot, index: Slot, table: &[Slot]) {
        let r = &mut self.registers;
        let index = r.vector(index);
        let to = r.define(dst);
        let Some((&last, others)) = table.split_last() else { return };
        let from = r.anywhere(last);
        r.load(to, from);
        let locks = r.locks();
        for (number, &entry) in (0..).zip(others) {
            let entry = r.anywhere(entry);
            let number = r.constant(number);
            r.where_equal(to, to, entry, index, number);
            r.unlock_but(locks);
        }
    }

    fn scatter(&mut self, dst: &[Slot], index: Slot, value: Slot, table: &[Slot]) {
        let r = &mut self.registers;
        let (index, value) = (r.vector(index), r.vector(value));
        let locks = r.locks();
        for (number, (&to, &from)) in (0..).zip(dst.iter().zip(table)) {
            let from = r.anywhere(from);
            let to = r.define(to);
            r.load(to, from);
            let last = number as usize + 1 == table.len();
            let constant = r.constant(number);
            if last {
                // An index beyond the table is its last.
                let limited = r.temporary();
                r.asm.vector(op::MIN_UD, limited, index, constant);
                r.where_equal(to, to, Rm::Reg(value), limited, constant);
                r.drop_temporary(limited);
            } else {
                r.where_equal(to, to, Rm::Reg(value), index, constant);
            }
            r.unlock_but(locks);
        }
    }

    fn skip(&mut self, mask: Slot, label: u32) {
        let r = &mut self.registers;
        r.without_masks();
        let several = matches!(self.labels.get(&label), Some(Label::Several));
        if several {
            r.save_all();
        }
        let register = r.truth(mask, self.truths[mask as usize]);
        r.done();
        r.release(mask);
        if let Some(Label::One(snapshot)) = self.labels.get_mut(&label) {
            *snapshot = Some(Box::new(r.snapshot()));
        }
        r.test(register);
        r.asm.jump_if_zero(label as usize);
    }

    fn label(&mut self, label: u32) {
        match self.labels.remove(&label) {
            None => return,
            Some(Label::One(Some(snapshot))) => {
                let assigned = &self.assigned;
                self.registers.join(&snapshot, &|slot| assigned[slot as usize]);
            }
            Some(_) => self.registers.clear(),
        }
        self.registers.asm.place(label as usize);
    }

    fn loop_start(&mut self, id: u32) {
        let target = self.target();
        let counter = self.registers.row_at(-CALL_ROWS) - 4 * (self.loops.len() as i32 + 1);
        self.loops.insert(id, (target, counter));
        self.registers.clear();
        self.registers.asm.set_word(RBX, counter, LIMIT);
        self.registers.asm.place(target);
    }

    fn repeat(&mut self, mask: Slot, id: u32) -> Option<()> {
        let &(start, counter) = self.loops.get(&id)?;
        let out = self.target();
        let r = &mut self.registers;
        let register = r.truth(mask, self.truths[mask as usize]);
        r.test(register);
        r.asm.jump_if_zero(out);
        r.asm.decrement_word(RBX, counter);
        r.asm.jump_unless_zero(start);
        r.asm.place(out);
        Some(())
    }
}

/// What a branch tests.
#[derive(Clone, Copy)]
enum Tested {
    Mask(u8),
    Vector(u8),
}

impl Registers {
    /// A truth in the register that a branch tests.
    fn truth(&mut self, slot: Slot, truth: bool) -> Tested {
        match self.form {
            Form::Evex if truth => Tested::Mask(self.mask(slot)),
            Form::Evex => {
                let vector = self.vector(slot);
                let (mask, zero) = (self.take_mask(), self.constant(0));
                self.asm.vector_imm(op::CMP_UD, mask, vector, zero, integers::NOT_EQUAL);
                Tested::Mask(mask)
            }
            Form::Vex => Tested::Vector(self.vector(slot)),
        }
    }

    /// Leaves the flag of zero where no lane is true.
    fn test(&mut self, tested: Tested) {
        match tested {
            Tested::Mask(mask) => self.asm.mask(op::MASK_TEST, mask, 0, mask),
            Tested::Vector(vector) => self.asm.vector(op::TEST, vector, 0, Rm::Reg(vector)),
        }
    }

    /// `to = yes` in the lanes whose index is the number, else `no`.
    fn where_equal(&mut self, to: u8, no: u8, yes: Rm, index: u8, number: Rm) {
        match self.form {
            Form::Evex => {
                let mask = self.take_mask();
                self.asm.vector_imm(op::CMP_UD, mask, index, number, integers::EQUAL);
                self.asm.masked(op::BLEND_MASK, to, no, yes, mask, false);
                self.unlock_mask(mask);
            }
            Form::Vex => {
                let equal = self.temporary();
                self.asm.vector(op::EQUAL_D, equal, index, number);
                self.asm.vector_imm(op::BLEND_SIGN, to, no, yes, equal << 4);
                self.drop_temporary(equal);
            }
        }
    }
}
