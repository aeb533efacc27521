//! Which rows a suite has, by name, before anything is compiled.

use std::path::PathBuf;

use super::bed::Bed;
use super::physics::{self, ModelFile, Physics};
use super::shapes::{NORMALIZED, Shape};
use super::{BenchError, networks};
use crate::algo::Algorithm;
use crate::engine::{AdapterSummary, Engine, KernelDesc};
use crate::env::environments;

/// Which rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Every kernel of an iteration, and every environment.
    Kernels,
    /// Whole rollouts.
    Rollout,
    /// Whole iterations, the cost of PolicyFlow over PPO, and how cost grows.
    Train,
    /// Steps of the models beside the environments.
    Physics,
    /// All of these.
    All,
}

/// What a row measures. Shapes are positions in the suite's list of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Job {
    /// What the adapter reaches at best.
    Ceiling(Ceiling),
    /// Starting an environment, or a step of it.
    Environment { name: String, reset: bool },
    /// A kernel by its position among those of a trainer.
    Kernel { shape: usize, algorithm: &'static str, at: usize },
    /// A network by itself, by its position among those of an algorithm.
    Network { shape: usize, algorithm: &'static str, at: usize },
    /// A whole rollout.
    Rollout { shape: usize, algorithm: &'static str },
    /// A whole iteration.
    Iteration { shape: usize, algorithm: &'static str },
    /// PolicyFlow's iteration over PPO's.
    Overhead { shape: usize },
    /// Twice the environments.
    TwiceEnvironments { shape: usize },
    /// Twice the midpoint steps.
    TwiceSteps { shape: usize },
    /// Something of a model, by its position in the suite's list of them.
    Physics { model: usize, what: Physics },
    /// Multiply-adds before over multiply-adds after everything else.
    Control,
}

impl Job {
    /// Whether two jobs are measured together: iterations of a shape run in turn, and so do the steps of a batch of a model.
    pub fn runs_with(&self, other: &Self) -> bool {
        let shape = |job: &Self| match job {
            Self::Iteration { shape, .. } | Self::Overhead { shape } => Some(*shape),
            _ => None,
        };
        let batch = |job: &Self| match job {
            Self::Physics { model, what } => Some((*model, what.batch())),
            _ => None,
        };
        (shape(self).is_some() && shape(self) == shape(other)) || (batch(self).is_some() && batch(self) == batch(other))
    }
}

/// One of the adapter's ceilings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ceiling {
    Fma,
    Copy,
    EmptyDispatch,
    SubmitWait,
}

/// A job and the path of its row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    pub name: String,
    pub job: Job,
}

/// What the rows of physics are about.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Models {
    /// The models beside the environments.
    pub files: Vec<ModelFile>,
    /// States side by side.
    pub batches: Vec<usize>,
    /// A Python with MuJoCo.
    pub python: Option<PathBuf>,
}

/// The row that tells whether the machine stayed the same.
pub const CONTROL: &str = "control/fma";

/// All rows of a part, in the order in which they are measured.
pub fn tasks(part: Part, adapter: &AdapterSummary, shapes: &[Shape], models: &Models) -> Result<Vec<Task>, BenchError> {
    let wants = |asked: Part| part == asked || part == Part::All;
    let mut tasks = Vec::new();
    let mut add = |name: String, job: Job| tasks.push(Task { name, job });
    for (name, ceiling) in [
        ("fma", Ceiling::Fma),
        ("copy", Ceiling::Copy),
        ("empty-dispatch", Ceiling::EmptyDispatch),
        ("submit-wait", Ceiling::SubmitWait),
    ] {
        add(format!("ceiling/{name}"), Job::Ceiling(ceiling));
    }
    if wants(Part::Kernels) {
        for found in environments() {
            for (verb, reset) in [("reset", true), ("step", false)] {
                add(format!("env/{}/{verb}", found.name), Job::Environment { name: found.name.clone(), reset });
            }
        }
    }
    for (shape, at) in shapes.iter().zip(0..) {
        if wants(Part::Kernels) {
            kernels(adapter, shape, at, &mut add)?;
        }
        if wants(Part::Rollout) {
            for algorithm in Algorithm::NAMES {
                add(format!("rollout/{}/{algorithm}", shape.name), Job::Rollout { shape: at, algorithm });
            }
        }
        if wants(Part::Train) {
            for algorithm in Algorithm::NAMES {
                add(format!("iteration/{}/{algorithm}", shape.name), Job::Iteration { shape: at, algorithm });
            }
            add(format!("overhead/{}", shape.name), Job::Overhead { shape: at });
        }
    }
    if wants(Part::Train) && !shapes.is_empty() {
        let shape = shapes.len() - 1;
        add("scaling/envs/x2".into(), Job::TwiceEnvironments { shape });
        add("scaling/steps/x2".into(), Job::TwiceSteps { shape });
    }
    if wants(Part::Physics) {
        for (model, file) in models.files.iter().enumerate() {
            for (row, what) in physics::rows(file, &models.batches, models.python.is_some()) {
                add(format!("physics/{}/{row}", file.name), Job::Physics { model, what });
            }
        }
    }
    add(CONTROL.into(), Job::Control);
    Ok(tasks)
}

/// The kernels of every algorithm at a shape, then its networks by themselves. One that several algorithms have, or that
/// an iteration runs by itself, is listed once. Behind them come the kernels that only the observation normaliser has.
fn kernels(
    adapter: &AdapterSummary,
    shape: &Shape,
    at: usize,
    add: &mut impl FnMut(String, Job),
) -> Result<(), BenchError> {
    let mut known: Vec<(String, String)> = Vec::new();
    for algorithm in Algorithm::NAMES.iter().copied().chain([NORMALIZED]) {
        let mut bed = Bed::new(Engine::dry(adapter.clone()), shape, algorithm)?;
        for (position, (KernelDesc { name, wgsl, .. }, _)) in bed.kernels().into_iter().enumerate() {
            let path = format!("kernel/{name}/{}", shape.name);
            let job = Job::Kernel { shape: at, algorithm, at: position };
            if known.iter().all(|(other, _)| *other != name) {
                add(path, job);
            } else if algorithm == NORMALIZED {
                continue;
            } else if known.iter().all(|(other, text)| *other != name || *text != wgsl) {
                // The same name, another text: offsets or widths differ.
                add(format!("{path}/{algorithm}"), job);
            } else {
                continue;
            }
            known.push((name, wgsl));
        }
        if algorithm == NORMALIZED {
            break;
        }
        for (position, graph) in networks::graphs(&bed, shape, algorithm)?.into_iter().enumerate() {
            if known.iter().all(|(other, _)| *other != graph.name) {
                let job = Job::Network { shape: at, algorithm, at: position };
                add(format!("kernel/{}/{}", graph.name, shape.name), job);
            }
        }
    }
    Ok(())
}

/// Keeps the rows whose names contain the text; none is an error that names the nearest ones.
pub fn select(tasks: Vec<Task>, filter: &str) -> Result<Vec<Task>, BenchError> {
    let (kept, others): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.name.contains(filter));
    if !kept.is_empty() {
        return Ok(kept);
    }
    // A path is long and what was typed is short, so each of its parts counts by itself.
    let likeness = |name: &str| {
        let parts = name.split('/').chain([name]);
        parts.map(|part| strsim::jaro_winkler(part, filter)).fold(0.0, f64::max)
    };
    let mut names: Vec<String> = others.into_iter().map(|task| task.name).collect();
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(5);
    Err(BenchError::Filter { filter: filter.to_string(), nearest: names })
}
