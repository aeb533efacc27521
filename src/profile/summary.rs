//! Tables of what was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Iteration, Measured};
use crate::bench::Ceilings;
use crate::engine::{Counters, DispatchSpan, HostTask, KernelId, Work};

/// A kernel in one scope, over all profiled iterations.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KernelRow {
    /// Kernel name.
    pub name: String,
    /// Its phase, or scopes in scopes joined by `/`; empty outside of any.
    pub scope: String,
    /// Dispatches.
    pub calls: u64,
    /// Those of them whose time the driver did not tell; the following numbers are about the others.
    pub unavailable: u64,
    /// Device time in microseconds.
    pub total_us: Option<f64>,
    /// The same of one dispatch.
    pub mean_us: Option<f64>,
    /// Share of the device time of all kernels.
    pub share: Option<f64>,
    /// 10^9 counted floating-point operations a second, where there are any.
    pub gflops: Option<f64>,
    /// 10^9 counted bytes a second.
    pub gbytes: Option<f64>,
    /// `gflops` over the adapter's measured rate of multiply-adds.
    pub of_fma: Option<f64>,
    /// `gbytes` over the adapter's measured bandwidth of a copy. Above 1 where caches hold what is read.
    pub of_copy: Option<f64>,
}

/// A phase of the iteration: means over the profiled iterations, in microseconds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PhaseRow {
    /// `rollout`, `advantages`, `update`; empty for what is outside of any.
    pub name: String,
    /// From the start of its first kernel to the end of its last one.
    pub wall_us: f64,
    /// In which a kernel ran.
    pub busy_us: f64,
    /// The rest: copies and waiting.
    pub gap_us: f64,
    /// The host's encoding of its commands.
    pub encode_us: f64,
    /// Dispatches.
    pub dispatches: f64,
}

/// A whole iteration, in microseconds: means over the profiled iterations. For the comparison medians, without the first
/// iteration of either kind, which prepares what all need, where there are others.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct IterationRow {
    /// Length of a profiled iteration as the host saw it.
    pub wall_us: f64,
    /// Median length with profiling.
    pub profiled_us: f64,
    /// Median length without.
    pub unprofiled_us: f64,
    /// What profiling costs: one over the other, minus 1.
    pub overhead: f64,
    /// How far iterations without profiling are apart: longest minus shortest over the median.
    pub spread: f64,
    /// Time in which a kernel ran.
    pub busy_us: f64,
    /// The host's encoding.
    pub encode_us: f64,
    /// The host's submissions; on the CPU engine they are the kernels.
    pub submit_us: f64,
    /// The host's waiting for the device.
    pub wait_us: f64,
    /// What an iteration without profiling did.
    pub counters: Counters,
}

/// Everything that a profile says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// Longest first.
    pub kernels: Vec<KernelRow>,
    /// In order of time.
    pub phases: Vec<PhaseRow>,
    /// The whole.
    pub iteration: IterationRow,
}

impl Summary {
    /// Sums up; `name` gives the names of kernels.
    pub fn new(measured: &Measured, ceilings: &Ceilings, name: impl Fn(KernelId) -> String) -> Self {
        let iterations = &measured.iterations;
        let mean =
            |of: &dyn Fn(&Iteration) -> f64| iterations.iter().map(of).sum::<f64>() / iterations.len().max(1) as f64;
        let host = |task: HostTask| {
            mean(&|i| i.profile.host.iter().filter(|s| s.task == task).fold(0.0, |sum, s| sum + s.length))
        };
        let prepared = usize::from(iterations.len() > 1);
        let profiled_us = median(iterations.iter().skip(prepared).map(|i| i.length).collect());
        let unprofiled_us = median(measured.unprofiled.iter().skip(prepared).copied().collect());
        let (shortest, longest) = (measured.unprofiled.iter(), measured.unprofiled.iter());
        let range = longest.fold(0.0, |a: f64, b| a.max(*b)) - shortest.fold(f64::INFINITY, |a, b| a.min(*b));
        Self {
            kernels: kernels(iterations, ceilings, name),
            phases: phases(iterations),
            iteration: IterationRow {
                wall_us: mean(&|i| i.length),
                profiled_us,
                unprofiled_us,
                overhead: profiled_us / unprofiled_us - 1.0,
                spread: range / unprofiled_us,
                busy_us: mean(&|i| busy(i.profile.dispatches.iter())),
                encode_us: host(HostTask::Encode),
                submit_us: host(HostTask::Submit),
                wait_us: host(HostTask::Wait),
                counters: measured.counters,
            },
        }
    }

