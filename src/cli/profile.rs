//! `flowmill profile`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flowmill::bench::{Ceilings, measure as ceilings};
use flowmill::engine::{Engine, EngineOptions, KernelId, Timing};
use flowmill::env::MAX_ENVS;
use flowmill::profile::{Measured, Summary, measure, trace};
use flowmill::report::write_atomic;
use flowmill::train::{TrainOptions, Trainer};
use serde_json::json;

use super::choice::{Choice, QUICK};
use super::device::Device;
use super::parse::{drawn_seed, whole};
use super::session::{catch_interrupt, interrupted};
use super::{Failure, Output, profile_text};

/// Time every kernel of training iterations
#[derive(clap::Args)]
pub struct Args {
    /// Environment: a name on the search path, or a path to its folder
    env: String,
    /// `policyflow` (the default) or `ppo`
    #[arg(long)]
    algo: Option<String>,
    /// Preset of hyper-parameters: `released` by default, `quick` without a GPU
    #[arg(long)]
    preset: Option<String>,
    /// A setting: `section.key=value` or `key=value`; sections are the algorithm and `env`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of everything; -1 draws one and prints it
    #[arg(long, allow_negative_numbers = true, value_parser = drawn_seed)]
    seed: Option<i64>,
    /// Environments side by side
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<i64>(1, MAX_ENVS.into()))]
    num_envs: Option<i64>,
    /// Iterations that are profiled; as many others run in between, for what profiling costs
    #[arg(long, default_value_t = 3, allow_negative_numbers = true, value_parser = whole::<u32>(1, 10_000))]
    iterations: u32,
    #[command(flatten)]
    device: Device,
    /// Write a trace that Perfetto and chrome://tracing open
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How kernels are timed at best: `inside-passes`, `pass-per-dispatch` or `wall-clock`
    #[arg(long, value_name = "WAY", default_value = "inside-passes", value_parser = way)]
    timing: Timing,
}

fn way(text: &str) -> Result<Timing, String> {
    match text {
        "inside-passes" => Ok(Timing::InsidePasses),
        "pass-per-dispatch" => Ok(Timing::PassPerDispatch),
        "wall-clock" => Ok(Timing::WallClock),
        _ => Err("expected inside-passes, pass-per-dispatch or wall-clock".into()),
    }
}

/// Trains a few iterations and says where their time went.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let open = || args.device.open_with(EngineOptions { profile: true, timing: args.timing, ..Default::default() });
    let choice = Choice {
        env: &args.env,
        algo: args.algo.as_deref(),
        preset: args.preset.as_deref(),
        set: &args.set,
        seed: args.seed,
        counts: args.num_envs.map(|envs| ("num_envs", envs)).into_iter().collect(),
    };
    let mut opened = None;
    let (config, environment) = choice.resolve(&mut opened, open)?;
    let quick = opened.is_some() && config.preset == "quick";
    let engine = opened.map_or_else(open, Ok)?;
    let trace_file = args.trace.as_deref().map(TraceFile::open).transpose()?;
    // On an engine of its own, whose buffers are gone afterwards.
    let ceilings = ceilings(&mut Engine::new(&args.device.options(EngineOptions::default())?)?)?;
    if quick {
        out.say(QUICK);
    }
    let train = config.algorithm.train();
    let title = format!(
        "{} · {} · preset {} · seed {} · {} environments x {} steps",
        environment.manifest.name,
        config.algorithm.name(),
        config.preset,
        config.seed,
        train.num_envs,
        train.horizon
    );
    out.say(profile_text::heading(&title, engine.adapter(), &ceilings));
    out.say("compiling ...");
    let options = TrainOptions { algorithm: config.algorithm.clone(), seed: config.seed };
    let mut trainer = Trainer::new(engine, environment, options)?;
    catch_interrupt("finishing the iteration and summing up");
    let timing = trainer.engine().timing().unwrap_or_default();
    out.say(format!("compiled in {:.1} s (not counted)", trainer.compile_seconds()));
    out.say(profile_text::timing(timing, args.timing, trainer.engine().adapter()));

    let measured = measure(&mut trainer, args.iterations as usize, interrupted)?;
    let summary = summary(&measured, &ceilings, trainer.engine());
    out.say(profile_text::tables(&summary, measured.iterations.len()));
    let mut object = serde_json::to_value(&summary).map_err(|e| Failure::Run(e.to_string()))?;
    if let Some(map) = object.as_object_mut() {
        map.insert("environment".into(), json!(trainer.environment().manifest.name));
        map.insert("algorithm".into(), json!(config.algorithm.name()));
        map.insert("preset".into(), json!(config.preset));
        map.insert("seed".into(), json!(config.seed));
        map.insert("iterations".into(), json!(measured.iterations.len()));
        map.insert("interrupted".into(), json!(measured.iterations.len() < args.iterations as usize));
        map.insert("timing".into(), json!(timing));
        map.insert("ceilings".into(), json!(ceilings));
        map.insert("seconds_compiling".into(), json!(trainer.compile_seconds()));
        map.insert("adapter".into(), json!(trainer.engine().adapter()));
        map.insert("trace".into(), json!(args.trace));
    }
    out.object(&object)?;
    // Last, so that a trace that cannot be written takes nothing else with it.
    if let Some(mut file) = trace_file {
        let engine = trainer.engine();
        let name = |kernel: KernelId| engine.kernel_name(kernel).to_string();
        let device = engine.adapter().name.clone();
        file.write(&trace(&measured.iterations, &format!("flowmill profile: {title}"), &device, name))?;
        out.say(format!("wrote {} (open it in ui.perfetto.dev)", file.path.display()));
    }
    Ok(())
}

fn summary(measured: &Measured, ceilings: &Ceilings, engine: &Engine) -> Summary {
    Summary::new(measured, ceilings, |kernel| engine.kernel_name(kernel).to_string())
}

/// Where a trace goes: tried before anything runs, and nothing is left where there was nothing.
struct TraceFile {
    path: PathBuf,
    /// A pipe or a terminal; a regular file is replaced as a whole instead.
    stream: Option<File>,
}

impl TraceFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let stream = Self::tried(path).map_err(|e| Failure::Input(format!("--trace {}: {e}", path.display())))?;
        Ok(Self { path: path.to_path_buf(), stream })
    }

    fn tried(path: &Path) -> std::io::Result<Option<File>> {
        if path.exists() {
            let file = OpenOptions::new().write(true).open(path)?;
            if !file.metadata()?.is_file() {
                return Ok(Some(file));
            }
        }
        let sibling = path.with_file_name(format!(".tmp-{}", std::process::id()));
        fs::write(&sibling, [])?;
        fs::remove_file(&sibling)?;
        Ok(None)
    }

    fn write(&mut self, trace: &serde_json::Value) -> Result<(), Failure> {
        let failed = |e: String| Failure::Run(format!("--trace {}: {e}", self.path.display()));
        let bytes = serde_json::to_vec(trace).map_err(|e| failed(e.to_string()))?;
        match &mut self.stream {
            Some(stream) => stream.write_all(&bytes).map_err(|e| failed(e.to_string())),
            None => {
                // What a link names, not the link.
                let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
                write_atomic(&path, &bytes).map_err(|e| failed(e.to_string()))
            }
        }
    }
}
