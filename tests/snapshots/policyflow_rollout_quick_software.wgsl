// A double integrator with six equal goals on a circle.

struct State {
    position: vec2f,
    velocity: vec2f,
}

fn reset(random: Random) -> State {
    let x = random_range(random, 0u, -START, START);
    let y = random_range(random, 1u, -START, START);
    return State(vec2f(x, y), vec2f(0.0));
}

// Evaluations start at rest at the centre, equally far from all goals.
fn reset_evaluation(random: Random) -> State {
    return State(vec2f(0.0), vec2f(0.0));
}

// Goals stand at 0, 60, ... 300 degrees. Mirrored into the quadrant of positive coordinates, the nearest is one of two.
fn squared_distance_to_goal(position: vec2f) -> f32 {
    let p = abs(position);
    let to_axis = p - vec2f(GOAL_RADIUS, 0.0);
    let to_diagonal = p - vec2f(0.5 * GOAL_RADIUS, 0.8660254037844386 * GOAL_RADIUS);
    return min(dot(to_axis, to_axis), dot(to_diagonal, to_diagonal));
}

fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    let wanted = vec2f(action[0], action[1]);
    let low = vec2f(ACTION_LOW[0], ACTION_LOW[1]);
    let high = vec2f(ACTION_HIGH[0], ACTION_HIGH[1]);

    // The position moves with the old velocity.
    (*state).position += DT * (*state).velocity;
    (*state).velocity += DT * clamp(wanted, low, high);

    // The effort is that of the action as asked for, not as clipped.
    let d2 = squared_distance_to_goal((*state).position);
    let reward = DT * (exp(-0.3 * d2) + exp(-0.1 * d2) - ACTION_COST * dot(wanted, wanted));
    let outside = any(abs((*state).position) > vec2f(WALL));
    return StepResult(reward, outside);
}

fn observe(state: State) -> array<f32, OBS_DIM> {
    return array<f32, OBS_DIM>(state.position.x, state.position.y, state.velocity.x, state.velocity.y);
}

// ---- generated for `multigoal`: constants of env.toml
const OBS_DIM = 4;
const ACTION_DIM = 2;
const DT = 0.1;
const OBS_LOW = array<f32, OBS_DIM>(-8.0, -8.0, -13.0, -13.0);
const OBS_HIGH = array<f32, OBS_DIM>(8.0, 8.0, 13.0, 13.0);
const ACTION_LOW = array<f32, ACTION_DIM>(-5.0, -5.0);
const ACTION_HIGH = array<f32, ACTION_DIM>(5.0, 5.0);
const ACTION_COST = 0.01;
const GOAL_RADIUS = 5.0;
const START = 7.0;
const WALL = 8.0;

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

// ---- shaders/lib/rng.wgsl
// shaders/lib/rng.wgsl

// ---- runner

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

// Steps the environment of a row; `t` steps have been made since step `args.step`, to which the offsets belong.
fn run_step(row: u32, t: u32) {
    let sample = t * args.num_envs + row;
    var state = states[row].state;
    var episode = states[row].episode;
    let first_action = args.action_offset + sample * ACTION_DIM;
    let action = array<f32, ACTION_DIM>(rollout_f32[first_action + 0u], rollout_f32[first_action + 1u]);

    let result = step(&state, action, random_of(0x102u, row, t));
    var observation = observe(state);
    episode.age += 1u;
    episode.length += 1u;
    episode.total += result.reward;

    var broken = not_finite(result.reward);
    for (var i = 0u; i < OBS_DIM; i++) { broken = broken || not_finite(observation[i]); }
    var counted = vec4f(0.0, 0.0, 0.0, f32(broken));

    // A termination at the horizon is a termination: there is nothing left to bootstrap from.
    var flag = 0.0;
    if (result.terminated) {
        flag = 1.0;
    } else if (args.auto_reset == 1u && episode.age >= args.horizon) {
        flag = 2.0;
    }
    if (args.auto_reset == 1u && flag > 0.0) {
        counted = vec4f(1.0, episode.total, f32(episode.length), counted.w);
        episode = Episode(0u, 0u, 0.0, episode.finished + 1u);
        state = reset(random_of(0x101u, row, t));
        observation = observe(state);
    }

    states[row] = Slot(state, episode);
    stats[row] += counted;
    rollout_f32[args.reward_offset + sample] = result.reward;
    rollout_f32[args.flag_offset + sample] = flag;
    write_observation(sample, observation);
}

