//! Mean and squared deviations of observations, block by block: twin of `shaders/observation_moments.wgsl`.

use super::describe;
use super::twin::{Stateless, arguments, own, read};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Words of an entry of the observation in a block's part of `partials`: mean, sum of squared deviations.
pub const MOMENTS: usize = 2;

/// Samples of a block, unless there would be too many blocks.
const ROWS: u32 = 256;
/// Most blocks.
const MAX_BLOCKS: u32 = 4096;

/// Immediates; `struct Args` of `shaders/observation_moments.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct MomentsArgs {
    /// Word offset of the observations `[samples][width]` in `rollout`.
    pub observations: u32,
    /// Number of samples, at least 1.
    pub samples: u32,
    /// Width of an observation.
    pub width: u32,
    /// Samples of a block; the last one may have fewer.
    pub rows: u32,
}

/// Blocks, which are the workgroups of a dispatch, and samples of a block.
pub fn grid(samples: u32) -> (u32, u32) {
    let rows = samples.div_ceil(MAX_BLOCKS).max(ROWS);
    (samples.div_ceil(rows), rows)
}

/// The kernel, for a grid of one workgroup a block. Buffers: `rollout`, `partials` (`[blocks][2][width]`).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: MomentsArgs, groups| {
        let cells = f64::from(args.samples) * f64::from(args.width);
        let partials = (MOMENTS as u32 * groups[0]) as f64 * f64::from(args.width);
        // Welford's update: two differences, a quotient, a product and two sums.
        Work { matrix_flops: 0.0, other_flops: 6.0 * cells, bytes: 4.0 * (cells + partials) }
    });
    let wgsl = include_str!("../../shaders/observation_moments.wgsl");
    describe("observation_moments", wgsl, &["rollout", "partials"], work, TWIN)
}

/// A task is a block: the entries of an observation side by side.
const TWIN: Stateless = Stateless { tasks: |call| call.groups[0] as usize, run: run_block };

fn run_block(call: &Call<'_>, block: usize) {
    let args: MomentsArgs = arguments(call);
    let (width, rows) = (args.width as usize, args.rows as usize);
    let first = block * rows;
    let count = rows.min((args.samples as usize).saturating_sub(first));
    let observations = read(call.buffers[0], args.observations as usize + first * width, count * width);
    let moments = own(&call.buffers[1], MOMENTS * block * width..MOMENTS * (block + 1) * width);
    moments.fill(0.0);
    let (means, m2s) = moments.split_at_mut(width);
    for (row, observation) in observations.chunks_exact(width.max(1)).enumerate() {
        let seen = 1.0 / (row + 1) as f32;
        for ((mean, m2), value) in means.iter_mut().zip(m2s.iter_mut()).zip(observation) {
            // Welford's update
            let deviation = value - *mean;
            *mean += deviation * seen;
            *m2 += deviation * (value - *mean);
        }
    }
}

/// `partials[b][0][f]` is the mean of entry f over the samples of block b, `partials[b][1][f]` the sum of its squared
/// deviations from it.
pub fn observation_moments(args: &MomentsArgs, rollout: &[f32], partials: &mut [f32]) {
    let (width, rows) = (args.width as usize, args.rows as usize);
    let all = &rollout[args.observations as usize..][..args.samples as usize * width];
    for (block, observations) in all.chunks(rows * width).enumerate() {
        for entry in 0..width {
            let values = || observations.iter().skip(entry).step_by(width).map(|&value| f64::from(value));
            let mean = values().sum::<f64>() / values().count() as f64;
            let at = MOMENTS * block * width + entry;
            partials[at] = mean as f32;
            partials[at + width] = values().map(|value| (value - mean).powi(2)).sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_samples_and_are_bounded_in_number() {
        for samples in [1, 255, 256, 257, 1 << 20, (1 << 20) + 1, u32::MAX] {
            let (blocks, rows) = grid(samples);
            let (blocks, rows, samples) = (u64::from(blocks), u64::from(rows), u64::from(samples));
            assert!(blocks * rows >= samples && (blocks - 1) * rows < samples && blocks <= u64::from(MAX_BLOCKS));
        }
    }

    #[test]
    fn moments_of_a_block_are_those_of_each_entry() {
        let rollout = [9.0, 1.0, 10.0, 3.0, 10.0, 5.0, -2.0];
        let mut partials = [0.0; 8];
        let args = MomentsArgs { observations: 1, samples: 3, width: 2, rows: 2 };
        observation_moments(&args, &rollout, &mut partials);
        assert_eq!(partials, [2.0, 10.0, 2.0, 0.0, 5.0, -2.0, 0.0, 0.0]);
    }
}
