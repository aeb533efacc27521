//! The loop of `flowmill train`: iterations in, metrics one iteration late, checkpoints and snapshots in between.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flowmill::kernels;
use flowmill::plot::{DATA_FILE, MultiGoalData, draw_run};
use flowmill::report::{Console, MetricsLog, RunDir, Summary, read_metrics};
use flowmill::train::{Checkpoint, EvalNoise, Evaluator, IterationMetrics, Trainer};

use super::Failure;
use super::config::RunConfig;
use super::multigoal;
use super::rows::Rows;

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C ends the work after the iteration under way, by doing `what`; a second one ends the process.
pub fn catch_interrupt(what: &'static str) {
    let stop = move || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\ninterrupted: {what} (again to stop at once)");
    };
    // Without a handler Ctrl-C ends the process at once, which is what remains.
    let _ = ctrlc::set_handler(stop);
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// A run in progress.
pub struct Session {
    /// What trains.
    pub trainer: Trainer,
    /// Its directory.
    pub dir: RunDir,
    /// Its settings, also written into checkpoints.
    pub config: RunConfig,
    /// Where people read.
    pub console: Console,
    /// Iterations between two checkpoints.
    pub checkpoint_every: u64,
    /// Whether to draw at the end.
    pub plots: bool,
    /// Seconds of planning, compilation and warm-up.
    pub seconds_compiling: f64,
    log: MetricsLog,
    rows: Rows,
    /// Seconds of training so far, earlier sessions included.
    seconds: f64,
    last: Option<IterationMetrics>,
    best_return: f64,
    /// Mean return at the best checkpoint.
    best_checkpoint: f64,
    snapshots: MultiGoalData,
    /// Whether the environment has MultiGoal's measures, and they fit.
    measured: bool,
    /// Made for the first snapshot: the first iteration does not wait for its kernels.
    evaluator: Option<Evaluator>,
}

impl Session {
    /// Opens the metric files, after earlier rows where the trainer was restored.
    pub fn new(
        trainer: Trainer,
        dir: RunDir,
        config: RunConfig,
        console: Console,
        (checkpoint_every, plots): (u64, bool),
    ) -> Result<Self, Failure> {
        let rows = Rows::new(&config.algorithm);
        let done = trainer.iteration();
        let (mut seconds, mut best) = (0.0, f64::NEG_INFINITY);
        let earlier = dir.path().join("metrics.csv").is_file();
        let log = if earlier {
            let log = MetricsLog::resume(&dir, &rows.columns(), done + 1)?;
            let table = read_metrics(dir.path())?;
            seconds = table.seconds.last().copied().unwrap_or(0.0);
            let returns = table.column("Train/mean_reward").unwrap_or_default();
            best = returns.iter().copied().fold(best, f64::max);
            log
        } else {
            MetricsLog::create(&dir, &rows.columns())?
        };
        let best_file = dir.checkpoints().join("best.safetensors");
        let best_checkpoint =
            if best_file.is_file() { Checkpoint::load(&best_file)?.last_return.0 } else { f64::NEG_INFINITY };
        let mut snapshots = MultiGoalData::default();
        let measured = multigoal::applies(&trainer.environment().manifest);
        if measured {
            let path = dir.plots().join(DATA_FILE);
            if path.is_file() {
                snapshots = MultiGoalData::load(&path)?;
                snapshots.snapshots.retain(|snapshot| snapshot.iteration <= done);
            }
        }
        let handwritten = kernels::of_run(config.algorithm.train().normalize_observations).count();
        let kernels = trainer.agent().prepare.len() + 3 + 2 + handwritten;
        let seconds_compiling = trainer.compile_seconds();
        let _ = console.compiled(kernels, seconds_compiling);
        Ok(Self {
            trainer,
            dir,
            config,
            console,
            checkpoint_every,
            plots,
            seconds_compiling,
            log,
            rows,
            seconds,
            last: None,
            best_return: best,
            best_checkpoint,
            snapshots,
            measured,
            evaluator: None,
        })
    }

    /// Trains to the end or to Ctrl-C; returns the summary and whether it was interrupted.
    pub fn train(&mut self) -> Result<(Summary, bool), Failure> {
        let total = self.rows.iterations;
        while self.trainer.iteration() < total && !interrupted() {
            // One iteration under way keeps the device busy while the host records the next.
            while self.trainer.under_way() > 1 {
                self.collect()?;
                std::thread::sleep(Duration::from_micros(500));
            }
            self.trainer.step()?;
            self.collect()?;
            let done = self.trainer.iteration();
            if self.due(done) && done < total {
                self.pause(done)?;
            }
        }
        let done = self.trainer.iteration();
        self.pause(done)?;
        let stopped = done < total;
        let summary = self.summary();
        summary.write(&self.dir)?;
        if self.plots {
            for file in draw_run(&self.dir)? {
                let _ = self.console.text(&format!("wrote {}\n", file.display()));
            }
        }
        Ok((summary, stopped))
    }

