//! Every environment of the repository, a reset and 200 steps, here and on the driver.

use std::collections::BTreeSet;

use flowmill::engine::{Engine, Recording, Words};
use flowmill::env::{EnvArgs, EnvKernels, Environment, STATS_BYTES, load};
use flowmill::simd::Isa;

use crate::common::fresh::Fresh;
use crate::run::{close, driver, program};

const ENVS: u32 = 150; // not a multiple of the workgroup
const STEPS: u32 = 200;

/// Buffers after the run: states, rollout `[steps + 1 observations, steps actions, steps rewards, steps flags]`, statistics.
type Buffers = [Vec<f32>; 3];

struct Run {
    kernels: EnvKernels,
    reset: EnvArgs,
    steps: Vec<EnvArgs>,
    buffers: Buffers,
}

impl Run {
    fn new(env: &Environment, fresh: &mut Fresh) -> Self {
        let kernels = EnvKernels::new(env).unwrap();
        let (obs, act) = (env.obs_dim() as u32, env.action_dim() as u32);
        let after = ENVS * obs * (STEPS + 1);
        let seed = u64::from(fresh.word());
        // Episodes are short, so that many resets are seen.
        let reset = EnvArgs { horizon: 40, random_ages: 1, ..EnvArgs::training(env, ENVS, seed) };
        let step = |t: u32| EnvArgs {
            step: t,
            obs_offset: ENVS * obs * (t + 1),
            action_offset: after + ENVS * act * t,
            reward_offset: after + ENVS * act * STEPS + ENVS * t,
            flag_offset: after + ENVS * (act + 1) * STEPS + ENVS * t,
            ..reset
        };
        let mut rollout = vec![0.0; (after + ENVS * (act + 2) * STEPS) as usize];
        for (i, word) in rollout[after as usize..][..(ENVS * act * STEPS) as usize].iter_mut().enumerate() {
            let channel = &env.manifest.action[i % act as usize];
            *word = fresh.uniform(channel.low.max(-10.0) * 1.1, channel.high.min(10.0) * 1.1);
        }
        let words = |bytes: u64| vec![0.0; (u64::from(ENVS) * bytes / 4) as usize];
        let buffers = [words(kernels.slot_bytes), rollout, words(STATS_BYTES)];
        Self { kernels, reset, steps: (0..STEPS).map(step).collect(), buffers }
    }

    fn executor(&self, isa: Isa) -> Buffers {
        let mut buffers = self.buffers.clone();
        let [states, rollout, stats] = &mut buffers;
        let views = [Words::of_floats(states), Words::of_floats(rollout), Words::of_floats(stats)];
        let groups = EnvKernels::groups(ENVS);
        let (reset, step) = (program(&self.kernels.reset, isa), program(&self.kernels.step, isa));
        reset.run_all(groups, self.reset.bytes(), &views, &mut reset.frame());
        let mut frame = step.frame();
        self.steps.iter().for_each(|args| step.run_all(groups, args.bytes(), &views, &mut frame));
        buffers
    }

    /// The environment that a word of a buffer belongs to.
    fn owner(&self, env: &Environment, buffer: usize, word: usize) -> usize {
        let envs = ENVS as usize;
        let actions = self.steps[0].action_offset as usize;
        let rewards = self.steps[0].reward_offset as usize;
        match buffer {
            0 => word / (self.kernels.slot_bytes as usize / 4),
            1 if word < actions => word / env.obs_dim() % envs,
            1 if word < rewards => (word - actions) / env.action_dim() % envs,
            1 => (word - rewards) % envs,
            _ => word / 4,
        }
    }

    fn driver(&self, engine: &mut Engine) -> Buffers {
        let (reset, step) = (engine.kernel(&self.kernels.reset).unwrap(), engine.kernel(&self.kernels.step).unwrap());
        let mut recording = Recording::new();
        let buffers = ["states", "rollout_f32", "stats"].iter().zip(&self.buffers).map(|(name, words)| {
            let buffer = engine.buffer(name, 4 * words.len() as u64).unwrap();
            recording.upload(buffer, 0, bytemuck::cast_slice(words));
            buffer
        });
        let buffers: Vec<_> = buffers.collect();
        recording.dispatch(reset, &buffers, self.reset.bytes(), EnvKernels::groups(ENVS));
        for args in &self.steps {
            recording.dispatch(step, &buffers, args.bytes(), EnvKernels::groups(ENVS));
        }
        engine.submit(&recording).unwrap();
        [0, 1, 2].map(|i| {
            let bytes = engine.read(buffers[i], 0, 4 * self.buffers[i].len() as u64).unwrap();
            bytemuck::pod_collect_to_vec(&bytes)
        })
    }
}

fn environments() -> Vec<Environment> {
    ["multigoal", "multigoal-sql", "pendulum"].map(|name| load(name).unwrap()).to_vec()
}

#[test]
fn states_rollouts_and_statistics_of_every_environment_are_the_drivers() {
    let mut fresh = Fresh::new(0x902);
    let Some(mut engine) = driver() else { return };
    for env in environments() {
        let run = Run::new(&env, &mut fresh);
        let (got, want) = (run.executor(Isa::detect()), run.driver(&mut engine));
        let owner = |buffer: usize, word: usize| run.owner(&env, buffer, word);
        // A distance that is a threshold but for the rounding of a driver ends an episode on one side alone.
        let ends = run.steps[0].flag_offset as usize..got[1].len();
        let apart: BTreeSet<usize> = ends.filter(|&i| got[1][i] != want[1][i]).map(|i| owner(1, i)).collect();
        assert!(apart.len() <= 2, "{}: episodes of {apart:?} end differently", env.manifest.name);
        for (buffer, (got, want)) in got.iter().zip(&want).enumerate() {
            // An error of a driver's sine (WGSL allows 2^-11) grows over the 40 steps of an episode: up to 4e-5 was seen.
            let mut wrong = got.iter().zip(want).enumerate().filter(|(i, (a, b))| {
                a.to_bits() != b.to_bits() && !close(**a, **b, 3e-4, 3e-4) && !apart.contains(&owner(buffer, *i))
            });
            let first = wrong.next();
            assert_eq!(first, None, "{}: buffer {buffer}, {} more of {}", env.manifest.name, wrong.count(), got.len());
        }
        // Episodes ended, so the automatic reset ran.
        assert!(got[2].chunks_exact(4).map(|stats| stats[0]).sum::<f32>() > ENVS as f32, "{}", env.manifest.name);
    }
}

#[test]
fn environments_give_the_same_bytes_on_every_instruction_set() {
    let mut fresh = Fresh::new(0x903);
    for env in environments() {
        let run = Run::new(&env, &mut fresh);
        let first = run.executor(Isa::Baseline);
        for isa in Isa::available() {
            let bits =
                |buffers: &Buffers| buffers.each_ref().map(|b| b.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            assert!(bits(&run.executor(isa)) == bits(&first), "{} differs on {isa}", env.manifest.name);
        }
    }
}
