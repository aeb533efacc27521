//! Steps of environments alone: no policy, random actions.

use std::time::{Duration, Instant};

use super::BenchError;
use super::clock::{Samples, seconds};
use crate::engine::{Engine, Recording};
use crate::env::{Batch, EnvArgs, Environment};
use crate::rng::Key;

/// Steps in one recording: enough to hide a submission, few enough that actions and observations stay in the cache.
const STEPS: u32 = 16;

/// A batch of environments and its two recordings.
pub struct Stepper {
    reset: Recording,
    steps: Recording,
}

impl Stepper {
    /// Compiles the environment's kernels and draws actions from within their bounds.
    pub fn new(engine: &mut Engine, environment: &Environment, envs: usize) -> Result<Self, BenchError> {
        let name = &environment.manifest.name;
        let batch = Batch::new(engine, environment, &format!("bench {name}"), envs as u32, STEPS)?;
        let args = EnvArgs { random_ages: 1, ..EnvArgs::training(environment, envs as u32, 1) };
        let mut start = Recording::new();
        batch.record_actions(&mut start, &actions(environment, envs));
        engine.submit(&start)?;
        let (mut reset, mut steps) = (Recording::new(), Recording::new());
        batch.record_reset(&mut reset, args);
        (0..STEPS).for_each(|t| batch.record_step(&mut steps, t, EnvArgs { step: t, ..args }));
        engine.submit(&reset)?;
        engine.wait()?;
        Ok(Self { reset, steps })
    }

    /// Seconds of starting all environments.
    pub fn reset_seconds(&self, engine: &mut Engine, length: Duration) -> Result<Samples, BenchError> {
        Ok(seconds(engine, &self.reset, length)?)
    }

    /// Seconds of one step of all environments.
    pub fn step_seconds(&self, engine: &mut Engine, length: Duration) -> Result<Samples, BenchError> {
        Ok(seconds(engine, &self.steps, length)?.map(|seconds| seconds / f64::from(STEPS)))
    }

    /// Seconds of one step of all environments, measured once.
    pub fn once(&self, engine: &mut Engine) -> Result<f64, BenchError> {
        let started = Instant::now();
        engine.submit(&self.steps)?;
        engine.wait()?;
        Ok(started.elapsed().as_secs_f64() / f64::from(STEPS))
    }

    /// One dispatch of the reset and one of the step.
    pub fn kernels(&self) -> [Recording; 2] {
        [self.reset.clone(), self.steps.filtered(|index, _| index == 0)]
    }
}

/// Uniform actions, `[STEPS, envs, actions]`.
fn actions(environment: &Environment, envs: usize) -> Vec<f32> {
    let channels = &environment.manifest.action;
    let key = Key { seed: 1, stream: 0, iteration: 0 };
    let row = |t: u32, row: usize| {
        let draw = move |(lane, channel): (u32, &crate::env::Channel)| {
            channel.low + (channel.high - channel.low) * key.uniform(t, row as u32, lane)
        };
        (0..).zip(channels).map(draw)
    };
    (0..STEPS).flat_map(|t| (0..envs).flat_map(move |e| row(t, e))).collect()
}
