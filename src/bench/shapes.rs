//! What is timed at which size: two shapes of networks, each with an environment and every algorithm.

use std::path::PathBuf;

use toml::{Table, Value};

use super::BenchError;
use crate::algo::{Algorithm, Layer, PolicyFlowConfig};
use crate::engine::AdapterKind;
use crate::env::{EnvError, Environment, Manifest, load};

/// PPO with the observation normaliser on, which brings kernels of its own.
pub const NORMALIZED: &str = "ppo-normalized";

/// A shape: an environment's widths, a network, and how large the batch is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name in the paths of rows.
    pub name: &'static str,
    /// The environment.
    pub environment: Environment,
    envs: usize,
}

impl Shape {
    /// MultiGoal as released: observation 4, action 2, hidden 256-128-64, embedding 64, 10 midpoint steps.
    pub const MULTIGOAL: &'static str = "multigoal";
    /// A quadruped's widths: observation 48, action 12, hidden 128-128-128, embedding 64, 12 midpoint steps, rollouts of
    /// 24 steps. Its environment has these widths and no legs.
    pub const QUADRUPED: &'static str = "quadruped";

    /// Both shapes with so many environments, by default [`environments`] of the adapter.
    pub fn all(kind: AdapterKind, envs: Option<usize>) -> Result<[Self; 2], BenchError> {
        let envs = envs.unwrap_or(environments(kind));
        Ok([
            Self { name: Self::MULTIGOAL, environment: load("multigoal")?, envs },
            Self { name: Self::QUADRUPED, environment: quadruped_widths()?, envs },
        ])
    }

    /// The same with another number of environments.
    pub fn with_envs(&self, envs: usize) -> Self {
        Self { envs, ..self.clone() }
    }

    /// Environments side by side.
    pub fn envs(&self) -> usize {
        self.envs
    }

    /// An algorithm at this shape, or [`NORMALIZED`]. All have the same network, batch, epochs and minibatches.
    pub fn algorithm(&self, name: &str) -> Result<Algorithm, BenchError> {
        if name == NORMALIZED {
            let mut algorithm = self.algorithm("ppo")?;
            algorithm.train_mut().normalize_observations = true;
            return Ok(algorithm);
        }
        let file = Layer { origin: "train.toml".into(), table: self.environment.presets.clone() };
        let mut algorithm = match self.name {
            Self::QUADRUPED => quadruped_algorithm(name)?,
            _ => Algorithm::resolve(name, "released", &file, &[])?,
        };
        algorithm.train_mut().num_envs = self.envs;
        Ok(algorithm)
    }
}

/// The released settings at a quadruped's widths. PPO gets PolicyFlow's, so that the two differ in the policy alone.
pub fn quadruped_algorithm(name: &str) -> Result<Algorithm, BenchError> {
    let none = Layer { origin: "train.toml".into(), table: Table::new() };
    let mut flow = PolicyFlowConfig { embedding: 64, flow_steps: 12, ..PolicyFlowConfig::default() };
    flow.train.hidden = vec![128, 128, 128];
    let mut algorithm = Algorithm::resolve(name, "released", &none, &[])?;
    match &mut algorithm {
        Algorithm::PolicyFlow(config) => *config = flow,
        Algorithm::Ppo(config) => (config.train, config.output_init) = (flow.train, flow.output_init),
    }
    Ok(algorithm)
}

/// Reads a number of environments, which is even because `scaling/envs/x2` halves it. What is wrong begins with "expected".
pub fn parse_envs(text: &str) -> Result<usize, String> {
    let fits = |envs: &usize| (2..=65536).contains(envs) && envs.is_multiple_of(2);
    text.parse().ok().filter(fits).ok_or_else(|| "expected an even number from 2 to 65536".into())
}

/// Environments of a shape: the paper's number on a GPU, fewer where a processor does the work.
pub fn environments(kind: AdapterKind) -> usize {
    match kind {
        AdapterKind::Gpu => 4096,
        AdapterKind::Cpu => 1024,
        AdapterKind::Software => 64,
    }
}

/// An environment of a quadruped's widths, 48 observations and 12 actions, without a quadruped. The dynamics do not matter:
/// they are cheap, bounded and depend on the action.
pub fn quadruped_widths() -> Result<Environment, EnvError> {
    let channels = |count: usize| {
        let channel = |i: usize| {
            let bounds = [("low", -10.0), ("high", 10.0)].map(|(key, bound)| (key.to_string(), Value::Float(bound)));
            Value::Table(bounds.into_iter().chain([("name".to_string(), Value::String(format!("c{i}")))]).collect())
        };
        Value::Array((0..count).map(channel).collect())
    };
    let mut table = Table::new();
    for (key, text) in [
        ("name", "quadruped-widths"),
        ("description", "A quadruped's widths, for benchmarks."),
        ("licence", "MIT"),
        ("source", "None."),
    ] {
        table.insert(key.into(), Value::String(text.into()));
    }
    table.insert("dt".into(), Value::Float(0.02));
    table.insert("horizon".into(), Value::Integer(1000));
    table.insert("random_lanes".into(), Value::Integer(1));
    table.insert("observation".into(), channels(48));
    table.insert("action".into(), channels(12));
    let folder = PathBuf::from("quadruped-widths");
    let manifest = Manifest::from_table(&folder.join("env.toml"), &table)?;
    Ok(Environment { folder, manifest, wgsl: widths(), physics: String::new(), presets: Table::new() })
}

/// Without a loop, so that a step is light enough to run inside a rollout's kernel.
fn widths() -> String {
    let sines: Vec<String> = (1..=48).map(|k| format!("sin(state.x * {k}.0)")).collect();
    format!(
        "{DYNAMICS}fn observe(state: State) -> array<f32, OBS_DIM> {{\n    return array<f32, OBS_DIM>({});\n}}\n",
        sines.join(", ")
    )
}

const DYNAMICS: &str = "
struct State { x: f32 }
fn reset(random: Random) -> State { return State(random_uniform(random, 0u)); }
fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).x = clamp((*state).x + 0.01 * action[0], -1.0, 1.0);
    return StepResult((*state).x, false);
}
";
