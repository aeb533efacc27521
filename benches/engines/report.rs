//! What was measured: as a file, as a table, as the page docs/engines.md.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::figures::{self, digits, range};

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
        figures::ratio(self.of(slow), self.of(fast))
    }
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
        figures::aligned(&self.cells())
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = HEAD.to_string();
        let rounds = self.rows.first().and_then(|row| row.seconds.first()).map_or(0, |(_, rounds)| rounds.len());
        let pinned = if self.pinned { "tied to as many processors as threads" } else { "not tied to processors" };
        let _ = writeln!(
            page,
            "Measured on {}: {}; {rounds} rounds, every process {pinned}; load of the machine {} before and {} after.\n",
            self.date,
            self.machine,
            figures::load(self.load[0]),
            figures::load(self.load[1])
        );
        let _ = writeln!(page, "```\n{}\n```\n", self.command);
        page.push_str(&figures::markdown(&self.cells()));
        page.push_str(&figures::who_ran(&self.peers));
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
