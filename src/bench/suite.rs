//! Measures the rows of a suite, one after the other; what is compared, in turn.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::BenchError;
use super::ceilings::{Ceilings, measure};
use super::clock::Samples;
use super::measuring::Measuring;
use super::peer::python;
use super::physics::{self, Physics};
use super::row::{Row, Unit};
use super::shapes::Shape;
use super::tasks::{CONTROL, Ceiling, Job, Models, Part, Task, select, tasks};
use crate::engine::{AdapterSummary, Engine, EngineError, EngineOptions, Recording};
use crate::env::{EnvError, EnvKernels, load};

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
    /// A Python with MuJoCo, to time its steps beside those of physics; by default `python3`, where that has it.
    pub python: Option<PathBuf>,
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
    /// A row has none: its name and why.
    Failed(&'a str, &'a BenchError),
}

/// What a suite has measured.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Results {
    /// The rows.
    pub rows: Vec<Row>,
    /// What makes the rows less than they seem.
    pub warnings: Vec<String>,
    /// Rows that could not be measured, each with the reason.
    pub failures: Vec<String>,
    /// Seconds of planning and compilation, which are in no row.
    pub seconds_compiling: f64,
}

/// What is done with a kernel: given its row's name, its engine, and one dispatch of it.
pub type KernelRun<'a> = dyn FnMut(&str, &mut Engine, &Recording) -> Result<(), EngineError> + 'a;

/// Rows that are about to be measured.
#[derive(Debug)]
pub struct Suite {
    pub(super) options: SuiteOptions,
    adapter: AdapterSummary,
    pub(super) shapes: [Shape; 2],
    pub(super) models: Models,
    pub(super) tasks: Vec<Task>,
    /// Environments that do not compile.
    warnings: Vec<String>,
    seconds_planning: f64,
}

