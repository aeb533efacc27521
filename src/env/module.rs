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

/// The functions that start episodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Starts {
    /// Starts an evaluation: `reset_evaluation` or `reset`.
    pub evaluation: &'static str,
    /// Whether `restart` begins the episode after another one; else `reset` does.
    pub restart: bool,
}

/// The module of one kernel: user's text, constants, random numbers, runner.
pub fn assemble(env: &Environment, entry: Entry, starts: Starts) -> String {
    let mut text = declarations(env);
    let _ = write!(
        text,
        "\n// ---- runner\n\n// Rust twin: env::EnvArgs.\nstruct RunnerArgs {{\n{ARGS_MEMBERS}}}\nvar<immediate> args: RunnerArgs;\n"
    );
    text.push_str(RUNNER);
    match entry {
        Entry::Reset => text.push_str(&reset_entry(starts.evaluation)),
        Entry::Step => {
            text.push_str(&step_function(env, starts));
            text.push_str(STEP_ENTRY);
        }
    }
    text
}

/// The step as function [`STEP_FUNCTION`] of another module, which declares `args` with [`ARGS_MEMBERS`]: user's text, constants,
/// random numbers, runner.
pub fn step_module(env: &Environment, starts: Starts) -> String {
    [&declarations(env), "\n// ---- runner\n", RUNNER, &step_function(env, starts)].concat()
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
    text.push_str(&env.physics);
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

/// Immediates of both kernels; offsets are in words of `rollout_f32`. Rust twin: `EnvArgs`.
pub const ARGS_MEMBERS: &str = "    num_envs: u32,
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
";

/// Name of the function that steps one environment: `(row: u32, t: u32)`, t steps after `args.step`.
pub const STEP_FUNCTION: &str = "run_step";

/// The buffers that [`RUNNER`] declares, in order.
pub const BINDINGS: [&str; 3] = ["states", "rollout_f32", "stats"];

const RUNNER: &str = "
// Bookkeeping of the running episode.
struct Episode {
    age: u32,      // steps, as the time-out counts them (random at the start of training)
    length: u32,   // steps that were really taken
    total: f32,    // sum of rewards
    finished: u32, // episodes that ended before this one
}

struct Slot { state: State, episode: Episode }

@group(0) @binding(0) var<storage, read_write> states: array<Slot>;   // [num_envs]
@group(0) @binding(1) var<storage, read_write> rollout_f32: array<f32>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f>;   // [num_envs]: episodes, returns, lengths, non-finite

fn random_of(stream: u32, row: u32, t: u32) -> Random {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    return Random(key, vec4u(args.step + t, args.first_env + row, 0u, 0u));
}

fn write_observation(sample: u32, observation: array<f32, OBS_DIM>) {
    let first = args.obs_offset + sample * OBS_DIM;
    var values = observation;
    for (var i = 0u; i < OBS_DIM; i++) { rollout_f32[first + i] = values[i]; }
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
        state = {evaluation}(random_of({:#x}u, row, 0u));
    }} else {{
        state = reset(random_of({:#x}u, row, 0u));
    }}
    var age = 0u;
    if (args.random_ages == 1u) {{
        age = min(u32(random_uniform(random_of({:#x}u, row, 0u), 0u) * f32(args.horizon)), args.horizon - 1u);
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

const STEP_ENTRY: &str = "
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < args.num_envs) { run_step(id.x, 0u); }
}
";

fn step_function(env: &Environment, starts: Starts) -> String {
    let start = if starts.restart { "restart(state, " } else { "reset(" };
    let loads: Vec<String> = (0..env.action_dim()).map(|i| format!("rollout_f32[first_action + {i}u]")).collect();
    format!(
        "// Steps the environment of a row; `t` steps have been made since step `args.step`, to which the offsets belong.
fn {STEP_FUNCTION}(row: u32, t: u32) {{
    let sample = t * args.num_envs + row;
    var state = states[row].state;
    var episode = states[row].episode;
    let first_action = args.action_offset + sample * ACTION_DIM;
    let action = array<f32, ACTION_DIM>({});

    let result = step(&state, action, random_of({:#x}u, row, t));
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
        state = {start}random_of({:#x}u, row, t));
        observation = observe(state);
    }}

    states[row] = Slot(state, episode);
    stats[row] += counted;
    rollout_f32[args.reward_offset + sample] = result.reward;
    rollout_f32[args.flag_offset + sample] = flag;
    write_observation(sample, observation);
}}
",
        loads.join(", "),
        streams::STEP,
        streams::RESET
    )
}
