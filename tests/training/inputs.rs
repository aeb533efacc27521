//! What networks see, what environments get, and what learning makes of rewards: the normaliser of observations, squashed
//! actions, scaled rewards.

use flowmill::algo::{Algorithm, observation, squash};
use flowmill::env::Environment;
use flowmill::ir::{Bindings, Graph, execute};
use flowmill::train::{Checkpoint, EvalNoise, Evaluator, Trainer};

use crate::algorithms::{Tensors, prepare};
use crate::common::device::{On, on_both_engines};
use crate::common::parity::assert_close;
use crate::support::*;

on_both_engines!(
    the_statistics_are_those_of_all_observations_before_and_values_are_of_what_they_make_of_them,
    environments_get_actions_within_their_bounds_and_the_update_the_policys_own,
    evaluations_see_the_statistics_and_keep_to_the_bounds,
    rewards_are_scaled_for_learning_and_reported_as_they_are;
    cpu: the_ratio_is_one_in_every_iteration_though_the_statistics_move,
    nothing_is_added_where_nothing_is_asked_for,
);

/// [`walk`] with an action that is not centred; the reward is the action that the environment got.
fn bounded() -> Environment {
    let mut environment = walk(9, "action[0]");
    (environment.manifest.action[0].low, environment.manifest.action[0].high) = (-0.25, 0.75);
    environment
}

fn tensor(checkpoint: &Checkpoint, name: &str) -> Vec<f64> {
    let found = checkpoint.tensors.iter().find(|(n, ..)| n == name).unwrap_or_else(|| panic!("no tensor `{name}`"));
    found.2.iter().map(|&value| f64::from(value)).collect()
}

/// The stores of a graph for `rows` observations by the f64 reference, with the policy of a checkpoint.
fn by_reference(
    trainer: &Trainer,
    graph: &Graph,
    checkpoint: &Checkpoint,
    observations: &[f32],
    rows: usize,
) -> Tensors {
    let agent = trainer.agent();
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let mut params: Tensors = checkpoint.tensors.iter().map(|(name, _, values)| (name.clone(), wide(values))).collect();
    for copy in &agent.frozen {
        params.insert(copy.copy.clone(), params[&copy.of].clone());
    }
    prepare(agent, &mut params);
    let inputs = Tensors::from([("obs".to_string(), wide(observations))]);
    execute(graph, &Bindings { inputs, params, ..Bindings::default() }, rows).unwrap().stores
}

/// Over 2100 samples, which are nine blocks, the last of them not whole.
fn the_statistics_are_those_of_all_observations_before_and_values_are_of_what_they_make_of_them(on: On) {
    let environment = walk(20, "x");
    let algorithm = small(&environment, "ppo", &["num_envs=300", "minibatches=1", "normalize_observations=true"]);
    let mut trainer = trainer(on, &environment, &algorithm, 8);
    let mut before = trainer.checkpoint().unwrap();
    assert_eq!(
        (tensor(&before, observation::MEAN), tensor(&before, observation::VARIANCE)),
        (vec![0.0; 2], vec![1.0; 2])
    );
    let mut all: Vec<f32> = Vec::new();
    for iteration in 1..=3 {
        train(&mut trainer, 1);
        let observations = trainer.rollout_field("obs").unwrap();
        let rows = observations.len() / 2;
        let graph = trainer.agent().value.clone();
        let want = by_reference(&trainer, &graph, &before, &observations, rows);
        let what = format!("iteration {iteration}, value");
        assert_close(&what, &trainer.rollout_field("value").unwrap(), &want["value"], 2e-5, 2e-5);

        all.extend(observations);
        let after = trainer.checkpoint().unwrap();
        let (means, variances) = (tensor(&after, observation::MEAN), tensor(&after, observation::VARIANCE));
        for entry in 0..2 {
            let values = || all.iter().skip(entry).step_by(2).map(|&value| f64::from(value));
            let count = values().count() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            let what = format!("iteration {iteration}, entry {entry}");
            assert!((means[entry] - mean).abs() < 2e-6 * (mean.abs() + variance.sqrt()), "{what}: {means:?}, {mean}");
            assert!((variances[entry] - variance).abs() < 1e-5 * variance, "{what}: {variances:?}, {variance}");
        }
        before = after;
    }
    assert!(tensor(&before, observation::MEAN)[1] > 2.0, "ages are far from centred");
}

fn environments_get_actions_within_their_bounds_and_the_update_the_policys_own(on: On) {
    let environment = bounded();
    type Expected = fn(f64) -> f64;
    let cases: [(&str, &str, Expected); 3] = [
        ("ppo", "squash_actions=tanh", |raw| 0.25 + 0.5 * raw.tanh()),
        ("ppo", "squash_actions=clip", |raw| raw.clamp(-0.25, 0.75)),
        ("policyflow", "squash_actions=tanh", |raw| 0.25 + 0.5 * raw.tanh()),
    ];
    for (name, how, expected) in cases {
        let algorithm = small(&environment, name, &[how, "minibatches=1", "epochs=1"]);
        let mut trainer = trainer(on, &environment, &algorithm, 3);
        train(&mut trainer, 2);
        let mut field = |name: &str| trainer.rollout_field(name).unwrap();
        // PolicyFlow's update reads the action's two parts.
        let raw: Vec<f32> = match name {
            "ppo" => field("raw_action"),
            _ => field("phi1").iter().zip(&field("noise")).map(|(end, noise)| end + noise).collect(),
        };
        let (taken, reward) = (field("action"), field("reward"));
        assert_eq!(taken, reward, "{name}, {how}: the environment got something else");
        assert!(taken.iter().all(|action| (-0.25..=0.75).contains(action)), "{name}, {how}: {taken:?}");
        assert!(raw.iter().filter(|raw| raw.abs() > 0.75).count() > 20, "{name}, {how}: the bounds do nothing");
        let want: Vec<f64> = raw.iter().map(|&raw| expected(f64::from(raw))).collect();
        assert_close(&format!("{name}, {how}"), &taken, &want, 2e-6, 2e-6);
    }
}

