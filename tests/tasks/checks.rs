//! What every environment with a model has to bear: the checker, and being run in any batch.

use flowmill::env::{CheckOptions, EnvArgs, EnvKernels, check};
use flowmill::rng::Key;

use crate::common::device::On;
use crate::support::{TASKS, dispatch, environment, starts};

/// All tasks.
fn tasks() -> impl Iterator<Item = &'static str> {
    TASKS.into_iter().map(|(name, _)| name).chain(["quadcopter"])
}

#[test]
fn the_checker_finds_nothing() {
    let mut engine = On::Cpu.unchecked_engine();
    let mut failed = Vec::new();
    for name in tasks() {
        let options = CheckOptions { num_envs: 8, steps: 60, seed: 3 };
        let report = check(&mut engine, &environment(name), options).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{report}");
        if !report.passed() {
            failed.push(report.to_string());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_task_gives_the_same_bytes_alone_and_among_others() {
    let mut engine = On::Cpu.unchecked_engine();
    for name in tasks() {
        let env = environment(name);
        let kernels = EnvKernels::new(&env).unwrap_or_else(|error| panic!("{error}"));
        let key = Key { seed: 1, stream: 1, iteration: 0 };
        let action = |row: u32| -> Vec<f32> {
            (0..env.action_dim() as u32).map(|lane| 2.0 * key.uniform(0, row, lane) - 1.0).collect()
        };
        let all = starts(&mut engine, &env, &kernels, 70, 9).states;
        let mut run = |first: u32, count: u32| {
            let rows = first as usize..(first + count) as usize;
            let mut states = all[rows].to_vec();
            let actions: Vec<Vec<f32>> = (first..first + count).map(action).collect();
            let mut observations = Vec::new();
            for step in 0..5 {
                let args = EnvArgs { step, first_env: first, ..EnvArgs::training(&env, count, 9) };
                let after = dispatch(&mut engine, &env, &kernels.step, args, &states, &actions);
                (states, observations) = (after.states, after.observations);
            }
            let bits = |rows: Vec<Vec<f32>>| rows.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>();
            (bits(states), bits(observations))
        };
        let together = run(0, 70);
        assert_eq!(run(0, 70), together, "{name}: two runs differ");
        let alone = run(66, 1);
        let (slot, width) = (alone.0.len(), alone.1.len());
        assert_eq!(alone.0[..], together.0[66 * slot..67 * slot], "{name}");
        assert_eq!(alone.1[..], together.1[66 * width..67 * width], "{name}");
    }
}
