//! Timestamps of dispatches, inside passes or around passes of one dispatch each, on the host's clock.

use super::device::Device;
use crate::engine::profile::{DispatchSpan, Timing};

/// Queries of one set: two per dispatch of one submission.
const QUERIES: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// Most dispatches of one submission while profiling.
pub(super) const MAX_DISPATCHES: u32 = QUERIES / 2;

/// Dispatches of one submission whose timestamps are on their way.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Batch {
    pub(super) spans: Vec<DispatchSpan>,
    /// When they were handed to the driver, in microseconds of the host.
    pub(super) submitted: f64,
}

/// Query set and ticks of a profiling engine.
pub(super) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    us_per_tick: f64,
    spans: Vec<DispatchSpan>,
    arrived: Vec<(Batch, Vec<u64>)>,
}

impl Timestamps {
    pub(super) fn new(device: &Device) -> Self {
        let queries = device.raw.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("profile"),
            ty: wgpu::QueryType::Timestamp,
            count: QUERIES,
        });
        let resolved = device.raw.create_buffer(&wgpu::BufferDescriptor {
            label: Some("profile"),
            size: u64::from(QUERIES) * u64::from(wgpu::QUERY_SIZE),
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let us_per_tick = f64::from(device.queue.get_timestamp_period()) * 1e-3;
        Self { queries, resolved, us_per_tick, spans: Vec::new(), arrived: Vec::new() }
    }

    /// Queries of the next dispatch: the set, and the index of the first of its two.
    pub(super) fn next(&mut self, span: DispatchSpan) -> (&wgpu::QuerySet, u32) {
        let first = 2 * self.spans.len() as u32;
        self.spans.push(span);
        (&self.queries, first)
    }

    /// Resolves the timestamps of this submission; the answer is what to read back.
    pub(super) fn resolve(&mut self, encoder: &mut wgpu::CommandEncoder, now: f64) -> Option<(&wgpu::Buffer, Batch)> {
        if self.spans.is_empty() {
            return None;
        }
        encoder.resolve_query_set(&self.queries, 0..2 * self.spans.len() as u32, &self.resolved, 0);
        Some((&self.resolved, Batch { spans: std::mem::take(&mut self.spans), submitted: now }))
    }

    /// Keeps arrived timestamps, two 64-bit ticks a span.
    pub(super) fn add(&mut self, batch: Batch, bytes: &[u8]) {
        self.arrived.push((batch, bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect()));
    }

    /// Everything that has arrived, on the host's clock.
    pub(super) fn take(&mut self) -> Vec<DispatchSpan> {
        on_host_clock(std::mem::take(&mut self.arrived), self.us_per_tick)
    }
}

/// Start and end in ticks; `None` where the driver wrote nothing, which shows as zero, where time runs backwards, and where
/// it stands still: nothing takes no time.
fn valid(pair: &[u64]) -> Option<(u64, u64)> {
    let (start, end) = (*pair.first()?, *pair.get(1)?);
    (start != 0 && end > start).then_some((start, end))
}

/// The two clocks have an unknown offset. No kernel starts before its submission, and one that finds the device idle
/// starts right behind it: the smallest offset that lets none start too early.
fn on_host_clock(batches: Vec<(Batch, Vec<u64>)>, us_per_tick: f64) -> Vec<DispatchSpan> {
    let pairs = || batches.iter().flat_map(|(_, ticks)| ticks.chunks_exact(2)).filter_map(valid);
    let zero = pairs().map(|(start, _)| start).min().unwrap_or(0);
    let us = |tick: u64| tick.saturating_sub(zero) as f64 * us_per_tick;
    let lag = batches.iter().filter_map(|(batch, ticks)| {
        let first = ticks.chunks_exact(2).filter_map(valid).map(|(start, _)| start).min()?;
        Some(batch.submitted - us(first))
    });
    let offset = lag.reduce(f64::max).unwrap_or(0.0);
    let mut spans = Vec::new();
    for (batch, ticks) in batches {
        for (span, pair) in batch.spans.into_iter().zip(ticks.chunks_exact(2)) {
            let time = valid(pair).map(|(start, end)| (us(start) + offset, (end - start) as f64 * us_per_tick));
            spans.push(DispatchSpan { time, ..span });
        }
    }
    spans
}

/// The timing that a device has, at best `wanted`.
pub(super) fn available(wanted: Timing, features: wgpu::Features) -> Timing {
    if wanted <= Timing::InsidePasses && features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) {
        Timing::InsidePasses
    } else if wanted <= Timing::PassPerDispatch && features.contains(wgpu::Features::TIMESTAMP_QUERY) {
        Timing::PassPerDispatch
    } else {
        Timing::WallClock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::KernelId;

    fn batch(submitted: f64, dispatches: u32) -> Batch {
        let span = |k| DispatchSpan { kernel: KernelId(k), scope: "s".into(), time: None, work: None };
        Batch { spans: (0..dispatches).map(span).collect(), submitted }
    }

    fn times(batches: Vec<(Batch, Vec<u64>)>, us_per_tick: f64) -> Vec<Option<(f64, f64)>> {
        on_host_clock(batches, us_per_tick).into_iter().map(|span| span.time).collect()
    }

    #[test]
    fn zero_and_backward_ticks_are_unavailable_and_do_not_move_the_others() {
        let ticks = vec![0, 0, 5000, 7000, 9000, 8000, 0, 9500, 9000, 0, 9000, 9000];
        let got = times(vec![(batch(100.0, 6), ticks)], 0.001);
        let expected = [None, Some((100.0, 2.0)), None, None, None, None];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_submission_without_a_single_timestamp_is_all_unavailable() {
        assert_eq!(times(vec![(batch(3.0, 2), vec![0; 4])], 1.0), [None, None]);
        assert_eq!(times(vec![], 1.0), []);
    }

    #[test]
    fn no_dispatch_starts_before_its_submission_and_an_idle_device_starts_at_once() {
        // The second submission went out while the first one ran; the third found the device idle.
        let batches = vec![
            (batch(10.0, 1), vec![1_000_000, 1_000_400]),
            (batch(20.0, 1), vec![1_000_410, 1_000_500]),
            (batch(150.0, 1), vec![1_001_300, 1_001_310]),
        ];
        let got: Vec<_> = times(batches, 0.1).into_iter().flatten().collect();
        assert_eq!(got, [(20.0, 40.0), (61.0, 9.0), (150.0, 1.0)]);
    }

    #[test]
    fn the_ladder_goes_down_to_what_the_adapter_has_and_never_up() {
        let (pass, inside) = (wgpu::Features::TIMESTAMP_QUERY, wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let cases = [
            (Timing::InsidePasses, pass | inside, Timing::InsidePasses),
            (Timing::InsidePasses, pass, Timing::PassPerDispatch),
            (Timing::InsidePasses, wgpu::Features::empty(), Timing::WallClock),
            (Timing::PassPerDispatch, pass | inside, Timing::PassPerDispatch),
            (Timing::PassPerDispatch, wgpu::Features::empty(), Timing::WallClock),
            (Timing::WallClock, pass | inside, Timing::WallClock),
        ];
        for (wanted, features, got) in cases {
            assert_eq!(available(wanted, features), got, "{wanted:?} with {features:?}");
        }
    }
}
