//! Checkpoints: safetensors files with everything that the next iteration depends on.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::TrainError;

/// Version of the file's layout.
const FORMAT: &str = "flowmill-checkpoint-1";

/// The state of a run between two iterations.
#[derive(Clone, PartialEq, Debug)]
pub struct Checkpoint {
    /// Environment name.
    pub environment: String,
    /// The algorithm's settings as TOML: one section.
    pub config: String,
    /// Seed of the run; random numbers are a function of it and the counters, so there is no other random state.
    pub seed: u64,
    /// Iterations done.
    pub iteration: u64,
    /// Optimiser steps done.
    pub updates: u64,
    /// Mean return and length of the last finished episodes.
    pub last_return: (f64, f64),
    /// Named f32 tensors with shapes: parameters, then `adam.m.*` and `adam.v.*`.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Named bytes: optimiser control words, observations, environment states.
    pub raw: Vec<(String, Vec<u8>)>,
}

impl Checkpoint {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrainError> {
        let failed = |e: safetensors::SafeTensorError| error("checkpoint", e.to_string());
        let mut views = Vec::new();
        for (name, shape, values) in &self.tensors {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).map_err(failed)?;
            views.push((name.clone(), view));
        }
        for (name, bytes) in &self.raw {
            views.push((name.clone(), TensorView::new(Dtype::U8, vec![bytes.len()], bytes).map_err(failed)?));
        }
        let metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("environment".to_string(), self.environment.clone()),
            ("config".to_string(), self.config.clone()),
            ("seed".to_string(), self.seed.to_string()),
            ("iteration".to_string(), self.iteration.to_string()),
            ("updates".to_string(), self.updates.to_string()),
            ("last_return".to_string(), self.last_return.0.to_string()),
            ("last_length".to_string(), self.last_return.1.to_string()),
        ]);
        Ok(with_sorted_metadata(serialize(views, Some(metadata)).map_err(failed)?))
    }

    /// Write to a temporary name, then rename.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let bytes = self.to_bytes()?;
        crate::report::write_atomic(path, &bytes).map_err(|e| error(&path.display().to_string(), e.to_string()))
    }

    /// Read a file.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| error(&name, format!("cannot be read: {e}")))?;
        Self::from_bytes(&name, &bytes)
    }

    /// Parse a file's bytes; `name` is for messages.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, TrainError> {
        let broken = |e: safetensors::SafeTensorError| error(name, format!("not a safetensors file: {e}"));
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(error(name, format!("not a checkpoint: metadata `format` is not {FORMAT}")));
        }
        let text =
            |key: &str| metadata.get(key).cloned().ok_or_else(|| error(name, format!("metadata `{key}` is missing")));
        let number = |key: &str| {
            let value = text(key)?;
            value
                .parse::<u64>()
                .map_err(|_| error(name, format!("metadata `{key}` is {value:?}, expected a whole number")))
        };
        let float = |key: &str| text(key).map(|v| v.parse().unwrap_or(f64::NAN));
        let mut checkpoint = Self {
            environment: text("environment")?,
            config: text("config")?,
            seed: number("seed")?,
            iteration: number("iteration")?,
            updates: number("updates")?,
            last_return: (float("last_return")?, float("last_length")?),
            tensors: Vec::new(),
            raw: Vec::new(),
        };
        for (tensor, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    checkpoint.tensors.push((tensor, view.shape().to_vec(), super::trainer::words(view.data())))
                }
                _ => checkpoint.raw.push((tensor, view.data().to_vec())),
            }
        }
        checkpoint.tensors.sort_by(|a, b| a.0.cmp(&b.0));
        checkpoint.raw.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(checkpoint)
    }
}

/// The library writes the metadata in the order of a hash map, which differs from file to file: sorted, equal states are
/// equal files.
fn with_sorted_metadata(mut file: Vec<u8>) -> Vec<u8> {
    let length = file.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes) as usize);
    let Some(header) = file.get_mut(8..8 + length) else { return file };
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(header) else { return file };
    if let Some(metadata) = json.get_mut("__metadata__").and_then(serde_json::Value::as_object_mut) {
        metadata.sort_keys();
    }
    // The same text in another order, so of the same length; blanks fill the header up to its alignment.
    let text = json.to_string();
    if text.len() <= header.len() {
        header[..text.len()].copy_from_slice(text.as_bytes());
        header[text.len()..].fill(b' ');
    }
    file
}

fn error(path: &str, message: String) -> TrainError {
    TrainError::Checkpoint { path: path.to_string(), message }
}
