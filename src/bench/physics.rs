//! Steps of models: states out of random rollouts, random controls, one or several steps in a dispatch, and whole steps of an environment
//! that moves the model, beside C MuJoCo.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::BenchError;
use super::clock::{Run, Samples, interleaved, ratio};
use super::environments::Stepper;
use super::peer::Peer;
use super::row::Row;
use crate::engine::{Engine, Recording};
use crate::env::{EnvSummary, environments, load, search_path};
use crate::numpy::Array;
use crate::physics::dynamics::State;
use crate::physics::mjcf;
use crate::physics::model::{JointKind, Model};
use crate::rng::Key;
use crate::simulate::{Simulator, States};

/// Batches that are timed by default.
pub const BATCHES: [usize; 3] = [1024, 4096, 16384];

/// What a row of a model tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Physics {
    /// Seconds to generate and compile the kernel.
    Compile,
    /// Seconds of the first dispatch, in which some drivers compile.
    First,
    /// A step of a batch, one a dispatch.
    Step(usize),
    /// A step of a batch, a control step's substeps a dispatch.
    Control(usize),
    /// A step of a batch of environments: action, the control step's substeps, reward, reset, observation.
    Environment(usize),
    /// A step of a batch in C MuJoCo.
    Mujoco(usize),
}

impl Physics {
    /// The batch, if it is about one.
    pub fn batch(self) -> Option<usize> {
        match self {
            Self::Compile | Self::First => None,
            Self::Step(batch) | Self::Control(batch) | Self::Environment(batch) | Self::Mujoco(batch) => Some(batch),
        }
    }
}

/// A model beside the environments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelFile {
    /// Name of the file without its ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The first environment that moves it, if one does.
    pub environment: Option<String>,
    /// Steps of it in a step of that environment.
    pub substeps: usize,
}

/// The models beside the environments.
pub fn models() -> Vec<ModelFile> {
    let folders = search_path().into_iter().map(|root| root.join("models"));
    let Some(entries) = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).next() else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "xml"));
    let environments = environments();
    let mut found: Vec<_> = paths
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            let file = path.canonicalize().ok();
            let moves = |environment: &EnvSummary| {
                let physics = environment.manifest.as_ref().ok()?.physics.as_ref()?;
                let same = physics.model.canonicalize().ok() == file;
                same.then(|| (environment.name.clone(), physics.substeps as usize))
            };
            let (environment, substeps) = environments.iter().find_map(moves).unzip();
            Some(ModelFile { name, path, environment, substeps: substeps.unwrap_or(1) })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What is measured of a model, under the last part of a row's name.
pub fn rows(model: &ModelFile, batches: &[usize], peer: bool) -> Vec<(String, Physics)> {
    let mut rows = vec![("compile".to_string(), Physics::Compile), ("first-dispatch".into(), Physics::First)];
    for &batch in batches {
        rows.push((format!("{batch}/step"), Physics::Step(batch)));
        if model.substeps > 1 {
            rows.push((format!("{batch}/control"), Physics::Control(batch)));
        }
        if model.environment.is_some() {
            rows.push((format!("{batch}/environment"), Physics::Environment(batch)));
        }
        if peer {
            rows.push((format!("{batch}/mujoco"), Physics::Mujoco(batch)));
        }
    }
    rows
}

/// States that go through the random rollout; larger batches have each several times.
const SEEDS: usize = 1024;
/// Steps of that rollout: enough to fall and to reach limits.
const SETTLE: usize = 200;
/// Steps of all states together that a sample should have.
const SAMPLE: usize = 1 << 16;
/// Most steps, and dispatches, of a sample.
const MOST_STEPS: usize = 64;

/// A compiled model with states of random rollouts.
pub struct Bench {
    file: ModelFile,
    model: Model,
    seeds: States,
    seconds: [f64; 2],
}

impl Bench {
    /// Compiles, and rolls the states out.
    pub fn new(engine: &mut Engine, file: &ModelFile) -> Result<Self, BenchError> {
        let model = mjcf::read(&file.path).map_err(|e| BenchError::Model(e.to_string()))?;
        let started = Instant::now();
        let simulator = Simulator::for_roll(engine, &model, SEEDS, SETTLE)?;
        let compile = started.elapsed().as_secs_f64();
        let mut start = Recording::new();
        let starts = States::of(starts(&model).iter());
        simulator.record_states(&mut start, &starts);
        engine.submit(&start)?;
        engine.wait()?;
        let mut first = Recording::new();
        simulator.record_steps(&mut first, 0, 1);
        let started = Instant::now();
        engine.submit(&first)?;
        engine.wait()?;
        let seconds = [compile, started.elapsed().as_secs_f64()];
        engine.submit(&start)?;
        let capacity = simulator.capacity() as usize;
        for begin in (0..SETTLE).step_by(capacity) {
            let steps = capacity.min(SETTLE - begin);
            let mut recording = Recording::new();
            simulator.record_controls(&mut recording, &controls(&model, SEEDS, begin..begin + steps));
            (0..steps as u32).for_each(|step| simulator.record_steps(&mut recording, step, 1));
            engine.submit(&recording)?;
        }
        let mut seeds = simulator.read_states(engine)?;
        restart(&model, &mut seeds, &starts);
        Ok(Self { file: file.clone(), model, seeds, seconds })
    }

