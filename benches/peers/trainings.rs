//! The trainings that every program runs, and flowmill's settings as the other programs read them.

use anyhow::{Result, bail};
use flowmill::algo::{Algorithm, Layer, to_table};
use flowmill::env::{self, Environment};
use serde_json::{Value, json};

use flowmill::bench::{quadruped_algorithm, quadruped_widths};

/// Shapes: MultiGoal with its preset `quick`, MultiGoal with the networks of its preset `released`, a quadruped's widths.
pub const SHAPES: [&str; 3] = ["multigoal", "wide", "quadruped"];

/// Algorithms whose whole iterations are timed.
pub const ALGORITHMS: [&str; 2] = ["policyflow", "ppo"];

/// Loss and all gradients of one minibatch of PolicyFlow.
pub const GRADIENTS: &str = "gradients";

/// Environment and algorithm of a shape; few environments with `toy`.
pub fn training(shape: &str, algo: &str, toy: bool) -> Result<(Environment, Algorithm)> {
    let (environment, mut algorithm) = match shape {
        "multigoal" => multigoal(algo, "quick")?,
        "wide" => multigoal(algo, "released")?,
        "quadruped" => (quadruped_widths()?, quadruped_algorithm(algo)?),
        other => bail!("no shape `{other}`, expected one of {}", SHAPES.join(", ")),
    };
    let train = algorithm.train_mut();
    train.num_envs = match shape {
        _ if toy => 64,
        "multigoal" => train.num_envs,
        _ => 256,
    };
    // The programs share one rule for the learning rate.
    train.schedule = flowmill::algo::Schedule::EpochAccumulated;
    Ok((environment, algorithm))
}

fn multigoal(algo: &str, preset: &str) -> Result<(Environment, Algorithm)> {
    let environment = env::load("multigoal")?;
    let file = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    let algorithm = Algorithm::resolve(algo, preset, &file, &[])?;
    Ok((environment, algorithm))
}

/// Rows of a minibatch and environment steps of an iteration.
pub fn sizes(algorithm: &Algorithm) -> (usize, usize) {
    let train = algorithm.train();
    let samples = train.num_envs * train.horizon;
    (samples / train.minibatches, samples)
}

/// All trainings, as training.py reads them.
pub fn file(shapes: &[String], toy: bool) -> Result<Value> {
    let mut all = Vec::new();
    for shape in shapes {
        for algo in ALGORITHMS {
            let (environment, algorithm) = training(shape, algo, toy)?;
            let config = match &algorithm {
                Algorithm::PolicyFlow(config) => to_table(config),
                Algorithm::Ppo(config) => to_table(config),
            };
            all.push(json!({
                "shape": shape,
                "algo": algo,
                "environment": if shape == "quadruped" { "widths" } else { "multigoal" },
                "observation": environment.obs_dim(),
                "action": environment.action_dim(),
                "config": config,
            }));
        }
    }
    Ok(Value::Array(all))
}
