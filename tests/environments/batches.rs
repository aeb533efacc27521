//! What the batch adds to a program: resets, time-outs, statistics, ages, and independence of the batch's shape.

use std::path::Path;

use flowmill::env::{EnvArgs, Environment, Trace, load};

use crate::common::device::{On, on_both_engines};
use crate::device::{random_actions, run};

on_both_engines!(
    an_environment_gives_the_same_bytes_alone_in_a_small_batch_and_in_a_row_of_4096,
    environments_in_another_order_give_the_same_bytes_in_that_order,
    two_runs_give_the_same_bytes_and_another_seed_gives_others,
    an_episode_times_out_at_its_51st_step_and_the_next_observation_is_a_start,
    a_restart_has_the_ended_state_and_draws_while_starts_are_resets,
    leaving_the_box_terminates_and_a_termination_at_the_horizon_is_no_time_out,
    an_evaluation_flags_what_terminates_but_lets_it_run_on,
    random_ages_spread_the_first_time_outs_evenly_over_the_horizon,
    statistics_are_the_sums_that_the_trace_shows,
    steps_with_a_non_finite_reward_or_observation_are_counted,
    an_environment_outside_the_repository_loads_and_runs_without_a_rebuild,
);

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Observations, rewards and flags of `count` environments from row `first` on, as bits.
fn rows(env: &Environment, trace: &Trace, num_envs: usize, first: usize, count: usize) -> [Vec<u32>; 3] {
    let pick = |values: &[f32], width: usize| {
        let steps = values.chunks_exact(num_envs * width);
        steps.flat_map(|step| bits(&step[first * width..(first + count) * width])).collect()
    };
    [pick(&trace.observations, env.obs_dim()), pick(&trace.rewards, 1), pick(&trace.flags, 1)]
}

fn an_environment_gives_the_same_bytes_alone_in_a_small_batch_and_in_a_row_of_4096(on: On) {
    let mut engine = on.engine();
    for name in ["multigoal", "multigoal-sql", "pendulum"] {
        let env = load(name).expect("loads");
        let mut run_part = |first: u32, count: u32| {
            let actions = random_actions(60, first, count, env.action_dim(), 4.0);
            let args = EnvArgs { first_env: first, random_ages: 1, ..EnvArgs::training(&env, count, 9) };
            run(&mut engine, &env, args, &actions)
        };
        let all = run_part(0, 4096);
        for (first, count) in [(0, 1), (1, 1), (64, 1), (4095, 1), (1000, 130)] {
            let part = run_part(first, count);
            let (first, count) = (first as usize, count as usize);
            let expected = rows(&env, &all.trace, 4096, first, count);
            assert_eq!(rows(&env, &part.trace, count, 0, count), expected, "{name} {first} {count}");
            assert_eq!(part.states, all.states[first..first + count], "{name} {first} {count}");
            assert_eq!(part.stats, all.stats[first..first + count], "{name} {first} {count}");
        }
    }
}

fn environments_in_another_order_give_the_same_bytes_in_that_order(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let mut run_part = |first: u32, count: u32| {
        let actions = random_actions(60, first, count, 2, 6.0);
        let args = EnvArgs { first_env: first, ..EnvArgs::training(&env, count, 2) };
        run(&mut engine, &env, args, &actions).trace
    };
    let all = run_part(0, 200);
    // Blocks run in another order and with other neighbours.
    for (first, count) in [(150, 50), (37, 113), (0, 37)] {
        let part = run_part(first, count);
        let (first, count) = (first as usize, count as usize);
        assert_eq!(rows(&env, &part, count, 0, count), rows(&env, &all, 200, first, count));
    }
}

fn two_runs_give_the_same_bytes_and_another_seed_gives_others(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let actions = random_actions(60, 0, 64, 2, 6.0);
    let mut with_seed = |seed: u64| run(&mut engine, &env, EnvArgs::training(&env, 64, seed), &actions);
    let (a, b, c, d) = (with_seed(7), with_seed(7), with_seed(8), with_seed(7 + (1 << 32)));
    assert_eq!(bits(&a.trace.observations), bits(&b.trace.observations));
    assert_eq!((a.states, a.stats), (b.states, b.stats));
    assert_ne!(bits(&a.trace.observations), bits(&c.trace.observations));
    assert_ne!(bits(&a.trace.observations), bits(&d.trace.observations));
}

