//! Finding a checkpoint by the path of a run or of a file, and a policy on the device from it.

use std::path::{Path, PathBuf};

use flowmill::algo::Agent;
use flowmill::engine::{BufferId, Engine, Recording};
use flowmill::train::{Checkpoint, ParamLayout};

use super::Failure;

/// A checkpoint with its path.
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its contents.
    pub checkpoint: Checkpoint,
    /// The run directory that the file lies in, if it does.
    pub run: Option<PathBuf>,
}

/// Loads a checkpoint file, or the latest one of a run directory.
pub fn find(path: &Path) -> Result<Found, Failure> {
    let file = if path.is_dir() { path.join("checkpoints").join("latest.safetensors") } else { path.to_path_buf() };
    if !file.is_file() {
        let expected = "a run directory with checkpoints/latest.safetensors, or a checkpoint file";
        return Err(Failure::Input(format!("`{}` is no run: expected {expected}", path.display())));
    }
    let checkpoint = Checkpoint::load(&file)?;
    let run = file.parent().and_then(Path::parent).filter(|run| run.join("metrics.csv").is_file());
    let run = run.map(|run| if run.as_os_str().is_empty() { PathBuf::from(".") } else { run.to_path_buf() });
    Ok(Found { run, path: file, checkpoint })
}

/// Buffers of parameters and of their frozen copy, for evaluation without a trainer.
pub fn upload(
    engine: &mut Engine,
    agent: &Agent,
    found: &Found,
) -> Result<(ParamLayout, (BufferId, BufferId)), Failure> {
    let layout = ParamLayout::new(agent);
    let tensor = |name: &str| found.checkpoint.tensors.iter().find(|(n, ..)| n == name);
    for slot in &layout.slots {
        let expected = [slot.rows, slot.cols];
        let problem = match tensor(&slot.name) {
            Some((_, shape, _)) if *shape == expected => continue,
            Some((_, shape, _)) => format!("has shape {shape:?}, expected {expected:?}"),
            None => format!("is missing, expected shape {expected:?}"),
        };
        return Err(Failure::Input(format!("{}: tensor `{}` {problem}", found.path.display(), slot.name)));
    }
    let words = layout.pack(|name| tensor(name).map(|(_, _, values)| values.as_slice()));
    let padding = words.len() as u64 - u64::from(layout.words);
    let params = engine.buffer("params", words.len() as u64 * 4)?;
    let frozen = engine.buffer("frozen", (u64::from(layout.frozen_words) + padding) * 4)?;
    let mut recording = Recording::new();
    recording.upload(params, 0, bytemuck::cast_slice(&words));
    engine.submit(&recording)?;
    Ok((layout, (params, frozen)))
}
