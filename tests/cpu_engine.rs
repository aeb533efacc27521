//! What the CPU engine promises of a whole training: the same bytes for any number of threads and for AVX2 and AVX-512,
//! and numbers that the baseline and the other engine share within a tolerance.

use std::collections::HashSet;

use flowmill::engine::{Engine, EngineOptions};
use flowmill::simd::Isa;
use flowmill::train::Trainer;

mod common;
#[path = "training/support.rs"]
#[allow(dead_code, unused_imports)]
mod support;

use common::device::{On, has_gpu};
use common::parity::assert_close;
use support::{differing, environment, move_statistics, small, state, train, trainer_on};

/// Sizes that give every kernel more tasks than there are threads, and a last one that is not whole: 333 environments, 777
/// rows in a minibatch.
const MANY_TASKS: [&str; 2] = ["num_envs=333", "minibatches=3"];

const ALGORITHMS: [&str; 2] = ["policyflow", "ppo"];

/// A trainer on MultiGoal; the seed is always the same.
fn trainer(algorithm: &str, options: EngineOptions) -> Trainer {
    changed(algorithm, &[], options)
}

/// With a normaliser in the middle of its work, squashed actions and scaled rewards, where the overrides have them.
fn changed(algorithm: &str, overrides: &[&str], options: EngineOptions) -> Trainer {
    let environment = environment("multigoal");
    let algorithm = small(&environment, algorithm, &[&MANY_TASKS, overrides].concat());
    let engine = Engine::new(&options).unwrap_or_else(|error| panic!("{error}"));
    let mut trainer = trainer_on(engine, &environment, &algorithm, 17);
    if !overrides.is_empty() {
        move_statistics(&mut trainer);
    }
    trainer
}

const ALL_ON: [&str; 3] = ["normalize_observations=true", "squash_actions=tanh", "reward_scale=0.5"];

fn with(threads: usize, isa: Isa) -> EngineOptions {
    EngineOptions { threads: Some(threads), isa: Some(isa), ..On::Cpu.options() }
}

/// Everything that four iterations leave behind, and the last rollout.
fn bytes(algorithm: &str, options: EngineOptions) -> Vec<(String, Vec<u8>)> {
    bytes_of(trainer(algorithm, options))
}

fn bytes_of(mut trainer: Trainer) -> Vec<(String, Vec<u8>)> {
    train(&mut trainer, 4);
    let mut all = state(&mut trainer);
    for field in FIELDS {
        all.push((field.to_string(), bytemuck::cast_slice(&trainer.rollout_field(field).unwrap()).to_vec()));
    }
    all
}

/// Fields of a rollout that both algorithms have.
const FIELDS: [&str; 8] = ["obs", "action", "logp", "value", "reward", "flag", "adv", "ret"];

#[test]
fn training_gives_equal_bytes_on_1_2_3_and_5_threads() {
    for algorithm in ALGORITHMS {
        let isa = Isa::detect();
        let one = bytes(algorithm, with(1, isa));
        for threads in [2, 3, 5] {
            let more = bytes(algorithm, with(threads, isa));
            assert_eq!(differing(&one, &more), Vec::<String>::new(), "{algorithm}: 1 and {threads} threads");
        }
    }
}

#[test]
fn moving_statistics_and_squashed_actions_have_equal_bytes_on_1_and_3_threads() {
    for algorithm in ALGORITHMS {
        let [one, three] = [1, 3].map(|threads| bytes_of(changed(algorithm, &ALL_ON, with(threads, Isa::detect()))));
        assert_eq!(differing(&one, &three), Vec::<String>::new(), "{algorithm}");
    }
}

#[test]
fn the_baseline_gives_equal_bytes_on_1_and_3_threads() {
    for algorithm in ALGORITHMS {
        let [one, three] = [1, 3].map(|threads| bytes(algorithm, with(threads, Isa::Baseline)));
        assert_eq!(differing(&one, &three), Vec::<String>::new(), "{algorithm}");
    }
}

#[test]
fn training_gives_equal_bytes_on_avx2_and_avx_512() {
    if Isa::detect() < Isa::Avx512 {
        return eprintln!("SKIPPED: this processor has no AVX-512");
    }
    for algorithm in ALGORITHMS {
        let [narrow, wide] = [Isa::Avx2, Isa::Avx512].map(|isa| bytes(algorithm, with(2, isa)));
        assert_eq!(differing(&narrow, &wide), Vec::<String>::new(), "{algorithm}");
    }
}

