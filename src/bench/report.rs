//! A run of the suite as a file, and as a table for a terminal.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::row::{Row, Unit};
use super::suite::Results;
use crate::report::format_si;

/// Tells these files from others.
const FORMAT: &str = "flowmill-bench-1";

/// What was measured, where and when.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of the file's layout.
    pub format: String,
    /// What was typed.
    pub command: String,
    /// Version of the crate.
    pub version: String,
    /// Commit that it was built from, where the build knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// UTC, yyyy-mm-dd.
    pub date: String,
    /// Adapter name.
    pub adapter: String,
    /// `gpu`, `cpu` (the CPU engine) or `software` (a driver that makes a processor look like a GPU).
    pub kind: String,
    /// `vulkan`, `metal`, `dx12` or `native`.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// Cores and system.
    pub machine: String,
    /// Processes that wanted to run before and after, mean of a minute (Linux).
    pub load: [Option<f64>; 2],
    /// Environments of a shape.
    pub envs: usize,
    /// Seconds of planning and compilation, which are in no row.
    pub seconds_compiling: f64,
    /// Seconds of everything.
    pub seconds: f64,
    /// What makes the rows less than they seem: environments without rows, a machine that has changed meanwhile.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Rows that could not be measured, each with the reason.
    #[serde(default)]
    pub failures: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Report {
    /// A report without rows and times of its own.
    pub fn new(adapter: &crate::engine::AdapterSummary, envs: usize, command: String) -> Self {
        let date = crate::report::timestamp(std::time::SystemTime::now());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kind = serde_json::to_value(adapter.kind).ok();
        Self {
            format: FORMAT.into(),
            command,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("FLOWMILL_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_string),
            date: format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]),
            adapter: adapter.name.clone(),
            kind: kind.and_then(|kind| kind.as_str().map(str::to_string)).unwrap_or_default(),
            backend: adapter.backend.clone(),
            driver: format!("{} {}", adapter.driver, adapter.driver_info).trim().to_string(),
            machine: format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH),
            load: [load(), None],
            envs,
            seconds_compiling: 0.0,
            seconds: 0.0,
            warnings: Vec::new(),
            failures: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Takes the results of a run that is over.
    pub fn finish(&mut self, results: Results, seconds: f64) {
        self.load[1] = load();
        (self.rows, self.warnings, self.failures) = (results.rows, results.warnings, results.failures);
        (self.seconds_compiling, self.seconds) = (results.seconds_compiling, seconds);
    }

    /// Reads what `--json` printed.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let wrong = |message: String| BenchError::Report { path: path.display().to_string(), message };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|_| wrong("not JSON; expected what `flowmill bench --json` prints".into()))?;
        if value.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
            return Err(wrong(format!("no benchmark: `format` is not {FORMAT}, as `flowmill bench --json` prints it")));
        }
        let report: Self = serde_json::from_value(value)
            .map_err(|e| wrong(format!("{e}; expected what `flowmill bench --json` prints")))?;
        match report.rows.iter().find(|row| !(row.median.is_finite() && row.median >= 0.0)) {
            Some(row) => Err(wrong(format!("`{}` has the median {}, expected a number >= 0", row.name, row.median))),
            None => Ok(report),
        }
    }

    /// What was measured on, in a line. A driver on a processor is called that.
    pub fn device(&self) -> String {
        let kind = match self.kind.as_str() {
            "gpu" => "GPU",
            "software" => "software driver on the processor, no GPU",
            _ => "CPU engine, no GPU",
        };
        format!("{} · {kind} · backend {} · driver {}", self.adapter, self.backend, self.driver)
    }
}

/// Headings of [`cells`].
pub const HEADINGS: [&str; 7] = ["row", "median", "spread", "GFLOP/s", "GB/s", "of ceiling", "steps/s, ratio"];

/// A row in words.
pub fn cells(row: &Row) -> [String; HEADINGS.len()] {
    let number = |value: Option<f64>| value.map_or(String::new(), digits);
    let median = match row.unit {
        Unit::Microseconds => time(row.median),
        Unit::Gflops => format!("{} GFLOP/s", digits(row.median)),
        Unit::Gbytes => format!("{} GB/s", digits(row.median)),
        Unit::Ratio => format!("{:.2} x", row.median),
    };
    let share = row.share.zip(row.ceiling.as_ref()).map(|(share, of)| format!("{:.0} % {of}", share * 100.0));
    let rates = [
        (row.env_steps_per_second, "env"),
        (row.env_policy_steps_per_second, "env + policy"),
        (row.steps_per_second, "all"),
    ];
    let mut notes: Vec<String> =
        rates.iter().filter_map(|(rate, of)| rate.map(|rate| format!("{} {of}", format_si(rate)))).collect();
    notes.extend(row.counted_ratio.map(|counted| format!("counted {counted:.2} x")));
    notes.extend(row.peer_ratio.map(|ratio| format!("{} x MuJoCo", digits(ratio))));
    notes.extend(row.peer.clone());
    // Some solutions need no step: what is told is the largest number.
    notes.extend(row.newton_iterations.len().checked_sub(1).map(|most| format!("Newton <= {most}")));
    notes.extend(row.limit.filter(|limit| row.median > *limit).map(|limit| format!("OVER {limit}")));
    [
        row.name.clone(),
        median,
        format!("{:.1} %", row.spread * 100.0),
        number(row.gflops),
        number(row.gbytes),
        share.unwrap_or_default(),
        notes.join(", "),
    ]
}

/// Microseconds with a unit that suits them.
fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{} us", digits(us)),
        us if us < 1e6 => format!("{} ms", digits(us / 1e3)),
        us => format!("{} s", digits(us / 1e6)),
    }
}

/// Three digits that count.
pub fn digits(value: f64) -> String {
    let decimals = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{value:.decimals$}")
}

/// Mean number of processes that wanted to run in the last minute.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Lines of the table as they come: columns are as wide as the longest name, and as numbers are.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    name: usize,
}

impl Table {
    /// For rows of these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { name: names.map(|name| name.chars().count()).max().unwrap_or(0).max(HEADINGS[0].len()) }
    }

    /// The headings.
    pub fn heading(self) -> String {
        self.line(&HEADINGS.map(String::from))
    }

    /// A row.
    pub fn row(self, row: &Row) -> String {
        self.line(&cells(row))
    }

    fn line(self, cells: &[String; HEADINGS.len()]) -> String {
        let [name, median, spread, gflops, gbytes, share, notes] = cells;
        let width = self.name;
        let line = format!("{name:<width$}  {median:>13}  {spread:>7}  {gflops:>8}  {gbytes:>8}  {share:>11}  {notes}");
        line.trim_end().to_string()
    }
}
