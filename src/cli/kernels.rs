//! `flowmill kernels`.

use std::path::{Path, PathBuf};

use flowmill::algo::{Algorithm, Layer, Spaces, parse_override};
use flowmill::engine::{KernelDesc, reflect, validate_targets};
use flowmill::env::{EnvKernels, load};
use flowmill::fuse::{Placement, Target, lower};
use flowmill::kernels::of_run;
use flowmill::report::write_atomic;
use flowmill::train::{ParamLayout, Program, RolloutLayout, TrainError, fuse_rollout};
use serde_json::{Value, json};

use super::Failure;
use super::output::{Output, table};

/// Write every WGSL module of a configuration; needs no adapter
#[derive(clap::Args)]
pub struct Args {
    /// Name on the search path, or path to the folder
    env: String,
    /// `policyflow` or `ppo`
    #[arg(long, default_value = "policyflow")]
    algo: String,
    /// Preset of hyper-parameters
    #[arg(long, default_value = "released")]
    preset: String,
    /// A hyper-parameter, `section.key=value` or `key=value`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder to write to; made where it does not exist
    #[arg(long)]
    out: PathBuf,
    /// Also write SPIR-V, MSL and HLSL
    #[arg(long)]
    targets: bool,
    /// Limits that the plans keep: the design limits, or those of the software driver
    #[arg(long, value_parser = ["portable", "software"], default_value = "portable")]
    target: String,
}

/// One file a module; the table goes to people, or as an object to `--json`.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let modules = modules(args)?;
    let failed = |e| Failure::Input(format!("--out {}: cannot be made: {e}", args.out.display()));
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    let mut rows = vec![["file", "workgroup", "bindings", "bytes"].map(String::from).to_vec()];
    let mut list: Vec<Value> = Vec::new();
    for desc in &modules {
        let refused = |e: &dyn std::fmt::Display| Failure::Run(format!("kernel `{}`: {e}", desc.name));
        let found = reflect(&desc.wgsl).map_err(|e| refused(&e))?;
        let mut files = vec![(format!("{}.wgsl", desc.name), desc.wgsl.clone().into_bytes())];
        if args.targets {
            let targets = validate_targets(&desc.wgsl).map_err(|e| refused(&e))?;
            let words = targets.spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
            files.push((format!("{}.spv", desc.name), words));
            files.push((format!("{}.metal", desc.name), targets.msl.into_bytes()));
            files.push((format!("{}.hlsl", desc.name), targets.hlsl.into_bytes()));
        }
        for (name, bytes) in files {
            write(&args.out.join(&name), &bytes)?;
            let size = found.workgroup_size;
            let workgroup = format!("{} x {} x {}", size[0], size[1], size[2]);
            rows.push(vec![name.clone(), workgroup, desc.bindings.join(", "), bytes.len().to_string()]);
            list.push(json!({
                "file": name, "kernel": desc.name, "workgroup_size": size, "bindings": desc.bindings,
                "workgroup_bytes": found.workgroup_bytes, "bytes": bytes.len(),
            }));
        }
    }
    out.say(table(&rows));
    out.object(&json!({ "out": args.out.display().to_string(), "files": list }))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomic(path, bytes).map_err(|e| Failure::Input(e.to_string()))
}

/// Generated kernels, those of the environment, and the handwritten ones.
fn modules(args: &Args) -> Result<Vec<KernelDesc>, Failure> {
    let environment = load(&args.env)?;
    let origin = environment.presets_path().display().to_string();
    let file = Layer { origin, table: environment.presets.clone() };
    let overrides = args.set.iter().map(|text| parse_override(text, &args.algo)).collect::<Result<Vec<_>, _>>()?;
    let algorithm = Algorithm::resolve(&args.algo, &args.preset, &file, &overrides)?;
    let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
    let agent = algorithm.agent(spaces, 1)?;
    let params = ParamLayout::new(&agent);
    let (envs, steps) = (algorithm.train().num_envs as u32, algorithm.train().horizon as u32);
    let target = if args.target == "software" { Target::SOFTWARE } else { Target::PORTABLE };

    let environment = EnvKernels::new(&environment)?;
    let rollout = RolloutLayout::new(&agent, &agent.act, spaces.observation, envs, steps, true);
    let program = Program::new(&agent, &params, &rollout, &environment, &target)?;
    let mut modules: Vec<KernelDesc> = program.kernels().into_iter().map(|kernel| kernel.desc.clone()).collect();

    let rollout = RolloutLayout::new(&agent, &agent.act_zero, spaces.observation, envs, 1, false);
    let mut placement = Placement::default();
    params.place(&agent.act_zero, &mut placement, false);
    rollout.place(&agent.act_zero, &[], &mut placement);
    let zero = lower(&agent.act_zero, &placement, &target, false).map_err(TrainError::from)?;
    let fused = fuse_rollout(&agent.act_zero, &placement, &target, &environment).map_err(TrainError::from)?;
    modules.extend([zero].into_iter().chain(fused).map(|kernel| kernel.desc));

    modules.extend([environment.reset, environment.step]);
    modules.extend(of_run(algorithm.train().normalize_observations).map(|entry| (entry.desc)()));
    Ok(modules)
}
