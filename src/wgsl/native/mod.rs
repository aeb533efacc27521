//! Machine code of a program: every block of invocations goes through it in chunks of as many lanes as a vector has, so that
//! values stay in registers and a branch is passed over by as few lanes as that.
//!
//! The code does what the interpreter's steps do, with the same bits. It calls functions for loads and stores, random numbers and
//! operations without short code.

mod access;
mod calls;
mod conversions;
mod emit;
mod encode;
mod frame;
mod join;
mod lanes;
mod memory;
mod registers;
#[cfg(test)]
mod tests;
mod truths;
mod uses;

pub(super) use calls::{DRAWN, OnRows, RESULT};

use super::finish::Listing;
use super::inst::Input;
use super::lane::LANES;
use crate::engine::{Call, Words};
use crate::simd::Isa;
use access::{Access, Context};
use emit::{CALL_ROWS, Emitted, emit};
use encode::Form;
use frame::{REACH, Uniform};
use memory::Code;

/// A program as machine code.
#[derive(Debug)]
pub(super) struct Native {
    code: Code,
    form: Form,
    /// The code has their addresses.
    #[allow(dead_code, clippy::vec_box)]
    accesses: Vec<Box<Access>>,
    inputs: Vec<Input>,
    uniforms: Vec<Uniform>,
    /// Bytes of the frame: counters and calls, homes, uniforms; behind them are the inputs.
    front: usize,
    homes: usize,
    pool: usize,
}

type Chunk = unsafe extern "sysv64" fn(homes: *mut u8, uniforms: *const u8, inputs: *const u8, context: *const Context);

impl Native {
    /// Machine code for the processor at hand, where there is a generator for it.
    pub fn compile(listing: &mut Listing, isa: Isa) -> Option<Self> {
        let form = match isa {
            Isa::Avx2 => Form::Vex,
            Isa::Avx512 => Form::Evex,
            Isa::Baseline => return None,
        };
        let Emitted { code, accesses, inputs, uniforms, homes, loops } = emit(listing, form)?;
        let row = form.bytes() as usize;
        let each = if form == Form::Evex { 4 } else { row };
        let front = (4 * loops as usize).next_multiple_of(row) + CALL_ROWS as usize * row;
        let (homes, pool) = (homes as usize * row, uniforms.len() * each);
        let code = Code::new(&code)?;
        Some(Self { code, form, accesses, inputs, uniforms, front, homes, pool: pool.next_multiple_of(64) })
    }

    /// Bytes of a frame in multiples of 64: what the code works on, then a row of 64 lanes for every input.
    pub fn frame_bytes(&self) -> usize {
        self.inputs_at() + self.inputs.len() * 4 * LANES
    }

    /// What the rows of inputs are.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn uniforms_at(&self) -> usize {
        (self.front + self.homes).next_multiple_of(64)
    }

    /// Where the rows of inputs begin.
    pub fn inputs_at(&self) -> usize {
        self.uniforms_at() + self.pool
    }

    /// Writes the uniforms that `word` gives; with none of a dispatch those that are constant.
    fn fill(&self, frame: &mut [u32], word: impl Fn(Uniform) -> Option<u32>) {
        let each = if self.form == Form::Evex { 1 } else { self.form.lanes() };
        let pool = &mut frame[self.uniforms_at() / 4..];
        for (&uniform, to) in self.uniforms.iter().zip(pool.chunks_exact_mut(each)) {
            if let Some(word) = word(uniform) {
                to.fill(word);
            }
        }
    }

    /// Makes a new frame ready.
    pub fn begin(&self, frame: &mut [u32]) {
        self.fill(frame, |uniform| match uniform {
            Uniform::Constant(word) => Some(word),
            _ => None,
        });
    }

    /// Runs the first `count` lanes of a block, whose inputs stand in the frame.
    pub fn run(&self, call: &Call<'_>, immediate: impl Fn(u32) -> u32, count: usize, frame: &mut [u32]) {
        if frame.len() * 4 < self.frame_bytes() {
            return;
        }
        self.fill(frame, |uniform| match uniform {
            Uniform::Constant(_) => None,
            Uniform::Immediate(at) => Some(immediate(at)),
            Uniform::Length { buffer, offset, stride } => {
                let words = call.buffers.get(buffer as usize).map_or(0, |words| words.len() as u32);
                Some(words.saturating_sub(offset) / stride)
            }
        });
        let row = self.form.bytes() as usize;
        let word = if self.form == Form::Evex { 4 } else { row };
        let start = frame.as_mut_ptr().cast::<u8>();
        // A base register points so far behind the beginning as a short displacement reaches back.
        let homes = start.wrapping_add(self.front + REACH as usize * row);
        let uniforms = start.wrapping_add(self.uniforms_at() + REACH as usize * word);
        let inputs = start.wrapping_add(self.inputs_at());
        let buffers = call.buffers.as_ptr().cast::<Words<'static>>();
        let mut context = Context { homes, uniforms, inputs, buffers, count: call.buffers.len() };
        // SAFETY: the code is that of a function with these arguments, for an instruction set that the processor has.
        let chunk: Chunk = unsafe { std::mem::transmute(self.code.start()) };
        for first in (0..count.min(LANES)).step_by(self.form.lanes()) {
            context.inputs = inputs.wrapping_add(4 * first);
            // SAFETY: the frame has the rows that the code names, and `context` the buffers of the dispatch.
            unsafe { chunk(homes, uniforms, context.inputs, &raw const context) };
        }
    }
}
