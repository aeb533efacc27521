//! All weight gradients in one split-K dispatch: planner and twin of `shaders/weight_gradients.wgsl`.

use super::describe;
use crate::gpu::{KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Most features on the lane side of a block: the workgroup's invocations.
pub const BLOCK_LANES: u32 = 64;
/// Most features on the uniform side of a block.
pub const BLOCK_UNIFORMS: u32 = 8;
/// [`Block::uniform_feature`] of a constant 1, for biases and batch sums.
pub const ONES: u32 = u32::MAX;
/// Words of one table entry.
pub const BLOCK_WORDS: usize = size_of::<Block>() / 4;

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
    /// First feature of the side that all lanes share, or [`ONES`].
    pub uniform_feature: u32,
    /// Features between its loop segments.
    pub uniform_stride: u32,
    /// First feature of the side that is spread over the lanes.
    pub lane_feature: u32,
    /// Features between its loop segments.
    pub lane_stride: u32,
    /// Loop segments, summed.
    pub segments: u32,
    /// Features on the shared side, at most [`BLOCK_UNIFORMS`].
    pub uniform_count: u32,
    /// Features on the lane side, at most [`BLOCK_LANES`].
    pub lane_count: u32,
    /// log2 of the lanes that work on one row group.
    pub lane_shift: u32,
    /// Word of the gradient vector where element (0, 0) goes.
    pub out_word: u32,
    /// Words between neighbours on the shared side.
    pub uniform_ld: u32,
    /// Words between neighbours on the lane side.
    pub lane_ld: u32,
    /// Zero; rounds the entry up to three vec4.
    pub reserved: u32,
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
/// `jobs` (the plan), `scratch` (`[tiles][tile_features][tile_rows]`), `partials` (`[slices][gradient_words]`).
pub fn desc() -> KernelDesc {
    let flops = 2.0 * (BLOCK_LANES * BLOCK_UNIFORMS) as f64;
    let work = Work { matrix_flops: flops, other_flops: 0.0, bytes: 4.0 * (BLOCK_LANES + BLOCK_UNIFORMS) as f64 };
    let wgsl = include_str!("../../shaders/weight_gradients.wgsl");
    describe("weight_gradients", wgsl, &["jobs", "scratch", "partials"], work)
}

/// Cuts jobs into blocks: the table `jobs`, [`BLOCK_WORDS`] words an entry, an entry a workgroup.
///
/// The wider side goes over the lanes, so that a layer of two outputs does not leave 62 of them idle.
pub fn plan_weight_gradients(jobs: &[GradJob]) -> Vec<u32> {
    let mut table = Vec::new();
    for job in jobs {
        let lanes_on_x = job.x_feature.is_some() && job.x_width > job.dy_width;
        let (uniforms, lanes) = if lanes_on_x { (job.dy_width, job.x_width) } else { (job.x_width, job.dy_width) };
        for lane0 in (0..lanes).step_by(BLOCK_LANES as usize) {
            for uniform0 in (0..uniforms).step_by(BLOCK_UNIFORMS as usize) {
                let lane_count = BLOCK_LANES.min(lanes - lane0);
                let x = |first: u32| job.x_feature.map_or(ONES, |feature| feature + first);
                let dy = |first: u32| job.dy_feature + first;
                let mut block = Block {
                    uniform_feature: x(uniform0),
                    uniform_stride: job.x_stride,
                    lane_feature: dy(lane0),
                    lane_stride: job.dy_stride,
                    segments: job.segments,
                    uniform_count: BLOCK_UNIFORMS.min(uniforms - uniform0),
                    lane_count,
                    lane_shift: lane_count.next_power_of_two().trailing_zeros(),
                    out_word: job.out_word + uniform0 * job.ld + lane0,
                    uniform_ld: job.ld,
                    lane_ld: 1,
                    reserved: 0,
                };
                if lanes_on_x {
                    (block.uniform_feature, block.uniform_stride) = (dy(uniform0), job.dy_stride);
                    (block.lane_feature, block.lane_stride) = (x(lane0), job.x_stride);
                    block.out_word = job.out_word + lane0 * job.ld + uniform0;
                    (block.uniform_ld, block.lane_ld) = (1, job.ld);
                }
                table.extend_from_slice(bytemuck::cast_slice(&[block]));
            }
        }
    }
    table
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
            for (i, j) in (0..block.uniform_count).flat_map(|i| (0..block.lane_count).map(move |j| (i, j))) {
                let mut sum = 0.0f64;
                for (tile, segment) in tiles.clone().flat_map(|t| (0..block.segments).map(move |s| (t, s))) {
                    let lane = feature(tile, block.lane_feature + segment * block.lane_stride + j);
                    sum += match block.uniform_feature {
                        ONES => lane.iter().map(|&y| y as f64).sum::<f64>(),
                        first => {
                            let uniform = feature(tile, first + segment * block.uniform_stride + i);
                            uniform.iter().zip(lane).map(|(&x, &y)| x as f64 * y as f64).sum()
                        }
                    };
                }
                partial[(block.out_word + i * block.uniform_ld + j * block.lane_ld) as usize] = sum as f32;
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
                assert!(block.lane_count <= 1 << block.lane_shift && 1 << block.lane_shift <= BLOCK_LANES);
                assert!(block.uniform_count <= BLOCK_UNIFORMS);
                for (i, j) in (0..block.uniform_count).flat_map(|i| (0..block.lane_count).map(move |j| (i, j))) {
                    hits[(block.out_word + i * block.uniform_ld + j * block.lane_ld) as usize] += 1;
                }
            }
            assert!(hits[..7].iter().all(|&h| h == 0) && hits[7..].iter().all(|&h| h == 1), "{x_width} x {dy_width}");
        }
    }

    #[test]
    fn slices_add_up_to_the_matrix_product_in_either_orientation() {
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