fn evaluations_see_the_statistics_and_keep_to_the_bounds(on: On) {
    let environment = bounded();
    for (name, how) in [("ppo", "squash_actions=clip"), ("policyflow", "squash_actions=tanh")] {
        let overrides = [how, "normalize_observations=true", "observation_clip=1.5", "minibatches=1", "epochs=1"];
        let algorithm = small(&environment, name, &overrides);
        let mut trainer = trainer(on, &environment, &algorithm, 5);
        train(&mut trainer, 2);
        let checkpoint = trainer.checkpoint().unwrap();
        assert_eq!((tensor(&checkpoint, squash::LOW), tensor(&checkpoint, squash::HIGH)), (vec![-0.25], vec![0.75]));
        let buffers = trainer.parameter_buffers();
        let evaluator = Evaluator::new(trainer.split(), buffers, EvalNoise::Zero, 40, 40 * 13).unwrap();
        let episodes = evaluator.run(trainer.engine(), 40, 12, 1, 0).unwrap();
        let graph = trainer.agent().act_zero.clone();
        let observations = &episodes.observations[..12 * 40 * 2];
        let want = by_reference(&trainer, &graph, &checkpoint, observations, 12 * 40);
        assert_close(name, &episodes.actions, &want["action"], 2e-5, 2e-5);
        assert_eq!(episodes.actions, episodes.rewards, "{name}: the environment got something else");
        assert_eq!(checkpoint.tensors, trainer.checkpoint().unwrap().tensors, "{name}: an evaluation moved statistics");
    }
}

fn rewards_are_scaled_for_learning_and_reported_as_they_are(on: On) {
    let environment = walk(5, "1.0 + x");
    let run = |scale: &str| {
        let algorithm = small(&environment, "ppo", &[scale, "minibatches=1", "epochs=1", "lambda=1", "gamma=0"]);
        let mut trainer = trainer(on, &environment, &algorithm, 2);
        let metrics = train(&mut trainer, 1).remove(0);
        let [reward, ret] = ["reward", "ret"].map(|name| trainer.rollout_field(name).unwrap());
        (metrics, reward, ret)
    };
    let ((plain, reward, ret), (scaled, same, quarter)) = (run("reward_scale=1"), run("reward_scale=0.25"));
    assert_eq!(reward, same);
    assert!(plain.episodes > 10 && plain.mean_return == scaled.mean_return, "{plain:?}, {scaled:?}");
    // Without a future a return is the reward.
    assert_close("returns", &ret, &reward.iter().map(|&r| f64::from(r)).collect::<Vec<_>>(), 1e-6, 1e-6);
    assert_close("quarters", &quarter, &reward.iter().map(|&r| 0.25 * f64::from(r)).collect::<Vec<_>>(), 1e-6, 1e-6);
}

/// Rollout and update of an iteration see the same inputs, or the policy and the values that have not changed would seem to
/// have.
fn the_ratio_is_one_in_every_iteration_though_the_statistics_move(on: On) {
    let environment = bounded();
    for name in Algorithm::NAMES {
        let overrides = ["schedule=fixed", "normalize_observations=true", "squash_actions=tanh", "reward_scale=3"];
        let mut algorithm = small(&environment, name, &overrides);
        algorithm.train_mut().learning_rate = 0.0;
        let mut trainer = trainer(on, &environment, &algorithm, 4);
        let mut means = Vec::new();
        for iteration in 1..=3 {
            let metrics = train(&mut trainer, 1).remove(0);
            let kl = metrics.mean("kl").unwrap();
            assert!((kl - (1.0f64 + 1e-5).ln()).abs() < 5e-7, "{name}, iteration {iteration}: {metrics:?}");
            assert!(metrics.mean("loss_pi").unwrap().abs() < 1e-5, "{name}, iteration {iteration}: {metrics:?}");
            // The critic that learns sees what the critic that valued the rollout saw.
            let [value, ret] = ["value", "ret"].map(|name| trainer.rollout_field(name).unwrap());
            let squares = value.iter().zip(&ret).map(|(v, r)| f64::from(r - v).powi(2)).sum::<f64>();
            let (whole, loss) = (squares / ret.len() as f64, metrics.mean("loss_v").unwrap());
            assert!((loss - whole).abs() < 2e-5 * whole, "{name}, iteration {iteration}: value loss {loss}, {whole}");
            means.push(tensor(&trainer.checkpoint().unwrap(), observation::MEAN));
        }
        assert!(means[0] != means[1] && means[1] != means[2], "{name}: {means:?}");
    }
}

fn nothing_is_added_where_nothing_is_asked_for(on: On) {
    let environment = environment("multigoal");
    for name in Algorithm::NAMES {
        let mut trainer = trainer(on, &environment, &small(&environment, name, &[]), 1);
        let checkpoint = trainer.checkpoint().unwrap();
        let added = |name: &str| name.starts_with("obs.") || name.starts_with("action.");
        assert!(!checkpoint.tensors.iter().any(|(name, ..)| added(name)), "{name}");
        assert!(trainer.rollout_field("raw_action").is_err(), "{name}");
    }
}