    /// Dispatches whose time is unknown.
    pub fn unavailable(&self) -> u64 {
        self.kernels.iter().map(|kernel| kernel.unavailable).sum()
    }
}

/// The first of the scopes that enclose a dispatch.
pub(super) fn phase(scope: &str) -> &str {
    scope.split('/').next().unwrap_or_default()
}

fn kernels(iterations: &[Iteration], ceilings: &Ceilings, name: impl Fn(KernelId) -> String) -> Vec<KernelRow> {
    let mut groups: BTreeMap<(KernelId, &str), Vec<&DispatchSpan>> = BTreeMap::new();
    for span in iterations.iter().flat_map(|iteration| &iteration.profile.dispatches) {
        groups.entry((span.kernel, &span.scope)).or_default().push(span);
    }
    let length = |span: &&DispatchSpan| span.time.map(|(_, length)| length);
    let all: f64 = groups.values().flatten().filter_map(length).sum();
    let row = |((kernel, scope), spans): (&(KernelId, &str), &Vec<&DispatchSpan>)| {
        let timed = spans.iter().filter(|span| span.time.is_some());
        let (calls, known) = (spans.len() as u64, timed.clone().count() as u64);
        let total = (known > 0).then(|| spans.iter().filter_map(length).sum::<f64>());
        let work: Option<Work> = timed.map(|span| span.work).sum();
        let rate = |amount: Option<f64>| Some(amount.filter(|&amount| amount > 0.0)? / total? * 1e-3);
        let (gflops, gbytes) = (rate(work.map(|work| work.flops())), rate(work.map(|work| work.bytes)));
        KernelRow {
            name: name(*kernel),
            scope: scope.to_string(),
            calls,
            unavailable: calls - known,
            total_us: total,
            mean_us: total.map(|total| total / known as f64),
            share: total.map(|total| total / all),
            gflops,
            gbytes,
            of_fma: gflops.map(|rate| rate / ceilings.fma_gflops),
            of_copy: gbytes.map(|rate| rate / ceilings.copy_gbytes),
        }
    };
    let mut rows: Vec<KernelRow> = groups.iter().map(row).collect();
    rows.sort_by(|a, b| b.total_us.unwrap_or(0.0).total_cmp(&a.total_us.unwrap_or(0.0)));
    rows
}

fn phases(iterations: &[Iteration]) -> Vec<PhaseRow> {
    let mut names: Vec<&str> = Vec::new();
    for span in iterations.iter().flat_map(|iteration| &iteration.profile.dispatches) {
        if !names.contains(&phase(&span.scope)) {
            names.push(phase(&span.scope));
        }
    }
    let count = iterations.len().max(1) as f64;
    let row = |name: &&str| {
        let mut row = PhaseRow {
            name: name.to_string(),
            wall_us: 0.0,
            busy_us: 0.0,
            gap_us: 0.0,
            encode_us: 0.0,
            dispatches: 0.0,
        };
        for Iteration { profile, .. } in iterations {
            let spans = profile.dispatches.iter().filter(|span| phase(&span.scope) == *name);
            let busy = busy(spans.clone());
            // What is outside of all phases is not one stretch of time.
            let wall = if name.is_empty() { busy } else { extent(spans.clone()).map_or(0.0, |(from, to)| to - from) };
            let encoded = profile.host.iter().filter(|span| span.task == HostTask::Encode);
            row.wall_us += wall / count;
            row.busy_us += busy / count;
            row.gap_us += (wall - busy).max(0.0) / count;
            row.encode_us += encoded.filter(|s| phase(&s.scope) == *name).map(|s| s.length).sum::<f64>() / count;
            row.dispatches += spans.count() as f64 / count;
        }
        row
    };
    names.iter().map(row).collect()
}

