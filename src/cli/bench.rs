//! `flowmill bench`, and the binary `flowmill-bench`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flowmill::bench::{
    BenchError, Comparison, Event, Part, Report, Suite, SuiteOptions, Table, Verdict, compare, page, parse_envs,
};
use flowmill::engine::EngineOptions;
use flowmill::report::write_atomic;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Failure;
use super::device::Device;
use super::output::{Output, table};

/// Measure the adapter, every kernel, rollouts and whole iterations
#[derive(clap::Args)]
pub struct Args {
    /// `kernels`, `rollout`, `train`, `physics` or `all`
    #[arg(long, value_parser = ["kernels", "rollout", "train", "physics", "all"], default_value = "all")]
    suite: String,
    /// Only rows whose names contain this, such as `adamw`, `quadruped` or `overhead/`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// An earlier run, as `--json` printed it: prints ratios, and fails where a row is worse by more than `--loss`
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Part that a row may be worse by than the baseline
    #[arg(long, value_name = "PART", default_value_t = 0.2, allow_negative_numbers = true, value_parser = part)]
    loss: f64,
    /// Seconds for a row; whole iterations get ten times as many
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3, allow_negative_numbers = true, value_parser = seconds)]
    seconds: f64,
    /// Environments of a shape; by default 4096 on a GPU, 1024 on the CPU engine, 64 on a software driver
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_envs)]
    num_envs: Option<usize>,
    /// A Python with mujoco, whose steps are timed beside those of physics; by default `$FLOWMILL_PYTHON`, else `python3` where it has mujoco
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
    /// Measure nothing: write a page of the documentation from the files of `--from`
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with_all = ["suite", "filter", "baseline", "num_envs"])]
    page: Option<PathBuf>,
    /// Earlier runs, as `--json` printed them
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "page")]
    from: Vec<PathBuf>,
}

fn part(text: &str) -> Result<f64, String> {
    number(text, 0.0, 100.0).ok_or_else(|| "expected a number from 0 to 100, such as 0.2 for 20 %".into())
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.0, 3600.0).ok_or_else(|| "expected seconds from 0 to 3600".into())
}

fn number(text: &str, low: f64, high: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (low..=high).contains(number))
}

/// Measures and prints, row by row; compares.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    if let Some(file) = &args.page {
        return write_page(args, file, out);
    }
    // Before anything is measured.
    let baseline = args.baseline.as_ref().map(|path| Report::read(path)).transpose()?;
    let part = match args.suite.as_str() {
        "kernels" => Part::Kernels,
        "rollout" => Part::Rollout,
        "train" => Part::Train,
        "physics" => Part::Physics,
        _ => Part::All,
    };
    let started = Instant::now();
    let suite = Suite::new(SuiteOptions {
        engine: args.device.options(EngineOptions::default())?,
        part,
        filter: args.filter.clone(),
        envs: args.num_envs,
        python: args.python.clone().or_else(|| std::env::var_os("FLOWMILL_PYTHON").map(PathBuf::from)),
        length: Duration::from_secs_f64(args.seconds),
    })?;
    args.device.warn(suite.adapter());
    if let (Some(path), Some(then)) = (&args.baseline, baseline.as_ref().filter(|then| then.envs != suite.envs())) {
        let path = path.display();
        let (there, here) = (then.envs, suite.envs());
        let why =
            format!("{path}: {there} environments a shape, expected {here} as in this run, or `--num-envs {there}`");
        return Err(Failure::Input(why));
    }
    suite.warnings().iter().for_each(|line| eprintln!("warning: {line}"));

    let mut report = Report::new(suite.adapter(), suite.envs(), command_line());
    out.say(format!("adapter {}", report.device()));
    let lines = Table::new(suite.names());
    out.say(lines.heading());
    let bar = progress(suite.names().count());
    let results = suite.run(&mut |event| match event {
        Event::Doing(what) => bar.set_message(what.to_string()),
        Event::Row(row) => {
            bar.suspend(|| out.say(lines.row(row)));
            bar.inc(1);
        }
        Event::Failed(name, error) => bar.suspend(|| eprintln!("{name}: {error}")),
    })?;
    bar.finish_and_clear();
    results.warnings[suite.warnings().len()..].iter().for_each(|line| eprintln!("warning: {line}"));
    report.finish(results, started.elapsed().as_secs_f64());
    out.say(format!(
        "{} rows in {:.0} s, of which {:.1} s for planning and compilation",
        report.rows.len(),
        report.seconds,
        report.seconds_compiling
    ));

    let mut object = serde_json::to_value(&report).map_err(|e| Failure::Run(e.to_string()))?;
    let compared = match (&args.baseline, &baseline) {
        (Some(path), Some(then)) => {
            let path = path.display().to_string();
            let compared = compare(&report.rows, then, &path, args.loss)?;
            say_compared(&compared, &report, then, out);
            object["baseline"] = json!({ "file": path, "loss": args.loss, "rows": compared });
            compared
        }
        _ => Vec::new(),
    };
    out.object(&object)?;
    let worse: Vec<&str> =
        compared.iter().filter(|row| row.verdict == Verdict::Worse).map(|row| row.name.as_str()).collect();
    if !report.failures.is_empty() {
        return Err(Failure::Run(format!("{} rows failed: {}", report.failures.len(), report.failures.join("; "))));
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(Failure::Run(format!("worse than the baseline by more than {:.0} %: {}", args.loss * 100.0, worse.join(", "))))
}

