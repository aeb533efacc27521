//! A batch of environments with buffers of its own: for checks, evaluations and tests. Training binds the same kernels to
//! the trainer's buffers.

use crate::engine::{BufferId, Engine, KernelId, Recording};

use super::catalogue::Environment;
use super::error::EnvError;
use super::runner::{EnvArgs, EnvKernels, STATS_BYTES};

/// Environments on a device with room for a stretch of `capacity` steps.
#[derive(Clone, Debug)]
pub struct Batch {
    reset: KernelId,
    step: KernelId,
    /// `[num_envs]` entries of `slot_bytes`.
    states: BufferId,
    /// observations `[capacity + 1, num_envs, obs]`, actions `[capacity, num_envs, actions]`, rewards and flags
    /// `[capacity, num_envs]`.
    rollout: BufferId,
    /// `[num_envs, 4]`.
    stats: BufferId,
    num_envs: u32,
    capacity: u32,
    obs_dim: u32,
    action_dim: u32,
    slot_bytes: u64,
    state_bytes: u64,
}

/// What a stretch of steps left behind, row-major.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trace {
    /// `[steps + 1, num_envs, obs]`: before the first step, then after every step.
    pub observations: Vec<f32>,
    /// `[steps, num_envs]`
    pub rewards: Vec<f32>,
    /// `[steps, num_envs]`: 0, 1 terminated, 2 timed out.
    pub flags: Vec<f32>,
}

impl Batch {
    /// Compiles the kernels and allocates the buffers. `name` tells the buffers of several batches apart.
    pub fn new(
        engine: &mut Engine,
        env: &Environment,
        name: &str,
        num_envs: u32,
        capacity: u32,
    ) -> Result<Self, EnvError> {
        let kernels = EnvKernels::new(env)?;
        let (obs_dim, action_dim) = (env.obs_dim() as u32, env.action_dim() as u32);
        let (envs, steps) = (u64::from(num_envs), u64::from(capacity));
        let words = envs * (u64::from(obs_dim) * (steps + 1) + u64::from(action_dim) * steps + 2 * steps);
        Ok(Self {
            reset: engine.kernel(&kernels.reset)?,
            step: engine.kernel(&kernels.step)?,
            states: engine.buffer(&format!("{name} states"), envs * kernels.slot_bytes)?,
            rollout: engine.buffer(&format!("{name} rollout"), words * 4)?,
            stats: engine.buffer(&format!("{name} stats"), envs * STATS_BYTES)?,
            num_envs,
            capacity,
            obs_dim,
            action_dim,
            slot_bytes: kernels.slot_bytes,
            state_bytes: kernels.state_bytes,
        })
    }

    /// Steps of a stretch.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Starts all environments; the first observations are row 0.
    pub fn record_reset(&self, recording: &mut Recording, args: EnvArgs) {
        let args = EnvArgs { num_envs: self.num_envs, obs_offset: 0, ..args };
        self.record(recording, self.reset, args);
    }

    /// Sets the actions of a stretch: `[steps, num_envs, actions]`, `steps` at most the capacity.
    pub fn record_actions(&self, recording: &mut Recording, actions: &[f32]) {
        recording.upload(self.rollout, self.action_words(0) * 4, bytemuck::cast_slice(actions));
    }

    /// One step at row `t < capacity` of the stretch; `args.step` numbers the step for the random numbers.
    pub fn record_step(&self, recording: &mut Recording, t: u32, args: EnvArgs) {
        let args = EnvArgs {
            num_envs: self.num_envs,
            obs_offset: (t + 1) * self.num_envs * self.obs_dim,
            action_offset: self.action_words(t) as u32,
            reward_offset: (self.action_words(self.capacity) + u64::from(t * self.num_envs)) as u32,
            flag_offset: (self.action_words(self.capacity) + u64::from((self.capacity + t) * self.num_envs)) as u32,
            ..args
        };
        self.record(recording, self.step, args);
    }

    /// Blocks for the observations, rewards and flags of the first `steps` rows.
    pub fn read_trace(&self, engine: &mut Engine, steps: u32) -> Result<Trace, EnvError> {
        let envs = u64::from(self.num_envs);
        let after_actions = self.action_words(self.capacity);
        let mut words = |first: u64, count: u64| -> Result<Vec<f32>, EnvError> {
            let bytes = engine.read(self.rollout, first * 4, count * 4)?;
            Ok(bytemuck::pod_collect_to_vec(&bytes))
        };
        Ok(Trace {
            observations: words(0, u64::from(steps + 1) * envs * u64::from(self.obs_dim))?,
            rewards: words(after_actions, u64::from(steps) * envs)?,
            flags: words(after_actions + u64::from(self.capacity) * envs, u64::from(steps) * envs)?,
        })
    }

    /// Blocks for the statistics: `[num_envs]` of episodes, sum of returns, sum of lengths, non-finite steps.
    pub fn read_stats(&self, engine: &mut Engine) -> Result<Vec<[f32; 4]>, EnvError> {
        let bytes = engine.read(self.stats, 0, u64::from(self.num_envs) * STATS_BYTES)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Blocks for the bytes of every environment's `State`, without the bookkeeping of its episode.
    pub fn read_states(&self, engine: &mut Engine) -> Result<Vec<Vec<u8>>, EnvError> {
        let bytes = engine.read(self.states, 0, u64::from(self.num_envs) * self.slot_bytes)?;
        let slots = bytes.chunks_exact(self.slot_bytes as usize);
        Ok(slots.map(|slot| slot[..self.state_bytes as usize].to_vec()).collect())
    }

    fn record(&self, recording: &mut Recording, kernel: KernelId, args: EnvArgs) {
        let buffers = [self.states, self.rollout, self.stats];
        recording.dispatch(kernel, &buffers, args.bytes(), EnvKernels::groups(self.num_envs));
    }

    /// Word at which the actions of row `t` begin.
    fn action_words(&self, t: u32) -> u64 {
        let observations = u64::from(self.capacity + 1) * u64::from(self.obs_dim);
        u64::from(self.num_envs) * (observations + u64::from(t) * u64::from(self.action_dim))
    }
}
