//! Every handwritten kernel against its reference: fresh inputs, poisoned outputs, tails and odd widths.

mod common;

use common::device::{On, as_words, on_both_engines, run};
use common::fresh::{Fresh, poison, poisoned};
use common::parity::assert_close;
use flowmill::engine::{CountedWork, KernelDesc};
use flowmill::kernels::adamw::{AdamwArgs, NO_KL, Schedule, adamw, control};
use flowmill::kernels::copy_words::{self, CopyArgs, copy_words};
use flowmill::kernels::gae::{GaeArgs, gae};
use flowmill::kernels::merge_moments::{MergeArgs, merge_moments};
use flowmill::kernels::multiply_add::{MultiplyAddArgs, WORDS, multiply_add};
use flowmill::kernels::normalize_advantages::{NormalizeArgs, normalize_advantages};
use flowmill::kernels::observation_moments::{MomentsArgs, observation_moments};
use flowmill::kernels::reduce_gradients::{ReduceArgs, reduce_gradients};
use flowmill::kernels::sum_columns::{SumColumnsArgs, sum_columns};
use flowmill::kernels::{self, ACTIVATIONS_WGSL, RNG_WGSL, activations};
use flowmill::rng::{Key, unit};
use flowmill::wgsl::WgslTwin;
use std::sync::Arc;

on_both_engines!(
    advantages_returns_and_their_normalisation_agree_for_any_number_of_environments,
    many_partials_combine_in_every_workgroup_to_the_same_bits,
    gradient_reduction_and_its_norm_agree_for_odd_sizes,
    column_sums_agree_for_odd_tables,
    moments_of_observations_agree_for_odd_blocks_and_join_the_running_ones,
    a_small_spread_around_a_large_mean_is_not_lost,
    multiply_adds_agree_for_any_number_of_workgroups,
    copies_are_exact_and_end_where_they_should,
    adamw_agrees_over_twelve_steps_of_every_schedule,
    adamw_leaves_everything_alone_when_a_norm_or_a_mean_is_not_finite,
    random_words_units_and_shuffles_are_equal_bit_for_bit_and_normals_to_rounding,
    activations_agree_with_f64_to_two_millionths_and_stay_finite_far_out,
);

/// A kernel made of library text and a body, for tests of the libraries. The CPU engine executes the text.
fn library_kernel(name: &str, library: &str, body: &str, bindings: &[&str]) -> KernelDesc {
    let wgsl = format!("{library}\n{body}");
    let bindings: Vec<String> = bindings.iter().map(|b| b.to_string()).collect();
    let twin = WgslTwin { wgsl: wgsl.clone(), bindings: bindings.clone(), file: format!("{name}.wgsl") };
    KernelDesc { name: name.into(), wgsl, bindings, work: CountedWork::default(), twin: Some(Arc::new(twin)) }
}

fn random_words_units_and_shuffles_are_equal_bit_for_bit_and_normals_to_rounding(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(1);
    const COLUMNS: usize = 7; // words (4), uniform, shuffled, normal
    let body = "
        struct Args { key: vec4u, step: u32, lane: u32, rows: u32, count: u32 }
        var<immediate> args: Args;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(64) fn draws(@builtin(global_invocation_id) id: vec3u) {
            if (id.x >= args.rows) { return; }
            let counter = vec4u(args.step, id.x, args.lane, 0u);
            let words = draw_words(args.key, counter);
            out[7u * id.x] = words.x;
            out[7u * id.x + 1u] = words.y;
            out[7u * id.x + 2u] = words.z;
            out[7u * id.x + 3u] = words.w;
            out[7u * id.x + 4u] = bitcast<u32>(uniform_draw(args.key, counter));
            out[7u * id.x + 5u] = shuffled(id.x, args.count, args.key);
            out[7u * id.x + 6u] = bitcast<u32>(normal_draw(args.key, counter));
        }";
    let desc = library_kernel("draws", RNG_WGSL, body, &["out"]);
    for count in [1, 2, 3, 5, 8, 1000, 4097] {
        let seed = fresh.word() as u64 | (fresh.word() as u64) << 32;
        let key = Key { seed, stream: fresh.word(), iteration: fresh.word() };
        let (step, lane, rows) = (fresh.word(), fresh.word(), count + 3); // rows behind the count stay where they are
        let [k0, k1, k2, k3] = key.to_words();
        let immediates = [k0, k1, k2, k3, step, lane, rows, count];
        let out = run(&mut engine, &desc, &[&poison(COLUMNS * rows as usize)], &immediates, [rows.div_ceil(64), 1, 1]);
        let rows_got = as_words(&out[0]);
        let (mut normals, mut want_normals) = (Vec::new(), Vec::new());
        for (row, got) in rows_got.chunks_exact(COLUMNS).enumerate() {
            let row = row as u32;
            let words = key.words(step, row, lane);
            assert_eq!(got[..4], words, "words of row {row}");
            assert_eq!(got[4], unit(words[0]).to_bits(), "uniform of row {row}");
            assert_eq!(got[5], key.shuffled(row, count), "shuffle of {row} in {count}");
            normals.push(f32::from_bits(got[6]));
            want_normals.push(key.normal(step, row, lane));
        }
        assert_close("normal_draw", &normals, &want_normals, 1e-6, 1e-6);
    }
}

