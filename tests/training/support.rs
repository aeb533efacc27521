//! Small trainers.

use flowmill::algo::{Algorithm, Layer, parse_override};
use flowmill::engine::{AdapterKind, Engine};
use flowmill::env::Environment;
use flowmill::train::{Checkpoint, IterationMetrics, TrainOptions, Trainer};

pub use crate::common::agents::{algorithm, environment, spaces};
use crate::common::device::On;

/// Settings that make an iteration cheap, and steps large enough to see. Sizes are odd on purpose: 420 samples in
/// minibatches of 105 rows, which no tile divides. Software drivers compile a new update kernel for tens of seconds and
/// keep it on disk, and sizes are part of its text: tests share these where they can.
pub const SMALL: [&str; 9] = [
    "num_envs=60",
    "horizon=7",
    "hidden=[7, 5]",
    "epochs=2",
    "minibatches=4",
    "learning_rate=1e-3",
    "lr_decay_iterations=0",
    "output_init=\"pytorch\"",
    "init_std=0.5",
];

/// Those that only PolicyFlow has.
pub const SMALL_FLOW: [&str; 3] = ["embedding=8", "flow_steps=2", "w_b_decay_iterations=50"];

/// `name` with preset `quick` on an environment of `envs/`, made small, then `overrides`.
pub fn small(environment: &Environment, name: &str, overrides: &[&str]) -> Algorithm {
    let flow: &[&str] = if name == "policyflow" { &SMALL_FLOW } else { &[] };
    let all: Vec<&str> = SMALL.iter().chain(flow).chain(overrides).copied().collect();
    if environment.presets.is_empty() {
        let overrides: Vec<_> = all.iter().map(|o| parse_override(o, name).unwrap()).collect();
        return Algorithm::resolve(name, "quick", &Layer::default(), &overrides).unwrap();
    }
    algorithm(environment, name, "quick", &all)
}

/// A trainer on an engine of its own.
pub fn trainer(on: On, environment: &Environment, algorithm: &Algorithm, seed: u64) -> Trainer {
    trainer_on(on.engine(), environment, algorithm, seed)
}

pub fn trainer_on(engine: Engine, environment: &Environment, algorithm: &Algorithm, seed: u64) -> Trainer {
    let options = TrainOptions { algorithm: algorithm.clone(), seed };
    // One after the other, so that a kernel that the driver has just compiled is found and not compiled twice.
    static COMPILING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let driver = engine.adapter().kind != AdapterKind::Cpu;
    let _guard = driver.then(|| COMPILING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    Trainer::new(engine, environment.clone(), options).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs iterations to their end.
pub fn train(trainer: &mut Trainer, iterations: usize) -> Vec<IterationMetrics> {
    for _ in 0..iterations {
        trainer.step().unwrap_or_else(|error| panic!("{error}"));
    }
    trainer.drain().unwrap_or_else(|error| panic!("{error}"))
}

/// Gives the normaliser statistics that are far from the identity, before the first iteration.
pub fn move_statistics(trainer: &mut Trainer) {
    let mut checkpoint = trainer.checkpoint().unwrap();
    for (name, _, values) in &mut checkpoint.tensors {
        match name.as_str() {
            "obs.mean" => values.fill(0.3),
            "obs.variance" => values.fill(0.2),
            _ => {}
        }
    }
    trainer.restore(&checkpoint).unwrap();
}

/// Everything that the next iteration depends on, as named bytes: parameters, moments, control words, environments.
pub fn state(trainer: &mut Trainer) -> Vec<(String, Vec<u8>)> {
    state_of(trainer.checkpoint().unwrap_or_else(|error| panic!("{error}")))
}

pub fn state_of(checkpoint: Checkpoint) -> Vec<(String, Vec<u8>)> {
    let counters = [("iteration", checkpoint.iteration), ("updates", checkpoint.updates)];
    let counters = counters.map(|(name, value)| (name.to_string(), value.to_le_bytes().to_vec()));
    let tensors =
        checkpoint.tensors.into_iter().map(|(name, _, values)| (name, bytemuck::cast_slice(&values).to_vec()));
    let mut all: Vec<_> = counters.into_iter().chain(tensors).chain(checkpoint.raw).collect();
    all.sort();
    all
}

/// Names of the parts that differ.
pub fn differing(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)]) -> Vec<String> {
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b));
    a.iter().zip(b).filter(|((_, x), (_, y))| x != y).map(|((name, _), _)| name.clone()).collect()
}

/// An environment from texts: folder, `env.toml`, `env.wgsl`; no `train.toml`.
pub fn custom(name: &str, horizon: u32, wgsl: &str) -> Environment {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let manifest = format!(
        "name = \"{name}\"\ndescription = \"A test.\"\nlicence = \"MIT\"\nsource = \"None.\"\ndt = 0.1\nhorizon = {horizon}\n\
         random_lanes = 2\n\
         observation = [{{ name = \"x\", low = -9.0, high = 9.0 }}, {{ name = \"age\", low = 0.0, high = 100.0 }}]\n\
         action = [{{ name = \"push\", low = -1.0, high = 1.0 }}]\n\
         [evaluation]\nsteps = 10\n"
    );
    std::fs::write(folder.join("env.toml"), manifest).unwrap();
    std::fs::write(folder.join("env.wgsl"), wgsl).unwrap();
    Environment::read(&folder).unwrap_or_else(|error| panic!("{error}"))
}

/// A walk on a line that ends at 1 and is often cut off before: both kinds of ends within a few steps. The reward is
/// `REWARD`.
pub fn walk(horizon: u32, reward: &str) -> Environment {
    let wgsl = "
struct State { x: f32, age: f32 }
fn reset(random: Random) -> State { return State(random_range(random, 0u, -0.5, 0.5), 0.0); }
fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).x += 0.2 * action[0] + 0.2 * random_normal(random, 1u);
    (*state).age += 1.0;
    let x = (*state).x;
    return StepResult(REWARD, abs(x) > 1.0);
}
fn observe(state: State) -> array<f32, OBS_DIM> { return array<f32, OBS_DIM>(state.x, state.age); }
";
    custom("walk", horizon, &wgsl.replace("REWARD", reward))
}
