//! One evaluation of the velocity network by itself: what a midpoint step of the sampler does twice.

use super::BenchError;
use super::bed::Bed;
use super::shapes::Shape;
use crate::algo::{Algorithm, PolicyFlowConfig};
use crate::engine::{KernelDesc, Recording};
use crate::fuse::{Placement, Rows, Target, TileArgs, lower};
use crate::ir::{Builder, Graph};
use crate::nn::{VelocityNetwork, VelocityShape};
use crate::train::TrainError;

/// Name of the kernel.
pub const NAME: &str = "velocity_forward";

/// `v_t(x; s)` of the trained network of a PolicyFlow bed, for as many rows as a step of its rollout; none where the bed
/// trains something else.
pub fn kernel(
    bed: &mut Bed,
    shape: &Shape,
    algorithm: &Algorithm,
) -> Result<Option<(KernelDesc, Recording)>, BenchError> {
    let Algorithm::PolicyFlow(config) = algorithm else { return Ok(None) };
    let (graph, widths) = graph(config, shape)?;
    let rows = shape.envs() as u32;
    let mut placement = Placement::default();
    bed.trainer.layout().place(&graph, &mut placement, false);
    let mut words = 0;
    let mut field = |width: usize| {
        let place = Rows { buffer: "rollout".into(), offset: words, pitch: width as u32 };
        words += rows * width as u32;
        place
    };
    for (name, width) in widths {
        placement.inputs.insert(name.into(), field(width));
    }
    placement.stores.insert("v".into(), field(shape.environment.action_dim()));

    let (params, frozen) = bed.trainer.parameter_buffers();
    let engine = bed.trainer.engine();
    let tile = lower(&graph, &placement, &Target::of(engine.adapter()), false).map_err(TrainError::from)?;
    let rollout = engine.buffer("bench rollout", u64::from(words) * 4)?;
    let scratch = engine.buffer("bench scratch", tile.scratch_bytes(rows).max(16))?;
    let role = |binding: &String| match binding.trim_end_matches("_f32") {
        "params" => params,
        "frozen" => frozen,
        "scratch" => scratch,
        _ => rollout,
    };
    let buffers: Vec<_> = tile.desc.bindings.iter().map(role).collect();
    let kernel = engine.kernel(&tile.desc)?;
    let mut recording = Recording::new();
    let args = TileArgs { rows, shuffle_count: rows, ..TileArgs::default() };
    recording.dispatch(kernel, &buffers, bytemuck::bytes_of(&args), tile.groups(rows));
    Ok(Some((tile.desc, recording)))
}

/// The graph, and its inputs with their widths.
fn graph(config: &PolicyFlowConfig, shape: &Shape) -> Result<(Graph, [(&'static str, usize); 3]), BenchError> {
    let (o, d) = (shape.environment.obs_dim(), shape.environment.action_dim());
    let network = VelocityShape {
        observation: o,
        action: d,
        embedding: config.embedding,
        hidden: config.train.hidden.clone(),
        activation: config.train.activation,
    };
    let inputs = [("obs", o), ("x", d), ("t", 1)];
    let mut g = Builder::new(NAME);
    let [obs, x, t] = inputs.map(|(name, width)| g.input(name, width));
    let actor = VelocityNetwork::declare(&mut g, "actor", &network, true);
    let state = actor.embed_state(&mut g, obs);
    let v = actor.build(&mut g, x, t, state);
    g.store("v", v);
    Ok((g.finish().map_err(TrainError::from)?, inputs))
}