fn activations_agree_with_f64_to_two_millionths_and_stay_finite_far_out(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(2);
    type Function = fn(f64) -> f64;
    let functions: [(&str, Function); 8] = [
        ("mish4", activations::mish),
        ("mish_slope4", activations::mish_slope),
        ("elu4", activations::elu),
        ("elu_slope4", activations::elu_slope),
        ("silu4", activations::silu),
        ("silu_slope4", activations::silu_slope),
        ("tanh4", activations::tanh),
        ("relu4", activations::relu),
    ];
    let mut inputs: Vec<f32> = (0..4096).map(|_| fresh.uniform(-30.0, 30.0)).collect();
    inputs.extend((0..1024).map(|_| fresh.uniform(-1.0, 1.0)));
    inputs.extend((-30..=30).map(|x| x as f32));
    inputs.extend([0.0, -0.0, 1e-20]);
    let far = [-1e4f32, -300.0, -100.0, -89.0, 89.0, 100.0, 300.0, 1e4];
    inputs.extend(far);
    assert_eq!(inputs.len() % 4, 0);
    for (name, function) in functions {
        let body = format!(
            "@group(0) @binding(0) var<storage, read> x: array<vec4f>;
            @group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
            @compute @workgroup_size(64) fn apply(@builtin(global_invocation_id) id: vec3u) {{
                if (id.x < arrayLength(&x)) {{ y[id.x] = {name}(x[id.x]); }}
            }}"
        );
        let desc = library_kernel(name, ACTIVATIONS_WGSL, &body, &["x", "y"]);
        let groups = [inputs.len().div_ceil(256) as u32, 1, 1];
        let out = run(&mut engine, &desc, &[&inputs, &poison(inputs.len())], &[0u32; 0], groups);
        let want: Vec<f64> = inputs.iter().map(|&x| function(x as f64)).collect();
        assert_close(name, &out[1], &want, 2e-6, 2e-6);
    }
}

fn advantages_returns_and_their_normalisation_agree_for_any_number_of_environments(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(3);
    for (envs, steps) in [(1, 1), (1, 2), (3, 33), (63, 5), (64, 1), (65, 7), (200, 32), (1000, 3)] {
        let cells = envs * steps;
        let mut arrays = [fresh.normals(cells), fresh.normals(cells)].concat();
        arrays.extend((0..cells).map(|_| (fresh.word() % 12).saturating_sub(9) as f32)); // 0 mostly, 1, 2
        arrays.extend(fresh.normals(envs));
        let advantages = arrays.len();
        arrays.extend(poison(2 * cells));
        let at = |word: usize| word as u32;
        let args = GaeArgs {
            envs: at(envs),
            steps: at(steps),
            rewards: 0,
            values: at(cells),
            flags: at(2 * cells),
            last_value: at(3 * cells),
            advantages: at(advantages),
            returns: at(advantages + cells),
            gamma: 0.99,
            lambda: 0.95,
            reward_scale: 0.3,
        };
        let groups = envs.div_ceil(64);
        let desc = kernels::gae::desc();
        let got = run(&mut engine, &desc, &[&arrays, &poison(3 * groups)], &[args], [groups as u32, 1, 1]);
        let (mut rollout, mut partials) = (arrays.clone(), poison(3 * groups));
        gae(&args, &mut rollout, &mut partials);
        let name = format!("gae {envs} x {steps}");
        assert_close(&name, &got[0], &rollout, 5e-6, 5e-6);
        assert_close(&format!("{name}, partials"), &got[1], &partials, 1e-5, 2e-5);

        let args = NormalizeArgs { advantages: at(advantages), count: at(cells), partials: at(groups) };
        let desc = kernels::normalize_advantages::desc();
        for grid in [1, cells.div_ceil(256) as u32 + 1] {
            let got = run(&mut engine, &desc, &[&partials, &rollout], &[args], [grid, 1, 1]);
            let mut want = rollout.clone();
            normalize_advantages(&args, &partials, &mut want);
            assert_close(&format!("normalize {name}, grid {grid}"), &got[1], &want, 2e-5, 2e-5);
        }
    }
}

