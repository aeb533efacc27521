//! What training says while it runs: rsl_rl's block on a terminal, one line an iteration elsewhere.

use std::io::{self, IsTerminal, Write};

/// Width of the block (rsl_rl `utils/logger.py`).
const WIDTH: usize = 80;
/// Labels end, right-aligned, at this column.
const LABEL_END: usize = 40;

/// The numbers of one iteration that a person wants to see. NaN means not known yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IterationReport {
    /// Iterations finished, this one included: the last line reads `40/40`.
    pub iteration: u64,
    /// Iterations that the run will have.
    pub iterations: u64,
    /// Environment steps since the run began, over all environments.
    pub env_steps: u64,
    /// Environment steps of this iteration.
    pub iteration_steps: u64,
    /// Seconds of training since the run began, earlier sessions included, compilation excluded.
    pub seconds: f64,
    /// Seconds of this iteration in the rollout, policy included.
    pub collection_seconds: f64,
    /// Seconds of this iteration in the update.
    pub learning_seconds: f64,
    /// Seconds of this iteration in environment kernels alone, where a profile knows them.
    pub env_seconds: Option<f64>,
    /// Mean return of the episodes that ended lately.
    pub mean_return: f64,
    /// Mean length of those episodes, in steps.
    pub mean_length: f64,
    /// Name and value of each loss term, e.g. `value`, `surrogate`, `brownian`.
    pub losses: Vec<(String, f64)>,
    /// Mean KL divergence of the update.
    pub kl: f64,
    /// Learning rate after the update.
    pub learning_rate: f64,
    /// Mean standard deviation of the residual Gaussian.
    pub mean_std: f64,
    /// Further labels and values, shown last (`episode` extras, memory ...).
    pub extras: Vec<(String, f64)>,
}

impl IterationReport {
    /// Seconds of this iteration.
    fn iteration_seconds(&self) -> f64 {
        self.collection_seconds + self.learning_seconds
    }

    /// Environment steps per second of rollout and update.
    pub fn total_fps(&self) -> f64 {
        self.rate(self.iteration_seconds())
    }

    /// Environment steps per second of the rollout: environment and policy.
    pub fn env_policy_fps(&self) -> f64 {
        self.rate(self.collection_seconds)
    }

    /// Environment steps per second of the environment alone, where it was measured.
    pub fn env_fps(&self) -> Option<f64> {
        self.env_seconds.map(|seconds| self.rate(seconds))
    }

    /// Seconds to go: elapsed over done times remaining, as rsl_rl estimates it.
    pub fn eta_seconds(&self) -> f64 {
        let remaining = self.iterations.saturating_sub(self.iteration) as f64;
        if self.iteration == 0 { f64::NAN } else { self.seconds / self.iteration as f64 * remaining }
    }

    fn rate(&self, seconds: f64) -> f64 {
        if seconds > 0.0 { self.iteration_steps as f64 / seconds } else { f64::NAN }
    }

    /// rsl_rl's block, ending in a newline; `bold` puts its title in bold type.
    pub fn block(&self, run_name: &str, bold: bool) -> String {
        let title = format!("Learning iteration {}/{}", self.iteration, self.iterations);
        let title = format!("{title:^WIDTH$}");
        let title = if bold { format!("\x1b[1m{title}\x1b[0m") } else { title };
        let mut out = format!("{}\n{title}\n\n", "#".repeat(WIDTH));
        let mut line = |label: &str, value: String| labelled(&mut out, label, &value);
        line("Run name", run_name.to_owned());
        line("Total steps", self.env_steps.to_string());
        line("Steps per second", whole(self.total_fps()));
        line("env + policy", whole(self.env_policy_fps()));
        if let Some(fps) = self.env_fps() {
            line("env", whole(fps));
        }
        line("Collection time", format!("{:.3}s", self.collection_seconds));
        line("Learning time", format!("{:.3}s", self.learning_seconds));
        for (name, value) in &self.losses {
            line(&format!("Mean {name} loss"), fixed(*value, 4));
        }
        line("Mean KL", fixed(self.kl, 4));
        line("Learning rate", scientific(self.learning_rate));
        line("Mean reward", fixed(self.mean_return, 2));
        line("Mean episode length", fixed(self.mean_length, 2));
        line("Mean action std", fixed(self.mean_std, 2));
        for (name, value) in &self.extras {
            line(name, fixed(*value, 4));
        }
        out.push_str(&"-".repeat(WIDTH));
        out.push('\n');
        let mut line = |label: &str, value: String| labelled(&mut out, label, &value);
        line("Iteration time", format!("{:.2}s", self.iteration_seconds()));
        line("Time elapsed", format_duration(self.seconds));
        line("ETA", format_duration(self.eta_seconds()));
        out
    }

