//! Rolls a model under given controls on an adapter: many states at once, several steps a dispatch.

mod roll;

use std::fmt::Write;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::engine::{BufferId, CountedWork, Engine, EngineError, KernelDesc, KernelId, Recording};
use crate::physics::model::Model;
use crate::physics::rollout::NotFinite;
use crate::physics::wgsl::{Extent, TooManyContacts, module};
use crate::wgsl::WgslTwin;

/// Why a model cannot be simulated on an adapter.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The model is too large for generated code.
    #[error(transparent)]
    Model(#[from] TooManyContacts),
    /// The adapter refused, or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A state left the numbers.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// Counters of a state.
const COUNTERS: usize = 3;
/// Invocations of a workgroup, one a state.
const WORKGROUP: u32 = 64;

/// Arguments of a dispatch; WGSL twin: `Args`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Args {
    /// States.
    count: u32,
    /// Steps of this dispatch.
    steps: u32,
    /// Step within the buffers at which it begins.
    first: u32,
}

/// A model's kernel with buffers for a batch of states and a stretch of steps.
#[derive(Debug)]
pub struct Simulator {
    kernel: KernelId,
    /// `[nq + 2 nv + 3][count]`: configuration, velocity, warm start, most Newton steps of a step, steps that did not converge, steps that left contacts out.
    states: BufferId,
    /// `[capacity][nu][count]`
    controls: BufferId,
    /// `[capacity][nq + nv][count]`, where the path is kept.
    path: Option<BufferId>,
    sizes: [usize; 3],
    count: u32,
    capacity: u32,
}

/// States as a batch has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct States {
    /// `[count][nq]`
    pub qpos: Vec<f32>,
    /// `[count][nv]`
    pub qvel: Vec<f32>,
    /// `[count][nv]`: the acceleration from which the solver begins.
    pub warm: Vec<f32>,
    /// `[count]`: the most Newton steps that one time step took.
    pub most_iterations: Vec<f32>,
    /// `[count]`: time steps whose solver did not converge.
    pub not_converged: Vec<f32>,
    /// `[count]`: time steps in which more contacts of a crowd acted than it has places.
    pub left_out: Vec<f32>,
}

impl Simulator {
    /// Generates and compiles the kernel and allocates the buffers: `count` states, stretches of at most `capacity` steps, whose
    /// path is kept or not.
    pub fn new(
        engine: &mut Engine,
        model: &Model,
        count: u32,
        capacity: u32,
        keeps_path: bool,
    ) -> Result<Self, SimulateError> {
        let sizes = [model.nq(), model.nv(), model.nu()];
        let words = |per_state: usize| u64::from(count) * per_state as u64 * 4;
        let path = words(sizes[0] + sizes[1]) * u64::from(capacity);
        Ok(Self {
            kernel: engine.kernel(&kernel(model, keeps_path)?)?,
            states: engine.buffer("simulated states", words(sizes[0] + 2 * sizes[1] + COUNTERS))?,
            controls: engine.buffer("controls", (words(sizes[2]) * u64::from(capacity)).max(4))?,
            path: if keeps_path { Some(engine.buffer("paths", path)?) } else { None },
            sizes,
            count,
            capacity,
        })
    }

    /// States of the batch.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Sets all states; counters start at 0.
    pub fn record_states(&self, recording: &mut Recording, states: &States) {
        let [nq, nv, _] = self.sizes;
        let mut words = Vec::new();
        for (values, width) in [(&states.qpos, nq), (&states.qvel, nv), (&states.warm, nv)] {
            self.transpose(values, width, &mut words);
        }
        words.resize(words.len() + COUNTERS * self.count as usize, 0.0);
        recording.upload(self.states, 0, bytemuck::cast_slice(&words));
    }

    /// Sets all states, and counters, to those of another simulator of the same model and count.
    pub fn record_copy(&self, recording: &mut Recording, from: &Self) {
        let [nq, nv, _] = self.sizes;
        let bytes = u64::from(self.count) * (nq + 2 * nv + COUNTERS) as u64 * 4;
        recording.copy((from.states, 0), (self.states, 0), bytes);
    }

    /// Sets the controls of a stretch: `[steps][count][nu]`.
    pub fn record_controls(&self, recording: &mut Recording, controls: &[f32]) {
        let mut words = Vec::with_capacity(controls.len());
        for step in controls.chunks_exact((self.sizes[2] * self.count as usize).max(1)) {
            self.transpose(step, self.sizes[2], &mut words);
        }
        if !words.is_empty() {
            recording.upload(self.controls, 0, bytemuck::cast_slice(&words));
        }
    }

    /// `steps` steps in one dispatch, beginning at step `first` of the stretch.
    pub fn record_steps(&self, recording: &mut Recording, first: u32, steps: u32) {
        let args = Args { count: self.count, steps, first };
        let buffers: Vec<BufferId> = [self.states, self.controls].into_iter().chain(self.path).collect();
        let groups = [self.count.div_ceil(WORKGROUP), 1, 1];
        recording.dispatch(self.kernel, &buffers, bytemuck::bytes_of(&args), groups);
    }

