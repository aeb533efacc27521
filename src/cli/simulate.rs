//! `flowmill simulate`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flowmill::engine::EngineOptions;
use flowmill::numpy::{self, Array};
use flowmill::physics::dynamics::{SolverLimits, State};
use flowmill::physics::mjcf;
use flowmill::physics::model::Model;
use flowmill::physics::rollout::{Trajectories, rollout};
use flowmill::report::write_atomic;
use flowmill::simulate::{SimulateError, Simulator};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::device::Device;
use super::{Failure, Output};

/// Roll a MuJoCo model (MJCF) under given controls
#[derive(clap::Args)]
pub struct Args {
    /// The model's file
    model: PathBuf,
    /// Controls, [N, nu] for all states or [batch, N, nu]; absent: zero
    #[arg(long, value_name = "U.npy")]
    controls: Option<PathBuf>,
    /// Where to begin, qpos then qvel: [nq+nv] or [batch, nq+nv]; absent: the model's own configuration, at rest
    #[arg(long, value_name = "S.npy")]
    state: Option<PathBuf>,
    /// Steps; absent: as many as there are controls
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Where the trajectories go: `qpos` [batch, N, nq] and `qvel` [batch, N, nv] after each step
    #[arg(long, value_name = "TRAJ.npz")]
    out: PathBuf,
    /// In f64 on the CPU, until the solver has converged
    #[arg(long, conflicts_with_all = ["adapter", "threads"])]
    reference: bool,
    #[command(flatten)]
    device: Device,
}

/// More than this is refused before it is computed.
const LARGEST_RESULT: u64 = 16 << 30;
/// Enough for the solver to converge in f64.
const CONVERGED: SolverLimits = SolverLimits { iterations: 100, searches: 50 };

/// Reads, rolls, writes.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let model = mjcf::read(&args.model).map_err(|e| Failure::Input(e.to_string()))?;
    if model.nv() == 0 {
        return Err(Failure::Input(format!(
            "{}: the model has no joints, so nothing in it moves",
            args.model.display()
        )));
    }
    let controls = args.controls.as_deref().map(|path| table(path, "controls", "nu", model.nu(), true)).transpose()?;
    let states =
        args.state.as_deref().map(|path| table(path, "states", "nq+nv", model.nq() + model.nv(), false)).transpose()?;
    let steps = steps(args, controls.as_ref())?;
    let batch = batch(args, controls.as_ref(), states.as_ref())?;
    let bytes =
        (batch as u64).checked_mul(steps as u64).and_then(|n| n.checked_mul(8 * (model.nq() + model.nv()) as u64));
    if bytes.is_none_or(|bytes| bytes > LARGEST_RESULT) {
        let message = format!("simulate: {batch} states of {steps} steps need more than {} GiB", LARGEST_RESULT >> 30);
        return Err(Failure::Input(message));
    }

    let starts = starts(&model, states.as_ref(), batch);
    let rest = vec![0.0; model.nu()];
    let control = |state: usize, step: usize| match &controls {
        None => &rest[..],
        Some(array) => {
            let first = if array.shape.len() == 3 { state * array.shape[1] } else { 0 };
            &array.values[(first + step) * model.nu()..][..model.nu()]
        }
    };
    let Rolled { found, device, seconds, compiling } = match args.reference {
        true => {
            let clock = Instant::now();
            let found = rollout(&model, &starts, steps, CONVERGED, control).map_err(|e| Failure::Run(e.to_string()))?;
            Rolled { found, device: "f64, CPU".into(), seconds: clock.elapsed().as_secs_f64(), compiling: 0.0 }
        }
        false => roll(args, &model, &starts, steps, control)?,
    };

    let qpos = Array { shape: vec![batch, steps, model.nq()], values: found.qpos };
    let qvel = Array { shape: vec![batch, steps, model.nv()], values: found.qvel };
    let failed = |e: &dyn std::fmt::Display| Failure::Run(format!("{}: {e}", args.out.display()));
    let file = numpy::npz(&[("qpos", &qpos), ("qvel", &qvel)]).map_err(|e| failed(&e))?;
    write_atomic(&args.out, &file).map_err(|e| Failure::Input(e.to_string()))?;

    let name = if model.name.is_empty() { "model" } else { &model.name };
    out.say(format!(
        "{name}: {batch} x {steps} steps in {seconds:.3} s ({device}), at most {} solver iterations, {} steps not converged",
        found.most_iterations, found.not_converged
    ));
    out.say(format!("qpos {:?} and qvel {:?} in {}", qpos.shape, qvel.shape, args.out.display()));
    out.object(&json!({
        "model": name, "device": device, "batch": batch, "steps": steps, "seconds": seconds,
        "seconds_compiling": compiling, "out": args.out.display().to_string(),
        "most_iterations": found.most_iterations, "not_converged": found.not_converged, "left_out": found.left_out,
    }))?;
    match found.left_out {
        0 => Ok(()),
        count => {
            let most = model.crowds.iter().map(|crowd| crowd.places).max().unwrap_or(0);
            Err(Failure::Run(format!(
                "{count} steps had more contacts between many alike geoms than the {most} that there is room for, and left some out: these paths are not \
                 MuJoCo's; `--reference` has no such bound"
            )))
        }
    }
}

