// Graph `policyflow_update` as one kernel: a workgroup owns a tile of 32 rows.
// 8 x 1 invocations (rows / 4 x columns); 250 features in workgroup memory, 343 in scratch; limits 32768 B, 256 invocations.
//   in  obs [rows, 4]
//   in  z [rows, 2]
//   in  phi1 [rows, 2]
//   in  noise [rows, 2]
//   in  logp_old [rows, 1]
//   in  adv [rows, 1]
//   in  ret [rows, 1]

// Twin: fuse::TileArgs.
struct Args {
    rows: u32,
    first_row: u32,
    shuffle_count: u32,
    step: u32,
    seed_lo: u32,
    seed_hi: u32,
    iteration: u32,
    shuffle_stream: u32,
}
var<immediate> args: Args;

@group(0) @binding(0) var<uniform> frozen: array<vec4f, 1000>;
@group(0) @binding(1) var<uniform> params: array<vec4f, 895>;
@group(0) @binding(2) var<storage, read> frozen_f32: array<f32>;
@group(0) @binding(3) var<storage, read> params_f32: array<f32>;
@group(0) @binding(4) var<storage, read> rollout_f32: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<vec4f>;

var<workgroup> tile: array<vec4f, 2000>; // [feature][row lane], 4 rows a lane

