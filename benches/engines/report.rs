//! What was measured: as a file, as a table, as the page docs/engines.md.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run of the benchmark.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was typed.
    pub command: String,
    /// UTC, yyyy-mm-dd.
    pub date: String,
    /// Processor, number of cores, system.
    pub machine: String,
    /// Load of the machine before the first and after the last round (Linux).
    pub load: [Option<f64>; 2],
    /// Whether processes were tied to processors.
    pub pinned: bool,
    /// What every program says of itself, or why it is missing; by column and threads.
    pub peers: Vec<(String, usize, Value)>,
    /// A row for each shape, job and number of threads.
    pub rows: Vec<Row>,
}

/// Times of a job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    pub shape: String,
    pub job: String,
    pub threads: usize,
    /// Rows of a dispatch or minibatch.
    pub rows: usize,
    /// Floating-point operations of one row in matrix products.
    pub matrix_flops: u64,
    /// Seconds of every round by column; none where a program failed.
    pub seconds: Vec<(String, Vec<Option<f64>>)>,
}

/// Columns in their order: name in the file, heading.
pub const COLUMNS: [(&str, &str); 5] = [
    ("jax", "JAX"),
    ("jax-given", "JAX, no draws"),
    ("cpu", "flowmill CPU"),
    ("baseline", "flowmill baseline"),
    ("software", "software driver"),
];

/// Ratios of times: numerator, denominator, heading.
const RATIOS: [(&str, &str, &str); 4] = [
    ("jax", "cpu", "CPU vs JAX"),
    ("jax-given", "cpu", "vs no draws"),
    ("software", "cpu", "CPU vs driver"),
    ("software", "baseline", "baseline vs driver"),
];

impl Row {
    fn of(&self, column: &str) -> &[Option<f64>] {
        self.seconds.iter().find(|(name, _)| name == column).map_or(&[], |(_, seconds)| seconds)
    }

    /// Milliseconds, GFLOP/s of matrix products and half the spread of the rounds.
    fn cell(&self, column: &str) -> String {
        let seconds: Vec<f64> = self.of(column).iter().flatten().copied().collect();
        let Some((low, middle, high)) = range(seconds) else { return "-".into() };
        let speed = self.matrix_flops as f64 * self.rows as f64 / middle / 1e9;
        format!("{} ms, {} ±{:.0} %", digits(middle * 1e3), digits(speed), (high - low) / middle * 50.0)
    }

    /// Median of the rounds' ratios, with the smallest and the largest.
    fn ratio(&self, slow: &str, fast: &str) -> String {
        let pairs = self.of(slow).iter().zip(self.of(fast));
        let ratios = pairs.filter_map(|(slow, fast)| Some((*slow)? / (*fast)?)).collect();
        let Some((low, middle, high)) = range(ratios) else { return "-".into() };
        format!("{} ({}–{})", digits(middle), digits(low), digits(high))
    }
}

/// Smallest, median and largest.
fn range(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let n = values.len();
    Some((first, (values[(n - 1) / 2] + values[n / 2]) / 2.0, last))
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let decimals = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{value:.decimals$}")
}

impl Report {
    /// Whether a column lacks a time.
    pub fn lacks(&self, column: &str) -> bool {
        self.rows.iter().any(|row| row.of(column).is_empty() || row.of(column).contains(&None))
    }

