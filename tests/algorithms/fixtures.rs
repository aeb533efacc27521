//! Losses, per-row values and gradients against an independent float64 implementation (tests/reference).

use flowmill::algo::{Algorithm, GradientProblem, Reduction};
use flowmill::ir::Outputs;

use crate::support::{File, assert_close, run};

/// What the f32 constants of the graph differ by from the real ones: `ln(2 pi) / 2` and `ln(2 pi e) / 2`.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
const HALF_LOG_TAU_ERROR: f64 = 0.918_938_5f32 as f64 - HALF_LOG_TAU;
const HALF_LOG_TAU_E_ERROR: f64 = 1.418_938_5f32 as f64 - (HALF_LOG_TAU + 0.5);

/// Tolerance, and the size that it is relative to where the largest entry of a tensor is smaller. The graph's constants
/// are f32: what is not exact in f32 costs up to 3e-8 of the term that it scales.
fn tolerance(name: &str) -> (f64, f64) {
    match name {
        // 1 / N: every step of the flow.
        "phi1_new" => (1e-7, 1e-30),
        // 1 - clip and 1 + clip; a mean of rows of either sign.
        "loss" | "loss_pi" => (3e-8, 1.0),
        // w_b / d, for the mean over action dimensions.
        _ if name.starts_with("grad.") => (3e-8, 1e-30),
        // Differences of numbers of order one.
        "log_rho" | "kl" => (1e-9, 1e-2),
        _ => (1e-9, 1e-30),
    }
}

/// The problem that a file states, and what the graph yields for it.
fn evaluate(name: &str, file: &mut File) -> (GradientProblem, Outputs) {
    let problem = if name.starts_with("ppo") { GradientProblem::ppo(file) } else { GradientProblem::policyflow(file) };
    let problem = problem.unwrap_or_else(|e| panic!("{name}: {e}"));
    let d = problem.spaces.action as f64;
    // So that the ratio is that of the fixture, and not off by the constants' rounding.
    file.values.get_mut("logp_old").unwrap().iter_mut().for_each(|l| *l -= d * HALF_LOG_TAU_ERROR);
    let inputs = problem.graph.inputs.iter().map(|i| (i.name.clone(), file.values[&i.name].clone())).collect();
    let outputs = run(&problem.graph, inputs, &file.params(&problem.graph), file.values["logp_old"].len());
    (problem, outputs)
}

fn check(name: &str) {
    let want = File::read(&format!("{name}_out"));
    let (problem, got) = evaluate(name, &mut File::read(name));
    let d = problem.spaces.action as f64;
    let (w_g, entropy) = match &problem.algorithm {
        Algorithm::PolicyFlow(config) => (config.w_g, config.entropy),
        Algorithm::Ppo(config) => (config.w_g, config.entropy),
    };
    let dims = if entropy == Reduction::Sum { d } else { 1.0 };
    let entropy_error = -w_g * dims * HALF_LOG_TAU_E_ERROR;

    let mut compared = 0;
    for (tensor, want) in &want.values {
        let found = if tensor.starts_with("step.") || tensor == "grad_norm_total" {
            continue; // the optimiser's
        } else if let Some(parameter) = tensor.strip_prefix("grad.") {
            got.grads.get(parameter).cloned()
        } else {
            got.stores.get(tensor).cloned().or(got.means.get(tensor).map(|mean| vec![*mean]))
        };
        let mut found = found.unwrap_or_else(|| panic!("{name}: no {tensor}"));
        if matches!(tensor.as_str(), "loss" | "loss_g") {
            found[0] -= entropy_error;
        }
        let (tolerance, scale) = tolerance(tensor);
        assert_close(&format!("{name}: {tensor}"), &found, want, tolerance, scale);
        compared += 1;
    }
    assert_eq!(
        compared,
        got.grads.len() + got.stores.len() + got.means.len() - 2,
        "{name}: all but clip_fraction, std"
    );
}

macro_rules! agree {
    ($($name:ident)*) => { $(#[test] fn $name() { check(stringify!($name)); })* };
}

agree! {
    policyflow_tiny policyflow_multigoal policyflow_three_layers policyflow_silu_sums policyflow_tanh
    policyflow_clipped policyflow_log_std_clamped policyflow_old_absent policyflow_interpolant policyflow_trigflow
    policyflow_quadruped ppo_tiny ppo_three_layers ppo_silu_mean ppo_clipped ppo_log_std_clamped ppo_old_absent
    ppo_quadruped
}

#[test]
fn a_file_that_lacks_something_or_means_nothing_is_refused_by_name() {
    let mut file = File::read("policyflow_tiny");
    file.values.insert("act".into(), vec![4.0]);
    let refusal = GradientProblem::policyflow(&file).unwrap_err().to_string();
    assert_eq!(refusal, "`act` is 4, expected a whole number in 0..=3");
    file.values.remove("w_b");
    file.values.insert("act".into(), vec![0.0]);
    assert_eq!(GradientProblem::policyflow(&file).unwrap_err().to_string(), "no tensor `w_b`");
    file.shapes.remove("actor.s.w");
    assert_eq!(GradientProblem::policyflow(&file).unwrap_err().to_string(), "no tensor `actor.s.w`");
}

#[test]
fn gradients_agree_to_1e_12_where_the_weights_are_exact() {
    // Three actions: w_b / 3 is not exact in f32 for the fixture's w_b = 1 / 4, but it is for 0 and 3 / 4, and the
    // gradient is linear in w_b.
    for name in ["policyflow_three_layers", "policyflow_log_std_clamped"] {
        let gradients = |w_b: f64| {
            let mut file = File::read(name);
            assert_eq!((file.values["w_b"][0], file.values["z"].len()), (0.25, 3 * file.values["t"].len()));
            file.values.insert("w_b".into(), vec![w_b]);
            evaluate(name, &mut file).1.grads
        };
        let (without, with) = (gradients(0.0), gradients(0.75));
        let want = File::read(&format!("{name}_out"));
        for (parameter, without) in &without {
            let got: Vec<f64> = without.iter().zip(&with[parameter]).map(|(a, b)| a + (b - a) / 3.0).collect();
            assert_close(parameter, &got, &want.values[&format!("grad.{parameter}")], 1e-12, 1e-30);
        }
    }
}
