//! Gradient from its partial sums, and its squared norm: twin of `shaders/reduce_gradients.wgsl`.

use super::describe;
use super::twin::{Stateless, arguments, own, read, sum};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Words of one workgroup: the grid is `words.div_ceil(GROUP)` by 1 by 1, and so many norms are written.
pub const GROUP: u32 = 256;

/// Immediates; `struct Args` of `shaders/reduce_gradients.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct ReduceArgs {
    /// Words of the gradient vector, the batch means behind the gradients included.
    pub words: u32,
    /// Words that are gradients of trained parameters, and count for the norm.
    pub trained_words: u32,
    /// Number of partial vectors.
    pub slices: u32,
    /// Factor on every word, such as 1 / rows.
    pub scale: f32,
}

/// The kernel. Buffers: `partials` (`[slices][words]`), `gradient` (`[words]`), `norms` (`[groups]`).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: ReduceArgs, groups| {
        let (words, trained, slices) = (f64::from(args.words), f64::from(args.trained_words), f64::from(args.slices));
        // Sums over slices, the scale, and the squares of what is trained with their sum.
        let other_flops = words * (slices + 1.0) + 2.0 * trained;
        Work { matrix_flops: 0.0, other_flops, bytes: 4.0 * (words * (slices + 1.0) + f64::from(groups[0])) }
    });
    let wgsl = include_str!("../../shaders/reduce_gradients.wgsl");
    describe("reduce_gradients", wgsl, &["partials", "gradient", "norms"], work, TWIN)
}

/// Workgroups of one task.
const GROUPS: usize = 16;

/// A task is sixteen workgroups.
const TWIN: Stateless = Stateless { tasks: |call| (call.groups[0] as usize).div_ceil(GROUPS), run: run_groups };

fn run_groups(call: &Call<'_>, task: usize) {
    let args: ReduceArgs = arguments(call);
    let (words, trained) = (args.words as usize, args.trained_words as usize);
    let last = ((task + 1) * GROUPS).min(call.groups[0] as usize);
    for group in task * GROUPS..last {
        let first = group * GROUP as usize;
        let count = (GROUP as usize).min(words.saturating_sub(first));
        let gradient = own(&call.buffers[1], first..first + count);
        gradient.fill(0.0);
        for slice in 0..args.slices as usize {
            for (total, partial) in gradient.iter_mut().zip(read(call.buffers[0], slice * words + first, count)) {
                *total += partial;
            }
        }
        let mut squares = [0.0f32; GROUP as usize];
        for (index, (total, square)) in gradient.iter_mut().zip(&mut squares).enumerate() {
            *total *= args.scale;
            *square = if first + index < trained { *total * *total } else { 0.0 };
        }
        own(&call.buffers[2], group..group + 1).fill(sum(&squares));
    }
}

/// `gradient[i] = scale * sum_p partials[p][i]`, and the sum of squares of every [`GROUP`] words below `trained_words`.
pub fn reduce_gradients(args: &ReduceArgs, partials: &[f32], gradient: &mut [f32], norms: &mut [f32]) {
    let words = args.words as usize;
    norms[..args.words.div_ceil(GROUP) as usize].fill(0.0);
    let mut squares = vec![0.0f64; args.words.div_ceil(GROUP) as usize];
    for word in 0..words {
        let sum: f64 = (0..args.slices as usize).map(|p| partials[p * words + word] as f64).sum();
        let total = args.scale as f64 * sum;
        gradient[word] = total as f32;
        if word < args.trained_words as usize {
            squares[word / GROUP as usize] += total * total;
        }
    }
    for (norm, square) in norms.iter_mut().zip(squares) {
        *norm = square as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_behind_the_trained_ones_are_reduced_but_not_in_the_norm() {
        let (mut gradient, mut norms) = ([f32::NAN; 3], [f32::NAN; 1]);
        let args = ReduceArgs { words: 3, trained_words: 2, slices: 2, scale: 0.5 };
        reduce_gradients(&args, &[1.0, 2.0, 100.0, 5.0, 6.0, 100.0], &mut gradient, &mut norms);
        assert_eq!((gradient, norms), ([3.0, 4.0, 100.0], [25.0]));
    }
}
