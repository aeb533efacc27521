//! All weight gradients in one split-K dispatch: planner and twin of `shaders/weight_gradients.wgsl`.

use super::describe;
use crate::engine::{CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};
use std::collections::BTreeSet;

mod host;
mod jobs;

pub use host::WeightGradientsTwin;

/// Invocations of the workgroup.
const GROUP: u32 = 64;
/// Lanes along one side of a square block.
const SQUARE: u32 = 8;
/// Features of one lane on the `x` side of a block.
pub const LANE_X: u32 = 8;
/// Features of one lane on the `dy` side of a block.
pub const LANE_DY: u32 = 8;
/// [`Block::x_feature`] of a constant 1, for biases and batch sums.
pub const ONES: u32 = u32::MAX;
/// Words of one table entry.
pub const BLOCK_WORDS: usize = size_of::<Block>() / 4;
/// Which of them is [`Block::segments`].
const SEGMENTS_WORD: usize = std::mem::offset_of!(Block, segments) / 4;

/// Immediates; `struct Args` of `shaders/weight_gradients.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct WeightGradientArgs {
    /// Tiles in `scratch`.
    pub tiles: u32,
    /// Features of a tile.
    pub tile_features: u32,
    /// Rows of a tile, a multiple of 4.
    pub tile_rows: u32,
    /// Words of one partial gradient vector.
    pub gradient_words: u32,
    /// Where slice 0 of this dispatch goes in `partials`.
    pub first_slice: u32,
}

/// One workgroup's share, an entry of the table `jobs`; `struct Block` of `shaders/weight_gradients.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
pub struct Block {
    /// First feature of the side that has [`LANE_X`] features a lane, or [`ONES`].
    pub x_feature: u32,
    /// Features between its loop segments.
    pub x_stride: u32,
    /// First feature of the side that has [`LANE_DY`] features a lane.
    pub dy_feature: u32,
    /// Features between its loop segments.
    pub dy_stride: u32,
    /// Loop segments, summed.
    pub segments: u32,
    /// Features on the `x` side.
    pub x_count: u32,
    /// Features on the `dy` side.
    pub dy_count: u32,
    /// log2 of the lanes along `x`.
    pub x_shift: u32,
    /// log2 of the lanes along `dy`.
    pub dy_shift: u32,
    /// Word of the gradient vector where element (0, 0) goes.
    pub out_word: u32,
    /// Words between neighbours on the `x` side.
    pub x_ld: u32,
    /// Words between neighbours on the `dy` side.
    pub dy_ld: u32,
}

/// The gradient of one weight block: `dW[i][j] = sum over rows and segments of x_i dy_j`.
///
/// A gradient word that no job covers keeps what the partials buffer held (zero if it was never written).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GradJob {
    /// First feature of the layer's input in a scratch tile; `None` is the constant 1 (a bias, or a batch sum), width 1.
    pub x_feature: Option<u32>,
    /// Features of the input.
    pub x_width: u32,
    /// Features from one loop segment's input to the next one's.
    pub x_stride: u32,
    /// First feature of the output's derivative.
    pub dy_feature: u32,
    /// Features of the output.
    pub dy_width: u32,
    /// Features from one loop segment's derivative to the next one's.
    pub dy_stride: u32,
    /// Loop iterations that used the same weights, at least 1.
    pub segments: u32,
    /// Word of the gradient vector where `dW[0][0]` goes.
    pub out_word: u32,
    /// Words from `dW[i][j]` to `dW[i + 1][j]`.
    pub ld: u32,
}

/// The kernel, for a grid of `[blocks, slices, 1]`; slice p of P does tiles `p * tiles / P .. (p + 1) * tiles / P`. Buffers:
/// `jobs` (the plan), `scratch` (`[tiles][tile_features][tile_rows]`), `partials` (`[slices][gradient_words]`). Its work depends on the jobs: see [`work`].
pub fn desc() -> KernelDesc {
    let work = CountedWork::default();
    let wgsl = include_str!("../../shaders/weight_gradients.wgsl");
    describe("weight_gradients", wgsl, &["jobs", "scratch", "partials"], work, WeightGradientsTwin)
}

