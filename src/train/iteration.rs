//! One training iteration as a recording: nothing in it waits for the device, and nothing is read back inside.

use super::layout::RolloutLayout;
use super::normalizer::Normalizer;
use super::program::{BoundKernel, BoundTile};
use super::rollout::Rollout;
use crate::algo::{Agent, Schedule, TrainConfig};
use crate::engine::{BufferId, Recording};
use crate::env::EnvArgs;
use crate::fuse::TileArgs;
use crate::kernels::adamw::{self, AdamwArgs, control};
use crate::kernels::gae::{self, GaeArgs};
use crate::kernels::normalize_advantages::{self, NormalizeArgs};
use crate::kernels::reduce_gradients::{self, ReduceArgs};
use crate::kernels::sum_columns::SumColumnsArgs;
use crate::kernels::weight_gradients::WeightGradientArgs;

/// Stream of the minibatch shuffle's key; epoch e uses `SHUFFLE + e`.
pub const SHUFFLE: u32 = 0x200;

/// Columns of the per-environment statistics: episodes, sum of returns, sum of lengths, non-finite values.
pub const STATS: u32 = 4;

/// Uniforms of a kernel: immediates end at 128 bytes.
const MAX_UNIFORMS: usize = 32;

/// The kernels of a run.
pub struct Kernels {
    pub rollout: Rollout,
    pub value: BoundTile,
    pub update: BoundTile,
    pub prepare: Vec<BoundTile>,
    pub env_reset: BoundKernel,
    pub gae: BoundKernel,
    pub normalize: BoundKernel,
    pub weight_gradients: BoundKernel,
    pub reduce: BoundKernel,
    pub adamw: BoundKernel,
    pub sum_columns: BoundKernel,
    pub normalizer: Option<Normalizer>,
}

/// Everything that the recording names, fixed for a run.
pub struct Plan {
    pub config: TrainConfig,
    pub rollout: RolloutLayout,
    pub trained_words: u32,
    pub param_words: u32,
    pub means: u32,
    pub kl_mean: u32,
    pub observation: u32,
    /// Row ranges of a minibatch that share the scratch buffer one after the other.
    pub chunks: u32,
    /// Partial gradients of one chunk.
    pub slices: u32,
    /// Partial gradients in all.
    pub partials: u32,
    pub blocks: u32,
    pub seed: u64,
    pub env: EnvArgs,
    pub kernels: Kernels,
    pub prepare_rows: Vec<u32>,
    pub params: BufferId,
    pub frozen: BufferId,
    pub rollout_buffer: BufferId,
    pub carry: BufferId,
    pub control: BufferId,
    pub stats: BufferId,
}

/// What changes from one iteration to the next.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Clock {
    /// Iterations done.
    pub iteration: u64,
    /// Optimiser steps done.
    pub updates: u64,
}

impl Plan {
    fn tile_args(&self, clock: Clock, rows: u32, first_row: u32) -> TileArgs {
        TileArgs {
            rows,
            first_row,
            shuffle_count: self.rollout.samples(),
            step: 0,
            seed_lo: self.seed as u32,
            seed_hi: (self.seed >> 32) as u32,
            iteration: clock.iteration as u32,
            shuffle_stream: SHUFFLE,
        }
    }

    /// Record the first half: freeze the policy, roll it out, estimate advantages.
    pub fn collect(&self, r: &mut Recording, clock: Clock) {
        let envs = self.rollout.envs;
        r.clear(self.stats, 0, u64::from(envs * STATS) * 4);
        r.clear(
            self.control,
            control::KL_SUM as u64 * 4,
            4 * (control::words(self.means as usize) - control::KL_SUM) as u64,
        );
        r.scope("rollout", |r| {
            self.freeze(r, clock);
            self.roll(r, clock);
        });
        r.scope("advantages", |r| self.advantages(r));
    }

