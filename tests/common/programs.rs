//! A graph as a kernel on the adapter, against the f64 reference executor.

use std::collections::HashMap;

use flowmill::engine::{BufferId, Engine, Recording};
use flowmill::fuse::{Placement, Rows, Target, Tensor, TileArgs, TileKernel, lower};
use flowmill::ir::{Bindings, Outputs, execute};
use flowmill::ir::{DrawKind, Graph};
use flowmill::kernels::reduce_gradients::{self, ReduceArgs};
use flowmill::kernels::weight_gradients::{self, BLOCK_WORDS, WeightGradientArgs, plan_weight_gradients};
use flowmill::rng::Key;

use super::fresh::{Fresh, POISON, poison};
use super::parity::compare;

/// Samples that every field of the rollout buffer has room for.
const CAPACITY: usize = 160;

/// How a program is run.
#[derive(Clone, Copy)]
pub struct Case {
    pub target: Target,
    pub rows: u32,
    /// Read samples in shuffled order, from a batch of so many.
    pub shuffle: Option<u32>,
    pub slices: u32,
}

/// Values of everything that a graph reads.
pub struct Values {
    pub inputs: HashMap<String, Vec<f32>>,
    pub params: HashMap<String, Vec<f32>>,
    pub uniforms: HashMap<String, f32>,
}

/// Fresh values; `index` inputs hold small integers, variances are positive.
pub fn values(graph: &Graph, samples: u32, fresh: &mut Fresh) -> Values {
    let mut inputs = HashMap::new();
    for input in &graph.inputs {
        let count = samples as usize * input.width;
        let data = match input.name.as_str() {
            "index" => (0..count).map(|_| (fresh.word() % 3) as f32).collect(),
            _ => fresh.normals(count),
        };
        inputs.insert(input.name.clone(), data);
    }
    let mut params = HashMap::new();
    for param in &graph.params {
        let scale = 1.0 / (param.rows as f32).sqrt();
        let variance = param.name.ends_with("variance");
        let value = |v: f32| if variance { v * v + 0.1 } else { v * scale };
        let data = fresh.normals(param.rows * param.cols).into_iter().map(value).collect();
        params.insert(param.name.clone(), data);
    }
    let uniforms = graph.uniforms.iter().map(|u| (u.name.clone(), fresh.uniform(0.5, 1.5))).collect();
    Values { inputs, params, uniforms }
}

/// Runs the kernel and its reductions, and compares every store, mean and gradient. The message of the first mismatch.
pub fn check(engine: &mut Engine, graph: &Graph, case: Case, fresh: &mut Fresh, tolerance: f64) -> Result<(), String> {
    let samples = case.shuffle.unwrap_or(case.rows);
    let values = values(graph, samples, fresh);
    let key = Key { seed: u64::from(fresh.word()), stream: 0x200, iteration: fresh.word() % 7 };
    let got = on_device(engine, graph, case, &values, key)?;
    let want = on_reference(graph, case, &values, key)?;
    agree(graph, &got, &want, tolerance)
}

/// Compares every store, mean and gradient.
pub fn agree(graph: &Graph, got: &Outputs, want: &Outputs, tolerance: f64) -> Result<(), String> {
    let name = |what: &str, item: &str| format!("{}: {what} `{item}`", graph.name);
    for store in &graph.stores {
        compare(
            &name("store", &store.name),
            &got.stores[&store.name],
            &want.stores[&store.name],
            tolerance,
            tolerance,
        )?;
    }
    for mean in &graph.means {
        compare(&name("mean", mean), &[got.means[mean]], &[want.means[mean]], tolerance, tolerance)?;
    }
    for (param, gradient) in &want.grads {
        let largest = gradient.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        compare(&name("gradient", param), &got.grads[param], gradient, tolerance * (largest + 1e-3), tolerance)?;
    }
    Ok(())
}

fn sample(case: Case, key: Key, row: u32) -> u32 {
    case.shuffle.map_or(row, |count| key.shuffled(row, count))
}

pub fn on_reference(graph: &Graph, case: Case, values: &Values, key: Key) -> Result<Outputs, String> {
    let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let draw = |kind: DrawKind, stream: u32, row: usize, lane: usize| {
        let key = Key { stream, ..key };
        let row =
            if case.shuffle.is_some() { sample(case, Key { stream: 0x200, ..key }, row as u32) } else { row as u32 };
        f64::from(match kind {
            DrawKind::Normal => key.normal(3, row, lane as u32),
            DrawKind::Uniform => key.uniform(3, row, lane as u32),
        })
    };
    let mut bindings = Bindings { draw: Some(&draw), ..Bindings::default() };
    for input in &graph.inputs {
        let all = wide(&values.inputs[&input.name]);
        let rows = (0..case.rows).flat_map(|r| {
            let s = sample(case, key, r) as usize;
            all[s * input.width..(s + 1) * input.width].to_vec()
        });
        bindings.inputs.insert(input.name.clone(), rows.collect());
    }
    bindings.params = values.params.iter().map(|(n, v)| (n.clone(), wide(v))).collect();
    bindings.uniforms = values.uniforms.iter().map(|(n, v)| (n.clone(), f64::from(*v))).collect();
    execute(graph, &bindings, case.rows as usize).map_err(|e| e.to_string())
}

