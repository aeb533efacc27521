//! What cannot be trained, and runs that must stop.

use flowmill::algo::{Algorithm, Squash};
use flowmill::env::Environment;
use flowmill::train::{Checkpoint, RolloutLayout, TrainError, TrainOptions, Trainer};

use crate::common::device::{On, on_both_engines};
use crate::support::*;

on_both_engines!(
    more_environments_than_memory_are_refused_with_the_limit_and_a_number_that_fits,
    counts_out_of_range_are_refused_by_name,
    tanh_to_bounds_that_are_not_finite_is_refused_by_the_action,
    a_reward_that_is_not_finite_stops_the_run_and_keeps_the_parameters,
    a_checkpoint_that_does_not_fit_is_refused_by_the_tensor_and_changes_nothing;
    gpu: scratch_beyond_the_adapter_is_refused_by_the_setting_too,
    loops_that_a_driver_would_leave_are_refused_by_name,
);

/// The refusal of settings that are made in Rust, past the checks of the settings' layers.
fn refusal(on: On, environment: &Environment, change: impl FnOnce(&mut Algorithm)) -> TrainError {
    let mut engine = on.engine();
    let allocated = engine.allocated_bytes();
    assert_eq!(allocated, 0, "{:?}", engine.poll());
    let mut algorithm = small(environment, "policyflow", &[]);
    change(&mut algorithm);
    let options = TrainOptions { algorithm, seed: 1 };
    Trainer::new(engine, environment.clone(), options).err().expect("a refusal")
}

fn more_environments_than_memory_are_refused_with_the_limit_and_a_number_that_fits(on: On) {
    let environment = environment("multigoal");
    let engine = on.engine();
    let limit = engine.limits().storage_binding_bytes.min(engine.limits().buffer_bytes);
    drop(engine);
    // 4 million environments x 512 steps x some 20 words are 160 GB.
    let error = refusal(on, &environment, |a| (a.train_mut().num_envs, a.train_mut().horizon) = (4_000_000, 512));
    let text = error.to_string();
    assert!(error.is_input_error(), "{text}");
    assert!(text.contains("`num_envs` is 4000000"), "{text}");
    assert!(text.contains(&format!("{:.1} MiB", limit as f64 / 1048576.0)), "{text}");
    // The number it offers is nearly the largest that fits.
    let fits: u32 = text.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no number at the end: {text}"));
    let agent = small(&environment, "policyflow", &[]).agent(spaces(&environment), 1).unwrap();
    let bytes = |envs: u32| RolloutLayout::new(&agent, &agent.act, environment.obs_dim(), envs, 512, true).bytes();
    assert!(bytes(fits) <= limit && bytes(fits + fits / 100) > limit, "{fits} environments take {}", bytes(fits));
}

fn scratch_beyond_the_adapter_is_refused_by_the_setting_too(on: On) {
    let environment = environment("multigoal");
    let engine = on.engine();
    let limit = engine.limits().storage_binding_bytes.min(engine.limits().buffer_bytes);
    drop(engine);
    if limit >= 2 << 30 {
        return eprintln!("SKIPPED: the adapter binds {limit} bytes");
    }
    let error = refusal(on, &environment, |a| {
        let train = a.train_mut();
        (train.num_envs, train.horizon, train.minibatches, train.hidden) = (400_000, 1, 64, vec![512]);
    });
    let text = error.to_string();
    assert!(text.contains("`num_envs` is 400000: the scratch buffer would take"), "{text}");
}

fn loops_that_a_driver_would_leave_are_refused_by_name(on: On) {
    let environment = environment("multigoal");
    let engine = on.engine();
    let Some(limit) = engine.adapter().loop_iterations else {
        return eprintln!("SKIPPED: the adapter does not limit loops");
    };
    drop(engine);
    let error = refusal(on, &environment, |a| {
        let train = a.train_mut();
        (train.num_envs, train.horizon, train.minibatches) = (1, limit as usize + 1, 1);
    });
    let text = error.to_string();
    assert!(text.contains(&format!("`horizon` is {}", limit + 1)) && text.contains("at most 65535"), "{text}");
}

