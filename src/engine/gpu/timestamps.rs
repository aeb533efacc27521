//! Timestamps around passes of one dispatch each.

use super::device::Device;
use crate::engine::catalogue::Catalogue;
use crate::engine::profile::Totals;
use crate::engine::{EngineError, KernelId, KernelTime};

/// Queries of one set: two per dispatch of one submission.
const QUERIES: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// Most dispatches of one submission while profiling.
pub(super) const MAX_DISPATCHES: u32 = QUERIES / 2;

/// One timed dispatch.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Span {
    pub(super) kernel: KernelId,
    pub(super) scope: String,
}

/// Query set and totals of a profiling engine.
pub(super) struct Profiler {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    seconds_per_tick: f64,
    spans: Vec<Span>,
    totals: Totals,
}

impl Profiler {
    pub(super) fn new(device: &Device, adapter: &str) -> Result<Self, EngineError> {
        if !device.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(EngineError::MissingFeature { adapter: adapter.into(), feature: "timestamp queries" });
        }
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
        let seconds_per_tick = f64::from(device.queue.get_timestamp_period()) * 1e-9;
        Ok(Self { queries, resolved, seconds_per_tick, spans: Vec::new(), totals: Totals::default() })
    }

    /// Timestamps for the pass of the next dispatch.
    pub(super) fn next(&mut self, kernel: KernelId, scopes: &[String]) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * self.spans.len() as u32;
        self.spans.push(Span { kernel, scope: scopes.join("/") });
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Resolves the timestamps of this submission; the answer is what to read back.
    pub(super) fn resolve(&mut self, encoder: &mut wgpu::CommandEncoder) -> Option<(&wgpu::Buffer, Vec<Span>)> {
        if self.spans.is_empty() {
            return None;
        }
        encoder.resolve_query_set(&self.queries, 0..2 * self.spans.len() as u32, &self.resolved, 0);
        Some((&self.resolved, std::mem::take(&mut self.spans)))
    }

    /// Adds arrived timestamps, two 64-bit ticks a span.
    pub(super) fn add(&mut self, spans: Vec<Span>, bytes: &[u8]) {
        let ticks: Vec<u64> = bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
        for (span, pair) in spans.into_iter().zip(ticks.chunks_exact(2)) {
            // Zero means that the driver wrote nothing: that is not a duration of zero.
            let seconds =
                (pair[0] != 0 && pair[1] >= pair[0]).then(|| (pair[1] - pair[0]) as f64 * self.seconds_per_tick);
            self.totals.add(span.kernel, &span.scope, seconds);
        }
    }

    pub(super) fn table(&self, catalogue: &Catalogue) -> Vec<KernelTime> {
        self.totals.table(catalogue)
    }
}
