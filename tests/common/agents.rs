//! Configurations by name, and every kernel that one of them compiles.

use flowmill::algo::{Algorithm, Layer, Spaces, parse_override};
use flowmill::engine::KernelDesc;
use flowmill::env::{self, EnvKernels, Environment};
use flowmill::fuse::{Placement, Target, lower};
use flowmill::ir::Graph;
use flowmill::train::{ParamLayout, Program, RolloutLayout, fuse_rollout};

/// An environment of `envs/`.
pub fn environment(name: &str) -> Environment {
    env::load(name).unwrap_or_else(|error| panic!("{error}"))
}

/// The algorithm as the command line resolves it: `overrides` are `key=value`.
pub fn algorithm(environment: &Environment, name: &str, preset: &str, overrides: &[&str]) -> Algorithm {
    let file = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    let overrides: Vec<_> = overrides.iter().map(|o| parse_override(o, name).unwrap()).collect();
    Algorithm::resolve(name, preset, &file, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// Widths of an environment.
pub fn spaces(environment: &Environment) -> Spaces {
    Spaces { observation: environment.obs_dim(), action: environment.action_dim() }
}

/// Every kernel of a training run and its evaluations, handwritten ones aside.
pub fn kernels(environment: &Environment, algorithm: &Algorithm, target: &Target) -> Result<Vec<KernelDesc>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let agent = algorithm.agent(spaces(environment), 1).map_err(|e| text(&e))?;
    let (envs, steps) = (algorithm.train().num_envs as u32, algorithm.train().horizon as u32);
    let params = ParamLayout::new(&agent);
    let layout =
        |act, envs, steps, training| RolloutLayout::new(&agent, act, environment.obs_dim(), envs, steps, training);
    let rollout = layout(&agent.act, envs, steps, true);
    let env = EnvKernels::new(environment).map_err(|e| text(&e))?;
    let program = Program::new(&agent, &params, &rollout, &env, target).map_err(|e| text(&e))?;
    let mut descs: Vec<KernelDesc> = program.kernels().into_iter().map(|tile| tile.desc.clone()).collect();
    for act in [&agent.act, &agent.act_zero] {
        descs.extend(evaluation(act, &params, &layout(act, 1000 * 101, 1, false), &env, target)?);
    }
    descs.extend([env.reset, env.step]);
    Ok(descs)
}

/// The policy of an evaluation, which keeps all stores of its graph, alone and with the environment.
fn evaluation(
    act: &Graph,
    params: &ParamLayout,
    layout: &RolloutLayout,
    env: &EnvKernels,
    target: &Target,
) -> Result<Vec<KernelDesc>, String> {
    let mut placement = Placement::default();
    params.place(act, &mut placement, false);
    layout.place(act, &[], &mut placement);
    let alone = lower(act, &placement, target, false).map_err(|error| error.to_string())?;
    let fused = fuse_rollout(act, &placement, target, env).map_err(|error| error.to_string())?;
    Ok([alone].into_iter().chain(fused).map(|tile| tile.desc).collect())
}
