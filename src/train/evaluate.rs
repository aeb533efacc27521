//! Evaluation: roll the policy out without learning, and hand the trajectories to the host.

use super::TrainError;
use super::fused::fuse_rollout;
use super::layout::{ParamLayout, RolloutLayout};
use super::program::{BoundKernel, BoundTile, Roles, prepare_kernels};
use super::rollout::Rollout;
use super::trainer::words;
use crate::algo::Agent;
use crate::engine::{BufferId, Engine, Recording};
use crate::env::{EnvArgs, EnvKernels, Environment};
use crate::fuse::{Placement, Target, TileArgs, lower};

/// Which noise the policy gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EvalNoise {
    /// Base noise and action noise are drawn.
    #[default]
    Sample,
    /// Both are zero: deterministic.
    Zero,
}

/// Trajectories of one evaluation.
#[derive(Clone, PartialEq, Debug)]
pub struct Episodes {
    /// Environments.
    pub envs: usize,
    /// Steps.
    pub steps: usize,
    /// Widths of observation and action.
    pub widths: (usize, usize),
    /// `[steps + 1][envs][observation]`.
    pub observations: Vec<f32>,
    /// `[steps][envs][action]`.
    pub actions: Vec<f32>,
    /// `[steps][envs]`.
    pub rewards: Vec<f32>,
    /// `[steps][envs]`: 0 running, 1 terminated, 2 timed out.
    pub flags: Vec<f32>,
}

impl Episodes {
    /// Return and length of every environment's first episode: up to its first flag.
    pub fn returns(&self) -> Vec<(f64, usize)> {
        (0..self.envs)
            .map(|e| {
                let mut total = 0.0;
                for t in 0..self.steps {
                    total += f64::from(self.rewards[t * self.envs + e]);
                    if self.flags[t * self.envs + e] != 0.0 {
                        return (total, t + 1);
                    }
                }
                (total, self.steps)
            })
            .collect()
    }

    /// Observation of environment `e` before step `t`.
    pub fn observation(&self, t: usize, e: usize) -> &[f32] {
        let o = self.widths.0;
        &self.observations[(t * self.envs + e) * o..][..o]
    }

    /// Action of environment `e` at step `t`.
    pub fn action(&self, t: usize, e: usize) -> &[f32] {
        let d = self.widths.1;
        &self.actions[(t * self.envs + e) * d..][..d]
    }
}

/// Kernels and buffers for evaluations of up to a fixed number of samples; shares the parameter buffers.
pub struct Evaluator {
    layout: RolloutLayout,
    capacity: u64,
    widths: (usize, usize),
    rollout: Rollout,
    prepare: Vec<(BoundTile, u32)>,
    reset: BoundKernel,
    env: EnvArgs,
    params: BufferId,
    frozen: BufferId,
    param_words: u32,
    rollout_buffer: BufferId,
    states: BufferId,
    state_bytes: u64,
    envs: u32,
}

/// Random stream offset of evaluations: the iteration word of their keys has this bit set.
const EVALUATION: u32 = 1 << 31;

impl Evaluator {
    /// For at most `envs` environments at once and `envs * (steps + 1) <= samples`.
    pub fn new(
        (engine, environment, agent, params): (&mut Engine, &Environment, &Agent, &ParamLayout),
        (params_buffer, frozen): (BufferId, BufferId),
        noise: EvalNoise,
        envs: u32,
        samples: u64,
    ) -> Result<Self, TrainError> {
        let target = Target::of(engine.adapter());
        let graph = match noise {
            EvalNoise::Sample => &agent.act,
            EvalNoise::Zero => &agent.act_zero,
        };
        // One "environment" per sample: the layout only fixes where fields begin.
        let capacity = u32::try_from(samples).map_err(|_| too_many(samples))?;
        let layout = RolloutLayout::new(agent, graph, environment.obs_dim(), capacity, 1, false);
        let limit = engine.limits().storage_binding_bytes.min(engine.limits().buffer_bytes);
        if layout.bytes() > limit {
            return Err(too_many(samples));
        }
        let kernels = EnvKernels::new(environment)?;
        let mut placement = Placement::default();
        params.place(graph, &mut placement, false);
        layout.place(graph, &[], &mut placement);
        let act = lower(graph, &placement, &target, false)?;
        let fused = fuse_rollout(graph, &placement, &target, &kernels)?;
        let prepared = prepare_kernels(agent, params, &target)?;
        let scratch =
            prepared.iter().map(|k| k.scratch_bytes(1024)).chain([act.scratch_bytes(envs)]).max().unwrap_or(0);
        let sizes = [
            ("rollout", layout.words),
            ("scratch", scratch / 4),
            ("states", kernels.slot_bytes / 4 * u64::from(envs)),
            ("stats", u64::from(envs) * 4),
        ];
        let roles = Roles::allocate(engine, "evaluation", &sizes)?;
        let roles = roles.with("params", params_buffer).with("frozen", frozen);
        let rollout_buffer = roles.get("rollout")?;
        let mut prepare = Vec::new();
        for (tile, source) in prepared.into_iter().zip(&agent.prepare) {
            prepare.push((BoundTile::new(engine, tile, &roles)?, source.rows as u32));
        }
        Ok(Self {
            capacity: samples,
            widths: (environment.obs_dim(), environment.action_dim()),
            rollout: Rollout::new(engine, (act, fused), &kernels, &roles, (&target, envs, u32::MAX))?,
            prepare,
            reset: BoundKernel::new(engine, &kernels.reset, &roles)?,
            env: EnvArgs::evaluation(environment, envs, 0),
            params: params_buffer,
            frozen,
            param_words: params.words,
            rollout_buffer,
            states: roles.get("states")?,
            state_bytes: kernels.state_bytes,
            layout,
            envs,
        })
    }

