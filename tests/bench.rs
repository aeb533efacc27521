//! The suite of benchmarks as a list: whatever an iteration runs has a row, and counted work grows as it should. Only
//! growth is timed here, and no device is opened but the CPU engine's.

use std::collections::BTreeSet;
use std::time::Duration;

use flowmill::algo::{Algorithm, Layer};
use flowmill::bench::{Part, Suite, SuiteOptions, quadruped_algorithm, quadruped_widths};
use flowmill::engine::{AdapterChoice, AdapterSummary, Command, Engine, EngineOptions, Work, adapters};
use flowmill::env::{Environment, environments, load};
use flowmill::kernels;
use flowmill::train::{TrainOptions, Trainer};

fn suite(part: Part, filter: Option<&str>) -> Suite {
    let engine = EngineOptions { adapter: AdapterChoice::Cpu, threads: Some(1), ..EngineOptions::default() };
    let options = SuiteOptions {
        engine,
        part,
        filter: filter.map(str::to_string),
        envs: None,
        python: None,
        length: Duration::ZERO,
    };
    Suite::new(options).unwrap_or_else(|error| panic!("{error}"))
}

fn names(part: Part) -> BTreeSet<String> {
    suite(part, None).names().map(str::to_string).collect()
}

/// A trainer that runs nothing, planned for an adapter.
fn trainer(adapter: AdapterSummary, environment: &Environment, algorithm: Algorithm) -> Trainer {
    let options = TrainOptions { algorithm, seed: 1 };
    Trainer::new(Engine::dry(adapter), environment.clone(), options).unwrap_or_else(|error| panic!("{error}"))
}

fn released(environment: &Environment, name: &str) -> Algorithm {
    let file = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
    Algorithm::resolve(name, "released", &file, &[]).unwrap()
}

/// Names of the kernels of an iteration.
fn kernels_of(trainer: &mut Trainer) -> BTreeSet<String> {
    let (collect, learn) = trainer.recordings();
    let commands = collect.commands().iter().chain(learn.commands());
    let ids = commands.filter_map(|c| if let Command::Dispatch(d) = c { Some(d.kernel) } else { None });
    let ids: BTreeSet<_> = ids.collect();
    ids.into_iter().map(|id| trainer.engine().description(id).unwrap().name.clone()).collect()
}

/// Counted work of a trainer's next iteration: rollout, update.
fn work(trainer: &mut Trainer) -> [Work; 2] {
    let (collect, learn) = trainer.recordings();
    [collect, learn].map(|recording| {
        let of = |command: &Command| {
            let Command::Dispatch(d) = command else { return None };
            trainer.engine().description(d.kernel)?.work.of(recording.bytes(d.immediates), d.groups)
        };
        recording.commands().iter().filter_map(of).sum()
    })
}

#[test]
fn every_handwritten_kernel_has_a_row() {
    let names = names(Part::Kernels);
    for entry in kernels::TABLE {
        for shape in ["multigoal", "quadruped"] {
            let row = format!("kernel/{}/{shape}", entry.name);
            assert!(names.contains(&row), "no {row} in {names:?}");
        }
    }
    assert!(names.contains("ceiling/fma") && names.contains("ceiling/copy"));
    assert_eq!(kernels::CEILINGS.map(|entry| entry.name), ["multiply_add", "copy_words"]);
}

#[test]
fn every_kernel_of_an_iteration_of_every_algorithm_has_a_row_at_every_shape() {
    let names = names(Part::Kernels);
    for (shape, environment) in [("multigoal", load("multigoal").unwrap()), ("quadruped", quadruped_widths().unwrap())]
    {
        for algorithm in Algorithm::NAMES {
            let cpu = suite(Part::Kernels, None).adapter().clone();
            let kernels = kernels_of(&mut trainer(cpu, &environment, released(&environment, algorithm)));
            assert!(kernels.len() > 6, "{kernels:?}");
            for kernel in kernels {
                let row = format!("kernel/{kernel}/{shape}");
                assert!(names.contains(&row), "no {row} in {names:?}");
            }
        }
        for network in ["velocity_forward", "policyflow_act_zero", "policyflow_act", "ppo_act_zero", "ppo_act"] {
            assert!(names.contains(&format!("kernel/{network}/{shape}")), "no {network} in {names:?}");
        }
    }
}

#[test]
fn the_quadruped_widths_step_inside_the_kernel_of_the_rollout() {
    let names = names(Part::Kernels);
    assert!(names.contains("kernel/policyflow_rollout/quadruped"), "{names:?}");
}

/// Otherwise the overhead is not that of the policy.
#[test]
fn at_a_quadrupeds_widths_the_algorithms_differ_in_the_policy_alone() {
    let [flow, ppo] = ["policyflow", "ppo"].map(|name| quadruped_algorithm(name).unwrap());
    assert_eq!(flow.train(), ppo.train());
}

