//! The optimiser step with its on-device learning rate: twin of `shaders/adamw.wgsl`.

use super::describe;
use super::twin::{Stateless, arguments, own, read, sum};
use crate::engine::{Call, CountedWork, KernelDesc, Words, Work};
use bytemuck::{Pod, Zeroable};

/// Invocations of one workgroup. Any grid `[n, 1, 1]` with n >= 1 does all words.
pub const GROUP: u32 = 256;

/// Workgroups for so many words. Every workgroup adds up all norms first, so an invocation takes four words.
pub const fn groups(words: u32) -> u32 {
    words.div_ceil(4 * GROUP)
}

/// [`AdamwArgs::kl_mean`] when no batch mean is a KL divergence.
pub const NO_KL: u32 = u32::MAX;

/// Words of the `control` buffer.
pub mod control {
    /// Learning rate, two slots: step s reads slot `s & 1` and writes the other. The host writes slot 0 at the start.
    pub const LEARNING_RATE: usize = 0;
    /// Sum of the batch KL divergences in the list that an epoch schedule averages. The host clears this and
    /// [`KL_COUNT`] where the list begins (PolicyFlow: once an iteration).
    pub const KL_SUM: usize = 2;
    /// Length of that list.
    pub const KL_COUNT: usize = 3;
    /// 1 once a norm or a mean was not finite; such a step changes nothing else but the learning-rate slot.
    pub const NON_FINITE: usize = 4;
    /// Sum of the gradient norms before clipping.
    pub const NORM_SUM: usize = 5;
    /// Minibatches that were stepped on.
    pub const MINIBATCHES: usize = 6;
    /// Sums of the batch means, one word each.
    pub const MEAN_SUMS: usize = 8;

    /// Words of the buffer for so many batch means.
    pub const fn words(means: usize) -> usize {
        MEAN_SUMS + means
    }
}

/// When the learning rate follows the KL divergence; the values of [`AdamwArgs::schedule`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Schedule {
    /// Never.
    Fixed = 0,
    /// Every minibatch's own KL decides before its step (rsl_rl).
    PerMinibatch = 1,
    /// After every epoch, by the mean over all minibatches since the list was cleared (PolicyFlow).
    PerEpoch = 2,
    /// After every epoch, by the mean over that epoch.
    PerEpochReset = 3,
}

/// Immediates; `struct Args` of `shaders/adamw.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct AdamwArgs {
    /// Words of the parameters that are trained.
    pub trained_words: u32,
    /// Batch means behind the gradient, at words `trained_words ..`.
    pub means: u32,
    /// Entries of `norms`.
    pub norms: u32,
    /// Number of the step since the learning rate was written; only its parity matters.
    pub step: u32,
    /// A [`Schedule`].
    pub schedule: u32,
    /// 1 in the last minibatch of an epoch, else 0.
    pub end_of_epoch: u32,
    /// Which batch mean is the KL divergence, or [`NO_KL`].
    pub kl_mean: u32,
    /// Largest global gradient norm; not positive: no clipping.
    pub max_norm: f32,
    /// Smallest adaptive learning rate.
    pub lr_min: f32,
    /// Largest adaptive learning rate.
    pub lr_max: f32,
    /// Multiplied on the adaptive rate for this step only (a decay that the host computes).
    pub lr_scale: f32,
    /// KL divergence aimed at: above twice of it the rate falls by 1.5, below half of it the rate rises by 1.5.
    pub kl_target: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// `1 - beta1^t`, t counting from 1.
    pub bias1: f32,
    /// `1 - beta2^t`.
    pub bias2: f32,
}

/// The kernel. Buffers: `params` (at least `[trained_words]`), `gradient` (`[trained_words + means]`), `moments`
/// (`[2][trained_words]`), `norms` (`[norms]`), `control` (`[8 + means]`).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: AdamwArgs, _| {
        let (words, others) = (f64::from(args.trained_words), f64::from(args.norms + args.means));
        // A word: 17 operations that differ from word to word; parameter and two moments read and written, gradient read.
        Work { matrix_flops: 0.0, other_flops: 17.0 * words, bytes: 4.0 * (7.0 * words + others) }
    });
    let bindings = ["params", "gradient", "moments", "norms", "control"];
    describe("adamw", include_str!("../../shaders/adamw.wgsl"), &bindings, work, TWIN)
}

