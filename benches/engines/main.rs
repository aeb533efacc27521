//! flowmill's CPU engine against JAX on the same cores and against the software Vulkan driver: PolicyFlow's sampler and
//! optimiser step at two shapes, with 1 and 2 threads; docs/engines.md says what is compared and how.
//!
//! ```text
//! cargo bench --bench engines -- --jax PYTHON --json docs/benchmarks/engines.json --page docs/engines.md
//! cargo bench --bench engines -- --from docs/benchmarks/engines.json --page docs/engines.md    # writes the page anew
//! ```
//!
//! PYTHON needs jax, numpy and safetensors; without it the columns of JAX stay empty, as does that of an adapter that is
//! not there.

mod figures;
mod machine;
mod peer;
mod report;
mod shapes;
mod worker;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Parser;
use peer::Peer;
use report::{Report, Row};

/// Times the CPU engine, the software driver and JAX.
#[derive(Parser, Debug)]
struct Args {
    /// A Python with jax, numpy and safetensors.
    #[arg(long)]
    jax: Option<PathBuf>,
    /// Writes all times.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the page of the documentation.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Measures nothing and reads the times of an earlier run.
    #[arg(long)]
    from: Option<PathBuf>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Columns to be measured, of `jax`, `cpu`, `baseline` and `software`.
    #[arg(long, value_delimiter = ',', default_value = "jax,cpu,baseline,software")]
    columns: Vec<String>,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// Rows of the sampler; an optimiser step has half of them.
    #[arg(long, default_value_t = 4096)]
    rows: usize,
    /// Few rows, one round, no choice among JAX's variants: that it works, not how fast.
    #[arg(long)]
    toy: bool,
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
    if args.toy || (!args.bench && args.serve.is_none() && args.from.is_none()) {
        (args.toy, args.rounds, args.rows, args.seconds) = (true, 1, 64, 0.001);
        args.threads.truncate(1);
    }
    if let Some(adapter) = &args.serve {
        return worker::serve(adapter, args.threads[0], args.rows, args.seconds);
    }
    let report = match &args.from {
        Some(file) => serde_json::from_str(&std::fs::read_to_string(file)?)?,
        None => measure(&args)?,
    };
    print!("{}", report.table());
    if let Some(file) = &args.json {
        machine::write(file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(file) = &args.page {
        machine::write(file, &report.page())?;
    }
    // The CPU engine runs everywhere, the others where somebody installed them.
    if args.from.is_none() && args.columns.iter().any(|column| column == "cpu") && report.lacks("cpu") {
        bail!("the CPU engine has no times: see above");
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Report> {
    let before = machine::load();
    let mut peers = Vec::new();
    let mut about = Vec::new();
    for &threads in &args.threads {
        for column in &args.columns {
            let Some(command) = command(args, column, threads)? else { continue };
            eprintln!("starting {column} with {threads} threads");
            let started = Peer::start(command);
            let told =
                started.as_ref().map_or_else(|e| serde_json::json!({ "error": format!("{e:#}") }), |p| p.about.clone());
            eprintln!("{told}");
            about.push((column.clone(), threads, told));
            peers.extend(started.ok().map(|peer| (column.as_str(), threads, peer)));
        }
    }
    let mut rows = rows(args)?;
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        for row in &mut rows {
            time(row, &mut peers);
        }
    }
    let (pinned, date) = (args.threads.iter().all(|&n| peer::processors(n).is_some()), machine::date());
    Ok(Report {
        command: machine::command_line("engines"),
        date,
        machine: machine::describe(),
        load: [before, machine::load()],
        pinned,
        peers: about,
        rows,
    })
}

/// The program behind a column; none for JAX without a Python.
fn command(args: &Args, column: &str, threads: usize) -> Result<Option<Command>> {
    let (count, rows, seconds) = (threads.to_string(), args.rows.to_string(), args.seconds.to_string());
    if column == "jax" {
        let Some(python) = &args.jax else { return Ok(None) };
        let mut command = peer::pinned(python, threads);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/engines/jax_peer.py"));
        command.args(["--threads", &count, "--seconds", &seconds]);
        command.args(["--rows", &rows, &shapes::job_rows("step", args.rows).to_string()]);
        command.args(args.toy.then_some("--first-variant"));
        return Ok(Some(command));
    }
    let mut command = peer::pinned(&std::env::current_exe()?, threads);
    let adapter = if column == "baseline" { "cpu" } else { column };
    command.args(["--serve", adapter, "--threads", &count, "--rows", &rows, "--seconds", &seconds]);
    // Mesa's software driver takes its number of threads from here.
    command.env("LP_NUM_THREADS", &count);
    if column == "baseline" {
        command.env("FLOWMILL_ISA", "baseline");
    }
    Ok(Some(command))
}

/// All rows, without times.
fn rows(args: &Args) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for shape in shapes::SHAPES {
        for (job, matrix_flops) in shapes::JOBS.into_iter().zip(shapes::matrix_flops(shape)?) {
            for &threads in &args.threads {
                let (shape, job) = (shape.to_string(), job.to_string());
                let rows_of_job = shapes::job_rows(&job, args.rows);
                rows.push(Row { shape, job, threads, rows: rows_of_job, matrix_flops, seconds: Vec::new() });
            }
        }
    }
    Ok(rows)
}

/// One round of a row: every program once, one after the other.
fn time(row: &mut Row, peers: &mut [(&str, usize, Peer)]) {
    for (column, threads, peer) in peers.iter_mut().filter(|(_, threads, _)| *threads == row.threads) {
        let mut jobs = vec![(column.to_string(), row.job.clone())];
        if *column == "jax" {
            jobs.push(("jax-given".into(), format!("{}-given", row.job)));
        }
        for (name, job) in jobs {
            let seconds = peer.time(&row.shape, &job);
            let seconds =
                seconds.inspect_err(|e| eprintln!("{name}, {threads} threads, {} {job}: {e:#}", row.shape)).ok();
            match row.seconds.iter_mut().find(|(n, _)| *n == name) {
                Some((_, all)) => all.push(seconds),
                None => row.seconds.push((name, vec![seconds])),
            }
        }
    }
}
