//! Every stage of a step against MuJoCo's, from states of random rollouts.

use flowmill::physics::dynamics::{Scalar, SolverLimits, State, forward, step};

use crate::fixture::{Numbers, assert_close, difference, models};
use crate::numbers::stages;

/// Enough for the solver to converge in f64.
const CONVERGED: SolverLimits = SolverLimits { iterations: 50, searches: 30 };

fn state<S: Scalar>(numbers: &Numbers) -> (State<S>, Vec<S>) {
    let list = |key: &str| numbers[key].iter().map(|&x| S::of(x)).collect();
    (State { qpos: list("qpos"), qvel: list("qvel"), warm: list("warm") }, list("control"))
}

#[test]
fn every_stage_in_f64_agrees_with_mujoco_to_1e_9() {
    for (name, model, fixture) in models() {
        for (index, numbers) in fixture.states.iter().enumerate() {
            let (before, control) = state::<f64>(numbers);
            let mut after = before.clone();
            let now = step(&model, &mut after, &control, CONVERGED);
            assert!(now.solution.converged == 1.0, "{name}, state {index}: {} iterations", now.solution.iterations);
            assert_close(
                &format!("{name}, state {index}"),
                &stages(&model, &now, &before, &control, &after),
                numbers,
                1e-3,
                1e-9,
            );
        }
    }
}

/// The error is relative to the largest of the accelerations that cancel in the result: without constraints, and of their references.
#[test]
fn accelerations_in_f32_within_ten_newton_steps_agree_to_1e_4() {
    for (name, model, fixture) in models() {
        for (index, numbers) in fixture.states.iter().enumerate() {
            let (state, control) = state::<f32>(numbers);
            let now = forward(&model, &state, &control, SolverLimits::default());
            let got: Vec<f64> = now.solution.acceleration.iter().map(|&x| f64::from(x)).collect();
            let parts = numbers["smooth"].iter().chain(&numbers["reference"]);
            let scale = parts.fold(1e-3, |largest: f64, x| largest.max(x.abs()));
            let error = difference(&got, &numbers["acceleration"], scale);
            assert!(error < 1e-4, "{name}, state {index}: {error:.1e} of {scale:.1e}");
        }
    }
}