/// The work of dispatches that do these jobs: a multiply-add for every weight, row and segment, an addition where one side
/// is the constant 1; every feature of scratch and entry of the table is read once, every slice's gradients are written.
pub fn work(jobs: &[GradJob]) -> CountedWork {
    let (mut row, mut written) = (Work::default(), 0);
    let mut features = BTreeSet::new();
    for job in jobs {
        let weights = job.x_width * job.dy_width;
        written += weights;
        match job.x_feature {
            Some(_) => row.matrix_flops += 2.0 * f64::from(weights * job.segments),
            None => row.other_flops += f64::from(weights * job.segments),
        }
        for segment in 0..job.segments {
            let side = |first: u32, stride: u32, width: u32| first + segment * stride..first + segment * stride + width;
            features.extend(side(job.dy_feature, job.dy_stride, job.dy_width));
            features.extend(job.x_feature.into_iter().flat_map(|x| side(x, job.x_stride, job.x_width)));
        }
    }
    row.bytes = 4.0 * features.len() as f64;
    CountedWork::of_args(move |args: WeightGradientArgs, groups| {
        let [blocks, slices, _] = groups.map(f64::from);
        let once = Work { bytes: 4.0 * (f64::from(written) * slices + BLOCK_WORDS as f64 * blocks), ..Work::default() };
        row * f64::from(args.tiles * args.tile_rows) + once
    })
}

/// Cuts jobs into blocks: the table `jobs`, [`BLOCK_WORDS`] words an entry, an entry a workgroup.
///
/// A lane holds a tile of [`LANE_X`] by [`LANE_DY`] weights; lanes that a small job leaves over take other rows.
pub fn plan_weight_gradients(jobs: &[GradJob]) -> Vec<u32> {
    let mut table = Vec::new();
    for job in jobs {
        let whole = Block {
            x_feature: job.x_feature.unwrap_or(ONES),
            x_stride: job.x_stride,
            dy_feature: job.dy_feature,
            dy_stride: job.dy_stride,
            segments: job.segments,
            x_count: if job.x_feature.is_some() { job.x_width } else { 1 },
            dy_count: job.dy_width,
            x_shift: 0,
            dy_shift: 0,
            out_word: job.out_word,
            x_ld: job.ld,
            dy_ld: 1,
        };
        cut(whole, &mut table);
    }
    table
}

/// Slices that bring the grid to about `workgroups`, at most one a tile.
///
/// More slices keep more cores busy and make `reduce_gradients` longer; measured on a two-core software driver, 2 to 16
/// slices are within a quarter of the best. That driver silently leaves all loops of an invocation after 65535
/// iterations together, so slices are never longer than half of that.
pub fn suggested_slices(args: &WeightGradientArgs, jobs: &[u32], workgroups: u32) -> u32 {
    const LONGEST: u64 = 32_768;
    let blocks = (jobs.len() / BLOCK_WORDS).max(1) as u32;
    let segments = jobs.chunks_exact(BLOCK_WORDS).map(|block| block[SEGMENTS_WORD] as u64).max().unwrap_or(1);
    let iterations_of_a_tile = 1 + segments * (1 + args.tile_rows as u64 / 4);
    let tiles_of_a_slice = (LONGEST / iterations_of_a_tile).clamp(1, u32::MAX as u64) as u32;
    let shortest_enough = args.tiles.div_ceil(tiles_of_a_slice);
    workgroups.div_ceil(blocks).max(shortest_enough).clamp(1, args.tiles.max(1))
}

/// Cuts a job into blocks of at most [`GROUP`] lanes.
fn cut(whole: Block, table: &mut Vec<u32>) {
    let lanes = |features: u32, per_lane: u32| features.div_ceil(per_lane).next_power_of_two();
    // Square blocks read least; a side that needs less than its half of the lanes leaves the rest to the other.
    let x_lanes = lanes(whole.x_count, LANE_X).min(SQUARE.max(GROUP / lanes(whole.dy_count, LANE_DY).min(GROUP)));
    let dy_lanes = lanes(whole.dy_count, LANE_DY).min(GROUP / x_lanes);
    for x0 in (0..whole.x_count).step_by((x_lanes * LANE_X) as usize) {
        for dy0 in (0..whole.dy_count).step_by((dy_lanes * LANE_DY) as usize) {
            let block = Block {
                x_feature: if whole.x_feature == ONES { ONES } else { whole.x_feature + x0 },
                dy_feature: whole.dy_feature + dy0,
                x_count: (x_lanes * LANE_X).min(whole.x_count - x0),
                dy_count: (dy_lanes * LANE_DY).min(whole.dy_count - dy0),
                x_shift: x_lanes.trailing_zeros(),
                dy_shift: dy_lanes.trailing_zeros(),
                out_word: whole.out_word + x0 * whole.x_ld + dy0 * whole.dy_ld,
                ..whole
            };
            table.extend_from_slice(bytemuck::cast_slice(&[block]));
        }
    }
}

