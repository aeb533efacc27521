//! MultiGoal's measure on a policy: trajectories from the origin, and first actions there.

use flowmill::engine::{Engine, EngineError};
use flowmill::env::Manifest;
use flowmill::plot::{MultiGoalSnapshot, Trajectories};
use flowmill::report::multigoal::{Coverage, FirstActions, GOALS, coverage, first_actions, goal};
use flowmill::train::{Evaluator, TrainError};

/// Trajectories of the measure.
const TRAJECTORIES: u32 = 1000;
/// Steps of each.
const STEPS: u32 = 100;
/// First actions of the measure.
const FIRST_ACTIONS: u32 = 8192;
/// Environments that the measure's evaluator needs at once.
pub const ENVS: u32 = FIRST_ACTIONS;
/// Samples that it needs.
pub const SAMPLES: u64 = TRAJECTORIES as u64 * (STEPS as u64 + 1);

/// Whether the measure is defined for an environment: its goals are the six of MultiGoal.
pub fn applies(manifest: &Manifest) -> bool {
    let goals = &manifest.evaluation.goals;
    let near = |(i, point): (usize, &[f32; 2])| {
        let [x, y] = goal(i);
        (f64::from(point[0]) - x).hypot(f64::from(point[1]) - y) < 1e-3
    };
    goals.len() == GOALS && manifest.action.len() == 2 && goals.iter().enumerate().all(near)
}

/// Whether an evaluator failed because this adapter has no room for it, which is no reason not to train.
pub fn does_not_fit(error: &TrainError) -> bool {
    let of_device =
        |error: &EngineError| matches!(error, EngineError::BufferLimit { .. } | EngineError::OutOfMemory { .. });
    match error {
        TrainError::Setting(_) => true,
        TrainError::Engine(error) => of_device(error),
        _ => false,
    }
}

/// Rolls the policy out. The two parts draw from rounds `2 * iteration` and the one after it.
pub fn snapshot(
    evaluator: &Evaluator,
    engine: &mut Engine,
    seed: u64,
    iteration: u64,
) -> Result<MultiGoalSnapshot, TrainError> {
    let round = (iteration as u32 & 0x1fff_ffff) << 1;
    let paths = evaluator.run(engine, TRAJECTORIES, STEPS, seed, round)?;
    let position = |t: usize, e: usize| {
        let seen = paths.observation(t, e);
        [seen[0], seen[1]]
    };
    let points = (0..paths.envs).map(|e| (0..=paths.steps).map(|t| position(t, e)).collect()).collect();
    let first = evaluator.run(engine, FIRST_ACTIONS, 1, seed, round | 1)?;
    let action = |e: usize| {
        let chosen = first.action(0, e);
        [chosen[0], chosen[1]]
    };
    Ok(MultiGoalSnapshot {
        iteration,
        trajectories: Trajectories { points },
        first_actions: (0..first.envs).map(action).collect(),
    })
}

/// The measures of a snapshot.
pub fn measure(snapshot: &MultiGoalSnapshot) -> (Coverage, FirstActions) {
    (coverage(&snapshot.trajectories.end_points()), first_actions(&snapshot.first_actions))
}

/// Both in one line.
pub fn describe(ends: &Coverage, first: &FirstActions) -> String {
    format!(
        "coverage {} of {GOALS}, entropy {:.2}, reached {:.2}; first actions: coverage {}, entropy {:.2}, strong {:.2}",
        ends.coverage,
        ends.entropy,
        ends.reached,
        first.first_action_coverage,
        first.first_action_entropy,
        first.first_action_strong
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_size_let_the_training_go_on_without_the_measure() {
        let limit = "max_buffer_size";
        let large = EngineError::BufferLimit { name: "rollout".into(), bytes: 8, limit, maximum: 4 };
        let full = EngineError::OutOfMemory { name: "rollout".into(), bytes: 8, allocated: 0, message: String::new() };
        assert!(does_not_fit(&large.into()) && does_not_fit(&full.into()));
        assert!(!does_not_fit(&EngineError::DeviceLost("gone".into()).into()));
        assert!(!does_not_fit(&TrainError::NonFinite { iteration: 1, what: "loss".into() }));
    }
}
