//! First-dispatch time of every kernel of the MultiGoal quick preset (run with MESA_SHADER_CACHE_DISABLE=true).
use flowmill::{algo::*, env, fuse::*, gpu::*, train::*};
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let environment = env::load("multigoal")?;
    let algorithm = Algorithm::resolve(
        "policyflow",
        "quick",
        &Layer { origin: "x".into(), table: environment.presets.clone() },
        &[],
    )?;
    let mut engine = Engine::new(&EngineOptions::default())?;
    let spaces = Spaces { observation: 4, action: 2 };
    let agent = algorithm.agent(spaces, 1)?;
    let layout = ParamLayout::new(&agent);
    let rollout = RolloutLayout::new(&agent, &agent.act, 4, 256, 4, true);
    for target in [Target::SOFTWARE, Target::PORTABLE] {
        let program = Program::new(&agent, &layout, &rollout, &target)?;
        for k in program.kernels() {
            let id = engine.kernel(&k.desc)?;
            let mut r = Recording::new();
            let mut bufs = std::collections::HashMap::new();
            let buffers: Vec<_> = k
                .desc
                .bindings
                .iter()
                .map(|b| {
                    let role = b.strip_suffix("_f32").unwrap_or(b).to_string();
                    *bufs.entry(role.clone()).or_insert_with(|| engine.buffer(&role, 1 << 20).unwrap())
                })
                .collect();
            let args = TileArgs { rows: 4, shuffle_count: 4, ..Default::default() };
            r.dispatch(id, &buffers, &k.immediates(&args, &vec![0.0; k.uniforms.len()]), [1, 1, 1]);
            let t = Instant::now();
            engine.submit(&r)?;
            engine.wait()?;
            println!(
                "{:24} rows_only={} {:6.2} s  {} lines",
                k.desc.name,
                target.rows_only,
                t.elapsed().as_secs_f64(),
                k.desc.wgsl.lines().count()
            );
        }
    }
    Ok(())
}
