//! Policy and environment as one kernel that loops over steps: the numbers of two kernels in turn, and when it is used.

use flowmill::algo::Algorithm;
use flowmill::engine::{Command, Engine};
use flowmill::env::Environment;
use flowmill::fuse::Target;
use flowmill::train::{Limits, TrainOptions, Trainer};

use crate::common::device::{On, on_both_engines};
use crate::support::*;

on_both_engines!(
    a_fused_rollout_of_policyflow_gives_the_bytes_of_two_kernels_in_turn,
    a_fused_rollout_of_ppo_gives_the_bytes_of_two_kernels_in_turn,
    a_fused_rollout_with_squashed_actions_and_normalised_observations_gives_the_bytes_of_two_kernels_in_turn;
    gpu: rows_that_invocations_share_give_the_bytes_of_two_kernels_in_turn;
    cpu: environments_that_are_not_light_or_whose_names_are_in_the_way_keep_two_kernels,
);

fn limited(engine: Engine, environment: &Environment, algorithm: &Algorithm, rollout_steps: u32) -> Trainer {
    limited_to(engine, environment, algorithm, Limits { rollout_steps, ..Limits::default() })
}

fn limited_to(engine: Engine, environment: &Environment, algorithm: &Algorithm, limits: Limits) -> Trainer {
    let options = TrainOptions { algorithm: algorithm.clone(), seed: 4 };
    Trainer::with_limits(engine, environment.clone(), options, limits).unwrap_or_else(|error| panic!("{error}"))
}

/// What two iterations leave behind; the second begins with environments in the middle of their episodes.
struct Outcome {
    /// The bits of the last rollout's fields.
    fields: Vec<Vec<u32>>,
    /// All that the next iteration depends on.
    state: Vec<(String, Vec<u8>)>,
    metrics: String,
}

fn outcome(trainer: &mut Trainer, fields: &[&str]) -> Outcome {
    let metrics = train(trainer, 2);
    let bits = |name: &&str| trainer.rollout_field(name).unwrap().iter().map(|v| v.to_bits()).collect();
    let fields = fields.iter().map(bits).collect();
    let metrics = metrics.iter().map(|m| format!("{:?} {} {}", m.means, m.episodes, m.mean_return)).collect();
    Outcome { fields, state: state(trainer), metrics }
}

/// 70 environments, which no tile divides; episodes end both ways.
fn equal_to_two_kernels(on: On, name: &str, overrides: &[&str], fields: &[&str]) {
    let environment = walk(5, "x");
    let algorithm = small(&environment, name, &[&["num_envs=70", "epochs=1", "minibatches=1"], overrides].concat());
    let mut apart = limited(on.engine(), &environment, &algorithm, 1);
    assert_eq!(apart.rollout_dispatches(), 14);
    let want = outcome(&mut apart, fields);
    let flags = &want.fields[fields.iter().position(|f| *f == "flag").unwrap()];
    for flag in [0.0f32, 1.0, 2.0] {
        assert!(flags.contains(&flag.to_bits()), "no step of flag {flag}");
    }
    for (at_once, dispatches) in [(3, 3), (u32::MAX, 1)] {
        let mut fused = limited(on.engine(), &environment, &algorithm, at_once);
        assert_eq!(fused.rollout_dispatches(), dispatches);
        let cuts = fused.recordings().0.commands().iter().filter(|c| matches!(c, Command::Submit)).count();
        assert_eq!(cuts + 1, dispatches, "every dispatch of several steps is a submission of its own");
        let found = outcome(&mut fused, fields);
        for ((field, got), want) in fields.iter().zip(&found.fields).zip(&want.fields) {
            let different = got.iter().zip(want).filter(|(a, b)| a != b).count();
            assert_eq!((different, got.len()), (0, want.len()), "`{field}`, {at_once} steps at once");
        }
        assert_eq!(differing(&want.state, &found.state), Vec::<String>::new());
        assert_eq!(want.metrics, found.metrics);
    }
}

