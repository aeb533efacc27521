//! `flowmill train`.

use std::path::{Path, PathBuf};

use flowmill::algo::TrainConfig;
use flowmill::engine::{AdapterKind, Engine};
use flowmill::env::{Environment, MAX_ENVS};
use flowmill::report::{BuildInfo, Console, DeviceLine, RunDir, RunIdentity, write_atomic};
use flowmill::train::{TrainOptions, Trainer};
use serde_json::{Map, Value, json};

use super::choice::{Choice, QUICK, seed};
use super::config::RunConfig;
use super::device::Device;
use super::directory::Opened;
use super::parse::{drawn_seed, whole};
use super::policy::{self, Found};
use super::session::{Session, catch_interrupt};
use super::{Failure, Output};

/// Most iterations of a run.
const MAX_ITERATIONS: u64 = 1_000_000;
/// Most environment steps of a run; fewer where its iterations are short.
const MAX_STEPS: i128 = 1_000_000_000_000_000;

/// Train a policy
#[derive(clap::Args)]
pub struct Args {
    /// Environment: a name on the search path, or a path to its folder
    #[arg(required_unless_present_any = ["config", "resume"])]
    env: Option<String>,
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
    /// Iterations of rollout and update
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<i64>(1, MAX_ITERATIONS.into()))]
    iterations: Option<i64>,
    /// Environment steps over all environments, rounded up to whole iterations
    #[arg(long, allow_negative_numbers = true, conflicts_with = "iterations", value_parser = whole::<u64>(1, MAX_STEPS))]
    steps: Option<u64>,
    #[command(flatten)]
    device: Device,
    /// Directory of the run, new or empty; by default one under runs/
    #[arg(long)]
    run_dir: Option<PathBuf>,
    /// Go on from a run directory or a checkpoint file
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
    /// Settings of an earlier run: its config.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Iterations between two checkpoints; a tenth of the run by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    checkpoint_every: Option<u64>,
    /// Run checked modules: slower, the same numbers
    #[arg(long)]
    checked: bool,
    /// Draw nothing at the end
    #[arg(long)]
    no_plots: bool,
}

/// Resolves settings, opens the device, trains, reports.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let resumed = args.resume.as_deref().map(policy::find).transpose()?;
    let mut opened = None;
    let (config, environment) = match (&resumed, &args.config) {
        (Some(found), _) => of_checkpoint(args, found)?,
        (None, Some(file)) => of_file(args, file)?,
        (None, None) => fresh(args, &mut opened)?,
    };
    // Only where the preset was left to the adapter is the device open already.
    let chosen = opened.is_some();
    let engine = match opened {
        Some(engine) => engine,
        None => args.device.open(args.checked)?,
    };
    let identity = RunIdentity {
        env: environment.manifest.name.clone(),
        algo: config.algorithm.name().into(),
        preset: config.preset.clone(),
        seed: config.seed,
        overrides: config.overrides.clone(),
    };
    let opened = directory(args, resumed.as_ref(), &identity)?;
    let dir = opened.dir.clone();
    let name = dir.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let console = Console::new(&name, out.json());
    let build = build_info(&engine, identity);
    let device = DeviceLine {
        adapter: build.adapter.clone(),
        backend: build.backend.clone(),
        driver: build.driver.clone(),
        precision: build.precision.clone(),
    };
    let _ = console.device(&device);
    if chosen && engine.adapter().kind != AdapterKind::Gpu {
        out.say(QUICK);
    }
    out.say(format!("run {} · preset {} · seed {}", dir.path().display(), config.preset, config.seed));

    if let Some(warning) = decayed(config.algorithm.train()) {
        eprintln!("warning: {warning}");
    }
    out.say("compiling ...");

    catch_interrupt("finishing the iteration and writing a checkpoint");
    let options = TrainOptions { algorithm: config.algorithm.clone(), seed: config.seed };
    let made = Trainer::new(engine, environment, options).map_err(Failure::from);
    let begun = made.and_then(|mut trainer| {
        if let Some(found) = &resumed {
            let failed = |e| Failure::from(e).context(found.path.display());
            trainer.restore(&found.checkpoint).map_err(failed)?;
        }
        dir.write_config(&config.to_toml())?;
        write_command(&dir)?;
        dir.write_build(&build)?;
        let every = args.checkpoint_every.unwrap_or((config.algorithm.train().iterations as u64 / 10).max(1));
        Session::new(trainer, dir, config, console, (every, !args.no_plots))
    });
    let mut session = begun.inspect_err(|_| opened.remove())?;
    let (summary, interrupted) = session.train()?;

    let path = session.dir.path().display().to_string();
    if interrupted {
        out.say(format!("stopped after {} iterations; go on with: flowmill train --resume {path}", summary.iterations));
    } else {
        out.say(format!("done: {path}"));
    }
    let mut object = serde_json::to_value(&summary).map_err(|e| Failure::Run(e.to_string()))?;
    if let Value::Object(map) = &mut object {
        let config = &session.config;
        map.insert("run".into(), json!(path));
        map.insert("preset".into(), json!(config.preset));
        map.insert("seed".into(), json!(config.seed));
        map.insert("interrupted".into(), json!(interrupted));
    }
    out.object(&object)
}

