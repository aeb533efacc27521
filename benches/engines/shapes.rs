//! The two shapes that are timed, as trainers whose one recording holds both jobs.

use anyhow::{Result, bail};
use flowmill::algo::{Algorithm, Layer, PolicyFlowConfig, Spaces};
use flowmill::bench::quadruped_widths;
use flowmill::engine::{Command, Engine, Recording};
use flowmill::env::{self, Environment};
use flowmill::train::{Limits, TrainOptions, Trainer};

/// Names of the shapes: A is MultiGoal with the preset `quick` and mish, B has the widths of a quadruped.
pub const SHAPES: [&str; 2] = ["A", "B"];

/// Names of the jobs: a dispatch of the rollout's policy, one optimiser step.
pub const JOBS: [&str; 2] = ["sampler", "step"];

/// Optimiser steps in one recording: epochs times minibatches.
pub const STEPS: usize = EPOCHS * MINIBATCHES;
const EPOCHS: usize = 4;
const MINIBATCHES: usize = 2;

/// Rows of a job when the sampler has `rows`.
pub fn job_rows(job: &str, rows: usize) -> usize {
    if job == "sampler" { rows } else { rows / MINIBATCHES }
}

/// Environment and algorithm of a shape with `rows` environments and a rollout of one step.
pub fn shape(name: &str, rows: usize) -> Result<(Environment, Algorithm)> {
    let environment = if name == "A" { env::load("multigoal")? } else { quadruped_widths()? };
    let mut config = if name == "A" {
        let file = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
        match Algorithm::resolve("policyflow", "quick", &file, &[])? {
            Algorithm::PolicyFlow(config) => config,
            Algorithm::Ppo(_) => bail!("the preset `quick` is not PolicyFlow's"),
        }
    } else {
        let mut config = PolicyFlowConfig { embedding: 64, flow_steps: 12, ..PolicyFlowConfig::default() };
        config.train.hidden = vec![128, 128, 128];
        config
    };
    if name == "A" {
        // The dearer activation, which the peer computes as well.
        config.train.activation = flowmill::nn::Activation::Mish;
    }
    config.train.num_envs = rows;
    config.train.horizon = 1;
    config.train.epochs = EPOCHS;
    config.train.minibatches = MINIBATCHES;
    Ok((environment, Algorithm::PolicyFlow(config)))
}

/// Floating-point operations of one row in matrix products, of the sampler and of an optimiser step, as flowmill's graphs
/// have them.
pub fn matrix_flops(name: &str) -> Result<[u64; 2]> {
    let (environment, algorithm) = shape(name, 64)?;
    let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
    let agent = algorithm.agent(spaces, 1)?;
    Ok([&agent.act, &agent.update].map(|graph| flowmill::ir::work(graph).0))
}

/// A trainer and the recordings that are timed.
pub struct Bench {
    pub trainer: Trainer,
    /// Freezes the policy and collects a batch: done before anything is timed, because the time must not depend on
    /// how far the policy has moved from the one that collected.
    pub collect: Recording,
    /// The policy over all environments, once.
    pub sampler: Recording,
    /// [`STEPS`] optimiser steps.
    pub steps: Recording,
}

impl Bench {
    pub fn new(engine: Engine, name: &str, rows: usize) -> Result<Self> {
        let (environment, algorithm) = shape(name, rows)?;
        let limits = Limits { rollout_steps: 1, ..Limits::default() };
        let mut trainer = Trainer::with_limits(engine, environment, TrainOptions { algorithm, seed: 1 }, limits)?;
        let (collect, learn) = trainer.recordings();
        let engine = trainer.engine();
        let sampler = kernels(engine, &collect, |name| name.ends_with("_act"));
        let steps = kernels(engine, &learn, |name| name != "sum_columns");
        if sampler.commands().len() != 1 {
            bail!("a rollout of one step has {} dispatches of the policy, expected 1", sampler.commands().len());
        }
        Ok(Self { trainer, collect, sampler, steps })
    }
}

/// The dispatches of the kernels whose names are wanted.
fn kernels(engine: &Engine, recording: &Recording, wanted: fn(&str) -> bool) -> Recording {
    let is_wanted = |command: &Command| match command {
        Command::Dispatch(dispatch) => engine.description(dispatch.kernel).is_some_and(|desc| wanted(&desc.name)),
        _ => false,
    };
    recording.filtered(|index, _| is_wanted(&recording.commands()[index]))
}
