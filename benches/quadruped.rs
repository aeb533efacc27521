//! PolicyFlow at the quadruped shape (observation 48, action 12, hidden 128-128-128, embedding 64, 12 RK2 steps): the
//! fused sampler, and a whole optimiser step of a minibatch (fused forward, loss and backward; weight gradients;
//! reduction; AdamW). Throughput is in rows per second; the line before each group states the matrix FLOP of a row.
//!
//! `cargo bench --bench quadruped`; the adapter is the one that `flowmill adapters` marks. FLOWMILL_BENCH_ROWS sets rows.

#[path = "engines/widths.rs"]
mod widths;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowmill::algo::{Algorithm, PolicyFlowConfig};
use flowmill::engine::{Command, Engine, EngineOptions, Recording};
use flowmill::train::{TrainOptions, Trainer};

/// A trainer on an environment of the quadruped's widths; the dynamics do not matter here.
fn trainer(rows: usize) -> Option<Trainer> {
    let environment = match widths::quadruped() {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("{error}");
            return None;
        }
    };
    let mut config = PolicyFlowConfig { embedding: 64, flow_steps: 12, ..PolicyFlowConfig::default() };
    config.train.hidden = vec![128, 128, 128];
    config.train.num_envs = rows;
    config.train.horizon = 1;
    config.train.epochs = 1;
    config.train.minibatches = 1;
    let options = EngineOptions::default();
    let engine = match Engine::new(&options) {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            return None;
        }
    };
    println!("adapter: {} ({})", engine.adapter().name, engine.adapter().driver_info);
    let options = TrainOptions { algorithm: Algorithm::PolicyFlow(config), seed: 1 };
    match Trainer::new(engine, environment, options) {
        Ok(trainer) => Some(trainer),
        Err(error) => {
            eprintln!("{error}");
            None
        }
    }
}

fn benches(c: &mut Criterion) {
    let rows = std::env::var("FLOWMILL_BENCH_ROWS").ok().and_then(|r| r.parse().ok()).unwrap_or(2048);
    let Some(mut trainer) = trainer(rows) else { return };
    let (collect, learn) = trainer.recordings();
    let act = trainer.agent().act.clone();
    let position = sampler_position(&collect);
    let sampler = collect.filtered(|index, _| index == position);
    for (name, recording, flops) in [
        ("sampler", sampler, flowmill::ir::work(&act).0),
        ("update", learn, flowmill::ir::work(&trainer.agent().update).0),
    ] {
        println!("{name}: {flops} matrix FLOP a row in the fused kernel, {rows} rows");
        let mut group = c.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::from_parameter(rows), |b| {
            b.iter(|| {
                let engine = trainer.engine();
                let done = engine.submit(&recording).and_then(|()| engine.wait());
                if let Err(error) = done {
                    eprintln!("{error}");
                }
            })
        });
        group.finish();
    }
}

/// The rollout's first policy dispatch: the one after the kernels that derive tensors and the environment reset.
fn sampler_position(recording: &Recording) -> usize {
    let commands = recording.commands();
    let tile = |c: &Command| matches!(c, Command::Dispatch(d) if recording.bytes(d.immediates).len() == size_of::<flowmill::fuse::TileArgs>());
    let start = commands.iter().position(|c| matches!(c, Command::BeginScope("rollout"))).unwrap_or(0);
    commands[start..].iter().position(tile).map_or(start, |i| start + i)
}

criterion_group!(quadruped, benches);
criterion_main!(quadruped);
