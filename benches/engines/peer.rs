//! A process that is asked for times over its standard streams.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A timed program: jax_peer.py or this program with `--serve`.
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it says of itself.
    pub about: Value,
}

impl Peer {
    /// Starts a program and waits until it is ready.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{}", command.get_program().display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut peer = Self { child, input, output, about: Value::Null };
        let line = peer.line()?;
        let about = line.strip_prefix("ready ").with_context(|| line.trim_start_matches("error: ").to_string())?;
        peer.about = serde_json::from_str(about)?;
        Ok(peer)
    }

    /// Seconds of one run of a job.
    pub fn time(&mut self, shape: &str, job: &str) -> Result<f64> {
        self.ask(&format!("time {shape} {job}"))
    }

    /// The number that answers a question.
    pub fn ask(&mut self, question: &str) -> Result<f64> {
        let input = self.input.as_mut().context("closed")?;
        writeln!(input, "{question}")?;
        let line = self.line()?;
        line.parse().with_context(|| line)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("it has ended: {}", self.child.wait()?);
        }
        Ok(line.trim().to_string())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// `program` on the first `threads` processors that this process may use, where the system has `taskset`.
pub fn pinned(program: &Path, threads: usize) -> Command {
    let Some(processors) = processors(threads) else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", &processors]).arg(program);
    command
}

/// The first processors of this process, as `taskset` wants them; none where it is not there or there are too few.
pub fn processors(count: usize) -> Option<String> {
    Command::new("taskset").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut all = Vec::new();
    for range in allowed.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        all.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    let first: Vec<String> = all.iter().take(count).map(usize::to_string).collect();
    (first.len() == count).then(|| first.join(","))
}
