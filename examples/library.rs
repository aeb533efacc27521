//! Trains a policy from Rust: `cargo run --release --example library [ITERATIONS]`.

use flowmill::algo::{Algorithm, Layer};
use flowmill::engine::{Engine, EngineOptions};
use flowmill::train::{TrainOptions, Trainer};

fn main() -> anyhow::Result<()> {
    let iterations: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;

    let environment = flowmill::env::load("multigoal")?;
    let presets = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    let algorithm = Algorithm::resolve("policyflow", "quick", &presets, &[])?;
    let engine = Engine::new(&EngineOptions::default())?;
    let mut trainer = Trainer::new(engine, environment, TrainOptions { algorithm, seed: 1 })?;
    for _ in 0..iterations {
        trainer.step()?; // submits a rollout and its updates; does not wait
        for metrics in trainer.drain()? {
            println!("iteration {}: mean return {:.2}", metrics.iteration, metrics.mean_return);
        }
    }
    trainer.checkpoint()?.save("policy.safetensors".as_ref())?;
    Ok(())
}
