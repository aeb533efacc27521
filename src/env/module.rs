//! Assembles the WGSL module around a user's `env.wgsl`.
//!
//! The user's text comes first: WGSL does not care about the order of declarations, and so every line number that any
//! compiler reports is the file's own.

use std::fmt::Write;

use super::catalogue::Environment;
use super::manifest::{Channel, Constant};
use super::streams;

/// Which of the two kernels a module is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Start all environments.
    Reset,
    /// One step of all environments.
    Step,
}

/// The module of one kernel: user's text, constants, random numbers, runner. `evaluation` is the function that starts
/// an evaluation, `reset_evaluation` or `reset`.
pub fn assemble(env: &Environment, entry: Entry, evaluation: &str) -> String {
    let mut text = declarations(env);
    text.push_str(RUNNER);
    text.push_str(&match entry {
        Entry::Reset => reset_entry(evaluation),
        Entry::Step => step_entry(env),
    });
    text
}

/// The module without buffers and entry point: enough to check the user's functions.
pub fn declarations(env: &Environment) -> String {
    let manifest = &env.manifest;
    let mut text = env.wgsl.clone();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let _ = writeln!(text, "\n// ---- generated for `{}`: constants of env.toml", manifest.name);
    let _ = writeln!(text, "const OBS_DIM = {};", env.obs_dim());
    let _ = writeln!(text, "const ACTION_DIM = {};", env.action_dim());
    let _ = writeln!(text, "const DT = {:?};", manifest.dt);
    bounds(&mut text, "OBS", &manifest.observation);
    bounds(&mut text, "ACTION", &manifest.action);
    for (name, value) in &manifest.constants {
        let _ = match value {
            Constant::Integer(i) => writeln!(text, "const {name} = {i};"),
            Constant::Float(x) => writeln!(text, "const {name} = {x:?};"),
        };
    }
    text.push_str(HELPERS);
    let _ = writeln!(text, "// ---- shaders/lib/rng.wgsl");
    text.push_str(crate::kernels::RNG_WGSL);
    text
}

/// `const ACTION_LOW = array<f32, ACTION_DIM>(...)` and `_HIGH`; WGSL has no infinity, so the largest number stands for it.
fn bounds(text: &mut String, prefix: &str, channels: &[Channel]) {
    let array = |value: fn(&Channel) -> f32| {
        let numbers: Vec<String> =
            channels.iter().map(|c| format!("{:?}", value(c).clamp(f32::MIN, f32::MAX))).collect();
        format!("array<f32, {prefix}_DIM>({})", numbers.join(", "))
    };
    let _ = writeln!(text, "const {prefix}_LOW = {};", array(|c| c.low));
    let _ = writeln!(text, "const {prefix}_HIGH = {};", array(|c| c.high));
}

const HELPERS: &str = "
// ---- what env.wgsl works with

// What a step gives back; observations come from `observe`.
struct StepResult { reward: f32, terminated: bool }

// Random numbers of one call of `reset` or `step`: every lane 0, 1, 2, ... is an independent draw.
struct Random { key: vec4u, counter: vec4u }

// Uniform in [0, 1).
fn random_uniform(random: Random, lane: u32) -> f32 {
    return uniform_draw(random.key, vec4u(random.counter.xy, lane, 0u));
}

// Uniform in [low, high).
fn random_range(random: Random, lane: u32, low: f32, high: f32) -> f32 {
    return low + (high - low) * random_uniform(random, lane);
}

// Standard normal.
fn random_normal(random: Random, lane: u32) -> f32 {
    return normal_draw(random.key, vec4u(random.counter.xy, lane, 0u));
}

";

const RUNNER: &str = "
// ---- runner

