//! One evaluation of a loss on given tensors, on the device, with the kernels that training uses: what
//! `flowmill gradient` hands out, so that anyone can hold flowmill against another implementation.

use std::collections::BTreeMap;

use super::TrainError;
use super::program::{BoundKernel, BoundTile, Roles};
use super::sizes::{copies, spread_copies};
use super::trainer::words;
use crate::algo::{GradientProblem, TensorFile};
use crate::engine::{BufferId, Engine, Recording};
use crate::fuse::{Placement, Rows, Target, Tensor, TileArgs, lower};
use crate::ir::ParamDecl;
use crate::kernels::adamw::{self, AdamwArgs, control};
use crate::kernels::reduce_gradients::{self, ReduceArgs};
use crate::kernels::weight_gradients::{self, BLOCK_WORDS, WeightGradientArgs};

/// A tensor with its shape, row by row.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HostTensor {
    /// Sizes of its dimensions; none for a scalar.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
}

/// Tensors by name, ascending.
pub type HostTensors = BTreeMap<String, HostTensor>;

impl TensorFile for HostTensors {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.get(name).map(|t| t.shape.clone())
    }

    fn scalar(&self, name: &str) -> Option<f64> {
        self.get(name).filter(|t| t.values.len() == 1).map(|t| f64::from(t.values[0]))
    }
}

/// Weights may be read in blocks of columns that reach this far past the last tensor.
const PADDING_WORDS: u32 = super::layout::PADDING_WORDS;

/// A tensor's place in a buffer whose rows are padded to a multiple of 4 words.
struct Place {
    name: String,
    rows: usize,
    cols: usize,
    offset: u32,
    ld: u32,
}

impl Place {
    fn read(&self, from: &[f32]) -> Vec<f32> {
        let row = |r: usize| self.offset as usize + r * self.ld as usize;
        (0..self.rows).flat_map(|r| from[row(r)..row(r) + self.cols].iter().copied()).collect()
    }
}

/// A buffer under construction: places and contents.
#[derive(Default)]
struct Packed {
    places: Vec<Place>,
    words: Vec<f32>,
}

impl Packed {
    fn push(&mut self, name: &str, (rows, cols, ld): (usize, usize, usize), values: &[f32]) {
        let offset = self.words.len();
        self.places.push(Place { name: name.into(), rows, cols, offset: offset as u32, ld: ld as u32 });
        self.words.resize((offset + rows * ld).next_multiple_of(4), 0.0);
        for (row, source) in values.chunks_exact(cols.max(1)).enumerate() {
            self.words[offset + row * ld..][..cols].copy_from_slice(source);
        }
    }

    fn push_tensor(&mut self, param: &ParamDecl, values: &[f32]) {
        self.push(&param.name, (param.rows, param.cols, param.cols.next_multiple_of(4)), values);
    }

    fn upload(
        &self,
        engine: &mut Engine,
        recording: &mut Recording,
        (role, padding): (&str, u32),
    ) -> Result<BufferId, TrainError> {
        let words = self.words.len() + padding as usize;
        let buffer = engine.buffer(&format!("gradient {role}"), (words as u64 * 4).max(16))?;
        recording.upload(buffer, 0, bytemuck::cast_slice(&self.words));
        Ok(buffer)
    }
}

