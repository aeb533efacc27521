//! Wrong input: exit code 2, one line on standard error that names what is wrong and what is accepted.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{TINY, flowmill, parts, run, train, with_drivers};

/// Runs, and returns the one line.
fn refusal(args: &[&str]) -> String {
    let (code, _, stderr) = parts(&run(args));
    assert_eq!(code, 2, "{args:?}: {stderr}");
    let line = stderr.trim_end();
    assert!(line.starts_with("error: ") && !line.contains('\n'), "{args:?}: {stderr}");
    line.to_string()
}

/// Each must be refused with all of these words.
fn refused(cases: &[(&[&str], &[&str])]) {
    for (args, words) in cases {
        let line = refusal(args);
        for word in *words {
            assert!(line.contains(word), "{args:?}: no {word:?} in {line}");
        }
    }
}

#[test]
fn unknown_names_offer_the_nearest() {
    refused(&[
        (&["trian", "multigoal"], &["unknown verb `trian`", "did you mean `train`?"]),
        (&["train", "multigol"], &["unknown environment `multigol`", "did you mean `multigoal`?", "pendulum"]),
        (&["check", "penduum"], &["did you mean `pendulum`?", "searched: ", "envs", "FLOWMILL_ENVS"]),
        (
            &["train", "multigoal", "--algo", "poliflow"],
            &["unknown algorithm `poliflow`", "did you mean `policyflow`?"],
        ),
        (&["train", "multigoal", "--preset", "quik"], &["unknown preset `quik`", "did you mean `quick`?", "released"]),
        (&["train", "multigoal", "--preset", "quick", "--set", "clp=1"], &["`policyflow.clp`", "did you mean `clip`?"]),
        (&["train", "multigoal", "--set", "ppo.clip=0.1"], &["unknown section `ppo`", "policyflow, env"]),
        (&["train", "multigoal", "--set", "env.WAL=2"], &["`env.WAL`", "did you mean `WALL`?"]),
        (&["profile", "multigol"], &["unknown environment `multigol`", "did you mean `multigoal`?"]),
        (&["profile", "multigoal", "--algo", "pppo"], &["unknown algorithm `pppo`", "did you mean `ppo`?"]),
        (&["profile", "multigoal", "--timing", "sundial"], &["`--timing` is sundial", "expected inside-passes, "]),
        (&["profile", "multigoal", "--iterations", "0"], &["`--iterations` is 0", "expected 1..="]),
        (&["train", "multigoal", "--itertions", "3"], &["`--itertions`", "did you mean `--iterations`?"]),
        (
            &["kernels", "multigoal", "--out", "k", "--algo", "pppo"],
            &["unknown algorithm `pppo`", "did you mean `ppo`?"],
        ),
    ]);
}

#[test]
fn verbs_of_later_releases_do_not_exist() {
    for verb in ["export", "sweep"] {
        assert!(refusal(&[verb]).contains(&format!("unknown verb `{verb}`")), "{verb}");
    }
}

#[test]
fn a_missing_verb_or_argument_is_named() {
    refused(&[
        (&[], &["no verb given"]),
        (&["train"], &["required", "<ENV>"]),
        (&["kernels", "multigoal"], &["required", "--out"]),
        (&["train", "multigoal", "--set", "clip"], &["section.key=value"]),
        (&["train", "--resume", "a", "--config", "b"], &["`--resume <RUN>` cannot be used with `--config <FILE>`"]),
    ]);
}