fn on_device(engine: &mut Engine, graph: &Graph, case: Case, values: &Values, key: Key) -> Result<Outputs, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let Layout { placement, rollout, params, words, tile, table, copies } = layout(graph, case, values)?;
    let mut buffers: HashMap<&str, BufferId> = HashMap::new();
    let mut r = Recording::new();
    let mut make = |engine: &mut Engine, r: &mut Recording, name: &'static str, data: Vec<f32>| -> Result<(), String> {
        let id = engine.buffer(name, 4 * data.len().next_multiple_of(4).max(4) as u64).map_err(|e| text(&e))?;
        r.upload(id, 0, bytemuck::cast_slice(&data));
        buffers.insert(name, id);
        Ok(())
    };
    let scratch = poison(tile.scratch_bytes(case.rows).max(16) as usize / 4);
    make(engine, &mut r, "rollout", rollout)?;
    make(engine, &mut r, "params", params)?;
    make(engine, &mut r, "scratch", scratch)?;
    make(engine, &mut r, "jobs", table.clone())?;
    make(engine, &mut r, "partials", vec![0.0; (case.slices * copies * words) as usize])?;
    make(engine, &mut r, "gradient", poison(words as usize))?;
    make(engine, &mut r, "norms", poison(words as usize))?;
    let bind =
        |names: &[String]| names.iter().map(|n| buffers[n.strip_suffix("_f32").unwrap_or(n)]).collect::<Vec<_>>();

    let args = arguments(case, key);
    let uniforms: Vec<f32> = tile.uniforms.iter().map(|u| values.uniforms[u]).collect();
    let kernel = engine.kernel(&tile.desc).map_err(|e| format!("{e}\n{}", tile.desc.wgsl))?;
    r.dispatch(kernel, &bind(&tile.desc.bindings), &tile.immediates(&args, &uniforms), tile.groups(case.rows));
    if !table.is_empty() {
        let desc = weight_gradients::desc();
        let args = WeightGradientArgs {
            tiles: case.rows.div_ceil(tile.shape.rows()),
            tile_features: tile.scratch_features,
            tile_rows: tile.shape.rows(),
            gradient_words: words,
            first_slice: 0,
        };
        let kernel = engine.kernel(&desc).map_err(|e| text(&e))?;
        let blocks = (table.len() / BLOCK_WORDS) as u32;
        r.dispatch(kernel, &bind(&desc.bindings), bytemuck::bytes_of(&args), [blocks, case.slices, 1]);
        let desc = reduce_gradients::desc();
        let args =
            ReduceArgs { words, trained_words: words, slices: case.slices * copies, scale: 1.0 / case.rows as f32 };
        let kernel = engine.kernel(&desc).map_err(|e| text(&e))?;
        r.dispatch(kernel, &bind(&desc.bindings), bytemuck::bytes_of(&args), [words.div_ceil(256), 1, 1]);
    }
    let started = std::time::Instant::now();
    engine.submit(&r).map_err(|e| text(&e))?;
    engine.wait().map_err(|e| text(&e))?;
    if std::env::var_os("FLOWMILL_TIMES").is_some() {
        println!("{:.2} s {} {:?} {} rows", started.elapsed().as_secs_f64(), graph.name, case.target, case.rows);
    }
    let mut read = |name: &str, count: usize, first: usize| -> Result<Vec<f64>, String> {
        let bytes = engine.read(buffers[name], 4 * first as u64, 4 * count.max(1) as u64).map_err(|e| text(&e))?;
        Ok(bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect())
    };
    results(graph, case, key, &placement, &mut read)
}

/// Where a program's values are, and its kernel.
pub struct Layout {
    pub placement: Placement,
    pub rollout: Vec<f32>,
    pub params: Vec<f32>,
    /// Words of a gradient vector.
    pub words: u32,
    pub tile: TileKernel,
    /// Jobs of the reduction; those of the same word in several copies of the gradient.
    pub table: Vec<f32>,
    pub copies: u32,
}

