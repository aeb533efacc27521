//! `flowmill render`.

use std::path::PathBuf;

use flowmill::algo::Spaces;
use flowmill::engine::Engine;
use flowmill::env::{Environment, load};
use flowmill::render::{Animation, Episode, Figure, Picture, RenderError, Scene, View};
use flowmill::report::write_atomic;
use flowmill::train::{EvalNoise, Evaluator};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::config::RunConfig;
use super::device::Device;
use super::eval::RETURN_ROUNDS;
use super::parse::whole;
use super::policy::Found;
use super::{Failure, Output, policy};

/// Draw an episode as an animated GIF
#[derive(clap::Args)]
pub struct Args {
    /// Run directory (its latest checkpoint), checkpoint file, or environment, which gets random actions
    #[arg(value_name = "RUN|CHECKPOINT|ENV")]
    what: String,
    /// The file to write
    #[arg(long, value_name = "FILE.gif")]
    out: PathBuf,
    /// Control steps; an episode by default
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>(1, 100_000))]
    steps: Option<u32>,
    /// `sample` draws base noise and action noise; `zero` is deterministic
    #[arg(long, value_parser = ["sample", "zero"], default_value = "sample")]
    noise: String,
    /// Seed of the reset and the noise; by default the run's own, or 1
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u64>(0, u64::MAX.into()))]
    seed: Option<u64>,
    /// Pixels, as WIDTHxHEIGHT
    #[arg(long, value_name = "WxH", default_value = "480x360", value_parser = size)]
    size: (u32, u32),
    #[command(flatten)]
    device: Device,
}

/// Pictures that choose the palette.
const SAMPLES: usize = 12;

fn size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (64..=2048).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| "expected two numbers in 64..=2048, such as 480x360".into())
}

/// Rolls out, draws, writes.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("gif")) {
        return Err(Failure::Input(format!("`--out` is {}, expected a file that ends in .gif", args.out.display())));
    }
    // Now, and not when everything is drawn.
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let message = format!("`--out` is {}, expected a folder `{}`", args.out.display(), folder.display());
        return Err(Failure::Input(message));
    }
    let path = PathBuf::from(&args.what);
    let is_run = path.is_file() || path.join("checkpoints").is_dir();
    let found = is_run.then(|| policy::find(&path)).transpose()?;
    let config = match &found {
        Some(found) => Some(RunConfig::of_checkpoint(&found.path.display().to_string(), &found.checkpoint)?),
        None => None,
    };
    let environment = match &config {
        Some(config) => config.load_environment()?,
        None => load(&args.what)?,
    };
    let figure = Figure::new(&environment)?;
    let mut engine = args.device.open(false)?;
    let steps = args.steps.unwrap_or(environment.manifest.horizon);
    let seed = args.seed.or(config.as_ref().map(|config| config.seed)).unwrap_or(1);
    let bar = progress(steps, "steps");
    let name = &environment.manifest.name;
    let episode = match (&found, &config) {
        (Some(found), Some(config)) => {
            out.say(format!("{} · {name} · noise {}, seed {seed}", found.path.display(), args.noise));
            let noise = if args.noise == "zero" { EvalNoise::Zero } else { EvalNoise::Sample };
            trained(&mut engine, &environment, (found, config), (noise, steps, seed), &bar)?
        }
        _ => {
            out.say(format!("{name}: no run given, so its actions are random; seed {seed}"));
            Episode::random(&mut engine, &environment, (steps, seed), |done| bar.set_position(done.into()))?
        }
    };
    bar.finish_and_clear();
    let scenes = scenes(&figure, &episode, name)?;
    let file = draw(&figure, &episode, &scenes, args.size)?;
    write_atomic(&args.out, &file).map_err(|e| Failure::Input(format!("--out: {e}")))?;
    let total = episode.return_before(scenes.len() - 1);
    let seconds = episode.rewards.len() as f64 * episode.dt;
    let bytes = file.len();
    out.say(format!(
        "{} frames, {seconds:.2} s, return {total:.3}: {} ({} kB)",
        scenes.len(),
        args.out.display(),
        bytes / 1000
    ));
    out.object(&json!({
        "environment": name, "policy": found.as_ref().map(|found| found.path.display().to_string()), "seed": seed,
        "frames": scenes.len(), "steps": episode.rewards.len(), "seconds": seconds, "return": total, "bytes": bytes,
        "out": args.out.display().to_string(),
    }))
}

fn trained(
    engine: &mut Engine,
    environment: &Environment,
    (found, config): (&Found, &RunConfig),
    (noise, steps, seed): (EvalNoise, u32, u64),
    bar: &ProgressBar,
) -> Result<Episode, Failure> {
    let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
    let agent = config.algorithm.agent(spaces, config.seed)?;
    let (layout, buffers) = policy::upload(engine, &agent, found)?;
    let parts = (&mut *engine, environment, &agent, &layout);
    let evaluator = Evaluator::new(parts, buffers, noise, 1, u64::from(steps) + 1)?;
    // The round of `eval`'s first episodes.
    let which = (steps, seed, RETURN_ROUNDS);
    Ok(Episode::of_policy(engine, environment, &evaluator, which, |done| bar.set_position(done.into()))?)
}

fn scenes(figure: &Figure, episode: &Episode, name: &str) -> Result<Vec<Scene>, RenderError> {
    let scene = |(index, state): (usize, &Vec<u8>)| {
        let steps = episode.steps_before(index) as u32;
        figure.scene(state).ok_or_else(|| RenderError::NotFinite { name: name.to_string(), steps })
    };
    episode.states.iter().enumerate().map(scene).collect()
}

fn draw(figure: &Figure, episode: &Episode, scenes: &[Scene], size: (u32, u32)) -> Result<Vec<u8>, RenderError> {
    let view = View::new(figure.direction(), figure.travels().as_ref(), scenes, f64::from(size.0) / f64::from(size.1));
    let picture = |index: usize| {
        let seconds = episode.steps_before(index) as f64 * episode.dt;
        let text = format!("{seconds:.2} s   return {:.2}", episode.return_before(index));
        Picture::new(&scenes[index], &view, size, &text)
    };
    let samples = SAMPLES.min(scenes.len());
    let samples: Vec<Picture> = (0..samples).map(|k| picture(k * scenes.len() / samples)).collect::<Result<_, _>>()?;
    let mut animation = Animation::new(&samples)?;
    let bar = progress(scenes.len() as u32, "frames");
    for index in 0..scenes.len() {
        animation.push(&picture(index)?, episode.delay(index))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    animation.finish()
}

fn progress(count: u32, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(count.into());
    if let Ok(style) = ProgressStyle::with_template("[{pos}/{len}] {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.with_message(what)
}
