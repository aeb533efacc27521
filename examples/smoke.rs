use flowmill::{algo::*, env, gpu::*, train::*};
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).unwrap_or("policyflow".into());
    let iters: u64 = std::env::args().nth(2).map_or(3, |s| s.parse().unwrap());
    let profile = std::env::args().nth(3).is_some();
    let environment = env::load("multigoal")?;
    let algorithm = Algorithm::resolve(
        &name,
        &std::env::var("PRESET").unwrap_or("quick".into()),
        &Layer { origin: "x".into(), table: environment.presets.clone() },
        &[],
    )?;
    let engine = Engine::new(&EngineOptions { profile, ..Default::default() })?;
    println!("{}", engine.adapter().name);
    let t = Instant::now();
    let mut trainer = Trainer::new(engine, environment, TrainOptions { algorithm, seed: 1 })?;
    println!("compile {:.2} s", t.elapsed().as_secs_f64());
    let (a, b) = trainer.recordings();
    println!("dispatches {} budget {}", a.dispatches() + b.dispatches(), trainer.dispatch_budget());
    for _ in 0..iters {
        trainer.step()?;
        for m in trainer.drain()? {
            println!("{m:?}");
        }
    }
    if profile {
        for k in trainer.engine().profile() {
            println!("{k:?}");
        }
    }
    Ok(())
}
