//! The training loop: submits iterations, collects metrics one iteration late, saves and restores everything.

use std::collections::HashMap;
use std::time::Instant;

use super::TrainError;
use super::checkpoint::Checkpoint;
use super::iteration::{Clock, Plan, STATS};
use super::layout::{PADDING_WORDS, ParamLayout, RolloutLayout};
use super::program::{BoundKernel, BoundTile, Program, Roles};
use crate::algo::{Agent, Algorithm, Spaces};
use crate::env::{EnvArgs, EnvKernels, Environment, MAX_ENVS};
use crate::fuse::Target;
use crate::gpu::{BufferId, Engine, Recording, Ticket};
use crate::kernels::adamw::{self, control};
use crate::kernels::weight_gradients::{self, BLOCK_WORDS, GradJob, plan_weight_gradients};
use crate::kernels::{gae, normalize_advantages, reduce_gradients, sum_columns};

/// What a run is started with.
#[derive(Clone, PartialEq, Debug)]
pub struct TrainOptions {
    /// Algorithm and hyper-parameters.
    pub algorithm: Algorithm,
    /// Seed of everything.
    pub seed: u64,
}

/// Measurements of one iteration.
#[derive(Clone, PartialEq, Debug)]
pub struct IterationMetrics {
    /// Number of the iteration, counted from 1.
    pub iteration: u64,
    /// Environment steps since the start.
    pub env_steps: u64,
    /// Means over all minibatches: the means of the update graph by name.
    pub means: Vec<(String, f64)>,
    /// Global gradient norm before clipping, mean over minibatches.
    pub grad_norm: f64,
    /// Learning rate after the iteration, decay included.
    pub learning_rate: f64,
    /// Episodes that ended.
    pub episodes: u64,
    /// Mean return of these; of the last iteration with any if there were none.
    pub mean_return: f64,
    /// Mean length of these, in steps.
    pub mean_length: f64,
    /// Seconds of the rollout.
    pub collection_seconds: f64,
    /// Seconds of the updates.
    pub learning_seconds: f64,
}

impl IterationMetrics {
    /// One of the update graph's means.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.means.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// An iteration under way.
struct Pending {
    clock: Clock,
    collected: Ticket,
    control: Ticket,
    stats: Ticket,
    submitted: Instant,
    collected_at: Option<Instant>,
}

/// Trains one agent on one environment on one device.
pub struct Trainer {
    engine: Engine,
    environment: Environment,
    agent: Agent,
    options: TrainOptions,
    layout: ParamLayout,
    plan: Plan,
    clock: Clock,
    buffers: Buffers,
    state_bytes: u64,
    pending: Vec<Pending>,
    last_finished: Instant,
    tickets: u64,
    last_return: (f64, f64),
    compile_seconds: f64,
}

struct Buffers {
    moments: BufferId,
    states: BufferId,
    sums: BufferId,
}

/// Largest part of a partial-gradient buffer.
const PARTIALS_BYTES: u64 = 64 << 20;

/// Scratch that one kernel may fill before its gradients are summed; more only costs cache misses.
const SCRATCH_BYTES: u64 = 256 << 20;

impl Trainer {
    /// Plan, check memory, compile, initialise. Nothing is allocated before all sizes are known to fit.
    pub fn new(engine: Engine, environment: Environment, options: TrainOptions) -> Result<Self, TrainError> {
        Self::with_scratch(engine, environment, options, SCRATCH_BYTES)
    }

