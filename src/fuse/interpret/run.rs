//! Executes a plan, tile by tile.

use std::sync::{Mutex, PoisonError};

use super::map::{Map, ROWS};
use super::plan::*;
use super::rows::{LINE, gather, scatter};
use crate::engine::{Call, HostKernel, Tiles};
use crate::fuse::TileArgs;
use crate::ir::DrawKind;
use crate::rng::Key;
use crate::simd::draw::{Draws, RandomKernels, Shuffle};
use crate::simd::{Dense, DenseFn, Isa, fetch};

/// A line of the arena, so that it is aligned to vectors.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; 16]);

/// What a thread owns.
struct Worker {
    arena: Vec<Line>,
    /// Pointers behind the numbers of [`Place::base`].
    bases: Vec<*mut f32>,
}

// SAFETY: the pointers lead into the worker's own arena, or into the buffers of the dispatch that sets them.
unsafe impl Send for Worker {}

/// A tile program that is ready to run.
pub struct TileHost {
    plan: Plan,
    shuffled: bool,
    scratch: Option<usize>,
    scratch_words: usize,
    buffers: usize,
    dense: DenseFn,
    random: RandomKernels,
    workers: Vec<Mutex<Worker>>,
}

/// The tile at hand.
struct Tile<'a> {
    host: &'a TileHost,
    args: TileArgs,
    uniforms: &'a [u8],
    bases: &'a [*mut f32],
    valid: usize,
    /// Samples and draw rows of the tile's rows.
    sample: [u32; ROWS],
    draw_row: [u32; ROWS],
}

impl TileHost {
    /// For a plan and so many threads; `scratch` is the binding of the scratch buffer.
    pub fn new(
        plan: Plan,
        isa: Isa,
        workers: usize,
        shuffled: bool,
        scratch: Option<usize>,
        scratch_words: usize,
        buffers: usize,
    ) -> Self {
        let worker = || {
            let mut arena = vec![Line([0.0; 16]); plan.arena.div_ceil(16)];
            let first: *mut f32 = arena.as_mut_ptr().cast();
            // SAFETY: the arena begins with the scalars.
            unsafe { first.copy_from_nonoverlapping(plan.scalars.as_ptr(), plan.scalars.len()) };
            let mut bases = vec![std::ptr::null_mut(); BUFFERS + buffers];
            bases[SCALARS] = first;
            bases.extend(plan.slots.iter().map(|slot| first.wrapping_add(*slot)));
            Mutex::new(Worker { arena, bases })
        };
        let workers = (0..workers.max(1)).map(|_| worker()).collect();
        let (dense, random) = (Dense::pick(isa), RandomKernels::pick(isa));
        Self { plan, shuffled, scratch, scratch_words, buffers, dense, random, workers }
    }

    /// Whether all buffers are long enough for this tile.
    fn fits(&self, call: &Call<'_>, place: usize, sample: &[u32; ROWS]) -> bool {
        let last = sample.iter().copied().max().unwrap_or(0) as usize;
        let long = |buffer: usize, words: usize| call.buffers.get(buffer).is_some_and(|b| words <= b.len());
        (0..self.buffers).all(|b| long(b, self.plan.needed[b]))
            && self.plan.row_access.iter().all(|&(b, offset, pitch, width)| long(b, offset + last * pitch + width))
            && self.scratch.is_none_or(|b| long(b, (place + 1) * self.scratch_words))
    }
}

fn arguments(call: &Call<'_>) -> Option<TileArgs> {
    call.immediates.get(..size_of::<TileArgs>()).map(bytemuck::pod_read_unaligned)
}

impl HostKernel for TileHost {
    fn tasks(&self, call: &Call<'_>) -> usize {
        let rows = arguments(call).map_or(0, |args| args.rows as usize);
        (call.groups[0] as usize).min(rows.div_ceil(ROWS))
    }

    fn run(&self, call: &Call<'_>, task: usize, worker: usize) {
        self.run_at(call, task, worker, task);
    }

