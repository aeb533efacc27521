//! `train` at toy size: files, exit codes, resuming, interrupting.

use std::fs;
use std::path::Path;
use std::process::Command;

use flowmill::report::{BuildInfo, RunDir, Summary, read_metrics};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TINY, assert_keys, finished_run, flowmill, parts, train, with_drivers};

const SUMMARY: [&str; 13] = [
    "coverage",
    "entropy",
    "reached",
    "first_action_coverage",
    "first_action_entropy",
    "first_action_strong",
    "final_return",
    "best_return",
    "env_steps",
    "iterations",
    "seconds_training",
    "seconds_compiling",
    "adapter",
];

fn checkpoint(run: &Path, name: &str) -> Vec<u8> {
    let path = run.join("checkpoints").join(format!("{name}.safetensors"));
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_run_leaves_every_file_of_its_directory() {
    let run = finished_run().join("run");
    for file in ["config.toml", "command.txt", "build.json", "metrics.csv", "metrics.jsonl", "summary.json"] {
        assert!(fs::metadata(run.join(file)).is_ok_and(|m| m.len() > 0), "{file}");
    }
    for name in ["latest", "best", "iteration-000001", "iteration-000002", "iteration-000003"] {
        checkpoint(&run, name);
    }
    assert_eq!(checkpoint(&run, "latest"), checkpoint(&run, "iteration-000003"));
    for figure in ["learning-curve", "trajectories", "first-actions"] {
        for kind in ["svg", "png"] {
            assert!(run.join("plots").join(format!("{figure}.{kind}")).is_file(), "{figure}.{kind}");
        }
    }
    let files: Vec<String> =
        fs::read_dir(&run).unwrap().map(|f| f.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(files.iter().any(|f| f.starts_with("events.out.tfevents.")), "{files:?}");
    assert!(files.iter().all(|f| !f.starts_with(".tmp")), "{files:?}");

    let metrics = read_metrics(&run).unwrap();
    assert_eq!((metrics.iteration.len(), metrics.env_steps.last().copied()), (3, Some(768)));
    for tag in ["Train/mean_reward", "Loss/value", "Loss/surrogate", "Perf/total_fps", "Policy/mean_std"] {
        let column = metrics.column(tag).unwrap_or_else(|| panic!("no column {tag}"));
        assert!(column.iter().all(|v| v.is_finite()), "{tag}: {column:?}");
    }
    assert!(metrics.seconds.windows(2).all(|w| w[0] < w[1]), "{:?}", metrics.seconds);

    let dir = RunDir::open(&run).unwrap();
    let build = dir.read_build().unwrap();
    assert!(!build.adapter.is_empty() && build.limits.contains_key("storage_binding_bytes"));
    assert_eq!((build.run.seed, build.run.preset.as_str(), build.run.algo.as_str()), (7, "quick", "ppo"));
    assert!(Summary::read(&dir).unwrap().coverage.is_some());
    let command = fs::read_to_string(run.join("command.txt")).unwrap();
    assert!(command.contains("train multigoal") && command.contains("'hidden=[8,8]'"), "{command}");
}

#[test]
fn json_is_one_object_with_the_summary() {
    let text = fs::read_to_string(finished_run().join("stdout.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_keys(&value, &SUMMARY);
    assert_keys(&value, &["run", "seed", "preset", "interrupted"]);
    assert_eq!((&value["iterations"], &value["env_steps"]), (&Value::from(3), &Value::from(768)));
    assert_eq!(value["interrupted"], false);
    let file: Value = serde_json::from_slice(&fs::read(finished_run().join("run/summary.json")).unwrap()).unwrap();
    assert_keys(&file, &SUMMARY);
}

#[test]
fn config_gives_the_same_run_and_resume_gives_the_uninterrupted_one_byte_for_byte() {
    let parent = TempDir::new().unwrap();
    let first = finished_run().join("run");
    let again = parent.path().join("again");
    let config = first.join("config.toml");
    let command = |more: &[&str], dir: &Path| {
        flowmill().arg("train").args(more).arg("--no-plots").arg("--run-dir").arg(dir).output().unwrap()
    };
    let (code, _, stderr) = parts(&command(&["--config", config.to_str().unwrap()], &again));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read(&config).unwrap(), fs::read(again.join("config.toml")).unwrap());
    assert_eq!(checkpoint(&again, "latest"), checkpoint(&first, "latest"), "the same configuration, another run");

    let resumed = parent.path().join("resumed");
    let start = first.join("checkpoints/iteration-000001.safetensors");
    let (code, _, stderr) = parts(&command(&["--resume", start.to_str().unwrap()], &resumed));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(checkpoint(&resumed, "latest"), checkpoint(&first, "latest"), "1 + 2 iterations equal 3");
    let rows = |run: &Path| read_metrics(run).unwrap().column("Train/mean_reward").unwrap().to_vec();
    assert_eq!(rows(&resumed), rows(&first)[1..]);
}

#[test]
fn a_finished_run_goes_on_in_place_with_more_iterations_and_keeps_what_its_state_was_made_with() {
    let parent = TempDir::new().unwrap();
    let run = parent.path().join("run");
    assert_eq!(parts(&train(&run, &["--iterations", "1", "--no-plots"])).0, 0);
    let resume = |more: &[&str]| {
        parts(&flowmill().args(["train", "--no-plots", "--resume"]).arg(&run).args(more).output().unwrap())
    };
    let refused: [(&[&str], &str); 7] = [
        (&[], "has done 1 of 1 iterations"),
        (&["--iterations", "2", "--set", "squash_actions=tanh"], "`squash_actions` is \"none\""),
        (&["--iterations", "2", "--set", "normalize_observations=true"], "`normalize_observations` is false"),
        (&["--iterations", "2", "--set", "hidden=[16,8]"], "`hidden` is [8, 8]"),
        (&["--iterations", "2", "--num-envs", "32"], "`num_envs` is 64"),
        (&["--iterations", "2", "--seed", "5"], "keeps its seed"),
        (&["pendulum", "--iterations", "2"], "says `multigoal`"),
    ];
    for (more, words) in refused {
        let (code, _, stderr) = resume(more);
        assert_eq!(code, 2, "{more:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(words), "{more:?}: {stderr}");
    }
    let (code, _, stderr) = resume(&["--iterations", "2", "--set", "lr_decay_iterations=1"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning: the learning rate is 0 from iteration 2 on"), "{stderr}");
    assert_eq!(read_metrics(&run).unwrap().iteration, [1, 2]);
    checkpoint(&run, "iteration-000002");
}

#[test]
fn seed_minus_one_draws_a_seed_and_says_which() {
    let parent = TempDir::new().unwrap();
    let seeds = ["a", "b"].map(|name| {
        let run = parent.path().join(name);
        let (code, stdout, stderr) = parts(&train(&run, &["--iterations", "1", "--seed", "-1", "--no-plots"]));
        assert_eq!(code, 0, "{stderr}");
        let seed = RunDir::open(&run).unwrap().identity().unwrap().seed;
        assert!(stdout.contains(&format!("seed {seed}")), "{stdout}");
        assert!(fs::read_to_string(run.join("config.toml")).unwrap().contains(&format!("seed = {seed}\n")));
        seed
    });
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn the_number_of_threads_changes_no_byte_of_a_run() {
    let parent = TempDir::new().unwrap();
    let first = finished_run().join("run");
    let config = first.join("config.toml");
    for threads in ["1", "3"] {
        let run = parent.path().join(threads);
        let mut command = flowmill();
        command.args(["train", "--no-plots", "--threads", threads, "--config"]).arg(&config);
        let (code, stdout, stderr) = parts(&command.arg("--run-dir").arg(&run).output().unwrap());
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains(&format!(", {threads} thread")), "the adapter's line says so: {stdout}");
        assert_eq!(checkpoint(&run, "latest"), checkpoint(&first, "latest"), "{threads} threads");
    }
}

/// Trains an iteration with the preset left to the adapter. `None` where the machine has no such adapter.
fn first_iteration(mut command: Command, adapter: &[&str]) -> Option<(String, BuildInfo)> {
    let parent = TempDir::new().unwrap();
    let run = parent.path().join("run");
    let settings = &TINY[..TINY.len() - 1];
    assert!(TINY[TINY.len() - 1].starts_with("--preset"));
    command.args(["train", "multigoal", "--iterations", "1", "--no-plots"]).args(adapter).arg("--run-dir");
    let (code, stdout, stderr) = parts(&command.arg(&run).args(settings).output().unwrap());
    if stderr.contains("no software adapter") {
        eprintln!("SKIPPED: {stderr}");
        return None;
    }
    assert_eq!(code, 0, "{stderr}");
    checkpoint(&run, "latest");
    Some((stdout, RunDir::open(&run).unwrap().read_build().unwrap()))
}

fn assert_quick(stdout: &str, build: &BuildInfo) {
    let mut lines = stdout.lines();
    assert!(lines.next().unwrap().starts_with(&format!("adapter {}", build.adapter)), "{stdout}");
    assert!(lines.next().unwrap().starts_with("no GPU: preset `quick`"), "{stdout}");
    assert_eq!(build.run.preset, "quick");
}

#[test]
fn without_any_driver_a_run_trains_on_the_cpu_engine_with_the_quick_preset_and_says_so() {
    let (stdout, build) = first_iteration(flowmill(), &[]).unwrap();
    assert!(build.adapter.starts_with("CPU engine ("), "{}", build.adapter);
    assert_quick(&stdout, &build);
}

#[cfg(target_os = "linux")]
#[test]
fn a_vulkan_loader_without_a_driver_is_as_good_as_none() {
    let mut command = with_drivers();
    command.env("VK_DRIVER_FILES", "/nonexistent.json").env("VK_ICD_FILENAMES", "/nonexistent.json");
    let (_, build) = first_iteration(command, &[]).unwrap();
    assert!(build.adapter.starts_with("CPU engine ("), "{}", build.adapter);
}

#[test]
fn adapter_cpu_is_the_cpu_engine_and_software_the_software_driver() {
    let (stdout, build) = first_iteration(with_drivers(), &["--adapter", "cpu", "--threads", "2"]).unwrap();
    assert!(build.adapter.starts_with("CPU engine (") && build.adapter.ends_with(", 2 threads)"), "{}", build.adapter);
    assert_quick(&stdout, &build);
    let Some((stdout, build)) = first_iteration(with_drivers(), &["--adapter", "software"]) else { return };
    assert!(!build.adapter.contains("CPU engine"), "{}", build.adapter);
    assert_quick(&stdout, &build);
}

#[test]
fn a_run_that_leaves_the_numbers_fails_with_exit_code_1_and_keeps_the_last_good_checkpoint() {
    let parent = TempDir::new().unwrap();
    let run = parent.path().join("run");
    assert_eq!(parts(&train(&run, &["--iterations", "1", "--no-plots"])).0, 0);
    let good = checkpoint(&run, "latest");
    let mut command = flowmill();
    command.args(["train", "--iterations", "4", "--set", "env.ACTION_COST=1e38", "--resume"]).arg(&run);
    let (code, _, stderr) = parts(&command.output().unwrap());
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.starts_with("error: iteration 2: ") && stderr.contains("not finite"), "{stderr}");
    assert_eq!(checkpoint(&run, "latest"), good);
    assert_eq!(read_metrics(&run).unwrap().iteration, [1]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint_and_ends_with_exit_code_0() {
    use std::process::Stdio;
    let parent = TempDir::new().unwrap();
    let run = parent.path().join("run");
    let mut command = flowmill();
    command.args(["train", "multigoal", "--json", "--iterations", "1000000", "--run-dir"]).arg(&run);
    let command = command.args(TINY).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let started = std::time::Instant::now();
    // The process must be reaped, whatever happens: it would train for days.
    while read_metrics(&run).map_or(0, |m| m.iteration.len()) < 3 && started.elapsed().as_secs() < 300 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let (code, stdout, stderr) = parts(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{stderr}");
    let value: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(value["interrupted"], true);
    let done = value["iterations"].as_u64().unwrap();
    assert!((3..1_000_000).contains(&done));
    assert_eq!(checkpoint(&run, "latest"), checkpoint(&run, &format!("iteration-{done:06}")));
    assert_eq!(read_metrics(&run).unwrap().iteration.len() as u64, done);
    assert!(stderr.contains("--resume"), "{stderr}");
}