fn many_partials_combine_in_every_workgroup_to_the_same_bits(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(4);
    let (groups, count) = (777, 2000);
    let partials: Vec<f32> =
        (0..groups).flat_map(|_| [64.0, fresh.uniform(-3.0, 5.0), fresh.uniform(10.0, 90.0)]).collect();
    let rollout = vec![1.25; count]; // equal inputs show whether all workgroups used the same mean and deviation
    let args = NormalizeArgs { advantages: 0, count: count as u32, partials: groups };
    let desc = kernels::normalize_advantages::desc();
    let got = run(&mut engine, &desc, &[&partials, &rollout], &[args], [8, 1, 1]);
    assert!(got[1].iter().all(|x| x.to_bits() == got[1][0].to_bits()));
    let mut want = rollout.clone();
    normalize_advantages(&args, &partials, &mut want);
    assert_close("normalize", &got[1], &want, 1e-5, 1e-5);
}

fn gradient_reduction_and_its_norm_agree_for_odd_sizes(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(5);
    for (words, trained, slices) in [(1, 1, 1), (255, 250, 3), (256, 256, 1), (257, 257, 8), (1000, 513, 40)] {
        let partials = fresh.normals(words * slices);
        let groups = words.div_ceil(256);
        let (words, trained_words, slices) = (words as u32, trained, slices as u32);
        let args = ReduceArgs { words, trained_words, slices, scale: 0.37 };
        let (mut gradient, mut norms) = (poison(words as usize + 2), poison(groups));
        let desc = kernels::reduce_gradients::desc();
        let got = run(&mut engine, &desc, &[&partials, &gradient, &norms], &[args], [groups as u32, 1, 1]);
        reduce_gradients(&args, &partials, &mut gradient, &mut norms);
        let (inside, behind) = got[1].split_at(words as usize);
        assert_close("gradient", inside, &gradient[..words as usize], 1e-5, 1e-6);
        assert!(behind.iter().all(|&word| poisoned(word)), "words behind the gradient were written");
        assert_close("norms", &got[2], &norms, 1e-5, 1e-5);
    }
}

fn column_sums_agree_for_odd_tables(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(6);
    for (rows, columns) in [(1, 1), (255, 3), (256, 1), (257, 5), (3000, 8)] {
        let values = fresh.normals(5 + (rows * columns) as usize);
        let args = SumColumnsArgs { rows, columns, source: 5, target: 2 };
        let mut sums = poison(columns as usize + 3);
        let desc = kernels::sum_columns::desc();
        let got = run(&mut engine, &desc, &[&values, &sums], &[args], [1, 1, 1]);
        sum_columns(&args, &values, &mut sums);
        let inside = 2..2 + columns as usize;
        assert_close("sums", &got[1][inside.clone()], &sums[inside.clone()], 5e-5, 1e-6);
        assert!(got[1].iter().enumerate().all(|(i, &word)| inside.contains(&i) != poisoned(word)));
    }
}

