//! The pass on the CPU: the blocks of a job are put together again, and each job is a matrix product whose lanes are the
//! features of its wider side.

use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock};

use super::jobs::{Jobs, PANEL, fits, in_place, lanes, sides};
use super::{Block, ONES, WeightGradientArgs};
use crate::engine::{Call, HostKernel, Tiles, Twin, Words};
use crate::kernels::twin::own;
use crate::simd::{Dense, DenseFn, Isa, LANE_STEP, Lane, fetch, kernel, transpose4};

/// The twin of `shaders/weight_gradients.wgsl`.
#[derive(Clone, Copy, Debug)]
pub struct WeightGradientsTwin;

impl Twin for WeightGradientsTwin {
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String> {
        let workers = (0..workers.max(1)).map(|_| Mutex::default()).collect();
        let (dense, add_rows) = (Dense::pick(isa), pick_rows(isa));
        Ok(Box::new(Host { dense, add_rows, jobs: RwLock::default(), workers }))
    }
}

struct Host {
    dense: DenseFn,
    add_rows: unsafe fn(&Rows),
    /// Set by `tasks` and `takes`, of which an engine asks one before it runs anything.
    jobs: RwLock<Jobs>,
    workers: Vec<Mutex<Worker>>,
}

#[derive(Default)]
struct Worker {
    turned: Turned,
    /// Sums of one job after the other.
    total: Vec<f32>,
}

/// The wider side of a product: `[panel][row][PANEL]`.
#[derive(Default)]
struct Turned {
    words: Vec<f32>,
    /// First feature and features of a panel, while they are those of the tile at hand.
    of: Vec<Option<(u32, usize)>>,
}

fn arguments(call: &Call<'_>) -> Option<WeightGradientArgs> {
    bytemuck::try_pod_read_unaligned(call.immediates).ok()
}

impl HostKernel for Host {
    fn tasks(&self, call: &Call<'_>) -> usize {
        let Some(args) = arguments(call) else { return 0 };
        let parts = |jobs: &Jobs| (0..jobs.firsts.len()).map(|part| jobs.sums(&jobs.part(part)).len()).max();
        self.read(call, &args, parts) * call.groups[1] as usize
    }

    fn run(&self, call: &Call<'_>, task: usize, worker: usize) {
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner);
        let (slice, part) = (task / jobs.firsts.len(), task % jobs.firsts.len());
        self.slice(call, slice, &jobs, jobs.part(part), worker, &mut |tile| tile);
    }

    fn takes(&self, call: &Call<'_>) -> Option<(Tiles, usize)> {
        let args = arguments(call)?;
        self.read(call, &args, |jobs| Some(jobs.sums(&(0..jobs.blocks.len())).len()));
        let words = (args.tile_features as usize).checked_mul(args.tile_rows as usize)?;
        Some((Tiles { binding: 1, count: args.tiles as usize, words }, call.groups[1] as usize))
    }

    fn follow(&self, call: &Call<'_>, group: usize, worker: usize, make: &mut dyn FnMut(usize) -> usize) {
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner);
        self.slice(call, group, &jobs, 0..jobs.blocks.len(), worker, make);
    }
}

impl Host {
    /// Reads the table and makes room for the sums of any of the `parts`, so that no worker allocates while it runs;
    /// returns the tasks of a slice.
    fn read(&self, call: &Call<'_>, args: &WeightGradientArgs, parts: impl Fn(&Jobs) -> Option<usize>) -> usize {
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        jobs.read(call, args);
        let (most, panels) = (parts(&jobs).unwrap_or(0), jobs.panels());
        let turned_words = panels * args.tile_rows as usize * PANEL;
        for worker in &self.workers {
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            let Worker { turned, total } = &mut *worker;
            turned.words.resize(turned_words.max(turned.words.len()), 0.0);
            turned.of.resize(panels.max(turned.of.len()), None);
            total.resize(most.max(total.len()), 0.0);
        }
        jobs.firsts.len()
    }

