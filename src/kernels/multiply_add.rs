//! The rate of multiply-adds: twin of `shaders/multiply_add.wgsl`.

use super::twin::arguments;
use crate::engine::{Call, CountedWork, HostKernel, KernelDesc, Twin, Work};
use crate::simd::{Isa, Lane, kernel};
use bytemuck::{Pod, Zeroable};

/// Words of one workgroup: the grid is `[n, 1, 1]` and changes `n * WORDS` words.
pub const WORDS: usize = 64 * CHAINS;

/// Steps of one round.
pub const STEPS: u32 = 8;

/// Words of an invocation.
const CHAINS: usize = 12;

/// Immediates; `struct Args` of `shaders/multiply_add.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct MultiplyAddArgs {
    /// Rounds of [`STEPS`] steps.
    pub rounds: u32,
    /// Factor of a step.
    pub scale: f32,
    /// What a step adds.
    pub offset: f32,
}

/// The kernel. Buffers: `values` (`[groups][WORDS]`). A step of a word is two operations.
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: MultiplyAddArgs, groups| {
        let words = f64::from(groups[0]) * WORDS as f64;
        Work { matrix_flops: 0.0, other_flops: 2.0 * f64::from(args.rounds * STEPS) * words, bytes: 8.0 * words }
    });
    super::describe("multiply_add", include_str!("../../shaders/multiply_add.wgsl"), &["values"], work, MultiplyAdd)
}

#[derive(Clone, Copy, Debug)]
struct MultiplyAdd;

impl Twin for MultiplyAdd {
    fn prepare(&self, isa: Isa, _: usize) -> Result<Box<dyn HostKernel>, String> {
        Ok(Box::new(Host { run: pick(isa) }))
    }
}

struct Host {
    run: unsafe fn(&Words),
}

/// The words of one task.
struct Words {
    first: *mut f32,
    args: MultiplyAddArgs,
}

impl HostKernel for Host {
    /// A task is a workgroup that lies inside the buffer.
    fn tasks(&self, call: &Call<'_>) -> usize {
        (call.groups[0] as usize).min(call.buffers[0].len() / WORDS)
    }

    fn run(&self, call: &Call<'_>, task: usize, _: usize) {
        // SAFETY: `tasks` has seen to it that the words of every task are inside the buffer, and no two tasks share any.
        unsafe {
            let first = call.buffers[0].as_ptr().add(task * WORDS);
            (self.run)(&Words { first, args: arguments(call) });
        }
    }
}

kernel! {
    fn pick(words: &Words) = run;
}

/// # Safety
/// `words.first` points to [`WORDS`] words that nobody else uses.
#[inline(always)]
unsafe fn run<V: Lane>(words: &Words) {
    let (scale, offset) = (V::splat(words.args.scale), V::splat(words.args.offset));
    for block in (0..WORDS).step_by(CHAINS * V::N) {
        // SAFETY: `WORDS` is a multiple of the words of a block for vectors of up to 64 lanes.
        unsafe {
            let first = words.first.add(block);
            let mut chains = [V::splat(0.0); CHAINS];
            for (k, chain) in chains.iter_mut().enumerate() {
                *chain = V::load(first.add(k * V::N));
            }
            for _ in 0..words.args.rounds * STEPS {
                for chain in &mut chains {
                    *chain = chain.fma(scale, offset);
                }
            }
            for (k, chain) in chains.into_iter().enumerate() {
                chain.store(first.add(k * V::N));
            }
        }
    }
}

/// Every word after `rounds * STEPS` steps of `x = scale x + offset`.
pub fn multiply_add(args: &MultiplyAddArgs, values: &mut [f32]) {
    for value in values {
        let step = |x: f64, _| f64::from(args.scale) * x + f64::from(args.offset);
        *value = (0..args.rounds * STEPS).fold(f64::from(*value), step) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_eight_steps() {
        let mut values = [1.0, 0.0];
        multiply_add(&MultiplyAddArgs { rounds: 1, scale: 2.0, offset: 1.0 }, &mut values);
        assert_eq!(values, [511.0, 255.0]);
    }
}