    /// The same in one line, for logs and pipes, ending in a newline.
    pub fn line(&self) -> String {
        let width = self.iterations.to_string().len();
        let mut out = format!("iter {:>width$}/{}", self.iteration, self.iterations);
        let mut add = |text: String| {
            out.push_str("  ");
            out.push_str(&text);
        };
        add(format!("steps {}", format_si(self.env_steps as f64)));
        add(format!("reward {}", fixed(self.mean_return, 2)));
        add(format!("length {}", fixed(self.mean_length, 1)));
        for (name, value) in &self.losses {
            add(format!("{name} {}", fixed(*value, 4)));
        }
        add(format!("kl {}", fixed(self.kl, 4)));
        add(format!("lr {}", scientific(self.learning_rate)));
        add(format!("std {}", fixed(self.mean_std, 2)));
        let env = self.env_fps().map_or(String::new(), |fps| format!("{} env, ", format_si(fps)));
        let (policy, total) = (format_si(self.env_policy_fps()), format_si(self.total_fps()));
        add(format!("steps/s {total} ({env}{policy} env + policy)"));
        add(format_duration(self.seconds));
        add(format!("eta {}", format_duration(self.eta_seconds())));
        out.push('\n');
        out
    }
}

/// What the first line of a run names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceLine {
    /// Adapter name.
    pub adapter: String,
    /// `vulkan`, `metal`, `dx12` ...
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// Arithmetic of the kernels, e.g. `f32`.
    pub precision: String,
}

impl DeviceLine {
    /// `adapter NVIDIA H200 · backend vulkan · driver NVIDIA 570.1 · precision f32`, ending in a newline.
    pub fn line(&self) -> String {
        let Self { adapter, backend, driver, precision } = self;
        format!("adapter {adapter} · backend {backend} · driver {driver} · precision {precision}\n")
    }
}

/// How iterations are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// rsl_rl's block, with a bold title.
    Block,
    /// One line an iteration.
    Line,
}

/// Human text of a run. It goes to standard output, or to standard error when `--json` claims standard output.
#[derive(Debug, Clone)]
pub struct Console {
    to_stderr: bool,
    layout: Layout,
    run_name: String,
}

impl Console {
    /// Chooses the stream by `json` and the layout by whether that stream is a terminal.
    pub fn new(run_name: &str, json: bool) -> Self {
        let terminal = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let layout = if terminal { Layout::Block } else { Layout::Line };
        Self { to_stderr: json, layout, run_name: run_name.to_owned() }
    }

    /// The layout chosen.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The first line of a run.
    ///
    /// # Errors
    /// When the stream is closed; callers may go on without a console.
    pub fn device(&self, device: &DeviceLine) -> io::Result<()> {
        self.text(&device.line())
    }

    /// Seconds of shader compilation, shown apart from training.
    ///
    /// # Errors
    /// When the stream is closed.
    pub fn compiled(&self, kernels: usize, seconds: f64) -> io::Result<()> {
        self.text(&format!("compiled {kernels} kernels in {seconds:.1} s (not counted as training)\n"))
    }

    /// One iteration.
    ///
    /// # Errors
    /// When the stream is closed.
    pub fn iteration(&self, report: &IterationReport) -> io::Result<()> {
        match self.layout {
            Layout::Block => self.text(&report.block(&self.run_name, true)),
            Layout::Line => self.text(&report.line()),
        }
    }

    /// Any other text, newline included.
    ///
    /// # Errors
    /// When the stream is closed.
    pub fn text(&self, text: &str) -> io::Result<()> {
        if self.to_stderr {
            io::stderr().lock().write_all(text.as_bytes())
        } else {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        }
    }
}