/// Loss terms, per-row values, gradients (before clipping) and one AdamW step from zero moments, for tensors as
/// documented in tests/reference/README.md. Waits for the device.
pub fn evaluate_gradient(
    engine: &mut Engine,
    problem: &GradientProblem,
    tensors: &HostTensors,
) -> Result<HostTensors, TrainError> {
    let graph = &problem.graph;
    let rows = batch_rows(tensors)?;
    let (mut params, mut frozen, mut rollout) = (Packed::default(), Packed::default(), Packed::default());
    // Trained tensors come first: gradients and moments are as long as they are.
    for param in graph.params.iter().filter(|p| p.trained) {
        params.push_tensor(param, tensor(tensors, param)?);
    }
    let trained_words = params.words.len() as u32;
    for param in graph.params.iter().filter(|p| !p.trained) {
        let buffer = if param.name.starts_with("old.") { &mut frozen } else { &mut params };
        buffer.push_tensor(param, tensor(tensors, param)?);
    }
    for input in &graph.inputs {
        let values = batch_input(tensors, &input.name, rows, input.width)?;
        rollout.push(&input.name, (rows, input.width, input.width), values);
    }
    for store in &graph.stores {
        rollout.push(&store.name, (rows, store.width, store.width), &[]);
    }

    let placement = placement([("params", &params), ("frozen", &frozen)], &rollout, problem, trained_words);
    let tile = lower(graph, &placement, &Target::of(engine.adapter()), false)?;
    let count = rows as u32;
    let means = graph.means.len() as u32;
    let gradient_words = trained_words + means;
    let copies = copies(&tile.jobs);
    let mut jobs = tile.jobs.clone();
    let args = WeightGradientArgs {
        tiles: count.div_ceil(tile.shape.rows()),
        tile_features: tile.scratch_features,
        tile_rows: tile.shape.rows(),
        gradient_words,
        first_slice: 0,
    };
    let plan = |jobs: &[weight_gradients::GradJob]| weight_gradients::plan_weight_gradients(jobs);
    let slices = weight_gradients::suggested_slices(&args, &plan(&jobs), 8);
    spread_copies(&mut jobs, slices * gradient_words);
    let table = plan(&jobs);
    let norms = gradient_words.div_ceil(reduce_gradients::GROUP);

    let mut r = Recording::new();
    let packed = [
        ("params", params.upload(engine, &mut r, ("params", PADDING_WORDS))?),
        ("frozen", frozen.upload(engine, &mut r, ("frozen", PADDING_WORDS))?),
        ("rollout", rollout.upload(engine, &mut r, ("rollout", 0))?),
    ];
    let sizes = [
        ("scratch", tile.scratch_bytes(count) / 4),
        ("partials", u64::from(slices * copies) * u64::from(gradient_words)),
        ("gradient", u64::from(gradient_words)),
        ("moments", u64::from(trained_words) * 2),
        ("norms", u64::from(norms)),
        ("control", control::words(means as usize) as u64),
        ("jobs", table.len() as u64),
    ];
    let roles = Roles::allocate(engine, "gradient", &sizes)?;
    let roles = packed.iter().fold(roles, |roles, (role, buffer)| roles.with(role, *buffer));
    r.upload(roles.get("jobs")?, 0, bytemuck::cast_slice(&table));
    let train = problem.algorithm.train();
    r.upload(roles.get("control")?, 0, bytemuck::bytes_of(&(train.learning_rate as f32)));

    let tile = BoundTile::new(engine, tile, &roles)?;
    let uniforms = vec![1.0; tile.tile.uniforms.len()];
    tile.record(&mut r, &TileArgs { rows: count, ..TileArgs::default() }, &uniforms);
    let weight = BoundKernel::new(engine, &weight_gradients::desc(), &roles)?;
    weight.record(&mut r, bytemuck::bytes_of(&args), [(table.len() / BLOCK_WORDS) as u32, slices, 1]);
    let reduce = BoundKernel::new(engine, &reduce_gradients::desc(), &roles)?;
    let sums = ReduceArgs { words: gradient_words, trained_words, slices: slices * copies, scale: 1.0 / rows as f32 };
    reduce.record(&mut r, bytemuck::bytes_of(&sums), [norms, 1, 1]);
    let step = BoundKernel::new(engine, &adamw::desc(), &roles)?;
    let step_args = adamw_args(train, trained_words, means, norms);
    step.record(&mut r, bytemuck::bytes_of(&step_args), [adamw::groups(trained_words), 1, 1]);
    engine.submit(&r)?;

    let mut read = |role: &str, count: usize| -> Result<Vec<f32>, TrainError> {
        Ok(words(&engine.read(roles.get(role)?, 0, count as u64 * 4)?))
    };
    let gradient = read("gradient", gradient_words as usize)?;
    let stepped = read("params", trained_words as usize)?;
    let controls = read("control", control::words(means as usize))?;
    let values = read("rollout", rollout.words.len())?;
    if controls[control::NON_FINITE] != 0.0 {
        return Err(TrainError::NonFinite { iteration: 0, what: "the loss or a gradient".into() });
    }

    let mut out = HostTensors::new();
    for (name, mean) in graph.means.iter().zip(&gradient[trained_words as usize..]) {
        out.insert(name.clone(), HostTensor { shape: vec![], values: vec![*mean] });
    }
    let norm = vec![controls[control::NORM_SUM]];
    out.insert("grad_norm_total".into(), HostTensor { shape: vec![], values: norm });
    for place in rollout.places.iter().skip(graph.inputs.len()) {
        // A value of one number a row is a vector, unless it is an action's that happens to have one dimension.
        let vector = matches!(place.name.as_str(), "log_rho" | "rho" | "value");
        let shape = if vector { vec![rows] } else { vec![rows, place.cols] };
        out.insert(place.name.clone(), HostTensor { shape, values: place.read(&values) });
    }
    for place in params.places.iter().filter(|p| p.offset < trained_words) {
        let shape = tensors.get(&place.name).map_or_else(Vec::new, |t| t.shape.clone());
        let gradient = HostTensor { shape: shape.clone(), values: place.read(&gradient) };
        out.insert(format!("grad.{}", place.name), gradient);
        out.insert(format!("step.{}", place.name), HostTensor { shape, values: place.read(&stepped) });
    }
    Ok(out)
}

