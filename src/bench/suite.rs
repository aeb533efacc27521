//! Measures the rows of a suite, one after the other; what is compared, in turn.

use std::time::Duration;

use super::BenchError;
use super::ceilings::{Ceilings, measure};
use super::clock::Samples;
use super::measuring::Measuring;
use super::row::{Row, Unit};
use super::shapes::Shape;
use super::tasks::{Ceiling, Job, Part, Task, select, tasks};
use crate::engine::{AdapterSummary, Engine, EngineError, EngineOptions, Recording};

/// What to measure and how.
#[derive(Clone, Debug)]
pub struct SuiteOptions {
    /// The adapter.
    pub engine: EngineOptions,
    /// Which rows.
    pub part: Part,
    /// Only rows whose names contain this.
    pub filter: Option<String>,
    /// Environments of a shape; by default as many as suit the adapter.
    pub envs: Option<usize>,
    /// Time of a row; whole iterations get ten times as much.
    pub length: Duration,
}

/// What a suite tells while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// What is done next.
    Doing(&'a str),
    /// A row is done.
    Row(&'a Row),
}

/// What is done with a kernel: given its row's name, its engine, and one dispatch of it.
pub type KernelRun<'a> = dyn FnMut(&str, &mut Engine, &Recording) -> Result<(), EngineError> + 'a;

/// Rows that are about to be measured.
#[derive(Debug)]
pub struct Suite {
    pub(super) options: SuiteOptions,
    adapter: AdapterSummary,
    pub(super) shapes: [Shape; 2],
    pub(super) tasks: Vec<Task>,
}

impl Suite {
    /// Looks the adapter up and plans; compiles and measures nothing.
    pub fn new(options: SuiteOptions) -> Result<Self, BenchError> {
        let adapter = Engine::new(&options.engine)?.adapter().clone();
        let shapes = Shape::all(adapter.kind, options.envs)?;
        let all = tasks(options.part, &adapter, &shapes)?;
        let tasks = match &options.filter {
            Some(filter) => select(all, filter)?,
            None => all,
        };
        Ok(Self { options, adapter, shapes, tasks })
    }

    /// The adapter.
    pub fn adapter(&self) -> &AdapterSummary {
        &self.adapter
    }

    /// Environments of a shape.
    pub fn envs(&self) -> usize {
        self.shapes[0].envs()
    }

    /// Names of the rows, in the order in which they are measured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|task| task.name.as_str())
    }

    /// Measures every row; also returns the seconds of planning and compilation, which are in no row.
    pub fn run(&self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(Vec<Row>, f64), BenchError> {
        tell(Event::Doing("ceilings of the adapter"));
        let ceilings = (0..3).map(|_| self.ceilings()).collect::<Result<Vec<_>, _>>()?;
        let middle = |of: fn(&Ceilings) -> f64| Samples::new(ceilings.iter().map(of).collect());
        // A ceiling is what the adapter can do: other work on the machine only takes from it.
        let best = |of: fn(&Ceilings) -> f64| ceilings.iter().map(of).fold(0.0, f64::max);
        let limits = [best(|c| c.fma_gflops), best(|c| c.copy_gbytes)];
        let mut measuring = Measuring::new(self, limits);
        let mut rows: Vec<Row> = Vec::new();
        for task in &self.tasks {
            tell(Event::Doing(&task.name));
            let name = task.name.as_str();
            let row = match &task.job {
                Job::Ceiling(Ceiling::Fma) => Row::new(name, Unit::Gflops, &middle(|c| c.fma_gflops)),
                Job::Ceiling(Ceiling::Copy) => Row::new(name, Unit::Gbytes, &middle(|c| c.copy_gbytes)),
                Job::Ceiling(Ceiling::EmptyDispatch) => {
                    Row::new(name, Unit::Microseconds, &middle(|c| c.empty_dispatch_us))
                }
                Job::Ceiling(Ceiling::SubmitWait) => Row::new(name, Unit::Microseconds, &middle(|c| c.submit_wait_us)),
                Job::Control => {
                    measuring.leave();
                    let before = middle(|c| c.fma_gflops);
                    let after = (0..3).map(|_| Ok(self.ceilings()?.fma_gflops)).collect::<Result<_, BenchError>>()?;
                    let after = Samples::new(after).median();
                    Row::ratio(name, &before.map(|rate| rate / after), Some(1.0))
                }
                Job::Environment { name: environment, reset } => measuring.environment(name, environment, *reset)?,
                job @ (Job::Network { .. } | Job::Kernel { .. }) => measuring.kernel(name, job)?,
                Job::Rollout { shape, algorithm } => measuring.rollout(name, *shape, algorithm)?,
                // Those that stand behind one another are measured together.
                Job::Iteration { .. } | Job::Overhead { .. } if rows.iter().any(|row| row.name == name) => continue,
                Job::Iteration { shape, .. } | Job::Overhead { shape } => {
                    for row in measuring.iterations(*shape)? {
                        tell(Event::Row(&row));
                        rows.push(row);
                    }
                    continue;
                }
                Job::TwiceEnvironments { shape } => measuring.twice_environments(name, *shape)?,
                Job::TwiceSteps { shape } => measuring.twice_steps(name, *shape)?,
            };
            tell(Event::Row(&row));
            rows.push(row);
        }
        Ok((rows, measuring.seconds_compiling()))
    }

    /// Prepares every kernel of the rows and hands it out. What it has written meanwhile is put back.
    pub fn kernels(&self, each: &mut KernelRun<'_>) -> Result<(), BenchError> {
        let mut measuring = Measuring::new(self, [0.0; 2]);
        for Task { name, job } in &self.tasks {
            if matches!(job, Job::Network { .. } | Job::Kernel { .. }) {
                let (bed, alone) = measuring.alone(job)?;
                bed.kept(&alone, |engine| each(name, engine, &alone))?;
            }
        }
        Ok(())
    }

    /// An engine.
    pub(super) fn open(&self) -> Result<Engine, BenchError> {
        Ok(Engine::new(&self.options.engine)?)
    }

    /// On an engine of its own, because what it allocates stays.
    fn ceilings(&self) -> Result<Ceilings, BenchError> {
        Ok(measure(&mut self.open()?)?)
    }
}