    /// [`Trainer::new`] with an update that fills at most `scratch_bytes` of scratch at once: a minibatch that needs more
    /// goes through it in chunks.
    pub fn with_scratch(
        mut engine: Engine,
        environment: Environment,
        options: TrainOptions,
        scratch_bytes: u64,
    ) -> Result<Self, TrainError> {
        let started = Instant::now();
        let config = options.algorithm.train().clone();
        let (envs, steps) = (config.num_envs as u32, config.horizon as u32);
        check_counts(config.num_envs, config.horizon, config.minibatches)?;
        let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
        let agent = options.algorithm.agent(spaces, options.seed)?;
        let target = target(&engine);
        let layout = ParamLayout::new(&agent);
        let rollout = RolloutLayout::new(&agent, &agent.act, spaces.observation, envs, steps, true);
        let program = Program::new(&agent, &layout, &rollout, &target)?;
        let env_kernels = EnvKernels::new(&environment)?;

        let batch = rollout.samples() / config.minibatches as u32;
        let sizes = Sizes::new(&engine, &program, &layout, &agent, (batch, envs), scratch_bytes)?;
        let state_bytes = env_kernels.slot_bytes * u64::from(envs);
        let limit = engine.limits().storage_binding_bytes.min(engine.limits().buffer_bytes);
        check_memory("rollout", rollout.bytes(), limit, &config)?;
        check_memory("environment state", state_bytes, limit, &config)?;

        let mut roles = Roles::new();
        let mut make = |engine: &mut Engine, name: &str, bytes: u64| -> Result<BufferId, TrainError> {
            let id = engine.buffer(name, bytes.max(16).next_multiple_of(16))?;
            roles.insert(name.to_string(), id);
            Ok(id)
        };
        let gradient_words = layout.trained_words + agent.update.means.len() as u32;
        let params = make(&mut engine, "params", u64::from(layout.words + PADDING_WORDS) * 4)?;
        let frozen = make(&mut engine, "frozen", u64::from(layout.frozen_words + PADDING_WORDS) * 4)?;
        let rollout_buffer = make(&mut engine, "rollout", rollout.bytes())?;
        make(&mut engine, "scratch", sizes.scratch_bytes)?;
        make(&mut engine, "partials", u64::from(sizes.partials) * u64::from(gradient_words) * 4)?;
        make(&mut engine, "gradient", u64::from(gradient_words) * 4)?;
        let moments = make(&mut engine, "moments", u64::from(layout.trained_words) * 8)?;
        make(&mut engine, "norms", u64::from(gradient_words.div_ceil(reduce_gradients::GROUP)) * 4)?;
        let control = make(&mut engine, "control", control::words(agent.update.means.len()) as u64 * 4)?;
        let jobs = make(&mut engine, "jobs", sizes.table.len() as u64 * 4)?;
        let stats = make(&mut engine, "stats", u64::from(envs * STATS) * 4)?;
        let sums = make(&mut engine, "sums", u64::from(STATS) * 4)?;
        let carry = make(&mut engine, "carry", u64::from(envs) * spaces.observation as u64 * 4)?;
        let states = make(&mut engine, "states", state_bytes)?;
        let advantage_partials = make(
            &mut engine,
            "advantage_partials",
            u64::from(envs.div_ceil(gae::GROUP)) * gae::PARTIAL_WORDS as u64 * 4,
        )?;

        // `partials` means the advantage statistics in two kernels and the gradients in two others.
        let with = |extra: &[(&str, BufferId)]| {
            let mut roles = roles.clone();
            roles.extend(extra.iter().map(|(n, b)| (n.to_string(), *b)));
            roles
        };
        let statistics = with(&[("partials", advantage_partials)]);
        let columns = with(&[("values", stats)]);
        let plan = Plan {
            rollout,
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
            prepare: program
                .prepare
                .into_iter()
                .map(|tile| BoundTile::new(&mut engine, tile, &roles))
                .collect::<Result<_, _>>()?,
            act: BoundTile::new(&mut engine, program.act, &roles)?,
            value: BoundTile::new(&mut engine, program.value, &roles)?,
            update: BoundTile::new(&mut engine, program.update, &roles)?,
            env_reset: BoundKernel::new(&mut engine, &env_kernels.reset, &roles)?,
            env_step: BoundKernel::new(&mut engine, &env_kernels.step, &roles)?,
            gae: BoundKernel::new(&mut engine, &gae::desc(), &statistics)?,
            normalize: BoundKernel::new(&mut engine, &normalize_advantages::desc(), &statistics)?,
            weight_gradients: BoundKernel::new(&mut engine, &weight_gradients::desc(), &roles)?,
            reduce: BoundKernel::new(&mut engine, &reduce_gradients::desc(), &roles)?,
            adamw: BoundKernel::new(&mut engine, &adamw::desc(), &roles)?,
            sum_columns: BoundKernel::new(&mut engine, &sum_columns::desc(), &columns)?,
            params,
            frozen,
            rollout_buffer,
            carry,
            control,
            stats,
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
        let mut small = Recording::new();
        let tiny = |r: Recording, out: &mut Recording| {
            let mut seen = std::collections::HashSet::new();
            for command in r.commands {
                if let crate::gpu::Command::Dispatch(mut dispatch) = command
                    && seen.insert(dispatch.kernel)
                {
                    dispatch.groups = [1, 1, 1];
                    out.commands.push(crate::gpu::Command::Dispatch(dispatch));
                }
            }
        };
        let mut clock = Clock::default();
        tiny(self.plan.collect(clock), &mut small);
        tiny(self.plan.learn(&self.agent, &mut clock), &mut small);
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

    /// The recordings of the next iteration: rollout and update.
    pub fn recordings(&self) -> (Recording, Recording) {
        let mut clock = self.clock;
        let collect = self.plan.collect(clock);
        let learn = self.plan.learn(&self.agent, &mut clock);
        (collect, learn)
    }

    /// Submit one iteration. Returns at once; [`Trainer::finished`] hands out its metrics later.
    pub fn step(&mut self) -> Result<(), TrainError> {
        let ticket = |trainer: &mut Self| {
            trainer.tickets += 1;
            Ticket(trainer.tickets)
        };
        let [collected, control, stats] = std::array::from_fn(|_| ticket(self));
        // Before the first submission: a driver may do the work inside it.
        let submitted = Instant::now();
        let mut collect = self.plan.collect(self.clock);
        collect.readback(self.plan.control, 0, 4, collected);
        self.engine.submit(&collect)?;
        let mut learn = self.plan.learn(&self.agent, &mut self.clock);
        learn.readback(self.plan.control, 0, control::words(self.plan.means as usize) as u64 * 4, control);
        learn.readback(self.buffers.sums, 0, u64::from(STATS) * 4, stats);
        self.engine.submit(&learn)?;
        let pending = Pending { clock: self.clock, collected, control, stats, submitted, collected_at: None };
        self.pending.push(pending);
        Ok(())
    }

    /// Metrics of iterations that the device has finished; never blocks.
    pub fn finished(&mut self) -> Result<Vec<IterationMetrics>, TrainError> {
        self.engine.poll()?;
        let mut done = Vec::new();
        while let Some(first) = self.pending.first_mut() {
            if let Some((_, when)) = self.engine.take_at(first.collected) {
                first.collected_at = Some(when);
            }
            let Some((stats, finished)) = self.engine.take_at(first.stats) else { break };
            let pending = self.pending.remove(0);
            let control = self.engine.take(pending.control).unwrap_or_default();
            done.push(self.metrics(&pending, finished, &words(&control), &words(&stats))?);
        }
        Ok(done)
    }

    /// Wait for everything that was submitted.
    pub fn drain(&mut self) -> Result<Vec<IterationMetrics>, TrainError> {
        let mut done = self.finished()?;
        while !self.pending.is_empty() {
            std::thread::sleep(std::time::Duration::from_micros(200));
            done.extend(self.finished()?);
        }
        Ok(done)
    }

    /// Iterations submitted and not yet handed out.
    pub fn under_way(&self) -> usize {
        self.pending.len()
    }

    fn metrics(
        &mut self,
        pending: &Pending,
        now: Instant,
        control_words: &[f32],
        stats: &[f32],
    ) -> Result<IterationMetrics, TrainError> {
        let iteration = pending.clock.iteration;
        let at = |i: usize| f64::from(control_words.get(i).copied().unwrap_or(f32::NAN));
        let start = pending.submitted.max(self.last_finished);
        let collected = pending.collected_at.unwrap_or(now).max(start);
        self.last_finished = now;
        let [episodes, returns, lengths, strange] =
            std::array::from_fn(|i| f64::from(stats.get(i).copied().unwrap_or(0.0)));
        if strange > 0.0 {
            return Err(TrainError::NonFinite { iteration, what: "a reward or an observation".into() });
        }
        // After the environment, because what is wrong there makes the loss wrong too.
        if at(control::NON_FINITE) != 0.0 {
            return Err(TrainError::NonFinite { iteration, what: "a loss or the gradient norm".into() });
        }
        if episodes > 0.0 {
            self.last_return = (returns / episodes, lengths / episodes);
        }
        let count = at(control::MINIBATCHES).max(1.0);
        let names = self.agent.update.means.iter().enumerate();
        let parity = (pending.clock.updates & 1) as usize;
        let rate = at(control::LEARNING_RATE + parity);
        Ok(IterationMetrics {
            iteration,
            env_steps: iteration * u64::from(self.plan.rollout.samples()),
            means: names.map(|(i, name)| (name.clone(), at(control::MEAN_SUMS + i) / count)).collect(),
            grad_norm: at(control::NORM_SUM) / count,
            learning_rate: rate * self.plan.learning_rate_scale(iteration - 1),
            episodes: episodes as u64,
            mean_return: self.last_return.0,
            mean_length: self.last_return.1,
            collection_seconds: (collected - start).as_secs_f64(),
            learning_seconds: (now - collected).as_secs_f64(),
        })
    }

    /// Everything that the next iteration depends on. Waits for the device: call it between iterations.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        let words = self.parameters()?;
        let trained = u64::from(self.layout.trained_words);
        let moments = self::words(&self.engine.read(self.buffers.moments, 0, trained * 8)?);
        let (first, second) = moments.split_at(trained as usize);
        let mut tensors = Vec::new();
        for slot in &self.layout.slots {
            tensors.push((slot.name.clone(), vec![slot.rows, slot.cols], self.layout.unpack(slot, &words)));
        }
        for slot in self.layout.slots.iter().filter(|s| s.trained) {
            for (prefix, values) in [("adam.m.", first), ("adam.v.", second)] {
                let name = format!("{prefix}{}", slot.name);
                tensors.push((name, vec![slot.rows, slot.cols], self.layout.unpack(slot, values)));
            }
        }
        let control_bytes = control::words(self.plan.means as usize) as u64 * 4;
        let carry_bytes = u64::from(self.plan.rollout.envs * self.plan.observation) * 4;
        let raw = vec![
            ("control".into(), self.engine.read(self.plan.control, 0, control_bytes)?),
            ("env.observation".into(), self.engine.read(self.plan.carry, 0, carry_bytes)?),
            ("env.state".into(), self.engine.read(self.buffers.states, 0, self.state_bytes)?),
        ];
        Ok(Checkpoint {
            environment: self.environment.manifest.name.clone(),
            config: self.options.algorithm.to_table().to_string(),
            seed: self.options.seed,
            iteration: self.clock.iteration,
            updates: self.clock.updates,
            last_return: self.last_return,
            tensors,
            raw,
        })
    }

    /// Continue from a checkpoint as if never stopped.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let wrong = |message: String| TrainError::Checkpoint { path: "checkpoint".into(), message };
        let find = |name: &str| checkpoint.tensors.iter().find(|(n, ..)| n == name);
        for slot in &self.layout.slots {
            match find(&slot.name) {
                Some((_, shape, _)) if *shape == [slot.rows, slot.cols] => {}
                Some((_, shape, _)) => {
                    let expected = [slot.rows, slot.cols];
                    return Err(wrong(format!("tensor `{}` has shape {shape:?}, expected {expected:?}", slot.name)));
                }
                None => return Err(wrong(format!("tensor `{}` is missing", slot.name))),
            }
        }
        let tensor = |name: &str| find(name).map(|(_, _, v)| v.as_slice());
        let params = self.layout.pack(tensor);
        let trained = self.layout.trained_words as usize;
        let first = self.layout.pack(|name| tensor(&format!("adam.m.{name}")));
        let second = self.layout.pack(|name| tensor(&format!("adam.v.{name}")));
        let moments = [&first[..trained], &second[..trained]].concat();
        let mut r = Recording::new();
        r.upload(self.plan.params, 0, bytemuck::cast_slice(&params));
        r.upload(self.buffers.moments, 0, bytemuck::cast_slice(&moments));
        let sizes = [
            ("control", self.plan.control, control::words(self.plan.means as usize) as u64 * 4),
            ("env.observation", self.plan.carry, u64::from(self.plan.rollout.envs * self.plan.observation) * 4),
            ("env.state", self.buffers.states, self.state_bytes),
        ];
        for (name, buffer, size) in sizes {
            let bytes = checkpoint.raw.iter().find(|(n, _)| n == name).map(|(_, b)| b);
            match bytes {
                Some(bytes) if bytes.len() as u64 == size => r.upload(buffer, 0, bytes),
                Some(bytes) => {
                    return Err(wrong(format!(
                        "`{name}` has {} bytes, expected {size} (num_envs changed?)",
                        bytes.len()
                    )));
                }
                None => return Err(wrong(format!("`{name}` is missing"))),
            }
        }
        self.engine.submit(&r)?;
        self.engine.wait()?;
        self.clock = Clock { iteration: checkpoint.iteration, updates: checkpoint.updates };
        self.last_return = checkpoint.last_return;
        self.last_finished = Instant::now();
        Ok(())
    }