/// `h:mm:ss`, rounded down; `-` when not known.
pub fn format_duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".to_owned();
    }
    let whole = seconds as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// Three significant digits with k, M or G: `131k`, `1.57M`; `-` when not finite.
pub fn format_si(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let (mut scaled, mut suffixes) = (value, ["", "k", "M", "G", "T"].iter());
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    // 999.5 and more would print as 1000
    while scaled.abs() >= 999.5 {
        let Some(next) = suffixes.next() else { break };
        scaled /= 1000.0;
        suffix = next;
    }
    let digits = match scaled.abs() {
        _ if suffix.is_empty() && scaled.fract() == 0.0 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{suffix}")
}

/// One line of the block.
fn labelled(out: &mut String, label: &str, value: &str) {
    let label = format!("{label}:");
    out.push_str(&format!("{label:>LABEL_END$} {value}\n"));
}

fn whole(value: f64) -> String {
    fixed(value, 0)
}

fn fixed(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "-".to_owned() }
}

fn scientific(value: f64) -> String {
    if value.is_finite() { format!("{value:.2e}") } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> IterationReport {
        IterationReport {
            iteration: 10,
            iterations: 40,
            env_steps: 1_310_720,
            iteration_steps: 131_072,
            seconds: 20.0,
            collection_seconds: 0.5,
            learning_seconds: 1.5,
            env_seconds: Some(0.1),
            mean_return: 5.125,
            mean_length: 48.25,
            losses: vec![("value".into(), 0.0412), ("surrogate".into(), -0.0081)],
            kl: 0.0098,
            learning_rate: 1.2e-3,
            mean_std: 0.82,
            extras: vec![],
        }
    }

    #[test]
    fn the_block_is_eighty_wide_with_labels_ending_at_column_forty() {
        let block = report().block("multigoal-policyflow-s1", false);
        let lines: Vec<&str> = block.lines().collect();
        assert_eq!(lines[0], "#".repeat(80));
        assert_eq!(lines[1].len(), 80);
        assert_eq!(lines[1].trim(), "Learning iteration 10/40");
        assert!(lines.contains(&"-".repeat(80).as_str()));
        let labelled: Vec<&&str> = lines.iter().filter(|line| line.contains(':')).collect();
        assert!(labelled.len() > 12);
        for line in labelled {
            assert_eq!(&line[39..41], ": ", "{line}");
        }
        for expected in ["Total steps: 1310720", "Steps per second: 65536", "env + policy: 262144", "env: 1310720"] {
            assert!(block.contains(expected), "{expected} in\n{block}");
        }
        assert!(block.contains("Mean value loss: 0.0412") && block.contains("ETA: 0:01:00"));
    }

    #[test]
    fn the_line_is_one_line_with_the_three_rates_and_the_eta() {
        let line = report().line();
        assert_eq!(line.matches('\n').count(), 1);
        for expected in ["iter 10/40", "steps 1.31M", "reward 5.12", "steps/s 65.5k (1.31M env, 262k env + policy)"] {
            assert!(line.contains(expected), "{expected} in {line}");
        }
        assert!(line.trim_end().ends_with("0:00:20  eta 0:01:00"), "{line}");
    }

    #[test]
    fn unknown_numbers_are_dashes_in_both_layouts() {
        let report = IterationReport { mean_return: f64::NAN, iterations: 5, ..IterationReport::default() };
        assert!(report.block("r", true).contains("Mean reward: -\n"));
        assert!(report.block("r", true).contains("ETA: -\n"));
        assert!(report.line().contains("reward -  "));
    }

    #[test]
    fn si_numbers_keep_three_digits() {
        let cases = [(0.0, "0"), (7.0, "7"), (0.125, "0.12"), (999.4, "999"), (999.6, "1.00k"), (131_072.0, "131k")];
        for (value, expected) in cases.into_iter().chain([(1.57e6, "1.57M"), (65_536_000.0, "65.5M"), (2e9, "2.00G")]) {
            assert_eq!(format_si(value), expected);
        }
        assert_eq!(format_si(f64::NAN), "-");
    }
}