    /// Whether a checkpoint or a snapshot follows this iteration.
    fn due(&self, done: u64) -> bool {
        done.is_multiple_of(self.checkpoint_every) || (self.measured && self.snapshot_due(done))
    }

    /// After each quarter of the run.
    fn snapshot_due(&self, done: u64) -> bool {
        (1..=4).any(|quarter| done == (self.rows.iterations * quarter).div_ceil(4))
    }

    /// Between two iterations: everything that waits for the device. Its seconds are not training's.
    fn pause(&mut self, done: u64) -> Result<(), Failure> {
        for metrics in self.trainer.drain()? {
            self.record(metrics)?;
        }
        let last = done == self.rows.iterations || interrupted();
        if last || done.is_multiple_of(self.checkpoint_every) {
            self.checkpoint(done)?;
        }
        if self.snapshot_due(done)
            && self.snapshots.snapshots.iter().all(|s| s.iteration != done)
            && self.compile_evaluator()?
            && let Some(evaluator) = &self.evaluator
        {
            let snapshot = multigoal::snapshot(evaluator, self.trainer.engine(), self.config.seed, done)?;
            let (ends, first) = multigoal::measure(&snapshot);
            let _ = self.console.text(&format!("after {done}: {}\n", multigoal::describe(&ends, &first)));
            self.snapshots.snapshots.push(snapshot);
            self.snapshots.save(&self.dir.plots().join(DATA_FILE))?;
        }
        Ok(())
    }

    /// Makes the evaluator if there is none yet; whether there is one. One that does not fit is a warning, once.
    fn compile_evaluator(&mut self) -> Result<bool, Failure> {
        if !self.measured || self.evaluator.is_some() {
            return Ok(self.measured);
        }
        let started = Instant::now();
        let buffers = self.trainer.parameter_buffers();
        let parts = self.trainer.split();
        let made = Evaluator::new(parts, buffers, EvalNoise::Sample, multigoal::ENVS, multigoal::SAMPLES);
        // Some drivers compile at the first dispatch: counted here, with the rest of the compilation.
        let tried = made.and_then(|made| made.run(self.trainer.engine(), 1, 1, self.config.seed, 0).map(|_| made));
        match tried {
            Ok(made) => self.evaluator = Some(made),
            Err(error) if multigoal::does_not_fit(&error) => {
                eprintln!("warning: MultiGoal's measures are skipped: {}", Failure::from(error));
                self.measured = false;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        let seconds = started.elapsed().as_secs_f64();
        self.seconds_compiling += seconds;
        let _ = self.console.compiled(self.trainer.agent().prepare.len() + 3, seconds);
        Ok(true)
    }

    fn checkpoint(&mut self, done: u64) -> Result<(), Failure> {
        let mut checkpoint = self.trainer.checkpoint()?;
        checkpoint.config = self.config.to_toml();
        let folder = self.dir.checkpoints();
        let path = |name: &str| -> PathBuf { folder.join(format!("{name}.safetensors")) };
        let value = checkpoint.last_return.0;
        // The best of those written: a better iteration in between would cost a wait each time.
        if value > self.best_checkpoint || !path("best").is_file() {
            self.best_checkpoint = value;
            checkpoint.save(&path("best"))?;
        }
        checkpoint.save(&path(&format!("iteration-{done:06}")))?;
        checkpoint.save(&path("latest"))?;
        Ok(())
    }

    fn collect(&mut self) -> Result<(), Failure> {
        for metrics in self.trainer.finished()? {
            self.record(metrics)?;
        }
        Ok(())
    }

    fn record(&mut self, metrics: IterationMetrics) -> Result<(), Failure> {
        self.seconds += metrics.collection_seconds + metrics.learning_seconds;
        let report = self.rows.report(&metrics, self.seconds);
        self.log.write(&self.rows.row(&metrics, &report))?;
        let _ = self.console.iteration(&report);
        self.best_return = self.best_return.max(metrics.mean_return);
        self.last = Some(metrics);
        Ok(())
    }

    fn summary(&mut self) -> Summary {
        let train = self.config.algorithm.train();
        let iterations = self.trainer.iteration();
        let summary = Summary {
            final_return: self.last.as_ref().map(|metrics| metrics.mean_return),
            best_return: Some(self.best_return),
            env_steps: iterations * (train.num_envs * train.horizon) as u64,
            iterations,
            seconds_training: self.seconds,
            seconds_compiling: self.seconds_compiling,
            adapter: self.trainer.engine().adapter().name.clone(),
            ..Summary::default()
        };
        match self.snapshots.snapshots.last().filter(|snapshot| snapshot.iteration == iterations) {
            Some(snapshot) => {
                let (ends, first) = multigoal::measure(snapshot);
                summary.with_multigoal(&ends, &first)
            }
            None => summary,
        }
    }
}