// shaders/lib/rng.wgsl


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
    let scratch_base = workgroup.x * 2744u;
    let within = vec4u(args.first_row) + min(row, vec4u(args.rows - 1u));
    let shuffle_key = vec4u(args.seed_lo, args.seed_hi, args.shuffle_stream, args.iteration);
    var sample = vec4u(0u);
    for (var i = 0u; i < 4u; i++) {
        sample[i] = shuffled(within[i], args.shuffle_count, shuffle_key);
    }
    let draw_row = sample;
    let draw_step = args.step;
    // [rows, 4]: obs_1
    for (var f = 0u; f < 4u * once; f++) {
        let obs_1 = vec4f(rollout_f32[0u + sample.x * 4u + f], rollout_f32[0u + sample.y * 4u + f], rollout_f32[0u + sample.z * 4u + f], rollout_f32[0u + sample.w * 4u + f]);
        tile[f * 8u + row_lane] = obs_1;
        scratch[scratch_base + (105u + f) * 8u + row_lane] = obs_1;
    }
    // [rows, 1]: uniform_draw_8, mul_10, floor_11, min_13, div_15, sub_18
    let uniform_draw_8 = uniform4(3u, draw_step, draw_row, 0u);
    let mul_10 = uniform_draw_8 * 9.0f;
    let floor_11 = floor(mul_10);
    let min_13 = min(floor_11, vec4f(8.0f));
    let div_15 = min_13 / 8.0f;
    let sub_18 = 1.0f - div_15;
    // [rows, 32]: gather_16
    for (var f = 0u; f < 32u * once; f++) {
        let gather_16 = vec4f(frozen_f32[3584u + u32(min_13.x) * 32u + f], frozen_f32[3584u + u32(min_13.y) * 32u + f], frozen_f32[3584u + u32(min_13.z) * 32u + f], frozen_f32[3584u + u32(min_13.w) * 32u + f]);
        tile[(4u + f) * 8u + row_lane] = gather_16;
    }
    // dense_17 [rows, 32] = obs_1 [4] · fold.state
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
        tile[(36u + c) * 8u + row_lane] = a0;
        tile[(36u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(36u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(36u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(36u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(36u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(36u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(36u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 2]: broadcast_19, mul_20, broadcast_21 … sin_59
    for (var f = 0u; f < 2u * once; f++) {
        tile[(68u + f) * 8u + row_lane] = sub_18;
        let z_2 = vec4f(rollout_f32[540672u + sample.x * 2u + f], rollout_f32[540672u + sample.y * 2u + f], rollout_f32[540672u + sample.z * 2u + f], rollout_f32[540672u + sample.w * 2u + f]);
        let mul_20 = z_2 * sub_18;
        tile[(70u + f) * 8u + row_lane] = div_15;
        let phi1_3 = vec4f(rollout_f32[802816u + sample.x * 2u + f], rollout_f32[802816u + sample.y * 2u + f], rollout_f32[802816u + sample.z * 2u + f], rollout_f32[802816u + sample.w * 2u + f]);
        let mul_22 = phi1_3 * div_15;
        let add_23 = mul_20 + mul_22;
        tile[(72u + f) * 8u + row_lane] = add_23;
        scratch[scratch_base + (239u + f) * 8u + row_lane] = add_23;
        let actor_freqs_44 = params_f32[3580u + f];
        let mul_45 = div_15 * actor_freqs_44;
        let add_48 = mul_45 + 0.5f;
        let floor_49 = floor(add_48);
        let sub_50 = mul_45 - floor_49;
        let mul_53 = sub_50 * 6.2831855f;
        let mul_56 = sub_50 * (-1.7484555e-7f);
        let add_57 = mul_53 + mul_56;
        let cos_58 = cos(add_57);
        tile[(74u + f) * 8u + row_lane] = cos_58;
        scratch[scratch_base + (321u + f) * 8u + row_lane] = cos_58;
        let sin_59 = sin(add_57);
        tile[(76u + f) * 8u + row_lane] = sin_59;
        scratch[scratch_base + (339u + f) * 8u + row_lane] = sin_59;
    }
    // dense_24 [rows, 32] = add_23 [2] · old.mlp.0.w[0..2]
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
            let x0 = tile[72u * 8u + row_lane];
            let w00 = frozen[(432u + 0u * 32u + c) / 4u];
            let w01 = frozen[(436u + 0u * 32u + c) / 4u];
            let x1 = tile[(72u + (0u + 1u)) * 8u + row_lane];
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
        tile[(78u + c) * 8u + row_lane] = a0;
        tile[(78u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(78u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(78u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(78u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(78u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(78u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(78u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: add_25, add_26, tanh_27
    for (var f = 0u; f < 32u * once; f++) {
        let gather_16 = tile[(4u + f) * 8u + row_lane];
        let dense_17 = tile[(36u + f) * 8u + row_lane];
        let add_25 = gather_16 + dense_17;
        let dense_24 = tile[(78u + f) * 8u + row_lane];
        let add_26 = dense_24 + add_25;
        let tanh_27 = tanh4(add_26);
        tile[(110u + f) * 8u + row_lane] = tanh_27;
    }
    // dense_28 [rows, 32] = tanh_27 [32] · old.mlp.1.w + old.mlp.1.b
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
            let x0 = tile[(110u + k) * 8u + row_lane];
            let w00 = frozen[(1040u + k * 32u + c) / 4u];
            let w01 = frozen[(1044u + k * 32u + c) / 4u];
            let x1 = tile[(110u + (k + 1u)) * 8u + row_lane];
            let w10 = frozen[(1072u + k * 32u + c) / 4u];
            let w11 = frozen[(1076u + k * 32u + c) / 4u];
            let x2 = tile[(110u + (k + 2u)) * 8u + row_lane];
            let w20 = frozen[(1104u + k * 32u + c) / 4u];
            let w21 = frozen[(1108u + k * 32u + c) / 4u];
            let x3 = tile[(110u + (k + 3u)) * 8u + row_lane];
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
        tile[(4u + c) * 8u + row_lane] = a0;
        tile[(4u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(4u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(4u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(4u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(4u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(4u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(4u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: tanh_29
    for (var f = 0u; f < 32u * once; f++) {
        let dense_28 = tile[(4u + f) * 8u + row_lane];
        let tanh_29 = tanh4(dense_28);
        tile[(36u + f) * 8u + row_lane] = tanh_29;
    }
    // dense_30 [rows, 2] = tanh_29 [32] · old.mlp.2.w + old.mlp.2.b
    {
        let c = 0u;
        let b0 = frozen[(c + 2224u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(36u + k) * 8u + row_lane];
            let w00 = frozen[(2096u + k * 4u + c) / 4u];
            let x1 = tile[(36u + (k + 1u)) * 8u + row_lane];
            let w10 = frozen[(2100u + k * 4u + c) / 4u];
            let x2 = tile[(36u + (k + 2u)) * 8u + row_lane];
            let w20 = frozen[(2104u + k * 4u + c) / 4u];
            let x3 = tile[(36u + (k + 3u)) * 8u + row_lane];
            let w30 = frozen[(2108u + k * 4u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
        }
        tile[(4u + c) * 8u + row_lane] = a0;
        tile[(4u + (c + 1u)) * 8u + row_lane] = a1;
    }
    // dense_43 [rows, 16] = obs_1 [4] · actor.s.w + actor.s.b
    for (var c = 0u; c < 16u * once; c += 8u) {
        let b0 = params[(c + 416u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 420u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        for (var k = 0u; k < 4u * once; k += 4u) {
            let x0 = tile[k * 8u + row_lane];
            let w00 = params[(352u + k * 16u + c) / 4u];
            let w01 = params[(356u + k * 16u + c) / 4u];
            let x1 = tile[(k + 1u) * 8u + row_lane];
            let w10 = params[(368u + k * 16u + c) / 4u];
            let w11 = params[(372u + k * 16u + c) / 4u];
            let x2 = tile[(k + 2u) * 8u + row_lane];
            let w20 = params[(384u + k * 16u + c) / 4u];
            let w21 = params[(388u + k * 16u + c) / 4u];
            let x3 = tile[(k + 3u) * 8u + row_lane];
            let w30 = params[(400u + k * 16u + c) / 4u];
            let w31 = params[(404u + k * 16u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
            a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
            a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
            a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
            a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
        }
        tile[(6u + c) * 8u + row_lane] = a0;
        tile[(6u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(6u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(6u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(6u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(6u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(6u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(6u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // dense_60 [rows, 16] = cos_58 [2] · actor.t1.w[0..2] + sin_59 [2] · actor.t1.w[2..4] + actor.t1.b
    for (var c = 0u; c < 16u * once; c += 8u) {
        let b0 = params[(c + 64u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 68u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        {
            let x0 = tile[74u * 8u + row_lane];
            let w00 = params[(0u + 0u * 16u + c) / 4u];
            let w01 = params[(4u + 0u * 16u + c) / 4u];
            let x1 = tile[(74u + (0u + 1u)) * 8u + row_lane];
            let w10 = params[(16u + 0u * 16u + c) / 4u];
            let w11 = params[(20u + 0u * 16u + c) / 4u];
            a0 = fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0));
            a1 = fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1));
            a2 = fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2));
            a3 = fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3));
            a4 = fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4));
            a5 = fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5));
            a6 = fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6));
            a7 = fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7));
        }
        {
            let x0 = tile[76u * 8u + row_lane];
            let w00 = params[(32u + 0u * 16u + c) / 4u];
            let w01 = params[(36u + 0u * 16u + c) / 4u];
            let x1 = tile[(76u + (0u + 1u)) * 8u + row_lane];
            let w10 = params[(48u + 0u * 16u + c) / 4u];
            let w11 = params[(52u + 0u * 16u + c) / 4u];
            a0 = fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0));
            a1 = fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1));
            a2 = fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2));
            a3 = fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3));
            a4 = fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4));
            a5 = fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5));
            a6 = fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6));
            a7 = fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7));
        }
        tile[(22u + c) * 8u + row_lane] = a0;
        tile[(22u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(22u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(22u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(22u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(22u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(22u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(22u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 16]: mish_61, mishslope_185
    for (var f = 0u; f < 16u * once; f++) {
        let dense_60 = tile[(22u + f) * 8u + row_lane];
        let mish_61 = mish4(dense_60);
        tile[(38u + f) * 8u + row_lane] = mish_61;
        scratch[scratch_base + (289u + f) * 8u + row_lane] = mish_61;
        let mishslope_185 = mish_slope4(dense_60);
        tile[(74u + f) * 8u + row_lane] = mishslope_185;
    }
    // dense_62 [rows, 16] = mish_61 [16] · actor.t2.w + actor.t2.b
    for (var c = 0u; c < 16u * once; c += 8u) {
        let b0 = params[(c + 336u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 340u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        for (var k = 0u; k < 16u * once; k += 4u) {
            let x0 = tile[(38u + k) * 8u + row_lane];
            let w00 = params[(80u + k * 16u + c) / 4u];
            let w01 = params[(84u + k * 16u + c) / 4u];
            let x1 = tile[(38u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(96u + k * 16u + c) / 4u];
            let w11 = params[(100u + k * 16u + c) / 4u];
            let x2 = tile[(38u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(112u + k * 16u + c) / 4u];
            let w21 = params[(116u + k * 16u + c) / 4u];
            let x3 = tile[(38u + (k + 3u)) * 8u + row_lane];
            let w30 = params[(128u + k * 16u + c) / 4u];
            let w31 = params[(132u + k * 16u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
            a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
            a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
            a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
            a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
        }
        tile[(22u + c) * 8u + row_lane] = a0;
        tile[(22u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(22u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(22u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(22u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(22u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(22u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(22u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 16]: add_63
    for (var f = 0u; f < 16u * once; f++) {
        let dense_43 = tile[(6u + f) * 8u + row_lane];
        let dense_62 = tile[(22u + f) * 8u + row_lane];
        let add_63 = dense_43 + dense_62;
        tile[(38u + f) * 8u + row_lane] = add_63;
        scratch[scratch_base + (273u + f) * 8u + row_lane] = add_63;
    }
    // dense_64 [rows, 32] = add_23 [2] · actor.mlp.0.w[0..2] + add_63 [16] · actor.mlp.0.w[2..18] + actor.mlp.0.b
    for (var c = 0u; c < 32u * once; c += 8u) {
        let b0 = params[(c + 1008u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 1012u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        {
            let x0 = tile[72u * 8u + row_lane];
            let w00 = params[(432u + 0u * 32u + c) / 4u];
            let w01 = params[(436u + 0u * 32u + c) / 4u];
            let x1 = tile[(72u + (0u + 1u)) * 8u + row_lane];
            let w10 = params[(464u + 0u * 32u + c) / 4u];
            let w11 = params[(468u + 0u * 32u + c) / 4u];
            a0 = fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0));
            a1 = fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1));
            a2 = fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2));
            a3 = fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3));
            a4 = fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4));
            a5 = fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5));
            a6 = fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6));
            a7 = fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7));
        }
        for (var k = 0u; k < 16u * once; k += 4u) {
            let x0 = tile[(38u + k) * 8u + row_lane];
            let w00 = params[(496u + k * 32u + c) / 4u];
            let w01 = params[(500u + k * 32u + c) / 4u];
            let x1 = tile[(38u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(528u + k * 32u + c) / 4u];
            let w11 = params[(532u + k * 32u + c) / 4u];
            let x2 = tile[(38u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(560u + k * 32u + c) / 4u];
            let w21 = params[(564u + k * 32u + c) / 4u];
            let x3 = tile[(38u + (k + 3u)) * 8u + row_lane];
            let w30 = params[(592u + k * 32u + c) / 4u];
            let w31 = params[(596u + k * 32u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
            a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
            a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
            a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
            a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
        }
        tile[(6u + c) * 8u + row_lane] = a0;
        tile[(6u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(6u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(6u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(6u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(6u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(6u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(6u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: tanh_65, mul_180, sub_181
    for (var f = 0u; f < 32u * once; f++) {
        let dense_64 = tile[(6u + f) * 8u + row_lane];
        let tanh_65 = tanh4(dense_64);
        tile[(90u + f) * 8u + row_lane] = tanh_65;
        scratch[scratch_base + (175u + f) * 8u + row_lane] = tanh_65;
        let mul_180 = tanh_65 * tanh_65;
        let sub_181 = 1.0f - mul_180;
        tile[(122u + f) * 8u + row_lane] = sub_181;
    }
    // dense_66 [rows, 32] = tanh_65 [32] · actor.mlp.1.w + actor.mlp.1.b
    for (var c = 0u; c < 32u * once; c += 8u) {
        let b0 = params[(c + 2064u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 2068u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(90u + k) * 8u + row_lane];
            let w00 = params[(1040u + k * 32u + c) / 4u];
            let w01 = params[(1044u + k * 32u + c) / 4u];
            let x1 = tile[(90u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(1072u + k * 32u + c) / 4u];
            let w11 = params[(1076u + k * 32u + c) / 4u];
            let x2 = tile[(90u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(1104u + k * 32u + c) / 4u];
            let w21 = params[(1108u + k * 32u + c) / 4u];
            let x3 = tile[(90u + (k + 3u)) * 8u + row_lane];
            let w30 = params[(1136u + k * 32u + c) / 4u];
            let w31 = params[(1140u + k * 32u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
            a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
            a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
            a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
            a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
        }
        tile[(6u + c) * 8u + row_lane] = a0;
        tile[(6u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(6u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(6u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(6u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(6u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(6u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(6u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: tanh_67, mul_176, sub_177
    for (var f = 0u; f < 32u * once; f++) {
        let dense_66 = tile[(6u + f) * 8u + row_lane];
        let tanh_67 = tanh4(dense_66);
        tile[(90u + f) * 8u + row_lane] = tanh_67;
        scratch[scratch_base + (141u + f) * 8u + row_lane] = tanh_67;
        let mul_176 = tanh_67 * tanh_67;
        let sub_177 = 1.0f - mul_176;
        tile[(154u + f) * 8u + row_lane] = sub_177;
    }
    // dense_68 [rows, 2] = tanh_67 [32] · actor.mlp.2.w + actor.mlp.2.b
    {
        let c = 0u;
        let b0 = params[(c + 2224u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(90u + k) * 8u + row_lane];
            let w00 = params[(2096u + k * 4u + c) / 4u];
            let x1 = tile[(90u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(2100u + k * 4u + c) / 4u];
            let x2 = tile[(90u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(2104u + k * 4u + c) / 4u];
            let x3 = tile[(90u + (k + 3u)) * 8u + row_lane];
            let w30 = params[(2108u + k * 4u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
        }
        tile[(6u + c) * 8u + row_lane] = a0;
        tile[(6u + (c + 1u)) * 8u + row_lane] = a1;
    }
    // [rows, 2]: sub_69, sub_70, div_71 … sum_105
    var sum_80 = vec4f(0.0);
    var sum_88 = vec4f(0.0);
    var sum_105 = vec4f(0.0);
    for (var f = 0u; f < 2u * once; f++) {
        let dense_68 = tile[(6u + f) * 8u + row_lane];
        let dense_30 = tile[(4u + f) * 8u + row_lane];
        let sub_69 = dense_68 - dense_30;
        let noise_4 = vec4f(rollout_f32[1064960u + sample.x * 2u + f], rollout_f32[1064960u + sample.y * 2u + f], rollout_f32[1064960u + sample.z * 2u + f], rollout_f32[1064960u + sample.w * 2u + f]);
        let sub_70 = noise_4 - sub_69;
        let actor_log_std_31 = params_f32[2228u + f];
        let max_35 = max(actor_log_std_31, (-20.0f));
        let min_37 = min(max_35, 4.0f);
        let exp_38 = exp(min_37);
        let div_71 = sub_70 / exp_38;
        tile[(8u + f) * 8u + row_lane] = div_71;
        let mul_72 = div_71 * div_71;
        let mul_75 = mul_72 * (-0.5f);
        let sub_76 = mul_75 - min_37;
        let add_79 = sub_76 + (-0.9189385f);
        let broadcast_21 = tile[(70u + f) * 8u + row_lane];
        let mul_83 = broadcast_21 * dense_30;
        let add_23 = tile[(72u + f) * 8u + row_lane];
        let sub_84 = add_23 - mul_83;
        let broadcast_19 = tile[(68u + f) * 8u + row_lane];
        let mul_85 = broadcast_19 * dense_68;
        let sub_86 = mul_85 - sub_84;
        let mul_87 = sub_86 * sub_86;
        let mul_97 = sub_69 * sub_69;
        let old_log_std_39 = frozen_f32[2228u + f];
        let max_40 = max(old_log_std_39, (-20.0f));
        let min_41 = min(max_40, 4.0f);
        let exp_42 = exp(min_41);
        let mul_96 = exp_42 * exp_42;
        let add_98 = mul_96 + mul_97;
        let mul_99 = exp_38 * exp_38;
        let mul_101 = mul_99 * 2.0f;
        let div_102 = add_98 / mul_101;
        let div_91 = exp_38 / exp_42;
        let add_94 = div_91 + 1e-5f;
        let log_95 = log(add_94);
        let add_103 = log_95 + div_102;
        let add_104 = add_103 + (-0.5f);
        let mul_162 = sub_86 * 0.125f;
        let add_163 = mul_162 + mul_162;
        let mul_164 = broadcast_19 * add_163;
        tile[(10u + f) * 8u + row_lane] = mul_164;
        sum_80 += add_79;
        sum_88 += mul_87;
        sum_105 += add_104;
    }
    scratch[scratch_base + 5u * 8u + row_lane] = select(vec4f(0.0), sum_105, valid);
    // [rows, 1]: sub_81, exp_82, div_90 … sub_188
    let logp_old_5 = vec4f(rollout_f32[1589248u + sample.x * 1u + 0u], rollout_f32[1589248u + sample.y * 1u + 0u], rollout_f32[1589248u + sample.z * 1u + 0u], rollout_f32[1589248u + sample.w * 1u + 0u]);
    let sub_81 = sum_80 - logp_old_5;
    let exp_82 = exp(sub_81);
    let div_90 = sum_88 / 2.0f;
    let max_108 = max(exp_82, vec4f(0.8f));
    let min_109 = min(max_108, vec4f(1.2f));
    let adv_6 = vec4f(rollout_f32[2117632u + sample.x * 1u + 0u], rollout_f32[2117632u + sample.y * 1u + 0u], rollout_f32[2117632u + sample.z * 1u + 0u], rollout_f32[2117632u + sample.w * 1u + 0u]);
    let mul_110 = adv_6 * exp_82;
    let mul_111 = adv_6 * min_109;
    let min_112 = min(mul_110, mul_111);
    let neg_113 = -min_112;
    scratch[scratch_base + 1u * 8u + row_lane] = select(vec4f(0.0), neg_113, valid);
    let mul_121 = div_90 * 0.25f;
    scratch[scratch_base + 3u * 8u + row_lane] = select(vec4f(0.0), mul_121, valid);
    let add_133 = exp_82 + (-1.0f);
    let abs_134 = abs(add_133);
    let less_136 = select(vec4f(0.0), vec4f(1.0), vec4f(0.2f) < abs_134);
    scratch[scratch_base + 6u * 8u + row_lane] = select(vec4f(0.0), less_136, valid);
    let less_151 = select(vec4f(0.0), vec4f(1.0), mul_111 < mul_110);
    let select_152 = select(vec4f((-1.0f)), vec4f(0.0f), less_151 != vec4f(0.0));
    let select_153 = select(vec4f(0.0f), vec4f((-1.0f)), less_151 != vec4f(0.0));
    let mul_154 = adv_6 * select_153;
    let mul_155 = adv_6 * select_152;
    let less_156 = select(vec4f(0.0), vec4f(1.0), vec4f(1.2f) < max_108);
    let select_157 = select(mul_154, vec4f(0.0f), less_156 != vec4f(0.0));
    let less_158 = select(vec4f(0.0), vec4f(1.0), exp_82 < vec4f(0.8f));
    let select_159 = select(select_157, vec4f(0.0f), less_158 != vec4f(0.0));
    let add_165 = mul_155 + select_159;
    let mul_166 = exp_82 * add_165;
    let mul_167 = mul_166 * (-0.5f);
    let sub_188 = (-0.001f) - mul_166;
    // [rows, 2]: sum_117
    var sum_117 = vec4f(0.0);
    for (var f = 0u; f < 2u * once; f++) {
        let actor_log_std_31 = params_f32[2228u + f];
        let max_35 = max(actor_log_std_31, (-20.0f));
        let min_37 = min(max_35, 4.0f);
        let add_116 = min_37 + 1.4189385f;
        sum_117 += vec4f(add_116);
    }
    // [rows, 1]: mul_119, sub_129, add_130
    let mul_119 = sum_117 * (-0.001f);
    scratch[scratch_base + 2u * 8u + row_lane] = select(vec4f(0.0), mul_119, valid);
    let sub_129 = mul_119 - min_112;
    let add_130 = mul_121 + sub_129;
    // dense_122 [rows, 32] = obs_1 [4] · critic.mlp.0.w + critic.mlp.0.b
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
        tile[(12u + c) * 8u + row_lane] = a0;
        tile[(12u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(12u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(12u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(12u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(12u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(12u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(12u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: tanh_123, mul_147, sub_148
    for (var f = 0u; f < 32u * once; f++) {
        let dense_122 = tile[(12u + f) * 8u + row_lane];
        let tanh_123 = tanh4(dense_122);
        tile[(90u + f) * 8u + row_lane] = tanh_123;
        scratch[scratch_base + (41u + f) * 8u + row_lane] = tanh_123;
        let mul_147 = tanh_123 * tanh_123;
        let sub_148 = 1.0f - mul_147;
        tile[(186u + f) * 8u + row_lane] = sub_148;
    }
    // dense_124 [rows, 32] = tanh_123 [32] · critic.mlp.1.w + critic.mlp.1.b
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
            let x0 = tile[(90u + k) * 8u + row_lane];
            let w00 = params[(2392u + k * 32u + c) / 4u];
            let w01 = params[(2396u + k * 32u + c) / 4u];
            let x1 = tile[(90u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(2424u + k * 32u + c) / 4u];
            let w11 = params[(2428u + k * 32u + c) / 4u];
            let x2 = tile[(90u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(2456u + k * 32u + c) / 4u];
            let w21 = params[(2460u + k * 32u + c) / 4u];
            let x3 = tile[(90u + (k + 3u)) * 8u + row_lane];
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
        tile[(12u + c) * 8u + row_lane] = a0;
        tile[(12u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(12u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(12u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(12u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(12u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(12u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(12u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: tanh_125, mul_142, sub_144
    for (var f = 0u; f < 32u * once; f++) {
        let dense_124 = tile[(12u + f) * 8u + row_lane];
        let tanh_125 = tanh4(dense_124);
        tile[(90u + f) * 8u + row_lane] = tanh_125;
        scratch[scratch_base + (8u + f) * 8u + row_lane] = tanh_125;
        let mul_142 = tanh_125 * tanh_125;
        let sub_144 = 1.0f - mul_142;
        tile[(218u + f) * 8u + row_lane] = sub_144;
    }
    // dense_126 [rows, 1] = tanh_125 [32] · critic.mlp.2.w + critic.mlp.2.b
    {
        let c = 0u;
        let b0 = params[(c + 3576u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(90u + k) * 8u + row_lane];
            let w00 = params[(3448u + k * 4u + c) / 4u];
            let x1 = tile[(90u + (k + 1u)) * 8u + row_lane];
            let w10 = params[(3452u + k * 4u + c) / 4u];
            let x2 = tile[(90u + (k + 2u)) * 8u + row_lane];
            let w20 = params[(3456u + k * 4u + c) / 4u];
            let x3 = tile[(90u + (k + 3u)) * 8u + row_lane];
            let w30 = params[(3460u + k * 4u + c) / 4u];
            a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
            a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
            a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
            a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
        }
        tile[c * 8u + row_lane] = a0;
    }
    // [rows, 1]: sub_127, mul_128, add_131, add_139, neg_140
    let ret_7 = vec4f(rollout_f32[2248704u + sample.x * 1u + 0u], rollout_f32[2248704u + sample.y * 1u + 0u], rollout_f32[2248704u + sample.z * 1u + 0u], rollout_f32[2248704u + sample.w * 1u + 0u]);
    let dense_126 = tile[0u * 8u + row_lane];
    let sub_127 = ret_7 - dense_126;
    let mul_128 = sub_127 * sub_127;
    scratch[scratch_base + 4u * 8u + row_lane] = select(vec4f(0.0), mul_128, valid);
    let add_131 = mul_128 + add_130;
    scratch[scratch_base + 0u * 8u + row_lane] = select(vec4f(0.0), add_131, valid);
    let add_139 = sub_127 + sub_127;
    let neg_140 = -add_139;
    tile[1u * 8u + row_lane] = neg_140;
    scratch[scratch_base + 40u * 8u + row_lane] = select(vec4f(0.0), neg_140, valid);
    // [rows, 2]: sum_137
    var sum_137 = vec4f(0.0);
    for (var f = 0u; f < 2u * once; f++) {
        let actor_log_std_31 = params_f32[2228u + f];
        let max_35 = max(actor_log_std_31, (-20.0f));
        let min_37 = min(max_35, 4.0f);
        let exp_38 = exp(min_37);
        sum_137 += vec4f(exp_38);
    }
    // [rows, 1]: div_138
    let div_138 = sum_137 / 2.0f;
    scratch[scratch_base + 7u * 8u + row_lane] = select(vec4f(0.0), div_138, valid);
    // dense_141 [rows, 32] = neg_140 [1] · critic.mlp.2.wᵀ
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
            let x0 = tile[1u * 8u + row_lane];
            let w0 = params[(3448u + (c + 0u) * 4u + 0u) / 4u];
            let w1 = params[(3448u + (c + 1u) * 4u + 0u) / 4u];
            let w2 = params[(3448u + (c + 2u) * 4u + 0u) / 4u];
            let w3 = params[(3448u + (c + 3u) * 4u + 0u) / 4u];
            let w4 = params[(3448u + (c + 4u) * 4u + 0u) / 4u];
            let w5 = params[(3448u + (c + 5u) * 4u + 0u) / 4u];
            let w6 = params[(3448u + (c + 6u) * 4u + 0u) / 4u];
            let w7 = params[(3448u + (c + 7u) * 4u + 0u) / 4u];
            a0 = fma(x0, vec4f(w0.x), a0);
            a1 = fma(x0, vec4f(w1.x), a1);
            a2 = fma(x0, vec4f(w2.x), a2);
            a3 = fma(x0, vec4f(w3.x), a3);
            a4 = fma(x0, vec4f(w4.x), a4);
            a5 = fma(x0, vec4f(w5.x), a5);
            a6 = fma(x0, vec4f(w6.x), a6);
            a7 = fma(x0, vec4f(w7.x), a7);
        }
        tile[(12u + c) * 8u + row_lane] = a0;
        tile[(12u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(12u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(12u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(12u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(12u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(12u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(12u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: mul_145
    for (var f = 0u; f < 32u * once; f++) {
        let dense_141 = tile[(12u + f) * 8u + row_lane];
        let sub_144 = tile[(218u + f) * 8u + row_lane];
        let mul_145 = dense_141 * sub_144;
        tile[(90u + f) * 8u + row_lane] = mul_145;
        scratch[scratch_base + (73u + f) * 8u + row_lane] = select(vec4f(0.0), mul_145, valid);
    }
    // dense_146 [rows, 32] = mul_145 [32] · critic.mlp.1.wᵀ
    for (var c = 0u; c < 32u * once; c += 8u) {
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var a4 = vec4f(0.0);
        var a5 = vec4f(0.0);
        var a6 = vec4f(0.0);
        var a7 = vec4f(0.0);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(90u + k) * 8u + row_lane];
            let x1 = tile[(90u + (k + 1u)) * 8u + row_lane];
            let x2 = tile[(90u + (k + 2u)) * 8u + row_lane];
            let x3 = tile[(90u + (k + 3u)) * 8u + row_lane];
            let w0 = params[(2392u + (c + 0u) * 32u + k) / 4u];
            let w1 = params[(2392u + (c + 1u) * 32u + k) / 4u];
            let w2 = params[(2392u + (c + 2u) * 32u + k) / 4u];
            let w3 = params[(2392u + (c + 3u) * 32u + k) / 4u];
            let w4 = params[(2392u + (c + 4u) * 32u + k) / 4u];
            let w5 = params[(2392u + (c + 5u) * 32u + k) / 4u];
            let w6 = params[(2392u + (c + 6u) * 32u + k) / 4u];
            let w7 = params[(2392u + (c + 7u) * 32u + k) / 4u];
            a0 = fma(x3, vec4f(w0.w), fma(x2, vec4f(w0.z), fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0))));
            a1 = fma(x3, vec4f(w1.w), fma(x2, vec4f(w1.z), fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1))));
            a2 = fma(x3, vec4f(w2.w), fma(x2, vec4f(w2.z), fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2))));
            a3 = fma(x3, vec4f(w3.w), fma(x2, vec4f(w3.z), fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3))));
            a4 = fma(x3, vec4f(w4.w), fma(x2, vec4f(w4.z), fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4))));
            a5 = fma(x3, vec4f(w5.w), fma(x2, vec4f(w5.z), fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5))));
            a6 = fma(x3, vec4f(w6.w), fma(x2, vec4f(w6.z), fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6))));
            a7 = fma(x3, vec4f(w7.w), fma(x2, vec4f(w7.z), fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7))));
        }
        tile[(12u + c) * 8u + row_lane] = a0;
        tile[(12u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(12u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(12u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(12u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(12u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(12u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(12u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 32]: mul_149
    for (var f = 0u; f < 32u * once; f++) {
        let dense_146 = tile[(12u + f) * 8u + row_lane];
        let sub_148 = tile[(186u + f) * 8u + row_lane];
        let mul_149 = dense_146 * sub_148;
        scratch[scratch_base + (109u + f) * 8u + row_lane] = select(vec4f(0.0), mul_149, valid);
    }
    // [rows, 2]: broadcast_168, mul_169, add_170 … mul_187
    for (var f = 0u; f < 2u * once; f++) {
        let div_71 = tile[(8u + f) * 8u + row_lane];
        let mul_169 = div_71 * mul_167;
        let add_170 = mul_169 + mul_169;
        let actor_log_std_31 = params_f32[2228u + f];
        let max_35 = max(actor_log_std_31, (-20.0f));
        let min_37 = min(max_35, 4.0f);
        let exp_38 = exp(min_37);
        let div_171 = add_170 / exp_38;
        let mul_172 = div_71 * div_171;
        let neg_173 = -mul_172;
        let mul_164 = tile[(10u + f) * 8u + row_lane];
        let sub_174 = mul_164 - div_171;
        tile[f * 8u + row_lane] = sub_174;
        scratch[scratch_base + (173u + f) * 8u + row_lane] = select(vec4f(0.0), sub_174, valid);
        let mul_187 = exp_38 * neg_173;
        tile[(2u + f) * 8u + row_lane] = mul_187;
    }
    // dense_175 [rows, 32] = sub_174 [2] · actor.mlp.2.wᵀ
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
            let x0 = tile[0u * 8u + row_lane];
            let x1 = tile[(0u + 1u) * 8u + row_lane];
            let w0 = params[(2096u + (c + 0u) * 4u + 0u) / 4u];
            let w1 = params[(2096u + (c + 1u) * 4u + 0u) / 4u];
            let w2 = params[(2096u + (c + 2u) * 4u + 0u) / 4u];
            let w3 = params[(2096u + (c + 3u) * 4u + 0u) / 4u];
            let w4 = params[(2096u + (c + 4u) * 4u + 0u) / 4u];
            let w5 = params[(2096u + (c + 5u) * 4u + 0u) / 4u];
            let w6 = params[(2096u + (c + 6u) * 4u + 0u) / 4u];
            let w7 = params[(2096u + (c + 7u) * 4u + 0u) / 4u];
            a0 = fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0));
            a1 = fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1));
            a2 = fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2));
            a3 = fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3));
            a4 = fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4));
            a5 = fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5));
            a6 = fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6));
            a7 = fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7));
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
    // [rows, 32]: mul_178
    for (var f = 0u; f < 32u * once; f++) {
        let dense_175 = tile[(4u + f) * 8u + row_lane];
        let sub_177 = tile[(154u + f) * 8u + row_lane];
        let mul_178 = dense_175 * sub_177;
        tile[(36u + f) * 8u + row_lane] = mul_178;
        scratch[scratch_base + (207u + f) * 8u + row_lane] = select(vec4f(0.0), mul_178, valid);
    }
    // dense_179 [rows, 32] = mul_178 [32] · actor.mlp.1.wᵀ
    for (var c = 0u; c < 32u * once; c += 8u) {
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var a4 = vec4f(0.0);
        var a5 = vec4f(0.0);
        var a6 = vec4f(0.0);
        var a7 = vec4f(0.0);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(36u + k) * 8u + row_lane];
            let x1 = tile[(36u + (k + 1u)) * 8u + row_lane];
            let x2 = tile[(36u + (k + 2u)) * 8u + row_lane];
            let x3 = tile[(36u + (k + 3u)) * 8u + row_lane];
            let w0 = params[(1040u + (c + 0u) * 32u + k) / 4u];
            let w1 = params[(1040u + (c + 1u) * 32u + k) / 4u];
            let w2 = params[(1040u + (c + 2u) * 32u + k) / 4u];
            let w3 = params[(1040u + (c + 3u) * 32u + k) / 4u];
            let w4 = params[(1040u + (c + 4u) * 32u + k) / 4u];
            let w5 = params[(1040u + (c + 5u) * 32u + k) / 4u];
            let w6 = params[(1040u + (c + 6u) * 32u + k) / 4u];
            let w7 = params[(1040u + (c + 7u) * 32u + k) / 4u];
            a0 = fma(x3, vec4f(w0.w), fma(x2, vec4f(w0.z), fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0))));
            a1 = fma(x3, vec4f(w1.w), fma(x2, vec4f(w1.z), fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1))));
            a2 = fma(x3, vec4f(w2.w), fma(x2, vec4f(w2.z), fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2))));
            a3 = fma(x3, vec4f(w3.w), fma(x2, vec4f(w3.z), fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3))));
            a4 = fma(x3, vec4f(w4.w), fma(x2, vec4f(w4.z), fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4))));
            a5 = fma(x3, vec4f(w5.w), fma(x2, vec4f(w5.z), fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5))));
            a6 = fma(x3, vec4f(w6.w), fma(x2, vec4f(w6.z), fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6))));
            a7 = fma(x3, vec4f(w7.w), fma(x2, vec4f(w7.z), fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7))));
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
    // [rows, 32]: mul_182
    for (var f = 0u; f < 32u * once; f++) {
        let dense_179 = tile[(4u + f) * 8u + row_lane];
        let sub_181 = tile[(122u + f) * 8u + row_lane];
        let mul_182 = dense_179 * sub_181;
        tile[(36u + f) * 8u + row_lane] = mul_182;
        scratch[scratch_base + (241u + f) * 8u + row_lane] = select(vec4f(0.0), mul_182, valid);
    }
    // dense_183 [rows, 16] = mul_182 [32] · actor.mlp.0.w[2..18]ᵀ
    for (var c = 0u; c < 16u * once; c += 8u) {
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var a4 = vec4f(0.0);
        var a5 = vec4f(0.0);
        var a6 = vec4f(0.0);
        var a7 = vec4f(0.0);
        for (var k = 0u; k < 32u * once; k += 4u) {
            let x0 = tile[(36u + k) * 8u + row_lane];
            let x1 = tile[(36u + (k + 1u)) * 8u + row_lane];
            let x2 = tile[(36u + (k + 2u)) * 8u + row_lane];
            let x3 = tile[(36u + (k + 3u)) * 8u + row_lane];
            let w0 = params[(496u + (c + 0u) * 32u + k) / 4u];
            let w1 = params[(496u + (c + 1u) * 32u + k) / 4u];
            let w2 = params[(496u + (c + 2u) * 32u + k) / 4u];
            let w3 = params[(496u + (c + 3u) * 32u + k) / 4u];
            let w4 = params[(496u + (c + 4u) * 32u + k) / 4u];
            let w5 = params[(496u + (c + 5u) * 32u + k) / 4u];
            let w6 = params[(496u + (c + 6u) * 32u + k) / 4u];
            let w7 = params[(496u + (c + 7u) * 32u + k) / 4u];
            a0 = fma(x3, vec4f(w0.w), fma(x2, vec4f(w0.z), fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0))));
            a1 = fma(x3, vec4f(w1.w), fma(x2, vec4f(w1.z), fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1))));
            a2 = fma(x3, vec4f(w2.w), fma(x2, vec4f(w2.z), fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2))));
            a3 = fma(x3, vec4f(w3.w), fma(x2, vec4f(w3.z), fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3))));
            a4 = fma(x3, vec4f(w4.w), fma(x2, vec4f(w4.z), fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4))));
            a5 = fma(x3, vec4f(w5.w), fma(x2, vec4f(w5.z), fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5))));
            a6 = fma(x3, vec4f(w6.w), fma(x2, vec4f(w6.z), fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6))));
            a7 = fma(x3, vec4f(w7.w), fma(x2, vec4f(w7.z), fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7))));
        }
        tile[(4u + c) * 8u + row_lane] = a0;
        scratch[scratch_base + (305u + c) * 8u + row_lane] = select(vec4f(0.0), a0, valid);
        tile[(4u + (c + 1u)) * 8u + row_lane] = a1;
        scratch[scratch_base + (305u + (c + 1u)) * 8u + row_lane] = select(vec4f(0.0), a1, valid);
        tile[(4u + (c + 2u)) * 8u + row_lane] = a2;
        scratch[scratch_base + (305u + (c + 2u)) * 8u + row_lane] = select(vec4f(0.0), a2, valid);
        tile[(4u + (c + 3u)) * 8u + row_lane] = a3;
        scratch[scratch_base + (305u + (c + 3u)) * 8u + row_lane] = select(vec4f(0.0), a3, valid);
        tile[(4u + (c + 4u)) * 8u + row_lane] = a4;
        scratch[scratch_base + (305u + (c + 4u)) * 8u + row_lane] = select(vec4f(0.0), a4, valid);
        tile[(4u + (c + 5u)) * 8u + row_lane] = a5;
        scratch[scratch_base + (305u + (c + 5u)) * 8u + row_lane] = select(vec4f(0.0), a5, valid);
        tile[(4u + (c + 6u)) * 8u + row_lane] = a6;
        scratch[scratch_base + (305u + (c + 6u)) * 8u + row_lane] = select(vec4f(0.0), a6, valid);
        tile[(4u + (c + 7u)) * 8u + row_lane] = a7;
        scratch[scratch_base + (305u + (c + 7u)) * 8u + row_lane] = select(vec4f(0.0), a7, valid);
    }
    // dense_184 [rows, 16] = dense_183 [16] · actor.t2.wᵀ
    for (var c = 0u; c < 16u * once; c += 8u) {
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var a4 = vec4f(0.0);
        var a5 = vec4f(0.0);
        var a6 = vec4f(0.0);
        var a7 = vec4f(0.0);
        for (var k = 0u; k < 16u * once; k += 4u) {
            let x0 = tile[(4u + k) * 8u + row_lane];
            let x1 = tile[(4u + (k + 1u)) * 8u + row_lane];
            let x2 = tile[(4u + (k + 2u)) * 8u + row_lane];
            let x3 = tile[(4u + (k + 3u)) * 8u + row_lane];
            let w0 = params[(80u + (c + 0u) * 16u + k) / 4u];
            let w1 = params[(80u + (c + 1u) * 16u + k) / 4u];
            let w2 = params[(80u + (c + 2u) * 16u + k) / 4u];
            let w3 = params[(80u + (c + 3u) * 16u + k) / 4u];
            let w4 = params[(80u + (c + 4u) * 16u + k) / 4u];
            let w5 = params[(80u + (c + 5u) * 16u + k) / 4u];
            let w6 = params[(80u + (c + 6u) * 16u + k) / 4u];
            let w7 = params[(80u + (c + 7u) * 16u + k) / 4u];
            a0 = fma(x3, vec4f(w0.w), fma(x2, vec4f(w0.z), fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0))));
            a1 = fma(x3, vec4f(w1.w), fma(x2, vec4f(w1.z), fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1))));
            a2 = fma(x3, vec4f(w2.w), fma(x2, vec4f(w2.z), fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2))));
            a3 = fma(x3, vec4f(w3.w), fma(x2, vec4f(w3.z), fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3))));
            a4 = fma(x3, vec4f(w4.w), fma(x2, vec4f(w4.z), fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4))));
            a5 = fma(x3, vec4f(w5.w), fma(x2, vec4f(w5.z), fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5))));
            a6 = fma(x3, vec4f(w6.w), fma(x2, vec4f(w6.z), fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6))));
            a7 = fma(x3, vec4f(w7.w), fma(x2, vec4f(w7.z), fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7))));
        }
        tile[(20u + c) * 8u + row_lane] = a0;
        tile[(20u + (c + 1u)) * 8u + row_lane] = a1;
        tile[(20u + (c + 2u)) * 8u + row_lane] = a2;
        tile[(20u + (c + 3u)) * 8u + row_lane] = a3;
        tile[(20u + (c + 4u)) * 8u + row_lane] = a4;
        tile[(20u + (c + 5u)) * 8u + row_lane] = a5;
        tile[(20u + (c + 6u)) * 8u + row_lane] = a6;
        tile[(20u + (c + 7u)) * 8u + row_lane] = a7;
    }
    // [rows, 16]: mul_186
    for (var f = 0u; f < 16u * once; f++) {
        let dense_184 = tile[(20u + f) * 8u + row_lane];
        let mishslope_185 = tile[(74u + f) * 8u + row_lane];
        let mul_186 = dense_184 * mishslope_185;
        scratch[scratch_base + (323u + f) * 8u + row_lane] = select(vec4f(0.0), mul_186, valid);
    }
    // [rows, 2]: broadcast_189, add_190, select_192, select_194
    for (var f = 0u; f < 2u * once; f++) {
        let mul_187 = tile[(2u + f) * 8u + row_lane];
        let add_190 = mul_187 + sub_188;
        let actor_log_std_31 = params_f32[2228u + f];
        let max_35 = max(actor_log_std_31, (-20.0f));
        let less_191 = select(0.0, 1.0, 4.0f < max_35);
        let select_192 = select(add_190, vec4f(0.0f), vec4f(less_191) != vec4f(0.0));
        let less_193 = select(0.0, 1.0, actor_log_std_31 < (-20.0f));
        let select_194 = select(select_192, vec4f(0.0f), vec4f(less_193) != vec4f(0.0));
        scratch[scratch_base + (341u + f) * 8u + row_lane] = select(vec4f(0.0), select_194, valid);
    }
}