// Graph `policyflow_act` as one kernel: a workgroup owns a tile of 32 rows.
// 8 x 1 invocations (rows / 4 x columns); 168 features in workgroup memory, 0 in scratch; limits 32768 B, 256 invocations.
//   in  obs [rows, 4]
//   out z [rows, 2]
//   out phi1 [rows, 2]
//   out noise [rows, 2]
//   out action [rows, 2]
//   out logp [rows, 1]
//   out value [rows, 1]

struct Args {
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
    rows: u32,
    first_row: u32, // sample of row 0 in the first step
    steps: u32,
}
var<immediate> args: Args;

@group(0) @binding(3) var<uniform> frozen: array<vec4f, 1000>;
@group(0) @binding(4) var<uniform> params: array<vec4f, 895>;
@group(0) @binding(5) var<storage, read> frozen_f32: array<f32>;

var<workgroup> tile: array<vec4f, 1344>; // [feature][row lane], 4 rows a lane

// Draws of four rows at one feature, keyed by (seed, stream, iteration, step, row, feature).
fn normal4(stream: u32, step: u32, rows: vec4u, lane: u32) -> vec4f {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    var draws = vec4f(0.0);
    for (var i = 0u; i < 4u; i++) {
        draws[i] = normal_draw(key, vec4u(step, rows[i], lane, 0u));
    }
    return draws;
}

fn uniform4(stream: u32, step: u32, rows: vec4u, lane: u32) -> vec4f {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    var draws = vec4f(0.0);
    for (var i = 0u; i < 4u; i++) {
        draws[i] = uniform_draw(key, vec4u(step, rows[i], lane, 0u));
    }
    return draws;
}

// shaders/lib/activations.wgsl


