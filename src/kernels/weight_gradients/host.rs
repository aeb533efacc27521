//! The pass on the CPU: the blocks of a job are put together again, and each job is a matrix product whose lanes are the
//! features of its wider side.

use std::sync::{Mutex, PoisonError, RwLock};

use super::{BLOCK_WORDS, Block, ONES, WeightGradientArgs};
use crate::engine::{Call, HostKernel, Twin};
use crate::simd::{Dense, DenseFn, Isa, LANE_STEP, Lane, kernel, transpose4};

/// Work of a task, in multiply-adds a row, above which it gets no further job.
const ENOUGH: u64 = 8192;

/// The twin of `shaders/weight_gradients.wgsl`.
#[derive(Clone, Copy, Debug)]
pub struct WeightGradientsTwin;

impl Twin for WeightGradientsTwin {
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String> {
        let workers = (0..workers.max(1)).map(|_| Mutex::default()).collect();
        let (dense, sums) = (Dense::pick(isa), pick_sums(isa));
        Ok(Box::new(Host { dense, sums, jobs: RwLock::default(), workers }))
    }
}

struct Host {
    dense: DenseFn,
    sums: unsafe fn(&Sums),
    /// Set by `tasks`, which an engine asks before it runs them.
    jobs: RwLock<Jobs>,
    workers: Vec<Mutex<Worker>>,
}

/// Whole jobs, and the first job of every task of a slice.
#[derive(Default)]
struct Jobs {
    blocks: Vec<Block>,
    firsts: Vec<usize>,
}

#[derive(Default)]
struct Worker {
    /// `[row][lanes]`, and a line of padding a row
    turned: Vec<f32>,
    /// `[feature of the narrow side][lanes]`
    total: Vec<f32>,
}