    /// Copy the parameters and derive what the frozen policy is evaluated with.
    pub fn freeze(&self, r: &mut Recording, clock: Clock) {
        r.copy((self.params, 0), (self.frozen, 0), u64::from(self.param_words) * 4);
        for (kernel, &rows) in self.kernels.prepare.iter().zip(&self.prepare_rows) {
            kernel.record(r, &self.tile_args(clock, rows, 0), &[]);
        }
    }

    fn roll(&self, r: &mut Recording, clock: Clock) {
        let layout = &self.rollout;
        let envs = layout.envs;
        let obs_bytes = u64::from(envs * self.observation) * 4;
        let groups = crate::env::EnvKernels::groups(envs);
        let first_obs = u64::from(layout.offset("obs")) * 4;
        let env = EnvArgs { iteration: clock.iteration as u32, ..self.env };
        if clock.iteration == 0 {
            let args = EnvArgs { obs_offset: layout.offset("obs"), random_ages: 1, ..env };
            self.kernels.env_reset.record(r, args.bytes(), groups);
        } else {
            r.copy((self.carry, 0), (self.rollout_buffer, first_obs), obs_bytes);
        }
        let args = EnvArgs {
            obs_offset: layout.offset("obs") + envs * self.observation,
            action_offset: layout.offset("action"),
            reward_offset: layout.offset("reward"),
            flag_offset: layout.offset("flag"),
            ..env
        };
        self.kernels.rollout.record(r, &args, 0, layout.steps);
        let last_obs = first_obs + u64::from(layout.steps) * obs_bytes;
        r.copy((self.rollout_buffer, last_obs), (self.carry, 0), obs_bytes);
        self.kernels.value.record(r, &self.tile_args(clock, envs, layout.samples()), &[]);
    }

    fn advantages(&self, r: &mut Recording) {
        let layout = &self.rollout;
        let values = layout.offset("value");
        let args = GaeArgs {
            envs: layout.envs,
            steps: layout.steps,
            rewards: layout.offset("reward"),
            values,
            flags: layout.offset("flag"),
            last_value: values + layout.samples(),
            advantages: layout.offset("adv"),
            returns: layout.offset("ret"),
            gamma: self.config.gamma as f32,
            lambda: self.config.lambda as f32,
            reward_scale: self.config.reward_scale as f32,
        };
        let partials = layout.envs.div_ceil(gae::GROUP);
        self.kernels.gae.record(r, bytemuck::bytes_of(&args), [partials, 1, 1]);
        let args = NormalizeArgs { advantages: args.advantages, count: layout.samples(), partials };
        let groups = layout.samples().div_ceil(normalize_advantages::GROUP).min(1024);
        self.kernels.normalize.record(r, bytemuck::bytes_of(&args), [groups, 1, 1]);
    }

    /// Record the second half: all epochs of minibatches, then the sums of the episode statistics. Advances the clock.
    pub fn learn(&self, r: &mut Recording, agent: &Agent, clock: &mut Clock) {
        let mut values = [0.0; MAX_UNIFORMS];
        let uniforms = self.uniforms(agent, clock.iteration, &mut values);
        let batch = self.rollout.samples() / self.config.minibatches as u32;
        r.scope("update", |r| {
            for epoch in 0..self.config.epochs as u32 {
                for minibatch in 0..self.config.minibatches as u32 {
                    let last = minibatch + 1 == self.config.minibatches as u32;
                    self.minibatch(r, *clock, (epoch, minibatch * batch, batch), uniforms, last);
                    clock.updates += 1;
                }
            }
            let args = SumColumnsArgs { rows: self.rollout.envs, columns: STATS, source: 0, target: 0 };
            self.kernels.sum_columns.record(r, bytemuck::bytes_of(&args), [1, 1, 1]);
            // Behind the last update: all of an iteration sees the same statistics.
            if let Some(normalizer) = &self.kernels.normalizer {
                normalizer.record(r, &self.rollout, clock.iteration);
            }
        });
        clock.iteration += 1;
    }

