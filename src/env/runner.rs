//! The two kernels that run a batch of environments, and the arguments they take.

use std::sync::Arc;

use crate::engine::{CountedWork, KernelDesc, Work};
use crate::wgsl::WgslTwin;

use super::catalogue::Environment;
use super::compile::{check_contract, compile, slot_bytes};
use super::error::EnvError;
use super::inline::{StepFunction, step_function};
use super::module::{BINDINGS, Entry, assemble};

/// Invocations of a workgroup, one an environment.
pub const WORKGROUP: u32 = 64;

/// Most environments of one dispatch: 65535 workgroups.
pub const MAX_ENVS: u32 = 65_535 * WORKGROUP;

/// Bytes of an environment's entry in the statistics buffer: `[episodes, sum of returns, sum of lengths, non-finite
/// steps]` as `f32`, accumulated until the buffer is cleared.
pub const STATS_BYTES: u64 = 16;

/// The flag of a step after which the episode goes on.
pub const FLAG_NONE: f32 = 0.0;
/// The flag of a step that terminated the episode: nothing follows, the value is not bootstrapped.
pub const FLAG_TERMINATED: f32 = 1.0;
/// The flag of a step after which the episode was cut off: the value is bootstrapped.
pub const FLAG_TIME_OUT: f32 = 2.0;

/// Arguments of both kernels: the contents of `var<immediate>`; WGSL twin: `RunnerArgs` in `module.rs`.
/// Offsets are in words of the rollout buffer and already those of the step at hand.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct EnvArgs {
    /// Rows.
    pub num_envs: u32,
    /// Number of the environment in row 0: it keys the random numbers.
    pub first_env: u32,
    /// Low word of the seed.
    pub seed_lo: u32,
    /// High word of the seed.
    pub seed_hi: u32,
    /// Training iteration: it keys the random numbers.
    pub iteration: u32,
    /// Step within the rollout: it keys the random numbers.
    pub step: u32,
    /// `[num_envs, OBS_DIM]`: where the observation after this step goes (after a reset: the first one).
    pub obs_offset: u32,
    /// `[num_envs, ACTION_DIM]`: where the action is. Not used by the reset kernel.
    pub action_offset: u32,
    /// `[num_envs]`: where the reward goes. Not used by the reset kernel.
    pub reward_offset: u32,
    /// `[num_envs]`: where the flag goes ([`FLAG_NONE`], [`FLAG_TERMINATED`], [`FLAG_TIME_OUT`]). Not used by the reset kernel.
    pub flag_offset: u32,
    /// Steps after which an episode is cut off, at least 1.
    pub horizon: u32,
    /// 1: ended episodes start anew. 0: nothing is reset and nothing times out; terminated steps are only flagged.
    pub auto_reset: u32,
    /// 1: the reset kernel draws ages uniformly in `0..horizon`, so that time-outs do not come all at once.
    pub random_ages: u32,
    /// 1: the reset kernel starts with `reset_evaluation` where the environment has one.
    pub evaluation: u32,
}

impl EnvArgs {
    /// Training arguments of one step with all offsets zero.
    pub fn training(env: &Environment, num_envs: u32, seed: u64) -> Self {
        let (seed_lo, seed_hi) = (seed as u32, (seed >> 32) as u32);
        Self { num_envs, seed_lo, seed_hi, horizon: env.manifest.horizon, auto_reset: 1, ..Self::default() }
    }

    /// Evaluation arguments: starts with `reset_evaluation`, resets nothing.
    pub fn evaluation(env: &Environment, num_envs: u32, seed: u64) -> Self {
        Self { auto_reset: 0, evaluation: 1, ..Self::training(env, num_envs, seed) }
    }

    /// The arguments of the step that comes `t` steps later in a rollout whose fields are `[steps, num_envs, width]`, for
    /// the widths of observation and action.
    pub fn later(&self, t: u32, (observation, action): (u32, u32)) -> Self {
        let samples = t * self.num_envs;
        Self {
            step: self.step + t,
            obs_offset: self.obs_offset + samples * observation,
            action_offset: self.action_offset + samples * action,
            reward_offset: self.reward_offset + samples,
            flag_offset: self.flag_offset + samples,
            ..*self
        }
    }

