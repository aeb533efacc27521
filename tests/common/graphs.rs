//! Shared by the tests of the compute graph: fixed-seed values and central differences.

use flowmill::ir::*;
use std::collections::HashMap;

/// splitmix64: a few well-mixed numbers for test data.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }

    pub fn uniform(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Magnitudes in `[0.3, 1.2)` of both signs: away from the kinks at 0.
    pub fn signed(&mut self) -> f64 {
        let magnitude = self.uniform(0.3, 1.2);
        if self.next() & 1 == 0 { magnitude } else { -magnitude }
    }
}

/// A draw that depends on all of its key.
pub fn draw(kind: DrawKind, stream: u32, row: usize, lane: usize) -> f64 {
    let mut random =
        Random((kind == DrawKind::Normal) as u64 + 2 * stream as u64 + 1000 * row as u64 + 77 * lane as u64);
    random.uniform(0.1, 0.9)
}

/// Random values for everything that a graph declares. The input `index` holds integers from 0 to 2.
pub fn random_bindings(graph: &Graph, rows: usize, seed: u64) -> Bindings<'static> {
    let mut random = Random(seed);
    let mut bindings = Bindings { draw: Some(&draw), ..Bindings::default() };
    for input in &graph.inputs {
        let mut value = || if input.name == "index" { random.below(3) as f64 } else { random.signed() };
        bindings.inputs.insert(input.name.clone(), (0..rows * input.width).map(|_| value()).collect());
    }
    for param in &graph.params {
        let values = (0..param.rows * param.cols).map(|_| random.signed()).collect();
        bindings.params.insert(param.name.clone(), values);
    }
    bindings.uniforms = graph.uniforms.iter().map(|u| (u.name.clone(), random.signed())).collect();
    bindings
}

/// The sum of all means.
pub fn total(graph: &Graph, bindings: &Bindings, rows: usize) -> f64 {
    execute(graph, bindings, rows).unwrap().means.values().sum()
}

/// Central differences of the sum of all means by every entry of every trained parameter.
pub fn central_differences(graph: &Graph, bindings: &mut Bindings, rows: usize) -> HashMap<String, Vec<f64>> {
    const H: f64 = 1e-5;
    let mut gradients = HashMap::new();
    for param in graph.params.iter().filter(|p| p.trained) {
        let mut gradient = vec![];
        for i in 0..param.rows * param.cols {
            let mut at = |offset: f64| {
                bindings.params.get_mut(&param.name).unwrap()[i] += offset;
                let value = total(graph, bindings, rows);
                bindings.params.get_mut(&param.name).unwrap()[i] -= offset;
                value
            };
            gradient.push((at(H) - at(-H)) / (2.0 * H));
        }
        gradients.insert(param.name.clone(), gradient);
    }
    gradients
}

/// Fails unless the two lists agree within `1e-7 + 1e-6 |expected|`.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let close = (g - e).abs() <= 1e-7 + 1e-6 * e.abs();
        assert!(close, "{what}[{i}]: got {g}, expected {e}\nall: {got:?}\nexpected: {expected:?}");
    }
}

/// Builds a loss with `build`, differentiates it, and compares every parameter's gradient with central differences.
/// Every trained parameter must have some gradient, so that a graph that ignores it cannot pass.
#[track_caller]
pub fn check_gradients(name: &str, build: impl FnOnce(&mut Builder) -> NodeId) -> Graph {
    let mut b = Builder::new(name);
    let loss = build(&mut b);
    b.mean("loss", loss);
    b.differentiate(loss);
    let graph = b.finish().unwrap();
    let rows = 3;
    let mut bindings = random_bindings(&graph, rows, name.len() as u64 + 17);
    let expected = central_differences(&graph, &mut bindings, rows);
    let got = execute(&graph, &bindings, rows).unwrap().grads;
    assert!(!expected.is_empty(), "{name}: no trained parameter is left in the graph");
    for (param, expected) in &expected {
        assert!(expected.iter().any(|g| g.abs() > 1e-3), "{name}: the loss does not depend on `{param}`: {expected:?}");
        assert_close(&format!("{name}: gradient of `{param}`"), &got[param], expected);
    }
    graph
}