/// A run from a preset.
fn fresh(args: &Args, opened: &mut Option<Engine>) -> Result<(RunConfig, Environment), Failure> {
    let choice = Choice {
        env: args.env.as_deref().unwrap_or_default(),
        algo: args.algo.as_deref(),
        preset: args.preset.as_deref(),
        set: &args.set,
        seed: args.seed,
        counts: counts(args),
    };
    let (mut config, environment) = choice.resolve(opened, || args.device.open(args.checked))?;
    take_steps(args, &mut config)?;
    Ok((config, environment))
}

/// A run from the `config.toml` of another.
fn of_file(args: &Args, file: &Path) -> Result<(RunConfig, Environment), Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| Failure::Input(format!("--config {name}: {e}")))?;
    let mut config = RunConfig::parse(&name, &text)?;
    unchanged(args, &config, &name)?;
    if args.seed.is_some() {
        config.seed = seed(args.seed)?;
    }
    let mut environment = config.load_environment()?;
    config.apply(&sets(args), &mut environment)?;
    take_steps(args, &mut config)?;
    Ok((config, environment))
}

/// A run that goes on: what its state was made with cannot change.
fn of_checkpoint(args: &Args, found: &Found) -> Result<(RunConfig, Environment), Failure> {
    let name = found.path.display().to_string();
    let before = RunConfig::of_checkpoint(&name, &found.checkpoint)?;
    unchanged(args, &before, &name)?;
    if let Some(seed) = args.seed.filter(|seed| *seed != before.seed as i64) {
        return Err(Failure::Input(format!("--seed {seed}: a resumed run keeps its seed, which is {}", before.seed)));
    }
    let mut config = before.clone();
    let mut environment = config.load_environment()?;
    config.apply(&sets(args), &mut environment)?;
    take_steps(args, &mut config)?;
    let table = |config: &RunConfig| {
        let own = config.algorithm.to_table().remove(config.algorithm.name());
        own.and_then(|own| own.try_into::<toml::Table>().ok()).unwrap_or_default()
    };
    let (old, new) = (table(&before), table(&config));
    let kept = ["num_envs", "horizon", "hidden", "activation", "embedding", "normalize_observations", "squash_actions"];
    for key in kept {
        if let (Some(was), Some(is)) = (old.get(key), new.get(key))
            && was != is
        {
            let message = format!("`{key}` is {was} in {name} and cannot become {is} when a run is resumed");
            return Err(Failure::Input(message));
        }
    }
    let (done, total) = (found.checkpoint.iteration, config.algorithm.train().iterations as u64);
    if done >= total {
        return Err(Failure::Input(format!(
            "{name} has done {done} of {total} iterations: give --iterations more than {done} to go on"
        )));
    }
    Ok((config, environment))
}

