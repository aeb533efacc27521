//! The split-K weight-gradient pass against the matrix products it stands for.

mod common;

use common::device::{as_floats, as_words, engine, run};
use common::fresh::{Fresh, poison, poisoned};
use common::parity::assert_close;
use common::twins::dispatch;
use flowmill::kernels::weight_gradients::{self, BLOCK_WORDS, GradJob, WeightGradientArgs, plan_weight_gradients};
use flowmill::simd::Isa;

/// `dW` of one job over tiles `first .. last`, straight from the definition.
fn product(job: &GradJob, args: &WeightGradientArgs, scratch: &[f32], tiles: std::ops::Range<u32>) -> Vec<f64> {
    let value = |tile: u32, feature: u32, row: u32| {
        scratch[((tile * args.tile_features + feature) * args.tile_rows + row) as usize] as f64
    };
    let mut dw = vec![0.0; (job.x_width * job.dy_width) as usize];
    for tile in tiles {
        for (segment, row) in (0..job.segments).flat_map(|s| (0..args.tile_rows).map(move |r| (s, r))) {
            for (i, j) in (0..job.x_width).flat_map(|i| (0..job.dy_width).map(move |j| (i, j))) {
                let x = job.x_feature.map_or(1.0, |first| value(tile, first + segment * job.x_stride + i, row));
                let dy = value(tile, job.dy_feature + segment * job.dy_stride + j, row);
                dw[(i * job.dy_width + j) as usize] += x * dy;
            }
        }
    }
    dw
}

/// Jobs of one network over a tile's features, one behind the other in the gradient vector, with a gap of 3 words after
/// each; returns (jobs, features, words).
fn network(shapes: &[(Option<u32>, u32, u32)]) -> (Vec<GradJob>, u32, u32) {
    let (mut jobs, mut features, mut words) = (Vec::new(), 1, 2);
    for &(x_width, dy_width, segments) in shapes {
        let width = x_width.unwrap_or(1);
        let dy_feature = features + x_width.map_or(0, |w| w * segments);
        let ld = dy_width + 1; // not dense: one word of every row belongs to somebody else
        jobs.push(GradJob {
            x_feature: x_width.map(|_| features),
            x_width: width,
            x_stride: width,
            dy_feature,
            dy_width,
            dy_stride: dy_width,
            segments,
            out_word: words,
            ld,
        });
        features = dy_feature + dy_width * segments + 1;
        words += width * ld + 3;
    }
    (jobs, features, words)
}

#[test]
fn partial_gradients_are_the_matrix_products_for_odd_widths_segments_and_slices() {
    let Some(mut engine) = engine() else { return };
    let mut fresh = Fresh::new(10);
    let widths = [1, 2, 3, 5, 31, 32, 33];
    for (tile_rows, tiles, slices) in [(4, 1, 1), (16, 5, 3), (32, 8, 8), (64, 3, 8), (20, 7, 1)] {
        let mut shapes: Vec<_> =
            (0..8).map(|_| (Some(pick(&mut fresh, &widths)), pick(&mut fresh, &widths), 1)).collect();
        shapes.extend([(Some(66), 3, 1), (Some(3), 66, 1), (Some(9), 17, 3), (None, 33, 1), (None, 2, 4)]);
        let (jobs, tile_features, gradient_words) = network(&shapes);
        let args = WeightGradientArgs { tiles, tile_features, tile_rows, gradient_words, first_slice: 0 };
        let scratch = fresh.normals((tiles * tile_features * tile_rows) as usize);
        let table = plan_weight_gradients(&jobs);
        let outputs = poison((slices * gradient_words) as usize);
        let groups = [(table.len() / BLOCK_WORDS) as u32, slices, 1];
        let desc = weight_gradients::desc();
        let got = &run(&mut engine, &desc, &[&as_floats(&table), &scratch, &outputs], &[args], groups)[2];

        let mut twin = outputs.clone();
        weight_gradients::weight_gradients(&args, slices, &table, &scratch, &mut twin);
        for slice in 0..slices {
            let mut covered = vec![false; gradient_words as usize];
            let part = |all: &[f32]| all[(slice * gradient_words) as usize..][..gradient_words as usize].to_vec();
            let (got, twin) = (part(got), part(&twin));
            for job in &jobs {
                let range = slice * tiles / slices..(slice + 1) * tiles / slices;
                let want = product(job, &args, &scratch, range);
                let cells = (0..job.x_width).flat_map(|i| (0..job.dy_width).map(move |j| (i, j)));
                let words: Vec<usize> = cells.map(|(i, j)| (job.out_word + i * job.ld + j) as usize).collect();
                let pick = |all: &[f32]| words.iter().map(|&w| all[w]).collect::<Vec<_>>();
                let tolerance = 2e-6 * ((tile_rows * tiles * job.segments) as f64).sqrt() + 1e-6;
                assert_close(&format!("{job:?}, slice {slice}"), &pick(&got), &want, tolerance, 2e-6);
                assert_close(&format!("twin of {job:?}"), &pick(&twin), &want, 1e-6, 1e-6);
                words.iter().for_each(|&w| covered[w] = true);
            }
            for (word, covered) in covered.into_iter().enumerate() {
                assert!(covered || poisoned(got[word]), "word {word} of slice {slice} belongs to no job");
            }
        }
    }
}