    /// Contents of the parameter buffer (padded; see [`ParamLayout`]). Waits for the device.
    pub fn parameters(&mut self) -> Result<Vec<f32>, TrainError> {
        let bytes = self.engine.read(self.plan.params, 0, u64::from(self.layout.words) * 4)?;
        Ok(words(&bytes))
    }

    /// A field of the last rollout, `[steps][envs][width]`, for tests and diagnostics. Waits for the device.
    pub fn rollout_field(&mut self, name: &str) -> Result<Vec<f32>, TrainError> {
        let Some(field) = self.plan.rollout.field(name).cloned() else {
            return Err(TrainError::Setting(format!("the rollout has no field `{name}`")));
        };
        let samples = u64::from(self.plan.rollout.samples());
        let bytes = samples * u64::from(field.width) * 4;
        Ok(words(&self.engine.read(self.plan.rollout_buffer, u64::from(field.offset) * 4, bytes)?))
    }

    /// The device.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where parameters live.
    pub fn layout(&self) -> &ParamLayout {
        &self.layout
    }

    /// Parameter and frozen-copy buffers, for an [`Evaluator`](super::Evaluator) that shares them.
    pub fn parameter_buffers(&self) -> (BufferId, BufferId) {
        (self.plan.params, self.plan.frozen)
    }

