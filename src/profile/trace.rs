//! A profile in the Chrome trace format, which Perfetto opens.

use serde_json::{Value, json};

use super::Iteration;
use super::summary::{extent, phase};
use crate::engine::{DispatchSpan, HostTask, KernelId};

/// Numbers of the process and of its two tracks.
const PROCESS: u32 = 1;
const HOST: u32 = 1;
const DEVICE: u32 = 2;

/// Two tracks on one clock: the host with iterations and what it did in them, and the device with phases and their
/// kernels. Times are in microseconds since the first iteration began; dispatches without a time are left out.
pub fn trace(iterations: &[Iteration], title: &str, device: &str, name: impl Fn(KernelId) -> String) -> Value {
    let zero = iterations.first().map_or(0.0, |iteration| iteration.start);
    let mut events = vec![
        metadata("process_name", HOST, json!({ "name": title })),
        metadata("thread_name", HOST, json!({ "name": "host" })),
        metadata("thread_sort_index", HOST, json!({ "sort_index": HOST })),
        metadata("thread_name", DEVICE, json!({ "name": format!("device: {device}") })),
        metadata("thread_sort_index", DEVICE, json!({ "sort_index": DEVICE })),
    ];
    for Iteration { number, start, length, profile } in iterations {
        let mut add = |track, name: &str, kind, (start, length): (f64, f64), args| {
            events.push(complete(track, name, kind, (start - zero, length), args));
        };
        add(HOST, &format!("iteration {number}"), "iteration", (*start, *length), json!({}));
        for span in &profile.host {
            let (task, kind) = match span.task {
                HostTask::Encode => ("encode", "encode"),
                HostTask::Submit => ("submit", "submit"),
                HostTask::Wait => ("wait", "wait"),
            };
            let name = if span.scope.is_empty() { task.to_string() } else { format!("{task} {}", span.scope) };
            add(HOST, &name, kind, (span.start, span.length), json!({}));
        }
        let mut rest = &profile.dispatches[..];
        while let Some(first) = rest.first() {
            let phase_of = |span: &DispatchSpan| phase(&span.scope).to_string();
            let same = rest.iter().take_while(|span| phase_of(span) == phase_of(first)).count();
            let (of_phase, others) = rest.split_at(same);
            rest = others;
            if let (false, Some((from, to))) = (first.scope.is_empty(), extent(of_phase.iter())) {
                add(DEVICE, phase(&first.scope), "phase", (from, to - from), json!({ "iteration": number }));
            }
            for span in of_phase {
                if let Some(time) = span.time {
                    add(DEVICE, &name(span.kernel), "kernel", time, arguments(span, *number, time.1));
                }
            }
        }
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

fn arguments(span: &DispatchSpan, iteration: u64, length: f64) -> Value {
    let rate = |amount: Option<f64>| amount.filter(|&amount| amount > 0.0).map(|amount| amount / length * 1e-3);
    json!({
        "scope": &*span.scope,
        "iteration": iteration,
        "gflops": rate(span.work.map(|work| work.flops())),
        "gbytes": rate(span.work.map(|work| work.bytes)),
    })
}

fn metadata(name: &str, track: u32, args: Value) -> Value {
    json!({ "ph": "M", "pid": PROCESS, "tid": track, "name": name, "args": args })
}

/// A complete event, rounded to nanoseconds. Start and end are rounded, so that what lies inside stays inside.
fn complete(track: u32, name: &str, kind: &str, (start, length): (f64, f64), args: Value) -> Value {
    let [from, to] = [start, start + length].map(|us| (us.max(0.0) * 1e3).round());
    let (ts, dur) = (from / 1e3, (to - from).max(0.0) / 1e3);
    json!({ "ph": "X", "pid": PROCESS, "tid": track, "name": name, "cat": kind, "ts": ts, "dur": dur, "args": args })
}
