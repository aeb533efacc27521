//! What flowmill makes of given states of a model: every stage of a step in f64, and the next state in f32 on adapters. The other half of
//! `tests/reference/parity.py`, which compares the numbers with MuJoCo's.
//!
//! ```text
//! cargo run --release --example physics_stages -- MODEL.xml STATES.json cpu software > STAGES.json
//! ```
//!
//! `STATES.json` is a list of objects with `qpos`, `qvel`, `control` and `warm`. On standard output: `{"f64": [stages], ADAPTER: [next states]}`.

use std::error::Error;

use flowmill::engine::{Engine, EngineOptions, Recording};
use flowmill::physics::dynamics::{SolverLimits, State, step};
use flowmill::physics::mjcf;
use flowmill::physics::model::Model;
use flowmill::simulate::{Simulator, States};
use serde_json::{Map, Value, json};

#[path = "../tests/physics/numbers.rs"]
mod numbers;

const CONVERGED: SolverLimits = SolverLimits { iterations: 100, searches: 50 };

/// A state and its controls.
type Start = (State<f64>, Vec<f64>);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, states, adapters @ ..] = &args[..] else {
        return Err("expected MODEL.xml STATES.json ADAPTER...".into());
    };
    let model = mjcf::read(model)?;
    let file: Vec<Map<String, Value>> = serde_json::from_str(&std::fs::read_to_string(states)?)?;
    let list = |state: &Map<String, Value>, key: &str| -> Result<Vec<f64>, String> {
        let numbers = state.get(key).and_then(Value::as_array).ok_or(format!("{states}: a state has no `{key}`"))?;
        numbers.iter().map(|x| x.as_f64().ok_or(format!("{states}: {x} in `{key}`, expected a number"))).collect()
    };
    let start = |state: &Map<String, Value>| -> Result<Start, String> {
        let (qpos, qvel, warm) = (list(state, "qpos")?, list(state, "qvel")?, list(state, "warm")?);
        Ok((State { qpos, qvel, warm }, list(state, "control")?))
    };
    let starts = file.iter().map(start).collect::<Result<Vec<Start>, String>>()?;

    let mut all = Map::new();
    let exact = starts.iter().map(|(before, control)| {
        let mut after = before.clone();
        let now = step(&model, &mut after, control, CONVERGED);
        json!(numbers::stages(&model, &now, before, control, &after))
    });
    all.insert("f64".into(), exact.collect());
    for adapter in adapters {
        all.insert(adapter.clone(), next_states(&model, &starts, adapter)?);
    }
    println!("{}", Value::from(all));
    Ok(())
}

fn next_states(model: &Model, starts: &[Start], adapter: &str) -> Result<Value, Box<dyn Error>> {
    let mut engine = Engine::new(&EngineOptions { adapter: adapter.parse()?, ..Default::default() })?;
    let simulator = Simulator::new(&mut engine, model, starts.len() as u32, 1, false)?;
    let controls: Vec<f32> = starts.iter().flat_map(|(_, control)| control.iter().map(|&u| u as f32)).collect();
    let mut recording = Recording::new();
    simulator.record_states(&mut recording, &States::of(starts.iter().map(|(state, _)| state)));
    simulator.record_controls(&mut recording, &controls);
    simulator.record_steps(&mut recording, 0, 1);
    engine.submit(&recording)?;
    let ends = simulator.read_states(&mut engine)?;
    let (nq, nv) = (model.nq(), model.nv());
    let one = |row: usize| {
        json!({
            "next_qpos": ends.qpos[row * nq..][..nq], "next_qvel": ends.qvel[row * nv..][..nv],
            "solver": ends.warm[row * nv..][..nv],
            "iterations": ends.most_iterations[row], "converged": ends.not_converged[row] == 0.0,
        })
    };
    Ok((0..starts.len()).map(one).collect())
}