fn an_episode_times_out_at_its_51st_step_and_the_next_observation_is_a_start(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let n = 16;
    let run = run(&mut engine, &env, EnvArgs::training(&env, n, 3), &vec![0.0; 2 * 110 * n as usize]);
    for t in 0..110 {
        let expected = if t == 50 || t == 101 { 2.0 } else { 0.0 };
        assert!(run.trace.flags[t * 16..][..16].iter().all(|&f| f == expected), "flags at {t}");
    }
    let positions = |t: usize| run.trace.observations[t * 64..][..64].to_vec();
    assert_eq!(positions(0), positions(50), "nothing moves before the reset");
    assert_ne!(positions(50), positions(51), "the observation after a time-out is that of the new state");
    assert_eq!(positions(51), positions(101));
    for row in positions(51).chunks(4) {
        assert!(row[0].abs() <= 7.0 && row[1].abs() <= 7.0 && row[2] == 0.0 && row[3] == 0.0, "{row:?}");
    }
    assert!(run.stats.iter().all(|s| s[0] == 2.0 && s[2] == 102.0 && s[3] == 0.0), "{:?}", run.stats[0]);
}

fn a_restart_has_the_ended_state_and_draws_while_starts_are_resets(on: On) {
    let mut engine = on.engine();
    // Begins where the last one ended, a little above; at rest.
    let restart = "fn restart(state: State, random: Random) -> State {
    return State(state.position + vec2f(0.0, 0.25 + random_uniform(random, 0u)), vec2f(0.0));
}

fn step(";
    let (_directory, folder) = crate::files::altered("multigoal", "env.wgsl", "fn step(", restart);
    let env = load(&folder.to_string_lossy()).expect("loads");
    let plain = load("multigoal").expect("loads");
    let args = EnvArgs { horizon: 4, ..EnvArgs::training(&env, 8, 3) };
    let actions = vec![0.0; 2 * 6 * 8];
    let [with, without] = [&env, &plain].map(|env| run(&mut engine, env, args, &actions).trace);
    let at = |trace: &Trace, t: usize| trace.observations[t * 32..][..32].to_vec();
    assert_eq!(bits(&at(&with, 3)), bits(&at(&without, 3)), "starts are resets");
    for (before, after) in at(&with, 3).chunks(4).zip(at(&with, 4).chunks(4)) {
        let above = after[1] - before[1];
        assert!(
            after[0] == before[0] && (0.25..1.25).contains(&above) && after[2..] == [0.0; 2],
            "{before:?} {after:?}"
        );
    }
    let above: Vec<u32> =
        at(&with, 4).chunks(4).zip(at(&with, 3).chunks(4)).map(|(a, b)| (a[1] - b[1]).to_bits()).collect();
    assert!(above.windows(2).any(|pair| pair[0] != pair[1]), "all draws are alike");
}

fn leaving_the_box_terminates_and_a_termination_at_the_horizon_is_no_time_out(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let actions = [5.0, 0.0].repeat(40);
    let flags_with = |engine: &mut flowmill::engine::Engine, horizon: u32| {
        run(engine, &env, EnvArgs { horizon, ..EnvArgs::training(&env, 1, 3) }, &actions).trace
    };
    let trace = flags_with(&mut engine, 51);
    let end = trace.flags.iter().position(|&f| f > 0.0).expect("the wall is reached");
    assert_eq!(trace.flags[end], 1.0);
    let x = |t: usize| trace.observations[4 * t];
    // The step after the last one that is seen would have crossed the wall; the observation is the new start.
    assert!(x(end) + 0.1 * trace.observations[4 * end + 2] > 8.0);
    assert!(x(end + 1).abs() <= 7.0 && trace.observations[4 * (end + 1) + 2] == 0.0);
    assert_eq!(flags_with(&mut engine, end as u32 + 1).flags[end], 1.0);
    assert_eq!(flags_with(&mut engine, end as u32).flags[end - 1], 2.0);
}

fn an_evaluation_flags_what_terminates_but_lets_it_run_on(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let run = run(&mut engine, &env, EnvArgs::evaluation(&env, 1, 3), &[5.0, 0.0].repeat(60));
    let x: Vec<f32> = run.trace.observations.chunks(4).map(|o| o[0]).collect();
    assert!(x.windows(2).all(|w| w[0] <= w[1]), "something was reset: {x:?}");
    for (t, &flag) in run.trace.flags.iter().enumerate() {
        assert_eq!(flag, if x[t + 1] > 8.0 { 1.0 } else { 0.0 }, "at {t}");
    }
    assert_eq!(run.stats, [[0.0; 4]], "evaluations leave the statistics alone");
}

