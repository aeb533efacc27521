//! Running the binary.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// Settings of a run that costs next to nothing.
pub const TINY: [&str; 13] = [
    "--algo",
    "ppo",
    "--num-envs",
    "64",
    "--set",
    "horizon=4",
    "--set",
    "hidden=[8,8]",
    "--set",
    "minibatches=2",
    "--set",
    "epochs=1",
    "--preset=quick",
];

/// The binary on a machine without graphics drivers, where it runs on the CPU engine. Working directory: the repository.
pub fn flowmill() -> Command {
    let mut command = with_drivers();
    // A back end that is never there.
    command.env("WGPU_BACKEND", "noop");
    command
}

/// The same with the drivers of this machine.
pub fn with_drivers() -> Command {
    static RUNTIME: OnceLock<TempDir> = OnceLock::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowmill"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["FLOWMILL_ENVS", "FLOWMILL_ISA", "WGPU_ADAPTER_NAME", "WGPU_BACKEND"] {
        command.env_remove(name);
    }
    // Mesa complains without it on standard error.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        command.env("XDG_RUNTIME_DIR", RUNTIME.get_or_init(|| TempDir::new().unwrap()).path());
    }
    command
}

/// Whether this machine has a driver that makes a CPU look like a GPU.
pub fn has_software_driver() -> bool {
    let output = with_drivers().args(["adapters", "--json"]).output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["adapters"].as_array().unwrap().iter().any(|adapter| adapter["kind"] == "software")
}

/// Runs to the end.
pub fn run(args: &[&str]) -> Output {
    flowmill().args(args).output().unwrap()
}

/// Exit code, standard output, standard error.
pub fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs with `--json`, which must succeed and print one object and nothing else on standard output.
pub fn json(args: &[&str]) -> Value {
    let (code, stdout, stderr) = parts(&flowmill().args(args).arg("--json").output().unwrap());
    assert_eq!(code, 0, "{args:?}: {stderr}");
    let value: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {stdout}"));
    assert!(value.is_object(), "{args:?}: {stdout}");
    value
}

/// Keys of an object that must all be there.
pub fn assert_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no `{key}` in {value}");
    }
}

/// `train multigoal` at toy size with further arguments.
pub fn train(dir: &Path, more: &[&str]) -> Output {
    flowmill().args(["train", "multigoal", "--run-dir"]).arg(dir).args(TINY).args(more).output().unwrap()
}

/// A finished run of three iterations with a checkpoint each, shared by the tests that only look at one.
pub fn finished_run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let dir = RUN.get_or_init(|| {
        let parent = TempDir::new().unwrap();
        let more = ["--iterations", "3", "--checkpoint-every", "1", "--seed", "7", "--json"];
        let (code, stdout, stderr) = parts(&train(&parent.path().join("run"), &more));
        assert_eq!(code, 0, "{stderr}");
        std::fs::write(parent.path().join("stdout.json"), stdout).unwrap();
        parent
    });
    dir.path()
}
