// Graph `small` as one kernel: a workgroup owns a tile of 64 rows.
// 16 x 1 invocations (rows / 4 x columns); 20 features in workgroup memory, 39 in scratch; limits 16384 B, 256 invocations.
//   in  x [rows, 3]
//   out noisy [rows, 5]

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

@group(0) @binding(0) var<storage, read> params: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> rollout_f32: array<f32>;
@group(0) @binding(2) var<storage, read_write> scratch: array<vec4f>;

var<workgroup> tile: array<vec4f, 320>; // [feature][row lane], 4 rows a lane

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


@compute @workgroup_size(16)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) workgroup: vec3u) {
    let row_lane = lane;
    let row = vec4u((workgroup.x * 16u + row_lane) * 4u) + vec4u(0u, 1u, 2u, 3u);
    let valid = row < vec4u(args.rows);
    // Rows past the end repeat the last one; nothing of them is stored.
    let scratch_base = workgroup.x * 624u;
    let within = vec4u(args.first_row) + min(row, vec4u(args.rows - 1u));
    let sample = within;
    let draw_row = min(row, vec4u(args.rows - 1u));
    let draw_step = args.step;
    // [rows, 3]: x_0
    for (var f = 0u; f < 3u; f++) {
        let x_0 = vec4f(rollout_f32[0u + sample.x * 3u + f], rollout_f32[0u + sample.y * 3u + f], rollout_f32[0u + sample.z * 3u + f], rollout_f32[0u + sample.w * 3u + f]);
        tile[f * 16u + row_lane] = x_0;
        scratch[scratch_base + (21u + f) * 16u + row_lane] = x_0;
    }
    // dense_1 [rows, 5] = x_0 [3] · w + b
    {
        let c = 0u;
        let b0 = params[(c + 24u) / 4u];
        var a0 = vec4f(b0.x);
        var a1 = vec4f(b0.y);
        var a2 = vec4f(b0.z);
        var a3 = vec4f(b0.w);
        let b1 = params[(c + 28u) / 4u];
        var a4 = vec4f(b1.x);
        var a5 = vec4f(b1.y);
        var a6 = vec4f(b1.z);
        var a7 = vec4f(b1.w);
        {
            let x0 = tile[0u * 16u + row_lane];
            let w00 = params[(0u + 0u * 8u + c) / 4u];
            let w01 = params[(4u + 0u * 8u + c) / 4u];
            let x1 = tile[(0u + 1u) * 16u + row_lane];
            let w10 = params[(8u + 0u * 8u + c) / 4u];
            let w11 = params[(12u + 0u * 8u + c) / 4u];
            let x2 = tile[(0u + 2u) * 16u + row_lane];
            let w20 = params[(16u + 0u * 8u + c) / 4u];
            let w21 = params[(20u + 0u * 8u + c) / 4u];
            a0 = fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0)));
            a1 = fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1)));
            a2 = fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2)));
            a3 = fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3)));
            a4 = fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4)));
            a5 = fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5)));
            a6 = fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6)));
            a7 = fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7)));
        }
        tile[c * 16u + row_lane] = a0;
        tile[(c + 1u) * 16u + row_lane] = a1;
        tile[(c + 2u) * 16u + row_lane] = a2;
        tile[(c + 3u) * 16u + row_lane] = a3;
        tile[(c + 4u) * 16u + row_lane] = a4;
    }
    // [rows, 5]: tanh_2, mul_27, sub_28
    for (var f = 0u; f < 5u; f++) {
        let dense_1 = tile[f * 16u + row_lane];
        let tanh_2 = tanh4(dense_1);
        tile[(5u + f) * 16u + row_lane] = tanh_2;
        let mul_27 = tanh_2 * tanh_2;
        let sub_28 = 1.0f - mul_27;
        tile[(10u + f) * 16u + row_lane] = sub_28;
    }
    // carry carried_3 <- tanh_2
    for (var f = 0u; f < 5u; f++) {
        let tanh_2 = tile[(5u + f) * 16u + row_lane];
        tile[f * 16u + row_lane] = tanh_2;
    }
    for (var i0 = 0u; i0 < 2u; i0++) {
        // history of carried_3 for the way back, segment stride 5
        for (var f = 0u; f < 5u; f++) {
            let carried_3 = tile[f * 16u + row_lane];
            scratch[scratch_base + ((29u + i0 * 5u) + f) * 16u + row_lane] = carried_3;
        }
        // dense_4 [rows, 5] = carried_3 [5] · v + c
        {
            let c = 0u;
            let b0 = params[(c + 72u) / 4u];
            var a0 = vec4f(b0.x);
            var a1 = vec4f(b0.y);
            var a2 = vec4f(b0.z);
            var a3 = vec4f(b0.w);
            let b1 = params[(c + 76u) / 4u];
            var a4 = vec4f(b1.x);
            var a5 = vec4f(b1.y);
            var a6 = vec4f(b1.z);
            var a7 = vec4f(b1.w);
            for (var k = 0u; k < 4u; k += 4u) {
                let x0 = tile[k * 16u + row_lane];
                let w00 = params[(32u + k * 8u + c) / 4u];
                let w01 = params[(36u + k * 8u + c) / 4u];
                let x1 = tile[(k + 1u) * 16u + row_lane];
                let w10 = params[(40u + k * 8u + c) / 4u];
                let w11 = params[(44u + k * 8u + c) / 4u];
                let x2 = tile[(k + 2u) * 16u + row_lane];
                let w20 = params[(48u + k * 8u + c) / 4u];
                let w21 = params[(52u + k * 8u + c) / 4u];
                let x3 = tile[(k + 3u) * 16u + row_lane];
                let w30 = params[(56u + k * 8u + c) / 4u];
                let w31 = params[(60u + k * 8u + c) / 4u];
                a0 = fma(x3, vec4f(w30.x), fma(x2, vec4f(w20.x), fma(x1, vec4f(w10.x), fma(x0, vec4f(w00.x), a0))));
                a1 = fma(x3, vec4f(w30.y), fma(x2, vec4f(w20.y), fma(x1, vec4f(w10.y), fma(x0, vec4f(w00.y), a1))));
                a2 = fma(x3, vec4f(w30.z), fma(x2, vec4f(w20.z), fma(x1, vec4f(w10.z), fma(x0, vec4f(w00.z), a2))));
                a3 = fma(x3, vec4f(w30.w), fma(x2, vec4f(w20.w), fma(x1, vec4f(w10.w), fma(x0, vec4f(w00.w), a3))));
                a4 = fma(x3, vec4f(w31.x), fma(x2, vec4f(w21.x), fma(x1, vec4f(w11.x), fma(x0, vec4f(w01.x), a4))));
                a5 = fma(x3, vec4f(w31.y), fma(x2, vec4f(w21.y), fma(x1, vec4f(w11.y), fma(x0, vec4f(w01.y), a5))));
                a6 = fma(x3, vec4f(w31.z), fma(x2, vec4f(w21.z), fma(x1, vec4f(w11.z), fma(x0, vec4f(w01.z), a6))));
                a7 = fma(x3, vec4f(w31.w), fma(x2, vec4f(w21.w), fma(x1, vec4f(w11.w), fma(x0, vec4f(w01.w), a7))));
            }
            {
                let x0 = tile[4u * 16u + row_lane];
                let w00 = params[(32u + 4u * 8u + c) / 4u];
                let w01 = params[(36u + 4u * 8u + c) / 4u];
                a0 = fma(x0, vec4f(w00.x), a0);
                a1 = fma(x0, vec4f(w00.y), a1);
                a2 = fma(x0, vec4f(w00.z), a2);
                a3 = fma(x0, vec4f(w00.w), a3);
                a4 = fma(x0, vec4f(w01.x), a4);
                a5 = fma(x0, vec4f(w01.y), a5);
                a6 = fma(x0, vec4f(w01.z), a6);
                a7 = fma(x0, vec4f(w01.w), a7);
            }
            tile[(5u + c) * 16u + row_lane] = a0;
            tile[(5u + (c + 1u)) * 16u + row_lane] = a1;
            tile[(5u + (c + 2u)) * 16u + row_lane] = a2;
            tile[(5u + (c + 3u)) * 16u + row_lane] = a3;
            tile[(5u + (c + 4u)) * 16u + row_lane] = a4;
        }
        // [rows, 5]: mul_7, add_8
        for (var f = 0u; f < 5u; f++) {
            let dense_4 = tile[(5u + f) * 16u + row_lane];
            let mul_7 = dense_4 * 0.5f;
            let carried_3 = tile[f * 16u + row_lane];
            let add_8 = carried_3 + mul_7;
            tile[(15u + f) * 16u + row_lane] = add_8;
        }
        // carry carried_3 <- add_8
        for (var f = 0u; f < 5u; f++) {
            let add_8 = tile[(15u + f) * 16u + row_lane];
            tile[f * 16u + row_lane] = add_8;
        }
    }
    // [rows, 5]: normal_draw_11, add_12, mul_13, add_17, sum_14
    var sum_14 = vec4f(0.0);
    for (var f = 0u; f < 5u; f++) {
        let normal_draw_11 = normal4(7u, draw_step, draw_row, f);
        let result_10 = tile[f * 16u + row_lane];
        let add_12 = result_10 + normal_draw_11;
        if (valid.x) { rollout_f32[3000u + sample.x * 5u + f] = (add_12).x; }
        if (valid.y) { rollout_f32[3000u + sample.y * 5u + f] = (add_12).y; }
        if (valid.z) { rollout_f32[3000u + sample.z * 5u + f] = (add_12).z; }
        if (valid.w) { rollout_f32[3000u + sample.w * 5u + f] = (add_12).w; }
        let mul_13 = add_12 * add_12;
        let add_17 = add_12 + add_12;
        tile[(5u + f) * 16u + row_lane] = add_17;
        sum_14 += mul_13;
    }
    scratch[scratch_base + 0u * 16u + row_lane] = select(vec4f(0.0), sum_14, valid);
    // carry carried_21 <- add_17
    for (var f = 0u; f < 5u; f++) {
        let add_17 = tile[(5u + f) * 16u + row_lane];
        tile[f * 16u + row_lane] = add_17;
    }
    for (var i1 = 0u; i1 < 2u; i1++) {
        // [rows, 5]: history_20, mul_22
        let sub_19 = 1.0f - f32(i1);
        for (var f = 0u; f < 5u; f++) {
            let history_20 = scratch[scratch_base + ((29u + u32(sub_19) * 5u) + f) * 16u + row_lane];
            scratch[scratch_base + ((1u + i1 * 5u) + f) * 16u + row_lane] = history_20;
            let carried_21 = tile[f * 16u + row_lane];
            let mul_22 = carried_21 * 0.5f;
            tile[(5u + f) * 16u + row_lane] = mul_22;
            scratch[scratch_base + ((11u + i1 * 5u) + f) * 16u + row_lane] = select(vec4f(0.0), mul_22, valid);
        }
        // dense_23 [rows, 5] = mul_22 [5] · vᵀ
        {
            let c = 0u;
            var a0 = vec4f(0.0);
            var a1 = vec4f(0.0);
            var a2 = vec4f(0.0);
            var a3 = vec4f(0.0);
            var a4 = vec4f(0.0);
            var a5 = vec4f(0.0);
            var a6 = vec4f(0.0);
            var a7 = vec4f(0.0);
            for (var k = 0u; k < 4u; k += 4u) {
                let x0 = tile[(5u + k) * 16u + row_lane];
                let x1 = tile[(5u + (k + 1u)) * 16u + row_lane];
                let x2 = tile[(5u + (k + 2u)) * 16u + row_lane];
                let x3 = tile[(5u + (k + 3u)) * 16u + row_lane];
                let w0 = params[(32u + (min(c + 0u, 4u)) * 8u + k) / 4u];
                let w1 = params[(32u + (min(c + 1u, 4u)) * 8u + k) / 4u];
                let w2 = params[(32u + (min(c + 2u, 4u)) * 8u + k) / 4u];
                let w3 = params[(32u + (min(c + 3u, 4u)) * 8u + k) / 4u];
                let w4 = params[(32u + (min(c + 4u, 4u)) * 8u + k) / 4u];
                let w5 = params[(32u + (min(c + 5u, 4u)) * 8u + k) / 4u];
                let w6 = params[(32u + (min(c + 6u, 4u)) * 8u + k) / 4u];
                let w7 = params[(32u + (min(c + 7u, 4u)) * 8u + k) / 4u];
                a0 = fma(x3, vec4f(w0.w), fma(x2, vec4f(w0.z), fma(x1, vec4f(w0.y), fma(x0, vec4f(w0.x), a0))));
                a1 = fma(x3, vec4f(w1.w), fma(x2, vec4f(w1.z), fma(x1, vec4f(w1.y), fma(x0, vec4f(w1.x), a1))));
                a2 = fma(x3, vec4f(w2.w), fma(x2, vec4f(w2.z), fma(x1, vec4f(w2.y), fma(x0, vec4f(w2.x), a2))));
                a3 = fma(x3, vec4f(w3.w), fma(x2, vec4f(w3.z), fma(x1, vec4f(w3.y), fma(x0, vec4f(w3.x), a3))));
                a4 = fma(x3, vec4f(w4.w), fma(x2, vec4f(w4.z), fma(x1, vec4f(w4.y), fma(x0, vec4f(w4.x), a4))));
                a5 = fma(x3, vec4f(w5.w), fma(x2, vec4f(w5.z), fma(x1, vec4f(w5.y), fma(x0, vec4f(w5.x), a5))));
                a6 = fma(x3, vec4f(w6.w), fma(x2, vec4f(w6.z), fma(x1, vec4f(w6.y), fma(x0, vec4f(w6.x), a6))));
                a7 = fma(x3, vec4f(w7.w), fma(x2, vec4f(w7.z), fma(x1, vec4f(w7.y), fma(x0, vec4f(w7.x), a7))));
            }
            {
                let x0 = tile[(5u + 4u) * 16u + row_lane];
                let w0 = params[(32u + (min(c + 0u, 4u)) * 8u + 4u) / 4u];
                let w1 = params[(32u + (min(c + 1u, 4u)) * 8u + 4u) / 4u];
                let w2 = params[(32u + (min(c + 2u, 4u)) * 8u + 4u) / 4u];
                let w3 = params[(32u + (min(c + 3u, 4u)) * 8u + 4u) / 4u];
                let w4 = params[(32u + (min(c + 4u, 4u)) * 8u + 4u) / 4u];
                let w5 = params[(32u + (min(c + 5u, 4u)) * 8u + 4u) / 4u];
                let w6 = params[(32u + (min(c + 6u, 4u)) * 8u + 4u) / 4u];
                let w7 = params[(32u + (min(c + 7u, 4u)) * 8u + 4u) / 4u];
                a0 = fma(x0, vec4f(w0.x), a0);
                a1 = fma(x0, vec4f(w1.x), a1);
                a2 = fma(x0, vec4f(w2.x), a2);
                a3 = fma(x0, vec4f(w3.x), a3);
                a4 = fma(x0, vec4f(w4.x), a4);
                a5 = fma(x0, vec4f(w5.x), a5);
                a6 = fma(x0, vec4f(w6.x), a6);
                a7 = fma(x0, vec4f(w7.x), a7);
            }
            tile[(5u + c) * 16u + row_lane] = a0;
            tile[(5u + (c + 1u)) * 16u + row_lane] = a1;
            tile[(5u + (c + 2u)) * 16u + row_lane] = a2;
            tile[(5u + (c + 3u)) * 16u + row_lane] = a3;
            tile[(5u + (c + 4u)) * 16u + row_lane] = a4;
        }
        // [rows, 5]: add_24
        for (var f = 0u; f < 5u; f++) {
            let carried_21 = tile[f * 16u + row_lane];
            let dense_23 = tile[(5u + f) * 16u + row_lane];
            let add_24 = carried_21 + dense_23;
            tile[(15u + f) * 16u + row_lane] = add_24;
        }
        // carry carried_21 <- add_24
        for (var f = 0u; f < 5u; f++) {
            let add_24 = tile[(15u + f) * 16u + row_lane];
            tile[f * 16u + row_lane] = add_24;
        }
    }
    // [rows, 5]: mul_29
    for (var f = 0u; f < 5u; f++) {
        let result_26 = tile[f * 16u + row_lane];
        let sub_28 = tile[(10u + f) * 16u + row_lane];
        let mul_29 = result_26 * sub_28;
        scratch[scratch_base + (24u + f) * 16u + row_lane] = select(vec4f(0.0), mul_29, valid);
    }
}
