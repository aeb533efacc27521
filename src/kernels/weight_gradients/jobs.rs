//! The blocks of a table, put together to whole jobs again.

use std::ops::Range;

use super::{BLOCK_WORDS, Block, ONES, WeightGradientArgs};
use crate::engine::Call;
use crate::simd::LANE_STEP;

/// Work of a task, in multiply-adds a row, above which it gets no further job.
const ENOUGH: u64 = 8192;

/// Whole jobs, where their sums begin in a worker's memory, and the first job of every task of a slice.
#[derive(Default)]
pub struct Jobs {
    pub blocks: Vec<Block>,
    /// One more than there are jobs: the last is the end.
    starts: Vec<usize>,
    pub firsts: Vec<usize>,
}

impl Jobs {
    /// Reads a table. Blocks that reach beyond the scratch are left out, so that jobs stay inside it.
    pub fn read(&mut self, call: &Call<'_>, args: &WeightGradientArgs) {
        self.blocks.clear();
        self.starts.clear();
        self.firsts.clear();
        let table = call.buffers[0];
        for first in (0..table.len().min(call.groups[0] as usize * BLOCK_WORDS)).step_by(BLOCK_WORDS) {
            let words: [u32; BLOCK_WORDS] = std::array::from_fn(|k| table.get(first + k));
            let block: Block = bytemuck::cast(words);
            if !fits(&block, args, call.buffers[1].len()) {
                continue;
            }
            // Blocks of a job lie side by side along `dy` first; a full strip then joins the strip before it.
            if let Some(last) = self.blocks.last_mut()
                && joins_dy(last, &block)
            {
                last.dy_count += block.dy_count;
            } else {
                self.join_strips();
                self.blocks.push(block);
            }
        }
        self.join_strips();
        let mut work = ENOUGH;
        let mut sums = 0;
        for (k, block) in self.blocks.iter().enumerate() {
            self.starts.push(sums);
            sums += sum_words(block);
            if work >= ENOUGH {
                self.firsts.push(k);
                work = 0;
            }
            let features = (u64::from(block.x_count) + 4).saturating_mul(u64::from(block.dy_count) + 4);
            work = work.saturating_add(features.saturating_mul(block.segments.into()));
        }
        self.starts.push(sums);
    }

    /// The jobs of task `part` of a slice.
    pub fn part(&self, part: usize) -> Range<usize> {
        self.firsts[part]..self.firsts.get(part + 1).copied().unwrap_or(self.blocks.len())
    }

    /// Words of the sums of some jobs.
    pub fn sums(&self, jobs: &Range<usize>) -> Range<usize> {
        self.starts[jobs.start]..self.starts[jobs.end]
    }

    /// Panels of the widest side of a product.
    pub fn panels(&self) -> usize {
        let products = self.blocks.iter().filter(|block| block.x_feature != ONES);
        products.map(|block| sides(block).0.count.div_ceil(PANEL)).max().unwrap_or(0)
    }

    fn join_strips(&mut self) {
        if let [.., before, last] = &mut self.blocks[..]
            && joins_x(before, last)
        {
            before.x_count += last.x_count;
            self.blocks.pop();
        }
    }
}

/// Whether all that a block reads lies inside a scratch of so many words. In 64 bits: a table may hold any words.
pub fn fits(block: &Block, args: &WeightGradientArgs, scratch: usize) -> bool {
    let [segments, features, rows, tiles] =
        [block.segments, args.tile_features, args.tile_rows, args.tiles].map(u64::from);
    let Some(steps) = segments.checked_sub(1) else { return false };
    let reach =
        |feature: u32, stride: u32, count: u32| u64::from(feature) + steps * u64::from(stride) + u64::from(count);
    let y_end = reach(block.dy_feature, block.dy_stride, block.dy_count);
    let x_end = if block.x_feature == ONES { 0 } else { reach(block.x_feature, block.x_stride, block.x_count) };
    let words = (features * rows.max(1)).saturating_mul(tiles.max(1));
    rows.is_multiple_of(4) && words <= scratch as u64 && y_end.max(x_end) <= features
}

/// Whether two blocks differ in place only.
fn alike(a: &Block, b: &Block) -> bool {
    (a.segments, a.x_stride, a.dy_stride, a.x_ld, a.dy_ld) == (b.segments, b.x_stride, b.dy_stride, b.x_ld, b.dy_ld)
}

/// The word behind `count` words that are `step` apart.
fn after(first: u32, count: u32, step: u32) -> u64 {
    u64::from(first) + u64::from(count) * u64::from(step)
}

fn joins_dy(a: &Block, b: &Block) -> bool {
    alike(a, b)
        && (a.x_feature, a.x_count) == (b.x_feature, b.x_count)
        && a.dy_feature + a.dy_count == b.dy_feature
        && after(a.out_word, a.dy_count, a.dy_ld) == u64::from(b.out_word)
}

fn joins_x(a: &Block, b: &Block) -> bool {
    alike(a, b)
        && a.x_feature != ONES
        && (a.dy_feature, a.dy_count) == (b.dy_feature, b.dy_count)
        && a.x_feature + a.x_count == b.x_feature
        && after(a.out_word, a.x_count, a.x_ld) == u64::from(b.out_word)
}

/// A side of a product.
#[derive(Clone, Copy)]
pub struct Side {
    /// First feature.
    pub feature: u32,
    /// Features from one segment to the next.
    pub stride: u32,
    /// Features.
    pub count: usize,
    /// Words between neighbours in the gradient vector.
    pub ld: usize,
}

/// The wider side of a product, which goes along the lanes, and the narrower one.
pub fn sides(block: &Block) -> (Side, Side) {
    let side = |feature, stride, count: u32, ld: u32| Side { feature, stride, count: count as usize, ld: ld as usize };
    let x = side(block.x_feature, block.x_stride, block.x_count, block.x_ld);
    let dy = side(block.dy_feature, block.dy_stride, block.dy_count, block.dy_ld);
    if x.count > dy.count { (x, dy) } else { (dy, x) }
}

/// Lanes of the wider side that are turned and multiplied at a time, so that they stay in the first-level cache.
pub const PANEL: usize = 64;

/// Lanes of a side.
pub fn lanes(side: &Side) -> usize {
    side.count.next_multiple_of(LANE_STEP)
}

/// Whether the sums of a product can be kept in the gradient vector itself.
pub fn in_place(block: &Block) -> bool {
    let (wide, _) = sides(block);
    block.x_feature != ONES && wide.ld == 1 && lanes(&wide) == wide.count
}

/// Words of a job's sums in a worker's memory: `[feature of the narrow side][lanes]`, or `[feature][LANE_STEP]` of a sum
/// over rows; none where they are in place.
fn sum_words(block: &Block) -> usize {
    let (wide, narrow) = sides(block);
    match block.x_feature {
        ONES => block.dy_count as usize * LANE_STEP,
        _ if in_place(block) => 0,
        _ => narrow.count * lanes(&wide),
    }
}