#[test]
fn values_out_of_range_name_key_value_and_range() {
    let quick = |more: &[&'static str]| [&["train", "multigoal", "--preset", "quick"], more].concat();
    refused(&[
        (&quick(&["--set", "clip=2"]), &["`policyflow.clip` is 2", "0 < clip < 1"]),
        (&quick(&["--set", "activation=mich"]), &["mich", "did you mean `mish`?"]),
        (&quick(&["--set", "hidden=[1000]"]), &["`policyflow.hidden` is [1000]", "1..=512"]),
        (&quick(&["--num-envs", "0"]), &["`--num-envs` is 0, expected 1..=4194240"]),
        (&quick(&["--num-envs", "-5"]), &["`--num-envs` is -5"]),
        (&quick(&["--iterations", "0"]), &["`--iterations` is 0, expected 1..=1000000"]),
        (&quick(&["--seed", "-2"]), &["`--seed` is -2"]),
        (&quick(&["--seed", "abc"]), &["`--seed` is abc, expected -1 or 0..=9223372036854775807"]),
        (&quick(&["--steps", "0"]), &["`--steps` is 0, expected 1..="]),
        (&quick(&["--steps", "1000000000000000"]), &["`--steps` is 1000000000000000", "1000000 iterations"]),
        (&["check", "pendulum", "--num-envs", "1"], &["`--num-envs` is 1, expected 2..=4194240"]),
        (&quick(&["--set", "env.horizon=0"]), &["`env.horizon` is 0", "1..="]),
        (&quick(&["--set", "minibatches=3"]), &["`policyflow.minibatches` is 3", "divisor", "131072"]),
        (&["eval", "x", "--episodes", "0"], &["--episodes"]),
        (&["eval", "x", "--noise", "some"], &["sample", "zero"]),
    ]);
}

#[test]
fn too_many_environments_for_the_memory_name_setting_and_limit() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("run");
    let more = ["--num-envs", "4000000", "--set", "horizon=512", "--set", "minibatches=2"];
    let (code, _, stderr) = parts(&{
        let args = ["train", "multigoal", "--algo", "ppo", "--preset", "quick", "--run-dir"];
        flowmill().args(args).arg(&dir).args(more).output().unwrap()
    });
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.starts_with("error: `num_envs` is 4000000") && stderr.contains("MiB"), "{stderr}");
    assert!(stderr.contains("at most about"), "{stderr}");
    assert!(!dir.exists(), "a run that could not begin leaves no directory");

    let (code, _, stderr) = parts(&{
        let args = ["train", "multigoal", "--algo", "ppo", "--preset", "quick", "--run-dir"];
        flowmill().args(args).arg(parent.path()).args(more).output().unwrap()
    });
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "an empty folder of the user's stays as it was");
}

#[test]
fn adapters_that_are_not_there_are_named_with_the_nearest_and_what_to_install() {
    let missing = ["no software adapter", "mesa-vulkan-drivers", "vulkan-swrast"];
    let unknown = ["unknown adapter `voodoo2`", "available, nearest first: 0: CPU engine ("];
    refused(&[
        (&["train", "multigoal", "--adapter", "voodoo2"], &unknown),
        (&["check", "multigoal", "--adapter", "voodoo2"], &unknown),
        (&["train", "multigoal", "--adapter", "7"], &["unknown adapter `7`", "0: CPU engine ("]),
        (&["train", "multigoal", "--adapter", "software"], &missing),
    ]);
    let output = with_drivers().args(["train", "multigoal", "--adapter", "llvmpine"]).output().unwrap();
    let (code, _, stderr) = parts(&output);
    assert_eq!(code, 2, "{stderr}");
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: unknown adapter `llvmpine`; available, nearest first: "), "{stderr}");
    if line.contains("llvmpipe") {
        let (software, cpu) = (line.find("llvmpipe (").unwrap(), line.find("CPU engine (").unwrap());
        assert!(software < cpu, "the nearest comes first: {line}");
    }
}

