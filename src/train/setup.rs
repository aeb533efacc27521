//! From options to a trainer that is ready: plans, buffers, kernels, a warm-up, initial values.

use std::collections::HashMap;
use std::time::Instant;

use super::TrainError;
use super::iteration::{Clock, Kernels, Plan, STATS};
use super::layout::{PADDING_WORDS, ParamLayout, RolloutLayout};
use super::normalizer::{self, Normalizer};
use super::program::{BoundKernel, BoundTile, Program, Roles};
use super::rollout::Rollout;
use super::sizes::{Limits, Sizes, check_counts, check_loops, check_memory};
use super::trainer::{Buffers, TrainOptions, Trainer};
use crate::algo::{Agent, Spaces, Squash, TrainConfig, squash};
use crate::engine::{Engine, KernelDesc, Recording};
use crate::env::{Channel, EnvArgs, EnvKernels, Environment};
use crate::fuse::Target;
use crate::kernels::adamw::{self, control};
use crate::kernels::weight_gradients::{self, BLOCK_WORDS};
use crate::kernels::{gae, normalize_advantages, reduce_gradients, sum_columns};

impl Kernels {
    /// Compile everything and look its buffers up.
    fn bind(
        engine: &mut Engine,
        program: Program,
        env: &EnvKernels,
        (roles, params): (&Roles, &ParamLayout),
        (target, envs, steps): (&Target, u32, u32),
    ) -> Result<Self, TrainError> {
        let policy = (program.act, program.rollout);
        // `partials` means the advantage statistics in two kernels and the gradients in two others.
        let statistics = roles.with("partials", roles.get("advantage_partials")?);
        let columns = roles.with("values", roles.get("stats")?);
        let work = weight_gradients::work(&program.update.jobs);
        let gradients = KernelDesc { work, ..weight_gradients::desc() };
        let prepare = program.prepare.into_iter().map(|tile| BoundTile::new(engine, tile, roles));
        Ok(Self {
            prepare: prepare.collect::<Result<_, _>>()?,
            rollout: Rollout::new(engine, policy, env, roles, (target, envs, steps))?,
            value: BoundTile::new(engine, program.value, roles)?,
            update: BoundTile::new(engine, program.update, roles)?,
            env_reset: BoundKernel::new(engine, &env.reset, roles)?,
            gae: BoundKernel::new(engine, &gae::desc(), &statistics)?,
            normalize: BoundKernel::new(engine, &normalize_advantages::desc(), &statistics)?,
            weight_gradients: BoundKernel::new(engine, &gradients, roles)?,
            reduce: BoundKernel::new(engine, &reduce_gradients::desc(), roles)?,
            adamw: BoundKernel::new(engine, &adamw::desc(), roles)?,
            sum_columns: BoundKernel::new(engine, &sum_columns::desc(), &columns)?,
            normalizer: Normalizer::new(engine, params, roles)?,
        })
    }
}

/// Put the bounds of the environment's actions into the tensors that hold them.
fn bound_actions(agent: &mut Agent, config: &TrainConfig, environment: &Environment) -> Result<(), TrainError> {
    let channels = &environment.manifest.action;
    let endless = |channel: &&Channel| !(channel.high - channel.low).is_finite();
    if let (Squash::Tanh, Some(channel)) = (config.squash_actions, channels.iter().find(endless)) {
        return Err(TrainError::Setting(format!(
            "`squash_actions` is tanh: action `{}` of {} lies in {} ..= {}, expected finite bounds",
            channel.name, environment.manifest.name, channel.low, channel.high
        )));
    }
    // WGSL has no infinity.
    let finite = |bound: f32| bound.clamp(f32::MIN, f32::MAX);
    for tensor in &mut agent.tensors {
        match tensor.name.as_str() {
            squash::LOW => tensor.values = channels.iter().map(|channel| finite(channel.low)).collect(),
            squash::HIGH => tensor.values = channels.iter().map(|channel| finite(channel.high)).collect(),
            _ => {}
        }
    }
    Ok(())
}

impl Trainer {
    /// Plan, check memory, compile, initialise. Nothing is allocated before all sizes are known to fit.
    pub fn new(engine: Engine, environment: Environment, options: TrainOptions) -> Result<Self, TrainError> {
        Self::with_limits(engine, environment, options, Limits::default())
    }

