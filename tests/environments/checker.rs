//! The checker passes sound environments and names what is wrong with broken ones.

use flowmill::env::{Actions, CheckOptions, CheckReport, Finding, check, load};

use crate::common::device::{On, on_both_engines};
use crate::files::altered;

on_both_engines!(
    the_repositorys_environments_pass,
    a_nan_in_an_observation_is_reported_with_its_entry_and_place,
    an_infinite_reward_is_reported,
    an_observation_outside_its_bounds_is_reported_with_entry_value_and_bounds,
    a_reset_that_always_gives_the_same_state_is_reported,
    a_random_reset_that_the_manifest_does_not_declare_is_reported,
    a_reset_that_ignores_the_seed_is_reported,
    a_reset_that_leaves_the_state_at_its_end_is_reported,
    a_step_that_changes_nothing_is_reported,
    a_restart_that_goes_on_is_reported,
    a_mistake_in_a_restart_is_reported_even_if_no_episode_ends,
    three_mistakes_in_one_step_are_all_reported_with_their_lines,
    an_endless_loop_is_reported_with_its_line_before_it_runs_without_checks,
);

const SHORT: CheckOptions = CheckOptions { num_envs: 16, steps: 120, seed: 1 };

/// The report on an environment in which `from` is replaced by `to`.
fn broken(on: On, name: &str, file: &str, from: &str, to: &str) -> CheckReport {
    let mut engine = on.engine();
    let (_directory, folder) = altered(name, file, from, to);
    let env = load(&folder.to_string_lossy()).expect("loads");
    let report = check(&mut engine, &env, SHORT).expect("the check runs");
    assert!(!report.passed(), "{to} passes: {report}");
    assert!(report.to_string().contains("FAILED"), "{report}");
    report
}

fn the_repositorys_environments_pass(on: On) {
    let mut engine = on.engine();
    for name in ["multigoal", "multigoal-sql", "pendulum"] {
        let options = CheckOptions { num_envs: 64, steps: 1000, seed: 4 };
        let report = check(&mut engine, &load(name).expect("loads"), options).expect("the check runs");
        println!("{report}");
        assert!(report.passed(), "{report}");
        assert_eq!(report.runs.len(), 4);
        assert!(report.runs.iter().all(|run| run.episodes >= 64 * 4), "{report}");
        let json = serde_json::to_value(&report).expect("a report is data");
        assert_eq!(json["environment"], name);
    }
}

fn a_nan_in_an_observation_is_reported_with_its_entry_and_place(on: On) {
    let from = "(*state).velocity += DT * clamp(wanted, low, high);";
    let to = "(*state).velocity += DT * sqrt(clamp(wanted, low, high));";
    let report = broken(on, "multigoal", "env.wgsl", from, to);
    let found = report.findings.iter().find_map(|f| match f {
        Finding::NonFinite { entry, value, at } if entry == "velocity_x" => Some((value.as_str(), at)),
        _ => None,
    });
    let (value, at) = found.expect("velocity_x is named");
    assert_eq!((value, at.actions, at.step), ("NaN", Actions::Random, 0));
    assert!(at.count > 1);
}

fn an_infinite_reward_is_reported(on: On) {
    let (from, to) =
        ("return StepResult(-cost, false);", "return StepResult(-cost * exp(200.0 * abs(torque)), false);");
    let report = broken(on, "pendulum", "env.wgsl", from, to);
    let reward =
        |f: &Finding| matches!(f, Finding::NonFinite { entry, value, .. } if entry == "reward" && value == "-inf");
    assert!(report.findings.iter().any(reward), "{report}");
}

fn an_observation_outside_its_bounds_is_reported_with_entry_value_and_bounds(on: On) {
    let (from, to) = ("-MAX_SPEED, MAX_SPEED);", "-9.0, 9.0);");
    let report = broken(on, "pendulum", "env.wgsl", from, to);
    let outside = |f: &Finding| match f {
        Finding::OutOfBounds { entry, value, low, high, .. } => {
            entry == "angular_velocity" && value.abs() > 8.0 && value.abs() <= 9.0 && (*low, *high) == (-8.0, 8.0)
        }
        _ => false,
    };
    assert!(report.findings.iter().all(outside), "{report}");
}

fn a_reset_that_always_gives_the_same_state_is_reported(on: On) {
    let (from, to) = ("return State(angle, velocity);", "return State(1.0, 0.0);");
    let report = broken(on, "pendulum", "env.wgsl", from, to);
    assert_eq!(report.findings, [Finding::ResetNotRandom { random_lanes: 2 }]);
}

fn a_random_reset_that_the_manifest_does_not_declare_is_reported(on: On) {
    let report = broken(on, "pendulum", "env.toml", "random_lanes = 2", "random_lanes = 0");
    assert_eq!(report.findings, [Finding::ResetRandom]);
}

