//! When every dispatch ran and what the host did meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::catalogue::Catalogue;
use super::{Dispatch, KernelId, Recording, Work};

/// How dispatches are timed, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Timestamps between the dispatches of a pass: passes and submissions stay as they are.
    #[default]
    InsidePasses,
    /// Timestamps around passes of one dispatch each.
    PassPerDispatch,
    /// The host's clock. On a GPU every dispatch is submitted by itself and waited for, and what an empty submission
    /// takes is taken off; on the CPU engine a dispatch is a call, and nothing changes.
    WallClock,
}

/// One dispatch. Times are in microseconds since the engine was opened.
#[derive(Clone, PartialEq, Debug)]
pub struct DispatchSpan {
    /// The kernel.
    pub kernel: KernelId,
    /// Names of the enclosing scopes, joined by `/`; empty outside of any.
    pub scope: Arc<str>,
    /// Start and length; `None` where the driver left the timestamps empty or out of order.
    pub time: Option<(f64, f64)>,
    /// What it computed, where that is counted.
    pub work: Option<Work>,
}

/// What the host was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostTask {
    /// Turning commands into what the driver takes; on the CPU engine everything between two dispatches.
    Encode,
    /// Handing them to the driver.
    Submit,
    /// Waiting for the device.
    Wait,
}

/// One thing that the host did. Times are in microseconds since the engine was opened.
#[derive(Clone, PartialEq, Debug)]
pub struct HostSpan {
    /// What.
    pub task: HostTask,
    /// For encoding: the scope as in [`DispatchSpan::scope`]; else empty.
    pub scope: Arc<str>,
    /// Start.
    pub start: f64,
    /// Length.
    pub length: f64,
}

/// Everything that was seen while profiling.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Profile {
    /// Dispatches in order of recording.
    pub dispatches: Vec<DispatchSpan>,
    /// What the host did, in order.
    pub host: Vec<HostSpan>,
}

/// Time of one kernel in one scope.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KernelTime {
    /// Kernel name.
    pub name: String,
    /// Names of the enclosing scopes, joined by `/`; empty outside of any.
    pub scope: String,
    /// Timed dispatches.
    pub dispatches: u64,
    /// Device time of those dispatches.
    pub seconds: f64,
    /// Dispatches whose timestamps the driver left empty or out of order; they are in neither of the above.
    pub unavailable: u64,
}

/// What an engine that profiles keeps.
pub(super) struct Log {
    /// Whether new work is timed.
    pub(super) on: bool,
    opened: Instant,
    scopes: Vec<Arc<str>>,
    pub(super) profile: Profile,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { on: true, opened: Instant::now(), scopes: Vec::new(), profile: Profile::default() }
    }

    /// Microseconds since the engine was opened.
    pub(super) fn now(&self) -> f64 {
        self.opened.elapsed().as_secs_f64() * 1e6
    }

    pub(super) fn scope(&self) -> Arc<str> {
        self.scopes.last().cloned().unwrap_or_default()
    }

    pub(super) fn open_scope(&mut self, name: &str) {
        let path = match self.scopes.last() {
            Some(outer) => format!("{outer}/{name}").into(),
            None => name.into(),
        };
        self.scopes.push(path);
    }

    pub(super) fn close_scope(&mut self) {
        self.scopes.pop();
    }

    /// A dispatch in the open scope, not timed yet.
    pub(super) fn span(&self, catalogue: &Catalogue, recording: &Recording, dispatch: &Dispatch) -> DispatchSpan {
        let kernel = catalogue.kernels.get(dispatch.kernel.0 as usize);
        let work = kernel.and_then(|kernel| kernel.work.of(recording.bytes(dispatch.immediates), dispatch.groups));
        DispatchSpan { kernel: dispatch.kernel, scope: self.scope(), time: None, work }
    }

    /// What the host did from `start` until now.
    pub(super) fn host(&mut self, task: HostTask, start: f64) {
        let scope = if task == HostTask::Encode { self.scope() } else { Arc::default() };
        self.profile.host.push(HostSpan { task, scope, start, length: self.now() - start });
    }
}

/// Totals per kernel and scope, kernels in order of their numbers.
pub(super) fn table(dispatches: &[DispatchSpan], catalogue: &Catalogue) -> Vec<KernelTime> {
    let mut rows: BTreeMap<(KernelId, &str), KernelTime> = BTreeMap::new();
    for span in dispatches {
        let row = rows.entry((span.kernel, &span.scope)).or_insert_with(|| KernelTime {
            name: catalogue.kernel_name(span.kernel).to_string(),
            scope: span.scope.to_string(),
            dispatches: 0,
            seconds: 0.0,
            unavailable: 0,
        });
        match span.time {
            Some((_, length)) => {
                row.dispatches += 1;
                row.seconds += length * 1e-6;
            }
            None => row.unavailable += 1,
        }
    }
    rows.into_values().collect()
}
