//! How often the engine did what costs time, so that tests can hold a recording to its budget.

use std::ops::{AddAssign, Sub};

use serde::Serialize;

/// Calls so far; the difference of two readings is what happened between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Dispatches with a non-empty grid.
    pub dispatches: u64,
    /// Submissions to the queue.
    pub submits: u64,
    /// Calls that blocked until the device had finished something.
    pub waits: u64,
    /// Ranges copied to the host on request of a recording or a blocking read.
    pub readbacks: u64,
    /// Bytes of those ranges.
    pub bytes_read: u64,
    /// Compute passes.
    pub passes: u64,
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            dispatches: self.dispatches - earlier.dispatches,
            submits: self.submits - earlier.submits,
            waits: self.waits - earlier.waits,
            readbacks: self.readbacks - earlier.readbacks,
            bytes_read: self.bytes_read - earlier.bytes_read,
            passes: self.passes - earlier.passes,
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.dispatches += more.dispatches;
        self.submits += more.submits;
        self.waits += more.waits;
        self.readbacks += more.readbacks;
        self.bytes_read += more.bytes_read;
        self.passes += more.passes;
    }
}