    fn uniforms<'a>(&self, agent: &Agent, iteration: u64, values: &'a mut [f32]) -> &'a [f32] {
        let value = |name: &String| {
            let found = agent.uniforms.iter().find(|(n, _)| n == name);
            found.map_or(1.0, |(_, anneal)| anneal.at(iteration as usize) as f32)
        };
        let names = &self.kernels.update.tile.uniforms;
        values.iter_mut().zip(names).for_each(|(slot, name)| *slot = value(name));
        &values[..names.len().min(values.len())]
    }

    /// Forward, loss and backward; weight gradients; reduction; optimiser.
    fn minibatch(
        &self,
        r: &mut Recording,
        clock: Clock,
        (epoch, first, batch): (u32, u32, u32),
        uniforms: &[f32],
        last: bool,
    ) {
        let tile = &self.kernels.update.tile;
        let rows = batch.div_ceil(self.chunks).next_multiple_of(tile.shape.rows());
        let gradient_words = self.trained_words + self.means;
        for chunk in 0..self.chunks {
            let start = (chunk * rows).min(batch);
            let count = rows.min(batch - start);
            if count == 0 {
                continue;
            }
            let args = TileArgs {
                step: epoch,
                shuffle_stream: SHUFFLE + epoch,
                ..self.tile_args(clock, count, first + start)
            };
            self.kernels.update.record(r, &args, uniforms);
            let args = WeightGradientArgs {
                tiles: count.div_ceil(tile.shape.rows()),
                tile_features: tile.scratch_features,
                tile_rows: tile.shape.rows(),
                gradient_words,
                first_slice: chunk * self.slices,
            };
            self.kernels.weight_gradients.record(r, bytemuck::bytes_of(&args), [self.blocks, self.slices, 1]);
        }
        let args = ReduceArgs {
            words: gradient_words,
            trained_words: self.trained_words,
            slices: self.partials,
            scale: 1.0 / batch as f32,
        };
        let norms = gradient_words.div_ceil(reduce_gradients::GROUP);
        self.kernels.reduce.record(r, bytemuck::bytes_of(&args), [norms, 1, 1]);
        let groups = adamw::groups(self.trained_words);
        self.kernels.adamw.record(r, bytemuck::bytes_of(&self.adamw_args(clock, norms, last)), [groups, 1, 1]);
    }

    fn adamw_args(&self, clock: Clock, norms: u32, last: bool) -> AdamwArgs {
        let c = &self.config;
        let t = clock.updates as f64 + 1.0;
        AdamwArgs {
            trained_words: self.trained_words,
            means: self.means,
            norms,
            step: clock.updates as u32,
            schedule: match c.schedule {
                Schedule::Fixed => adamw::Schedule::Fixed,
                Schedule::Minibatch => adamw::Schedule::PerMinibatch,
                Schedule::EpochAccumulated => adamw::Schedule::PerEpoch,
                Schedule::Epoch => adamw::Schedule::PerEpochReset,
            } as u32,
            end_of_epoch: u32::from(last),
            kl_mean: self.kl_mean,
            max_norm: c.grad_norm as f32,
            lr_min: c.lr_min as f32,
            lr_max: c.lr_max as f32,
            lr_scale: self.learning_rate_scale(clock.iteration) as f32,
            kl_target: c.kl_target as f32,
            weight_decay: c.weight_decay as f32,
            beta1: c.beta1 as f32,
            beta2: c.beta2 as f32,
            epsilon: c.eps as f32,
            bias1: (1.0 - c.beta1.powf(t)) as f32,
            bias2: (1.0 - c.beta2.powf(t)) as f32,
        }
    }

    /// Linear decay of the learning rate: `1 - iteration / decay_iterations`.
    pub fn learning_rate_scale(&self, iteration: u64) -> f64 {
        match self.config.lr_decay_iterations {
            0 => 1.0,
            n => (1.0 - iteration as f64 / n as f64).max(0.0),
        }
    }
}