impl Jobs {
    /// Reads a table. Blocks that reach beyond the scratch are left out, so that jobs stay inside it.
    fn read(&mut self, call: &Call<'_>, args: &WeightGradientArgs) {
        self.blocks.clear();
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
        for (k, block) in self.blocks.iter().enumerate() {
            if work >= ENOUGH {
                self.firsts.push(k);
                work = 0;
            }
            let features = (u64::from(block.x_count) + 4).saturating_mul(u64::from(block.dy_count) + 4);
            work = work.saturating_add(features.saturating_mul(block.segments.into()));
        }
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
fn fits(block: &Block, args: &WeightGradientArgs, scratch: usize) -> bool {
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

/// Lanes of the wider side of a product, and words between two of its rows: one line more, so that rows do not compete
/// for the same lines of the cache.
fn lanes(width: u32) -> (usize, usize) {
    let lanes = (width as usize).next_multiple_of(LANE_STEP);
    (lanes, lanes + LANE_STEP)
}

/// Words of a worker's `turned` and `total` for a product.
fn scratch_words(block: &Block, rows: u32) -> (usize, usize) {
    let (wide, narrow) = (block.x_count.max(block.dy_count), block.x_count.min(block.dy_count));
    let (lanes, stride) = lanes(wide);
    (rows as usize * stride, narrow as usize * lanes)
}

impl HostKernel for Host {
    fn tasks(&self, call: &Call<'_>) -> usize {
        let Ok(args) = bytemuck::try_pod_read_unaligned::<WeightGradientArgs>(call.immediates) else { return 0 };
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        jobs.read(call, &args);
        // Any worker may take any job: none of them allocates while it runs.
        let products = jobs.blocks.iter().filter(|block| block.x_feature != ONES);
        let sizes = products.map(|block| scratch_words(block, args.tile_rows));
        let most = sizes.fold((0, 0), |(turned, total), (a, b)| (turned.max(a), total.max(b)));
        for worker in &self.workers {
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            let Worker { turned, total } = &mut *worker;
            turned.reserve(most.0.saturating_sub(turned.len()));
            total.reserve(most.1.saturating_sub(total.len()));
        }
        jobs.firsts.len() * call.groups[1] as usize
    }

    fn run(&self, call: &Call<'_>, task: usize, worker: usize) {
        let Ok(args) = bytemuck::try_pod_read_unaligned::<WeightGradientArgs>(call.immediates) else { return };
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner);
        let mut worker = self.workers[worker % self.workers.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let (slice, part) = (task / jobs.firsts.len(), task % jobs.firsts.len());
        let slices = call.groups[1] as usize;
        let tiles = args.tiles as usize;
        let range = slice * tiles / slices..(slice + 1) * tiles / slices;
        let first_word = (args.first_slice as usize + slice) * args.gradient_words as usize;
        let last = jobs.firsts.get(part + 1).copied().unwrap_or(jobs.blocks.len());
        for block in &jobs.blocks[jobs.firsts[part]..last] {
            // The jobs are those of the last table that was read, which a stranger's call need not match.
            if !fits(block, &args, call.buffers[1].len()) {
                continue;
            }
            let job = Job { block, args: &args, range: range.clone(), scratch: call.buffers[1].as_ptr() };
            let out = |word: usize, values: &[f32]| {
                let word = first_word + block.out_word as usize + word;
                for (k, value) in values.iter().enumerate() {
                    call.buffers[2].set_f32(word + k, *value);
                }
            };
            // SAFETY: the features lie inside the scratch, which this pass does not write.
            unsafe {
                if block.x_feature == ONES {
                    job.ones(self.sums, out);
                } else {
                    job.product(self.dense, &mut worker, out);
                }
            }
        }
    }
}

/// One job over the tiles of a slice.
struct Job<'a> {
    block: &'a Block,
    args: &'a WeightGradientArgs,
    range: std::ops::Range<usize>,
    scratch: *const f32,
}

impl Job<'_> {
    fn rows(&self) -> usize {
        self.args.tile_rows as usize
    }

    /// The rows of a feature.
    fn feature(&self, tile: usize, feature: u32) -> *const f32 {
        self.scratch.wrapping_add((tile * self.args.tile_features as usize + feature as usize) * self.rows())
    }

    /// Sums over rows.
    unsafe fn ones(&self, sums: unsafe fn(&Sums), out: impl Fn(usize, &[f32])) {
        let block = self.block;
        for j in 0..block.dy_count {
            let mut total = [0.0f32; LANE_STEP];
            let first = self.feature(0, block.dy_feature + j);
            let sum = Sums {
                first: first.wrapping_add(self.range.start * self.args.tile_features as usize * self.rows()),
                rows: self.rows(),
                segments: block.segments as usize,
                segment_words: block.dy_stride as usize * self.rows(),
                tiles: self.range.len(),
                tile_words: self.args.tile_features as usize * self.rows(),
                total: total.as_mut_ptr(),
            };
            // SAFETY: the caller's promise.
            unsafe { sums(&sum) };
            // In a fixed order, whatever the width of the vectors.
            for half in [8, 4, 2, 1] {
                for k in 0..half {
                    total[k] += total[k + half];
                }
            }
            out(j as usize * block.dy_ld as usize, &total[..1]);
        }
    }

    /// The product, with the wider side along the lanes.
    unsafe fn product(&self, dense: DenseFn, worker: &mut Worker, out: impl Fn(usize, &[f32])) {
        let b = self.block;
        let (x, dy) = ((b.x_feature, b.x_stride, b.x_count), (b.dy_feature, b.dy_stride, b.dy_count));
        let x_is_wide = b.x_count > b.dy_count;
        let (wide, narrow) = if x_is_wide { (x, dy) } else { (dy, x) };
        let (rows, width, outputs) = (self.rows(), wide.2 as usize, narrow.2 as usize);
        let (lanes, stride) = lanes(wide.2);
        worker.total.clear();
        worker.total.resize(outputs * lanes, 0.0);
        if worker.turned.len() < rows * stride {
            worker.turned.resize(rows * stride, 0.0);
        }
        // Lanes beyond the features are computed as well, from zeros.
        worker.turned.chunks_exact_mut(stride).take(rows).for_each(|row| row[width..lanes].fill(0.0));
        for tile in self.range.clone() {
            for segment in 0..b.segments {
                let from = self.feature(tile, wide.0 + segment * wide.1);
                let other = self.feature(tile, narrow.0 + segment * narrow.1);
                (0..outputs * rows).step_by(16).for_each(|word| fetch(other.wrapping_add(word)));
                // SAFETY: `rows` by `stride`, and a multiple of 4 rows.
                unsafe { turn(from, width, rows, worker.turned.as_mut_ptr(), stride) };
                let null = std::ptr::null();
                let d = Dense {
                    y: worker.total.as_mut_ptr(),
                    ys: lanes,
                    x: worker.turned.as_ptr(),
                    xs: stride,
                    w: other,
                    ldi: 1,
                    ldj: rows,
                    inputs: rows,
                    outputs,
                    lanes,
                    bias: null,
                    add: [null; 2],
                    add_stride: 0,
                    accumulate: true,
                };
                // SAFETY: as above.
                unsafe { dense(&d) };
            }
        }
        let (wide_ld, narrow_ld) = if x_is_wide { (b.x_ld, b.dy_ld) } else { (b.dy_ld, b.x_ld) };
        for (n, line) in worker.total.chunks_exact(lanes).enumerate() {
            let first = n * narrow_ld as usize;
            if wide_ld == 1 {
                out(first, &line[..width]);
                continue;
            }
            for (w, value) in line[..width].iter().enumerate() {
                out(first + w * wide_ld as usize, std::slice::from_ref(value));
            }
        }
    }
}

/// Features that are fetched ahead of their use.
const AHEAD: usize = 16;

/// `to[row][lane] = from[lane][row]`
unsafe fn turn(from: *const f32, width: usize, rows: usize, to: *mut f32, stride: usize) {
    let whole = width / 4 * 4;
    // SAFETY: the caller's extents; what is fetched ahead is not read.
    unsafe {
        for f in (0..whole).step_by(4) {
            let source = from.add(f * rows);
            for line in (0..4 * rows).step_by(16) {
                fetch(source.wrapping_add(AHEAD * rows + line));
            }
            for row in (0..rows).step_by(4) {
                let (s, t) = (source.add(row), to.add(row * stride + f));
                transpose4(
                    [s, s.add(rows), s.add(2 * rows), s.add(3 * rows)],
                    [t, t.add(stride), t.add(2 * stride), t.add(3 * stride)],
                );
            }
        }
        for f in whole..width {
            for row in 0..rows {
                *to.add(row * stride + f) = *from.add(f * rows + row);
            }
        }
    }
}

/// Asks for a line of memory that is needed soon.
#[inline(always)]
fn fetch(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that may name any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// One feature summed over tiles and segments into [`LANE_STEP`] sums: row `r` belongs to sum `r % LANE_STEP`.
struct Sums {
    first: *const f32,
    rows: usize,
    segments: usize,
    segment_words: usize,
    tiles: usize,
    tile_words: usize,
    total: *mut f32,
}

kernel! {
    fn pick_sums(s: &Sums) = sum;
}

#[inline(always)]
unsafe fn sum<V: Lane>(s: &Sums) {
    let whole = s.rows / LANE_STEP * LANE_STEP;
    for tile in 0..s.tiles {
        for segment in 0..s.segments {
            let from = s.first.wrapping_add(tile * s.tile_words + segment * s.segment_words);
            let mut lane = 0;
            while lane < LANE_STEP {
                // SAFETY: the caller's extents.
                unsafe {
                    let mut total = V::load(s.total.add(lane));
                    let mut row = lane;
                    while row < whole {
                        total = total + V::load(from.add(row));
                        row += LANE_STEP;
                    }
                    total.store(s.total.add(lane));
                }
                lane += V::N;
            }
            for row in whole..s.rows {
                // SAFETY: as above.
                unsafe { *s.total.add(row - whole) += *from.add(row) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;
    use crate::engine::Words;

    #[test]
    fn jobs_without_segments_or_beyond_the_scratch_are_left_out_however_large_their_numbers() {
        let args = WeightGradientArgs { tiles: 1, tile_features: 3, tile_rows: 4, gradient_words: 2, first_slice: 0 };
        let good = Block { x_feature: 0, dy_feature: 1, segments: 1, x_count: 1, dy_count: 2, ..Zeroable::zeroed() };
        let host = WeightGradientsTwin.prepare(Isa::detect(), 1).unwrap();
        let tasks = |block: Block, args: WeightGradientArgs| {
            let (mut table, mut scratch, mut out) = (vec![block], [1.0f32; 12], [0.0f32; 2]);
            let table = Words::of(bytemuck::cast_slice_mut(&mut table));
            let buffers = [table, Words::of_floats(&mut scratch), Words::of_floats(&mut out)];
            host.tasks(&Call { groups: [1, 1, 1], immediates: bytemuck::bytes_of(&args), buffers: &buffers })
        };
        assert_eq!(tasks(good, args), 1);
        let bad = [
            Block { segments: 0, ..good },
            Block { segments: 2, dy_stride: 1, ..good },
            // Wrapped to 32 bits, these end inside the tile.
            Block { segments: 3, x_stride: 1 << 31, ..good },
            Block { dy_feature: u32::MAX, ..good },
            Block { x_feature: 2, x_count: u32::MAX, ..good },
        ];
        for block in bad {
            assert_eq!(tasks(block, args), 0, "{block:?}");
        }
        for (tile_features, tile_rows) in [(1 << 30, 4), (3, 1 << 30), (4, 4), (3, 3)] {
            assert_eq!(tasks(good, WeightGradientArgs { tile_features, tile_rows, ..args }), 0);
        }
    }
}
