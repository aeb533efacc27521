//! Running environments in tests.

use flowmill::engine::{Engine, Recording};
use flowmill::env::{Batch, EnvArgs, Environment, Trace};
use flowmill::rng::Key;

/// Steps of an iteration: step `t` of a run is step `t % HORIZON` of iteration `t / HORIZON`, as in training.
pub const HORIZON: u32 = 32;

/// What a run left behind: the trace, statistics and states.
pub struct Run {
    pub trace: Trace,
    pub stats: Vec<[f32; 4]>,
    pub states: Vec<Vec<u8>>,
}

/// Resets `num_envs` environments and steps them with actions `[steps, num_envs, actions]`.
pub fn run(engine: &mut Engine, env: &Environment, args: EnvArgs, actions: &[f32]) -> Run {
    let steps = (actions.len() / env.action_dim()) as u32 / args.num_envs;
    let batch = Batch::new(engine, env, "test", args.num_envs, steps).expect("a batch");
    let mut recording = Recording::new();
    batch.record_actions(&mut recording, actions);
    batch.record_reset(&mut recording, args);
    for t in 0..steps {
        batch.record_step(&mut recording, t, EnvArgs { iteration: t / HORIZON, step: t % HORIZON, ..args });
    }
    engine.submit(&recording).expect("the run");
    let trace = batch.read_trace(engine, steps).expect("a trace");
    let stats = batch.read_stats(engine).expect("statistics");
    Run { trace, stats, states: batch.read_states(engine).expect("states") }
}

/// Actions `[steps, num_envs, width]`, uniform in `-size..size`; those of an environment depend on its number only.
pub fn random_actions(steps: u32, first_env: u32, num_envs: u32, width: usize, size: f32) -> Vec<f32> {
    let key = Key { seed: 5, stream: 1, iteration: 0 };
    let mut actions = Vec::new();
    for t in 0..steps {
        for env in first_env..first_env + num_envs {
            actions.extend((0..width as u32).map(|lane| size * (2.0 * key.uniform(t, env, lane) - 1.0)));
        }
    }
    actions
}

/// `|a - b| <= 1e-5 (1 + |b|)`.
pub fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + b.abs())
}
