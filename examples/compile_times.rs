//! What the driver's compiler takes for every generated kernel of a preset and the environment's step, with rolled loops and with constant bounds
//! (`Target::rolled`): seconds of the first dispatch, one workgroup each.
//!
//! `MESA_SHADER_CACHE_DISABLE=true cargo run --release --example compile_times [ENV] [ALGORITHM] [PRESET]`
//! Without that variable Mesa answers from its cache. With constant bounds lavapipe takes minutes.

use std::collections::HashMap;
use std::time::Instant;

use flowmill::algo::{Algorithm, Layer, Spaces};
use flowmill::engine::{AdapterChoice, AdapterKind, BufferId, Engine, EngineOptions, Recording, adapters, reflect};
use flowmill::env::EnvKernels;
use flowmill::fuse::Target;
use flowmill::train::{ParamLayout, Program, RolloutLayout};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or(default.into());
    let environment = flowmill::env::load(&argument(0, "multigoal"))?;
    let presets = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    let algorithm = Algorithm::resolve(&argument(1, "policyflow"), &argument(2, "quick"), &presets, &[])?;
    let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
    let agent = algorithm.agent(spaces, 1)?;
    let env = EnvKernels::new(&environment)?;
    let params = ParamLayout::new(&agent);
    let rollout = RolloutLayout::new(&agent, &agent.act, spaces.observation, 256, 4, true);

    // The CPU engine compiles nothing.
    let gpu = adapters().into_iter().find(|adapter| adapter.kind != AdapterKind::Cpu).map(|adapter| adapter.index);
    let adapter = gpu.map_or(AdapterChoice::Software, AdapterChoice::Index);
    let mut engine = Engine::new(&EngineOptions { adapter, ..Default::default() })?;
    println!("{}", engine.adapter().name);
    for rolled in [true, false] {
        let target = Target { rolled, ..Target::SOFTWARE };
        let program = Program::new(&agent, &params, &rollout, &env, &target)?;
        for desc in program.kernels().into_iter().map(|tile| &tile.desc).chain([&env.step]) {
            let started = Instant::now();
            let kernel = engine.kernel(desc)?;
            // Views of one role share its buffer.
            let mut roles: HashMap<&str, BufferId> = HashMap::new();
            let mut buffers = Vec::new();
            for binding in &desc.bindings {
                let role = binding.strip_suffix("_f32").unwrap_or(binding);
                let buffer = match roles.get(role) {
                    Some(buffer) => *buffer,
                    None => engine.buffer(role, 1 << 22)?,
                };
                roles.insert(role, buffer);
                buffers.push(buffer);
            }
            let mut recording = Recording::new();
            // No rows: the first dispatch compiles.
            let immediates = vec![0; reflect(&desc.wgsl)?.immediate_bytes as usize];
            recording.dispatch(kernel, &buffers, &immediates, [1, 1, 1]);
            engine.submit(&recording)?;
            engine.wait()?;
            let (name, seconds) = (&desc.name, started.elapsed().as_secs_f64());
            println!("rolled {rolled:5}  {seconds:6.2} s  {:5} lines  {name}", desc.wgsl.lines().count());
        }
    }
    Ok(())
}