    /// Some jobs over the tiles of a slice; `make(tile)` says where a tile is.
    fn slice(
        &self,
        call: &Call<'_>,
        slice: usize,
        jobs: &Jobs,
        part: Range<usize>,
        worker: usize,
        make: &mut dyn FnMut(usize) -> usize,
    ) {
        let Some(args) = arguments(call) else { return };
        let mut worker = self.workers[worker % self.workers.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let Worker { turned, total } = &mut *worker;
        let (rows, tiles, slices) = (args.tile_rows as usize, args.tiles as usize, call.groups[1] as usize);
        let gradient = Gradient {
            words: call.buffers[2],
            first: (args.first_slice as usize + slice) * args.gradient_words as usize,
        };
        // The jobs are those of the last table that was read, which a stranger's call need not match.
        let room = jobs.sums(&part).len() <= total.len() && jobs.panels() * rows * PANEL <= turned.words.len();
        let fits = |block: &Block| fits(block, &args, call.buffers[1].len()) && gradient.fits(block);
        if !room || !jobs.blocks[part.clone()].iter().all(fits) {
            return;
        }
        let first_sum = jobs.sums(&part).start;
        let own_sums = |k: usize| {
            let sums = jobs.sums(&(k..k + 1));
            sums.start - first_sum..sums.end - first_sum
        };
        let range = slice * tiles / slices..(slice + 1) * tiles / slices;
        if range.is_empty() {
            total.fill(0.0);
            part.clone().for_each(|k| gradient.clear(&jobs.blocks[k]));
        }
        for tile in range.clone() {
            let words = args.tile_features as usize * rows;
            let place = make(tile);
            turned.of.fill(None);
            let begins = tile == range.start;
            let tile = Tile { first: call.buffers[1].as_ptr().wrapping_add(place * words), rows };
            for k in part.clone() {
                let (block, total) = (&jobs.blocks[k], &mut total[own_sums(k)]);
                // SAFETY: the features lie inside the tile, which nobody writes meanwhile.
                unsafe {
                    match block.x_feature {
                        ONES => self.ones(&tile, block, total, begins),
                        _ => self.product(&tile, block, turned, gradient.sums(block, total), begins),
                    }
                }
            }
        }
        for k in part {
            gradient.write(&jobs.blocks[k], &mut total[own_sums(k)]);
        }
    }

    /// Adds a tile's rows to the sums of a job whose input is constant; the first tile `begins` them.
    unsafe fn ones(&self, tile: &Tile, block: &Block, total: &mut [f32], begins: bool) {
        if begins {
            total.fill(0.0);
        }
        let rows = Rows {
            first: tile.feature(block.dy_feature),
            rows: tile.rows,
            features: block.dy_count as usize,
            segments: block.segments as usize,
            segment_words: block.dy_stride as usize * tile.rows,
            total: total.as_mut_ptr(),
        };
        // SAFETY: the caller's promise; `total` has a line a feature.
        unsafe { (self.add_rows)(&rows) }
    }

    /// Adds a tile's product to sums whose rows are `ys` words apart; the first tile `begins` them.
    unsafe fn product(
        &self,
        tile: &Tile,
        block: &Block,
        turned: &mut Turned,
        (y, ys): (*mut f32, usize),
        begins: bool,
    ) {
        let (wide, narrow) = sides(block);
        let lanes = lanes(&wide);
        for segment in 0..block.segments {
            let other = tile.feature(narrow.feature + segment * narrow.stride);
            for lane in (0..lanes).step_by(PANEL) {
                let null = std::ptr::null();
                // SAFETY: the caller's promise; there is a sum for every lane and feature of the narrow side.
                unsafe {
                    let feature = wide.feature + segment * wide.stride + lane as u32;
                    let x = turned.turn(tile, lane / PANEL, feature, (wide.count - lane).min(PANEL));
                    (self.dense)(&Dense {
                        y: y.add(lane),
                        ys,
                        x,
                        xs: PANEL,
                        w: other,
                        ldi: 1,
                        ldj: tile.rows,
                        inputs: tile.rows,
                        outputs: narrow.count,
                        lanes: (lanes - lane).min(PANEL),
                        bias: null,
                        add: [null; 2],
                        scale: null,
                        add_stride: 0,
                        accumulate: !begins || segment > 0,
                    });
                }
            }
        }
    }
}

/// A slice's gradient vector.
struct Gradient<'a> {
    words: Words<'a>,
    first: usize,
}