/// Partial gradients of `slices` row ranges, by the table.
pub fn weight_gradients(args: &WeightGradientArgs, slices: u32, jobs: &[u32], scratch: &[f32], partials: &mut [f32]) {
    let rows = args.tile_rows as usize;
    let feature = |tile: u32, feature: u32| {
        let first = (tile * args.tile_features + feature) as usize * rows;
        &scratch[first..first + rows]
    };
    for slice in 0..slices {
        let tiles = slice * args.tiles / slices..(slice + 1) * args.tiles / slices;
        let partial = &mut partials[((args.first_slice + slice) * args.gradient_words) as usize..]
            [..args.gradient_words as usize];
        for words in jobs.chunks_exact(BLOCK_WORDS) {
            let block: Block = bytemuck::pod_read_unaligned(bytemuck::cast_slice(words));
            for (i, j) in (0..block.x_count).flat_map(|i| (0..block.dy_count).map(move |j| (i, j))) {
                let mut sum = 0.0f64;
                for (tile, segment) in tiles.clone().flat_map(|t| (0..block.segments).map(move |s| (t, s))) {
                    let dy = feature(tile, block.dy_feature + segment * block.dy_stride + j);
                    sum += match block.x_feature {
                        ONES => dy.iter().map(|&y| y as f64).sum::<f64>(),
                        first => {
                            let x = feature(tile, first + segment * block.x_stride + i);
                            x.iter().zip(dy).map(|(&x, &y)| x as f64 * y as f64).sum()
                        }
                    };
                }
                partial[(block.out_word + i * block.x_ld + j * block.dy_ld) as usize] = sum as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(x_width: u32, dy_width: u32, out_word: u32) -> GradJob {
        GradJob {
            x_feature: Some(0),
            x_width,
            x_stride: 0,
            dy_feature: x_width,
            dy_width,
            dy_stride: 0,
            segments: 1,
            out_word,
            ld: dy_width,
        }
    }

    #[test]
    fn blocks_cover_every_word_of_every_shape_exactly_once() {
        for (x_width, dy_width) in [(1, 1), (2, 32), (32, 2), (3, 5), (33, 31), (65, 64), (64, 65), (130, 129)] {
            let table = plan_weight_gradients(&[job(x_width, dy_width, 7)]);
            let mut hits = vec![0; (x_width * dy_width) as usize + 7];
            for block in bytemuck::cast_slice::<u32, Block>(&table) {
                assert!(block.dy_count <= LANE_DY << block.dy_shift && block.x_count <= LANE_X << block.x_shift);
                assert!(block.x_shift + block.dy_shift <= GROUP.trailing_zeros());
                for (i, j) in (0..block.x_count).flat_map(|i| (0..block.dy_count).map(move |j| (i, j))) {
                    hits[(block.out_word + i * block.x_ld + j * block.dy_ld) as usize] += 1;
                }
            }
            assert!(hits[..7].iter().all(|&h| h == 0) && hits[7..].iter().all(|&h| h == 1), "{x_width} x {dy_width}");
        }
    }

    #[test]
    fn suggested_slices_fill_the_machine_and_are_neither_too_long_nor_parts_of_a_tile() {
        let table = |blocks, segments| plan_weight_gradients(&vec![GradJob { segments, ..job(1, 1, 0) }; blocks]);
        let slices = |tiles, table: &[u32], workgroups| {
            let args = WeightGradientArgs { tiles, tile_features: 2, tile_rows: 32, gradient_words: 1, first_slice: 0 };
            suggested_slices(&args, table, workgroups)
        };
        assert_eq!(slices(64, &table(10, 1), 100), 10);
        assert_eq!(slices(4, &table(10, 1), 100), 4);
        assert_eq!(slices(64, &table(1000, 1), 100), 1);
        assert_eq!(slices(0, &[], 100), 1);
        // 10 tiles of 12 segments cost 10 (1 + 12 (1 + 8)) = 1090 iterations; 32768 of them are 300 tiles.
        assert_eq!(slices(3000, &table(1000, 12), 100), 10);
    }

    #[test]
    fn slices_add_up_to_the_matrix_product_for_a_wide_and_for_a_tall_layer() {
        // Two tiles of 4 rows: x = 1 .. 8 in one feature, dy_j = x + j, and the other way round.
        let x: Vec<f32> = (1..=8).map(|v| v as f32).collect();
        let tile = |t: usize| {
            let rows = &x[4 * t..4 * t + 4];
            (0..3).flat_map(move |j| rows.iter().map(move |v| if j == 0 { *v } else { v + j as f32 }))
        };
        let scratch: Vec<f32> = tile(0).chain(tile(1)).collect();
        let args = WeightGradientArgs { tiles: 2, tile_features: 3, tile_rows: 4, gradient_words: 2, first_slice: 0 };
        let want = [1.0, 2.0].map(|j| x.iter().map(|v| v * (v + j)).sum::<f32>());
        let tall = GradJob { x_feature: Some(1), dy_feature: 0, ..job(2, 1, 0) };
        for job in [job(1, 2, 0), tall] {
            let mut partials = [f32::NAN; 4];
            weight_gradients(&args, 2, &plan_weight_gradients(&[job]), &scratch, &mut partials);
            assert_eq!([partials[0] + partials[2], partials[1] + partials[3]], want);
        }
    }
}