/// Trajectories, where they were computed, and how long that and what was before it took.
struct Rolled {
    found: Trajectories,
    device: String,
    seconds: f64,
    compiling: f64,
}

/// In single precision on an adapter.
fn roll<'c>(
    args: &Args,
    model: &Model,
    starts: &[State<f64>],
    steps: usize,
    control: impl Fn(usize, usize) -> &'c [f64],
) -> Result<Rolled, Failure> {
    let mut engine = args.device.open_with(EngineOptions::default())?;
    let failed = |error| match error {
        SimulateError::Model(error) => Failure::Input(format!("{}: {error}", args.model.display())),
        SimulateError::Engine(error) => error.into(),
        SimulateError::NotFinite(error) => Failure::Run(error.to_string()),
    };
    let clock = Instant::now();
    let simulator = Simulator::for_roll(&mut engine, model, starts.len(), steps).map_err(failed)?;
    let compiling = clock.elapsed().as_secs_f64();
    let bar = ProgressBar::new((starts.len() * steps) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} steps, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    let clock = Instant::now();
    let found = simulator.roll(&mut engine, starts, steps, control, &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    let device = format!("f32, {}", engine.adapter().name);
    Ok(Rolled { found: found.map_err(failed)?, device, seconds: clock.elapsed().as_secs_f64(), compiling })
}

/// An array of finite numbers whose last axis has the given width; `rows` says whether a row is one of several steps.
fn table(path: &Path, what: &str, letters: &str, width: usize, rows: bool) -> Result<Array, Failure> {
    let array = numpy::read(path).map_err(|e| Failure::Input(e.to_string()))?;
    let axes = array.shape.len();
    let (fewest, inner) = if rows { (2, "N, ") } else { (1, "") };
    let wrong = |message: String| Err(Failure::Input(format!("{}: {message}", path.display())));
    if !(fewest..=fewest + 1).contains(&axes) || array.shape.last() != Some(&width) {
        let shape = &array.shape;
        return wrong(format!(
            "{what} have the shape {shape:?}, expected [{inner}{width}] or [batch, {inner}{width}] ({letters} = {width})"
        ));
    }
    match array.values.iter().position(|x| !x.is_finite()) {
        Some(index) => {
            wrong(format!("number {index} of the {what} is {}, expected finite numbers", array.values[index]))
        }
        None => Ok(array),
    }
}

fn steps(args: &Args, controls: Option<&Array>) -> Result<usize, Failure> {
    let given = controls.map(|array| array.shape[array.shape.len() - 2]);
    match (args.steps, given) {
        (Some(0), _) | (None, Some(0)) => Err(Failure::Input("simulate: 0 steps, expected 1 or more".into())),
        (Some(steps), Some(given)) if steps > given => {
            Err(Failure::Input(format!("simulate: --steps is {steps}, but there are controls for {given}")))
        }
        (Some(steps), _) | (None, Some(steps)) => Ok(steps),
        (None, None) => Err(Failure::Input("simulate: expected --steps or --controls".into())),
    }
}

fn batch(args: &Args, controls: Option<&Array>, states: Option<&Array>) -> Result<usize, Failure> {
    let leading = |array: Option<&Array>, axes: usize| array.filter(|a| a.shape.len() == axes).map(|a| a.shape[0]);
    match (leading(controls, 3), leading(states, 2)) {
        (Some(0), _) | (_, Some(0)) => Err(Failure::Input("simulate: a batch of 0, expected 1 or more".into())),
        (Some(a), Some(b)) if a != b => {
            let path = args.controls.as_deref().unwrap_or(Path::new("controls"));
            Err(Failure::Input(format!("{}: controls for {a} states, but there are {b}", path.display())))
        }
        (a, b) => Ok(a.or(b).unwrap_or(1)),
    }
}

fn starts(model: &Model, states: Option<&Array>, batch: usize) -> Vec<State<f64>> {
    let initial = State::initial(model);
    let width = model.nq() + model.nv();
    (0..batch)
        .map(|index| match states {
            None => initial.clone(),
            Some(array) => {
                let first = if array.shape.len() == 2 { index * width } else { 0 };
                let (qpos, qvel) = array.values[first..first + width].split_at(model.nq());
                State { qpos: qpos.to_vec(), qvel: qvel.to_vec(), ..initial.clone() }
            }
        })
        .collect()
}