/// Parameters of one task.
const BLOCK: usize = 1 << 14;

/// A task is a block of parameters; every task finds the norm and the learning rate in the same order, and the first one
/// alone writes `control`.
const TWIN: Stateless = Stateless {
    tasks: |call| (arguments::<AdamwArgs>(call).trained_words as usize).div_ceil(BLOCK).max(1),
    run: run_block,
};

fn run_block(call: &Call<'_>, block: usize) {
    let args: AdamwArgs = arguments(call);
    let words = args.trained_words as usize;
    let [params, gradient, moments, norms, control] = [0, 1, 2, 3, 4].map(|i| call.buffers[i]);
    let means = read(gradient, words, args.means as usize);
    let norms = read(norms, 0, args.norms as usize);
    let squares = sum(norms);
    let usable = squares.is_finite() && means.iter().all(|mean| mean.is_finite());
    let norm = squares.sqrt();
    let slot = control::LEARNING_RATE + (args.step & 1) as usize;
    let kl = (args.kl_mean != NO_KL).then(|| means[args.kl_mean as usize]);
    let mut rate = control.f32(slot);
    if let (Some(kl), true, true) = (kl, usable, args.schedule == Schedule::PerMinibatch as u32) {
        rate = adjusted(&args, rate.into(), kl.into()) as f32;
    }
    if usable {
        let range = block * BLOCK..words.min((block + 1) * BLOCK);
        let gradient = read(gradient, range.start, range.len());
        let first = own(&moments, range.clone());
        let second = own(&moments, words + range.start..words + range.end);
        step_block(&args, rate, norm, own(&params, range), gradient, (first, second));
    }
    if block == 0 {
        keep_record(&args, control, (norm, rate, usable), kl, means);
    }
}