fn random_ages_spread_the_first_time_outs_evenly_over_the_horizon(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal").expect("loads");
    let n = 5100;
    let args = EnvArgs { random_ages: 1, ..EnvArgs::training(&env, n, 3) };
    let run = run(&mut engine, &env, args, &vec![0.0; 2 * 51 * n as usize]);
    let per_step: Vec<usize> =
        run.trace.flags.chunks(n as usize).map(|step| step.iter().filter(|&&f| f == 2.0).count()).collect();
    assert_eq!(per_step.iter().sum::<usize>(), n as usize, "every environment times out exactly once in 51 steps");
    // 100 expected at every step; five standard deviations of a binomial count.
    assert!(per_step.iter().all(|&c| (50..=150).contains(&c)), "{per_step:?}");
    // Lengths are steps really taken: the time-out at step t (from 0) ended an episode of t + 1 steps.
    let lengths: f64 = run.stats.iter().map(|s| f64::from(s[2])).sum();
    let expected: f64 = per_step.iter().enumerate().map(|(t, &c)| (t + 1) as f64 * c as f64).sum();
    assert_eq!(lengths, expected);
}

fn statistics_are_the_sums_that_the_trace_shows(on: On) {
    let mut engine = on.engine();
    let env = load("multigoal-sql").expect("loads");
    let n = 70;
    let actions = random_actions(200, 0, n, 2, 1.5);
    let run = run(&mut engine, &env, EnvArgs::training(&env, n, 3), &actions);
    for env in 0..n as usize {
        let (mut total, mut length, mut expected) = (0.0f32, 0.0f32, [0.0f32; 4]);
        for t in 0..200 {
            total += run.trace.rewards[t * n as usize + env];
            length += 1.0;
            if run.trace.flags[t * n as usize + env] > 0.0 {
                expected = [expected[0] + 1.0, expected[1] + total, expected[2] + length, 0.0];
                (total, length) = (0.0, 0.0);
            }
        }
        assert_eq!(run.stats[env], expected, "environment {env}");
    }
}

fn steps_with_a_non_finite_reward_or_observation_are_counted(on: On) {
    let mut engine = on.engine();
    let cases = [
        ("return StepResult(reward, outside);", "return StepResult(reward / (*state).velocity.x, outside);"),
        ("(*state).velocity += DT", "(*state).velocity += DT / (*state).velocity.y"),
    ];
    for (from, to) in cases {
        let (_directory, folder) = crate::files::altered("multigoal", "env.wgsl", from, to);
        let env = load(&folder.to_string_lossy()).expect("loads");
        let run = run(&mut engine, &env, EnvArgs::evaluation(&env, 3, 3), &[0.0; 12]);
        assert!(run.stats.iter().all(|s| s[3] == 2.0), "{to}: {:?}", run.stats);
    }
}

fn an_environment_outside_the_repository_loads_and_runs_without_a_rebuild(on: On) {
    let mut engine = on.engine();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let folder = directory.path().join("counter");
    write_counter(&folder);
    let env = load(&folder.to_string_lossy()).expect("loads");
    let run = run(&mut engine, &env, EnvArgs::training(&env, 2, 0), &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(run.trace.observations, [0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
    assert_eq!(run.trace.flags, [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0]);
    assert_eq!(run.stats, [[1.0, 6.0, 3.0, 0.0], [1.0, 12.0, 3.0, 0.0]]);
}

/// A deterministic environment: the state is the sum of the actions, the reward is the state after the step.
fn write_counter(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let manifest = "name = \"counter\"\ndescription = \"sums\"\nlicence = \"none\"\nsource = \"this test\"\ndt = 1\n\
        horizon = 3\nrandom_lanes = 0\nobservation = [{ name = \"sum\", low = -inf, high = inf }]\n\
        action = [{ name = \"summand\", low = -inf, high = inf }]\n";
    let program = "struct State { sum: f32, unused: array<vec3f, 2> }\n\
        fn reset(random: Random) -> State { return State(); }\n\
        fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {\n\
            (*state).sum += action[0];\n    return StepResult((*state).sum, false);\n}\n\
        fn observe(state: State) -> array<f32, OBS_DIM> { return array<f32, OBS_DIM>(state.sum); }";
    std::fs::write(folder.join("env.toml"), manifest).expect("a manifest");
    std::fs::write(folder.join("env.wgsl"), program).expect("a program");
}
