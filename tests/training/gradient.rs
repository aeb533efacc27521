//! The step of an iteration, from end to end, against the f64 reference executor: rollout fields, frozen copies, derived
//! tensors, draws, loss, gradient, norm clip and first moment.

use std::collections::HashMap;

use flowmill::algo::{Agent, Source};
use flowmill::ir::{Bindings, DrawKind, execute};
use flowmill::rng::Key;
use flowmill::train::{Checkpoint, Trainer};

use crate::algorithms::{Tensors, prepare};
use crate::common::device::{On, on_both_engines};
use crate::common::parity::assert_close;
use crate::support::*;

on_both_engines!(
    the_update_of_policyflow_is_the_reference_gradient_of_its_own_rollout,
    the_update_of_ppo_is_the_reference_gradient_of_its_own_rollout,
    updates_with_a_normaliser_and_squashed_actions_are_the_reference_gradient_of_their_own_rollouts,
);

const SEED: u64 = 21;

/// Tensors of a checkpoint whose names begin with `prefix`, without it.
fn tensors(checkpoint: &Checkpoint, prefix: &str) -> Tensors {
    let found = checkpoint.tensors.iter().filter_map(|(name, _, values)| Some((name.strip_prefix(prefix)?, values)));
    found.map(|(name, values)| (name.to_string(), values.iter().map(|&v| f64::from(v)).collect())).collect()
}

/// The gradient of the whole rollout as one minibatch of an epoch, clipped to norm 1, by the reference.
fn reference(trainer: &mut Trainer, agent: &Agent, frozen: &Tensors, current: &Tensors, epoch: u32) -> Tensors {
    let mut params = frozen.clone();
    for copy in &agent.frozen {
        params.insert(copy.copy.clone(), frozen[&copy.of].clone());
    }
    prepare(agent, &mut params);
    // Statistics are changed behind the last update.
    let current = current.iter().filter(|(name, _)| !name.starts_with("obs."));
    params.extend(current.map(|(name, values)| (name.clone(), values.clone())));
    let mut inputs: Tensors = HashMap::new();
    for (name, source) in &agent.batch {
        let field = match source {
            Source::Observation => "obs",
            Source::Rollout(field) => field,
            Source::Advantage => "adv",
            Source::Return => "ret",
        };
        let values = trainer.rollout_field(field).unwrap();
        inputs.insert(name.clone(), values.into_iter().map(f64::from).collect());
    }
    let rows = inputs["adv"].len();
    let draw = |kind, stream, row: usize, lane: usize| {
        let key = Key { seed: SEED, stream, iteration: 0 };
        f64::from(match kind {
            DrawKind::Normal => key.normal(epoch, row as u32, lane as u32),
            DrawKind::Uniform => key.uniform(epoch, row as u32, lane as u32),
        })
    };
    let uniforms = agent.uniforms.iter().map(|(name, anneal)| (name.clone(), anneal.at(0))).collect();
    let bindings = Bindings { inputs, params, uniforms, draw: Some(&draw) };
    let mut grads = execute(&agent.update, &bindings, rows).unwrap().grads;
    let norm = grads.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
    assert!(norm > 1.0, "a gradient of norm {norm} is not clipped: the test would not see whether it is");
    grads.values_mut().flatten().for_each(|g| *g /= norm + 1e-6);
    grads
}

fn compare(what: &str, got: &Tensors, want: &Tensors) {
    assert!(want.len() > 8, "{what}: only {} tensors have a gradient", want.len());
    for (name, want) in want {
        let largest = want.iter().fold(0.0f64, |m, w| m.max(w.abs()));
        assert_close(&format!("{what}, gradient of {name}"), &got[name], want, 1e-5 + 1e-4 * largest, 0.0);
    }
}

/// The first epoch, where the policy is the frozen one, and the second, where it is not.
fn two_epochs_equal_the_reference(on: On, name: &str, overrides: &[&str]) {
    let environment = environment("multigoal");
    let settings = |epochs| {
        let fixed = [epochs, "minibatches=1", "schedule=fixed", "learning_rate=1e-2", "value_coef=5", "init_std=1.0"];
        small(&environment, name, &[&fixed, overrides].concat())
    };
    let mut one = trainer(on, &environment, &settings("epochs=1"), SEED);
    let mut two = trainer(on, &environment, &settings("epochs=2"), SEED);
    for trainer in [&mut one, &mut two] {
        move_statistics(trainer);
    }
    let agent = one.agent().clone();
    let initial = tensors(&one.checkpoint().unwrap(), "");
    train(&mut one, 1);
    train(&mut two, 1);
    let (after_one, after_two) = (one.checkpoint().unwrap(), two.checkpoint().unwrap());

    let beta1 = 0.9;
    let first_moment = tensors(&after_one, "adam.m.");
    let got = first_moment.iter().map(|(name, m)| (name.clone(), m.iter().map(|m| m / (1.0 - beta1)).collect()));
    let want = reference(&mut one, &agent, &initial, &initial, 0);
    compare("first epoch", &got.collect(), &want);

    let second_moment = tensors(&after_two, "adam.m.");
    let got = second_moment.iter().map(|(name, m)| {
        let pairs = m.iter().zip(&first_moment[name]);
        (name.clone(), pairs.map(|(m2, m1)| (m2 - beta1 * m1) / (1.0 - beta1)).collect())
    });
    let want = reference(&mut two, &agent, &initial, &tensors(&after_one, ""), 1);
    compare("second epoch", &got.collect(), &want);
}

fn the_update_of_policyflow_is_the_reference_gradient_of_its_own_rollout(on: On) {
    two_epochs_equal_the_reference(on, "policyflow", &["w_b=0.25"]);
}

fn the_update_of_ppo_is_the_reference_gradient_of_its_own_rollout(on: On) {
    two_epochs_equal_the_reference(on, "ppo", &["value_loss=clipped-max"]);
}

fn updates_with_a_normaliser_and_squashed_actions_are_the_reference_gradient_of_their_own_rollouts(on: On) {
    let overrides = ["normalize_observations=true", "squash_actions=tanh", "reward_scale=2"];
    two_epochs_equal_the_reference(on, "policyflow", &[&overrides[..], &["w_b=0.25"]].concat());
    two_epochs_equal_the_reference(on, "ppo", &[&overrides[..], &["value_loss=clipped-max"]].concat());
}
