//! The rows of kernels, rollouts and iterations: what is prepared for them, and how each is measured.

use std::time::{Duration, Instant};

use super::bed::Bed;
use super::clock::{Run, Samples, interleaved, ratio};
use super::environments::Stepper;
use super::peer::Peer;
use super::physics::{Bench, Physics};
use super::row::Row;
use super::shapes::Shape;
use super::suite::Suite;
use super::tasks::Job;
use super::work::work;
use super::{BenchError, networks};
use crate::algo::Algorithm;
use crate::engine::{Engine, Recording, Work};
use crate::env::{Environment, load};

/// A suite under way, with the trainers of one shape.
pub struct Measuring<'a> {
    suite: &'a Suite,
    /// GFLOP/s and GB/s at best.
    limits: [f64; 2],
    /// For environments alone.
    plain: Option<Engine>,
    stepper: Option<(String, Stepper)>,
    model: Option<(usize, Engine, Bench)>,
    peer: Option<Peer>,
    shape: Option<usize>,
    beds: Vec<(&'static str, Bed)>,
    seconds_compiling: f64,
}

impl Measuring<'_> {
    /// Nothing is prepared; `limits` are the adapter's GFLOP/s and GB/s at best.
    pub fn new(suite: &Suite, limits: [f64; 2]) -> Measuring<'_> {
        Measuring {
            suite,
            limits,
            plain: None,
            stepper: None,
            model: None,
            peer: None,
            shape: None,
            beds: Vec::new(),
            seconds_compiling: 0.0,
        }
    }

    /// Seconds of planning and compilation so far.
    pub fn seconds_compiling(&self) -> f64 {
        self.seconds_compiling
    }

    fn length(&self) -> Duration {
        self.suite.options.length
    }

    /// Gives trainers and environments back.
    pub fn leave(&mut self) {
        (self.plain, self.stepper, self.shape) = (None, None, None);
        (self.model, self.peer) = (None, None);
        self.beds.clear();
    }

    /// The trainer of an algorithm at a shape; those of other shapes are given back.
    fn bed(&mut self, shape: usize, algorithm: &'static str) -> Result<&mut Bed, BenchError> {
        if self.shape != Some(shape) {
            self.leave();
            self.shape = Some(shape);
        }
        let at = match self.beds.iter().position(|(name, _)| *name == algorithm) {
            Some(at) => at,
            None => {
                let bed = Bed::new(self.suite.open()?, &self.suite.shapes[shape], algorithm)?;
                self.seconds_compiling += bed.trainer.compile_seconds();
                self.beds.push((algorithm, bed));
                self.beds.len() - 1
            }
        };
        Ok(&mut self.beds[at].1)
    }

    /// A row of times with what was counted.
    fn counted(&self, name: &str, samples: &Samples, work: Work) -> Row {
        let row = Row::time(name, samples);
        let rates = [work.flops(), work.bytes].map(|amount| amount / row.seconds() * 1e-9);
        let shares = [rates[0] / self.limits[0], rates[1] / self.limits[1]];
        let (share, ceiling) = if shares[0] >= shares[1] { (shares[0], "fma") } else { (shares[1], "copy") };
        Row {
            gflops: (work.flops() > 0.0).then_some(rates[0]),
            gbytes: (work.bytes > 0.0).then_some(rates[1]),
            share: (share > 0.0).then_some(share),
            ceiling: (share > 0.0).then(|| ceiling.to_string()),
            ..row
        }
    }

    /// The engine for environments alone, and one of them on it.
    fn stepper(&mut self, environment: &Environment, envs: usize) -> Result<(&mut Engine, &Stepper), BenchError> {
        let key = format!("{} {envs}", environment.manifest.name);
        if self.plain.is_none() || self.stepper.as_ref().is_none_or(|(other, _)| *other != key) {
            let mut engine = self.suite.open()?;
            let started = Instant::now();
            let made = Stepper::new(&mut engine, environment, envs)?;
            self.seconds_compiling += started.elapsed().as_secs_f64();
            (self.plain, self.stepper) = (Some(engine), Some((key, made)));
        }
        match (&mut self.plain, &self.stepper) {
            (Some(engine), Some((_, stepper))) => Ok((engine, stepper)),
            _ => Err(BenchError::Missing("an environment")),
        }
    }

    /// A row of an environment alone: starting it, or a step.
    pub fn environment(&mut self, name: &str, environment: &str, reset: bool) -> Result<Row, BenchError> {
        let (length, envs) = (self.length(), self.suite.envs());
        let (engine, stepper) = self.stepper(&load(environment)?, envs)?;
        let seconds =
            if reset { stepper.reset_seconds(engine, length)? } else { stepper.step_seconds(engine, length)? };
        let done = work(engine, &stepper.kernels()[usize::from(!reset)]);
        let row = self.counted(name, &seconds, done);
        let rate = (!reset).then(|| envs as f64 / row.seconds());
        Ok(Row { env_steps_per_second: rate, ..row })
    }

    /// Rows of a model that are measured together: those of its compilation, or those of a batch.
    pub fn physics(&mut self, model: usize, asked: &[(&str, Physics)]) -> Result<Vec<Row>, BenchError> {
        let length = self.length();
        if self.model.as_ref().is_none_or(|(other, ..)| *other != model) {
            self.leave();
            let (mut engine, started) = (self.suite.open()?, Instant::now());
            let bench = Bench::new(&mut engine, &self.suite.models.files[model])?;
            self.seconds_compiling += started.elapsed().as_secs_f64();
            self.model = Some((model, engine, bench));
        }
        let compares = asked.iter().any(|(_, what)| matches!(what, Physics::Mujoco(_)));
        if let (true, None, Some(python)) = (compares, &self.peer, &self.suite.models.python) {
            self.peer = Some(Peer::new(python)?);
        }
        let Some((_, engine, bench)) = &mut self.model else { return Err(BenchError::Missing("a model")) };
        match asked.iter().any(|(_, what)| what.batch().is_some()) {
            true => bench.batch(engine, self.peer.as_mut().filter(|_| compares), length, asked),
            false => Ok(asked.iter().map(|(name, what)| bench.preparation(name, *what)).collect()),
        }
    }

    /// The trainer behind a kernel's row, with one dispatch of it.
    pub fn alone(&mut self, job: &Job) -> Result<(&mut Bed, Recording), BenchError> {
        match *job {
            Job::Network { shape, algorithm, at } => {
                let own = &self.suite.shapes[shape];
                let bed = self.bed(shape, algorithm)?;
                let started = Instant::now();
                let graphs = networks::graphs(bed, own, algorithm)?;
                let graph = graphs.get(at).ok_or(BenchError::Missing("a network"))?;
                let (_, alone) = networks::kernel(bed, graph, own.envs() as u32)?;
                self.seconds_compiling += started.elapsed().as_secs_f64();
                Ok((self.bed(shape, algorithm)?, alone))
            }
            Job::Kernel { shape, algorithm, at } => {
                let bed = self.bed(shape, algorithm)?;
                let found = bed.kernels().into_iter().nth(at);
                Ok((bed, found.ok_or(BenchError::Missing("a kernel"))?.1))
            }
            _ => Err(BenchError::Missing("a kernel")),
        }
    }

    /// The row of a kernel.
    pub fn kernel(&mut self, name: &str, job: &Job) -> Result<Row, BenchError> {
        let length = self.length();
        let (bed, alone) = self.alone(job)?;
        let (seconds, work) = (bed.seconds(&alone, length)?, work(bed.trainer.engine(), &alone));
        Ok(self.counted(name, &seconds, work))
    }

    /// The row of a whole rollout.
    pub fn rollout(&mut self, name: &str, shape: usize, algorithm: &'static str) -> Result<Row, BenchError> {
        let length = self.length() * 3;
        let bed = self.bed(shape, algorithm)?;
        let (rollout, samples) = (bed.rollout(), bed.samples);
        let (seconds, work) = (bed.seconds(&rollout, length)?, work(bed.trainer.engine(), &rollout));
        let row = self.counted(name, &seconds, work);
        Ok(Row { env_policy_steps_per_second: Some(samples as f64 / row.seconds()), ..row })
    }

    /// Whole iterations of the algorithms that are asked for, in turn, and what PolicyFlow's costs over PPO's.
    pub fn iterations(&mut self, shape: usize) -> Result<Vec<Row>, BenchError> {
        let (length, own) = (self.length() * 10, self.suite.shapes[shape].clone());
        let task = |job: Job| self.suite.tasks.iter().find(|task| task.job == job);
        let overhead = task(Job::Overhead { shape });
        let (mut algorithms, mut tasks) = (Vec::new(), Vec::new());
        for algorithm in Algorithm::NAMES.iter().copied() {
            let own = task(Job::Iteration { shape, algorithm });
            if own.is_some() || (overhead.is_some() && PAIR.contains(&algorithm)) {
                algorithms.push(algorithm);
                tasks.push(own);
            }
        }
        let (engine, stepper) = self.stepper(&own.environment, own.envs())?;
        let env_rate = own.envs() as f64 / stepper.step_seconds(engine, length / 10)?.median();

        for algorithm in &algorithms {
            self.bed(shape, algorithm)?.restore()?;
        }
        let order = |name: &str| algorithms.iter().position(|other| *other == name).unwrap_or(usize::MAX);
        self.beds.sort_by_key(|(name, _)| order(name));
        let beds = &mut self.beds[..algorithms.len()];
        let work: Vec<Work> = beds.iter_mut().map(|(_, bed)| bed.work()).collect();
        let mut rollouts = vec![Vec::new(); beds.len()];
        let mut runs: Vec<Run<'_>> = Vec::new();
        for ((_, bed), rollouts) in beds.iter_mut().zip(&mut rollouts) {
            runs.push(Box::new(|| {
                let [seconds, rollout] = bed.iteration()?;
                rollouts.push(rollout);
                Ok(seconds)
            }));
        }
        let values = interleaved(length, &mut runs)?;
        drop(runs);

        let samples = self.beds[0].1.samples as f64;
        let mut rows = Vec::new();
        for (at, task) in tasks.iter().enumerate() {
            let Some(task) = task else { continue };
            let row = self.counted(&task.name, &Samples::new(values[at].clone()), work[at]);
            // The first one was the warm-up.
            let rollout = Samples::new(rollouts[at].split_off(1)).median();
            rows.push(Row {
                env_steps_per_second: Some(env_rate),
                env_policy_steps_per_second: Some(samples / rollout),
                steps_per_second: Some(samples / row.seconds()),
                ..row
            });
        }
        let position = |name: &str| algorithms.iter().position(|other| *other == name);
        if let (Some(task), [Some(flow), Some(ppo)]) = (overhead, PAIR.map(position)) {
            let counted = work[flow].flops() / work[ppo].flops();
            rows.push(Row::ratio(&task.name, &ratio(&values[flow], &values[ppo]), Some(counted)));
        }
        Ok(rows)
    }

    /// An iteration of PolicyFlow with twice a shape's environments over one with as many as it has: fewer would not fill a
    /// processor's cores on the software driver.
    pub fn twice_environments(&mut self, name: &str, shape: usize) -> Result<Row, BenchError> {
        let own = &self.suite.shapes[shape];
        let double = own.with_envs(own.envs() * 2);
        let both = [(&double, double.algorithm(PAIR[0])?), (own, own.algorithm(PAIR[0])?)];
        self.twice(name, both, |bed| Ok(bed.iteration()?[0]), Bed::work)
    }

    /// A rollout of PolicyFlow over one with half the midpoint steps.
    pub fn twice_steps(&mut self, name: &str, shape: usize) -> Result<Row, BenchError> {
        let own = &self.suite.shapes[shape];
        let mut half = own.algorithm(PAIR[0])?;
        if let Algorithm::PolicyFlow(config) = &mut half {
            config.flow_steps /= 2;
        }
        let rollout = |bed: &mut Bed| {
            let rollout = bed.rollout();
            let started = Instant::now();
            bed.trainer.engine().submit(&rollout)?;
            bed.trainer.engine().wait()?;
            Ok(started.elapsed().as_secs_f64())
        };
        let counted = |bed: &mut Bed| {
            let rollout = bed.rollout();
            work(bed.trainer.engine(), &rollout)
        };
        self.twice(name, [(own, own.algorithm(PAIR[0])?), (own, half)], rollout, counted)
    }

    /// A run of one trainer over the same run of another one, in turn.
    fn twice(
        &mut self,
        name: &str,
        both: [(&Shape, Algorithm); 2],
        run: impl Fn(&mut Bed) -> Result<f64, BenchError>,
        counted: impl Fn(&mut Bed) -> Work,
    ) -> Result<Row, BenchError> {
        self.leave();
        let length = self.length() * 10;
        let mut beds = Vec::new();
        for (shape, algorithm) in both {
            let bed = Bed::of(self.suite.open()?, shape, algorithm)?;
            self.seconds_compiling += bed.trainer.compile_seconds();
            beds.push(bed);
        }
        let [whole, half] = &mut beds[..] else { return Err(BenchError::Missing("two trainers")) };
        let counted = counted(whole).flops() / counted(half).flops();
        let mut runs: [Run<'_>; 2] = [Box::new(|| run(whole)), Box::new(|| run(half))];
        let values = interleaved(length, &mut runs)?;
        // A stop that falls on one of the two in some rounds and on the other in others leaves the medians' ratio nearer to the truth than
        // that of any round.
        let typical = Samples::new(values[1].clone()).median();
        let row = Row::ratio(name, &Samples::new(values[0].clone()).map(|whole| whole / typical), Some(counted));
        Ok(Row { limit: Some(GROWTH), ..row })
    }
}

/// What twice the work may cost: twice as much, and something for the clock.
const GROWTH: f64 = 2.1;

/// Whose iterations are compared: the first over the second.
const PAIR: [&str; 2] = ["policyflow", "ppo"];