/// What is being done, on a terminal.
fn progress(rows: usize) -> ProgressBar {
    let bar = ProgressBar::new(rows as u64);
    if let Ok(style) = ProgressStyle::with_template("[{pos}/{len}] {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn say_compared(compared: &[Comparison], now: &Report, then: &Report, out: &Output) {
    out.say(format!("\nagainst {} of {}; above 1 is worse", then.adapter, then.date));
    if now.adapter != then.adapter {
        out.say(format!("the baseline is of another adapter than {}", now.adapter));
    }
    let mut rows = vec![["row", "now / then", ""].map(String::from).to_vec()];
    rows.extend(
        compared.iter().map(|row| vec![row.name.clone(), format!("{:.3}", row.ratio), row.verdict.word().into()]),
    );
    out.say(table(&rows));
    let lost = then.rows.iter().filter(|row| now.rows.iter().all(|other| other.name != row.name)).count();
    if lost > 0 {
        out.say(format!("{lost} rows of the baseline were not measured"));
    }
}

/// The page of the documentation.
fn write_page(args: &Args, file: &std::path::Path, out: &Output) -> Result<(), Failure> {
    let reports = args.from.iter().map(|path| Report::read(path)).collect::<Result<Vec<_>, _>>()?;
    let from: Vec<String> = args.from.iter().map(|path| path.display().to_string()).collect();
    let command = format!("flowmill bench --page {} --from {}", file.display(), from.join(" "));
    write_atomic(file, page(&reports, &command).as_bytes()).map_err(|e| Failure::Input(e.to_string()))?;
    out.say(format!("wrote {}", file.display()));
    out.object(&json!({ "page": file.display().to_string(), "from": from }))
}

/// What was typed, without the folder of the program.
fn command_line() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned());
    std::iter::once(program.unwrap_or_default()).chain(words).collect::<Vec<_>>().join(" ")
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Engine(error) => error.into(),
            BenchError::Env(error) => (*error).into(),
            BenchError::Train(error) => (*error).into(),
            BenchError::Settings(error) => (*error).into(),
            BenchError::Filter { .. } | BenchError::Report { .. } | BenchError::Python { .. } => {
                Self::Input(error.to_string())
            }
            BenchError::Missing(_) | BenchError::Peer(_) | BenchError::Model(_) => Self::Run(error.to_string()),
        }
    }
}