fn counts_out_of_range_are_refused_by_name(on: On) {
    let environment = environment("multigoal");
    type Change = fn(&mut Algorithm);
    let cases: [(Change, &str); 6] = [
        (|a| a.train_mut().num_envs = 0, "`num_envs` is 0, expected 1..="),
        (|a| a.train_mut().num_envs = 5_000_000, "`num_envs` is 5000000, expected 1..="),
        (|a| a.train_mut().horizon = 0, "`horizon` is 0"),
        (|a| a.train_mut().minibatches = 0, "`minibatches` is 0"),
        (
            |a| a.train_mut().minibatches = 8,
            "`minibatches` is 8, which does not divide the batch of 60 environments x 7 steps = 420; near it: 1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 15",
        ),
        (|a| a.train_mut().horizon = 100_000_000, "use fewer environments"),
    ];
    for (change, expected) in cases {
        let error = refusal(on, &environment, change);
        assert!(error.is_input_error() && error.to_string().contains(expected), "{error}\nexpected: {expected}");
    }
}

fn tanh_to_bounds_that_are_not_finite_is_refused_by_the_action(on: On) {
    let mut environment = walk(5, "x");
    environment.manifest.action[0].high = f32::INFINITY;
    let error = refusal(on, &environment, |a| a.train_mut().squash_actions = Squash::Tanh);
    let expected = "`squash_actions` is tanh: action `push` of walk lies in -1 ..= inf, expected finite bounds";
    assert!(error.is_input_error() && error.to_string() == expected, "{error}");
    // There is nothing to clip on the open side.
    let algorithm = small(&environment, "ppo", &["squash_actions=clip", "init_std=3", "epochs=1", "minibatches=1"]);
    let mut trainer = trainer(on, &environment, &algorithm, 1);
    train(&mut trainer, 1);
    let actions = trainer.rollout_field("action").unwrap();
    assert!(actions.contains(&-1.0) && actions.iter().all(|a| (-1.0..20.0).contains(a)), "{actions:?}");
    assert!(actions.iter().any(|&a| a > 2.0), "{actions:?}");
}

fn a_reward_that_is_not_finite_stops_the_run_and_keeps_the_parameters(on: On) {
    let environment = walk(20, "select(1.0, 3e38 * (10.0 + x), (*state).age > 5.0)");
    let algorithm = small(&environment, "ppo", &["horizon=4"]);
    let mut trainer = trainer(on, &environment, &algorithm, 1);
    train(&mut trainer, 1);
    let good = trainer.parameters().unwrap();
    trainer.step().unwrap();
    let error = loop {
        match trainer.finished() {
            Ok(metrics) if metrics.is_empty() => std::thread::sleep(std::time::Duration::from_millis(1)),
            Ok(metrics) => panic!("an infinite reward went through: {metrics:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, TrainError::NonFinite { iteration: 2, what } if what.contains("reward")), "{error}");
    assert!(!error.is_input_error(), "the run failed, not the input");
    let now = trainer.parameters().unwrap();
    assert!(now.iter().all(|p| p.is_finite()));
    assert_eq!(good, now, "an update from infinite returns went through");
}

fn a_checkpoint_that_does_not_fit_is_refused_by_the_tensor_and_changes_nothing(on: On) {
    let environment = environment("multigoal");
    let mut trainer = trainer(on, &environment, &small(&environment, "ppo", &[]), 1);
    train(&mut trainer, 1);
    let before = state(&mut trainer);
    let good = trainer.checkpoint().unwrap();
    let wrong = |change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = good.clone();
        change(&mut checkpoint);
        checkpoint
    };
    let cases = [
        (wrong(&|c| c.tensors.retain(|t| t.0 != "critic.mlp.0.w")), "`critic.mlp.0.w` is missing"),
        (wrong(&|c| c.tensors[0].1 = vec![1, 1]), "shape [1, 1]"),
        (wrong(&|c| c.raw.retain(|r| r.0 != "env.state")), "`env.state` is missing"),
        (wrong(&|c| c.raw.iter_mut().for_each(|r| r.1.truncate(4))), "4 bytes"),
    ];
    for (checkpoint, expected) in cases {
        let error = trainer.restore(&checkpoint).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}\nexpected: {expected}");
    }
    assert_eq!(differing(&before, &state(&mut trainer)), Vec::<String>::new());
    let broken = Checkpoint::from_bytes("x.safetensors", b"nothing").unwrap_err();
    assert!(broken.is_input_error() && broken.to_string().starts_with("x.safetensors: "), "{broken}");
}
