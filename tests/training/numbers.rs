//! Numbers of an iteration against closed forms and the kernels' twins.

use flowmill::kernels::gae::{self, GaeArgs};
use flowmill::kernels::normalize_advantages::{NormalizeArgs, normalize_advantages};
use flowmill::train::{IterationMetrics, Limits, TrainOptions, Trainer};

use crate::common::device::{On, on_both_engines};
use crate::common::parity::assert_close;
use crate::support::*;

on_both_engines!(
    the_ratio_is_one_while_the_policy_is_the_one_that_collected_the_data,
    advantages_and_returns_of_a_rollout_equal_the_twin,
    a_minibatch_in_chunks_gives_the_gradients_of_the_whole,
    the_learning_rate_falls_linearly_and_a_rate_of_zero_changes_nothing,
    the_adaptive_rate_follows_the_divergence_on_the_device,
    the_degenerate_gaussian_trains_without_base_noise,
    finished_episodes_and_their_returns_are_counted,
);

fn mean(metrics: &IterationMetrics, name: &str) -> f64 {
    metrics.mean(name).unwrap_or_else(|| panic!("no mean `{name}` among {:?}", metrics.means))
}

/// Small settings with a learning rate of zero: the policy stays the one that collected the data.
fn frozen(environment: &flowmill::env::Environment, name: &str, overrides: &[&str]) -> flowmill::algo::Algorithm {
    let mut algorithm = small(environment, name, &[&["schedule=fixed"], overrides].concat());
    algorithm.train_mut().learning_rate = 0.0;
    algorithm
}

fn the_ratio_is_one_while_the_policy_is_the_one_that_collected_the_data(on: On) {
    let environment = environment("multigoal");
    let variants: [(&str, &[&str]); 4] = [
        ("ppo", &[]),
        ("policyflow", &[]),
        ("policyflow", &["path=interpolant", "time_sampling=usc", "hidden=[5]"]),
        ("policyflow", &["path=trigflow", "time_sampling=multi-usd", "multi_times=2", "hidden=[5]", "activation=elu"]),
    ];
    for (name, overrides) in variants {
        let algorithm = frozen(&environment, name, overrides);
        let mut trainer = trainer(on, &environment, &algorithm, 4);
        let before = trainer.parameters().unwrap();
        let metrics = train(&mut trainer, 1).remove(0);
        let what = format!("{name} {overrides:?}: {metrics:?}");
        assert_eq!(before, trainer.parameters().unwrap(), "a learning rate of zero changes nothing; {what}");

        // The velocity (or mean) has not moved: of the divergence only log(1 + 1e-5) of each dimension is left.
        let offset = 2.0 * (1.0f64 + 1e-5).ln();
        assert!((mean(&metrics, "kl") - offset).abs() < 5e-7, "{what}");
        assert_eq!(mean(&metrics, "clip_fraction"), 0.0, "{what}");
        // Every ratio is 1, so the policy loss is minus the mean of the normalised advantages, which is 0.
        assert!(mean(&metrics, "loss_pi").abs() < 1e-5, "{what}");
        assert!((mean(&metrics, "std") - 0.5).abs() < 1e-6, "{what}");
        // All minibatches of an epoch together are the whole rollout, each sample as often as any other.
        let (value, ret) = (trainer.rollout_field("value").unwrap(), trainer.rollout_field("ret").unwrap());
        let squares: f64 = value.iter().zip(&ret).map(|(v, r)| f64::from(r - v).powi(2)).sum();
        let whole = squares / ret.len() as f64;
        assert!((mean(&metrics, "loss_v") - whole).abs() < 2e-5 * whole, "value loss {whole}; {what}");
    }
}

fn advantages_and_returns_of_a_rollout_equal_the_twin(on: On) {
    let environment = walk(6, "1.0 - x * x");
    let algorithm = frozen(&environment, "ppo", &["num_envs=70", "horizon=16", "minibatches=1"]);
    let mut trainer = trainer(on, &environment, &algorithm, 6);
    let (envs, steps) = (70, 16);
    let samples = envs * steps;
    train(&mut trainer, 1);
    let mut field = |name: &str| trainer.rollout_field(name).unwrap();
    let (rewards, values, flags, advantages, returns) =
        (field("reward"), field("value"), field("flag"), field("adv"), field("ret"));
    for kind in [gae::RUNNING, gae::TERMINATED, gae::TIMED_OUT] {
        let found = flags.iter().filter(|&&flag| flag == kind).count();
        assert!(found > 20, "only {found} steps with flag {kind}");
    }
    // The same policy goes on from where it stopped: its first values are those that the last step bootstrapped from.
    train(&mut trainer, 1);
    let last_values = trainer.rollout_field("value").unwrap()[..envs].to_vec();

    let args = GaeArgs {
        envs: envs as u32,
        steps: steps as u32,
        rewards: 0,
        values: samples as u32,
        flags: 2 * samples as u32,
        last_value: 3 * samples as u32,
        advantages: (3 * samples + envs) as u32,
        returns: (4 * samples + envs) as u32,
        gamma: algorithm.train().gamma as f32,
        lambda: algorithm.train().lambda as f32,
        reward_scale: algorithm.train().reward_scale as f32,
    };
    let mut rollout = [rewards, values, flags, last_values, vec![0.0; 2 * samples]].concat();
    let groups = args.envs.div_ceil(gae::GROUP);
    let mut partials = vec![0.0; gae::PARTIAL_WORDS * groups as usize];
    gae::gae(&args, &mut rollout, &mut partials);
    let normalize = NormalizeArgs { advantages: args.advantages, count: samples as u32, partials: groups };
    normalize_advantages(&normalize, &partials, &mut rollout);
    assert_close("returns", &returns, &rollout[args.returns as usize..][..samples], 1e-5, 1e-5);
    assert_close("advantages", &advantages, &rollout[args.advantages as usize..][..samples], 2e-5, 2e-5);
    let spread: f64 = advantages.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>() / (samples - 1) as f64;
    assert!((spread - 1.0).abs() < 1e-4, "variance of the normalised advantages: {spread}");
}

