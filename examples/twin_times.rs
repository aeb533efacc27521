//! Times of the CPU twins on one thread: sampler, update and weight gradients of PolicyFlow at two sizes.
//!
//!     cargo run --release --example twin_times [-- baseline|avx2|avx512]

use std::collections::HashMap;
use std::time::Instant;

use flowmill::algo::{Algorithm, PolicyFlowConfig, Spaces};
use flowmill::engine::{Call, HostKernel, KernelDesc, Words};
use flowmill::fuse::{Placement, Rows, Target, Tensor, TileArgs, TileKernel, lower};
use flowmill::ir::Graph;
use flowmill::kernels::weight_gradients::{self, BLOCK_WORDS, WeightGradientArgs, plan_weight_gradients};
use flowmill::nn::Activation;
use flowmill::simd::Isa;

const SLICES: u32 = 8;

/// Role buffers by name.
type Buffers = HashMap<String, Vec<f32>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let isa = std::env::args().nth(1).map_or(Ok(Isa::detect()), |name| name.parse::<Isa>())?;
    println!("{isa}, one thread");
    let sizes = [
        ("A mish", Spaces { observation: 4, action: 2 }, vec![32, 32], 16, 4, Activation::Mish),
        ("A elu", Spaces { observation: 4, action: 2 }, vec![32, 32], 16, 4, Activation::Elu),
        ("B elu", Spaces { observation: 48, action: 12 }, vec![128, 128, 128], 64, 12, Activation::Elu),
        ("B mish", Spaces { observation: 48, action: 12 }, vec![128, 128, 128], 64, 12, Activation::Mish),
    ];
    for (name, spaces, hidden, embedding, flow_steps, activation) in sizes {
        let mut config = PolicyFlowConfig { embedding, flow_steps, ..PolicyFlowConfig::default() };
        (config.train.hidden, config.train.activation) = (hidden, activation);
        let agent = Algorithm::PolicyFlow(config).agent(spaces, 5)?;
        let sampler = time(&agent.act, 4096, false, isa)?;
        println!("{name}: sampler, 4096 rows: {}", sampler[0]);
        let update = time(&agent.update, 2048, true, isa)?;
        println!("{name}: update, 2048 rows: {}; weight gradients: {}", update[0], update[1]);
    }
    Ok(())
}

/// Milliseconds and GFLOP/s of the kernel and of its reduction.
fn time(graph: &Graph, rows: u32, shuffled: bool, isa: Isa) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let (tile, words, mut buffers) = layout(graph, rows, shuffled)?;
    let args = TileArgs { rows, shuffle_count: rows, ..TileArgs::default() };
    let immediates = tile.immediates(&args, &vec![1.0; tile.uniforms.len()]);
    let mut out = vec![];
    let flops = tile.desc.work.matrix_flops * f64::from(rows);
    let seconds = run(&tile.desc, isa, tile.groups(rows), &immediates, &mut buffers)?;
    out.push(format!("{:.3} ms, {:.0} GFLOP/s", 1e3 * seconds, 1e-9 * flops / seconds));
    if !tile.jobs.is_empty() {
        let table = plan_weight_gradients(&tile.jobs);
        let groups = [(table.len() / BLOCK_WORDS) as u32, SLICES, 1];
        buffers.insert("jobs".into(), table.iter().map(|w| f32::from_bits(*w)).collect());
        buffers.insert("partials".into(), vec![0.0; (SLICES * words) as usize]);
        let tiles = rows.div_ceil(tile.shape.rows());
        let (tile_features, tile_rows) = (tile.scratch_features, tile.shape.rows());
        let args = WeightGradientArgs { tiles, tile_features, tile_rows, gradient_words: words, first_slice: 0 };
        let seconds = run(&weight_gradients::desc(), isa, groups, bytemuck::bytes_of(&args), &mut buffers)?;
        let flops: f64 = tile.jobs.iter().map(|j| 2.0 * f64::from(j.x_width * j.dy_width * rows)).sum();
        out.push(format!("{:.3} ms, {:.0} GFLOP/s", 1e3 * seconds, 1e-9 * flops / seconds));
    }
    Ok(out)
}

/// Seconds of one dispatch.
fn run(
    desc: &KernelDesc,
    isa: Isa,
    groups: [u32; 3],
    immediates: &[u8],
    buffers: &mut Buffers,
) -> Result<f64, Box<dyn std::error::Error>> {
    let twin = desc.twin.as_ref().ok_or("no twin")?;
    let kernel: Box<dyn HostKernel> = twin.prepare(isa, 1)?;
    let mut taken: Buffers = HashMap::new();
    let role = |name: &str| name.strip_suffix("_f32").unwrap_or(name).to_string();
    for name in &desc.bindings {
        if let Some(buffer) = buffers.remove(&role(name)) {
            taken.insert(role(name), buffer);
        }
    }
    let mut views: HashMap<String, Words<'_>> = HashMap::new();
    for (name, buffer) in &mut taken {
        views.insert(name.clone(), Words::of_floats(buffer));
    }
    let bound: Vec<Words<'_>> = desc.bindings.iter().map(|name| views[&role(name)]).collect();
    let call = Call { groups, immediates, buffers: &bound };
    // The fastest of each task, so that a busy machine does not count.
    let mut best = vec![f64::INFINITY; kernel.tasks(&call)];
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < 1.0 {
        for task in 0..kernel.tasks(&call) {
            let started = Instant::now();
            kernel.run(&call, task, 0);
            best[task] = best[task].min(started.elapsed().as_secs_f64());
        }
    }
    buffers.extend(taken);
    Ok(best.iter().sum())
}

/// Everything in two buffers, filled with small numbers.
fn layout(graph: &Graph, rows: u32, shuffled: bool) -> Result<(TileKernel, u32, Buffers), Box<dyn std::error::Error>> {
    let mut placement = Placement::default();
    let (mut rollout, mut params) = (0, 0);
    let mut place = |width: usize| {
        let here = Rows { buffer: "rollout".into(), offset: rollout, pitch: width as u32 };
        rollout += rows * width as u32;
        here
    };
    placement.inputs.extend(graph.inputs.iter().map(|i| (i.name.clone(), place(i.width))));
    placement.stores.extend(graph.stores.iter().map(|s| (s.name.clone(), place(s.width))));
    for param in &graph.params {
        let ld = param.cols.next_multiple_of(4) as u32;
        placement.params.insert(param.name.clone(), Tensor { buffer: "params".into(), offset: params, ld });
        placement.gradients.insert(param.name.clone(), params);
        params += ld * param.rows as u32;
    }
    placement.means = params;
    let words = params + graph.means.len() as u32;
    let tile = lower(graph, &placement, &Target::CPU, shuffled)?;
    let number = |i: u32| ((i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5) * 0.3;
    let fill = |count: u32| (0..count).map(number).collect::<Vec<f32>>();
    let scratch = vec![0.0; tile.scratch_bytes(rows) as usize / 4 + 4];
    let named = [("rollout", fill(rollout)), ("params", fill(params)), ("scratch", scratch)];
    Ok((tile, words, named.map(|(name, words)| (name.to_string(), words)).into()))
}