    /// Parts of this trainer that evaluation needs at once.
    pub fn split(&mut self) -> (&mut Engine, &Environment, &Agent, &ParamLayout) {
        (&mut self.engine, &self.environment, &self.agent, &self.layout)
    }

    /// Iterations submitted so far.
    pub fn iteration(&self) -> u64 {
        self.clock.iteration
    }

    /// Seconds of planning, compilation and warm-up.
    pub fn compile_seconds(&self) -> f64 {
        self.compile_seconds
    }

    /// Dispatches that DESIGN allows for one iteration: `2 T + 4 x epochs x minibatches + 16`.
    pub fn dispatch_budget(&self) -> usize {
        let c = &self.plan.config;
        2 * c.horizon + 4 * c.epochs * c.minibatches + 16
    }
}

/// The plan target for an adapter.
pub fn target(engine: &Engine) -> Target {
    let limits = engine.limits();
    if engine.adapter().software {
        return Target { workgroup_bytes: limits.workgroup_bytes.min(32 << 10), ..Target::SOFTWARE };
    }
    Target { workgroup_bytes: limits.workgroup_bytes.min(48 << 10), ..Target::PORTABLE }
}

/// Bytes as floats.
pub fn words(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn check_counts(envs: usize, steps: usize, minibatches: usize) -> Result<(), TrainError> {
    if envs == 0 || envs > MAX_ENVS as usize {
        return Err(TrainError::Setting(format!("`num_envs` is {envs}, expected 1..={MAX_ENVS}")));
    }
    if let Some(key) = [("horizon", steps), ("minibatches", minibatches)].iter().find(|(_, value)| *value == 0) {
        return Err(TrainError::Setting(format!("`{}` is 0, expected at least 1", key.0)));
    }
    let samples = envs.checked_mul(steps).filter(|s| u32::try_from(*s).is_ok());
    let Some(samples) = samples else {
        return Err(TrainError::Setting(format!(
            "`num_envs` {envs} times `horizon` {steps} is more than {} samples; use fewer environments",
            u32::MAX
        )));
    };
    if samples % minibatches != 0 {
        let divisors: Vec<String> = (1..=samples.min(1024))
            .filter(|d| samples % d == 0)
            .filter(|d| d.abs_diff(minibatches) <= minibatches)
            .map(|d| d.to_string())
            .collect();
        return Err(TrainError::Setting(format!(
            "`minibatches` is {minibatches}, which does not divide the batch of {envs} environments x {steps} steps = {samples}; near it: {}",
            divisors.join(", ")
        )));
    }
    Ok(())
}

fn check_memory(what: &str, bytes: u64, limit: u64, config: &crate::algo::TrainConfig) -> Result<(), TrainError> {
    if bytes <= limit {
        return Ok(());
    }
    let fits = (config.num_envs as u64 * limit / bytes).max(1);
    Err(TrainError::Setting(format!(
        "`num_envs` is {}: the {what} buffer would take {:.1} MiB, the adapter binds at most {:.1} MiB; expected at most about {fits}",
        config.num_envs,
        bytes as f64 / 1048576.0,
        limit as f64 / 1048576.0,
    )))
}

/// Sizes that depend on the batch and the adapter.
struct Sizes {
    chunks: u32,
    slices: u32,
    partials: u32,
    scratch_bytes: u64,
    table: Vec<u32>,
}

impl Sizes {
    fn new(
        engine: &Engine,
        program: &Program,
        params: &ParamLayout,
        agent: &Agent,
        (batch, envs): (u32, u32),
        scratch_bytes: u64,
    ) -> Result<Self, TrainError> {
        let limits = engine.limits();
        let limit = limits.storage_binding_bytes.min(limits.buffer_bytes);
        let scratch_limit = limit.min(scratch_bytes);
        let update = &program.update;
        let tile_rows = update.shape.rows();
        let per_tile = update.scratch_bytes(tile_rows).max(1);
        let tiles = batch.div_ceil(tile_rows);
        let tiles_at_once = (scratch_limit / per_tile).min(u64::from(limits.workgroups_per_dimension)) as u32;
        if tiles_at_once == 0 {
            return Err(TrainError::Setting(format!(
                "`hidden`: one tile of the update needs {per_tile} bytes of scratch, the adapter binds {limit}; use narrower layers"
            )));
        }
        let chunks = tiles.div_ceil(tiles_at_once);
        let gradient_words = params.trained_words + agent.update.means.len() as u32;
        let copies = copies(&update.jobs);
        let wanted = if engine.adapter().software { 2 } else { 32 };
        let per_chunk = tiles.div_ceil(chunks);
        let affordable =
            (PARTIALS_BYTES.min(limit) / (u64::from(gradient_words) * 4 * u64::from(chunks * copies))).max(1);
        let slices = wanted.min(per_chunk).min(affordable as u32).max(1);
        let mut jobs = update.jobs.clone();
        spread_copies(&mut jobs, slices * chunks * gradient_words);
        let mut scratch_bytes = update.scratch_bytes(per_chunk * tile_rows);
        let envs = agent_rows(agent, envs);
        for kernel in program.kernels().iter().filter(|k| k.desc.name != update.desc.name) {
            scratch_bytes = scratch_bytes.max(kernel.scratch_bytes(envs));
        }
        Ok(Self {
            chunks,
            slices,
            partials: slices * chunks * copies,
            scratch_bytes,
            table: plan_weight_gradients(&jobs),
        })
    }
}

/// Rows of the widest dispatch outside the update.
fn agent_rows(agent: &Agent, envs: u32) -> u32 {
    agent.prepare.iter().map(|p| p.rows as u32).chain([envs]).max().unwrap_or(envs)
}

/// How often the most used gradient word is written: each use gets partial gradients of its own.
pub(super) fn copies(jobs: &[GradJob]) -> u32 {
    jobs.iter().map(|a| jobs.iter().filter(|b| a.out_word == b.out_word).count() as u32).max().unwrap_or(1)
}

pub(super) fn spread_copies(jobs: &mut [GradJob], stride: u32) {
    let mut seen: HashMap<u32, u32> = HashMap::new();
    for job in jobs {
        let copy = seen.entry(job.out_word).or_default();
        job.out_word += *copy * stride;
        *copy += 1;
    }
}
