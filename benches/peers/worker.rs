//! flowmill in a process of its own, timed on request: the counterpart of the other programs, with the same line protocol.

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use flowmill::engine::{AdapterChoice, Command, Engine, EngineOptions, Recording};
use flowmill::train::{TrainOptions, Trainer};
use serde_json::{Value, json};

use crate::Args;
use crate::trainings::{ALGORITHMS, GRADIENTS, training};

/// A trainer with what is timed of it.
struct Bench {
    shape: String,
    algo: &'static str,
    trainer: Trainer,
    /// Loss and gradients of the first minibatch.
    gradients: Recording,
}

/// Opens the engine, prints `ready {json}`, answers `time SHAPE JOB` with seconds and `learn SHAPE ALGO N` with the mean return in
/// the N-th iteration of a new training, until standard input ends.
pub fn serve(adapter: &str, args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let (mut benches, about) = match open(adapter, args) {
        Ok(opened) => opened,
        Err(error) => return Ok(writeln!(out, "error: {error:#}")?),
    };
    writeln!(out, "ready {about}")?;
    for line in std::io::stdin().lock().lines() {
        match answer(&mut benches, &line?, adapter, args) {
            Ok(number) => writeln!(out, "{number:.9}")?,
            Err(error) => writeln!(out, "error: {error:#}")?,
        }
    }
    Ok(())
}

fn open(adapter: &str, args: &Args) -> Result<(Vec<Bench>, Value)> {
    let (mut benches, mut about) = (Vec::new(), Value::Null);
    for shape in &args.shapes {
        for algo in ALGORITHMS {
            let mut trainer = trainer(adapter, args, shape, algo)?;
            // The first iteration resets the environments; a batch is there after it.
            trainer.step()?;
            trainer.drain()?;
            let found = trainer.engine().adapter();
            about = json!({ "name": found.name, "version": found.driver_info, "threads": args.threads[0] });
            let gradients = gradients(&mut trainer)?;
            benches.push(Bench { shape: shape.clone(), algo, trainer, gradients });
        }
    }
    Ok((benches, about))
}

fn trainer(adapter: &str, args: &Args, shape: &str, algo: &str) -> Result<Trainer> {
    let choice: AdapterChoice = adapter.parse()?;
    let engine = Engine::new(&EngineOptions { adapter: choice, threads: Some(args.threads[0]), ..Default::default() })?;
    let (environment, algorithm) = training(shape, algo, args.toy)?;
    Ok(Trainer::new(engine, environment, TrainOptions { algorithm, seed: 1 })?)
}

/// What an update does before its first optimiser step.
fn gradients(trainer: &mut Trainer) -> Result<Recording> {
    let learn = trainer.recordings().1.clone();
    let engine = trainer.engine();
    let commands = learn.commands();
    let begin = commands.iter().position(|c| *c == Command::BeginScope("update")).context("no update")?;
    let optimises = |c: &Command| matches!(c, Command::Dispatch(d) if engine.kernel_name(d.kernel) == "adamw");
    let first = commands.iter().position(optimises).context("no optimiser")?;
    Ok(learn.filtered(|index, _| index > begin && index < first))
}

fn answer(benches: &mut [Bench], line: &str, adapter: &str, args: &Args) -> Result<f64> {
    let words: Vec<_> = line.split_whitespace().collect();
    if let ["learn", shape, algo, count] = words[..] {
        return learn(&mut trainer(adapter, args, shape, algo)?, count.parse()?);
    }
    let ["time", shape, job] = words[..] else { bail!("`{line}`, expected `time SHAPE JOB` or `learn SHAPE ALGO N`") };
    let algo = if job == GRADIENTS { "policyflow" } else { job };
    let bench = benches.iter_mut().find(|b| b.shape == shape && b.algo == algo).context("unknown shape or job")?;
    let one = batch(bench, job, 1)?;
    if one >= args.seconds {
        return Ok(one);
    }
    batch(bench, job, (args.seconds / one).round().clamp(1.0, 512.0) as usize)
}

/// Seconds of one of `count` runs of a job, with one wait at their end.
fn batch(bench: &mut Bench, job: &str, count: usize) -> Result<f64> {
    let trainer = &mut bench.trainer;
    let started = Instant::now();
    for _ in 0..count {
        if job == GRADIENTS {
            trainer.engine().submit(&bench.gradients)?;
        } else {
            trainer.step()?;
        }
    }
    trainer.engine().wait()?;
    trainer.drain()?;
    Ok(started.elapsed().as_secs_f64() / count as f64)
}

/// Mean return of the episodes that ended in the last of `count` iterations.
fn learn(trainer: &mut Trainer, count: usize) -> Result<f64> {
    let mut last = f64::NAN;
    for _ in 0..count {
        trainer.step()?;
        last = trainer.drain()?.last().map_or(last, |metrics| metrics.mean_return);
    }
    Ok(last)
}