fn moments_of_observations_agree_for_odd_blocks_and_join_the_running_ones(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(10);
    for (samples, width, rows, share) in
        [(1u32, 1, 256, 1.0), (257, 3, 256, 0.5), (1000, 70, 7, 0.01), (900, 2, 3, 0.3)]
    {
        let cells = (samples * width) as usize;
        let rollout: Vec<f32> = fresh.normals(cells + 5).iter().map(|x| 2.0 * x - 1.0).collect();
        let blocks = samples.div_ceil(rows);
        let args = MomentsArgs { observations: 5, samples, width, rows };
        let mut partials = poison((2 * blocks * width) as usize + 3);
        let desc = kernels::observation_moments::desc();
        let got = run(&mut engine, &desc, &[&rollout, &partials], &[args], [blocks, 1, 1]);
        observation_moments(&args, &rollout, &mut partials);
        let (inside, behind) = got[1].split_at((2 * blocks * width) as usize);
        let name = format!("{samples} x {width} in blocks of {rows}");
        assert_close(&format!("moments, {name}"), inside, &partials[..inside.len()], 1e-5, 1e-5);
        assert!(behind.iter().all(|&word| poisoned(word)), "{name}: words behind the moments were written");

        let mut params = poison(3 * width as usize + 6);
        let [mean, variance] = [2, 2 * width + 4];
        params[mean as usize..][..width as usize].copy_from_slice(&fresh.normals(width as usize));
        params[variance as usize..][..width as usize].fill(1.5);
        let args = MergeArgs { mean, variance, width, samples, rows, share };
        let desc = kernels::merge_moments::desc();
        let got = run(&mut engine, &desc, &[&partials, &params], &[args], [width, 1, 1]);
        merge_moments(&args, &partials, &mut params);
        for (what, first) in [("mean", mean as usize), ("variance", variance as usize)] {
            let range = first..first + width as usize;
            assert_close(&format!("{what}, {name}"), &got[1][range.clone()], &params[range], 2e-6, 2e-6);
        }
        let written = got[1].iter().filter(|&&word| !poisoned(word)).count();
        assert_eq!(written, 2 * width as usize, "{name}: other words were written");
    }
}

/// The sum of squares less the square of the sum, in single precision, would have no digit left.
fn a_small_spread_around_a_large_mean_is_not_lost(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(11);
    let (samples, rows) = (70_000u32, 256);
    let rollout: Vec<f32> = fresh.normals(samples as usize).iter().map(|x| 1000.0 + 0.1 * x).collect();
    let args = MomentsArgs { observations: 0, samples, width: 1, rows };
    let blocks = samples.div_ceil(rows);
    let desc = kernels::observation_moments::desc();
    let got = run(&mut engine, &desc, &[&rollout, &poison(2 * blocks as usize)], &[args], [blocks, 1, 1]);
    let args = MergeArgs { mean: 0, variance: 1, width: 1, samples, rows, share: 1.0 };
    let got = run(&mut engine, &kernels::merge_moments::desc(), &[&got[1], &[0.0, 1.0]], &[args], [1, 1, 1]);
    let mean = rollout.iter().map(|&x| f64::from(x)).sum::<f64>() / f64::from(samples);
    let variance = rollout.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / f64::from(samples);
    assert_close("mean", &got[1][..1], &[mean], 0.0, 1e-6);
    assert_close("variance", &got[1][1..], &[variance], 0.0, 2e-3);
}

fn adamw_args(words: u32, means: u32, norms: u32) -> AdamwArgs {
    AdamwArgs {
        trained_words: words,
        means,
        norms,
        step: 0,
        schedule: Schedule::Fixed as u32,
        end_of_epoch: 0,
        kl_mean: NO_KL,
        max_norm: 1.0,
        lr_min: 1e-6,
        lr_max: 1e-2,
        lr_scale: 0.7,
        kl_target: 0.01,
        weight_decay: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        bias1: 1.0,
        bias2: 1.0,
    }
}

