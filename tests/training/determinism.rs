//! Same seed, same bytes: again, after a pause, with checked modules, in another batch.

use flowmill::train::{Checkpoint, Trainer};

use crate::common::device::{On, on_both_engines};
use crate::support::*;

on_both_engines!(
    two_runs_with_one_seed_give_equal_bytes_and_another_seed_does_not,
    three_and_three_iterations_of_policyflow_through_a_file_equal_six,
    three_and_three_iterations_of_ppo_through_a_file_equal_six,
    three_and_three_iterations_with_moving_statistics_and_bounded_actions_equal_six,
    checked_and_unchecked_modules_give_equal_bytes,
    an_environment_collects_the_same_alone_in_a_batch_of_33_and_in_a_batch_of_4096,
);

fn two_runs_with_one_seed_give_equal_bytes_and_another_seed_does_not(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &[]);
    let run = |seed| {
        let mut trainer = trainer(on, &environment, &algorithm, seed);
        let metrics = train(&mut trainer, 3);
        (state(&mut trainer), trainer.rollout_field("z").unwrap(), metrics)
    };
    let (first, z, metrics) = run(7);
    let (again, again_z, again_metrics) = run(7);
    assert_eq!(differing(&first, &again), Vec::<String>::new());
    assert_eq!(z, again_z);
    for (a, b) in metrics.iter().zip(&again_metrics) {
        assert_eq!(
            (&a.means, a.learning_rate, a.mean_return.to_bits()),
            (&b.means, b.learning_rate, b.mean_return.to_bits())
        );
    }

    let (other, other_z, _) = run(8);
    let same = z.iter().zip(&other_z).filter(|(a, b)| a == b).count();
    assert!(same * 100 < z.len(), "{same} of {} draws are those of another seed", z.len());
    let differ = differing(&first, &other);
    for part in ["actor.mlp.0.w", "critic.mlp.0.w", "adam.m.actor.mlp.0.w", "env.state", "env.observation"] {
        assert!(differ.iter().any(|name| name == part), "`{part}` is the same with another seed");
    }
}

/// 3 iterations, a file, a new trainer, 3 iterations: the bytes of 6 iterations. An odd number of updates in an iteration,
/// so that the learning rate is in either of its two slots.
fn resumed_equals_uninterrupted(on: On, name: &str, overrides: &[&str]) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, name, overrides);
    let mut whole = trainer(on, &environment, &algorithm, 3);
    let expected = train(&mut whole, 6);
    let expected_state = state(&mut whole);
    drop(whole);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.safetensors");
    let mut first = trainer(on, &environment, &algorithm, 3);
    train(&mut first, 3);
    first.checkpoint().unwrap().save(&file).unwrap();
    drop(first);

    let mut second = trainer(on, &environment, &algorithm, 3);
    let checkpoint = Checkpoint::load(&file).unwrap();
    assert_eq!((checkpoint.iteration, checkpoint.seed, checkpoint.environment.as_str()), (3, 3, "multigoal"));
    second.restore(&checkpoint).unwrap();
    assert_eq!(differing(&state_of(checkpoint), &state(&mut second)), Vec::<String>::new(), "restoring changed bytes");
    let metrics = train(&mut second, 3);
    assert_eq!(differing(&expected_state, &state(&mut second)), Vec::<String>::new());
    for (a, b) in metrics.iter().zip(&expected[3..]) {
        let key = |m: &flowmill::train::IterationMetrics| (m.iteration, m.env_steps, m.means.clone(), m.episodes);
        assert_eq!(key(a), key(b));
        assert_eq!((a.mean_return.to_bits(), a.learning_rate), (b.mean_return.to_bits(), b.learning_rate));
    }
}

fn three_and_three_iterations_of_policyflow_through_a_file_equal_six(on: On) {
    resumed_equals_uninterrupted(on, "policyflow", &["epochs=3", "minibatches=1"]);
}

fn three_and_three_iterations_of_ppo_through_a_file_equal_six(on: On) {
    resumed_equals_uninterrupted(on, "ppo", &["schedule=minibatch", "lr_decay_iterations=9"]);
}

fn three_and_three_iterations_with_moving_statistics_and_bounded_actions_equal_six(on: On) {
    let overrides = ["normalize_observations=true", "squash_actions=tanh", "reward_scale=0.5"];
    for name in ["policyflow", "ppo"] {
        resumed_equals_uninterrupted(on, name, &[&overrides[..], &["minibatches=1"]].concat());
    }
}

fn checked_and_unchecked_modules_give_equal_bytes(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &[]);
    let mut checked = trainer(on, &environment, &algorithm, 5);
    let mut unchecked = trainer_on(on.unchecked_engine(), &environment, &algorithm, 5);
    train(&mut checked, 3);
    train(&mut unchecked, 3);
    assert_eq!(differing(&state(&mut checked), &state(&mut unchecked)), Vec::<String>::new());
}

/// Fields of the first rollout that one environment owns.
const FIELDS: [&str; 6] = ["obs", "action", "logp", "value", "reward", "flag"];

fn first_rollout(on: On, num_envs: usize) -> Trainer {
    let environment = environment("multigoal");
    let size = format!("num_envs={num_envs}");
    let algorithm = small(&environment, "ppo", &[&size, "epochs=1", "minibatches=1"]);
    let mut trainer = trainer(on, &environment, &algorithm, 11);
    train(&mut trainer, 1);
    trainer
}

/// One environment's part of a field, `[steps][width]`.
fn of_env(field: &[f32], envs: usize, env: usize) -> Vec<u32> {
    let steps = 7;
    let width = field.len() / (steps * envs);
    let rows = (0..steps).flat_map(|t| field[(t * envs + env) * width..][..width].iter());
    rows.map(|value| value.to_bits()).collect()
}

fn an_environment_collects_the_same_alone_in_a_batch_of_33_and_in_a_batch_of_4096(on: On) {
    let mut many = first_rollout(on, 4096);
    let (mut some, mut one) = (first_rollout(on, 33), first_rollout(on, 1));
    for field in FIELDS {
        let many = many.rollout_field(field).unwrap();
        let (some, one) = (some.rollout_field(field).unwrap(), one.rollout_field(field).unwrap());
        assert_eq!(of_env(&many, 4096, 0), of_env(&one, 1, 0), "`{field}` of environment 0 alone");
        for env in 0..33 {
            assert_eq!(of_env(&many, 4096, env), of_env(&some, 33, env), "`{field}` of environment {env}");
        }
        // Batches would agree for free if every environment did the same.
        if field != "flag" {
            assert_ne!(of_env(&many, 4096, 0), of_env(&many, 4096, 1), "`{field}` does not depend on the row");
        }
    }
}
