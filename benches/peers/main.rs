//! Whole training iterations of PolicyFlow and PPO, here, in JAX and in PyTorch; and loss and gradients of a minibatch through
//! Burn's wgpu backend on the adapter that flowmill uses. docs/peers.md says what is compared and how.
//!
//! ```text
//! cargo bench --bench peers -- --software --json docs/benchmarks/peers.json
//! cargo bench --bench peers -- --shapes wide --json docs/benchmarks/peers-wide.json
//! cargo bench --bench peers -- --from docs/benchmarks/peers.json docs/benchmarks/peers-wide.json --page docs/peers.md
//! ```
//!
//! What is not installed is skipped with a line that says how to install it: `python3` is the one on PATH, with numpy,
//! safetensors and jax or torch; Burn's program is built with
//! `cargo build --release --manifest-path benches/peers/burn/Cargo.toml`.

#[path = "../engines/figures.rs"]
mod figures;
#[path = "../engines/machine.rs"]
mod machine;
#[path = "../engines/peer.rs"]
mod peer;
mod programs;
mod report;
mod trainings;

mod worker;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use peer::Peer;
use report::{Report, Row};

/// Times training iterations here and in other frameworks.
#[derive(Parser, Debug, Clone)]
pub struct Args {
    /// Writes all times.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the page of the documentation.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Measures nothing and reads the times of earlier runs.
    #[arg(long, num_args = 1..)]
    from: Vec<PathBuf>,
    /// Writes the settings of all trainings, as the Python programs read them, and measures nothing.
    #[arg(long, value_name = "FILE")]
    trainings: Option<PathBuf>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Of `multigoal`, `wide`, `quadruped`.
    #[arg(long, value_delimiter = ',', default_value = "multigoal,quadruped")]
    shapes: Vec<String>,
    /// Programs to be measured, of `flowmill`, `jax`, `torch`, `software` and `burn`.
    #[arg(long, value_delimiter = ',', default_value = "flowmill,jax,torch,software,burn")]
    columns: Vec<String>,
    /// Measures the software Vulkan driver, here and through Burn.
    #[arg(long)]
    software: bool,
    /// Measures everything on the GPU: flowmill's default adapter, CUDA for the others.
    #[arg(long, conflicts_with = "software")]
    gpu: bool,
    /// Least seconds of a measurement.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Few environments, one round, no choice among variants: that it works, not how fast.
    #[arg(long)]
    toy: bool,
    /// Trains each program from the start for so many iterations instead, and shows the mean return in the last one.
    #[arg(long, value_name = "ITERATIONS")]
    learn: Option<usize>,
    /// Serves one adapter's times: what this program starts itself.
    #[arg(long, value_name = "ADAPTER")]
    serve: Option<String>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    // `cargo test --benches` runs this without the flag: it is a test there.
    let measures = args.serve.is_none() && args.from.is_empty() && args.trainings.is_none();
    if measures && (args.toy || !args.bench) {
        (args.toy, args.rounds, args.seconds) = (true, 1, 0.001);
        args.threads.truncate(1);
    }
    if let Some(adapter) = &args.serve {
        return worker::serve(adapter, &args);
    }
    if let Some(file) = &args.trainings {
        return machine::write(file, &trainings::file(&args.shapes, args.toy)?.to_string());
    }
    let read = |file: &PathBuf| Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?);
    let reports: Vec<Report> = match args.from.is_empty() {
        false => args.from.iter().map(read).collect::<Result<_>>()?,
        true => vec![measure(&args)?],
    };
    if args.learn.is_some() {
        return Ok(());
    }
    reports.iter().for_each(|report| print!("{}", report.table()));
    if let (Some(file), [report]) = (&args.json, &reports[..]) {
        machine::write(file, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    if let Some(file) = &args.page {
        machine::write(file, &Report::page(&reports))?;
    }
    // flowmill runs everywhere, the others where somebody installed them.
    let wanted = args.from.is_empty() && args.columns.iter().any(|column| column == "flowmill");
    if wanted && reports.iter().any(|report| report.lacks("flowmill")) {
        bail!("flowmill has no times: see above");
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Report> {
    let before = machine::load();
    let (mut peers, mut about) = (Vec::new(), Vec::new());
    let folder = std::env::temp_dir().join(format!("flowmill-peers-{}", std::process::id()));
    let file = folder.join("trainings.json");
    machine::write(&file, &trainings::file(&args.shapes, args.toy)?.to_string())?;
    let installed = programs::installed(args);
    for &threads in &args.threads {
        for &column in &installed {
            eprintln!("starting {column} with {threads} threads");
            let started = Peer::start(programs::command(args, column, threads, &file)?);
            let told =
                started.as_ref().map_or_else(|e| serde_json::json!({ "error": format!("{e:#}") }), |p| p.about.clone());
            eprintln!("{told}");
            about.push((column.to_string(), threads, told));
            peers.extend(started.ok().map(|peer| (column, threads, peer)));
        }
    }
    std::fs::remove_dir_all(folder)?;
    let mut rows = report::rows(args)?;
    if let Some(count) = args.learn {
        learn(&rows, &mut peers, count);
        rows.clear();
    }
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        for row in &mut rows {
            time(row, &mut peers);
        }
    }
    let pinned = args.threads.iter().all(|&n| peer::processors(n).is_some());
    Ok(Report {
        command: machine::command_line("peers"),
        date: machine::date(),
        machine: machine::describe(),
        load: [before, machine::load()],
        pinned,
        gpu: args.gpu,
        rounds: args.rounds,
        peers: about,
        rows,
    })
}

/// One round of a row: every program that has this job once, one after the other.
fn time(row: &mut Row, peers: &mut [(&str, usize, Peer)]) {
    for (column, threads, peer) in peers.iter_mut().filter(|(_, threads, _)| *threads == row.threads) {
        if !programs::has(column, &row.job) {
            continue;
        }
        let seconds = peer.time(&row.shape, &row.job);
        let seconds =
            seconds.inspect_err(|e| eprintln!("{column}, {threads} threads, {} {}: {e:#}", row.shape, row.job));
        match row.seconds.iter_mut().find(|(n, _)| n == column) {
            Some((_, all)) => all.push(seconds.ok()),
            None => row.seconds.push((column.to_string(), vec![seconds.ok()])),
        }
    }
}

/// Shows what every program has learnt: it is the same training only if the returns agree.
fn learn(rows: &[Row], peers: &mut [(&str, usize, Peer)], count: usize) {
    for row in rows.iter().filter(|row| row.job != trainings::GRADIENTS) {
        for (column, threads, peer) in
            peers.iter_mut().filter(|(c, t, _)| *t == row.threads && programs::has(c, &row.job))
        {
            let found = peer.ask(&format!("learn {} {} {count}", row.shape, row.job));
            let found = found.map_or_else(|e| format!("{e:#}"), |value| format!("{value:.3}"));
            println!("{} {}, {threads} threads, iteration {count}, {column}: mean return {found}", row.shape, row.job);
        }
    }
}