impl Suite {
    /// Looks the adapter up and plans; compiles and measures nothing. An environment that cannot be compiled has no rows, only a
    /// warning, unless nothing else is asked for.
    pub fn new(options: SuiteOptions) -> Result<Self, BenchError> {
        let started = Instant::now();
        let adapter = Engine::new(&options.engine)?.adapter().clone();
        let shapes = Shape::all(adapter.kind, options.envs)?;
        let models = match options.part {
            Part::Physics | Part::All => Models {
                files: physics::models(),
                batches: options.envs.map_or(physics::BATCHES.to_vec(), |envs| vec![envs]),
                python: python(options.python.as_deref())?,
            },
            _ => Models::default(),
        };
        let all = tasks(options.part, &adapter, &shapes, &models)?;
        let mut tasks = match &options.filter {
            Some(filter) => select(all, filter)?,
            None => all,
        };
        let mut warnings = Vec::new();
        for (name, error) in broken(&tasks) {
            tasks.retain(|task| !matches!(&task.job, Job::Environment { name: other, .. } if *other == name));
            if tasks.is_empty() {
                return Err(error.into());
            }
            let error = error.to_string();
            warnings.push(format!("no rows of environment {name}: {}", error.lines().next().unwrap_or_default()));
        }
        let seconds_planning = started.elapsed().as_secs_f64();
        Ok(Self { options, adapter, shapes, models, tasks, warnings, seconds_planning })
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

    /// Environments that have no rows, and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Measures every row; one that fails is told and the others go on. An error of the ceilings ends it.
    pub fn run(&self, tell: &mut dyn FnMut(Event<'_>)) -> Result<Results, BenchError> {
        tell(Event::Doing("ceilings of the adapter"));
        let ceilings = (0..3).map(|_| self.ceilings()).collect::<Result<Vec<_>, _>>()?;
        // A ceiling is what the adapter can do: other work on the machine only takes from it.
        let best = |of: fn(&Ceilings) -> f64| ceilings.iter().map(of).fold(0.0, f64::max);
        let limits = [best(|c| c.fma_gflops), best(|c| c.copy_gbytes)];
        let mut measuring = Measuring::new(self, limits);
        let mut results = Results { warnings: self.warnings.clone(), ..Results::default() };
        let mut done: Vec<&str> = Vec::new();
        for task in &self.tasks {
            if done.contains(&task.name.as_str()) {
                continue;
            }
            tell(Event::Doing(&task.name));
            let names = self.together(task);
            match self.measure(task, &mut measuring, &ceilings) {
                Ok(rows) => {
                    rows.iter().for_each(|row| tell(Event::Row(row)));
                    results.rows.extend(rows);
                }
                Err(error) => {
                    for name in &names {
                        tell(Event::Failed(name, &error));
                        results.failures.push(format!("{name}: {error}"));
                    }
                    // What failed may have left its engine in any state.
                    measuring.leave();
                }
            }
            done.extend(names);
        }
        results.warnings.extend(results.rows.iter().filter_map(drift));
        results.seconds_compiling = self.seconds_planning + measuring.seconds_compiling();
        Ok(results)
    }

    /// Names of the rows that are measured with a task's, its own among them.
    fn together(&self, task: &Task) -> Vec<&str> {
        let same = |other: &&Task| *other == task || task.job.runs_with(&other.job);
        self.tasks.iter().filter(same).map(|task| task.name.as_str()).collect()
    }

    /// The rows of a task and of those that are measured together with it.
    fn measure(
        &self,
        task: &Task,
        measuring: &mut Measuring<'_>,
        ceilings: &[Ceilings],
    ) -> Result<Vec<Row>, BenchError> {
        let middle = |of: fn(&Ceilings) -> f64| Samples::new(ceilings.iter().map(of).collect());
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
            Job::Iteration { shape, .. } | Job::Overhead { shape } => return measuring.iterations(*shape),
            Job::Physics { model, .. } => {
                let own = self.tasks.iter().filter(|other| other.job.runs_with(&task.job));
                let part = |task: &'_ Task| match &task.job {
                    Job::Physics { what, .. } => Some(*what),
                    _ => None,
                };
                let asked: Vec<(&str, Physics)> =
                    own.filter_map(|task| Some((task.name.as_str(), part(task)?))).collect();
                return measuring.physics(*model, &asked);
            }
            Job::TwiceEnvironments { shape } => measuring.twice_environments(name, *shape)?,
            Job::TwiceSteps { shape } => measuring.twice_steps(name, *shape)?,
        };
        Ok(vec![row])
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

/// Environments of the rows that cannot be compiled, in their order.
fn broken(tasks: &[Task]) -> Vec<(String, EnvError)> {
    let mut names: Vec<&String> = Vec::new();
    for task in tasks {
        if let Job::Environment { name, .. } = &task.job {
            names.push(name);
        }
    }
    names.dedup();
    let error = |name: &String| load(name).and_then(|found| EnvKernels::new(&found)).err();
    names.into_iter().filter_map(|name| Some((name.clone(), error(name)?))).collect()
}

/// Most by which multiply-adds may be faster or slower behind everything than before.
const DRIFT: f64 = 0.1;

/// What the control row says of all others, if anything.
fn drift(row: &Row) -> Option<String> {
    let far = row.name == CONTROL && (row.median - 1.0).abs() > row.spread.max(DRIFT);
    far.then(|| {
        let before = row.median;
        format!(
            "the machine changed meanwhile: multiply-adds ran at {before:.2} times their last rate at the beginning"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_that_drifts_beyond_a_tenth_and_its_spread_is_a_warning() {
        let warned =
            |name: &str, values: &[f64]| drift(&Row::ratio(name, &Samples::new(values.to_vec()), None)).is_some();
        assert!(warned(CONTROL, &[1.2; 3]) && warned(CONTROL, &[0.8; 3]));
        assert!(!warned(CONTROL, &[1.05; 3]) && !warned(CONTROL, &[0.8, 1.2, 1.6]) && !warned("overhead/x", &[2.0; 3]));
    }
}