fn adamw_agrees_over_twelve_steps_of_every_schedule(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(7);
    let desc = kernels::adamw::desc();
    for schedule in [Schedule::Fixed, Schedule::PerMinibatch, Schedule::PerEpoch, Schedule::PerEpochReset] {
        for (words, means, max_norm) in [(1u32, 3u32, 0.0f32), (257, 3, 1.0), (1000, 300, 1e3)] {
            let norms = words.div_ceil(256);
            let mut state =
                [fresh.normals(words as usize), vec![0.0; 2 * words as usize], vec![0.0; 8 + means as usize]];
            state[2][control::LEARNING_RATE] = 2e-3;
            for step in 0..12u32 {
                let mut gradient = fresh.normals((words + means) as usize);
                gradient[words as usize + 1] = [0.0, 0.03, 0.003, 0.012][(fresh.word() % 4) as usize];
                let squares: Vec<f32> =
                    gradient[..words as usize].chunks(256).map(|c| c.iter().map(|g| g * g).sum()).collect();
                let args = AdamwArgs {
                    step,
                    schedule: schedule as u32,
                    end_of_epoch: (step % 4 == 3) as u32,
                    kl_mean: if schedule == Schedule::Fixed { NO_KL } else { 1 },
                    max_norm,
                    bias1: 1.0 - 0.9f32.powi(step as i32 + 1),
                    bias2: 1.0 - 0.999f32.powi(step as i32 + 1),
                    ..adamw_args(words, means, norms)
                };
                let [params, moments, control] = &state;
                let inputs: [&[f32]; 5] = [params, &gradient, moments, &squares, control];
                let got = run(&mut engine, &desc, &inputs, &[args], [1 + step % 3, 1, 1]);
                let [params, moments, control] = &mut state;
                adamw(&args, params, &gradient, moments, &squares, control);
                let name = format!("{schedule:?}, {words} words, step {step}");
                assert_close(&format!("params, {name}"), &got[0], params, 1e-7, 1e-6);
                let ((m, v), (want_m, want_v)) = (got[2].split_at(words as usize), moments.split_at(words as usize));
                assert_close(&format!("first moments, {name}"), m, want_m, 1e-7, 3e-6);
                assert_close(&format!("second moments, {name}"), v, want_v, 0.0, 5e-6);
                assert_close(&format!("control, {name}"), &got[4], control, 1e-9, 3e-6);
            }
        }
    }
}

fn adamw_leaves_everything_alone_when_a_norm_or_a_mean_is_not_finite(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(8);
    let desc = kernels::adamw::desc();
    let (words, means) = (600u32, 4u32);
    let overflow = 3e38; // finite, but not twice
    let faults = [(f32::NAN, 1.0), (f32::INFINITY, 1.0), (overflow, 1.0), (1.0, f32::NAN), (1.0, f32::NEG_INFINITY)];
    for (bad_norm, bad_mean) in faults {
        let params = fresh.normals(words as usize);
        let moments: Vec<f32> = fresh.normals(2 * words as usize).iter().map(|m| m * m).collect();
        let mut gradient = fresh.normals((words + means) as usize);
        gradient[(words + 3) as usize] = bad_mean;
        let norms = [100.0, bad_norm, bad_norm];
        let mut control = vec![0.0; 8 + means as usize];
        control[control::LEARNING_RATE + 1] = 3e-3;
        let args = AdamwArgs { step: 1, schedule: 1, kl_mean: 0, ..adamw_args(words, means, 3) };
        let inputs: [&[f32]; 5] = [&params, &gradient, &moments, &norms, &control];
        let got = run(&mut engine, &desc, &inputs, &[args], [3, 1, 1]);
        assert_eq!(as_words(&got[0]), as_words(&params));
        assert_eq!(as_words(&got[2]), as_words(&moments));
        control[control::LEARNING_RATE] = 3e-3;
        control[control::NON_FINITE] = 1.0;
        assert_eq!(got[4], control);
    }
}

fn multiply_adds_agree_for_any_number_of_workgroups(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(8);
    for (groups, rounds) in [(1, 0), (1, 1), (3, 2), (5, 40)] {
        let values = fresh.normals(groups * WORDS);
        let args = MultiplyAddArgs { rounds, scale: fresh.uniform(-0.99, 0.99), offset: fresh.uniform(-1.0, 1.0) };
        let got = run(&mut engine, &kernels::multiply_add::desc(), &[&values], &[args], [groups as u32, 1, 1]);
        let mut want = values.clone();
        multiply_add(&args, &mut want);
        assert_close(&format!("{groups} workgroups, {rounds} rounds"), &got[0], &want, 2e-5, 2e-5);
    }
}

fn copies_are_exact_and_end_where_they_should(on: On) {
    let mut engine = on.engine();
    let mut fresh = Fresh::new(9);
    // The last one needs a second row of workgroups.
    for vectors in [0, 1, 255, 257, 1024 * copy_words::GROUP + 5] {
        let source = fresh.normals(4 * vectors as usize + 8);
        let (args, groups) = CopyArgs::of(vectors);
        let got = run(&mut engine, &kernels::copy_words::desc(), &[&source, &poison(source.len())], &[args], groups);
        let mut want = poison(source.len());
        copy_words(&args, &source, &mut want);
        assert_eq!(as_words(&got[1]), as_words(&want), "{vectors} vectors");
    }
}