    fn leaves(&self, call: &Call<'_>) -> Option<Tiles> {
        self.scratch.map(|binding| Tiles { binding, count: self.tasks(call), words: self.scratch_words })
    }

    fn run_at(&self, call: &Call<'_>, task: usize, worker: usize, place: usize) {
        let Some(args) = arguments(call) else { return };
        let mut worker = self.workers[worker % self.workers.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let Worker { bases, arena } = &mut *worker;
        debug_assert!(arena.len() * 16 >= self.plan.arena);
        let first = task * ROWS;
        let Some(rows) = (args.rows as usize).checked_sub(first).filter(|rows| *rows > 0) else { return };
        let mut sample = [0; ROWS];
        let mut draw_row = [0; ROWS];
        for (k, (sample, draw_row)) in sample.iter_mut().zip(&mut draw_row).enumerate() {
            *draw_row = ((first + k) as u32).min(args.rows - 1);
            *sample = args.first_row.wrapping_add(*draw_row);
        }
        if self.shuffled {
            let seed = u64::from(args.seed_lo) | u64::from(args.seed_hi) << 32;
            let key = Key { seed, stream: args.shuffle_stream, iteration: args.iteration };
            // SAFETY: the array has a tile's rows.
            unsafe { (self.random.shuffle)(&Shuffle::new(key, args.shuffle_count, sample.as_mut_ptr())) };
            draw_row = sample;
        }
        if !self.fits(call, place, &sample) {
            debug_assert!(false, "a buffer is too short");
            return;
        }
        for (base, buffer) in bases[BUFFERS..].iter_mut().zip(call.buffers).take(self.buffers) {
            *base = buffer.as_ptr();
        }
        if let Some(scratch) = self.scratch {
            bases[SCRATCH] = call.buffers[scratch].as_ptr().wrapping_add(place * self.scratch_words);
        }
        // The processor does not foresee rows in shuffled order.
        let rows_ahead = if self.shuffled { &self.plan.row_access[..] } else { &[] };
        for &(buffer, offset, pitch, width) in rows_ahead {
            for row in sample.map(|s| call.buffers[buffer].as_ptr().wrapping_add(offset + s as usize * pitch)) {
                (0..width + LINE - 1).step_by(LINE).for_each(|f| fetch(row.wrapping_add(f.min(width - 1))));
            }
        }
        let (uniforms, valid) = (&call.immediates[size_of::<TileArgs>()..], rows.min(ROWS));
        let tile = Tile { host: self, args, uniforms, bases, valid, sample, draw_row };
        // SAFETY: the buffers are long enough, the places of a plan stay inside its arena, and tiles write apart.
        unsafe {
            tile.block(&self.plan.instrs, 0);
            tile.mask();
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    fn at(&self, place: Place, iteration: usize) -> *mut f32 {
        self.bases[place.base].wrapping_add(place.offset + iteration * place.stride)
    }

    unsafe fn block(&self, instrs: &[Instr], i: usize) {
        for instr in instrs {
            // SAFETY: see `run`.
            unsafe { self.step(instr, i) }
        }
    }

    unsafe fn step(&self, instr: &Instr, i: usize) {
        // SAFETY: see `run`.
        unsafe {
            match instr {
                Instr::Map { kernel, out, second, operands, features, .. } => {
                    let [a, b, c] = operands;
                    kernel(&Map {
                        out: self.at(*out, i),
                        second: second.map_or(std::ptr::null_mut(), |place| self.at(place, i)),
                        operands: [self.at(a.place, i), self.at(b.place, i), self.at(c.place, i)],
                        steps: [a.step, b.step, c.step],
                        scalar: [a.scalar, b.scalar, c.scalar],
                        features: *features,
                    });
                }
                Instr::Dense { out, outputs, bias, add, scale, products } => {
                    self.dense(*out, *outputs, *bias, (*add, *scale), products, i)
                }
                Instr::Input { from: None, out, width } => {
                    let out = self.at(*out, i);
                    for k in 0..width * ROWS {
                        *out.add(k) = self.sample[k % ROWS] as f32;
                    }
                }
                Instr::Input { from: Some((buffer, offset, pitch)), out, width } => {
                    let at = self.sample.map(|s| offset + s as usize * pitch);
                    gather(self.bases[BUFFERS + buffer], &at, *width, self.at(*out, i));
                }
                Instr::Gather { table, ld, count, index, out, width } => {
                    let index = self.at(*index, i);
                    let mut at = [0; ROWS];
                    for (row, at) in at.iter_mut().enumerate() {
                        *at = entry(*index.add(row), *count) * ld;
                    }
                    gather(self.at(*table, i), &at, *width, self.at(*out, i));
                }
                Instr::Row { table, ld, count, index, out, width } => {
                    let entry = index.map_or(0, |place| entry(*self.at(place, i), *count));
                    let from = self.at(*table, i).wrapping_add(entry * ld);
                    self.at(*out, i).copy_from_nonoverlapping(from, *width);
                }
                Instr::Uniform { number, out } => {
                    let bytes = self.uniforms.get(4 * number..4 * number + 4);
                    *self.at(*out, i) = bytes.map_or(0.0, bytemuck::pod_read_unaligned);
                }
                Instr::Iteration { out } => *self.at(*out, i) = i as f32,
                Instr::Draw { kind, stream, out, width } => {
                    let args = &self.args;
                    (self.host.random.draws)(&Draws {
                        key: [args.seed_lo, args.seed_hi, *stream, args.iteration],
                        step: args.step,
                        rows: self.draw_row.as_ptr(),
                        features: *width,
                        normal: *kind == DrawKind::Normal,
                        out: self.at(*out, i),
                    });
                }
                Instr::History { record, stride, count, index, out, width } => {
                    let from = self.at(*record, 0).wrapping_add(entry(*self.at(*index, i), *count) * stride);
                    self.at(*out, i).copy_from_nonoverlapping(from, width * ROWS);
                }
                Instr::Store { value, to: (buffer, offset, pitch), width } => {
                    let at = self.sample.map(|s| offset + s as usize * pitch);
                    scatter(self.at(*value, i), *width, self.bases[BUFFERS + buffer], &at, self.valid);
                }
                Instr::Loop { count, body } => (0..*count).for_each(|i| self.block(body, i)),
            }
        }
    }

    unsafe fn dense(
        &self,
        out: Place,
        outputs: usize,
        bias: Option<Place>,
        (add, scale): ([Option<Place>; 2], Option<Place>),
        products: &[Product],
        i: usize,
    ) {
        let null = std::ptr::null();
        let tile = |place: Option<Place>| place.map_or(null, |place| self.at(place, i).cast_const());
        let mut start = (tile(bias), [tile(add[0]), tile(add[1])], false);
        for (k, product) in products.iter().enumerate() {
            let last = k + 1 == products.len();
            let d = Dense {
                y: self.at(out, i),
                ys: ROWS,
                x: self.at(product.x, i),
                xs: ROWS,
                w: self.at(product.w, i),
                ldi: product.ldi,
                ldj: product.ldj,
                inputs: product.inputs,
                outputs,
                lanes: ROWS,
                bias: start.0,
                add: start.1,
                scale: tile(scale.filter(|_| last)),
                add_stride: ROWS,
                accumulate: start.2,
            };
            // SAFETY: see `run`; a slot never overlaps another that lives at the same time.
            unsafe { (self.host.dense)(&d) };
            start = (null, [null; 2], true);
        }
    }

    /// Rows beyond the batch are zero in the records that are summed over rows.
    unsafe fn mask(&self) {
        if self.valid == ROWS {
            return;
        }
        for &(first, features) in &self.host.plan.masked {
            for f in 0..features {
                let rows = self.bases[SCRATCH].wrapping_add(first + f * ROWS + self.valid);
                // SAFETY: inside the tile's scratch.
                unsafe { rows.write_bytes(0, ROWS - self.valid) };
            }
        }
    }
}

/// A value that holds an integer, as an index below `count`.
#[inline(always)]
fn entry(index: f32, count: usize) -> usize {
    ((index + 0.5) as usize).min(count - 1)
}
