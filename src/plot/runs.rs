//! Pictures straight from run directories: what `flowmill plot RUN...` and the end of a training run draw.

use std::path::{Path, PathBuf};

use super::comparison::{Comparison, ComparisonCell, ComparisonRow};
use super::curves::{CurveGroup, LearningCurves};
use super::data::MultiGoalData;
use super::multigoal::{FirstActionsPlot, TrajectoryPanels};
use super::{PlotError, save};
use crate::report::{ReportError, RunDir, Summary, read_metrics};

/// The metric that learning curves show.
pub const REWARD_TAG: &str = "Train/mean_reward";
/// Name of [`MultiGoalData`]'s file in `plots/`.
pub const DATA_FILE: &str = "data.safetensors";

/// Draws one run again from its own files into its `plots/`: `learning-curve`, and where `plots/data.safetensors` is,
/// `trajectories` and `first-actions`. A run too short for a curve gets the others. Returns the files written.
///
/// # Errors
/// [`PlotError`].
pub fn draw_run(dir: &RunDir) -> Result<Vec<PathBuf>, PlotError> {
    let (plots, name) = (dir.plots(), describe(dir));
    let mut files = Vec::new();
    match LearningCurves::new(&name, REWARD_TAG, VALUE_TITLE, &group_runs(std::slice::from_ref(dir))?) {
        Ok(curves) => files.extend(save(&curves, &plots, "learning-curve")?),
        Err(PlotError::Empty(_)) => {}
        Err(error) => return Err(error),
    }
    if let Some(data) = multigoal_data(dir)? {
        files.extend(save(&TrajectoryPanels::new(&name, &data)?, &plots, "trajectories")?);
        if let Some(last) = data.snapshots.last() {
            let figure = FirstActionsPlot::new(&name, &last.first_actions)?;
            files.extend(save(&figure, &plots, "first-actions")?);
        }
    }
    Ok(files)
}

/// Draws several runs together into `folder`: `learning-curves`, and where every run has MultiGoal data, `comparison`.
///
/// # Errors
/// [`PlotError`].
pub fn draw_runs(dirs: &[RunDir], folder: &Path) -> Result<Vec<PathBuf>, PlotError> {
    let curves = LearningCurves::new("Learning curves", REWARD_TAG, VALUE_TITLE, &group_runs(dirs)?)?;
    let mut files = save(&curves, folder, "learning-curves")?.to_vec();
    if let Some(rows) = comparison_rows(dirs)? {
        files.extend(save(&Comparison::new("MultiGoal: methods side by side", &rows)?, folder, "comparison")?);
    }
    Ok(files)
}

const VALUE_TITLE: &str = "mean episode return";

/// Metrics of runs, grouped by the label that seeds of one configuration share, in the order first seen.
///
/// # Errors
/// [`ReportError`] of a `metrics.csv`.
pub fn group_runs(dirs: &[RunDir]) -> Result<Vec<CurveGroup>, ReportError> {
    let mut groups: Vec<CurveGroup> = Vec::new();
    for dir in dirs {
        let (label, table) = (label_of(dir), read_metrics(dir.path())?);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.seeds.push(table),
            None => groups.push(CurveGroup { label, seeds: vec![table] }),
        }
    }
    Ok(groups)
}

/// Rows of a comparison, one a label, seeds ascending; `None` when a run has no MultiGoal data.
fn comparison_rows(dirs: &[RunDir]) -> Result<Option<Vec<ComparisonRow>>, ReportError> {
    let mut rows: Vec<ComparisonRow> = Vec::new();
    for dir in dirs {
        let Some(last) = multigoal_data(dir)?.and_then(|mut data| data.snapshots.pop()) else { return Ok(None) };
        let cell = ComparisonCell {
            seed: dir.identity().map_or(0, |identity| identity.seed),
            trajectories: last.trajectories,
            first_actions: last.first_actions,
            // An interrupted run has no summary, and still a picture.
            final_return: Summary::read(dir).ok().and_then(|summary| summary.final_return),
        };
        let method = label_of(dir);
        match rows.iter_mut().find(|row| row.method == method) {
            Some(row) => row.seeds.push(cell),
            None => rows.push(ComparisonRow { method, seeds: vec![cell] }),
        }
    }
    rows.iter_mut().for_each(|row| row.seeds.sort_by_key(|cell| cell.seed));
    Ok(Some(rows))
}

fn multigoal_data(dir: &RunDir) -> Result<Option<MultiGoalData>, ReportError> {
    let path = dir.plots().join(DATA_FILE);
    if path.is_file() { MultiGoalData::load(&path).map(Some) } else { Ok(None) }
}

fn label_of(dir: &RunDir) -> String {
    dir.identity().map_or_else(|| dir.path().display().to_string(), |identity| identity.label())
}

/// The run's label and seed, as a title.
fn describe(dir: &RunDir) -> String {
    let seed = dir.identity().map_or(String::new(), |identity| format!(", seed {}", identity.seed));
    format!("{}{seed}", label_of(dir))
}