/// Gradients of one minibatch, up to the factor of the norm clip: the first moments after one step from zero.
fn gradients(trainer: &mut Trainer) -> Vec<(String, Vec<f32>)> {
    train(trainer, 1);
    let tensors = trainer.checkpoint().unwrap().tensors.into_iter();
    tensors.filter(|(name, ..)| name.starts_with("adam.m.")).map(|(name, _, values)| (name, values)).collect()
}

fn a_minibatch_in_chunks_gives_the_gradients_of_the_whole(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &["epochs=1", "minibatches=1"]);
    let mut whole = trainer(on, &environment, &algorithm, 12);
    let expected = gradients(&mut whole);
    let expected_metrics = train(&mut whole, 1);
    let mut most = 0;
    // One tile of the update takes some tens of KiB at this size.
    for scratch_bytes in [64 << 10, 200 << 10] {
        let options = TrainOptions { algorithm: algorithm.clone(), seed: 12 };
        let limits = Limits { scratch_bytes, ..Limits::default() };
        let mut chunked = Trainer::with_limits(on.engine(), environment.clone(), options, limits).unwrap();
        let (_, learn) = chunked.recordings();
        // Two dispatches a chunk, reduction, optimiser, statistics.
        let chunks = (learn.dispatches() - 3) / 2;
        most = most.max(chunks);
        let found = gradients(&mut chunked);
        for ((name, got), (expected_name, want)) in found.iter().zip(&expected) {
            assert_eq!(name, expected_name);
            let largest = want.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            assert!(largest > 0.0, "`{name}` has no gradient");
            assert_close(&format!("{name}, {chunks} chunks"), got, want, 1e-6 * f64::from(largest), 1e-6);
        }
        let metrics = train(&mut chunked, 1);
        for ((name, got), (_, want)) in metrics[0].means.iter().zip(&expected_metrics[0].means) {
            assert!((got - want).abs() <= 1e-4 * (1.0 + want.abs()), "{name}: {got} in {chunks} chunks, {want} whole");
        }
    }
    assert!(most >= 3, "the scratch limits gave at most {most} chunks");
}

fn the_learning_rate_falls_linearly_and_a_rate_of_zero_changes_nothing(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "ppo", &["schedule=fixed", "lr_decay_iterations=4", "learning_rate=8e-3"]);
    let mut trainer = trainer(on, &environment, &algorithm, 1);
    let metrics = train(&mut trainer, 4);
    for (i, metrics) in metrics.iter().enumerate() {
        let expected = 8e-3 * (1.0 - i as f64 / 4.0);
        assert!((metrics.learning_rate - expected).abs() < 1e-8, "iteration {}: {}", i + 1, metrics.learning_rate);
    }
    let before = trainer.parameters().unwrap();
    assert_eq!(train(&mut trainer, 1)[0].learning_rate, 0.0);
    assert_eq!(before, trainer.parameters().unwrap());
}

fn the_adaptive_rate_follows_the_divergence_on_the_device(on: On) {
    let environment = environment("multigoal");
    let rate_after = |target: &str| {
        let overrides = ["schedule=minibatch", target, "learning_rate=1e-3", "lr_min=1e-4", "lr_max=5e-3"];
        let mut trainer = trainer(on, &environment, &small(&environment, "ppo", &overrides), 1);
        train(&mut trainer, 1)[0].learning_rate
    };
    // Eight updates: by 1.5 each time, until the bound.
    let up = rate_after("kl_target=1e3");
    assert!((up - 5e-3).abs() < 1e-8, "{up}");
    let down = rate_after("kl_target=1e-9");
    assert!((down - 1e-4).abs() < 1e-9, "{down}");
}

fn the_degenerate_gaussian_trains_without_base_noise(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &["degenerate_gaussian=true", "hidden=[5]"]);
    let mut trainer = trainer(on, &environment, &algorithm, 1);
    let before = trainer.parameters().unwrap();
    let metrics = train(&mut trainer, 3);
    assert!(trainer.rollout_field("z").unwrap().iter().all(|&z| z == 0.0));
    assert!(trainer.rollout_field("noise").unwrap().iter().any(|&n| n != 0.0));
    assert!(metrics.iter().all(|m| mean(m, "loss_b") == 0.0 && mean(m, "loss").is_finite()), "{metrics:?}");
    assert!(metrics.iter().all(|m| m.grad_norm > 0.0), "{metrics:?}");
    assert_ne!(before, trainer.parameters().unwrap());
}

fn finished_episodes_and_their_returns_are_counted(on: On) {
    let environment = walk(6, "2.0");
    let algorithm = small(&environment, "ppo", &["num_envs=50", "horizon=12", "minibatches=1"]);
    let mut trainer = trainer(on, &environment, &algorithm, 2);
    let metrics = train(&mut trainer, 1).remove(0);
    let flags = trainer.rollout_field("flag").unwrap();
    assert_eq!(metrics.episodes, flags.iter().filter(|&&flag| flag != 0.0).count() as u64);
    // Every step pays 2, so the mean return is twice the mean length.
    assert!((metrics.mean_return - 2.0 * metrics.mean_length).abs() < 1e-4, "{metrics:?}");
    assert!(metrics.mean_length > 1.0 && metrics.mean_length <= 6.0, "{metrics:?}");
}