    /// A row that is no comparison.
    pub fn preparation(&self, name: &str, what: Physics) -> Row {
        Row::time(name, &Samples::new(vec![self.seconds[usize::from(what == Physics::First)]]))
    }

    /// Times a batch: the rows that are asked for, by name.
    pub fn batch(
        &self,
        engine: &mut Engine,
        mut peer: Option<&mut Peer>,
        length: Duration,
        asked: &[(&str, Physics)],
    ) -> Result<Vec<Row>, BenchError> {
        let Some(count) = asked.iter().find_map(|(_, what)| what.batch()) else { return Ok(Vec::new()) };
        let batch = Batch::new(self, engine, count)?;
        let iterations = batch.iterations(engine)?;
        let about = peer.as_mut().map(|peer| batch.give(self, peer)).transpose()?;
        let stepper = match &self.file.environment {
            Some(name) if asked.iter().any(|(_, what)| matches!(what, Physics::Environment(_))) => {
                Some(Stepper::new(engine, &load(name)?, count)?)
            }
            _ => None,
        };
        // All times are those of the batch's steps of the model.
        let control_steps = batch.steps as f64 / self.file.substeps as f64;

        let (engine, peer) = (RefCell::new(engine), peer.map(RefCell::new));
        let mut runs: Vec<Run<'_>> = Vec::new();
        for (_, what) in asked {
            let together = if matches!(what, Physics::Control(_)) { self.file.substeps } else { 1 };
            let (recording, engine, batch) = (batch.run(together), &engine, &batch);
            runs.push(match (what, &peer, &stepper) {
                (Physics::Mujoco(_), Some(peer), _) => Box::new(move || peer.borrow_mut().seconds()),
                (Physics::Environment(_), _, Some(stepper)) => {
                    Box::new(move || Ok(stepper.once(&mut engine.borrow_mut())? * control_steps))
                }
                _ => Box::new(move || batch.seconds(&mut engine.borrow_mut(), &recording)),
            });
        }
        let values = interleaved(length, &mut runs)?;
        drop(runs);

        let theirs = asked.iter().position(|(_, what)| matches!(what, Physics::Mujoco(_)));
        let row = |((name, what), seconds): (&(&str, Physics), &Vec<f64>)| {
            let steps = if matches!(what, Physics::Environment(_)) { control_steps } else { batch.steps as f64 };
            let row = Row::time(*name, &Samples::new(seconds.clone()).map(|seconds| seconds / steps));
            let row = Row { env_steps_per_second: Some(count as f64 / row.seconds()), ..row };
            let row = Row { peer_ratio: theirs.map(|at| ratio(&values[at], seconds).median()), ..row };
            match what {
                Physics::Mujoco(_) => Row { peer: about.clone(), peer_ratio: None, ..row },
                Physics::Environment(_) => row,
                _ => Row { newton_iterations: iterations.clone(), ..row },
            }
        };
        Ok(asked.iter().zip(&values).map(row).collect())
    }

    /// The states of the rollout, repeated.
    fn states(&self, batch: usize) -> States {
        let repeat = |values: &[f32]| -> Vec<f32> {
            let width = values.len() / SEEDS;
            values.iter().copied().cycle().take(batch * width).collect()
        };
        let seeds = &self.seeds;
        States { qpos: repeat(&seeds.qpos), qvel: repeat(&seeds.qvel), warm: repeat(&seeds.warm), ..States::default() }
    }
}

/// A batch of states with its controls.
struct Batch {
    start: States,
    /// `[steps][count][nu]`
    controls: Vec<f32>,
    steps: usize,
    count: usize,
    simulator: Simulator,
    /// Has the states with which every sample begins.
    kept: Simulator,
}

impl Batch {
    fn new(bench: &Bench, engine: &mut Engine, count: usize) -> Result<Self, BenchError> {
        let several = bench.file.substeps;
        let steps = several * (SAMPLE / count).min(MOST_STEPS).div_euclid(several).max(1);
        let batch = Self {
            start: bench.states(count),
            controls: controls(&bench.model, count, SETTLE..SETTLE + steps),
            steps,
            count,
            simulator: Simulator::new(engine, &bench.model, count as u32, steps as u32, false)?,
            kept: Simulator::new(engine, &bench.model, count as u32, 1, false)?,
        };
        let mut recording = Recording::new();
        batch.kept.record_states(&mut recording, &batch.start);
        batch.simulator.record_controls(&mut recording, &batch.controls);
        engine.submit(&recording)?;
        Ok(batch)
    }