// Rust twin: env::EnvArgs. Offsets are in words of `rollout`.
struct RunnerArgs {
    num_envs: u32,
    first_env: u32,     // number of the environment in row 0
    seed_lo: u32,
    seed_hi: u32,
    iteration: u32,
    step: u32,
    obs_offset: u32,    // [num_envs, OBS_DIM], written
    action_offset: u32, // [num_envs, ACTION_DIM], read
    reward_offset: u32, // [num_envs], written
    flag_offset: u32,   // [num_envs], written: 0 goes on, 1 terminated, 2 timed out
    horizon: u32,
    auto_reset: u32,    // 1: training; 0: evaluation, episodes run on
    random_ages: u32,   // 1: episodes start at ages uniform in 0..horizon
    evaluation: u32,    // 1: start with reset_evaluation
}

// Bookkeeping of the running episode.
struct Episode {
    age: u32,      // steps, as the time-out counts them (random at the start of training)
    length: u32,   // steps that were really taken
    total: f32,    // sum of rewards
    finished: u32, // episodes that ended before this one
}

struct Slot { state: State, episode: Episode }

var<immediate> args: RunnerArgs;
@group(0) @binding(0) var<storage, read_write> states: array<Slot>;   // [num_envs]
@group(0) @binding(1) var<storage, read_write> rollout: array<f32>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f>;   // [num_envs]: episodes, returns, lengths, non-finite

fn random_of(stream: u32, row: u32) -> Random {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    return Random(key, vec4u(args.step, args.first_env + row, 0u, 0u));
}

fn write_observation(row: u32, observation: array<f32, OBS_DIM>) {
    let first = args.obs_offset + row * OBS_DIM;
    var values = observation;
    for (var i = 0u; i < OBS_DIM; i++) { rollout[first + i] = values[i]; }
}

// Tests bits: compilers may assume that floats are never NaN or infinite.
fn not_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }

";

fn reset_entry(evaluation: &str) -> String {
    format!(
        "@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
    let row = id.x;
    if (row >= args.num_envs) {{ return; }}
    var state: State;
    if (args.evaluation == 1u) {{
        state = {evaluation}(random_of({:#x}u, row));
    }} else {{
        state = reset(random_of({:#x}u, row));
    }}
    var age = 0u;
    if (args.random_ages == 1u) {{
        age = min(u32(random_uniform(random_of({:#x}u, row), 0u) * f32(args.horizon)), args.horizon - 1u);
    }}
    states[row] = Slot(state, Episode(age, 0u, 0.0, 0u));
    stats[row] = vec4f(0.0);
    write_observation(row, observe(state));
}}
",
        streams::EVALUATION,
        streams::START,
        streams::AGE
    )
}

fn step_entry(env: &Environment) -> String {
    let loads: Vec<String> = (0..env.action_dim()).map(|i| format!("rollout[first_action + {i}u]")).collect();
    format!(
        "@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
    let row = id.x;
    if (row >= args.num_envs) {{ return; }}
    var state = states[row].state;
    var episode = states[row].episode;
    let first_action = args.action_offset + row * ACTION_DIM;
    let action = array<f32, ACTION_DIM>({});

    let result = step(&state, action, random_of({:#x}u, row));
    var observation = observe(state);
    episode.age += 1u;
    episode.length += 1u;
    episode.total += result.reward;

    var broken = not_finite(result.reward);
    for (var i = 0u; i < OBS_DIM; i++) {{ broken = broken || not_finite(observation[i]); }}
    var counted = vec4f(0.0, 0.0, 0.0, f32(broken));

    // A termination at the horizon is a termination: there is nothing left to bootstrap from.
    var flag = 0.0;
    if (result.terminated) {{
        flag = 1.0;
    }} else if (args.auto_reset == 1u && episode.age >= args.horizon) {{
        flag = 2.0;
    }}
    if (args.auto_reset == 1u && flag > 0.0) {{
        counted = vec4f(1.0, episode.total, f32(episode.length), counted.w);
        episode = Episode(0u, 0u, 0.0, episode.finished + 1u);
        state = reset(random_of({:#x}u, row));
        observation = observe(state);
    }}

    states[row] = Slot(state, episode);
    stats[row] += counted;
    rollout[args.reward_offset + row] = result.reward;
    rollout[args.flag_offset + row] = flag;
    write_observation(row, observation);
}}
",
        loads.join(", "),
        streams::STEP,
        streams::RESET
    )
}