#[test]
fn every_environment_has_a_row_for_its_start_and_one_for_its_step() {
    let names = names(Part::Kernels);
    let all = environments();
    assert!(all.len() >= 3);
    for environment in all {
        for verb in ["reset", "step"] {
            let row = format!("env/{}/{verb}", environment.name);
            assert!(names.contains(&row), "no {row} in {names:?}");
        }
    }
}

#[test]
fn every_algorithm_has_a_rollout_and_an_iteration_and_every_shape_its_overhead() {
    let (rollouts, iterations) = (names(Part::Rollout), names(Part::Train));
    for shape in ["multigoal", "quadruped"] {
        for algorithm in Algorithm::NAMES {
            assert!(rollouts.contains(&format!("rollout/{shape}/{algorithm}")), "{rollouts:?}");
            assert!(iterations.contains(&format!("iteration/{shape}/{algorithm}")), "{iterations:?}");
        }
        assert!(iterations.contains(&format!("overhead/{shape}")), "{iterations:?}");
    }
    for row in ["scaling/envs/x2", "scaling/steps/x2", "control/fma"] {
        assert!(iterations.contains(row), "{iterations:?}");
    }
    let all = names(Part::All);
    assert!(rollouts.union(&iterations).all(|name| all.contains(name)));
}

/// Rows of MuJoCo's are there where it is.
#[test]
fn every_model_has_rows_for_its_compilation_and_for_steps_of_every_batch() {
    let names = names(Part::Physics);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("envs/models");
    for file in std::fs::read_dir(folder).unwrap() {
        let model = file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        for row in ["compile", "first-dispatch", "1024/step", "4096/step", "16384/step"] {
            assert!(names.contains(&format!("physics/{model}/{row}")), "no {row} of {model} in {names:?}");
        }
    }
    assert!(names.contains("physics/walker/4096/control") && !names.contains("physics/cheetah/4096/control"));
    assert!(names.is_subset(&self::names(Part::All)));
}

#[test]
fn a_filter_keeps_the_rows_whose_names_contain_it() {
    let kept = suite(Part::All, Some("quadruped/ppo"));
    let kept: Vec<&str> = kept.names().collect();
    assert!(kept.contains(&"iteration/quadruped/ppo") && kept.contains(&"rollout/quadruped/ppo"), "{kept:?}");
    assert!(kept.iter().all(|name| name.contains("quadruped/ppo")), "{kept:?}");
}

/// The rows `scaling/...` measure the same.
#[test]
fn counted_work_at_most_doubles_with_the_environments_and_with_the_midpoint_steps() {
    let environment = quadruped_widths().unwrap();
    let at = |envs: usize, steps: usize| {
        let mut algorithm = released(&environment, "policyflow");
        algorithm.train_mut().num_envs = envs;
        if let Algorithm::PolicyFlow(config) = &mut algorithm {
            config.flow_steps = steps;
        }
        let planned = adapters().into_iter().map(|on| work(&mut trainer(on, &environment, algorithm.clone())));
        planned.collect::<Vec<_>>()
    };
    let (base, envs, steps) = (at(256, 6), at(512, 6), at(256, 12));
    for ((base, envs), steps) in base.into_iter().zip(envs).zip(steps) {
        let ratio = |of: &[Work], to: &[Work]| {
            let flops = |all: &[Work]| all.iter().map(Work::flops).sum::<f64>();
            flops(of) / flops(to)
        };
        let (envs, steps) = (ratio(&envs, &base), ratio(&steps[..1], &base[..1]));
        assert!((1.9..=2.1).contains(&envs), "environments: {envs}");
        assert!((1.7..=2.1).contains(&steps), "midpoint steps: {steps}");
    }
}

/// Other work on the machine may disturb a run, not all of three.
#[test]
fn measured_time_at_most_doubles_with_the_environments_and_with_the_midpoint_steps() {
    let engine = EngineOptions { adapter: AdapterChoice::Cpu, threads: Some(1), ..EngineOptions::default() };
    let (filter, length) = (Some("scaling/".to_string()), Duration::from_millis(50));
    let suite =
        Suite::new(SuiteOptions { engine, part: Part::Train, filter, envs: Some(64), python: None, length }).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let results = suite.run(&mut |_| {}).unwrap();
        assert_eq!((results.rows.len(), results.failures.len()), (2, 0), "{results:?}");
        if results.rows.iter().all(|row| row.limit.is_some_and(|limit| row.median <= limit + row.spread.min(0.2))) {
            return;
        }
        seen.push(results.rows);
    }
    panic!("{seen:?}");
}
