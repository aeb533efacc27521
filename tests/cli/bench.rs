//! `flowmill bench` and `flowmill-bench` on the CPU engine, at toy size.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{assert_keys, flowmill, json, parts, run};

/// Eight environments and as little time as possible.
const TOY: [&str; 6] = ["bench", "--num-envs", "8", "--seconds", "0", "--filter"];

fn toy(filter: &str, more: &[&str]) -> (i32, String, String) {
    parts(&flowmill().args(TOY).arg(filter).args(more).output().unwrap())
}

fn rows(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().unwrap()
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    rows(report).iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn the_report_names_the_adapter_and_every_row_has_its_time_and_its_counted_work() {
    let report = json(&[&TOY[..], &["adamw"]].concat());
    assert_keys(&report, &["command", "version", "date", "adapter", "backend", "driver", "machine", "load", "envs"]);
    assert_eq!((&report["kind"], &report["envs"]), (&"cpu".into(), &8.into()));
    let names: Vec<&str> = rows(&report).iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["kernel/adamw/multigoal", "kernel/adamw/quadruped"]);
    for row in rows(&report) {
        assert_eq!(row["unit"], "us");
        for key in ["median", "gflops", "gbytes", "share"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{key} of {row}");
        }
        assert!(row["spread"].as_f64().unwrap() >= 0.0 && row["samples"].as_u64().unwrap() >= 3, "{row}");
    }
}

#[test]
fn an_iteration_has_its_three_rates_and_the_overhead_its_ratio_beside_the_counted_one() {
    let report = json(&[&TOY[..], &["multigoal", "--suite", "train"]].concat());
    for algorithm in ["policyflow", "ppo"] {
        let row = row(&report, &format!("iteration/multigoal/{algorithm}"));
        let rate = |key: &str| row[key].as_f64().unwrap();
        let [env, policy, all] = ["env_steps_per_second", "env_policy_steps_per_second", "steps_per_second"].map(rate);
        assert!(env > policy && policy > all && all > 0.0, "{row}");
    }
    let overhead = row(&report, "overhead/multigoal");
    assert_eq!(overhead["unit"], "ratio");
    assert_eq!(overhead["ratio"], overhead["median"]);
    let counted = overhead["counted_ratio"].as_f64().unwrap();
    assert!(counted > 1.5 && counted < 3.0, "{overhead}");
    assert!(overhead["ratio"].as_f64().unwrap() > 1.0, "{overhead}");
}

