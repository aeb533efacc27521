//! Advantages to mean 0 and standard deviation 1: twin of `shaders/normalize_advantages.wgsl`.

use super::gae::{Moments, PARTIAL_WORDS};
use super::twin::{Stateless, arguments, own, read};
use super::{MOMENTS_WGSL, describe};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Invocations of one workgroup. Any grid `[n, 1, 1]` with n >= 1 does the whole array; `count.div_ceil(GROUP)` gives
/// every invocation one advantage.
pub const GROUP: u32 = 256;

/// Immediates; `struct Args` of `shaders/normalize_advantages.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct NormalizeArgs {
    /// Word offset of the advantages in `rollout`.
    pub advantages: u32,
    /// Number of advantages (steps times environments).
    pub count: u32,
    /// Number of entries in `partials`.
    pub partials: u32,
}

/// The kernel. Buffers: `partials` (`[groups][3]` as written by `gae`), `rollout` (changed in place).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: NormalizeArgs, _| {
        let (count, partials) = (f64::from(args.count), PARTIAL_WORDS as f64 * f64::from(args.partials));
        Work { matrix_flops: 0.0, other_flops: 2.0 * count, bytes: 4.0 * (2.0 * count + partials) }
    });
    let wgsl = [MOMENTS_WGSL, include_str!("../../shaders/normalize_advantages.wgsl")].concat();
    describe("normalize_advantages", &wgsl, &["partials", "rollout"], work, TWIN)
}

/// Advantages of one task.
const BLOCK: usize = 1 << 15;

/// A task is a block of advantages; every task combines all the partials in the same order.
const TWIN: Stateless =
    Stateless { tasks: |call| (arguments::<NormalizeArgs>(call).count as usize).div_ceil(BLOCK), run: run_block };

fn run_block(call: &Call<'_>, block: usize) {
    let args: NormalizeArgs = arguments(call);
    let mut all = Moments::default();
    for part in read(call.buffers[0], 0, PARTIAL_WORDS * args.partials as usize).chunks_exact(PARTIAL_WORDS) {
        all.add(Moments { count: part[0], mean: part[1], m2: part[2] });
    }
    let deviation = (all.m2 / (all.count - 1.0).max(1.0)).sqrt();
    let scale = 1.0 / (deviation + 1e-8);
    let first = args.advantages as usize;
    let end = args.count as usize;
    for a in own(&call.buffers[1], first + block * BLOCK..first + end.min((block + 1) * BLOCK)) {
        *a = (*a - all.mean) * scale;
    }
}

/// `(a - mean) / (std + 1e-8)` with the unbiased standard deviation over everything that `partials` counted.
pub fn normalize_advantages(args: &NormalizeArgs, partials: &[f32], rollout: &mut [f32]) {
    let (mut count, mut mean, mut m2) = (0.0f64, 0.0f64, 0.0f64);
    for part in partials.chunks_exact(PARTIAL_WORDS).take(args.partials as usize) {
        let [n, part_mean, part_m2] = [0, 1, 2].map(|i| part[i] as f64);
        // Chan, Golub, LeVeque 1979
        let share = n / (count + n).max(1.0);
        let delta = part_mean - mean;
        m2 += part_m2 + delta * delta * count * share;
        mean += delta * share;
        count += n;
    }
    let deviation = (m2 / (count - 1.0).max(1.0)).sqrt();
    for a in &mut rollout[args.advantages as usize..][..args.count as usize] {
        *a = ((*a as f64 - mean) / (deviation + 1e-8)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_of_unequal_size_combine_to_the_moments_of_the_whole() {
        let values = [1.0f32, 2.0, 4.0, 8.0, -3.0];
        let part = |v: &[f32]| {
            let mean = v.iter().sum::<f32>() / v.len() as f32;
            [v.len() as f32, mean, v.iter().map(|x| (x - mean).powi(2)).sum()]
        };
        let partials = [part(&values[..1]), part(&values[1..4]), part(&values[4..])].concat();
        let mut rollout = [&[9.0], &values[..]].concat();
        normalize_advantages(&NormalizeArgs { advantages: 1, count: 5, partials: 3 }, &partials, &mut rollout);
        let mean: f64 = rollout[1..].iter().map(|&x| x as f64).sum::<f64>() / 5.0;
        let variance: f64 = rollout[1..].iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / 4.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{mean} {variance}");
        assert_eq!(rollout[0], 9.0);
    }
}
