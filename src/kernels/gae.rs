//! Generalised advantage estimation with time-out bootstrap: twin of `shaders/gae.wgsl`.

use super::twin::{Stateless, arguments, own, read};
use super::{MOMENTS_WGSL, describe};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Environments of one workgroup: the grid is `envs.div_ceil(GROUP)` by 1 by 1, and so many partials are written.
pub const GROUP: u32 = 64;

/// Words of one entry of `partials`: count, mean, sum of squared deviations.
pub const PARTIAL_WORDS: usize = 3;

/// The environment goes on.
pub const RUNNING: f32 = 0.0;
/// The task ended: nothing is worth anything afterwards.
pub const TERMINATED: f32 = 1.0;
/// The clock ended the episode: the reward is topped up with the discounted value.
pub const TIMED_OUT: f32 = 2.0;

/// Immediates; `struct Args` of `shaders/gae.wgsl`. Offsets are words into `rollout`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct GaeArgs {
    /// Number of environments N.
    pub envs: u32,
    /// Horizon T.
    pub steps: u32,
    /// Rewards `[T][N]`.
    pub rewards: u32,
    /// Values `[T][N]` of the observations that were acted on.
    pub values: u32,
    /// Flags `[T][N]`: [`RUNNING`], [`TERMINATED`] or [`TIMED_OUT`].
    pub flags: u32,
    /// Values `[N]` of the observations after the last step.
    pub last_value: u32,
    /// Advantages `[T][N]`, written.
    pub advantages: u32,
    /// Returns `[T][N]` (advantage + value), written.
    pub returns: u32,
    /// Discount.
    pub gamma: f32,
    /// Trace decay.
    pub lambda: f32,
    /// Factor on the rewards.
    pub reward_scale: f32,
}

/// The kernel. Buffers: `rollout`, `partials` (`[groups][3]`).
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: GaeArgs, groups| {
        let (envs, partials) = (f64::from(args.envs), PARTIAL_WORDS as f64 * f64::from(groups[0]));
        let cells = envs * f64::from(args.steps);
        // A cell: 10 for the advantage, 1 for the return, 6 for the moments. It reads 3 words and writes 2.
        Work { matrix_flops: 0.0, other_flops: 17.0 * cells, bytes: 4.0 * (5.0 * cells + envs + partials) }
    });
    describe(
        "gae",
        &[MOMENTS_WGSL, include_str!("../../shaders/gae.wgsl")].concat(),
        &["rollout", "partials"],
        work,
        TWIN,
    )
}

/// A task is a workgroup: its environments side by side, backwards in time.
const TWIN: Stateless = Stateless { tasks: |call| call.groups[0] as usize, run: run_group };

const LANES: usize = GROUP as usize;

fn run_group(call: &Call<'_>, group: usize) {
    let args: GaeArgs = arguments(call);
    let [rollout, partials] = [call.buffers[0], call.buffers[1]];
    let (envs, steps) = (args.envs as usize, args.steps as usize);
    let first = group * LANES;
    let count = LANES.min(envs.saturating_sub(first));
    let row = |offset: u32, t: usize| offset as usize + t * envs + first;
    let mut next_value = [0.0f32; LANES];
    next_value[..count].copy_from_slice(read(rollout, args.last_value as usize + first, count));
    let (mut advantage, mut mean, mut m2) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let decay = args.gamma * args.lambda;
    for t in (0..steps).rev() {
        let [rewards, values, flags] =
            [args.rewards, args.values, args.flags].map(|field| read(rollout, row(field, t), count));
        let advantages = own(&rollout, row(args.advantages, t)..row(args.advantages, t) + count);
        let returns = own(&rollout, row(args.returns, t)..row(args.returns, t) + count);
        let seen = 1.0 / (steps - t) as f32;
        for lane in 0..count {
            let (value, flag) = (values[lane], flags[lane]);
            let running = if flag == RUNNING { 1.0 } else { 0.0 };
            let bootstrap = if flag == TIMED_OUT { args.gamma * value } else { 0.0 };
            let delta = args.reward_scale * rewards[lane] + bootstrap + args.gamma * running * next_value[lane] - value;
            let a = delta + decay * running * advantage[lane];
            (advantage[lane], next_value[lane]) = (a, value);
            (advantages[lane], returns[lane]) = (a, a + value);
            // Welford's update
            let deviation = a - mean[lane];
            mean[lane] += deviation * seen;
            m2[lane] += deviation * (a - mean[lane]);
        }
    }
    let mut all = Moments::default();
    for lane in 0..count {
        all.add(Moments { count: steps as f32, mean: mean[lane], m2: m2[lane] });
    }
    let own = own(&partials, PARTIAL_WORDS * group..PARTIAL_WORDS * (group + 1));
    own.copy_from_slice(&[all.count, all.mean, all.m2]);
}

/// Count, mean and sum of squared deviations of a sample.
#[derive(Clone, Copy, Default)]
pub(super) struct Moments {
    pub count: f32,
    pub mean: f32,
    pub m2: f32,
}

