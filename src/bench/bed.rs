//! A trainer that is timed: its recordings, and the state that every measurement begins with.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::BenchError;
use super::clock::{self, Samples};
use super::shapes::Shape;
use super::work::work;
use crate::algo::Algorithm;
use crate::engine::{BufferId, Command, Dispatch, Engine, EngineError, KernelDesc, KernelId, Recording, Work};
use crate::train::{Checkpoint, TrainOptions, Trainer};

/// A trainer of one algorithm at one shape.
pub struct Bed {
    /// The trainer.
    pub trainer: Trainer,
    /// The first iteration, which has every kernel: environments are started in it. Rollout, then update.
    first: [Recording; 2],
    /// A later one.
    later: [Recording; 2],
    fresh: Checkpoint,
    /// Where the contents of buffers are kept meanwhile.
    copies: HashMap<BufferId, BufferId>,
    /// Samples of an iteration.
    pub samples: usize,
}

impl Bed {
    /// Plans, compiles, and runs the first iteration, so that every buffer holds what it holds in training.
    pub fn new(engine: Engine, shape: &Shape, algorithm: &str) -> Result<Self, BenchError> {
        Self::of(engine, shape, shape.algorithm(algorithm)?)
    }

    /// The same with settings of one's own.
    pub fn of(engine: Engine, shape: &Shape, algorithm: Algorithm) -> Result<Self, BenchError> {
        let samples = algorithm.train().num_envs * algorithm.train().horizon;
        let updates = algorithm.train().epochs * algorithm.train().minibatches;
        let options = TrainOptions { algorithm, seed: 1 };
        let mut trainer = Trainer::new(engine, shape.environment.clone(), options)?;
        let first = <[Recording; 2]>::from(trainer.recordings());
        for recording in &first {
            trainer.engine().submit(recording)?;
        }
        trainer.engine().wait()?;
        let mut fresh = trainer.checkpoint()?;
        (fresh.iteration, fresh.updates) = (1, updates as u64);
        trainer.restore(&fresh)?;
        let later = <[Recording; 2]>::from(trainer.recordings());
        Ok(Self { trainer, first, later, fresh, copies: HashMap::new(), samples })
    }

    /// Puts parameters, optimiser and environments back to what they were after the first iteration.
    pub fn restore(&mut self) -> Result<(), BenchError> {
        Ok(self.trainer.restore(&self.fresh)?)
    }

    /// Every kernel of the first iteration with its first dispatch, in the order in which they run.
    pub fn kernels(&mut self) -> Vec<(KernelDesc, Recording)> {
        let mut seen: Vec<KernelId> = Vec::new();
        let mut kernels = Vec::new();
        for recording in &self.first {
            for (position, command) in recording.commands().iter().enumerate() {
                let Some(dispatch) = runs(command).filter(|dispatch| !seen.contains(&dispatch.kernel)) else {
                    continue;
                };
                seen.push(dispatch.kernel);
                let alone = recording.filtered(|index, _| index == position);
                kernels.extend(self.trainer.engine().description(dispatch.kernel).map(|desc| (desc.clone(), alone)));
            }
        }
        kernels
    }

    /// Runs a recording somehow. What it has written is put back behind it, so that what is measured later finds what training
    /// leaves there: a kernel that is run alone, many times over, takes its own output as input.
    pub fn kept<T>(
        &mut self,
        recording: &Recording,
        run: impl FnOnce(&mut Engine) -> Result<T, EngineError>,
    ) -> Result<T, BenchError> {
        let engine = self.trainer.engine();
        let (mut save, mut restore) = (Recording::new(), Recording::new());
        let dispatches = recording.commands().iter().filter_map(runs);
        let mut buffers: Vec<BufferId> = dispatches.flat_map(|d| recording.buffers(d).iter().copied()).collect();
        buffers.sort();
        buffers.dedup();
        for buffer in buffers {
            let bytes = engine.buffer_bytes(buffer);
            let copy = match self.copies.get(&buffer) {
                Some(copy) => *copy,
                None => engine.buffer("bench copy", bytes)?,
            };
            self.copies.insert(buffer, copy);
            save.copy((buffer, 0), (copy, 0), bytes);
            restore.copy((copy, 0), (buffer, 0), bytes);
        }
        engine.submit(&save)?;
        let done = run(engine)?;
        engine.submit(&restore)?;
        engine.wait()?;
        Ok(done)
    }

    /// Seconds of one run of a recording.
    pub fn seconds(&mut self, recording: &Recording, length: Duration) -> Result<Samples, BenchError> {
        self.kept(recording, |engine| clock::seconds(engine, recording, length))
    }

    /// The rollout of a later iteration: from the observations that it begins with to the last one, advantages aside.
    pub fn rollout(&self) -> Recording {
        let [collect, _] = &self.later;
        let position = |wanted: Command| collect.commands().iter().position(|command| *command == wanted);
        let begin = position(Command::BeginScope("rollout")).unwrap_or(0);
        let length = collect.commands()[begin..].iter().position(|command| *command == Command::EndScope);
        let end = begin + length.unwrap_or(collect.commands().len());
        collect.filtered(|index, _| index > begin && index < end)
    }

    /// Counted work of a later iteration.
    pub fn work(&mut self) -> Work {
        let engine = self.trainer.engine();
        self.later.iter().map(|recording| work(engine, recording)).sum()
    }

    /// Runs one whole iteration, waits for it, and returns its seconds with those of its rollout.
    pub fn iteration(&mut self) -> Result<[f64; 2], BenchError> {
        let started = Instant::now();
        self.trainer.step()?;
        // Asked often instead of waited for: a wait hands out the end of the rollout together with that of the update.
        let mut metrics = self.trainer.finished()?;
        while self.trainer.under_way() > 0 {
            std::thread::sleep(Duration::from_micros(20));
            metrics = self.trainer.finished()?;
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok([seconds, metrics.last().map_or(f64::NAN, |metrics| metrics.collection_seconds)])
    }
}

/// A dispatch that runs.
fn runs(command: &Command) -> Option<&Dispatch> {
    match command {
        Command::Dispatch(dispatch) if !dispatch.groups.contains(&0) => Some(dispatch),
        _ => None,
    }
}