    /// Roll out `envs` environments for `steps` steps from evaluation resets. Waits for the device.
    pub fn run(
        &self,
        engine: &mut Engine,
        envs: u32,
        steps: u32,
        seed: u64,
        round: u32,
    ) -> Result<Episodes, TrainError> {
        let (mut r, first) = self.start((envs, steps), seed, round)?;
        self.rollout.record(&mut r, &first, 0, steps);
        engine.submit(&r)?;
        self.read(engine, envs, steps)
    }

    /// As [`run`](Self::run) with one environment, and the bytes of its `State` too: `seen` gets them before the first step and
    /// then after every `every` steps. Waits for the device each time.
    pub fn watch(
        &self,
        engine: &mut Engine,
        (steps, every): (u32, u32),
        seed: u64,
        round: u32,
        mut seen: impl FnMut(Vec<u8>),
    ) -> Result<Episodes, TrainError> {
        let (mut r, first) = self.start((1, steps), seed, round)?;
        let mut done = 0;
        loop {
            engine.submit(&r)?;
            seen(engine.read(self.states, 0, self.state_bytes)?);
            if done == steps {
                return self.read(engine, 1, steps);
            }
            let count = every.min(steps - done);
            let widths = (self.widths.0 as u32, self.widths.1 as u32);
            r = Recording::new();
            self.rollout.record(&mut r, &first.later(done, widths), done, count);
            done += count;
        }
    }

    /// What comes before the first step, and that step's arguments.
    fn start(&self, (envs, steps): (u32, u32), seed: u64, round: u32) -> Result<(Recording, EnvArgs), TrainError> {
        let samples = u64::from(envs) * (u64::from(steps) + 1);
        if envs > self.envs || samples > self.capacity {
            return Err(too_many(samples));
        }
        let (seed_lo, seed_hi) = (seed as u32, (seed >> 32) as u32);
        let iteration = EVALUATION | round;
        let args = TileArgs { seed_lo, seed_hi, iteration, rows: envs, ..TileArgs::default() };
        let env = EnvArgs { num_envs: envs, seed_lo, seed_hi, iteration, ..self.env };
        let mut r = Recording::new();
        r.copy((self.params, 0), (self.frozen, 0), u64::from(self.param_words) * 4);
        for (kernel, rows) in &self.prepare {
            kernel.record(&mut r, &TileArgs { rows: *rows, ..args }, &[]);
        }
        let at = |name: &str| self.layout.offset(name);
        self.reset.record(&mut r, EnvArgs { obs_offset: at("obs"), ..env }.bytes(), EnvKernels::groups(envs));
        let first = EnvArgs {
            obs_offset: at("obs") + envs * self.widths.0 as u32,
            action_offset: at("action"),
            reward_offset: at("reward"),
            flag_offset: at("flag"),
            ..env
        };
        Ok((r, first))
    }

    fn read(&self, engine: &mut Engine, envs: u32, steps: u32) -> Result<Episodes, TrainError> {
        let (o, d) = (self.widths.0 as u32, self.widths.1 as u32);
        let at = |name: &str| self.layout.offset(name);
        let mut field = |name: &str, count: u32| -> Result<Vec<f32>, TrainError> {
            let bytes = u64::from(count) * 4;
            Ok(words(&engine.read(self.rollout_buffer, u64::from(at(name)) * 4, bytes)?))
        };
        Ok(Episodes {
            envs: envs as usize,
            steps: steps as usize,
            widths: self.widths,
            observations: field("obs", (steps + 1) * envs * o)?,
            actions: field("action", steps * envs * d)?,
            rewards: field("reward", steps * envs)?,
            flags: field("flag", steps * envs)?,
        })
    }
}

fn too_many(samples: u64) -> TrainError {
    TrainError::Setting(format!("an evaluation of {samples} samples does not fit into one buffer; use fewer episodes"))
}