/// Start of the first and end of the last dispatch whose time is known.
pub(super) fn extent<'a>(spans: impl Iterator<Item = &'a DispatchSpan>) -> Option<(f64, f64)> {
    let times = spans.filter_map(|span| span.time);
    times.map(|(start, length)| (start, start + length)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Microseconds in which at least one of the dispatches ran.
fn busy<'a>(spans: impl Iterator<Item = &'a DispatchSpan>) -> f64 {
    let mut times: Vec<(f64, f64)> = spans.filter_map(|span| span.time).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut busy, mut until) = (0.0, f64::NEG_INFINITY);
    for (start, length) in times {
        busy += (start + length - until.max(start)).max(0.0);
        until = until.max(start + length);
    }
    busy
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{HostSpan, Profile};

    const CEILINGS: Ceilings =
        Ceilings { fma_gflops: 10.0, copy_gbytes: 4.0, empty_dispatch_us: 1.0, submit_wait_us: 9.0 };

    fn span(kernel: u32, scope: &str, time: Option<(f64, f64)>) -> DispatchSpan {
        let work = Some(Work { matrix_flops: 15_000.0, other_flops: 5_000.0, bytes: 8_000.0 });
        DispatchSpan { kernel: KernelId(kernel), scope: scope.into(), time, work }
    }

    fn summary(dispatches: Vec<DispatchSpan>) -> Summary {
        let encode = HostSpan { task: HostTask::Encode, scope: "a/inner".into(), start: 0.0, length: 3.0 };
        let profile = Profile { dispatches, host: vec![encode] };
        let iteration = Iteration { number: 1, start: 0.0, length: 44.0, profile };
        let measured =
            Measured { iterations: vec![iteration], unprofiled: vec![40.0, 40.0], counters: Counters::default() };
        Summary::new(&measured, &CEILINGS, |kernel| format!("k{}", kernel.0))
    }

    #[test]
    fn rates_come_from_the_timed_dispatches_alone() {
        let spans = vec![span(0, "a", Some((0.0, 10.0))), span(0, "a", None), span(1, "a/inner", Some((12.0, 30.0)))];
        let summary = summary(spans);
        let [long, short] = &summary.kernels[..] else { panic!("{summary:?}") };
        assert_eq!((long.name.as_str(), long.share, short.share), ("k1", Some(0.75), Some(0.25)));
        assert_eq!((short.calls, short.unavailable, short.mean_us), (2, 1, Some(10.0)));
        assert_eq!(
            (short.gflops, short.of_fma, short.gbytes, short.of_copy),
            (Some(2.0), Some(0.2), Some(0.8), Some(0.2))
        );
        assert!((summary.iteration.overhead - 0.1).abs() < 1e-12 && summary.iteration.spread == 0.0);
        assert_eq!(summary.unavailable(), 1);
    }

    #[test]
    fn a_kernel_whose_time_is_never_known_has_no_numbers_and_not_zeros() {
        let row = &summary(vec![span(0, "a", None)]).kernels[0];
        assert_eq!((row.total_us, row.mean_us, row.share, row.gflops), (None, None, None, None));
    }

    #[test]
    fn a_phase_is_busy_where_any_kernel_runs_and_its_gaps_are_the_rest() {
        let times = [(0.0, 10.0), (8.0, 4.0), (9.0, 1.0), (20.0, 5.0)];
        let mut spans: Vec<_> = times.into_iter().map(|time| span(0, "a", Some(time))).collect();
        spans.push(span(1, "", Some((30.0, 2.0))));
        let summary = summary(spans);
        let [phase, outside] = &summary.phases[..] else { panic!("{summary:?}") };
        assert_eq!((phase.wall_us, phase.busy_us, phase.gap_us, phase.encode_us), (25.0, 17.0, 8.0, 3.0));
        assert_eq!((outside.name.as_str(), outside.wall_us, outside.gap_us), ("", 2.0, 0.0));
        assert_eq!(summary.iteration.busy_us, 19.0);
    }
}