    /// Headings and cells.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut head = vec!["shape".to_string(), "job".into(), "threads".into()];
        head.extend(COLUMNS.iter().map(|(_, heading)| heading.to_string()));
        head.extend(RATIOS.iter().map(|(_, _, heading)| heading.to_string()));
        let row = |row: &Row| {
            let mut cells = vec![row.shape.clone(), row.job.clone(), row.threads.to_string()];
            cells.extend(COLUMNS.iter().map(|(column, _)| row.cell(column)));
            cells.extend(RATIOS.iter().map(|(slow, fast, _)| row.ratio(slow, fast)));
            cells
        };
        std::iter::once(head).chain(self.rows.iter().map(row)).collect()
    }

    /// For a terminal.
    pub fn table(&self) -> String {
        let cells = self.cells();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..cells[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let padded: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_string() + "\n"
        };
        cells.iter().map(line).collect()
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = HEAD.to_string();
        let rounds = self.rows.first().and_then(|row| row.seconds.first()).map_or(0, |(_, rounds)| rounds.len());
        let pinned = if self.pinned { "tied to as many processors as threads" } else { "not tied to processors" };
        let load = |load: Option<f64>| load.map_or("unknown".into(), |load| format!("{load:.1}"));
        let _ = writeln!(
            page,
            "Measured on {}: {}; {rounds} rounds, every process {pinned}; load of the machine {} before and {} after.\n",
            self.date,
            self.machine,
            load(self.load[0]),
            load(self.load[1])
        );
        let _ = writeln!(page, "```\n{}\n```\n", self.command);
        for (i, row) in self.cells().iter().enumerate() {
            let _ = writeln!(page, "| {} |", row.join(" | "));
            if i == 0 {
                let _ = writeln!(page, "|{}", "---|".repeat(row.len()));
            }
        }
        page.push_str("\n## Who ran\n\n");
        for (column, threads, about) in &self.peers {
            let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or_default();
            let plural = if *threads == 1 { "" } else { "s" };
            let _ = match about.get("error") {
                Some(_) => writeln!(page, "- {column}, {threads} thread{plural}: missing, {}", text("error")),
                None => writeln!(page, "- {column}, {threads} thread{plural}: {} {}", text("name"), text("version")),
            };
            for (job, variant) in about.get("chosen").and_then(Value::as_object).into_iter().flatten() {
                let parts = variant.as_object().into_iter().flatten();
                let parts: Vec<_> = parts.map(|(k, v)| format!("{k} {}", v.to_string().trim_matches('"'))).collect();
                let _ = writeln!(page, "  - {job}: {}", parts.join(", "));
            }
        }
        page
    }
}

const HEAD: &str = "# The CPU engine against JAX and against the software driver

<!-- Written by `cargo bench --bench engines`; numbers are in benchmarks/engines.json. Change the program, not this page. -->

Two jobs, as training runs them, at two shapes:

- *sampler*: the graph `policyflow_act` over 4096 rows. Base noise and action noise are drawn; the midpoint rule carries the base noise
  through the frozen network; log-density and the critic's value are stored beside the action.
- *step*: one optimiser step on 2048 rows. Rows are gathered in shuffled order and times drawn; frozen and current velocity at the
  interpolated points, clipped ratio loss, Brownian term, entropy, value loss, KL; all gradients, joint norm clipping, AdamW.
- *A*: MultiGoal with the preset `quick` and mish instead of tanh: observation 4, action 2, hidden 32-32, embedding 16, 4 midpoint steps.
- *B*: a quadruped's widths: observation 48, action 12, hidden 128-128-128 (elu), embedding 64, 12 midpoint steps.

A cell is the median over the rounds in milliseconds, GFLOP/s of matrix products, and half the range of the rounds. All columns count the
matrix products of flowmill's graph, so speeds in a row compare times. In every round the programs run one after the other, each in
a process of its own. *X vs Y* is how many times as fast X is as Y: the median of the rounds' ratios, with the smallest and the largest.
*flowmill baseline* is the CPU engine without AVX.

JAX does what a practitioner would write to be fast: one jitted function with donated state, the frozen first layer folded as flowmill
folds it, mish with one exponential, vectors of 512 bits where the processor has them. Where it is not obvious what is faster (a
scan or unrolled steps, blocks of rows, how the times are embedded, tensor by tensor or one vector for AdamW, one step or eight in
a call, the generator), all are timed at the start and the fastest is taken, also where it needs less arithmetic than
flowmill's graph. Its rows come contiguous: nothing is shuffled. Before its times count, losses, gradients, the optimiser's step and samples of
the chosen program are held against the float64 fixtures of tests/reference to 1e-4.
*No draws* is the same JAX program with all random numbers given.

";