/// AdamW on a block of parameters.
fn step_block(
    args: &AdamwArgs,
    rate: f32,
    norm: f32,
    params: &mut [f32],
    gradient: &[f32],
    (first, second): (&mut [f32], &mut [f32]),
) {
    let clip = if args.max_norm > 0.0 { (args.max_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
    let rate = rate * args.lr_scale;
    let decay = rate * args.weight_decay;
    for (((p, g), m), v) in params.iter_mut().zip(gradient).zip(first).zip(second) {
        let g = clip * g;
        *m = args.beta1 * *m + (1.0 - args.beta1) * g;
        *v = args.beta2 * *v + (1.0 - args.beta2) * g * g;
        let decayed = *p - decay * *p;
        *p = decayed - rate * (*m / args.bias1) / ((*v / args.bias2).sqrt() + args.epsilon);
    }
}

/// What one step leaves in `control`, word by word: other tasks read the learning rate meanwhile.
fn keep_record(
    args: &AdamwArgs,
    control: Words<'_>,
    (norm, rate, usable): (f32, f32, bool),
    kl: Option<f32>,
    means: &[f32],
) {
    let add = |word: usize, more: f32| control.set_f32(word, control.f32(word) + more);
    let mut next_rate = rate;
    if usable {
        if let Some(kl) = kl {
            add(control::KL_SUM, kl);
            add(control::KL_COUNT, 1.0);
        }
        if args.end_of_epoch == 1 && args.schedule >= Schedule::PerEpoch as u32 {
            let mean = control.f32(control::KL_SUM) / control.f32(control::KL_COUNT).max(1.0);
            next_rate = adjusted(args, rate.into(), mean.into()) as f32;
            if args.schedule == Schedule::PerEpochReset as u32 {
                control.set_f32(control::KL_SUM, 0.0);
                control.set_f32(control::KL_COUNT, 0.0);
            }
        }
        add(control::NORM_SUM, norm);
        add(control::MINIBATCHES, 1.0);
        for (i, mean) in means.iter().enumerate() {
            add(control::MEAN_SUMS + i, *mean);
        }
    } else {
        control.set_f32(control::NON_FINITE, 1.0);
    }
    control.set_f32(control::LEARNING_RATE + (args.step & 1 ^ 1) as usize, next_rate);
}

/// One step: global norm clip, learning-rate rule, AdamW (Loshchilov and Hutter 2019) in the order of torch.
pub fn adamw(
    args: &AdamwArgs,
    params: &mut [f32],
    gradient: &[f32],
    moments: &mut [f32],
    norms: &[f32],
    control: &mut [f32],
) {
    let words = args.trained_words as usize;
    let means = &gradient[words..][..args.means as usize];
    let norms = &norms[..args.norms as usize];
    let slot = control::LEARNING_RATE + (args.step & 1) as usize;
    let other = control::LEARNING_RATE + (args.step & 1 ^ 1) as usize;
    let norm = norms.iter().map(|&n| n as f64).sum::<f64>().sqrt();
    let mut rate = control[slot] as f64;
    if !(norms.iter().chain(means).all(|x| x.is_finite()) && (norm * norm) as f32 <= f32::MAX) {
        control[control::NON_FINITE] = 1.0;
        control[other] = rate as f32;
        return;
    }

    let kl = (args.kl_mean != NO_KL).then(|| means[args.kl_mean as usize] as f64);
    if let (Some(kl), true) = (kl, args.schedule == Schedule::PerMinibatch as u32) {
        rate = adjusted(args, rate, kl);
    }
    step_parameters(args, rate, norm, params, &gradient[..words], moments);

    let mut next_rate = rate;
    if let Some(kl) = kl {
        control[control::KL_SUM] += kl as f32;
        control[control::KL_COUNT] += 1.0;
    }
    if args.end_of_epoch == 1 && args.schedule >= Schedule::PerEpoch as u32 {
        let mean = control[control::KL_SUM] as f64 / control[control::KL_COUNT].max(1.0) as f64;
        next_rate = adjusted(args, rate, mean);
        if args.schedule == Schedule::PerEpochReset as u32 {
            control[control::KL_SUM..=control::KL_COUNT].fill(0.0);
        }
    }
    control[control::NORM_SUM] += norm as f32;
    control[control::MINIBATCHES] += 1.0;
    for (sum, mean) in control[control::MEAN_SUMS..].iter_mut().zip(means) {
        *sum += mean;
    }
    control[other] = next_rate as f32;
}

/// The learning rate after seeing a KL divergence. A KL of zero says nothing (the first minibatch), so it changes nothing.
fn adjusted(args: &AdamwArgs, rate: f64, kl: f64) -> f64 {
    let target = args.kl_target as f64;
    let wanted = match kl {
        kl if kl > 2.0 * target => rate / 1.5,
        kl if kl > 0.0 && kl < 0.5 * target => rate * 1.5,
        _ => rate,
    };
    wanted.max(args.lr_min as f64).min(args.lr_max as f64)
}

/// AdamW on every word at a given rate and gradient norm.
fn step_parameters(args: &AdamwArgs, rate: f64, norm: f64, params: &mut [f32], gradient: &[f32], moments: &mut [f32]) {
    let [max_norm, lr_scale, decay, beta1, beta2, epsilon, bias1, bias2] =
        [args.max_norm, args.lr_scale, args.weight_decay, args.beta1, args.beta2, args.epsilon, args.bias1, args.bias2]
            .map(f64::from);
    let clip = if max_norm > 0.0 { (max_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
    let rate = rate * lr_scale;
    let (first, second) = moments.split_at_mut(gradient.len());
    for (((p, g), m), v) in params.iter_mut().zip(gradient).zip(first).zip(second) {
        let g = clip * *g as f64;
        let new_m = beta1 * *m as f64 + (1.0 - beta1) * g;
        let new_v = beta2 * *v as f64 + (1.0 - beta2) * g * g;
        let decayed = *p as f64 - rate * decay * *p as f64;
        *p = (decayed - rate * (new_m / bias1) / ((new_v / bias2).sqrt() + epsilon)) as f32;
        *m = new_m as f32;
        *v = new_v as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(schedule: Schedule) -> AdamwArgs {
        AdamwArgs {
            trained_words: 2,
            means: 1,
            norms: 1,
            step: 0,
            schedule: schedule as u32,
            end_of_epoch: 0,
            kl_mean: 0,
            max_norm: 1.0,
            lr_min: 1e-6,
            lr_max: 1e-2,
            lr_scale: 1.0,
            kl_target: 0.01,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            bias1: 1.0 - 0.9,
            bias2: 1.0 - 0.999,
        }
    }

    /// Steps once with gradient (3, 4) and a batch KL; returns (params, control).
    fn step(args: &AdamwArgs, kl: f32, mut control: [f32; 9]) -> ([f32; 2], [f32; 9]) {
        let mut params = [1.0, 1.0];
        adamw(args, &mut params, &[3.0, 4.0, kl], &mut [0.0; 4], &[25.0], &mut control);
        (params, control)
    }

    fn fresh(rate: f32) -> [f32; 9] {
        let mut control = [0.0; 9];
        control[0] = rate;
        control
    }

    #[test]
    fn the_first_step_moves_every_word_by_the_learning_rate() {
        let (params, control) = step(&args(Schedule::Fixed), 0.5, fresh(1e-3));
        assert!(params.iter().all(|p| (p - 0.999).abs() < 1e-6), "{params:?}");
        assert_eq!(control, [1e-3, 1e-3, 0.5, 1.0, 0.0, 5.0, 1.0, 0.0, 0.5]);
    }

    #[test]
    fn weight_decay_is_decoupled_and_scaled_by_the_rate() {
        let (params, _) = step(&AdamwArgs { weight_decay: 0.1, ..args(Schedule::Fixed) }, 0.5, fresh(1e-2));
        assert!((params[0] - (1.0 - 1e-3 - 1e-2)).abs() < 1e-6, "{params:?}");
    }

    #[test]
    fn a_minibatch_schedule_uses_the_new_rate_at_once() {
        let (params, control) = step(&args(Schedule::PerMinibatch), 0.5, fresh(3e-3));
        assert!((params[0] - 0.998).abs() < 1e-6 && (control[1] - 2e-3).abs() < 1e-9, "{params:?} {control:?}");
        let (_, control) = step(&args(Schedule::PerMinibatch), 0.0, fresh(3e-3));
        assert_eq!(control[1], 3e-3);
        let (_, control) = step(&args(Schedule::PerMinibatch), 0.001, fresh(9e-3));
        assert_eq!(control[1], 1e-2);
    }

    #[test]
    fn an_epoch_schedule_uses_the_mean_of_its_list_and_resets_only_when_asked() {
        let mut before = fresh(3e-3);
        (before[control::KL_SUM], before[control::KL_COUNT]) = (0.25, 9.0);
        for (schedule, list) in [(Schedule::PerEpoch, [0.75, 10.0]), (Schedule::PerEpochReset, [0.0, 0.0])] {
            let (params, after) = step(&AdamwArgs { end_of_epoch: 1, ..args(schedule) }, 0.5, before);
            assert!((params[0] - 0.997).abs() < 1e-6);
            assert!((after[1] - 2e-3).abs() < 1e-9);
            assert_eq!(after[2..4], list);
            assert_eq!(step(&args(schedule), 0.5, before).1[1], 3e-3);
        }
    }

    #[test]
    fn a_non_finite_mean_or_norm_changes_nothing_but_the_flag() {
        for (kl, norm) in [(f32::NAN, 25.0), (f32::INFINITY, 25.0), (0.5, f32::NAN), (0.5, f32::INFINITY)] {
            let (mut params, mut moments, mut control) = ([1.0, 1.0], [0.0; 4], fresh(1e-3));
            adamw(&args(Schedule::PerMinibatch), &mut params, &[3.0, 4.0, kl], &mut moments, &[norm], &mut control);
            assert_eq!((params, moments), ([1.0, 1.0], [0.0; 4]));
            assert_eq!(control, [1e-3, 1e-3, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }
}
