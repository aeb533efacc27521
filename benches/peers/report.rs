//! What was measured: as a file, as a table, as the page docs/peers.md.

use std::fmt::Write;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::figures::{self, digits, range};
use crate::trainings::{ALGORITHMS, GRADIENTS, sizes, training};
use crate::{Args, programs};

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
    /// Whether everything ran on a GPU.
    pub gpu: bool,
    /// Measurements of each cell.
    pub rounds: usize,
    /// What every program says of itself, or why it is missing; by program and threads.
    pub peers: Vec<(String, usize, Value)>,
    /// A row for each shape, job and number of threads.
    pub rows: Vec<Row>,
}

/// Times of a job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    pub shape: String,
    /// `policyflow`, `ppo`: whole iterations; `gradients`: loss and gradients of a minibatch of PolicyFlow.
    pub job: String,
    pub threads: usize,
    /// Environment steps of an iteration; rows of the minibatch.
    pub samples: usize,
    /// Seconds of every round by program; none where it failed.
    pub seconds: Vec<(String, Vec<Option<f64>>)>,
}

/// All rows, without times.
pub fn rows(args: &Args) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for shape in &args.shapes {
        for job in ALGORITHMS.into_iter().chain([GRADIENTS]) {
            let whole = job != GRADIENTS;
            let (_, algorithm) = training(shape, if whole { job } else { "policyflow" }, args.toy)?;
            let (minibatch, iteration) = sizes(&algorithm);
            for &threads in &args.threads {
                let (shape, job) = (shape.clone(), job.to_string());
                let samples = if whole { iteration } else { minibatch };
                rows.push(Row { shape, job, threads, samples, seconds: Vec::new() });
            }
        }
    }
    Ok(rows)
}

impl Row {
    fn of(&self, column: &str) -> &[Option<f64>] {
        self.seconds.iter().find(|(name, _)| name == column).map_or(&[], |(_, seconds)| seconds)
    }

    /// Milliseconds, thousands of samples a second and half the spread of the rounds.
    fn cell(&self, column: &str) -> String {
        let Some((low, middle, high)) = range(self.of(column).iter().flatten().copied().collect()) else {
            return "-".into();
        };
        let speed = self.samples as f64 / middle / 1e3;
        format!("{} ms, {} ±{:.0} %", digits(middle * 1e3), digits(speed), (high - low) / middle * 50.0)
    }

    /// Median of the rounds' ratios to another program or row.
    fn median(&self, slow: &str, fast: &str) -> Option<f64> {
        let pairs = self.of(slow).iter().zip(self.of(fast));
        Some(range(pairs.filter_map(|(slow, fast)| Some((*slow)? / (*fast)?)).collect())?.1)
    }
}

/// Headings of the programs.
fn heading(column: &str) -> &str {
    match column {
        "jax" => "JAX",
        "torch" => "PyTorch",
        "software" => "flowmill, software driver",
        "burn" => "Burn",
        other => other,
    }
}

impl Report {
    /// Whether a program lacks a time.
    pub fn lacks(&self, column: &str) -> bool {
        self.rows.iter().any(|row| row.of(column).is_empty() || row.of(column).contains(&None))
    }

