//! What a profiling engine times its dispatches with.

use super::device::Device;
use super::timestamps::{Batch, Timestamps, available};
use crate::engine::EngineError;
use crate::engine::profile::{DispatchSpan, Log, Timing};

/// Repeats of an empty submission.
const REPEATS: usize = 15;

/// Timestamps where the adapter has them, and the log.
pub(super) struct Profiler {
    timing: Timing,
    timestamps: Option<Timestamps>,
    /// What an empty submission takes until it is done, in microseconds; 0 where timestamps are used.
    floor: f64,
    pub(super) log: Log,
}

impl Profiler {
    pub(super) fn new(device: &Device, wanted: Timing) -> Result<Self, EngineError> {
        let timing = available(wanted, device.raw.features());
        let timestamps = (timing != Timing::WallClock).then(|| Timestamps::new(device));
        let mut profiler = Self { timing, timestamps, floor: 0.0, log: Log::new() };
        if timing == Timing::WallClock {
            profiler.floor = profiler.empty_submission(device)?;
        }
        Ok(profiler)
    }

    fn empty_submission(&self, device: &Device) -> Result<f64, EngineError> {
        let mut all = [0.0; REPEATS];
        for one in &mut all {
            let start = self.log.now();
            let mut encoder = device.raw.create_command_encoder(&Default::default());
            drop(encoder.begin_compute_pass(&Default::default()));
            device.queue.submit([encoder.finish()]);
            idle(device)?;
            *one = self.log.now() - start;
        }
        all.sort_by(f64::total_cmp);
        Ok(all[REPEATS / 2])
    }

    /// How dispatches are timed now; `None` while profiling is off.
    pub(super) fn timing(&self) -> Option<Timing> {
        self.log.on.then_some(self.timing)
    }

    /// The moment, while profiling is on.
    pub(super) fn now(&self) -> Option<f64> {
        self.log.on.then(|| self.log.now())
    }

    /// Queries of the next dispatch.
    pub(super) fn next(&mut self, span: DispatchSpan) -> Option<(&wgpu::QuerySet, u32)> {
        self.timestamps.as_mut().map(|timestamps| timestamps.next(span))
    }

    /// Resolves the timestamps of this submission; the answer is what to read back.
    pub(super) fn resolve(&mut self, encoder: &mut wgpu::CommandEncoder) -> Option<(&wgpu::Buffer, Batch)> {
        let now = self.log.now();
        self.timestamps.as_mut().and_then(|timestamps| timestamps.resolve(encoder, now))
    }

    /// Takes timestamps that have arrived.
    pub(super) fn add(&mut self, batch: Batch, bytes: &[u8]) {
        self.timestamps.iter_mut().for_each(|timestamps| timestamps.add(batch.clone(), bytes));
    }

    /// Adds a dispatch that the host's clock has timed, from the start of its submission until now.
    pub(super) fn clocked(&mut self, span: DispatchSpan, start: f64) {
        let length = self.log.now() - start - self.floor;
        let time = (length > 0.0).then_some((start, length));
        self.log.profile.dispatches.push(DispatchSpan { time, ..span });
    }

    /// All that has been seen.
    pub(super) fn log(&mut self) -> (Timing, &mut Log) {
        if let Some(timestamps) = &mut self.timestamps {
            self.log.profile.dispatches.extend(timestamps.take());
        }
        (self.timing, &mut self.log)
    }
}

/// Waits for everything that was submitted.
pub(super) fn idle(device: &Device) -> Result<(), EngineError> {
    let polled = device.raw.poll(wgpu::PollType::wait_indefinitely());
    polled.map(drop).map_err(|error| EngineError::Fault(error.to_string()))
}
