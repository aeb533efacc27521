//! `flowmill gradient`.

use std::path::{Path, PathBuf};

use flowmill::algo::{Algorithm, GradientProblem, SettingsError};
use flowmill::env::load;
use flowmill::report::write_atomic;
use flowmill::train::{HostTensor, HostTensors, evaluate_gradient};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::{Map, Value, json};

use super::device::Device;
use super::{Failure, Output};

/// Evaluate a loss once on given parameters and a given batch: terms, per-row values, all gradients
#[derive(clap::Args)]
pub struct Args {
    /// Environment that the tensors belong to; the shapes themselves come from the file
    env: String,
    /// `policyflow` or `ppo`
    #[arg(long, default_value = "policyflow")]
    algo: String,
    /// Tensors, safetensors of f32 or f64
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the results go, safetensors of f32
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: Device,
    /// Run checked modules
    #[arg(long)]
    checked: bool,
}

/// Reads, evaluates, writes.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    load(&args.env)?;
    let tensors = read(&args.input)?;
    let named = |failure: Failure| failure.context(args.input.display());
    let problem = match args.algo.as_str() {
        "policyflow" => GradientProblem::policyflow(&tensors),
        "ppo" => GradientProblem::ppo(&tensors),
        other => {
            let known = Algorithm::NAMES.iter().map(|name| name.to_string()).collect();
            return Err(SettingsError::Name { kind: "algorithm", name: other.into(), known }.into());
        }
    };
    let problem = problem.map_err(|e| named(e.into()))?;
    let mut engine = args.device.open(args.checked)?;
    let results = evaluate_gradient(&mut engine, &problem, &tensors).map_err(|e| named(e.into()))?;
    write(&args.out, &results)?;

    let mut scalars = Map::new();
    for (name, tensor) in results.iter().filter(|(_, tensor)| tensor.shape.is_empty()) {
        out.say(format!("{name:<16} {:e}", tensor.values[0]));
        scalars.insert(name.clone(), json!(tensor.values[0]));
    }
    out.say(format!("{} tensors in {}", results.len(), args.out.display()));
    let shapes: Map<String, Value> = results.iter().map(|(name, t)| (name.clone(), json!(t.shape))).collect();
    let path = args.out.display().to_string();
    out.object(&json!({ "out": path, "adapter": engine.adapter().name, "values": scalars, "tensors": shapes }))
}

fn read(path: &Path) -> Result<HostTensors, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::Input(format!("{}: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| failed(&format!("not a safetensors file: {e}")))?;
    let mut tensors = HostTensors::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F64 => data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
                .collect(),
            other => return Err(failed(&format!("tensor `{name}` is {other:?}, expected F32 or F64"))),
        };
        tensors.insert(name, HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

fn write(path: &Path, tensors: &HostTensors) -> Result<(), Failure> {
    let bytes: Vec<(&String, &HostTensor, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| (name, tensor, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let failed = |e: safetensors::SafeTensorError| Failure::Run(format!("{}: {e}", path.display()));
    let mut views = Vec::new();
    for (name, tensor, bytes) in &bytes {
        views.push((name.as_str(), TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(failed)?));
    }
    let file = serialize(views, None).map_err(failed)?;
    write_atomic(path, &file).map_err(|e| Failure::Input(e.to_string()))
}
