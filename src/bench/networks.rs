//! Networks by themselves, whatever kernel of an iteration they are part of: one evaluation of the velocity, the whole
//! sampler, the policy of a rollout.

use super::BenchError;
use super::bed::Bed;
use super::shapes::Shape;
use crate::algo::{Algorithm, PolicyFlowConfig};
use crate::engine::{KernelDesc, Recording};
use crate::fuse::{Placement, Rows, Target, TileArgs, lower};
use crate::ir::{Builder, Graph};
use crate::nn::{VelocityNetwork, VelocityShape};
use crate::train::TrainError;

/// The networks of an algorithm: its deterministic policy (of PolicyFlow: the midpoint rule and nothing else), its policy
/// with draws and critic, and of PolicyFlow one evaluation of the velocity.
pub fn graphs(bed: &Bed, shape: &Shape, algorithm: &str) -> Result<Vec<Graph>, BenchError> {
    let agent = bed.trainer.agent();
    let mut graphs = vec![agent.act_zero.clone(), agent.act.clone()];
    if let Algorithm::PolicyFlow(config) = shape.algorithm(algorithm)? {
        graphs.push(velocity(&config, shape)?);
    }
    Ok(graphs)
}

/// `v_t(x; s)` of the trained network: what a midpoint step does twice, with the embeddings of time and state.
fn velocity(config: &PolicyFlowConfig, shape: &Shape) -> Result<Graph, BenchError> {
    let (o, d) = (shape.environment.obs_dim(), shape.environment.action_dim());
    let network = VelocityShape {
        observation: o,
        action: d,
        embedding: config.embedding,
        hidden: config.train.hidden.clone(),
        activation: config.train.activation,
    };
    let mut g = Builder::new("velocity_forward");
    let [obs, x, t] = [("obs", o), ("x", d), ("t", 1)].map(|(name, width)| g.input(name, width));
    let actor = VelocityNetwork::declare(&mut g, "actor", &network, true);
    let state = actor.embed_state(&mut g, obs);
    let v = actor.build(&mut g, x, t, state);
    g.store("v", v);
    Ok(g.finish().map_err(TrainError::from)?)
}

/// A graph as a kernel on the trainer's parameters, with buffers of its own for the rest, and one dispatch of it.
pub fn kernel(bed: &mut Bed, graph: &Graph, rows: u32) -> Result<(KernelDesc, Recording), BenchError> {
    let mut placement = Placement::default();
    bed.trainer.layout().place(graph, &mut placement, false);
    let mut words = 0;
    let mut field = |width: usize| {
        let place = Rows { buffer: "rollout".into(), offset: words, pitch: width as u32 };
        words += rows * width as u32;
        place
    };
    placement.inputs = graph.inputs.iter().map(|input| (input.name.clone(), field(input.width))).collect();
    placement.stores = graph.stores.iter().map(|store| (store.name.clone(), field(store.width))).collect();

    let (params, frozen) = bed.trainer.parameter_buffers();
    let engine = bed.trainer.engine();
    let tile = lower(graph, &placement, &Target::of(engine.adapter()), false).map_err(TrainError::from)?;
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
    Ok((tile.desc, recording))
}