fn placement(
    tensors: [(&str, &Packed); 2],
    rollout: &Packed,
    problem: &GradientProblem,
    trained_words: u32,
) -> Placement {
    let mut placement = Placement { means: trained_words, ..Placement::default() };
    for (buffer, packed) in tensors {
        for place in &packed.places {
            let tensor = Tensor { buffer: buffer.into(), offset: place.offset, ld: place.ld };
            placement.params.insert(place.name.clone(), tensor);
            if buffer == "params" && place.offset < trained_words {
                placement.gradients.insert(place.name.clone(), place.offset);
            }
        }
    }
    for (i, place) in rollout.places.iter().enumerate() {
        let at = Rows { buffer: "rollout".into(), offset: place.offset, pitch: place.ld };
        let inputs = i < problem.graph.inputs.len();
        let map = if inputs { &mut placement.inputs } else { &mut placement.stores };
        map.insert(place.name.clone(), at);
    }
    placement
}

/// The first step of a fresh optimiser at a fixed rate.
fn adamw_args(train: &crate::algo::TrainConfig, trained_words: u32, means: u32, norms: u32) -> AdamwArgs {
    AdamwArgs {
        trained_words,
        means,
        norms,
        step: 0,
        schedule: adamw::Schedule::Fixed as u32,
        end_of_epoch: 0,
        kl_mean: adamw::NO_KL,
        max_norm: train.grad_norm as f32,
        lr_min: train.lr_min as f32,
        lr_max: train.lr_max as f32,
        lr_scale: 1.0,
        kl_target: train.kl_target as f32,
        weight_decay: train.weight_decay as f32,
        beta1: train.beta1 as f32,
        beta2: train.beta2 as f32,
        epsilon: train.eps as f32,
        bias1: (1.0 - train.beta1) as f32,
        bias2: (1.0 - train.beta2) as f32,
    }
}

/// Rows of the batch, by `obs`.
fn batch_rows(tensors: &HostTensors) -> Result<usize, TrainError> {
    match tensors.get("obs").map(|t| t.shape.as_slice()) {
        None => Err(TrainError::Setting("no tensor `obs`, expected shape [rows, observations]".into())),
        Some([rows, _]) if *rows > 0 && *rows <= 1 << 24 => Ok(*rows),
        Some(shape) => Err(wrong_shape("obs", shape, "[rows, observations] with 1..=16777216 rows")),
    }
}

/// A per-row input, `[rows, width]`, or `[rows]` where the width is 1.
fn batch_input<'a>(tensors: &'a HostTensors, name: &str, rows: usize, width: usize) -> Result<&'a [f32], TrainError> {
    let expected = if width == 1 { format!("[{rows}]") } else { format!("[{rows}, {width}]") };
    let Some(tensor) = tensors.get(name) else {
        return Err(TrainError::Setting(format!("no tensor `{name}`, expected shape {expected}")));
    };
    match tensor.shape.as_slice() {
        [r, w] if (*r, *w) == (rows, width) => Ok(&tensor.values),
        [r] if (*r, 1) == (rows, width) => Ok(&tensor.values),
        shape => Err(wrong_shape(name, shape, &expected)),
    }
}

/// A parameter; a frozen one that the file leaves out equals the current one.
fn tensor<'a>(tensors: &'a HostTensors, param: &ParamDecl) -> Result<&'a [f32], TrainError> {
    let (rows, cols) = (param.rows, param.cols);
    let expected = if rows == 1 { format!("[{cols}]") } else { format!("[{rows}, {cols}]") };
    let current = param.name.strip_prefix("old.").map(|rest| format!("actor.{rest}"));
    let found = tensors.get_key_value(&param.name);
    let Some((name, tensor)) = found.or_else(|| tensors.get_key_value(&current?)) else {
        return Err(TrainError::Setting(format!("no tensor `{}`, expected shape {expected}", param.name)));
    };
    match tensor.shape.as_slice() {
        [r, c] if (*r, *c) == (rows, cols) => Ok(&tensor.values),
        [c] if (1, *c) == (rows, cols) => Ok(&tensor.values),
        // A look-up table may be one column, such as the frequencies [K].
        [r] if (*r, 1) == (rows, cols) => Ok(&tensor.values),
        shape => Err(wrong_shape(name, shape, &expected)),
    }
}

fn wrong_shape(name: &str, shape: &[usize], expected: &str) -> TrainError {
    TrainError::Setting(format!("tensor `{name}` has shape {shape:?}, expected {expected}"))
}
