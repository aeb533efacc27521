//! The CPU twins of handwritten kernels: plain loops over lanes that the compiler turns into vector code. They are
//! compiled once, so every processor computes the same bytes; they are short beside the graph kernels.

use std::ops::Range;

use crate::engine::{Call, HostKernel, Twin, Words};
use crate::simd::Isa;

/// A twin that keeps nothing between dispatches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stateless {
    /// Independent pieces of a dispatch.
    pub tasks: fn(&Call<'_>) -> usize,
    /// Runs one piece.
    pub run: fn(&Call<'_>, usize),
}

impl Twin for Stateless {
    fn prepare(&self, _: Isa, _: usize) -> Result<Box<dyn HostKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl HostKernel for Stateless {
    fn tasks(&self, call: &Call<'_>) -> usize {
        (self.tasks)(call)
    }

    fn run(&self, call: &Call<'_>, task: usize, _: usize) {
        (self.run)(call, task);
    }
}

/// The immediates of a dispatch; the engine has checked their length.
pub(super) fn arguments<A: bytemuck::AnyBitPattern>(call: &Call<'_>) -> A {
    bytemuck::pod_read_unaligned(call.immediates)
}

/// Words `first .. first + count` of a buffer that no task writes.
pub(super) fn read(words: Words<'_>, first: usize, count: usize) -> &[f32] {
    // SAFETY: the kernels of this module pass only buffers and ranges here that their WGSL reads and nobody writes
    // during the dispatch.
    unsafe { words.slice(first..first + count) }
}

/// Words of a buffer that only the calling task touches.
pub(super) fn own<'a>(words: &Words<'a>, range: Range<usize>) -> &'a mut [f32] {
    // SAFETY: the kernels of this module pass only ranges here that belong to one task.
    unsafe { words.slice_mut(range) }
}

/// Sum of values in a fixed order that vectorises: sixteen running sums, then a tree.
pub(super) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let mut blocks = values.chunks_exact(16);
    for block in &mut blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(blocks.remainder()) {
        *lane += value;
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_any_length_are_exact_where_floats_are() {
        for count in [0usize, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (1..=count).map(|i| i as f32).collect();
            assert_eq!(sum(&values), (count * (count + 1) / 2) as f32);
        }
    }
}
