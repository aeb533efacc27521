//! One episode, with its states at the moments that are drawn.

use super::RenderError;
use crate::engine::{Engine, Recording};
use crate::env::{Batch, EnvArgs, Environment, FLAG_NONE, random_actions};
use crate::train::Evaluator;

/// Seconds between two pictures, about; also the shortest control step that gets a picture each.
const PERIOD: f64 = 0.04;

/// States, and what was earned on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Bytes of the environment's `State`: before the first step, then after every `every` steps, and after the last.
    pub states: Vec<Vec<u8>>,
    /// `[steps]`
    pub rewards: Vec<f32>,
    /// Control steps from one state to the next.
    pub every: u32,
    /// Seconds of a control step.
    pub dt: f64,
}

impl Episode {
    /// Control steps from one picture to the next, for pictures that show time as it passes.
    pub fn every(dt: f64) -> u32 {
        (PERIOD / dt).round().max(1.0) as u32
    }

    /// The policy that an evaluator of one environment was made for: the first episode of an evaluation with this seed and round.
    ///
    /// # Errors
    /// Those of [`Evaluator::watch`].
    pub fn of_policy(
        engine: &mut Engine,
        environment: &Environment,
        evaluator: &Evaluator,
        (steps, seed, round): (u32, u64, u32),
        mut progress: impl FnMut(u32),
    ) -> Result<Self, RenderError> {
        let dt = environment.manifest.dt;
        let every = Self::every(dt);
        let mut states = Vec::new();
        let episodes = evaluator.watch(engine, (steps, every), seed, round, |state| {
            progress((states.len() as u32 * every).min(steps));
            states.push(state);
        })?;
        Ok(Self { states, rewards: episodes.rewards, every, dt }.until_the_end(&episodes.flags))
    }

    /// Random actions, uniform within their bounds.
    ///
    /// # Errors
    /// Those of the environment and the device.
    pub fn random(
        engine: &mut Engine,
        environment: &Environment,
        (steps, seed): (u32, u64),
        mut progress: impl FnMut(u32),
    ) -> Result<Self, RenderError> {
        let dt = environment.manifest.dt;
        let every = Self::every(dt);
        let batch = Batch::new(engine, environment, "render", 1, steps)?;
        let args = EnvArgs::evaluation(environment, 1, seed);
        let mut recording = Recording::new();
        batch.record_reset(&mut recording, args);
        batch.record_actions(&mut recording, &random_actions(environment, steps, seed));
        let (mut states, mut done) = (Vec::new(), 0);
        loop {
            engine.submit(&recording).map_err(crate::env::EnvError::from)?;
            states.extend(batch.read_states(engine)?);
            progress(done);
            if done == steps {
                break;
            }
            let next = steps.min(done + every);
            recording = Recording::new();
            (done..next).for_each(|t| batch.record_step(&mut recording, t, EnvArgs { step: t, ..args }));
            done = next;
        }
        let trace = batch.read_trace(engine, steps)?;
        Ok(Self { states, rewards: trace.rewards, every, dt }.until_the_end(&trace.flags))
    }

    /// Cut off behind the first step that ended it.
    fn until_the_end(mut self, flags: &[f32]) -> Self {
        if let Some(last) = flags.iter().position(|flag| *flag != FLAG_NONE) {
            self.rewards.truncate(last + 1);
            self.states.truncate(last / self.every as usize + 2);
        }
        self
    }

    /// Steps before a state.
    pub fn steps_before(&self, state: usize) -> usize {
        (state * self.every as usize).min(self.rewards.len())
    }

    /// Sum of the rewards before a state.
    pub fn return_before(&self, state: usize) -> f64 {
        self.rewards.iter().take(self.steps_before(state)).fold(0.0, |sum, reward| sum + f64::from(*reward))
    }

    /// Hundredths of a second for which a state is shown, so that no rounding adds up.
    pub fn delay(&self, state: usize) -> u16 {
        let hundredths = |state: usize| (state as f64 * f64::from(self.every) * self.dt * 100.0).round();
        (hundredths(state + 1) - hundredths(state)).clamp(1.0, u16::MAX.into()) as u16
    }
}
