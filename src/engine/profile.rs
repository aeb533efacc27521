//! Seconds per kernel and scope.

use std::collections::BTreeMap;

use serde::Serialize;

use super::KernelId;
use super::catalogue::Catalogue;

/// Time of one kernel in one scope since the engine was made.
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

/// What one scope's kernel has taken so far.
#[derive(Default)]
struct Total {
    dispatches: u64,
    seconds: f64,
    unavailable: u64,
}

/// What all kernels have taken so far, scope by scope.
#[derive(Default)]
pub(super) struct Totals(BTreeMap<KernelId, BTreeMap<String, Total>>);

impl Totals {
    /// Adds one dispatch; `None` when its time could not be taken.
    pub(super) fn add(&mut self, kernel: KernelId, scope: &str, seconds: Option<f64>) {
        let scopes = self.0.entry(kernel).or_default();
        if !scopes.contains_key(scope) {
            scopes.insert(scope.to_string(), Total::default());
        }
        let Some(total) = scopes.get_mut(scope) else { return };
        match seconds {
            Some(seconds) => {
                total.dispatches += 1;
                total.seconds += seconds;
            }
            None => total.unavailable += 1,
        }
    }

    pub(super) fn table(&self, catalogue: &Catalogue) -> Vec<KernelTime> {
        let rows =
            self.0.iter().flat_map(|(kernel, scopes)| scopes.iter().map(move |(scope, total)| (kernel, scope, total)));
        let row = |(kernel, scope, total): (&KernelId, &String, &Total)| KernelTime {
            name: catalogue.kernel_name(*kernel).to_string(),
            scope: scope.clone(),
            dispatches: total.dispatches,
            seconds: total.seconds,
            unavailable: total.unavailable,
        };
        rows.map(row).collect()
    }
}
