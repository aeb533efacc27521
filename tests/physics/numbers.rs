//! What every stage of a step in f64 computes, under the names of the fixtures.

use std::collections::BTreeMap;

use flowmill::physics::dynamics::{Constraints, Forward, Law, State, sensors};
use flowmill::physics::model::Model;

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

/// Of a step from one state to the next.
pub fn stages(
    model: &Model,
    now: &Forward<f64>,
    before: &State<f64>,
    control: &[f64],
    after: &State<f64>,
) -> BTreeMap<String, Vec<f64>> {
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