#[test]
fn against_itself_ratios_are_near_one_and_a_row_that_was_faster_fails() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("before.json");
    let path = file.to_str().unwrap();
    let report = json(&[&TOY[..], &["kernel/gae"]].concat());
    std::fs::write(&file, report.to_string()).unwrap();
    // Other tests run beside this one: only a row that takes seven times as long is a loss here.
    let (code, stdout, stderr) = toy("kernel/gae", &["--baseline", path, "--loss", "6", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let compared: Value = serde_json::from_str(&stdout).unwrap();
    let compared = compared["baseline"]["rows"].as_array().unwrap();
    assert_eq!(compared.len(), rows(&report).len());
    for row in compared {
        let ratio = row["ratio"].as_f64().unwrap();
        assert!(ratio > 0.1 && ratio < 10.0, "{row}");
    }

    let mut doctored = report.clone();
    let first = &mut doctored["rows"][0];
    first["median"] = (first["median"].as_f64().unwrap() / 1000.0).into();
    std::fs::write(&file, doctored.to_string()).unwrap();
    let (code, stdout, stderr) = toy("kernel/gae", &["--baseline", path]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("WORSE"), "{stdout}");
    let last = stderr.lines().last().unwrap_or_default();
    let worse = report["rows"][0]["name"].as_str().unwrap();
    assert!(last.starts_with("error: worse than the baseline by more than 20 %") && last.contains(worse), "{last}");
}

/// One round a side, ten times as slow: no spread to hide behind.
#[test]
fn a_baseline_of_one_round_fails_a_row_ten_times_as_slow() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("before.json");
    let mut report = json(&[&TOY[..], &["kernel/gae"]].concat());
    let first = &mut report["rows"][0];
    first["median"] = (first["median"].as_f64().unwrap() / 1000.0).into();
    (first["samples"], first["spread"]) = (1.into(), 0.into());
    std::fs::write(&file, report.to_string()).unwrap();
    let (code, _, stderr) = toy("kernel/gae", &["--baseline", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{stderr}");
}

#[test]
fn a_baseline_of_another_number_of_environments_is_refused_before_anything_is_measured() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("before.json");
    let mut report = json(&[&TOY[..], &["kernel/gae"]].concat());
    report["envs"] = 16.into();
    std::fs::write(&file, report.to_string()).unwrap();
    let (code, stdout, stderr) = toy("kernel/gae", &["--baseline", file.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("16 environments a shape, expected 8") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn an_environment_that_does_not_compile_costs_its_own_rows_only() {
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("wrecked");
    std::fs::create_dir(&broken).unwrap();
    let released = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("envs/multigoal/env.toml");
    let manifest = std::fs::read_to_string(released).unwrap().replacen("\"multigoal\"", "\"wrecked\"", 1);
    std::fs::write(broken.join("env.toml"), manifest).unwrap();
    std::fs::write(broken.join("env.wgsl"), "fn step( {").unwrap();
    let bench = |filter: &str| {
        let mut command = flowmill();
        command.args(TOY).args([filter, "--json"]).env("FLOWMILL_ENVS", folder.path());
        parts(&command.output().unwrap())
    };
    let (code, stdout, stderr) = bench("/reset");
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert!(rows(&report).iter().any(|row| row["name"] == "env/multigoal/reset"), "{report}");
    assert!(report["warnings"][0].as_str().unwrap().contains("wrecked"), "{report}");
    assert!(stderr.contains("warning: no rows of environment wrecked"), "{stderr}");
    let (code, _, stderr) = bench("env/wrecked");
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn a_number_of_environments_that_cannot_be_halved_is_refused() {
    let (code, _, stderr) = parts(&run(&["bench", "--num-envs", "3"]));
    assert_eq!((code, stderr.as_str()), (2, "error: `--num-envs` is 3, expected an even number from 2 to 65536\n"));
}

#[test]
fn the_benchmark_binary_has_its_own_usage_and_a_version() {
    let out = |word: &str| parts(&Command::new(env!("CARGO_BIN_EXE_flowmill-bench")).arg(word).output().unwrap());
    let (code, stdout, _) = out("--help");
    assert!(code == 0 && stdout.contains("Usage: flowmill-bench"), "{stdout}");
    let version = format!("flowmill-bench {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(out("--version"), (0, version, String::new()));
}

#[test]
fn text_names_the_adapter_first_and_says_that_it_is_no_gpu() {
    let (code, stdout, stderr) = toy("ceiling/fma", &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let first = stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("adapter CPU engine (") && first.contains("no GPU"), "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("ceiling/fma ") && line.contains("GFLOP/s")), "{stdout}");
}

#[test]
fn the_benchmark_binary_takes_the_arguments_of_the_verb() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowmill-bench"));
    command.env("WGPU_BACKEND", "noop").current_dir(env!("CARGO_MANIFEST_DIR"));
    let (code, stdout, stderr) = parts(&command.args(&TOY[1..]).args(["sum_columns", "--json"]).output().unwrap());
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(rows(&report).len(), 2);
    assert!(report["command"].as_str().unwrap().starts_with("flowmill-bench --num-envs 8"), "{report}");
}

#[test]
fn the_page_holds_every_row_and_the_command_that_writes_it() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (file, page) = (at("run.json"), at("page.md"));
    let report = json(&[&TOY[..], &["kernel/gae"]].concat());
    std::fs::write(&file, report.to_string()).unwrap();
    let (code, _, stderr) = parts(&run(&["bench", "--page", &page, "--from", &file]));
    assert_eq!(code, 0, "{stderr}");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains(&format!("flowmill bench --page {page} --from {file}")), "{text}");
    for row in rows(&report) {
        assert!(text.contains(&format!("| {} |", row["name"].as_str().unwrap())), "{row}: {text}");
    }
}

/// A Python that has MuJoCo, in a shell: every rollout takes a second.
#[cfg(unix)]
const PYTHON: &str = r#"#!/bin/sh
case "$2" in import*) exit 0 ;; esac
while read -r line; do
    case "$line" in
        "{}") echo '{"seconds": 1.0}' ;;
        *) echo '{"ready": "3", "threads": 2}' ;;
    esac
done
"#;

#[cfg(unix)]
#[test]
fn steps_of_a_model_are_timed_one_and_several_a_dispatch_and_held_against_mujoco_s() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let python = folder.path().join("python");
    std::fs::write(&python, PYTHON).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let python = python.display().to_string();
    let report = json(&[&TOY[..], &["physics/finger", "--suite", "physics", "--python", &python]].concat());
    let rows = |name: &str| row(&report, &format!("physics/finger/{name}"));
    assert!(rows("compile")["median"].as_f64().unwrap() > 0.0);
    assert!(rows("first-dispatch")["median"].as_f64().unwrap() > 0.0);
    let theirs = rows("8/mujoco");
    assert_eq!(theirs["peer"], "MuJoCo 3, 2 threads");
    // A sample has 64 steps.
    assert_eq!(theirs["median"].as_f64().unwrap(), 1e6 / 64.0);
    for name in ["8/step", "8/control"] {
        let own = rows(name);
        let number = |key: &str| own[key].as_f64().unwrap();
        assert!((number("env_steps_per_second") * number("median") / 8e6 - 1.0).abs() < 1e-9, "{own}");
        assert!((number("peer_ratio") * number("median") * 64.0 / 1e6 - 1.0).abs() < 0.5, "{own}");
        let counts: Vec<u64> =
            own["newton_iterations"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert!(counts.iter().sum::<u64>() == 8 && counts.len() <= 11, "{counts:?}");
    }
    // A step of the environment is two of the model.
    let own = rows("8/environment");
    let number = |key: &str| own[key].as_f64().unwrap();
    assert!((number("env_steps_per_second") * number("median") / 8e6 - 1.0).abs() < 1e-9, "{own}");
    assert!((number("peer_ratio") * number("median") * 64.0 / 2e6 - 1.0).abs() < 0.5, "{own}");
}

#[test]
fn a_baseline_with_a_negative_time_or_another_unit_is_refused_by_the_row() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("before.json");
    let report = json(&[&TOY[..], &["kernel/gae"]].concat());
    let name = report["rows"][0]["name"].as_str().unwrap().to_string();
    for (key, value, expected) in [
        ("median", serde_json::json!(-1.0), "has the median -1, expected a number >= 0"),
        ("unit", serde_json::json!("GFLOP/s"), "counts something else there than here"),
    ] {
        let mut altered = report.clone();
        altered["rows"][0][key] = value;
        std::fs::write(&file, altered.to_string()).unwrap();
        let (code, _, stderr) = toy("kernel/gae", &["--baseline", file.to_str().unwrap()]);
        let last = stderr.lines().last().unwrap();
        assert!(code == 2 && last.contains(&name) && last.contains(expected), "{code} {stderr}");
    }
}
