//! Where and when a benchmark ran, and the files it writes.

use std::path::Path;

use anyhow::{Context, Result};

/// Processor, cores and system.
pub fn describe() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let isa = flowmill::simd::Isa::detect();
    format!("{model}, {cores} cores, {isa}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Mean number of running processes in the last minute.
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Today, UTC, yyyy-mm-dd.
pub fn date() -> String {
    let stamp = flowmill::report::timestamp(std::time::SystemTime::now());
    format!("{}-{}-{}", &stamp[..4], &stamp[4..6], &stamp[6..8])
}

/// Writes a file; paths are meant from the repository's root, where `cargo bench` starts this program.
pub fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text).with_context(|| file.display().to_string())
}

/// What was typed, without what cargo adds and without the folder of a Python.
pub fn command_line(bench: &str) -> String {
    let mut words = vec![format!("cargo bench --bench {bench} --")];
    for word in std::env::args().skip(1).filter(|word| word != "--bench") {
        let python = match word.split_once('=') {
            Some(("--jax", path)) => path.contains('/').then(|| "--jax=PYTHON".to_string()),
            _ => (words.last().is_some_and(|last| last == "--jax") && word.contains('/')).then(|| "PYTHON".into()),
        };
        words.push(python.unwrap_or(word));
    }
    words.join(" ")
}
