//! What MultiGoal's pictures are drawn from: `plots/data.safetensors`, so that `flowmill plot RUN` can draw again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::report::{ReportError, write_atomic};

/// Paths of many environments, from the origin at rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trajectories {
    /// [trajectories, steps + 1, 2]; all of the same length when they are stored.
    pub points: Vec<Vec<[f32; 2]>>,
}

impl Trajectories {
    /// Where each trajectory ends, `[trajectories, 2]`.
    pub fn end_points(&self) -> Vec<[f32; 2]> {
        self.points.iter().filter_map(|path| path.last().copied()).collect()
    }
}

/// What the policy did after some iteration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MultiGoalSnapshot {
    /// Iterations finished.
    pub iteration: u64,
    /// [1000, 101, 2] in the measure of the summary.
    pub trajectories: Trajectories,
    /// Actions at the origin at rest, [8192, 2] in the measure of the summary.
    pub first_actions: Vec<[f32; 2]>,
}

/// Snapshots of a run, in the order of their iterations; the last is the final policy.
///
/// On disk: tensors `trajectories.<iteration>` [trajectories, steps + 1, 2] and `first_actions.<iteration>` [actions, 2],
/// f32.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MultiGoalData {
    /// Ascending by iteration.
    pub snapshots: Vec<MultiGoalSnapshot>,
}

impl MultiGoalData {
    /// Writes the file, atomically.
    ///
    /// # Errors
    /// [`ReportError::Malformed`] when the trajectories of a snapshot differ in length, [`ReportError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), ReportError> {
        let malformed = |reason: String| ReportError::Malformed { path: path.to_path_buf(), reason };
        let mut tensors = Vec::new();
        for snapshot in &self.snapshots {
            let paths = &snapshot.trajectories.points;
            let length = paths.first().map_or(0, Vec::len);
            if let Some(odd) = paths.iter().position(|path| path.len() != length) {
                let found = paths[odd].len();
                return Err(malformed(format!("trajectory {odd} has {found} points, expected {length} as the first")));
            }
            let bytes = paths.iter().flatten().flatten().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            tensors.push((tensor_name(TRAJECTORIES, snapshot.iteration), vec![paths.len(), length, 2], bytes));
            let actions = &snapshot.first_actions;
            let bytes = actions.iter().flatten().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            tensors.push((tensor_name(FIRST_ACTIONS, snapshot.iteration), vec![actions.len(), 2], bytes));
        }
        let mut views = Vec::new();
        for (name, shape, bytes) in &tensors {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| malformed(e.to_string()))?;
            views.push((name.clone(), view));
        }
        let file = safetensors::serialize(views, None).map_err(|error| malformed(error.to_string()))?;
        write_atomic(path, &file)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`ReportError::Io`]; [`ReportError::Malformed`] naming the tensor and what was expected of it.
    pub fn load(path: &Path) -> Result<Self, ReportError> {
        let malformed = |reason: String| ReportError::Malformed { path: path.to_path_buf(), reason };
        let file = fs::read(path).map_err(|source| ReportError::Io { action: "read", path: path.into(), source })?;
        let tensors = SafeTensors::deserialize(&file).map_err(|error| malformed(error.to_string()))?;
        let mut snapshots = BTreeMap::<u64, MultiGoalSnapshot>::new();
        for (name, tensor) in tensors.iter() {
            let (kind, iteration) = name
                .split_once('.')
                .and_then(|(kind, number)| Some((kind, number.parse::<u64>().ok()?)))
                .ok_or_else(|| malformed(format!("tensor `{name}`: expected a name `<kind>.<iteration>`")))?;
            let points = points(&tensor).map_err(|reason| malformed(format!("tensor `{name}` {reason}")))?;
            let snapshot = snapshots.entry(iteration).or_default();
            snapshot.iteration = iteration;
            match (kind, tensor.shape()) {
                (TRAJECTORIES, &[_, length, 2]) => {
                    snapshot.trajectories.points = points.chunks_exact(length.max(1)).map(<[_]>::to_vec).collect();
                }
                (FIRST_ACTIONS, &[_, 2]) => snapshot.first_actions = points,
                (_, shape) => {
                    let expected = "`trajectories.N` [n, steps + 1, 2] or `first_actions.N` [n, 2]";
                    return Err(malformed(format!("tensor `{name}` has shape {shape:?}, expected {expected}")));
                }
            }
        }
        Ok(Self { snapshots: snapshots.into_values().collect() })
    }
}

const TRAJECTORIES: &str = "trajectories";
const FIRST_ACTIONS: &str = "first_actions";

fn tensor_name(kind: &str, iteration: u64) -> String {
    format!("{kind}.{iteration}")
}

/// The pairs of an f32 tensor whose last axis has two entries.
fn points(tensor: &TensorView<'_>) -> Result<Vec<[f32; 2]>, String> {
    if tensor.dtype() != Dtype::F32 || tensor.shape().last() != Some(&2) {
        return Err(format!("is {:?} {:?}, expected F32 with a last axis of 2", tensor.dtype(), tensor.shape()));
    }
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok(tensor.data().chunks_exact(8).map(|pair| [value(&pair[..4]), value(&pair[4..])]).collect())
}