fn pick(fresh: &mut Fresh, from: &[u32]) -> u32 {
    from[fresh.word() as usize % from.len()]
}

#[test]
fn the_cpu_twin_gives_the_matrix_products_for_every_table_and_the_same_bytes_with_avx2_and_avx512() {
    let mut fresh = Fresh::new(11);
    let widths = [1, 2, 3, 5, 12, 31, 32, 33, 64, 100, 130];
    for (tile_rows, tiles, slices) in [(4, 1, 1), (16, 5, 3), (20, 7, 2), (64, 3, 8), (64, 9, 2)] {
        let mut shapes: Vec<_> =
            (0..8).map(|_| (Some(pick(&mut fresh, &widths)), pick(&mut fresh, &widths), 1)).collect();
        shapes.extend([(None, 33, 1), (None, 130, 3), (Some(5), 3, 4), (Some(128), 128, 1), (Some(600), 2, 1)]);
        let (jobs, tile_features, gradient_words) = network(&shapes);
        let args = WeightGradientArgs { tiles, tile_features, tile_rows, gradient_words, first_slice: 0 };
        let mut scratch = fresh.normals((tiles * tile_features * tile_rows) as usize);
        let mut table = as_floats(&plan_weight_gradients(&jobs));
        let groups = [(table.len() / BLOCK_WORDS) as u32, slices, 1];
        let mut fused: Option<Vec<u32>> = None;
        for isa in Isa::available() {
            let mut partials = poison((slices * gradient_words) as usize);
            let mut buffers: [&mut [f32]; 3] = [&mut table, &mut scratch, &mut partials];
            dispatch(&weight_gradients::desc(), isa, groups, bytemuck::bytes_of(&args), &mut buffers);
            let mut covered = vec![false; partials.len()];
            for (slice, job) in (0..slices).flat_map(|s| jobs.iter().map(move |j| (s, j))) {
                let want = product(job, &args, &scratch, slice * tiles / slices..(slice + 1) * tiles / slices);
                let cells = (0..job.x_width).flat_map(|i| (0..job.dy_width).map(move |j| (i, j)));
                let word = |(i, j)| (slice * gradient_words + job.out_word + i * job.ld + j) as usize;
                let words: Vec<usize> = cells.map(word).collect();
                let got: Vec<f32> = words.iter().map(|&w| partials[w]).collect();
                let tolerance = 2e-6 * ((tile_rows * tiles * job.segments) as f64).sqrt() + 1e-6;
                assert_close(&format!("{isa}, {job:?}, slice {slice}"), &got, &want, tolerance, 2e-6);
                words.iter().for_each(|&w| covered[w] = true);
            }
            for (word, covered) in covered.into_iter().enumerate() {
                assert!(covered || poisoned(partials[word]), "{isa}: word {word} belongs to no job");
            }
            if isa != Isa::Baseline {
                let bits = as_words(&partials);
                assert!(fused.get_or_insert_with(|| bits.clone()) == &bits, "AVX2 and AVX-512 differ");
            }
        }
    }
}
