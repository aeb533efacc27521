//! Generalised advantage estimation with time-out bootstrap: twin of `shaders/gae.wgsl`.

use super::describe;
use crate::engine::{KernelDesc, Work};
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
}

/// The kernel. Buffers: `rollout`, `partials` (`[groups][3]`).
pub fn desc() -> KernelDesc {
    let work = Work { matrix_flops: 0.0, other_flops: 14.0, bytes: 20.0 };
    describe("gae", include_str!("../../shaders/gae.wgsl"), &["rollout", "partials"], work)
}

/// Advantages and returns of a rollout, and count, mean and M2 of the advantages of every [`GROUP`] environments.
///
/// Schulman et al. 2016, equation 16, with PolicyFlow's time-out bootstrap: the reward of a timed-out step grows by
/// `gamma` times the value of the observation it was taken from.
pub fn gae(args: &GaeArgs, rollout: &mut [f32], partials: &mut [f32]) {
    let (envs, steps) = (args.envs as usize, args.steps as usize);
    let (gamma, lambda) = (args.gamma as f64, args.lambda as f64);
    for env in 0..envs {
        let mut next_value = rollout[args.last_value as usize + env] as f64;
        let mut advantage = 0.0;
        for t in (0..steps).rev() {
            let read = |offset: u32| rollout[offset as usize + t * envs + env] as f64;
            let (flag, value) = (read(args.flags) as f32, read(args.values));
            let running = if flag == RUNNING { 1.0 } else { 0.0 };
            let bootstrap = if flag == TIMED_OUT { gamma * value } else { 0.0 };
            let delta = read(args.rewards) + bootstrap + gamma * running * next_value - value;
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
    fn termination_cuts_the_future_and_time_out_bootstraps_from_the_current_value() {
        let (advantages, _) = episode(&[TERMINATED, RUNNING], &[0.5, 0.25], 4.0, 0.5, 0.9);
        assert_eq!(advantages, [1.0 - 0.5, 1.0 + 0.5 * 4.0 - 0.25]);
        let (advantages, _) = episode(&[TIMED_OUT, RUNNING], &[0.5, 0.25], 4.0, 0.5, 0.9);
        assert_eq!(advantages[0], 1.0 + 0.5 * 0.5 - 0.5);
    }
}
