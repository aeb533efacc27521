//! Times loss and gradients of a minibatch of PolicyFlow through Burn's wgpu backend: `cargo bench --bench peers` talks to
//! this program.
//!
//! ```text
//! flowmill-peer-burn --trainings FILE --device software
//! ```
//!
//! FILE is what `cargo bench --bench peers -- --trainings FILE` writes. It holds loss terms and gradients against the
//! fixtures of the float64 reference, says `ready {json}`, and answers lines of standard input: `time SHAPE gradients` with
//! seconds of a minibatch.

mod fixture;
mod loss;

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, DeviceKind};
use loss::{Batch, Network, Setup};
use serde_json::{Value, json};

/// Fixtures of the reference with grid times.
const FIXTURES: [&str; 3] = ["policyflow_multigoal", "policyflow_quadruped", "policyflow_three_layers"];

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let (problems, device, about) = match open() {
        Ok(opened) => opened,
        Err(error) => return Ok(writeln!(out, "error: {error:#}")?),
    };
    let least: f64 = option("--seconds")?.unwrap_or("0.5".into()).parse()?;
    writeln!(out, "ready {about}")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        let ["time", shape, "gradients"] = words[..] else {
            writeln!(out, "error: `{line}`, expected `time SHAPE gradients`")?;
            continue;
        };
        match problems.iter().find(|p| p.shape == shape) {
            Some(problem) => writeln!(out, "{:.9}", problem.time(&device, least)?)?,
            None => writeln!(out, "error: unknown shape `{shape}`")?,
        }
    }
    Ok(())
}

/// The value after an option on the command line.
fn option(name: &str) -> Result<Option<String>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    if arguments.next().is_none() {
        return Ok(None);
    }
    Ok(Some(arguments.next().with_context(|| format!("{name} needs a value"))?))
}

/// A minibatch that is timed.
struct Problem {
    shape: String,
    setup: Setup,
    network: Network,
    batch: Batch,
}

fn open() -> Result<(Vec<Problem>, Device, Value)> {
    let kind = match option("--device")?.as_deref() {
        Some("software") => DeviceKind::Cpu,
        Some("gpu") | None => DeviceKind::DefaultDevice,
        Some(other) => bail!("--device `{other}`, expected software or gpu"),
    };
    let device = Device::wgpu(kind).autodiff();
    for name in FIXTURES {
        fixture::check(name, &device)?;
    }
    let text = std::fs::read_to_string(option("--trainings")?.context("--trainings FILE is missing")?)?;
    let trainings: Value = serde_json::from_str(&text)?;
    let mut problems = Vec::new();
    for training in trainings.as_array().into_iter().flatten().filter(|t| t["algo"] == "policyflow") {
        let (setup, rows) = Setup::of_training(training)?;
        let mut random = fixture::Normal::new(1);
        let network = Network::random(&setup, &mut random, &device);
        let batch = Batch::random(&setup, rows, &mut random, &device);
        let shape = training["shape"].as_str().context("no shape")?.to_string();
        let problem = Problem { shape, setup, network, batch };
        // Compilation and autotuning do not count.
        for _ in 0..3 {
            problem.run(&device, 1)?;
        }
        problems.push(problem);
    }
    let name = device.identity().map_or_else(String::new, |identity| format!("{identity:?}"));
    let about = json!({ "name": "Burn", "version": format!("0.22 (wgpu, fusion, autotune) {name}") });
    Ok((problems, device, about))
}

impl Problem {
    /// Seconds of one of as many runs as last `least` seconds.
    fn time(&self, device: &Device, least: f64) -> Result<f64> {
        let one = self.run(device, 1)?;
        if one >= least { Ok(one) } else { self.run(device, (least / one).round().clamp(1.0, 512.0) as usize) }
    }

    /// Seconds of one of `count` runs, with one wait at their end.
    fn run(&self, device: &Device, count: usize) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..count {
            let (loss, terms) = loss::loss(&self.setup, &self.network, &self.batch);
            let gradients = loss.backward();
            drop((terms, gradients));
        }
        device.sync()?;
        Ok(started.elapsed().as_secs_f64() / count as f64)
    }
}
