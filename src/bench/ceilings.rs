//! The measured ceilings of an adapter: what kernels are held against.

use std::time::Instant;

use serde::Serialize;

use crate::engine::{AdapterKind, BufferId, Engine, EngineError, KernelId, Recording};
use crate::kernels::copy_words::{self, CopyArgs};
use crate::kernels::multiply_add::{self, MultiplyAddArgs, STEPS, WORDS};

/// What an adapter reaches on kernels that do one thing. Medians of repeats by the wall clock, warm-up apart.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Ceilings {
    /// Multiply-adds on registers, in 10^9 operations a second; one multiply-add is two.
    pub fma_gflops: f64,
    /// A copy from one buffer to another, in 10^9 bytes a second; read and written bytes count. Where a processor's
    /// cache holds both buffers it is the cache's.
    pub copy_gbytes: f64,
    /// A dispatch that does nothing, behind others of the same submission, in microseconds.
    pub empty_dispatch_us: f64,
    /// From the submission of one such dispatch to its end as the host sees it, in microseconds.
    pub submit_wait_us: f64,
}

/// Repeats of each measurement.
const REPEATS: usize = 9;
/// Shortest run whose rate is taken, so that submission and clock do not count.
const LONG_ENOUGH: f64 = 0.01;
/// Most rounds of one invocation: Mesa's software driver leaves a loop after 65535.
const MOST_ROUNDS: u32 = 1 << 15;
/// Empty dispatches behind the first one.
const EMPTY: u32 = 32;

/// Measures an adapter in less than two seconds. The buffers it needs, up to 512 MiB on a GPU and 128 MiB elsewhere, live
/// as long as the engine. Meant for an engine that does nothing else meanwhile and that does not profile.
pub fn measure(engine: &mut Engine) -> Result<Ceilings, EngineError> {
    let gpu = engine.adapter().kind == AdapterKind::Gpu;
    let multiply = multiply(engine, if gpu { 4096 } else { 128 })?;
    let limits = engine.limits();
    let most = limits.storage_binding_bytes.min(limits.buffer_bytes);
    let copy = Copy::new(engine, most.min(if gpu { 256 << 20 } else { 64 << 20 }) / 16)?;
    let copied = copy.recording(copy.vectors, 1);
    let rate = 32.0 * f64::from(copy.vectors) / median(engine, &copied)? * 1e-9;
    let (one, many) = (copy.recording(0, 1), copy.recording(0, 1 + EMPTY));
    let (one, many) = (median(engine, &one)?, median(engine, &many)?);
    Ok(Ceilings {
        fma_gflops: multiply,
        copy_gbytes: rate,
        empty_dispatch_us: (many - one).max(0.0) / f64::from(EMPTY) * 1e6,
        submit_wait_us: one * 1e6,
    })
}

/// 10^9 operations a second of multiply-adds, over so many workgroups.
fn multiply(engine: &mut Engine, groups: u32) -> Result<f64, EngineError> {
    let kernel = engine.kernel(&multiply_add::desc())?;
    let values = engine.buffer("multiply_add values", 4 * u64::from(groups) * WORDS as u64)?;
    let mut rounds = 64;
    loop {
        let mut recording = Recording::new();
        // Towards a fixed point at 1: neither infinities nor denormal numbers.
        let args = MultiplyAddArgs { rounds, scale: 0.5, offset: 0.5 };
        recording.dispatch(kernel, &[values], bytemuck::bytes_of(&args), [groups, 1, 1]);
        let once = seconds(engine, &recording)?.min(seconds(engine, &recording)?);
        if once >= LONG_ENOUGH || rounds >= MOST_ROUNDS {
            let flops = 2.0 * f64::from(rounds * STEPS) * f64::from(groups) * WORDS as f64;
            return Ok(flops / median(engine, &recording)? * 1e-9);
        }
        // To twice of what is long enough, in one step where the first run is long enough to tell.
        let factor = (2.0 * LONG_ENOUGH / once.max(1e-6)).clamp(2.0, 16.0) as u32;
        rounds = (rounds * factor).min(MOST_ROUNDS);
    }
}

/// The copying kernel with its buffers.
struct Copy {
    kernel: KernelId,
    buffers: [BufferId; 2],
    vectors: u32,
}

impl Copy {
    fn new(engine: &mut Engine, vectors: u64) -> Result<Self, EngineError> {
        let kernel = engine.kernel(&copy_words::desc())?;
        let buffers = [engine.buffer("copy source", 16 * vectors)?, engine.buffer("copy destination", 16 * vectors)?];
        Ok(Self { kernel, buffers, vectors: vectors as u32 })
    }

    /// So many copies of so many vectors of four words.
    fn recording(&self, vectors: u32, copies: u32) -> Recording {
        let (args, groups) = CopyArgs::of(vectors);
        let mut recording = Recording::new();
        for _ in 0..copies {
            recording.dispatch(self.kernel, &self.buffers, bytemuck::bytes_of(&args), groups);
        }
        recording
    }
}

/// Seconds from the submission to the end.
fn seconds(engine: &mut Engine, recording: &Recording) -> Result<f64, EngineError> {
    let start = Instant::now();
    engine.submit(recording)?;
    engine.wait()?;
    Ok(start.elapsed().as_secs_f64())
}

/// The median of several runs, behind one that does not count.
fn median(engine: &mut Engine, recording: &Recording) -> Result<f64, EngineError> {
    seconds(engine, recording)?;
    let mut all = [0.0; REPEATS];
    for one in &mut all {
        *one = seconds(engine, recording)?;
    }
    all.sort_by(f64::total_cmp);
    Ok(all[REPEATS / 2])
}
