//! `flowmill gradient`'s evaluation on both engines against the independent float64 reference: every fixture, every tensor,
//! to 1e-4 of the tensor's largest entry, with floors under that entry for `kl` (1e-2) and `log_rho` (1e-1).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use flowmill::algo::GradientProblem;
use flowmill::engine::Engine;
use flowmill::train::{HostTensor, HostTensors, TrainError, evaluate_gradient};
use safetensors::{Dtype, SafeTensors};

mod common;

use common::device::{On, on_both_engines};

on_both_engines!(
    every_fixture_agrees_with_the_float64_reference_to_1e_4,
    fixtures_of_moved_and_scaled_observations_agree_through_the_normaliser,
    missing_and_misshapen_tensors_are_named_with_what_was_expected,
);

/// As tests/reference/compare.py: relative to a tensor's largest entry, which counts as at least 1e-2 for `kl` and 1e-1
/// for `log_rho`. Both are differences that vanish where the policies agree, and there only their rounding is left.
const TOLERANCE: f64 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Shapes and values in f64.
fn read(name: &str) -> Vec<(String, Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(fixtures().join(format!("{name}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |dtype: Dtype, data: &[u8]| -> Vec<f64> {
        match dtype {
            Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            other => panic!("{other:?}"),
        }
    };
    file.tensors().into_iter().map(|(n, v)| (n, v.shape().to_vec(), values(v.dtype(), v.data()))).collect()
}

fn tensors(name: &str) -> HostTensors {
    let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
    read(name).into_iter().map(|(n, shape, v)| (n, HostTensor { shape, values: narrow(v) })).collect()
}

fn problem(name: &str, tensors: &HostTensors) -> GradientProblem {
    let made =
        if name.starts_with("ppo") { GradientProblem::ppo(tensors) } else { GradientProblem::policyflow(tensors) };
    made.unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Largest error over the largest wanted entry, which counts as at least the floor of compare.py.
fn error(tensor: &str, got: &[f32], want: &[f64]) -> f64 {
    let floor = match tensor {
        "log_rho" => 1e-1,
        "kl" => 1e-2,
        _ => 0.0,
    };
    let scale = want.iter().fold(floor, |m: f64, w| m.max(w.abs()));
    let worst = got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs());
    let worst = worst.fold(0.0, |m: f64, e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
    if scale > 0.0 { worst / scale } else { worst }
}

fn every_fixture_agrees_with_the_float64_reference_to_1e_4(on: On) {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix("_out.safetensors").map(str::to_string))
        .collect();
    names.sort();
    assert!(names.len() >= 18, "{names:?}");
    // Drivers compile on the thread that dispatches, most of the time of this test: every thread has an engine.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut engine = on.unchecked_engine();
        let (mut failures, mut compared) = (vec![], 0);
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = std::time::Instant::now();
            compared += compare(&mut engine, name, &mut failures);
            eprintln!("{on}, {name}: {:.1} s", started.elapsed().as_secs_f64());
        }
        (failures, compared)
    };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get()).min(names.len());
    let (mut failures, mut compared) = (vec![], 0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for (more, count) in workers.into_iter().map(|worker| worker.join().unwrap()) {
            failures.extend(more);
            compared += count;
        }
    });
    assert!(failures.is_empty(), "{on}: {} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 400, "{compared}");
}

/// What the normaliser undoes: the networks see the fixture's observations.
fn fixtures_of_moved_and_scaled_observations_agree_through_the_normaliser(on: On) {
    let mut engine = on.unchecked_engine();
    let mut failures = vec![];
    for name in ["policyflow_tiny", "ppo_tiny"] {
        let mut input = tensors(name);
        let obs = input.get_mut("obs").unwrap();
        let width = obs.shape[1];
        obs.values.iter_mut().for_each(|value| *value = 0.25 + 0.5 * *value);
        for (tensor, value) in [("obs.mean", 0.25), ("obs.variance", 0.25)] {
            input.insert(tensor.into(), HostTensor { shape: vec![width], values: vec![value; width] });
        }
        assert!(compare_input(&mut engine, name, &input, &mut failures) > 20);
        input.remove("obs.variance");
        let error = evaluate_gradient(&mut engine, &problem(name, &input), &input).unwrap_err().to_string();
        assert_eq!(error, format!("no tensor `obs.variance`, expected shape [{width}]"));
    }
    assert!(failures.is_empty(), "{on}: {} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Evaluates a fixture, adds what is wrong with it to `failures`, and returns how many tensors were compared.
fn compare(engine: &mut Engine, name: &str, failures: &mut Vec<String>) -> usize {
    compare_input(engine, name, &tensors(name), failures)
}

fn compare_input(engine: &mut Engine, name: &str, input: &HostTensors, failures: &mut Vec<String>) -> usize {
    let got = evaluate_gradient(engine, &problem(name, input), input).unwrap();
    let mut compared = 0;
    for (tensor, shape, want) in read(&format!("{name}_out")) {
        let Some(found) = got.get(&tensor) else {
            failures.push(format!("{name}: no {tensor}"));
            continue;
        };
        let scalar = want.len() == 1 && found.values.len() == 1;
        if found.shape != shape && !scalar {
            failures.push(format!("{name}: {tensor} has shape {:?}, expected {shape:?}", found.shape));
            continue;
        }
        let error = error(&tensor, &found.values, &want);
        if error > TOLERANCE {
            failures.push(format!("{name}: {tensor} is off by {error:.1e}"));
        }
        compared += 1;
    }
    compared
}

#[test]
fn the_comparison_refuses_small_errors_and_not_a_number() {
    let want = [1.0, -2.0];
    assert!(error("x", &[1.0, -2.0], &want) == 0.0);
    assert!(error("x", &[1.0, -2.0005], &want) > TOLERANCE);
    assert!(error("x", &[f32::NAN, -2.0], &want) > TOLERANCE);
}

fn missing_and_misshapen_tensors_are_named_with_what_was_expected(on: On) {
    let mut engine = on.unchecked_engine();
    let whole = tensors("policyflow_tiny");
    let problem = problem("policyflow_tiny", &whole);
    let mut refusal = |change: &dyn Fn(&mut HostTensors)| {
        let mut tensors = whole.clone();
        change(&mut tensors);
        let error = evaluate_gradient(&mut engine, &problem, &tensors).unwrap_err();
        assert!(matches!(error, TrainError::Setting(_)), "{error}");
        error.to_string()
    };
    let rows = whole["obs"].shape[0];
    assert_eq!(refusal(&|t| drop(t.remove("adv"))), format!("no tensor `adv`, expected shape [{rows}]"));
    assert!(refusal(&|t| drop(t.remove("critic.mlp.0.w"))).starts_with("no tensor `critic.mlp.0.w`, expected shape ["));
    let message = refusal(&|t| {
        t.get_mut("ret").unwrap().shape = vec![3];
    });
    assert_eq!(message, format!("tensor `ret` has shape [3], expected [{rows}]"));
}