impl Moments {
    /// Chan, Golub, LeVeque 1979: the moments of two samples put together.
    pub fn add(&mut self, other: Self) {
        let count = self.count + other.count;
        let share = other.count / count.max(1.0);
        let delta = other.mean - self.mean;
        self.m2 += other.m2 + delta * delta * self.count * share;
        self.mean += delta * share;
        self.count = count;
    }
}

/// Advantages and returns of a rollout, and count, mean and M2 of the advantages of every [`GROUP`] environments.
///
/// Schulman et al. 2016, equation 16, with PolicyFlow's time-out bootstrap: the reward of a timed-out step grows by
/// `gamma` times the value of the observation it was taken from. Rewards count `reward_scale` times.
pub fn gae(args: &GaeArgs, rollout: &mut [f32], partials: &mut [f32]) {
    let (envs, steps) = (args.envs as usize, args.steps as usize);
    let [gamma, lambda, scale] = [args.gamma, args.lambda, args.reward_scale].map(f64::from);
    for env in 0..envs {
        let mut next_value = rollout[args.last_value as usize + env] as f64;
        let mut advantage = 0.0;
        for t in (0..steps).rev() {
            let read = |offset: u32| rollout[offset as usize + t * envs + env] as f64;
            let (flag, value) = (read(args.flags) as f32, read(args.values));
            let running = if flag == RUNNING { 1.0 } else { 0.0 };
            let bootstrap = if flag == TIMED_OUT { gamma * value } else { 0.0 };
            let delta = scale * read(args.rewards) + bootstrap + gamma * running * next_value - value;
            advantage = delta + gamma * lambda * running * advantage;
            next_value = value;
            rollout[args.advantages as usize + t * envs + env] = advantage as f32;
            rollout[args.returns as usize + t * envs + env] = (advantage + value) as f32;
        }
    }
    for group in 0..args.envs.div_ceil(GROUP) as usize {
        let members = group * GROUP as usize..envs.min((group + 1) * GROUP as usize);
        let sample = || {
            (0..steps)
                .flat_map(|t| members.clone().map(move |e| t * envs + e))
                .map(|i| rollout[args.advantages as usize + i])
        };
        let count = (steps * members.len()) as f64;
        let mean = sample().map(f64::from).sum::<f64>() / count.max(1.0);
        let m2: f64 = sample().map(|a| (a as f64 - mean).powi(2)).sum();
        partials[PARTIAL_WORDS * group..][..PARTIAL_WORDS].copy_from_slice(&[count as f32, mean as f32, m2 as f32]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One environment, rewards of 1, values as given; returns (advantages, returns).
    fn episode(flags: &[f32], values: &[f32], last_value: f32, gamma: f32, lambda: f32) -> (Vec<f32>, Vec<f32>) {
        scaled(flags, values, last_value, (gamma, lambda, 1.0))
    }

    fn scaled(
        flags: &[f32],
        values: &[f32],
        last_value: f32,
        (gamma, lambda, reward_scale): (f32, f32, f32),
    ) -> (Vec<f32>, Vec<f32>) {
        let t = flags.len();
        let mut rollout = vec![1.0; t];
        rollout.extend_from_slice(values);
        rollout.extend_from_slice(flags);
        rollout.push(last_value);
        rollout.resize(5 * t + 1, f32::NAN);
        let at = |array: usize| (array * t) as u32;
        let args = GaeArgs {
            envs: 1,
            steps: t as u32,
            rewards: 0,
            values: at(1),
            flags: at(2),
            last_value: at(3),
            advantages: at(3) + 1,
            returns: at(4) + 1,
            gamma,
            lambda,
            reward_scale,
        };
        gae(&args, &mut rollout, &mut [0.0; 3]);
        (rollout[3 * t + 1..4 * t + 1].to_vec(), rollout[4 * t + 1..].to_vec())
    }

    #[test]
    fn with_lambda_one_returns_are_the_discounted_sums() {
        let (_, returns) = episode(&[0.0; 3], &[0.3, -0.2, 0.7], 8.0, 0.5, 1.0);
        assert_eq!(returns, [1.0 + 0.5 * (1.0 + 0.5 * (1.0 + 0.5 * 8.0)), 1.0 + 0.5 * (1.0 + 0.5 * 8.0), 5.0]);
    }

    #[test]
    fn rewards_count_scaled_and_values_do_not() {
        let (advantages, returns) = scaled(&[0.0], &[0.5], 8.0, (0.5, 1.0, 3.0));
        assert_eq!((advantages[0], returns[0]), (3.0 + 0.5 * 8.0 - 0.5, 3.0 + 0.5 * 8.0));
    }

    #[test]
    fn termination_cuts_the_future_and_time_out_bootstraps_from_the_current_value() {
        let (advantages, _) = episode(&[TERMINATED, RUNNING], &[0.5, 0.25], 4.0, 0.5, 0.9);
        assert_eq!(advantages, [1.0 - 0.5, 1.0 + 0.5 * 4.0 - 0.25]);
        let (advantages, _) = episode(&[TIMED_OUT, RUNNING], &[0.5, 0.25], 4.0, 0.5, 0.9);
        assert_eq!(advantages[0], 1.0 + 0.5 * 0.5 - 0.5);
    }
}