    /// Blocks for all states.
    pub fn read_states(&self, engine: &mut Engine) -> Result<States, EngineError> {
        let [nq, nv, _] = self.sizes;
        let count = self.count as usize;
        let bytes = engine.read(self.states, 0, (count * (nq + 2 * nv + COUNTERS) * 4) as u64)?;
        let words: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let part = |first: usize, width: usize| self.transposed(&words[first * count..(first + width) * count], width);
        Ok(States {
            qpos: part(0, nq),
            qvel: part(nq, nv),
            warm: part(nq + nv, nv),
            most_iterations: part(nq + 2 * nv, 1),
            not_converged: part(nq + 2 * nv + 1, 1),
            left_out: part(nq + 2 * nv + 2, 1),
        })
    }

    /// Blocks for the path of the first `steps` steps: configurations `[steps][count][nq]` and velocities `[steps][count][nv]`; both are
    /// empty where no path is kept.
    pub fn read_path(&self, engine: &mut Engine, steps: u32) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let [nq, nv, _] = self.sizes;
        let count = self.count as usize;
        let Some(path) = self.path else { return Ok((Vec::new(), Vec::new())) };
        let bytes = engine.read(path, 0, (steps as usize * count * (nq + nv) * 4) as u64)?;
        let words: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let (mut qpos, mut qvel) = (Vec::new(), Vec::new());
        for step in words.chunks_exact(count * (nq + nv)) {
            qpos.extend(self.transposed(&step[..nq * count], nq));
            qvel.extend(self.transposed(&step[nq * count..], nv));
        }
        Ok((qpos, qvel))
    }

    /// Steps of a stretch.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// `[count][width]` to `[width][count]`, appended.
    fn transpose(&self, values: &[f32], width: usize, words: &mut Vec<f32>) {
        for k in 0..width {
            words.extend(values.iter().skip(k).step_by(width));
        }
    }

    /// `[width][count]` to `[count][width]`.
    fn transposed(&self, words: &[f32], width: usize) -> Vec<f32> {
        let count = self.count as usize;
        (0..count).flat_map(|row| (0..width).map(move |k| words[k * count + row])).collect()
    }
}

/// The kernel that rolls a model, and keeps the path or not.
pub fn kernel(model: &Model, keeps_path: bool) -> Result<KernelDesc, TooManyContacts> {
    let physics = module(model, &Extent { quantities: Vec::new(), counters: true })?;
    let (nq, nv, nu) = (model.nq(), model.nv(), model.nu());
    let mut loads = String::new();
    let mut stores = String::new();
    let mut path = String::new();
    let members = [("qpos", nq), ("qvel", nv), ("warm", nv)];
    let places = members.iter().flat_map(|(name, width)| (0..*width).map(move |k| format!("p.{name}[{k}]")));
    let counters = ["p.most_iterations", "p.not_converged", "p.left_out"].map(String::from);
    for (index, place) in places.chain(counters).enumerate() {
        let _ = writeln!(loads, "    {place} = states[{index}u * args.count + row];");
        let _ = writeln!(stores, "    states[{index}u * args.count + row] = {place};");
        if keeps_path && index < nq + nv {
            let _ = writeln!(path, "        path[({}u * step + {index}u) * args.count + row] = {place};", nq + nv);
        }
    }
    let controls: Vec<String> =
        (0..nu).map(|k| format!("controls[({nu}u * step + {k}u) * args.count + row]")).collect();
    let controls = match nu {
        0 => "var control: array<f32, NU>;".to_string(),
        _ => format!("let control = array<f32, NU>({});", controls.join(", ")),
    };
    let path_binding = match keeps_path {
        true => "@group(0) @binding(2) var<storage, read_write> path: array<f32>;   // [steps][NQ + NV][count]\n",
        false => "",
    };
    let wgsl = format!(
        "// Steps of many states of one model. One invocation a state.

{physics}
// Rust twin: simulate::Args.
struct Args {{
    count: u32,  // states
    steps: u32,  // of this dispatch
    first: u32,  // step in `controls` and `path` at which it begins
}}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read_write> states: array<f32>; // [NQ + 2 NV + 3][count]
@group(0) @binding(1) var<storage, read> controls: array<f32>;     // [steps][NU][count]
{path_binding}
@compute @workgroup_size({WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {{
    let row = id.x;
    if (row >= args.count) {{ return; }}
    var p: Physics;
{loads}    for (var k = 0u; k < args.steps; k++) {{
        let step = args.first + k;
        {controls}
        physics_step(&p, control);
{path}    }}
{stores}}}
"
    );
    let bindings: Vec<String> = ["states", "controls", "path"]
        .iter()
        .take(if keeps_path { 3 } else { 2 })
        .map(|name| name.to_string())
        .collect();
    let state_bytes = ((nq + 2 * nv + COUNTERS) * 8) as f64;
    let step_bytes = ((if keeps_path { nu + nq + nv } else { nu }) * 4) as f64;
    let work = CountedWork::of_args(move |args: Args, _| crate::engine::Work {
        bytes: f64::from(args.count) * (state_bytes + f64::from(args.steps) * step_bytes),
        ..Default::default()
    });
    let name = format!("simulate_{}", model.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let twin = WgslTwin { wgsl: wgsl.clone(), bindings: bindings.clone(), file: name.clone() };
    Ok(KernelDesc { name, wgsl, bindings, work, twin: Some(Arc::new(twin)) })
}