impl Gradient<'_> {
    /// Rows of weights along the wider side of a job.
    fn rows(&self, block: &Block) -> impl Iterator<Item = Range<usize>> {
        let (wide, narrow) = sides(block);
        let first = self.first + block.out_word as usize;
        (0..narrow.count).map(move |n| first + n * narrow.ld..first + n * narrow.ld + wide.count)
    }

    /// Whether there is room for sums that are kept in place.
    fn fits(&self, block: &Block) -> bool {
        !in_place(block) || self.rows(block).all(|row| row.end <= self.words.len())
    }

    /// Where the sums of a product are kept, and the words between two of their rows.
    fn sums(&self, block: &Block, total: &mut [f32]) -> (*mut f32, usize) {
        let (wide, narrow) = sides(block);
        match in_place(block) {
            true => (self.words.as_ptr().wrapping_add(self.first + block.out_word as usize), narrow.ld),
            false => (total.as_mut_ptr(), lanes(&wide)),
        }
    }

    /// Zeros for a job that keeps its sums in place.
    fn clear(&self, block: &Block) {
        if in_place(block) {
            self.rows(block).for_each(|row| own(&self.words, row).fill(0.0));
        }
    }

    /// The sums of a job to their words, unless they are there.
    fn write(&self, block: &Block, total: &mut [f32]) {
        let (wide, _) = sides(block);
        let first = self.first + block.out_word as usize;
        if block.x_feature == ONES {
            for (j, sums) in total.chunks_exact_mut(LANE_STEP).enumerate() {
                // In a fixed order, whatever the width of the vectors.
                for half in [8, 4, 2, 1] {
                    for k in 0..half {
                        sums[k] += sums[k + half];
                    }
                }
                self.words.set_f32(first + j * block.dy_ld as usize, sums[0]);
            }
        } else {
            for (row, line) in self.rows(block).zip(total.chunks_exact(lanes(&wide))) {
                for (w, value) in line[..wide.count].iter().enumerate() {
                    self.words.set_f32(row.start + w * wide.ld, *value);
                }
            }
        }
    }
}

/// A tile's scratch.
struct Tile {
    first: *const f32,
    rows: usize,
}

impl Tile {
    /// The rows of a feature.
    fn feature(&self, feature: u32) -> *const f32 {
        self.first.wrapping_add(feature as usize * self.rows)
    }
}

impl Turned {
    /// Makes `panel` the features of a tile from `feature` on, and says where it is. Lanes beyond them are computed as
    /// well, from zeros.
    unsafe fn turn(&mut self, tile: &Tile, panel: usize, feature: u32, count: usize) -> *const f32 {
        let words = &mut self.words[panel * tile.rows * PANEL..][..tile.rows * PANEL];
        if self.of[panel] != Some((feature, count)) {
            let lanes = count.next_multiple_of(LANE_STEP);
            if lanes > count {
                words.chunks_exact_mut(PANEL).for_each(|row| row[count..lanes].fill(0.0));
            }
            // SAFETY: `rows` by `PANEL`, and a multiple of 4 rows.
            unsafe { turn(tile.feature(feature), count, tile.rows, words.as_mut_ptr()) };
            self.of[panel] = Some((feature, count));
        }
        words.as_ptr()
    }
}

/// Features that are fetched ahead of their use.
const AHEAD: usize = 16;

/// `to[row][lane] = from[lane][row]`
unsafe fn turn(from: *const f32, width: usize, rows: usize, to: *mut f32) {
    let whole = width / 4 * 4;
    // SAFETY: the caller's extents; what is fetched ahead is not read.
    unsafe {
        for f in (0..whole).step_by(4) {
            let source = from.add(f * rows);
            for line in (0..4 * rows).step_by(16) {
                fetch(source.wrapping_add(AHEAD * rows + line));
            }
            for row in (0..rows).step_by(4) {
                let (s, t) = (source.add(row), to.add(row * PANEL + f));
                transpose4(
                    [s, s.add(rows), s.add(2 * rows), s.add(3 * rows)],
                    [t, t.add(PANEL), t.add(2 * PANEL), t.add(3 * PANEL)],
                );
            }
        }
        for f in whole..width {
            for row in 0..rows {
                *to.add(row * PANEL + f) = *from.add(f * rows + row);
            }
        }
    }
}

/// Features added up over the rows of a tile into [`LANE_STEP`] sums each: row `r` belongs to sum `r % LANE_STEP`.
struct Rows {
    first: *const f32,
    rows: usize,
    features: usize,
    segments: usize,
    segment_words: usize,
    total: *mut f32,
}

kernel! {
    fn pick_rows(r: &Rows) = add_rows;
}

#[inline(always)]
unsafe fn add_rows<V: Lane>(r: &Rows) {
    let whole = r.rows / LANE_STEP * LANE_STEP;
    for feature in 0..r.features {
        let sums = r.total.wrapping_add(feature * LANE_STEP);
        for segment in 0..r.segments {
            let from = r.first.wrapping_add(segment * r.segment_words + feature * r.rows);
            let mut lane = 0;
            while lane < LANE_STEP {
                // SAFETY: the caller's extents.
                unsafe {
                    let mut total = V::load(sums.add(lane));
                    let mut row = lane;
                    while row < whole {
                        total = total + V::load(from.add(row));
                        row += LANE_STEP;
                    }
                    total.store(sums.add(lane));
                }
                lane += V::N;
            }
            for row in whole..r.rows {
                // SAFETY: as above.
                unsafe { *sums.add(row - whole) += *from.add(row) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

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
