//! One engine in a process of its own, timed on request: the counterpart of jax_peer.py, with the same line protocol.
//!
//! A process for every engine and number of threads, because a driver reads its number of threads once, and because
//! processors can only be assigned to a whole process.

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use flowmill::engine::{AdapterChoice, Command, Engine, EngineOptions, Recording};
use flowmill::kernels::adamw::control;
use serde_json::Value;

use crate::shapes::{Bench, JOBS, SHAPES, STEPS};

/// Batches of a measurement, of which the median counts.
const BATCHES: usize = 5;

/// Opens the engine, prints `ready {json}`, answers `time SHAPE JOB` with seconds until standard input ends.
pub fn serve(adapter: &str, threads: usize, rows: usize, length: f64) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let (mut benches, about) = match open(adapter, threads, rows) {
        Ok(opened) => opened,
        Err(error) => return Ok(writeln!(out, "error: {error:#}")?),
    };
    writeln!(out, "ready {about}")?;
    for line in std::io::stdin().lock().lines() {
        match time(&mut benches, &line?, length) {
            Ok(seconds) => writeln!(out, "{seconds:.9}")?,
            Err(error) => writeln!(out, "error: {error:#}")?,
        }
    }
    Ok(())
}

/// Both shapes, and what the engine is.
fn open(adapter: &str, threads: usize, rows: usize) -> Result<(Vec<(&'static str, Bench)>, Value)> {
    let choice: AdapterChoice = adapter.parse()?;
    let options = EngineOptions { adapter: choice, threads: Some(threads), ..EngineOptions::default() };
    let mut benches = Vec::new();
    let mut about = Value::Null;
    for name in SHAPES {
        let engine = Engine::new(&options)?;
        let found = engine.adapter();
        about = serde_json::json!({ "name": found.name, "version": found.driver_info, "threads": threads });
        benches.push((name, Bench::new(engine, name, rows)?));
    }
    Ok((benches, about))
}

fn time(benches: &mut [(&str, Bench)], line: &str, length: f64) -> Result<f64> {
    let words: Vec<_> = line.split_whitespace().collect();
    let ["time", shape, job] = words[..] else { bail!("`{line}`, expected `time SHAPE JOB`") };
    let (_, bench) = benches.iter_mut().find(|(name, _)| *name == shape).context("unknown shape")?;
    if !JOBS.contains(&job) {
        bail!("unknown job `{job}`");
    }
    let one = batch(bench, job, 1)?;
    let count = (length / BATCHES as f64 / one).round().clamp(1.0, 512.0) as usize;
    // A slow engine gets fewer batches, so that nobody waits minutes for it.
    let batches = if one > length { BATCHES / 2 } else { BATCHES };
    let mut seconds = (0..batches).map(|_| batch(bench, job, count)).collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// Seconds of one of `count` runs of a job, with one wait at their end.
fn batch(bench: &mut Bench, job: &str, count: usize) -> Result<f64> {
    let (recording, inner) = if job == "sampler" { (&bench.sampler, 1) } else { (&bench.steps, STEPS) };
    let engine = bench.trainer.engine();
    engine.submit(&bench.collect)?;
    engine.wait()?;
    let count = count.div_ceil(inner);
    let started = Instant::now();
    for _ in 0..count {
        engine.submit(recording)?;
    }
    engine.wait()?;
    let seconds = started.elapsed().as_secs_f64() / (count * inner) as f64;
    if job == "step" {
        check_finite(engine, recording)?;
    }
    Ok(seconds)
}

/// A loss or gradient that is not finite makes the optimiser skip its work.
fn check_finite(engine: &mut Engine, steps: &Recording) -> Result<()> {
    let last = steps.commands().iter().rev().find_map(|command| match command {
        Command::Dispatch(dispatch) => Some(dispatch),
        _ => None,
    });
    let buffer = last.and_then(|adamw| steps.buffers(adamw).last()).context("no optimiser in the recording")?;
    let flag = engine.read(*buffer, control::NON_FINITE as u64 * 4, 4)?;
    if flag != [0; 4] {
        bail!("the loss or a gradient is not finite");
    }
    Ok(())
}
