//! The midpoint rule, and the velocity fields that the Brownian regulariser drives the flow to.

use std::collections::HashMap;

use flowmill::flow::{Path, grid_time, midpoint};
use flowmill::ir::{Builder, NodeId};

use crate::support::{Tensors, assert_close, normals, run, unit};

/// End of the flow of `velocity(x, t)` from 1.
fn flow(steps: usize, horizon: f64, velocity: impl Fn(&mut Builder, NodeId, NodeId) -> NodeId) -> f64 {
    let mut g = Builder::new("flow");
    let start = g.input("start", 1);
    let end = midpoint(&mut g, start, steps, horizon, |g, x, node| {
        let t = grid_time(g, node, steps, horizon);
        velocity(g, x, t)
    });
    g.store("end", end);
    let inputs = HashMap::from([("start".to_string(), vec![1.0])]);
    run(&g.finish().unwrap(), inputs, &Tensors::new(), 1).stores["end"][0]
}

/// The field at which the residual of a path vanishes when the frozen velocity is the current one.
fn fixed_field(path: Path, g: &mut Builder, x: NodeId, t: NodeId) -> NodeId {
    match path {
        Path::Rectified => x,
        // x / (2 t^2 - t + 1)
        Path::Interpolant => {
            let square = g.square(t);
            let doubled = g.scale(square, 2.0);
            let difference = g.sub(doubled, t);
            let denominator = g.offset(difference, 1.0);
            g.div(x, denominator)
        }
        // x cos t / (cos t + sin t)
        Path::TrigFlow => {
            let (cosine, sine) = (g.cos(t), g.sin(t));
            let sum = g.add(cosine, sine);
            let weight = g.div(cosine, sum);
            g.mul(x, weight)
        }
    }
}

#[test]
fn midpoint_of_the_identity_field_has_the_known_growth() {
    for (steps, growth) in [(6, 2.7072), (10, 2.7141)] {
        let end = flow(steps, 1.0, |_, x, _| x);
        let exact = (1.0 + 1.0 / steps as f64 + 0.5 / (steps * steps) as f64).powi(steps as i32);
        assert!((end - exact).abs() < 1e-6, "{end}, one step multiplies by 1 + h + h^2 / 2: {exact}");
        assert!((end - growth).abs() < 5e-5, "{end}, expected {growth}");
    }
}

#[test]
fn midpoint_is_of_second_order_in_time_dependent_fields() {
    // dx/dt = x t: x(1) = e^(1/2).
    let error = |steps| (flow(steps, 1.0, |g, x, t| g.mul(x, t)) - 0.5f64.exp()).abs();
    let order = (error(8) / error(16)).log2();
    assert!((order - 2.0).abs() < 0.15, "order {order}");
}

#[test]
fn the_residual_vanishes_at_the_fixed_field_of_each_path() {
    for path in Path::ALL {
        let mut g = Builder::new("residual");
        let (x, t) = (g.input("x", 2), g.input("t", 1));
        let v = fixed_field(*path, &mut g, x, t);
        let eta = path.residual(&mut g, x, t, v, v);
        g.store("eta", eta);
        let t: Vec<f64> = (0..9).map(|k| path.horizon() * k as f64 / 8.0).collect();
        let inputs = HashMap::from([("x".to_string(), normals(1, 18)), ("t".to_string(), t)]);
        let got = run(&g.finish().unwrap(), inputs, &Tensors::new(), 9);
        assert_close(path.word(), &got.stores["eta"], &[0.0; 18], 1e-14, 1.0);
    }
}

#[test]
fn the_fixed_fields_end_at_the_known_deviations() {
    let quarter_turn = std::f64::consts::FRAC_PI_4.exp();
    for (path, deviation) in [(Path::Rectified, 1f64.exp()), (Path::Interpolant, 2.495), (Path::TrigFlow, quarter_turn)]
    {
        let end = flow(200, path.horizon(), |g, x, t| fixed_field(path, g, x, t));
        assert!((end - deviation).abs() < 1e-3, "{path}: {end}, expected {deviation}");
    }
}

#[test]
fn descent_on_the_brownian_term_alone_reaches_the_identity_field() {
    // v = w x with one weight; the frozen weight follows after every 10 steps.
    let mut g = Builder::new("brownian");
    let (x, t) = (g.input("x", 1), g.input("t", 1));
    let w = g.param("w", 1, 1, true);
    let w_old = g.param("w_old", 1, 1, false);
    let (v, v_old) = (g.dense(x, w, None), g.dense(x, w_old, None));
    let eta = Path::Rectified.residual(&mut g, x, t, v, v_old);
    let loss = g.square(eta);
    g.mean("loss", loss);
    g.differentiate(loss);
    let graph = g.finish().unwrap();
    let rows = 200;
    let times: Vec<f64> = (0..rows).map(|i| unit(9, 0, i, 0)).collect();
    let inputs: Tensors = HashMap::from([("x".into(), normals(2, rows)), ("t".into(), times)]);
    let (mut weight, mut frozen) = (0.0, 0.0);
    for step in 0..600 {
        if step % 10 == 0 {
            frozen = weight;
        }
        let params = HashMap::from([("w".to_string(), vec![weight]), ("w_old".to_string(), vec![frozen])]);
        weight -= 0.5 * run(&graph, inputs.clone(), &params, rows).grads["w"][0];
    }
    assert!((weight - 1.0).abs() < 1e-3, "weight {weight}");
}
