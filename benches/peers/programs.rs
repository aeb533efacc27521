//! The programs that are timed: which are installed, how they are started, which jobs they have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::Args;
use crate::peer::pinned;
use crate::trainings::GRADIENTS;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// Names in the order in which they take turns.
pub const COLUMNS: [&str; 5] = ["flowmill", "jax", "torch", "software", "burn"];

/// Whether a program has a job: whole iterations and gradients of a minibatch here, the former in Python, the latter in Burn.
pub fn has(column: &str, job: &str) -> bool {
    match column {
        "jax" | "torch" => job != GRADIENTS,
        "burn" => job == GRADIENTS,
        _ => true,
    }
}

/// The programs that are wanted and there; a line on standard error for each that is not.
pub fn installed(args: &Args) -> Vec<&'static str> {
    if !args.software && !args.gpu {
        eprintln!("burn and the software driver are left out: they need --gpu or --software");
    }
    let wanted = |column: &&str| {
        let measured = match *column {
            "software" => args.software,
            "burn" => args.software || args.gpu,
            _ => true,
        };
        measured && args.columns.iter().any(|c| c == *column)
    };
    let there = |column: &&str| match missing(column) {
        None => true,
        Some(how) => {
            eprintln!("{column} is not installed and is left out; to install it: {how}");
            false
        }
    };
    COLUMNS.into_iter().filter(wanted).filter(there).collect()
}

/// How to install a program that is not there.
fn missing(column: &str) -> Option<String> {
    match column {
        "jax" | "torch" => {
            let imports = format!("import numpy, safetensors, {column}");
            let mut command = Command::new("python3");
            let run = command.args(["-c", &imports]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let there = run.is_ok_and(|status| status.success());
            (!there).then(|| format!("pip install numpy safetensors {column}, with that python3 on PATH"))
        }
        "burn" => {
            let command = "cargo build --release --manifest-path benches/peers/burn/Cargo.toml";
            (!burn().exists()).then(|| command.to_string())
        }
        _ => None,
    }
}

/// Where Cargo puts Burn's program.
fn burn() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(Path::new(HERE).join("burn/target"), PathBuf::from);
    target.join("release/flowmill-peer-burn").with_extension(std::env::consts::EXE_EXTENSION)
}

/// The command of a program; `file` holds the trainings.
pub fn command(args: &Args, column: &str, threads: usize, file: &Path) -> Result<Command> {
    let seconds = args.seconds.to_string();
    let mut command = match column {
        "jax" | "torch" => {
            let mut command = pinned(Path::new("python3"), threads);
            command.arg(format!("{HERE}/{column}_peer.py")).arg("--trainings").arg(file);
            command.args(args.gpu.then_some(["--device", "cuda"]).into_iter().flatten());
            command.args(args.toy.then_some("--first-variant"));
            command
        }
        "burn" => {
            let mut command = pinned(&burn(), threads);
            command.arg("--trainings").arg(file).args(["--device", if args.gpu { "gpu" } else { "software" }]);
            command
        }
        _ => {
            let adapter = if column == "software" { column } else { ["cpu", "auto"][usize::from(args.gpu)] };
            let mut command = pinned(&std::env::current_exe()?, threads);
            command.args(["--serve", adapter, "--shapes", &args.shapes.join(",")]).args(args.toy.then_some("--toy"));
            command
        }
    };
    command.args(["--threads", &threads.to_string(), "--seconds", &seconds]);
    // Mesa's software driver takes its number of threads from here.
    command.env("LP_NUM_THREADS", threads.to_string());
    Ok(command)
}