    /// All steps, so many in a dispatch.
    fn run(&self, together: usize) -> Recording {
        let mut recording = Recording::new();
        let firsts = (0..self.steps as u32).step_by(together);
        firsts.for_each(|first| self.simulator.record_steps(&mut recording, first, together as u32));
        recording
    }

    /// Seconds of a run from the states that are kept.
    fn seconds(&self, engine: &mut Engine, run: &Recording) -> Result<f64, BenchError> {
        let mut restore = Recording::new();
        self.simulator.record_copy(&mut restore, &self.kept);
        engine.submit(&restore)?;
        engine.wait()?;
        let started = Instant::now();
        engine.submit(run)?;
        engine.wait()?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// How many states take so many Newton steps in the first step, from 0.
    fn iterations(&self, engine: &mut Engine) -> Result<Vec<u32>, BenchError> {
        let mut one = Recording::new();
        self.simulator.record_steps(&mut one, 0, 1);
        self.seconds(engine, &one)?;
        Ok(histogram(&self.simulator.read_states(engine)?.most_iterations))
    }

    /// Gives the states and controls to C MuJoCo. Returns its version.
    fn give(&self, bench: &Bench, peer: &mut Peer) -> Result<String, BenchError> {
        let [nq, nv, nu] = [bench.model.nq(), bench.model.nv(), bench.model.nu()];
        let array = |shape: &[usize], values: Vec<f32>| Array {
            shape: shape.to_vec(),
            values: values.into_iter().map(f64::from).collect(),
        };
        let (count, steps) = (self.count, self.steps);
        let rows = self.start.qpos.chunks(nq).zip(self.start.qvel.chunks(nv));
        let states = array(&[count, nq + nv], rows.flat_map(|(q, v)| [q, v].concat()).collect());
        let warm = array(&[count, nv], self.start.warm.clone());
        let places = (0..count).flat_map(|row| (0..steps).map(move |step| (step * count + row) * nu));
        let controls = array(&[count, steps, nu], places.flat_map(|at| self.controls[at..at + nu].to_vec()).collect());
        peer.load(&bench.file.path, [&states, &warm, &controls])
    }
}

/// How many states took so many Newton steps in one time step, from 0.
fn histogram(iterations: &[f32]) -> Vec<u32> {
    let mut counts = Vec::new();
    for &count in iterations {
        let at = count as usize;
        if counts.len() <= at {
            counts.resize(at + 1, 0);
        }
        counts[at] += 1;
    }
    counts
}

/// Faster than this, in any joint, a model has left what its time step can hold.
const FASTEST: f32 = 100.0;

/// Puts states that have left it back to their starts: a quadcopter may spin ever faster.
fn restart(model: &Model, states: &mut States, starts: &States) {
    let (nq, nv) = (model.nq(), model.nv());
    for row in 0..SEEDS {
        if states.qvel[row * nv..][..nv].iter().all(|v| v.abs() < FASTEST) {
            continue;
        }
        states.qpos[row * nq..][..nq].copy_from_slice(&starts.qpos[row * nq..][..nq]);
        states.qvel[row * nv..][..nv].copy_from_slice(&starts.qvel[row * nv..][..nv]);
        states.warm[row * nv..][..nv].fill(0.0);
    }
}

/// Joints around the model's configuration, within their ranges, with some velocity.
fn starts(model: &Model) -> Vec<State<f64>> {
    let key = Key { seed: 1, stream: 0, iteration: 0 };
    let start = |row: usize| {
        let draw = |lane: usize| f64::from(key.uniform(0, row as u32, lane as u32));
        let mut state = State::initial(model);
        for (index, joint) in model.joints.iter().enumerate() {
            if matches!(joint.kind, JointKind::Slide | JointKind::Hinge) {
                let middle = state.qpos[joint.qpos];
                let [low, high] = joint.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                let (low, high) = (low.max(middle - 0.3), high.min(middle + 0.3));
                state.qpos[joint.qpos] = low + (high - low) * draw(index);
            }
        }
        let lanes = model.joints.len()..;
        state.qvel.iter_mut().zip(lanes).for_each(|(v, lane)| *v = 0.2 * (draw(lane) - 0.5));
        state
    };
    (0..SEEDS).map(start).collect()
}

/// Uniform controls in the motors' ranges, drawn anew for every step. `[steps][batch][nu]`
fn controls(model: &Model, batch: usize, steps: std::ops::Range<usize>) -> Vec<f32> {
    let key = Key { seed: 2, stream: 0, iteration: 0 };
    let ranges: Vec<[f64; 2]> =
        model.actuators.iter().map(|motor| motor.control_range.unwrap_or([-1.0, 1.0])).collect();
    let mut all = Vec::with_capacity(steps.len() * batch * ranges.len());
    for step in steps {
        for row in 0..batch {
            let draw = |(lane, range): (u32, &[f64; 2])| {
                range[0] as f32 + (range[1] - range[0]) as f32 * key.uniform(step as u32, row as u32, lane)
            };
            all.extend((0..).zip(&ranges).map(draw));
        }
    }
    all
}