    /// The bytes of the immediates.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }
}

/// Work of the steps that one dispatch makes, for an environment.
#[derive(Clone, Copy, Debug)]
pub struct StepWork {
    /// Bytes of state and statistics, read and written once however many steps there are.
    kept: f64,
    /// Bytes of observation, action, reward and flag of a step.
    moved: f64,
    /// Floating-point operations of a step; 0 where they are not known.
    operations: f64,
}

impl StepWork {
    /// The work of so many environments for so many steps.
    pub fn of(&self, envs: u32, steps: u32) -> Work {
        let (envs, steps) = (f64::from(envs), f64::from(steps));
        let bytes = envs * (self.kept + steps * self.moved);
        Work { other_flops: envs * steps * self.operations, bytes, ..Work::default() }
    }
}

/// The kernels of an environment. Both bind `states`, `rollout_f32` and `stats`, in this order.
#[derive(Clone, Debug)]
pub struct EnvKernels {
    /// Starts all environments: writes states, zero statistics and first observations.
    pub reset: KernelDesc,
    /// One step: reads actions; writes states, statistics, rewards, flags and next observations.
    pub step: KernelDesc,
    /// Its work.
    pub work: StepWork,
    /// The same step for other kernels to call, if the environment is light.
    pub inline: Option<StepFunction>,
    /// Widths of observation and action.
    pub widths: (u32, u32),
    /// Bytes of an environment's entry in the state buffer.
    pub slot_bytes: u64,
    /// Bytes of the user's `State`, which an entry begins with; the rest is the running episode's bookkeeping.
    pub state_bytes: u64,
}

impl EnvKernels {
    /// Generates both modules and compiles them with naga; messages carry the line numbers of `env.wgsl`.
    pub fn new(env: &Environment) -> Result<Self, EnvError> {
        let contract = check_contract(env)?;
        let texts = [Entry::Reset, Entry::Step].map(|entry| assemble(env, entry, contract.starts));
        compile(env, &texts[0])?;
        let module = compile(env, &texts[1])?;
        let (slot_bytes, state_bytes) = slot_bytes(&module).ok_or_else(|| EnvError::Wgsl {
            path: env.wgsl_path(),
            line: 1,
            column: 1,
            message: "`State` has no fixed size".to_string(),
        })?;
        let (obs, action) = (env.obs_dim() as f64 * 4.0, env.action_dim() as f64 * 4.0);
        let slot = slot_bytes as f64;
        let kept = slot + STATS_BYTES as f64;
        let starts = StepWork { kept, moved: obs, operations: 0.0 };
        let operations = contract.operations.map_or(0.0, |counted| counted.float as f64);
        let work = StepWork { kept: 2.0 * kept, moved: obs + action + 8.0, operations };
        let [reset, step] = texts;
        let bindings = BINDINGS.map(String::from).to_vec();
        let file = env.wgsl_path().display().to_string();
        let twin = |wgsl: &str| WgslTwin { wgsl: wgsl.into(), bindings: bindings.clone(), file: file.clone() };
        let inline = step_function(env, &contract, twin(&step));
        let desc = |verb: &str, wgsl: String, work: CountedWork| KernelDesc {
            name: format!("env_{verb}_{}", env.manifest.name.replace('-', "_")),
            twin: Some(Arc::new(twin(&wgsl))),
            wgsl,
            bindings: bindings.clone(),
            work,
        };
        Ok(Self {
            reset: desc("reset", reset, CountedWork::of_args(move |args: EnvArgs, _| starts.of(args.num_envs, 1))),
            step: desc("step", step, CountedWork::of_args(move |args: EnvArgs, _| work.of(args.num_envs, 1))),
            work,
            inline,
            widths: (env.obs_dim() as u32, env.action_dim() as u32),
            slot_bytes,
            state_bytes,
        })
    }

    /// The grid of a dispatch over `num_envs` (at most [`MAX_ENVS`]) environments.
    pub fn groups(num_envs: u32) -> [u32; 3] {
        [num_envs.div_ceil(WORKGROUP), 1, 1]
    }
}