    /// [`Trainer::new`] with other limits. What is computed does not depend on them, up to the rounding of gradients.
    pub fn with_limits(
        mut engine: Engine,
        environment: Environment,
        options: TrainOptions,
        limits: Limits,
    ) -> Result<Self, TrainError> {
        let (scratch_bytes, at_once) = (limits.scratch_bytes, limits.rollout_steps);
        let started = Instant::now();
        let config = options.algorithm.train().clone();
        let (envs, steps) = (config.num_envs as u32, config.horizon as u32);
        check_counts(config.num_envs, config.horizon, config.minibatches)?;
        let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
        let mut agent = options.algorithm.agent(spaces, options.seed)?;
        bound_actions(&mut agent, &config, &environment)?;
        let target = limits.target.unwrap_or_else(|| Target::of(engine.adapter()));
        let layout = ParamLayout::new(&agent);
        let rollout = RolloutLayout::new(&agent, &agent.act, spaces.observation, envs, steps, true);
        let env_kernels = EnvKernels::new(&environment)?;
        let program = Program::new(&agent, &layout, &rollout, &env_kernels, &target)?;

        let batch = rollout.samples() / config.minibatches as u32;
        let sizes = Sizes::new((&engine, &target), &program, &layout, &agent, (batch, envs), scratch_bytes)?;
        let state_bytes = env_kernels.slot_bytes * u64::from(envs);
        let limit = engine.limits().storage_binding_bytes.min(engine.limits().buffer_bytes);
        check_loops(&engine, &config)?;

        let advantage_partials = u64::from(envs.div_ceil(gae::GROUP)) * gae::PARTIAL_WORDS as u64;
        let gradient_words = u64::from(layout.trained_words) + agent.update.means.len() as u64;
        let mut buffers = vec![
            ("params", u64::from(layout.words + PADDING_WORDS)),
            ("frozen", u64::from(layout.frozen_words + PADDING_WORDS)),
            ("rollout", rollout.words),
            ("scratch", sizes.scratch_bytes / 4),
            ("partials", u64::from(sizes.partials) * gradient_words),
            ("gradient", gradient_words),
            ("moments", u64::from(layout.trained_words) * 2),
            ("norms", gradient_words.div_ceil(u64::from(reduce_gradients::GROUP))),
            ("control", control::words(agent.update.means.len()) as u64),
            ("jobs", sizes.table.len() as u64),
            ("stats", u64::from(envs * STATS)),
            ("sums", u64::from(STATS)),
            ("carry", u64::from(envs) * spaces.observation as u64),
            ("states", state_bytes / 4),
            ("advantage_partials", advantage_partials),
        ];
        buffers.extend(normalizer::buffer(&layout, rollout.samples()));
        for &(name, words) in &buffers {
            check_memory(name, words * 4, limit, &config)?;
        }
        let roles = Roles::allocate(&mut engine, "", &buffers)?;
        let (moments, states) = (roles.get("moments")?, roles.get("states")?);
        let (sums, jobs) = (roles.get("sums")?, roles.get("jobs")?);
        let plan = Plan {
            trained_words: layout.trained_words,
            param_words: layout.words,
            means: agent.update.means.len() as u32,
            kl_mean: agent.update.means.iter().position(|m| m == "kl").map_or(adamw::NO_KL, |i| i as u32),
            observation: spaces.observation as u32,
            chunks: sizes.chunks,
            slices: sizes.slices,
            partials: sizes.partials,
            blocks: (sizes.table.len() / BLOCK_WORDS) as u32,
            seed: options.seed,
            env: EnvArgs::training(&environment, envs, options.seed),
            prepare_rows: agent.prepare.iter().map(|p| p.rows as u32).collect(),
            kernels: Kernels::bind(&mut engine, program, &env_kernels, (&roles, &layout), (&target, envs, at_once))?,
            params: roles.get("params")?,
            frozen: roles.get("frozen")?,
            rollout_buffer: roles.get("rollout")?,
            carry: roles.get("carry")?,
            control: roles.get("control")?,
            stats: roles.get("stats")?,
            rollout,
            config,
        };
        let mut trainer = Self {
            engine,
            environment,
            agent,
            options,
            layout,
            plan,
            clock: Clock::default(),
            buffers: Buffers { moments, states, sums },
            state_bytes,
            pending: Vec::new(),
            recording: Recording::new(),
            last_finished: Instant::now(),
            tickets: 0,
            last_return: (f64::NAN, f64::NAN),
            compile_seconds: 0.0,
        };
        let mut upload = Recording::new();
        upload.upload(jobs, 0, bytemuck::cast_slice(&sizes.table));
        trainer.engine.submit(&upload)?;
        trainer.warm_up()?;
        trainer.initialize()?;
        trainer.compile_seconds = started.elapsed().as_secs_f64();
        trainer.last_finished = Instant::now();
        Ok(trainer)
    }

    /// Run every kernel once on almost nothing, so that drivers compile before the clock of training starts.
    fn warm_up(&mut self) -> Result<(), TrainError> {
        let (collect, learn) = self.recordings();
        let mut small = collect.one_group_of_each_kernel();
        small.append(&learn.one_group_of_each_kernel());
        self.engine.submit(&small)?;
        self.engine.wait()?;
        Ok(())
    }

    /// Initial parameters, zero moments, the learning rate.
    fn initialize(&mut self) -> Result<(), TrainError> {
        let values: HashMap<&str, &[f32]> =
            self.agent.tensors.iter().map(|t| (t.name.as_str(), t.values.as_slice())).collect();
        let words = self.layout.pack(|name| values.get(name).copied());
        let mut r = Recording::new();
        r.clear(self.buffers.moments, 0, u64::from(self.layout.trained_words) * 8);
        r.clear(self.plan.control, 0, control::words(self.plan.means as usize) as u64 * 4);
        r.upload(self.plan.params, 0, bytemuck::cast_slice(&words));
        r.upload(self.plan.control, 0, bytemuck::bytes_of(&(self.plan.config.learning_rate as f32)));
        self.engine.submit(&r)?;
        self.engine.wait()?;
        Ok(())
    }
}
