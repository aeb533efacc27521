//! Running mean and variance of observations: twin of `shaders/merge_moments.wgsl`.

use super::gae::Moments;
use super::observation_moments::MOMENTS;
use super::twin::{Stateless, arguments, own, read};
use super::{MOMENTS_WGSL, describe};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Immediates; `struct Args` of `shaders/merge_moments.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct MergeArgs {
    /// Word offset of the running means `[width]` in `params`.
    pub mean: u32,
    /// Word offset of the running variances `[width]` in `params`.
    pub variance: u32,
    /// Width of an observation, and workgroups of a dispatch.
    pub width: u32,
    /// Samples of all blocks, at least 1.
    pub samples: u32,
    /// Samples of a block; the last one may have fewer.
    pub rows: u32,
    /// Share of these samples among all so far, in (0, 1]; 1 replaces what was there.
    pub share: f32,
}

/// The kernel, for a grid of one workgroup an entry of the observation. Buffers: `partials` (`[blocks][2][width]` as
/// written by `observation_moments`), `params` (changed in place).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: MergeArgs, _| {
        let width = f64::from(args.width);
        let cells = width * f64::from(args.samples.div_ceil(args.rows.max(1)));
        // Chan's rule: 11 for a block, and as many for the running statistics.
        let bytes = 4.0 * (MOMENTS as f64 * cells + 4.0 * width);
        Work { matrix_flops: 0.0, other_flops: 11.0 * (cells + width), bytes }
    });
    describe(
        "merge_moments",
        &[MOMENTS_WGSL, include_str!("../../shaders/merge_moments.wgsl")].concat(),
        &["partials", "params"],
        work,
        TWIN,
    )
}

/// A task is a workgroup: one entry of the observation, block after block.
const TWIN: Stateless = Stateless { tasks: |call| call.groups[0] as usize, run: run_entry };

fn run_entry(call: &Call<'_>, entry: usize) {
    let args: MergeArgs = arguments(call);
    let (width, blocks) = (args.width as usize, args.samples.div_ceil(args.rows) as usize);
    let partials = read(call.buffers[0], 0, MOMENTS * blocks * width);
    let mut all = Moments::default();
    for (block, moments) in partials.chunks_exact(MOMENTS * width).enumerate() {
        let count = args.rows.min(args.samples - block as u32 * args.rows) as f32;
        all.add(Moments { count, mean: moments[entry], m2: moments[width + entry] });
    }
    let word = |offset: u32| offset as usize + entry..offset as usize + entry + 1;
    let [mean, variance] = [args.mean, args.variance].map(|offset| &mut own(&call.buffers[1], word(offset))[0]);
    let (before, delta) = (1.0 - args.share, all.mean - *mean);
    *mean += args.share * delta;
    *variance = before * *variance + args.share * (all.m2 / all.count + before * delta * delta);
}

/// Chan, Golub, LeVeque 1979, with shares in place of counts: of two samples with the shares 1 - s and s, means m and m',
/// variances v and v' (of the population), the mean is m + s (m' - m) and the variance
/// (1 - s) v + s v' + s (1 - s) (m' - m)^2.
pub fn merge_moments(args: &MergeArgs, partials: &[f32], params: &mut [f32]) {
    let (width, samples) = (args.width as usize, f64::from(args.samples));
    let blocks = || partials.chunks_exact(MOMENTS * width).take(args.samples.div_ceil(args.rows) as usize);
    let counts = || (0..).map(|block| f64::from(args.rows.min(args.samples - block * args.rows)));
    for entry in 0..width {
        let of = |moment: usize| blocks().map(move |block| f64::from(block[moment * width + entry]));
        let new_mean = counts().zip(of(0)).map(|(count, mean)| count * mean).sum::<f64>() / samples;
        let between = counts().zip(of(0)).map(|(count, mean)| count * (mean - new_mean).powi(2)).sum::<f64>();
        let new_variance = (of(1).sum::<f64>() + between) / samples;
        let [mean, variance] = [args.mean, args.variance].map(|offset| offset as usize + entry);
        let (share, delta) = (f64::from(args.share), new_mean - f64::from(params[mean]));
        let old_variance = f64::from(params[variance]);
        params[mean] = (f64::from(params[mean]) + share * delta) as f32;
        params[variance] =
            ((1.0 - share) * old_variance + share * new_variance + share * (1.0 - share) * delta * delta) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::observation_moments::{MomentsArgs, observation_moments};
    use super::*;

    #[test]
    fn two_iterations_have_the_moments_of_all_their_observations() {
        let samples = [[1.0f32, 5.0, 2.0, -3.0, 8.0], [100.0, 101.0, 99.0, 100.0, 104.0]];
        let mut params = [7.0, 0.0, 7.0, 1.0];
        for (iteration, observations) in samples.iter().enumerate() {
            let args = MomentsArgs { observations: 0, samples: 5, width: 1, rows: 2 };
            let mut partials = [0.0; 6];
            observation_moments(&args, observations, &mut partials);
            let share = 1.0 / (iteration + 1) as f32;
            let args = MergeArgs { mean: 1, variance: 3, width: 1, samples: 5, rows: 2, share };
            merge_moments(&args, &partials, &mut params);
        }
        let all = samples.concat();
        let mean = all.iter().sum::<f32>() / 10.0;
        let variance = all.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 10.0;
        assert_eq!((params[0], params[2]), (7.0, 7.0));
        assert!((params[1] - mean).abs() < 1e-5 && (params[3] - variance).abs() < 1e-3, "{params:?}");
    }
}
