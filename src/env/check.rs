//! Runs an environment under zero, random and extreme actions and reports what a trainer would stumble over.

use crate::engine::{Engine, Recording};
use crate::rng::Key;

use super::batch::{Batch, Trace};
use super::catalogue::Environment;
use super::error::EnvError;
use super::inspect::Inspector;
use super::manifest::Channel;
use super::report::{Actions, CheckReport, Finding};
use super::runner::EnvArgs;
use super::streams;
use super::watch::watch;

/// How much to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckOptions {
    /// Environments side by side, at least 2.
    pub num_envs: u32,
    /// Steps of every run.
    pub steps: u32,
    /// Seed of resets, steps and actions.
    pub seed: u64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { num_envs: 256, steps: 2000, seed: 1 }
    }
}

/// Steps between two readings.
const STRETCH: u32 = 50;
/// Steps for which extreme actions are held: long enough to drive the state somewhere.
const HOLD: u32 = 10;

/// Checks an environment on an engine. What is wrong with it is in the report; an error is a check that could not be made.
/// Where a loop does not end, the report holds what was found until then, and no runs.
pub fn check(engine: &mut Engine, env: &Environment, options: CheckOptions) -> Result<CheckReport, EnvError> {
    let options = CheckOptions { num_envs: options.num_envs.max(2), steps: options.steps.max(1), ..options };
    let batches = [
        Batch::new(engine, env, "check", options.num_envs, STRETCH)?,
        Batch::new(engine, env, "check again", options.num_envs, STRETCH)?,
    ];
    let mut report = CheckReport {
        environment: env.manifest.name.clone(),
        num_envs: options.num_envs,
        steps: options.steps,
        runs: Vec::new(),
        findings: Vec::new(),
    };
    // First what cannot hang: a loop without end would keep the engine busy for minutes, or a driver for good.
    let watched = watch(env, options)?;
    if watched.endless {
        report.findings = watched.findings;
        return Ok(report);
    }
    report.findings = probe_resets(engine, env, &batches[0], options)?;
    report.findings.extend(watched.findings);
    for actions in [Actions::Zero, Actions::Random, Actions::Extreme, Actions::Beyond] {
        let mut inspector = Inspector::new(env, actions, options.num_envs);
        let mut first = 0;
        while first < options.steps {
            let steps = STRETCH.min(options.steps - first);
            let mut traces = Vec::new();
            for batch in &batches {
                traces.push(run_stretch(engine, env, batch, options, actions, first, steps)?);
            }
            inspector.stretch(first, &traces[0], &traces[1]);
            first += steps;
        }
        let (summary, findings) = inspector.finish();
        report.runs.push(summary);
        report.findings.extend(findings);
    }
    Ok(report)
}

/// Records, runs and reads `steps` steps that begin at step `first` of a run; the run begins with a reset.
fn run_stretch(
    engine: &mut Engine,
    env: &Environment,
    batch: &Batch,
    options: CheckOptions,
    actions: Actions,
    first: u32,
    steps: u32,
) -> Result<Trace, EnvError> {
    let args = EnvArgs::training(env, options.num_envs, options.seed);
    let mut recording = Recording::new();
    if first == 0 {
        batch.record_reset(&mut recording, args);
    }
    batch.record_actions(&mut recording, &action_table(env, options, actions, first, steps));
    for t in 0..steps {
        batch.record_step(&mut recording, t, EnvArgs { step: first + t, ..args });
    }
    engine.submit(&recording)?;
    batch.read_trace(engine, steps)
}

/// Actions `[steps, num_envs, actions]` of the steps from `first` on.
pub(super) fn action_table(
    env: &Environment,
    options: CheckOptions,
    actions: Actions,
    first: u32,
    steps: u32,
) -> Vec<f32> {
    let key = Key { seed: options.seed, stream: streams::CHECK, iteration: actions as u32 };
    let mut table = Vec::new();
    for step in first..first + steps {
        for row in 0..options.num_envs {
            let channels = env.manifest.action.iter().zip(0..);
            table.extend(channels.map(|(channel, lane)| action_value(channel, actions, key, [step, row, lane])));
        }
    }
    table
}

/// Actions `[steps, actions]` for one environment, uniform within their bounds.
pub fn random_actions(env: &Environment, steps: u32, seed: u64) -> Vec<f32> {
    action_table(env, CheckOptions { num_envs: 1, steps, seed }, Actions::Random, 0, steps)
}

fn action_value(channel: &Channel, actions: Actions, key: Key, [step, row, lane]: [u32; 3]) -> f32 {
    // An unbounded entry is tried between -10 and 10.
    let low = if channel.low.is_finite() { channel.low } else { channel.high.min(10.0) - 20.0 };
    let high = if channel.high.is_finite() { channel.high } else { low + 20.0 };
    let held = key.words(step / HOLD, row, lane)[0] >> 31 == 1;
    let (middle, half) = (low + (high - low) / 2.0, (high - low) / 2.0);
    match actions {
        Actions::Zero => 0.0,
        Actions::Random => low + (high - low) * key.uniform(step, row, lane),
        Actions::Extreme => {
            if held {
                high
            } else {
                low
            }
        }
        Actions::Beyond => middle + if held { 100.0 * half } else { -100.0 * half },
    }
}

/// Looks at start states: do they depend on the environment and on the seed, are they alike twice, and does a step
/// change them? Does an episode that follows another one begin anew?
fn probe_resets(
    engine: &mut Engine,
    env: &Environment,
    batch: &Batch,
    options: CheckOptions,
) -> Result<Vec<Finding>, EnvError> {
    let args = EnvArgs::training(env, options.num_envs, options.seed);
    let mut start = |args: EnvArgs, step: Option<EnvArgs>| -> Result<Vec<Vec<u8>>, EnvError> {
        let mut recording = Recording::new();
        batch.record_reset(&mut recording, args);
        if let Some(args) = step {
            batch.record_actions(&mut recording, &action_table(env, options, Actions::Random, 0, 1));
            batch.record_step(&mut recording, 0, args);
        }
        engine.submit(&recording)?;
        batch.read_states(engine)
    };
    let states = start(args, None)?;
    let other_seed = start(EnvArgs { seed_lo: args.seed_lo ^ 0x5bd1_e995, ..args }, None)?;
    let stepped = start(args, Some(EnvArgs { auto_reset: 0, ..args }))?;
    let restarted = start(args, Some(EnvArgs { horizon: 1, ..args }))?;

    let mut findings = Vec::new();
    let all_alike = states.iter().all(|s| *s == states[0]);
    match (env.manifest.random_lanes, all_alike) {
        (0, false) => findings.push(Finding::ResetRandom),
        (0, true) => {}
        (random_lanes, true) => findings.push(Finding::ResetNotRandom { random_lanes }),
        (_, false) if states == other_seed => findings.push(Finding::SeedIgnored),
        (_, false) => {}
    }
    if states == stepped {
        findings.push(Finding::Frozen { actions: Actions::Random });
    } else if stepped == restarted {
        findings.push(Finding::GoesOn);
    }
    Ok(findings)
}
