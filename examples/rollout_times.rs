//! Seconds of a rollout with policy and environment as two kernels in turn and as one kernel that loops over steps, by turns,
//! and what their compilation takes.
//!
//! `cargo run --release --example rollout_times [ADAPTER] [THREADS] [ROUNDS] [ALGORITHM] [PRESET] [KEY=VALUE ...]`, on MultiGoal.

use std::time::Instant;

use flowmill::algo::{Algorithm, Layer, parse_override};
use flowmill::engine::{Engine, EngineOptions};
use flowmill::train::{Limits, TrainOptions, Trainer};

/// Processor seconds of this process, where the system tells in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or(default.into());
    let options = EngineOptions {
        adapter: argument(0, "cpu").parse()?,
        threads: Some(argument(1, "2").parse()?),
        ..Default::default()
    };
    let rounds: usize = argument(2, "5").parse()?;
    let environment = flowmill::env::load("multigoal")?;
    let presets = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    let name = argument(3, "policyflow");
    let overrides = arguments.iter().skip(5).map(|text| parse_override(text, &name)).collect::<Result<Vec<_>, _>>()?;
    let algorithm = Algorithm::resolve(&name, &argument(4, "quick"), &presets, &overrides)?;

    let mut trainers = Vec::new();
    for rollout_steps in [1, u32::MAX] {
        let limits = Limits { rollout_steps, ..Limits::default() };
        let options_of_run = TrainOptions { algorithm: algorithm.clone(), seed: 1 };
        let trainer = Trainer::with_limits(Engine::new(&options)?, environment.clone(), options_of_run, limits)?;
        trainers.push(trainer);
    }
    println!("{}: {name}, {}", trainers[0].engine().adapter().name, arguments.get(4..).unwrap_or_default().join(" "));
    let (mut seconds, mut processor) = ([Vec::new(), Vec::new()], [0.0; 2]);
    for _ in 0..rounds {
        for ((trainer, seconds), processor) in trainers.iter_mut().zip(&mut seconds).zip(&mut processor) {
            let collect = trainer.recordings().0;
            let (started, before) = (Instant::now(), processor_seconds());
            trainer.engine().submit(&collect)?;
            trainer.engine().wait()?;
            seconds.push(started.elapsed().as_secs_f64());
            *processor += (processor_seconds() - before) / rounds as f64;
        }
    }
    let mut medians = Vec::new();
    for (trainer, seconds) in trainers.iter().zip(&mut seconds) {
        seconds.sort_by(f64::total_cmp);
        let (collect, learn) = trainer.recordings();
        println!(
            "{:3} dispatches for the steps, {:4} in the first iteration: {:8.4} s median, {:8.4} s least; set up in {:.2} s",
            trainer.rollout_dispatches(),
            collect.dispatches() + learn.dispatches(),
            seconds[seconds.len() / 2],
            seconds[0],
            trainer.compile_seconds(),
        );
        medians.push(seconds[seconds.len() / 2]);
    }
    println!(
        "one kernel takes {:.3} of the time of two; processor seconds of a rollout {:.3} and {:.3}",
        medians[1] / medians[0],
        processor[1],
        processor[0]
    );
    Ok(())
}
