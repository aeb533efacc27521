//! Files, bindings and comparisons for the tests of the algorithms, all in f64.

use std::collections::HashMap;
use std::path::Path;

use flowmill::algo::{Agent, PrepareInput, TensorFile};
use flowmill::ir::{Bindings, DrawKind, Graph, Outputs, execute};
use safetensors::{Dtype, SafeTensors};

/// Tensors by name.
pub type Tensors = HashMap<String, Vec<f64>>;

/// A safetensors file with its shapes.
pub struct File {
    pub shapes: HashMap<String, Vec<usize>>,
    pub values: Tensors,
}

impl File {
    pub fn read(name: &str) -> File {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let (mut shapes, mut values) = (HashMap::new(), HashMap::new());
        for (name, view) in tensors.tensors() {
            let data = view.data();
            let numbers: Vec<f64> = match view.dtype() {
                Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
                other => panic!("{name} is {other:?}"),
            };
            shapes.insert(name.clone(), view.shape().to_vec());
            values.insert(name, numbers);
        }
        File { shapes, values }
    }

    /// Parameters by name; frozen tensors that the file leaves out equal the current ones.
    pub fn params(&self, graph: &Graph) -> Tensors {
        let find = |name: &str| {
            let current = name.replacen("old.", "actor.", 1);
            self.values.get(name).or(self.values.get(&current)).unwrap_or_else(|| panic!("no tensor {name}")).clone()
        };
        graph.params.iter().map(|p| (p.name.clone(), find(&p.name))).collect()
    }
}

impl TensorFile for File {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.get(name).cloned()
    }
    fn scalar(&self, name: &str) -> Option<f64> {
        self.values.get(name).filter(|v| v.len() == 1).map(|v| v[0])
    }
}

/// A number in `[0, 1)` that depends on all arguments.
pub fn unit(seed: u64, stream: u32, row: usize, lane: usize) -> f64 {
    let mut h = seed ^ 0x9e37_79b9_7f4a_7c15;
    for part in [stream as u64, row as u64, lane as u64] {
        h = (h ^ part.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 29;
        h = h.wrapping_mul(0x94d0_49bb_1331_11eb);
        h ^= h >> 32;
    }
    (h >> 11) as f64 / (1u64 << 53) as f64
}

/// A standard normal number.
pub fn normal(seed: u64, stream: u32, row: usize, lane: usize) -> f64 {
    let (u, v) = (unit(seed, stream, row, 2 * lane), unit(seed ^ 0xabcd, stream, row, 2 * lane + 1));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The draws of all tests.
pub fn draw(kind: DrawKind, stream: u32, row: usize, lane: usize) -> f64 {
    match kind {
        DrawKind::Normal => normal(3, stream, row, lane),
        DrawKind::Uniform => unit(3, stream, row, lane),
    }
}

/// `count` normal numbers.
pub fn normals(seed: u64, count: usize) -> Vec<f64> {
    (0..count).map(|i| normal(seed, 77, i, 0)).collect()
}

pub fn run(graph: &Graph, inputs: Tensors, params: &Tensors, rows: usize) -> Outputs {
    let bindings = Bindings { inputs, params: params.clone(), draw: Some(&draw), ..Bindings::default() };
    execute(graph, &bindings, rows).unwrap_or_else(|e| panic!("{e}"))
}

/// An agent's tensors with its frozen copies moved away by `drift` times a normal, and everything prepared.
pub fn ready(agent: &Agent, drift: f64) -> Tensors {
    let mut params: Tensors =
        agent.tensors.iter().map(|t| (t.name.clone(), t.values.iter().map(|v| *v as f64).collect())).collect();
    for (k, frozen) in agent.frozen.iter().enumerate() {
        let moved = params[&frozen.of].iter().enumerate().map(|(i, v)| v + drift * normal(k as u64, 5, i, 0)).collect();
        params.insert(frozen.copy.clone(), moved);
    }
    prepare(agent, &mut params);
    params
}

/// Runs the prepare graphs.
pub fn prepare(agent: &Agent, params: &mut Tensors) {
    for step in &agent.prepare {
        let input = match &step.input {
            PrepareInput::RowNumber => (0..step.rows).map(|k| k as f64).collect(),
            PrepareInput::Tensor(name) => params[name].clone(),
        };
        let inputs = HashMap::from([(step.graph.inputs[0].name.clone(), input)]);
        let mut outputs = run(&step.graph, inputs, params, step.rows);
        params.insert(step.output.clone(), outputs.stores.remove(&step.output).unwrap());
    }
}

/// Panics unless the largest error is at most `tolerance` times the largest wanted entry (which counts as at least
/// `scale`).
pub fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64, scale: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    let largest = want.iter().fold(scale, |m, w| m.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (g - w).abs();
        assert!(error <= tolerance * largest, "{what}[{i}]: got {g}, want {w}, error {:.1e}", error / largest);
    }
}