pub fn layout(graph: &Graph, case: Case, values: &Values) -> Result<Layout, String> {
    let samples = case.shuffle.unwrap_or(case.rows);
    // Rollout: inputs, then stores; parameters with their padded rows.
    let mut placement = Placement::default();
    // Offsets do not depend on the number of rows, so that one compiled kernel serves all.
    let capacity = CAPACITY.max(samples as usize);
    let mut rollout: Vec<f32> = vec![];
    for input in &graph.inputs {
        let rows = Rows { buffer: "rollout".into(), offset: rollout.len() as u32, pitch: input.width as u32 };
        placement.inputs.insert(input.name.clone(), rows);
        let end = rollout.len() + capacity * input.width;
        rollout.extend(&values.inputs[&input.name]);
        rollout.resize(end, f32::from_bits(POISON));
    }
    for store in &graph.stores {
        let rows = Rows { buffer: "rollout".into(), offset: rollout.len() as u32, pitch: store.width as u32 };
        placement.stores.insert(store.name.clone(), rows);
        rollout.extend(poison(capacity * store.width));
    }
    rollout.push(0.0);
    let mut params: Vec<f32> = vec![];
    for param in &graph.params {
        let ld = param.cols.next_multiple_of(4);
        let tensor = Tensor { buffer: "params".into(), offset: params.len() as u32, ld: ld as u32 };
        placement.gradients.insert(param.name.clone(), tensor.offset);
        placement.params.insert(param.name.clone(), tensor);
        for row in values.params[&param.name].chunks_exact(param.cols) {
            params.extend(row);
            params.resize(params.len().next_multiple_of(4), 0.0);
        }
    }
    placement.means = params.len() as u32;
    let words = (params.len() + graph.means.len()).max(1) as u32;
    params.extend([0.0; 64]);
    let tile = lower(graph, &placement, &case.target, case.shuffle.is_some()).map_err(|e| e.to_string())?;
    let table = plan_weight_gradients(&spread(&tile.jobs, case.slices * words));
    let table: Vec<f32> = table.iter().map(|w| f32::from_bits(*w)).collect();
    let copies = copies(&tile.jobs);
    Ok(Layout { placement, rollout, params, words, tile, table, copies })
}

pub fn arguments(case: Case, key: Key) -> TileArgs {
    TileArgs {
        rows: case.rows,
        first_row: 0,
        shuffle_count: case.shuffle.unwrap_or(case.rows),
        step: 3,
        seed_lo: key.seed as u32,
        seed_hi: (key.seed >> 32) as u32,
        iteration: key.iteration,
        shuffle_stream: key.stream,
    }
}

/// Reads `count` words of a buffer (`rollout` or `gradient`) from a first one.
type Read<'a> = &'a mut dyn FnMut(&str, usize, usize) -> Result<Vec<f64>, String>;

pub fn results(graph: &Graph, case: Case, key: Key, placement: &Placement, read: Read<'_>) -> Result<Outputs, String> {
    let samples = case.shuffle.unwrap_or(case.rows);
    let words = placement.means + graph.means.len() as u32;
    let reduced = graph.sinks.iter().any(|sink| !matches!(sink, flowmill::ir::Sink::Store { .. }));
    let mut out = Outputs::default();
    for store in &graph.stores {
        let place = &placement.stores[&store.name];
        let all = read("rollout", samples as usize * store.width, place.offset as usize)?;
        let row = |r: u32| sample(case, key, r) as usize * store.width;
        out.stores.insert(
            store.name.clone(),
            (0..case.rows).flat_map(|r| all[row(r)..row(r) + store.width].to_vec()).collect(),
        );
    }
    if reduced {
        let gradient = read("gradient", words as usize, 0)?;
        for (i, mean) in graph.means.iter().enumerate() {
            out.means.insert(mean.clone(), gradient[placement.means as usize + i]);
        }
        for param in graph.params.iter().filter(|p| p.trained) {
            let place = &placement.params[&param.name];
            let row = |i: usize| place.offset as usize + i * place.ld as usize;
            let data = (0..param.rows).flat_map(|i| gradient[row(i)..row(i) + param.cols].to_vec()).collect();
            out.grads.insert(param.name.clone(), data);
        }
    }
    Ok(out)
}

type Jobs = [flowmill::kernels::weight_gradients::GradJob];

fn copies(jobs: &Jobs) -> u32 {
    jobs.iter().map(|a| jobs.iter().filter(|b| a.out_word == b.out_word).count() as u32).max().unwrap_or(1)
}

fn spread(jobs: &Jobs, stride: u32) -> Vec<flowmill::kernels::weight_gradients::GradJob> {
    let mut seen: HashMap<u32, u32> = HashMap::new();
    let mut jobs = jobs.to_vec();
    for job in &mut jobs {
        let copy = seen.entry(job.out_word).or_default();
        job.out_word += *copy * stride;
        *copy += 1;
    }
    jobs
}