#[test]
fn a_run_may_go_on_with_another_number_of_threads() {
    let options = |threads| with(threads, Isa::detect());
    let whole = bytes("policyflow", options(2));
    let mut first = trainer("policyflow", options(1));
    train(&mut first, 2);
    let mut second = trainer("policyflow", options(3));
    second.restore(&first.checkpoint().unwrap()).unwrap();
    train(&mut second, 2);
    let state = state(&mut second);
    assert_eq!(differing(&whole[..state.len()], &state), Vec::<String>::new());
}

/// Two trainers with one seed after an iteration of six updates each. Rollouts and metrics are compared entry by entry to
/// 1e-5. First moments are sums of gradients, whose parameters have moved apart by then: to 1e-5 of a tensor's largest
/// entry. A parameter may move by a learning rate (1e-3) an update in either direction where its gradient is nothing but
/// rounding, so these are compared by the mean of their differences: 1e-6. (On two engines of one machine: 1e-6 of the
/// largest entry, and 3e-8.)
fn agree_after_one_iteration(
    what: &str,
    (algorithm, overrides): (&str, &[&str]),
    one: EngineOptions,
    two: EngineOptions,
) {
    let [mut one, mut two] = [one, two].map(|options| changed(algorithm, overrides, options));
    let metrics = [&mut one, &mut two].map(|trainer| train(trainer, 1).remove(0));
    for field in FIELDS {
        let [got, want] = [&mut one, &mut two].map(|trainer| trainer.rollout_field(field).unwrap());
        assert_close(&format!("{what}, {algorithm}: {field}"), &got, &want, 1e-5, 1e-5);
    }
    let [got, want] = [&mut one, &mut two].map(|trainer| trainer.checkpoint().unwrap().tensors);
    assert_eq!(got.len(), want.len());
    for ((name, _, got), (_, _, want)) in got.iter().zip(&want) {
        let largest = want.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let apart = got.iter().zip(want).map(|(a, b)| f64::from((a - b).abs()));
        let (count, most) = (want.len() as f64, apart.clone().fold(0.0, f64::max));
        let mean = apart.sum::<f64>() / count;
        if name.starts_with("adam.m.") {
            assert!(most <= 1e-5 * f64::from(largest), "{what}, {algorithm}: {name} is {most:e} apart");
        } else if !name.starts_with("adam.") {
            assert!(mean <= 1e-6, "{what}, {algorithm}: {name} is {mean:e} apart in the mean");
        }
    }
    for ((name, got), (_, want)) in metrics[0].means.iter().zip(&metrics[1].means) {
        assert!((got - want).abs() <= 1e-5 * (1.0 + want.abs()), "{what}, {algorithm}: {name} is {got} and {want}");
    }
}

#[test]
fn the_baseline_agrees_with_the_best_instruction_set_after_an_iteration() {
    for algorithm in ALGORITHMS {
        agree_after_one_iteration("baseline", (algorithm, &[]), with(2, Isa::Baseline), with(2, Isa::detect()));
    }
}

#[test]
fn the_two_engines_agree_after_an_iteration() {
    if !has_gpu("the_two_engines_agree_after_an_iteration") {
        return;
    }
    for algorithm in ALGORITHMS {
        agree_after_one_iteration("engines", (algorithm, &[]), On::Cpu.options(), On::Gpu.options());
        agree_after_one_iteration("engines, all on", (algorithm, &ALL_ON), On::Cpu.options(), On::Gpu.options());
    }
}

#[test]
fn a_profile_has_every_scope_and_kernel_of_an_iteration_with_its_seconds() {
    let options = EngineOptions { profile: true, ..On::Cpu.options() };
    let mut trainer = trainer("policyflow", options);
    let started = std::time::Instant::now();
    train(&mut trainer, 2);
    let elapsed = started.elapsed().as_secs_f64();
    let profile = trainer.engine().profile();
    let named: HashSet<_> = profile.iter().map(|row| (row.scope.as_str(), row.name.as_str())).collect();
    for (scope, kernel) in [
        ("rollout", "policyflow_rollout"),
        ("advantages", "gae"),
        ("advantages", "normalize_advantages"),
        ("update", "policyflow_update"),
        ("update", "weight_gradients"),
        ("update", "reduce_gradients"),
        ("update", "adamw"),
    ] {
        assert!(named.contains(&(scope, kernel)), "no `{kernel}` in `{scope}`: {named:?}");
    }
    let scoped = profile.iter().filter(|row| !row.scope.is_empty());
    let seconds = scoped.clone().map(|row| row.seconds).sum::<f64>();
    assert!(seconds > 0.0 && seconds <= elapsed, "{seconds} s in kernels, {elapsed} s in all");
    let steps = scoped.clone().find(|row| row.name == "policyflow_rollout").map(|row| row.dispatches);
    assert_eq!(steps, Some(2), "two rollouts, all steps of each in one dispatch");
    assert!(profile.iter().all(|row| row.unavailable == 0), "{profile:?}");
}
