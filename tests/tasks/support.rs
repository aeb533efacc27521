//! The tasks, their fixtures, and one dispatch of their kernels on given states.

use std::collections::BTreeMap;
use std::path::Path;

use flowmill::engine::{Engine, KernelDesc};
use flowmill::env::{EnvArgs, EnvKernels, Environment, load};
use serde_json::Value;

use crate::common::device::run;

/// Tasks of docs/tasks.md with fixtures, and whether a software driver makes their steps in these tests too: one for every model.
pub const TASKS: [(&str, bool); 24] = [
    ("pendulum-swingup", true),
    ("cartpole-balance", true),
    ("cartpole-balance-sparse", false),
    ("cartpole-swingup", false),
    ("cartpole-swingup-sparse", false),
    ("acrobot-swingup", true),
    ("acrobot-swingup-sparse", false),
    ("point-mass-easy", true),
    ("reacher-easy", true),
    ("reacher-hard", false),
    ("ball-in-cup-catch", true),
    ("finger-spin", true),
    ("finger-turn-easy", true),
    ("finger-turn-hard", false),
    ("cheetah-run", true),
    ("hopper-stand", true),
    ("hopper-hop", false),
    ("walker-stand", false),
    ("walker-walk", true),
    ("walker-run", false),
    ("fish-upright", false),
    ("fish-swim", true),
    ("swimmer6", true),
    ("point-maze-medium", true),
];

/// An environment of this repository.
pub fn environment(name: &str) -> Environment {
    load(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A control step as the original makes it: named lists of numbers.
pub type Recorded = BTreeMap<String, Vec<f64>>;

/// The control steps of a task's fixture.
pub fn fixture(name: &str) -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/physics/tasks");
    let path = folder.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap();
    let list = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let step = |v: &Value| v.as_object().unwrap().iter().map(|(key, v)| (key.clone(), list(v))).collect();
    file["states"].as_array().unwrap().iter().map(step).collect()
}

/// Where the parts of `State` are, in words: `physics` comes first, a goal behind it.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub qpos: usize,
    pub qvel: usize,
    pub touch: usize,
    pub goal: usize,
    /// Words of an entry of the state buffer.
    pub slot: usize,
}

impl Places {
    pub fn of(env: &Environment, kernels: &EnvKernels, goal: usize) -> Self {
        let model = env.model().unwrap().unwrap();
        let touches = env.manifest.physics.as_ref().unwrap().quantities.iter().filter(|q| q.starts_with("touch."));
        let (qvel, touch) = (model.nq(), model.nq() + 2 * model.nv());
        // vec2f are aligned to 2 words, vec3f to 4.
        let goal = (touch + touches.count()).next_multiple_of(if goal == 3 { 4 } else { 2 });
        Self { qpos: 0, qvel, touch, goal, slot: (kernels.slot_bytes / 4) as usize }
    }
}

/// What environments are after a dispatch, a row each.
pub struct After {
    /// Entries of the state buffer.
    pub states: Vec<Vec<f32>>,
    pub observations: Vec<Vec<f32>>,
    pub rewards: Vec<f32>,
    pub flags: Vec<f32>,
}

/// One dispatch of a kernel of an environment: `states` `[envs][slot]`, `actions` `[envs][width]`.
pub fn dispatch(
    engine: &mut Engine,
    env: &Environment,
    kernel: &KernelDesc,
    args: EnvArgs,
    states: &[Vec<f32>],
    actions: &[Vec<f32>],
) -> After {
    let envs = args.num_envs as usize;
    let (obs, act) = (envs * env.obs_dim(), envs * env.action_dim());
    let mut rollout = vec![0.0f32; obs + act + 2 * envs];
    rollout[obs..obs + actions.concat().len()].copy_from_slice(&actions.concat());
    let [action_offset, reward_offset, flag_offset] = [obs, obs + act, obs + act + envs].map(|at| at as u32);
    let args = EnvArgs { action_offset, reward_offset, flag_offset, ..args };
    let (slots, stats) = (states.concat(), vec![0.0; 4 * envs]);
    let after = run(engine, kernel, &[&slots, &rollout, &stats], &[args], EnvKernels::groups(args.num_envs));
    let rows = |words: &[f32], width: usize| words.chunks_exact(width).map(<[f32]>::to_vec).collect();
    After {
        states: rows(&after[0], slots.len() / envs),
        observations: rows(&after[1][..obs], env.obs_dim()),
        rewards: after[1][obs + act..obs + act + envs].to_vec(),
        flags: after[1][obs + act + envs..].to_vec(),
    }
}

/// The states in which so many environments start.
pub fn starts(engine: &mut Engine, env: &Environment, kernels: &EnvKernels, envs: u32, seed: u64) -> After {
    let slots = vec![vec![0.0; (kernels.slot_bytes / 4) as usize]; envs as usize];
    dispatch(engine, env, &kernels.reset, EnvArgs::training(env, envs, seed), &slots, &[])
}

/// How far numbers are from expected ones: the largest `|a - b| / (1 + |b|)`.
pub fn error(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max)
}
