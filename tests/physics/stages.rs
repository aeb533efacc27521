//! Every stage of a step against MuJoCo's, from states of random rollouts.

use flowmill::physics::dynamics::{Constraints, Forward, Law, Scalar, SolverLimits, State, forward, sensors, step};
use flowmill::physics::model::Model;

use crate::fixture::{Numbers, assert_close, difference, models};

/// Enough for the solver to converge in f64.
const CONVERGED: SolverLimits = SolverLimits { iterations: 50, searches: 30 };

fn state<S: Scalar>(numbers: &Numbers) -> (State<S>, Vec<S>) {
    let list = |key: &str| numbers[key].iter().map(|&x| S::of(x)).collect();
    (State { qpos: list("qpos"), qvel: list("qvel"), warm: list("warm") }, list("control"))
}

/// MuJoCo's rows: J, reference and R of what is active, a pyramid's edges one by one.
fn rows(model: &Model, constraints: &Constraints<f64>) -> [Vec<f64>; 3] {
    let mut out = [Vec::new(), Vec::new(), Vec::new()];
    let mut add = |terms: Vec<(usize, f64)>, reference: f64, weight: f64| {
        let mut line = vec![0.0; model.nv()];
        for (dof, factor) in terms {
            line[dof] += factor;
        }
        out[0].extend(line);
        out[1].push(reference);
        out[2].push(1.0 / weight);
    };
    for row in constraints.rows.iter().filter(|row| row.active) {
        add(row.terms.clone(), row.reference, row.weight);
    }
    for contact in constraints.contacts.iter().filter(|contact| contact.active) {
        let unit = |k: usize| std::array::from_fn(|i| f64::from(u8::from(i == k)));
        let directions: Vec<([f64; 3], f64)> = match contact.law {
            Law::Frictionless => vec![(unit(0), 1.0)],
            Law::Pyramid([a, b]) => {
                [[1.0, a, 0.0], [1.0, -a, 0.0], [1.0, 0.0, b], [1.0, 0.0, -b]].map(|edge| (edge, 1.0)).to_vec()
            }
            Law::Cone([a, b], ratio) => {
                vec![(unit(0), 1.0), (unit(1), ratio), (unit(2), ratio * (b / a) * (b / a))]
            }
        };
        for (direction, ratio) in directions {
            let dot = |v: &[f64; 3]| (0..3).map(|k| direction[k] * v[k]).sum::<f64>();
            let terms = contact.terms.iter().map(|(dof, along)| (*dof, dot(along))).collect();
            add(terms, dot(&contact.reference), contact.weight * ratio);
        }
    }
    out
}

fn stages(model: &Model, now: &Forward<f64>, before: &State<f64>, control: &[f64], after: &State<f64>) -> Numbers {
    let [jacobian, reference, regulariser] = rows(model, &now.constraints);
    let entry = |i: usize, j: usize| match i == j || now.mass.pattern.row(i).contains(&j) {
        true if i == j => now.mass.values[now.mass.pattern.diagonal(i)],
        true => now.mass.values[now.mass.pattern.at(i, j)],
        false => 0.0,
    };
    let list: Vec<(&str, Vec<f64>)> = vec![
        ("qpos", before.qpos.clone()),
        ("qvel", before.qvel.clone()),
        ("warm", before.warm.clone()),
        ("control", control.to_vec()),
        ("mass", (0..model.nv()).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()),
        ("bias", now.bias.clone()),
        ("passive", now.passive.clone()),
        ("actuation", now.actuation.force.clone()),
        ("smooth", now.mass.clone().factor().solve(&now.smooth_force)),
        ("jacobian", jacobian),
        ("reference", reference),
        ("regulariser", regulariser),
        ("acceleration", now.solution.acceleration.clone()),
        ("sensors", sensors(model, before, now)),
        ("next_qpos", after.qpos.clone()),
        ("next_qvel", after.qvel.clone()),
    ];
    list.into_iter().map(|(key, values)| (key.to_string(), values)).collect()
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