#[test]
fn threads_and_instruction_sets_out_of_range_name_the_range() {
    refused(&[
        (&["train", "multigoal", "--threads", "0"], &["`--threads` is 0, expected 1..=1024"]),
        (&["train", "multigoal", "--threads", "-1"], &["`--threads` is -1, expected 1..=1024"]),
        (&["check", "multigoal", "--threads", "1025"], &["`--threads` is 1025, expected 1..=1024"]),
        (&["train", "multigoal", "--threads", "all"], &["`--threads` is all, expected 1..=1024"]),
    ]);
    let output = flowmill().args(["train", "multigoal"]).env("FLOWMILL_ISA", "avx9").output().unwrap();
    let (code, _, stderr) = parts(&output);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.starts_with("error: FLOWMILL_ISA: ") && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains("avx9") && stderr.contains("baseline"), "{stderr}");
}

#[test]
fn run_directories_that_exist_or_cannot_be_written_are_named() {
    let used = TempDir::new().unwrap();
    std::fs::write(used.path().join("notes.txt"), "mine").unwrap();
    let (code, _, stderr) = parts(&train(used.path(), &[]));
    assert_eq!(code, 2);
    assert!(stderr.contains("already holds `notes.txt`"), "{stderr}");

    let file = used.path().join("notes.txt").join("run");
    let (code, _, stderr) = parts(&train(&file, &[]));
    assert_eq!(code, 2);
    assert!(stderr.contains("cannot be written") && stderr.contains("notes.txt"), "{stderr}");
    assert_eq!(std::fs::read(used.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn paths_that_are_no_runs_are_named() {
    let empty = TempDir::new().unwrap();
    let path = empty.path().to_str().unwrap();
    std::fs::write(empty.path().join("x.safetensors"), b"nonsense").unwrap();
    std::fs::write(empty.path().join("x.toml"), "environment = \"multigoal\"\nsead = 1\n").unwrap();
    std::fs::write(empty.path().join("y.toml"), "environment = \n").unwrap();
    let at = |name: &str| format!("{path}/{name}");
    refused(&[
        (&["train", "--resume", path], &[path, "checkpoints/latest.safetensors"]),
        (&["eval", path], &[path, "no run"]),
        (&["eval", &at("x.safetensors")], &["x.safetensors", "not a safetensors file"]),
        (&["plot", path], &[path, "metrics.csv"]),
        (&["train", "--config", &at("x.toml")], &["x.toml", "`sead`", "did you mean `seed`?"]),
        (&["train", "--config", &at("y.toml")], &["y.toml", "line 1"]),
        (&["train", "--config", &at("none.toml")], &["none.toml"]),
    ]);
}

#[test]
fn benchmarks_that_there_are_not_and_baselines_that_are_none_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let at = |name: &str| format!("{path}/{name}");
    std::fs::write(at("foreign.json"), "{\"rows\": []}").unwrap();
    std::fs::write(at("other.json"), "{\"format\": \"flowmill-bench-1\", \"rows\": 3}").unwrap();
    let bench = |more: &[&'static str]| [&["bench", "--num-envs", "8", "--filter", "kernel/gae"], more].concat();
    refused(&[
        (&["bench", "--filter", "adamq"], &["`--filter` is adamq", "nearest: kernel/adamw/multigoal"]),
        (&["bench", "--suite", "rollout", "--filter", "adamw"], &["`--filter` is adamw", "rollout/"]),
        (
            &["bench", "--suite", "physics", "--python", "nopython"],
            &["nopython: expected a Python with mujoco and numpy"],
        ),
        (
            &["bench", "--suite", "physics", "--filter", "physics/cheeta/"],
            &["`--filter` is physics/cheeta/", "physics/cheetah/"],
        ),
        (&["bench", "--suite", "kernel"], &["`kernel`", "did you mean `kernels`?"]),
        (&bench(&["--baseline", "Cargo.toml"]), &["Cargo.toml", "not JSON", "flowmill bench --json"]),
        (&["bench", "--baseline", &at("none.json")], &["none.json", "cannot be read"]),
        (&["bench", "--baseline", &at("foreign.json")], &["foreign.json", "no benchmark", "flowmill-bench-1"]),
        (&["bench", "--baseline", &at("other.json")], &["other.json", "flowmill bench --json"]),
        (&bench(&["--loss", "-1"]), &["`--loss` is -1, expected a number from 0"]),
        (&bench(&["--seconds", "x"]), &["`--seconds` is x, expected seconds from 0 to 3600"]),
        (&["bench", "--num-envs", "1"], &["`--num-envs` is 1, expected an even number from 2 to 65536"]),
        (&["bench", "--adapter", "voodoo2"], &["unknown adapter `voodoo2`"]),
        (&["bench", "--adapter", "software"], &["no software adapter"]),
        (&["bench", "--from", "x"], &["required", "--page"]),
        (&["bench", "--page", &at("p.md"), "--from", &at("foreign.json")], &["foreign.json", "no benchmark"]),
    ]);
    assert!(!folder.path().join("p.md").exists());
}

/// A copy of an environment with one file changed.
fn changed(environment: &str, file: &str, change: impl Fn(String) -> String) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs").join(environment);
    for name in ["env.toml", "env.wgsl", "train.toml"] {
        let text = std::fs::read_to_string(source.join(name)).unwrap();
        let text = if name == file { change(text) } else { text };
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().display().to_string();
    (folder, path)
}

#[test]
fn broken_environments_are_reported_with_file_and_line() {
    let (_a, toml) = changed("pendulum", "env.toml", |text| text.replace("horizon", "horizn"));
    let (_b, wgsl) =
        changed("pendulum", "env.wgsl", |text| format!("{text}\nfn broken() -> f32 {{ return nothing; }}\n"));
    let lines = std::fs::read_to_string(Path::new(&wgsl).join("env.wgsl")).unwrap().lines().count();
    refused(&[
        (&["check", &toml], &["env.toml", "horizn", "horizon"]),
        (&["kernels", &wgsl, "--out", &wgsl], &[&format!("env.wgsl:{lines}:"), "nothing"]),
        (&["check", "/nowhere/at/all"], &["/nowhere/at/all/env.toml"]),
    ]);
}

#[test]
fn an_environment_that_fails_the_check_is_a_failed_run() {
    let (_folder, path) =
        changed("pendulum", "env.toml", |text| text.replace("low = -8.0, high = 8.0", "low = -0.5, high = 0.5"));
    let output = flowmill().args(["check", &path, "--num-envs", "16", "--steps", "60", "--json"]).output().unwrap();
    let (code, stdout, stderr) = parts(&output);
    assert_eq!(code, 1, "{stderr}");
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(value["passed"], false);
    assert!(!value["report"]["findings"].as_array().unwrap().is_empty());
    assert!(stderr.lines().last().unwrap().starts_with("error: "), "{stderr}");
}

#[test]
fn gradient_files_that_lack_something_are_named() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out.safetensors");
    let out = out.to_str().unwrap();
    let tiny = "tests/fixtures/policyflow_tiny.safetensors";
    refused(&[
        (&["gradient", "multigoal", "--in", "/nonexistent", "--out", out], &["/nonexistent"]),
        (&["gradient", "multigoal", "--in", "Cargo.toml", "--out", out], &["Cargo.toml", "not a safetensors file"]),
        (&["gradient", "multigoal", "--algo", "ppo", "--in", tiny, "--out", out], &["policyflow_tiny", "expected ["]),
    ]);
    let ppo = "tests/fixtures/ppo_tiny.safetensors";
    refused(&[(&["gradient", "multigoal", "--in", ppo, "--out", out], &["ppo_tiny", "no tensor `actor.s.w`"])]);
    assert!(!Path::new(out).exists());
}

#[test]
fn help_and_version_are_no_errors() {
    for flag in ["--help", "--version"] {
        let (code, stdout, stderr) = parts(&run(&[flag]));
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(stdout.contains("flowmill"), "{stdout}");
    }
    assert!(TINY.contains(&"ppo"));
}