/// Options that must repeat what the file says, if they are given.
fn unchanged(args: &Args, config: &RunConfig, file: &str) -> Result<(), Failure> {
    let same = [
        ("environment", args.env.as_deref(), config.environment.as_str()),
        ("--algo", args.algo.as_deref(), config.algorithm.name()),
        ("--preset", args.preset.as_deref(), config.preset.as_str()),
    ];
    for (option, given, has) in same {
        if let Some(given) = given.filter(|given| *given != has) {
            return Err(Failure::Input(format!("{option} `{given}`: {file} says `{has}`; leave it out")));
        }
    }
    Ok(())
}

/// `--num-envs` and `--iterations` as settings.
fn counts(args: &Args) -> Vec<(&'static str, i64)> {
    let counts = [("num_envs", args.num_envs), ("iterations", args.iterations)];
    counts.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect()
}

fn sets(args: &Args) -> Vec<String> {
    args.set.iter().cloned().chain(counts(args).into_iter().map(|(key, value)| format!("{key}={value}"))).collect()
}

/// `--steps` in whole iterations.
fn take_steps(args: &Args, config: &mut RunConfig) -> Result<(), Failure> {
    let Some(steps) = args.steps else { return Ok(()) };
    let train = config.algorithm.train_mut();
    let of_one = (train.num_envs * train.horizon) as u64;
    if steps.div_ceil(of_one) > MAX_ITERATIONS {
        let most = u128::from(of_one) * u128::from(MAX_ITERATIONS);
        let why = format!("{MAX_ITERATIONS} iterations of {of_one} steps");
        return Err(Failure::Input(format!("`--steps` is {steps}, expected 1..={most} ({why})")));
    }
    train.iterations = steps.div_ceil(of_one) as usize;
    let (name, iterations) = (config.algorithm.name(), config.algorithm.train().iterations);
    config.label(format!("{name}.iterations={iterations}"));
    Ok(config.algorithm.validate()?)
}

/// What to know about a run that is longer than the decay of its learning rate.
fn decayed(train: &TrainConfig) -> Option<String> {
    let (decay, total) = (train.lr_decay_iterations, train.iterations);
    (decay > 0 && total > decay).then(|| {
        format!(
            "the learning rate is 0 from iteration {} on, of {total}: `lr_decay_iterations` is {decay}, \
             expected 0 (no decay) or at least {total}",
            decay + 1
        )
    })
}

/// The run's directory: the one asked for, that of the resumed run, or a new one under runs/.
fn directory(args: &Args, resumed: Option<&Found>, identity: &RunIdentity) -> Result<Opened, Failure> {
    if let Some(path) = &args.run_dir {
        return Ok(Opened::at(path)?);
    }
    if let Some(run) = resumed.and_then(|found| found.run.as_deref()) {
        return Ok(Opened::of_run(run)?);
    }
    Ok(Opened::under(Path::new("runs"), identity)?)
}

/// `command.txt`, a line more for each time that the run was resumed.
fn write_command(dir: &RunDir) -> Result<(), Failure> {
    let path = dir.path().join("command.txt");
    let earlier = std::fs::read_to_string(&path).unwrap_or_default();
    dir.write_command(&std::env::args().collect::<Vec<_>>())?;
    if !earlier.is_empty() {
        let last = std::fs::read_to_string(&path).unwrap_or_default();
        write_atomic(&path, format!("{earlier}{last}").as_bytes())?;
    }
    Ok(())
}

fn build_info(engine: &Engine, run: RunIdentity) -> BuildInfo {
    let adapter = engine.adapter();
    let limits = match serde_json::to_value(&adapter.limits) {
        Ok(Value::Object(limits)) => limits,
        _ => Map::new(),
    };
    BuildInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        git_commit: option_env!("FLOWMILL_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_string),
        adapter: adapter.name.clone(),
        driver: format!("{} {}", adapter.driver, adapter.driver_info).trim().to_string(),
        backend: adapter.backend.clone(),
        precision: "f32".into(),
        limits,
        run,
    }
}
