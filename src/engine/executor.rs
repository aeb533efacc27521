//! What an engine is made of beneath its common surface: the two implementations are `gpu::Gpu` and `cpu::Cpu`.

use std::time::Instant;

use super::catalogue::{Catalogue, KernelInfo};
use super::profile::Log;
use super::{BufferId, Counters, EngineError, KernelDesc, Recording, Ticket, Timing};

/// Executes recordings whose every command has been checked against the [`Catalogue`].
pub(super) trait Executor: Send {
    /// The error that ended this device, if one did.
    fn health(&self) -> Result<(), EngineError>;

    /// A zeroed buffer, the next in number.
    fn buffer(&mut self, name: &str, bytes: u64, allocated: u64) -> Result<(), EngineError>;

    /// Makes the next kernel in number ready.
    fn kernel(&mut self, desc: &KernelDesc, info: &KernelInfo) -> Result<(), EngineError>;

    /// Starts a recording.
    fn execute(&mut self, catalogue: &Catalogue, recording: &Recording) -> Result<(), EngineError>;

    /// Collects results that have arrived.
    fn poll(&mut self) -> Result<(), EngineError>;

    /// Blocks until everything is done.
    fn wait(&mut self) -> Result<(), EngineError>;

    /// Whether a ticket is on its way or has arrived and was not taken.
    fn knows(&self, ticket: Ticket) -> bool;

    /// The result of a ticket once it has arrived.
    fn take(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)>;

    /// Memory of a result that is no longer needed, for the next one.
    fn give_back(&mut self, _: Vec<u8>) {}

    /// Blocks until a ticket that is known has arrived.
    fn wait_for(&mut self, ticket: Ticket) -> Result<(), EngineError>;

    /// Blocks for a range of a buffer.
    fn read(&mut self, buffer: BufferId, offset: u64, size: u64) -> Result<Vec<u8>, EngineError>;

    /// What was done so far.
    fn counters(&self) -> Counters;

    /// How dispatches are timed and all that has been seen, for an engine that was opened to profile.
    fn log(&mut self) -> Option<(Timing, &mut Log)>;
}
