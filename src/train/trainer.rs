//! The training loop: submits iterations, collects metrics one iteration late, saves and restores everything.

use std::time::Instant;

use super::TrainError;
use super::iteration::{Clock, Plan, STATS};
use super::layout::ParamLayout;
use crate::algo::{Agent, Algorithm};
use crate::engine::{BufferId, Engine, Recording, Ticket};
use crate::env::Environment;
use crate::kernels::adamw::control;

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
pub(super) struct Pending {
    clock: Clock,
    collected: Ticket,
    control: Ticket,
    stats: Ticket,
    submitted: Instant,
    collected_at: Option<Instant>,
}

/// Trains one agent on one environment on one device.
pub struct Trainer {
    pub(super) engine: Engine,
    pub(super) environment: Environment,
    pub(super) agent: Agent,
    pub(super) options: TrainOptions,
    pub(super) layout: ParamLayout,
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) buffers: Buffers,
    pub(super) state_bytes: u64,
    pub(super) pending: Vec<Pending>,
    /// Filled anew for every half of an iteration.
    pub(super) recording: Recording,
    pub(super) last_finished: Instant,
    pub(super) tickets: u64,
    pub(super) last_return: (f64, f64),
    pub(super) compile_seconds: f64,
}

pub(super) struct Buffers {
    pub(super) moments: BufferId,
    pub(super) states: BufferId,
    pub(super) sums: BufferId,
}

impl Trainer {
    /// The recordings of the next iteration: rollout and update.
    pub fn recordings(&self) -> (Recording, Recording) {
        let (mut collect, mut learn, mut clock) = (Recording::new(), Recording::new(), self.clock);
        self.plan.collect(&mut collect, clock);
        self.plan.learn(&mut learn, &self.agent, &mut clock);
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
        let r = &mut self.recording;
        r.clear_commands();
        self.plan.collect(r, self.clock);
        r.readback(self.plan.control, 0, 4, collected);
        self.engine.submit(r)?;
        r.clear_commands();
        self.plan.learn(r, &self.agent, &mut self.clock);
        r.readback(self.plan.control, 0, control::words(self.plan.means as usize) as u64 * 4, control);
        r.readback(self.buffers.sums, 0, u64::from(STATS) * 4, stats);
        self.engine.submit(r)?;
        let pending = Pending { clock: self.clock, collected, control, stats, submitted, collected_at: None };
        self.pending.push(pending);
        Ok(())
    }

    /// Metrics of iterations that the device has finished; never blocks.
    pub fn finished(&mut self) -> Result<Vec<IterationMetrics>, TrainError> {
        self.engine.poll()?;
        let mut done = Vec::new();
        while let Some(first) = self.pending.first_mut() {
            if let Some((bytes, when)) = self.engine.take_at(first.collected) {
                first.collected_at = Some(when);
                self.engine.give_back(bytes);
            }
            let Some((stats, finished)) = self.engine.take_at(first.stats) else { break };
            let pending = self.pending.remove(0);
            let control = self.engine.take(pending.control).unwrap_or_default();
            let (control_words, stats_words) = (words(&control), words(&stats));
            [control, stats].into_iter().for_each(|bytes| self.engine.give_back(bytes));
            done.push(self.metrics(&pending, finished, &control_words, &stats_words)?);
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

    /// Dispatches that ARCHITECTURE.md allows for one iteration: those of the rollout's steps, `4 x epochs x minibatches`,
    /// and 16.
    pub fn dispatch_budget(&self) -> usize {
        let c = &self.plan.config;
        self.rollout_dispatches() + 4 * c.epochs * c.minibatches + 16
    }

    /// Dispatches of the rollout's T steps: `ceil(T / K)` of a kernel that makes at most K steps, else 2 T.
    pub fn rollout_dispatches(&self) -> usize {
        self.plan.kernels.rollout.dispatches(self.plan.rollout.steps) as usize
    }
}

/// Bytes as floats.
pub fn words(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