    /// Programs that have a time.
    fn columns(&self) -> Vec<&'static str> {
        let timed = |column: &&str| self.rows.iter().any(|row| row.of(column).iter().any(Option::is_some));
        programs::COLUMNS.into_iter().filter(timed).collect()
    }

    /// Slow and fast program of each ratio: every other framework against flowmill on the same hardware.
    fn ratios(&self) -> Vec<(&'static str, &'static str)> {
        let columns = self.columns();
        let against = |peer: &&str| ["jax", "torch", "burn"].contains(peer);
        let here = |peer| if peer == "burn" && !self.gpu { "software" } else { "flowmill" };
        columns.into_iter().filter(against).map(|peer| (peer, here(peer))).collect()
    }

    /// Headings and cells of all jobs.
    fn cells(&self) -> Vec<Vec<String>> {
        let (columns, ratios) = (self.columns(), self.ratios());
        let mut head = vec!["shape".to_string(), "job".into(), "threads".into()];
        head.extend(columns.iter().map(|column| heading(column).to_string()));
        head.extend(ratios.iter().map(|(peer, _)| format!("vs {}", heading(peer))));
        let row = |row: &Row| {
            let mut cells = vec![row.shape.clone(), row.job.clone(), row.threads.to_string()];
            cells.extend(columns.iter().map(|column| row.cell(column)));
            cells.extend(ratios.iter().map(|(slow, fast)| figures::ratio(row.of(slow), row.of(fast))));
            cells
        };
        std::iter::once(head).chain(self.rows.iter().map(row)).collect()
    }

    /// Headings and cells of PolicyFlow's iteration against PPO's, within each program and here against there.
    fn overhead(&self) -> Vec<Vec<String>> {
        let columns: Vec<_> = self.columns().into_iter().filter(|c| *c != "burn").collect();
        let mut head = vec!["shape".to_string(), "threads".into()];
        head.extend(columns.iter().map(|column| format!("{}: PolicyFlow / PPO", heading(column))));
        let peers: Vec<_> = columns.iter().filter(|c| ["jax", "torch"].contains(c)).collect();
        head.extend(peers.iter().map(|column| format!("PolicyFlow here / PPO in {}", heading(column))));
        let mut cells = vec![head];
        for flow in self.rows.iter().filter(|row| row.job == "policyflow") {
            let same = |row: &&Row| row.job == "ppo" && row.shape == flow.shape && row.threads == flow.threads;
            let Some(ppo) = self.rows.iter().find(same) else { continue };
            let mut line = vec![flow.shape.clone(), flow.threads.to_string()];
            line.extend(columns.iter().map(|column| figures::ratio(flow.of(column), ppo.of(column))));
            line.extend(peers.iter().map(|column| figures::ratio(flow.of("flowmill"), ppo.of(column))));
            cells.push(line);
        }
        cells
    }

    /// For a terminal.
    pub fn table(&self) -> String {
        format!("{}\n{}", figures::aligned(&self.cells()), figures::aligned(&self.overhead()))
    }

    /// The page about some runs.
    pub fn page(reports: &[Self]) -> String {
        reports.iter().fold(HEAD.to_string(), |page, report| page + &report.section())
    }

    /// The part of the page about one run.
    fn section(&self) -> String {
        let mut shapes: Vec<&str> = self.rows.iter().map(|row| row.shape.as_str()).collect();
        shapes.dedup();
        let mut page = format!("\n## {}\n\n", shapes.join(", "));
        let pinned = if self.pinned { "tied to as many processors as threads" } else { "not tied to processors" };
        let _ = writeln!(
            page,
            "Measured on {}: {}; {} rounds, every process {pinned}; load of the machine {} before and {} after.\n",
            self.date,
            self.machine,
            self.rounds,
            figures::load(self.load[0]),
            figures::load(self.load[1])
        );
        let _ = writeln!(page, "```\n{}\n```\n", self.command);
        page.push_str(&figures::markdown(&self.cells()));
        page.push_str("\n### PolicyFlow against PPO\n\nTime of an iteration over time of an iteration: below 1 the first is faster.\n\n");
        page.push_str(&figures::markdown(&self.overhead()));
        page.push_str(&self.faster_peers());
        page.push_str(&figures::who_ran(&self.peers).replace("## ", "### "));
        page
    }

    /// The rows in which another program is faster, with the reason.
    fn faster_peers(&self) -> String {
        let mut text = String::from("\n### Where another program is faster\n\n");
        let begin = text.len();
        for (peer, here) in self.ratios() {
            for row in &self.rows {
                let Some(ratio) = row.median(peer, here).filter(|ratio| *ratio < 1.0) else { continue };
                let plural = if row.threads == 1 { "" } else { "s" };
                let _ = writeln!(
                    text,
                    "- {} {}, {} thread{plural}: {} is {} times as fast. {}",
                    row.shape,
                    row.job,
                    row.threads,
                    heading(peer),
                    digits(1.0 / ratio),
                    reason(peer, &row.shape)
                );
            }
        }
        if text.len() == begin {
            text.push_str("In no row of this run.\n");
        }
        text
    }
}

/// Why a program can be faster at a shape.
fn reason(peer: &str, shape: &str) -> &'static str {
    match (peer, shape) {
        ("burn", _) => {
            "Burn tries several matrix kernels on the adapter at the start and keeps the fastest; flowmill has one, planned for the shape."
        }
        (_, "multigoal") => {
            "Its minibatch of narrow layers stays in the cache, so that neither program waits for memory."
        }
        _ => {
            "In layers this wide nearly all time is matrix products over a whole minibatch, and its library's are close to the \
             processor's peak; flowmill's update writes the operands of the weight gradients to memory and reads them back."
        }
    }
}

const HEAD: &str = include_str!("page.md");