fn a_reset_that_ignores_the_seed_is_reported(on: On) {
    let (from, to) =
        ("let angle = random_range(random, 0u, -PI, PI);", "let angle = f32(random.counter.y % 6u) - 3.0;");
    let (_directory, folder) = altered("pendulum", "env.wgsl", from, to);
    let path = folder.join("env.wgsl");
    let text = std::fs::read_to_string(&path).expect("the program");
    let velocity = "let velocity = random_range(random, 1u, -START_SPEED, START_SPEED);";
    assert!(text.contains(velocity));
    std::fs::write(&path, text.replace(velocity, "let velocity = 0.0;")).expect("a new program");
    let mut engine = on.engine();
    let report = check(&mut engine, &load(&folder.to_string_lossy()).expect("loads"), SHORT).expect("the check runs");
    assert_eq!(report.findings, [Finding::SeedIgnored], "{report}");
}

fn a_reset_that_leaves_the_state_at_its_end_is_reported(on: On) {
    // Starts outside the box: the episode is over before it begins.
    let (from, to) = ("return State(vec2f(x, y), vec2f(0.0));", "return State(vec2f(x + 20.0, y), vec2f(0.0));");
    let report = broken(on, "multigoal", "env.wgsl", from, to);
    assert!(report.findings.iter().any(|f| matches!(f, Finding::EndsAtOnce { .. })), "{report}");
}

fn a_restart_that_goes_on_is_reported(on: On) {
    let restart = "fn restart(state: State, random: Random) -> State { return state; }\n\nfn reset(";
    let report = broken(on, "pendulum", "env.wgsl", "fn reset(", restart);
    assert_eq!(report.findings, [Finding::GoesOn], "{report}");
}

fn a_mistake_in_a_restart_is_reported_even_if_no_episode_ends(on: On) {
    let restart = "fn restart(state: State, random: Random) -> State {
    var table = array<f32, 2>(0.5, 1.5);
    return State(table[u32(abs(state.angle)) + 7u], 0.0);
}

fn reset(";
    let mut engine = on.engine();
    let (_directory, folder) = altered("pendulum", "env.wgsl", "fn reset(", restart);
    let line = std::fs::read_to_string(folder.join("env.wgsl")).expect("the program");
    let line = line.lines().position(|l| l.contains("+ 7u")).expect("the line") as u32 + 1;
    let env = load(&folder.to_string_lossy()).expect("loads");
    // Shorter than the horizon of 200.
    let report = check(&mut engine, &env, CheckOptions { steps: 20, ..SHORT }).expect("the check runs");
    let at_line = |f: &Finding| matches!(f, Finding::Program { line: l, .. } if *l == line);
    assert!(report.findings.iter().any(at_line), "{report}");
}

fn a_step_that_changes_nothing_is_reported(on: On) {
    let (from, to) = ("(*state).position = clamp((*state).position + displacement, LOW, HIGH);", "");
    let report = broken(on, "multigoal-sql", "env.wgsl", from, to);
    assert_eq!(report.findings, [Finding::Frozen { actions: Actions::Random }], "{report}");
}

fn an_endless_loop_is_reported_with_its_line_before_it_runs_without_checks(on: On) {
    let from = "let angle = random_range(random, 0u, -PI, PI);";
    let to = "var angle = random_range(random, 0u, -PI, PI);\n    while (angle < 10.0) { angle = angle * 0.5; }";
    let line = std::fs::read_to_string("envs/pendulum/env.wgsl").expect("the program");
    let line = line.lines().position(|l| l.contains(from)).expect("the line") as u32 + 2;
    let report = broken(on, "pendulum", "env.wgsl", from, to);
    let endless = |f: &Finding| matches!(f, Finding::Program { line: at, message, .. } if *at == line && message.contains("loop"));
    assert!(report.findings.iter().any(endless), "{report}");
    assert!(report.runs.is_empty(), "nothing runs without checks: {report}");
}

fn three_mistakes_in_one_step_are_all_reported_with_their_lines(on: On) {
    let from = "let velocity = (*state).velocity;";
    let text = std::fs::read_to_string("envs/pendulum/env.wgsl").expect("the program");
    let first = text.lines().position(|l| l.contains(from)).expect("the line") as u32 + 2;
    let to = "let velocity = (*state).velocity;
    var few = array<f32, 3>(); few[3u + u32(abs(action[0]) * 0.0)] = 1.0;
    var unset: f32; few[0] += unset;
    few[1] = 1.0 / (velocity - velocity);";
    let report = broken(on, "pendulum", "env.wgsl", from, to);
    for (line, words) in (first..).zip(["index 3", "`unset`", "division by zero"]) {
        let here = |f: &Finding| matches!(f, Finding::Program { line: at, message, .. } if *at == line && message.contains(words));
        assert!(report.findings.iter().any(here), "{words} in line {line}: {report}");
    }
}