@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) workgroup: vec3u) {
    let row_lane = lane;
    let row = vec4u((workgroup.x * 8u + row_lane) * 4u) + vec4u(0u, 1u, 2u, 3u);
    let once = min(args.rows, 1u); // 1, but the compiler does not know: loops stay loops
    let valid = row < vec4u(args.rows);
    // Rows past the end repeat the last one; nothing of them is stored.
    if (!valid.x) { return; } // the last row of the others is one of their own
    let draw_row = min(row, vec4u(args.rows - 1u));
    for (var t = 0u; t < args.steps; t++) {
        let sample = vec4u(args.first_row + t * args.rows) + draw_row;
        let draw_step = args.step + t;
        // [rows, 4]: obs_0
        for (var f = 0u; f < 4u * once; f++) {
            let obs_0 = vec4f(rollout_f32[0u + sample.x * 4u + f], rollout_f32[0u + sample.y * 4u + f], rollout_f32[0u + sample.z * 4u + f], rollout_f32[0u + sample.w * 4u + f]);
            tile[f * 8u + row_lane] = obs_0;
        }
        // dense_1 [rows, 32] = obs_0 [4] · fold.state
        for (var c = 0u; c < 32u * once; c += 8u) {
            var a0 = vec4f(0.0);
            var a1 = vec4f(0.0);
            var a2 = vec4f(0.0);
            var a3 = vec4f(0.0);
            var a4 = vec4f(0.0);
            var a5 = vec4f(0.0);
            var a6 = vec4f(0.0);
            var a7 = vec4f(0.0);
            for (var k = 0u; k < 4u * once; k += 4u) {
                let x0 = tile[k * 8u + row_lane];
                let w00 = frozen[(3872u + k * 32u + c) / 4u];
                let w01 = frozen[(3876u + k * 32u + c) / 4u];
                let x1 = tile[(k + 1u) * 8u + row_lane];
                let w10 = frozen[(3904u + k * 32u + c) / 4u];
                let w11 = frozen[(3908u + k * 32u + c) / 4u];
                let x2 = tile[(k + 2u) * 8u + row_lane];
                let w20 = frozen[(3936u + k * 32u + c) / 4u];
                let w21 = frozen[(3940u + k * 32u + c) / 4u];
                let x3 = tile[(k + 3u) * 8u + row_lane];
                let w30 = frozen[(3968u + k * 32u + c) / 4u];
                let w31 = frozen[(3972u + k * 32u + c) / 4u];
                a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
            }
            tile[(4u + c) * 8u + row_lane] = a0;
            tile[(4u + (c + 1u)) * 8u + row_lane] = a1;
            tile[(4u + (c + 2u)) * 8u + row_lane] = a2;
            tile[(4u + (c + 3u)) * 8u + row_lane] = a3;
            tile[(4u + (c + 4u)) * 8u + row_lane] = a4;
            tile[(4u + (c + 5u)) * 8u + row_lane] = a5;
            tile[(4u + (c + 6u)) * 8u + row_lane] = a6;
            tile[(4u + (c + 7u)) * 8u + row_lane] = a7;
        }
        // [rows, 2]: normal_draw_2
        for (var f = 0u; f < 2u * once; f++) {
            let normal_draw_2 = normal4(1u, draw_step, draw_row, f);
            tile[(36u + f) * 8u + row_lane] = normal_draw_2;
            if (valid.x) { rollout_f32[540672u + sample.x * 2u + f] = (normal_draw_2).x; }
            if (valid.y) { rollout_f32[540672u + sample.y * 2u + f] = (normal_draw_2).y; }
            if (valid.z) { rollout_f32[540672u + sample.z * 2u + f] = (normal_draw_2).z; }
            if (valid.w) { rollout_f32[540672u + sample.w * 2u + f] = (normal_draw_2).w; }
        }
        // carry carried_4 <- normal_draw_2
        for (var f = 0u; f < 2u * once; f++) {
            let normal_draw_2 = tile[(36u + f) * 8u + row_lane];
            tile[(38u + f) * 8u + row_lane] = normal_draw_2;
        }
        for (var i0 = 0u; i0 < 4u * once; i0++) {
            // dense_8 [rows, 32] = carried_4 [2] · old.mlp.0.w[0..2]
            for (var c = 0u; c < 32u * once; c += 8u) {
                var a0 = vec4f(0.0);
                var a1 = vec4f(0.0);
                var a2 = vec4f(0.0);
                var a3 = vec4f(0.0);
                var a4 = vec4f(0.0);
                var a5 = vec4f(0.0);
                var a6 = vec4f(0.0);
                var a7 = vec4f(0.0);
                {
                    let x0 = tile[38u * 8u + row_lane];
                    let w00 = frozen[(432u + 0u * 32u + c) / 4u];
                    let w01 = frozen[(436u + 0u * 32u + c) / 4u];
                    let x1 = tile[(38u + (0u + 1u)) * 8u + row_lane];
                    let w10 = frozen[(464u + 0u * 32u + c) / 4u];
                    let w11 = frozen[(468u + 0u * 32u + c) / 4u];
                    a0 = fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0));
                    a1 = fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1));
                    a2 = fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2));
                    a3 = fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3));
                    a4 = fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4));
                    a5 = fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5));
                    a6 = fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6));
                    a7 = fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7));
                }
                tile[(40u + c) * 8u + row_lane] = a0;
                tile[(40u + (c + 1u)) * 8u + row_lane] = a1;
                tile[(40u + (c + 2u)) * 8u + row_lane] = a2;
                tile[(40u + (c + 3u)) * 8u + row_lane] = a3;
                tile[(40u + (c + 4u)) * 8u + row_lane] = a4;
                tile[(40u + (c + 5u)) * 8u + row_lane] = a5;
                tile[(40u + (c + 6u)) * 8u + row_lane] = a6;
                tile[(40u + (c + 7u)) * 8u + row_lane] = a7;
            }
            // [rows, 32]: add_9, add_10, tanh_11, add_23
            let mul_6 = f32(i0) * 2.0f;
            let add_20 = mul_6 + 1.0f;
            for (var f = 0u; f < 32u * once; f++) {
                let dense_1 = tile[(4u + f) * 8u + row_lane];
                let gather_7 = frozen_f32[3584u + u32(mul_6) * 32u + f];
                let add_9 = dense_1 + gather_7;
                let dense_8 = tile[(40u + f) * 8u + row_lane];
                let add_10 = dense_8 + add_9;
                let tanh_11 = tanh4(add_10);
                tile[(72u + f) * 8u + row_lane] = tanh_11;
                let gather_21 = frozen_f32[3584u + u32(add_20) * 32u + f];
                let add_23 = dense_1 + gather_21;
                tile[(104u + f) * 8u + row_lane] = add_23;
            }
            // dense_12 [rows, 32] = tanh_11 [32] · old.mlp.1.w + old.mlp.1.b
            for (var c = 0u; c < 32u * once; c += 8u) {
                let b0 = frozen[(c + 2064u) / 4u];
                var a0 = vec4f(b0.x);
                var a1 = vec4f(b0.y);
                var a2 = vec4f(b0.z);
                var a3 = vec4f(b0.w);
                let b1 = frozen[(c + 2068u) / 4u];
                var a4 = vec4f(b1.x);
                var a5 = vec4f(b1.y);
                var a6 = vec4f(b1.z);
                var a7 = vec4f(b1.w);
                for (var k = 0u; k < 32u * once; k += 4u) {
                    let x0 = tile[(72u + k) * 8u + row_lane];
                    let w00 = frozen[(1040u + k * 32u + c) / 4u];
                    let w01 = frozen[(1044u + k * 32u + c) / 4u];
                    let x1 = tile[(72u + (k + 1u)) * 8u + row_lane];
                    let w10 = frozen[(1072u + k * 32u + c) / 4u];
                    let w11 = frozen[(1076u + k * 32u + c) / 4u];
                    let x2 = tile[(72u + (k + 2u)) * 8u + row_lane];
                    let w20 = frozen[(1104u + k * 32u + c) / 4u];
                    let w21 = frozen[(1108u + k * 32u + c) / 4u];
                    let x3 = tile[(72u + (k + 3u)) * 8u + row_lane];
                    let w30 = frozen[(1136u + k * 32u + c) / 4u];
                    let w31 = frozen[(1140u + k * 32u + c) / 4u];
                    a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                    a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                    a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                    a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                    a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                    a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                    a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                    a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
                }
                tile[(40u + c) * 8u + row_lane] = a0;
                tile[(40u + (c + 1u)) * 8u + row_lane] = a1;
                tile[(40u + (c + 2u)) * 8u + row_lane] = a2;
                tile[(40u + (c + 3u)) * 8u + row_lane] = a3;
                tile[(40u + (c + 4u)) * 8u + row_lane] = a4;
                tile[(40u + (c + 5u)) * 8u + row_lane] = a5;
                tile[(40u + (c + 6u)) * 8u + row_lane] = a6;
                tile[(40u + (c + 7u)) * 8u + row_lane] = a7;
            }
            // [rows, 32]: tanh_13
            for (var f = 0u; f < 32u * once; f++) {
                let dense_12 = tile[(40u + f) * 8u + row_lane];
                let tanh_13 = tanh4(dense_12);
                tile[(72u + f) * 8u + row_lane] = tanh_13;
            }
            // dense_14 [rows, 2] = tanh_13 [32] · old.mlp.2.w + old.mlp.2.b
            {
                let c = 0u;
                let b0 = frozen[(c + 2224u) / 4u];
                var a0 = vec4f(b0.x);
                var a1 = vec4f(b0.y);
                var a2 = vec4f(b0.z);
                var a3 = vec4f(b0.w);
                for (var k = 0u; k < 32u * once; k += 4u) {
                    let x0 = tile[(72u + k) * 8u + row_lane];
                    let w00 = frozen[(2096u + k * 4u + c) / 4u];
                    let x1 = tile[(72u + (k + 1u)) * 8u + row_lane];
                    let w10 = frozen[(2100u + k * 4u + c) / 4u];
                    let x2 = tile[(72u + (k + 2u)) * 8u + row_lane];
                    let w20 = frozen[(2104u + k * 4u + c) / 4u];
                    let x3 = tile[(72u + (k + 3u)) * 8u + row_lane];
                    let w30 = frozen[(2108u + k * 4u + c) / 4u];
                    a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                    a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                    a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                    a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                }
                tile[(36u + c) * 8u + row_lane] = a0;
                tile[(36u + (c + 1u)) * 8u + row_lane] = a1;
            }
            // [rows, 2]: mul_17, add_18
            for (var f = 0u; f < 2u * once; f++) {
                let dense_14 = tile[(36u + f) * 8u + row_lane];
                let mul_17 = dense_14 * 0.125f;
                let carried_4 = tile[(38u + f) * 8u + row_lane];
                let add_18 = carried_4 + mul_17;
                tile[(40u + f) * 8u + row_lane] = add_18;
            }
            // dense_22 [rows, 32] = add_18 [2] · old.mlp.0.w[0..2]
            for (var c = 0u; c < 32u * once; c += 8u) {
                var a0 = vec4f(0.0);
                var a1 = vec4f(0.0);
                var a2 = vec4f(0.0);
                var a3 = vec4f(0.0);
                var a4 = vec4f(0.0);
                var a5 = vec4f(0.0);
                var a6 = vec4f(0.0);
                var a7 = vec4f(0.0);
                {
                    let x0 = tile[40u * 8u + row_lane];
                    let w00 = frozen[(432u + 0u * 32u + c) / 4u];
                    let w01 = frozen[(436u + 0u * 32u + c) / 4u];
                    let x1 = tile[(40u + (0u + 1u)) * 8u + row_lane];
                    let w10 = frozen[(464u + 0u * 32u + c) / 4u];
                    let w11 = frozen[(468u + 0u * 32u + c) / 4u];
                    a0 = fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0));
                    a1 = fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1));
                    a2 = fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2));
                    a3 = fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3));
                    a4 = fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4));
                    a5 = fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5));
                    a6 = fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6));
                    a7 = fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7));
                }
                tile[(42u + c) * 8u + row_lane] = a0;
                tile[(42u + (c + 1u)) * 8u + row_lane] = a1;
                tile[(42u + (c + 2u)) * 8u + row_lane] = a2;
                tile[(42u + (c + 3u)) * 8u + row_lane] = a3;
                tile[(42u + (c + 4u)) * 8u + row_lane] = a4;
                tile[(42u + (c + 5u)) * 8u + row_lane] = a5;
                tile[(42u + (c + 6u)) * 8u + row_lane] = a6;
                tile[(42u + (c + 7u)) * 8u + row_lane] = a7;
            }
            // [rows, 32]: add_24, tanh_25
            for (var f = 0u; f < 32u * once; f++) {
                let dense_22 = tile[(42u + f) * 8u + row_lane];
                let add_23 = tile[(104u + f) * 8u + row_lane];
                let add_24 = dense_22 + add_23;
                let tanh_25 = tanh4(add_24);
                tile[(136u + f) * 8u + row_lane] = tanh_25;
            }
            // dense_26 [rows, 32] = tanh_25 [32] · old.mlp.1.w + old.mlp.1.b
            for (var c = 0u; c < 32u * once; c += 8u) {
                let b0 = frozen[(c + 2064u) / 4u];
                var a0 = vec4f(b0.x);
                var a1 = vec4f(b0.y);
                var a2 = vec4f(b0.z);
                var a3 = vec4f(b0.w);
                let b1 = frozen[(c + 2068u) / 4u];
                var a4 = vec4f(b1.x);
                var a5 = vec4f(b1.y);
                var a6 = vec4f(b1.z);
                var a7 = vec4f(b1.w);
                for (var k = 0u; k < 32u * once; k += 4u) {
                    let x0 = tile[(136u + k) * 8u + row_lane];
                    let w00 = frozen[(1040u + k * 32u + c) / 4u];
                    let w01 = frozen[(1044u + k * 32u + c) / 4u];
                    let x1 = tile[(136u + (k + 1u)) * 8u + row_lane];
                    let w10 = frozen[(1072u + k * 32u + c) / 4u];
                    let w11 = frozen[(1076u + k * 32u + c) / 4u];
                    let x2 = tile[(136u + (k + 2u)) * 8u + row_lane];
                    let w20 = frozen[(1104u + k * 32u + c) / 4u];
                    let w21 = frozen[(1108u + k * 32u + c) / 4u];
                    let x3 = tile[(136u + (k + 3u)) * 8u + row_lane];
                    let w30 = frozen[(1136u + k * 32u + c) / 4u];
                    let w31 = frozen[(1140u + k * 32u + c) / 4u];
                    a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                    a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                    a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                    a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                    a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                    a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                    a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                    a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
                }
                tile[(40u + c) * 8u + row_lane] = a0;
                tile[(40u + (c + 1u)) * 8u + row_lane] = a1;
                tile[(40u + (c + 2u)) * 8u + row_lane] = a2;
                tile[(40u + (c + 3u)) * 8u + row_lane] = a3;
                tile[(40u + (c + 4u)) * 8u + row_lane] = a4;
                tile[(40u + (c + 5u)) * 8u + row_lane] = a5;
                tile[(40u + (c + 6u)) * 8u + row_lane] = a6;
                tile[(40u + (c + 7u)) * 8u + row_lane] = a7;
            }
            // [rows, 32]: tanh_27
            for (var f = 0u; f < 32u * once; f++) {
                let dense_26 = tile[(40u + f) * 8u + row_lane];
                let tanh_27 = tanh4(dense_26);
                tile[(72u + f) * 8u + row_lane] = tanh_27;
            }
            // dense_28 [rows, 2] = tanh_27 [32] · old.mlp.2.w + old.mlp.2.b
            {
                let c = 0u;
                let b0 = frozen[(c + 2224u) / 4u];
                var a0 = vec4f(b0.x);
                var a1 = vec4f(b0.y);
                var a2 = vec4f(b0.z);
                var a3 = vec4f(b0.w);
                for (var k = 0u; k < 32u * once; k += 4u) {
                    let x0 = tile[(72u + k) * 8u + row_lane];
                    let w00 = frozen[(2096u + k * 4u + c) / 4u];
                    let x1 = tile[(72u + (k + 1u)) * 8u + row_lane];
                    let w10 = frozen[(2100u + k * 4u + c) / 4u];
                    let x2 = tile[(72u + (k + 2u)) * 8u + row_lane];
                    let w20 = frozen[(2104u + k * 4u + c) / 4u];
                    let x3 = tile[(72u + (k + 3u)) * 8u + row_lane];
                    let w30 = frozen[(2108u + k * 4u + c) / 4u];
                    a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                    a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                    a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                    a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                }
                tile[(36u + c) * 8u + row_lane] = a0;
                tile[(36u + (c + 1u)) * 8u + row_lane] = a1;
            }
            // [rows, 2]: mul_31, add_32
            for (var f = 0u; f < 2u * once; f++) {
                let dense_28 = tile[(36u + f) * 8u + row_lane];
                let mul_31 = dense_28 * 0.25f;
                let carried_4 = tile[(38u + f) * 8u + row_lane];
                let add_32 = carried_4 + mul_31;
                tile[(40u + f) * 8u + row_lane] = add_32;
            }
            // carry carried_4 <- add_32
            for (var f = 0u; f < 2u * once; f++) {
                let add_32 = tile[(40u + f) * 8u + row_lane];
                tile[(38u + f) * 8u + row_lane] = add_32;
            }
        }
        // [rows, 2]: normal_draw_43, mul_44, add_45 … sum_55
        var sum_55 = vec4f(0.0);
        for (var f = 0u; f < 2u * once; f++) {
            let normal_draw_43 = normal4(2u, draw_step, draw_row, f);
            let old_log_std_35 = frozen_f32[2228u + f];
            let max_39 = max(old_log_std_35, (-20.0f));
            let min_41 = min(max_39, 4.0f);
            let exp_42 = exp(min_41);
            let mul_44 = exp_42 * normal_draw_43;
            if (valid.x) { rollout_f32[1064960u + sample.x * 2u + f] = (mul_44).x; }
            if (valid.y) { rollout_f32[1064960u + sample.y * 2u + f] = (mul_44).y; }
            if (valid.z) { rollout_f32[1064960u + sample.z * 2u + f] = (mul_44).z; }
            if (valid.w) { rollout_f32[1064960u + sample.w * 2u + f] = (mul_44).w; }
            let result_34 = tile[(38u + f) * 8u + row_lane];
            let add_45 = result_34 + mul_44;
            if (valid.x) { rollout_f32[1327104u + sample.x * 2u + f] = (add_45).x; }
            if (valid.y) { rollout_f32[1327104u + sample.y * 2u + f] = (add_45).y; }
            if (valid.z) { rollout_f32[1327104u + sample.z * 2u + f] = (add_45).z; }
            if (valid.w) { rollout_f32[1327104u + sample.w * 2u + f] = (add_45).w; }
            let div_46 = mul_44 / exp_42;
            let mul_47 = div_46 * div_46;
            let mul_50 = mul_47 * (-0.5f);
            let sub_51 = mul_50 - min_41;
            let add_54 = sub_51 + (-0.9189385f);
            sum_55 += add_54;
        }
        if (valid.x) { rollout_f32[1589248u + sample.x * 1u + 0u] = (sum_55).x; }
        if (valid.y) { rollout_f32[1589248u + sample.y * 1u + 0u] = (sum_55).y; }
        if (valid.z) { rollout_f32[1589248u + sample.z * 1u + 0u] = (sum_55).z; }
        if (valid.w) { rollout_f32[1589248u + sample.w * 1u + 0u] = (sum_55).w; }
        // dense_56 [rows, 32] = obs_0 [4] · critic.mlp.0.w + critic.mlp.0.b
        for (var c = 0u; c < 32u * once; c += 8u) {
            let b0 = params[(c + 2360u) / 4u];
            var a0 = vec4f(b0.x);
            var a1 = vec4f(b0.y);
            var a2 = vec4f(b0.z);
            var a3 = vec4f(b0.w);
            let b1 = params[(c + 2364u) / 4u];
            var a4 = vec4f(b1.x);
            var a5 = vec4f(b1.y);
            var a6 = vec4f(b1.z);
            var a7 = vec4f(b1.w);
            for (var k = 0u; k < 4u * once; k += 4u) {
                let x0 = tile[k * 8u + row_lane];
                let w00 = params[(2232u + k * 32u + c) / 4u];
                let w01 = params[(2236u + k * 32u + c) / 4u];
                let x1 = tile[(k + 1u) * 8u + row_lane];
                let w10 = params[(2264u + k * 32u + c) / 4u];
                let w11 = params[(2268u + k * 32u + c) / 4u];
                let x2 = tile[(k + 2u) * 8u + row_lane];
                let w20 = params[(2296u + k * 32u + c) / 4u];
                let w21 = params[(2300u + k * 32u + c) / 4u];
                let x3 = tile[(k + 3u) * 8u + row_lane];
                let w30 = params[(2328u + k * 32u + c) / 4u];
                let w31 = params[(2332u + k * 32u + c) / 4u];
                a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
            }
            tile[(4u + c) * 8u + row_lane] = a0;
            tile[(4u + (c + 1u)) * 8u + row_lane] = a1;
            tile[(4u + (c + 2u)) * 8u + row_lane] = a2;
            tile[(4u + (c + 3u)) * 8u + row_lane] = a3;
            tile[(4u + (c + 4u)) * 8u + row_lane] = a4;
            tile[(4u + (c + 5u)) * 8u + row_lane] = a5;
            tile[(4u + (c + 6u)) * 8u + row_lane] = a6;
            tile[(4u + (c + 7u)) * 8u + row_lane] = a7;
        }
        // [rows, 32]: tanh_57
        for (var f = 0u; f < 32u * once; f++) {
            let dense_56 = tile[(4u + f) * 8u + row_lane];
            let tanh_57 = tanh4(dense_56);
            tile[(40u + f) * 8u + row_lane] = tanh_57;
        }
        // dense_58 [rows, 32] = tanh_57 [32] · critic.mlp.1.w + critic.mlp.1.b
        for (var c = 0u; c < 32u * once; c += 8u) {
            let b0 = params[(c + 3416u) / 4u];
            var a0 = vec4f(b0.x);
            var a1 = vec4f(b0.y);
            var a2 = vec4f(b0.z);
            var a3 = vec4f(b0.w);
            let b1 = params[(c + 3420u) / 4u];
            var a4 = vec4f(b1.x);
            var a5 = vec4f(b1.y);
            var a6 = vec4f(b1.z);
            var a7 = vec4f(b1.w);
            for (var k = 0u; k < 32u * once; k += 4u) {
                let x0 = tile[(40u + k) * 8u + row_lane];
                let w00 = params[(2392u + k * 32u + c) / 4u];
                let w01 = params[(2396u + k * 32u + c) / 4u];
                let x1 = tile[(40u + (k + 1u)) * 8u + row_lane];
                let w10 = params[(2424u + k * 32u + c) / 4u];
                let w11 = params[(2428u + k * 32u + c) / 4u];
                let x2 = tile[(40u + (k + 2u)) * 8u + row_lane];
                let w20 = params[(2456u + k * 32u + c) / 4u];
                let w21 = params[(2460u + k * 32u + c) / 4u];
                let x3 = tile[(40u + (k + 3u)) * 8u + row_lane];
                let w30 = params[(2488u + k * 32u + c) / 4u];
                let w31 = params[(2492u + k * 32u + c) / 4u];
                a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
            }
            tile[c * 8u + row_lane] = a0;
            tile[(c + 1u) * 8u + row_lane] = a1;
            tile[(c + 2u) * 8u + row_lane] = a2;
            tile[(c + 3u) * 8u + row_lane] = a3;
            tile[(c + 4u) * 8u + row_lane] = a4;
            tile[(c + 5u) * 8u + row_lane] = a5;
            tile[(c + 6u) * 8u + row_lane] = a6;
            tile[(c + 7u) * 8u + row_lane] = a7;
        }
        // [rows, 32]: tanh_59
        for (var f = 0u; f < 32u * once; f++) {
            let dense_58 = tile[f * 8u + row_lane];
            let tanh_59 = tanh4(dense_58);
            tile[(40u + f) * 8u + row_lane] = tanh_59;
        }
        // dense_60 [rows, 1] = tanh_59 [32] · critic.mlp.2.w + critic.mlp.2.b
        {
            let c = 0u;
            let b0 = params[(c + 3576u) / 4u];
            var a0 = vec4f(b0.x);
            var a1 = vec4f(b0.y);
            var a2 = vec4f(b0.z);
            var a3 = vec4f(b0.w);
            for (var k = 0u; k < 32u * once; k += 4u) {
                let x0 = tile[(40u + k) * 8u + row_lane];
                let w00 = params[(3448u + k * 4u + c) / 4u];
                let x1 = tile[(40u + (k + 1u)) * 8u + row_lane];
                let w10 = params[(3452u + k * 4u + c) / 4u];
                let x2 = tile[(40u + (k + 2u)) * 8u + row_lane];
                let w20 = params[(3456u + k * 4u + c) / 4u];
                let x3 = tile[(40u + (k + 3u)) * 8u + row_lane];
                let w30 = params[(3460u + k * 4u + c) / 4u];
                a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
            }
            tile[c * 8u + row_lane] = a0;
            if (valid.x) { rollout_f32[1720320u + sample.x * 1u + c] = (a0).x; }
            if (valid.y) { rollout_f32[1720320u + sample.y * 1u + c] = (a0).y; }
            if (valid.z) { rollout_f32[1720320u + sample.z * 1u + c] = (a0).z; }
            if (valid.w) { rollout_f32[1720320u + sample.w * 1u + c] = (a0).w; }
        }
        // out: result_34 [rows, 2]
        for (var f = 0u; f < 2u * once; f++) {
            let result_34 = tile[(38u + f) * 8u + row_lane];
            if (valid.x) { rollout_f32[802816u + sample.x * 2u + f] = (result_34).x; }
            if (valid.y) { rollout_f32[802816u + sample.y * 2u + f] = (result_34).y; }
            if (valid.z) { rollout_f32[802816u + sample.z * 2u + f] = (result_34).z; }
            if (valid.w) { rollout_f32[802816u + sample.w * 2u + f] = (result_34).w; }
        }
        for (var i = 0u; i < 4u * once; i++) {
            let one = row.x + i;
            if (one < args.rows) {
                run_step(one, t);
            }
        }
    }
}