fn a_fused_rollout_of_policyflow_gives_the_bytes_of_two_kernels_in_turn(on: On) {
    let fields = ["obs", "z", "phi1", "noise", "action", "logp", "value", "reward", "flag"];
    equal_to_two_kernels(on, "policyflow", &[], &fields);
}

fn a_fused_rollout_of_ppo_gives_the_bytes_of_two_kernels_in_turn(on: On) {
    equal_to_two_kernels(on, "ppo", &[], &["obs", "action", "logp", "value", "reward", "flag"]);
}

fn a_fused_rollout_with_squashed_actions_and_normalised_observations_gives_the_bytes_of_two_kernels_in_turn(on: On) {
    let fields = ["obs", "action", "logp", "value", "reward", "flag"];
    for (name, how) in [("ppo", "squash_actions=tanh"), ("policyflow", "squash_actions=clip")] {
        equal_to_two_kernels(on, name, &["normalize_observations=true", how], &fields);
    }
}

/// As hardware runs it. Up to 8 features have one column lane; 16 have two, whose rows change hands across barriers.
fn rows_that_invocations_share_give_the_bytes_of_two_kernels_in_turn(on: On) {
    let environment = walk(5, "x");
    let fields = ["obs", "action", "logp", "value", "reward", "flag"];
    for hidden in ["hidden=[8]", "hidden=[16]"] {
        let more = ["num_envs=70", "horizon=3", "epochs=1", "minibatches=1", hidden];
        let algorithm = small(&environment, "ppo", &more);
        let [want, found] = [(1, 6), (u32::MAX, 1)].map(|(rollout_steps, dispatches)| {
            let limits = Limits { rollout_steps, target: Some(Target::PORTABLE), ..Limits::default() };
            let mut trainer = limited_to(on.engine(), &environment, &algorithm, limits);
            assert_eq!(trainer.rollout_dispatches(), dispatches);
            outcome(&mut trainer, &fields)
        });
        for ((field, want), found) in fields.iter().zip(&want.fields).zip(&found.fields) {
            assert!(want == found, "`{field}`, {hidden}");
        }
        assert_eq!(differing(&want.state, &found.state), Vec::<String>::new(), "{hidden}");
        assert_eq!(want.metrics, found.metrics, "{hidden}");
    }
}

fn environments_that_are_not_light_or_whose_names_are_in_the_way_keep_two_kernels(on: On) {
    let plain = walk(5, "x");
    let algorithm = small(&plain, "policyflow", &["epochs=1", "minibatches=1"]);
    let dispatches = |wgsl: &str| {
        let environment = custom("other", 5, wgsl);
        let mut trainer = limited(on.engine(), &environment, &algorithm, u32::MAX);
        train(&mut trainer, 1);
        trainer.rollout_dispatches()
    };
    let with = |statement: &str, declaration: &str| {
        let marked = plain.wgsl.replace("    (*state).age", &format!("    {statement}\n    (*state).age"));
        assert_ne!(marked, plain.wgsl);
        dispatches(&format!("{declaration}\n{marked}"))
    };
    assert_eq!(with("", ""), 1);
    assert_eq!(with("let y = f(2.0);", "fn f(x: f32) -> f32 { return 2.0 * x; }"), 1);
    // A loop of unknown length; more operations than a light environment has.
    assert_eq!(with("for (var i = 0.0; i < (*state).x; i += 1.0) { (*state).x *= 0.5; }", ""), 14);
    assert_eq!(with(&"(*state).x = 0.999 * (*state).x + 1e-3;\n".repeat(2500), ""), 14);
    // A private variable keeps its value as long as a dispatch.
    assert_eq!(with("count += 1.0;", "var<private> count: f32;"), 14);
    // A name that the policy's part declares, and one that it takes for a built-in function.
    assert_eq!(with("let y = mish4(2.0);", "fn mish4(x: f32) -> f32 { return x; }"), 14);
    assert_eq!(with("let y = fma(2.0);", "fn fma(x: f32) -> f32 { return 2.0 * x; }"), 14);
    assert_eq!(with("", "const tile = 3;"), 14);
}
