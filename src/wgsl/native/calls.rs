//! What machine code leaves to functions: loads and stores, random numbers, operations that have no short code.

use super::super::inst::{Draw, Placed, Slot};
use super::super::lane::Lane;
use super::super::math;
use super::super::random::chunk_drawing;
use super::access::{self, Access, Accessing, Row};
use super::emit::{CALL_ROWS, Emitter};
use super::encode::{Form, R13, RBX, RDI, RSI, Rm, op};
use super::frame::Fixed;

/// A function on rows that follow each other: arguments, then results.
pub(in super::super) type OnRows = unsafe extern "sysv64" fn(rows: *mut u32);

/// The row of a lane function's result; those of its arguments are in front.
pub(in super::super) const RESULT: usize = 3;
/// The row of the first result of a draw.
pub(in super::super) const DRAWN: usize = 8;

/// # Safety
/// Rows of N lanes: the angle, then from the result's on sine and cosine.
#[inline(always)]
unsafe fn sine_and_cosine<const N: usize>(rows: *mut u32) {
    // SAFETY: as promised by the caller.
    let (angle, sine, cosine) = unsafe {
        let row = |number: usize| rows.add(number * N).cast::<[f32; N]>();
        (&*row(0), &mut *row(RESULT), &mut *row(RESULT + 1))
    };
    for lane in 0..N {
        (sine[lane], cosine[lane]) = math::sin_cos(angle[lane]);
    }
}

#[target_feature(enable = "avx2")]
unsafe extern "sysv64" fn sine_and_cosine_8(rows: *mut u32) {
    // SAFETY: as promised by the caller.
    unsafe { sine_and_cosine::<8>(rows) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe extern "sysv64" fn sine_and_cosine_16(rows: *mut u32) {
    // SAFETY: as promised by the caller.
    unsafe { sine_and_cosine::<16>(rows) }
}

impl Emitter {
    /// Where a row of a call lies.
    fn call_row(&self, row: usize) -> i32 {
        self.registers.row_at(row as i32 - CALL_ROWS)
    }

    /// Stores an argument of a call.
    fn pass(&mut self, row: usize, slot: Slot) {
        let at = self.call_row(row);
        let r = &mut self.registers;
        let value = r.vector(slot);
        r.asm.vector(op::STORE, value, 0, Rm::Row(RBX, at));
        r.done();
    }

    /// Calls a function of rows.
    fn call(&mut self, function: OnRows, arguments: &[Slot], results: &[Slot], first: usize) {
        for (row, &argument) in arguments.iter().enumerate() {
            self.pass(row, argument);
        }
        let rows = self.call_row(0);
        let r = &mut self.registers;
        r.clear();
        r.asm.address(RDI, RBX, rows);
        r.asm.call(function as usize as u64);
        for (row, &result) in results.iter().enumerate() {
            let at = self.call_row(first + row);
            let to = self.registers.define(result);
            self.registers.load(to, Rm::Row(RBX, at));
        }
    }

    /// An operation on lanes without code of its own.
    pub(super) fn function(&mut self, operation: Lane, dst: Slot, src: &[Slot]) {
        let function = match self.registers.form {
            Form::Vex => operation.chunk_avx2(),
            Form::Evex => operation.chunk_avx512(),
        };
        self.call(function, src, &[dst], RESULT);
    }

    /// Sine and cosine of one angle.
    pub(super) fn sine_and_cosine(&mut self, sine: Slot, cosine: Slot, angle: Slot) {
        let function: OnRows = match self.registers.form {
            Form::Vex => sine_and_cosine_8,
            Form::Evex => sine_and_cosine_16,
        };
        self.call(function, &[angle], &[sine, cosine], RESULT);
    }

    pub(super) fn random(&mut self, draw: Draw, dst: &[Slot], src: &[Slot]) {
        let function = chunk_drawing(draw, self.registers.form == Form::Evex);
        self.call(function, src, dst, DRAWN);
    }

    pub(super) fn load(&mut self, dst: &[Placed], mask: Slot, address: Slot, buffer: u32) {
        let mut places = Vec::new();
        for &(slot, place) in dst {
            if self.registers.needed(slot) {
                places.push((slot, place));
            }
        }
        self.pass(0, mask);
        self.pass(1, address);
        self.registers.clear();
        let mut rows = Vec::new();
        for &(slot, place) in &places {
            let home = self.registers.home(slot);
            *self.registers.valid(slot) = true;
            rows.push((Row::Home(home), place));
        }
        let function = if self.registers.form == Form::Evex { access::load_16 } else { access::load_8 };
        self.access(function as Accessing, rows, buffer);
    }

    pub(super) fn store(&mut self, src: &[Placed], mask: Slot, address: Slot, buffer: u32) {
        self.pass(0, mask);
        self.pass(1, address);
        let mut rows = Vec::new();
        for &(slot, place) in src {
            let r = &mut self.registers;
            let row = match (r.fixed(slot), r.form) {
                (Some(Fixed::Input(row)), _) => Row::Input(row as i32 * 256),
                (Some(Fixed::Uniform(number)), Form::Evex) => Row::Word(r.uniform_offset(number)),
                (Some(Fixed::Uniform(number)), Form::Vex) => Row::Uniform(r.uniform_offset(number)),
                (None, _) => {
                    if !*r.valid(slot) {
                        r.vector(slot);
                        r.save(slot);
                        r.done();
                    }
                    Row::Home(r.home(slot))
                }
            };
            rows.push((row, place));
        }
        self.registers.clear();
        let function = if self.registers.form == Form::Evex { access::store_16 } else { access::store_8 };
        self.access(function as Accessing, rows, buffer);
    }

    fn access(&mut self, function: Accessing, places: Vec<(Row, u32)>, buffer: u32) {
        let access = Box::new(Access::new(buffer, [self.call_row(0), self.call_row(1)], &places));
        let asm = &mut self.registers.asm;
        asm.move_register(RDI, R13);
        asm.move_constant(RSI, &raw const *access as u64);
        asm.call(function as usize as u64);
        self.accesses.push(access);
    }
}
