//! Criterion on the kernels of the suite that `flowmill bench` runs: each kernel of an iteration by itself, at both shapes.
//!
//! `cargo bench --bench suite -- adamw`; the adapter is the one that `flowmill adapters` marks. FLOWMILL_BENCH_ENVS sets the
//! environments of a shape.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use flowmill::bench::{Part, Suite, SuiteOptions, parse_envs};
use flowmill::engine::{Engine, EngineError, EngineOptions, Recording};

fn kernels(c: &mut Criterion) {
    let typed = std::env::var("FLOWMILL_BENCH_ENVS").ok();
    let envs = typed.map(|text| {
        parse_envs(&text).unwrap_or_else(|expected| {
            eprintln!("error: FLOWMILL_BENCH_ENVS is {text}, {expected}");
            std::process::exit(2);
        })
    });
    let options = SuiteOptions {
        engine: EngineOptions::default(),
        part: Part::Kernels,
        filter: Some("kernel/".into()),
        envs,
        python: None,
        length: Duration::ZERO,
    };
    let mut each = |name: &str, engine: &mut Engine, recording: &Recording| {
        let mut done = Ok(());
        c.bench_function(name, |b| {
            b.iter_custom(|runs| match time(engine, recording, runs) {
                Ok(time) => time,
                Err(error) => {
                    done = Err(error);
                    // Criterion takes no time for an answer, but not zero.
                    Duration::from_nanos(1)
                }
            });
        });
        done
    };
    let done = Suite::new(options).and_then(|suite| {
        println!("adapter: {} ({})", suite.adapter().name, suite.adapter().driver_info);
        suite.kernels(&mut each)
    });
    if let Err(error) = done {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

/// So many runs with one wait at their end.
fn time(engine: &mut Engine, recording: &Recording, runs: u64) -> Result<Duration, EngineError> {
    let started = Instant::now();
    for _ in 0..runs {
        engine.submit(recording)?;
    }
    engine.wait()?;
    Ok(started.elapsed())
}

criterion_group! {
    name = suite;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    targets = kernels
}
criterion_main!(suite);
