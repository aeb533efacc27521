//! Plans for an adapter and runs nothing: which recordings a trainer makes there is known without its device.

use std::time::Instant;

use super::catalogue::{Catalogue, KernelInfo};
use super::executor::Executor;
use super::profile::Log;
use super::{BufferId, Counters, EngineError, KernelDesc, Recording, Ticket, Timing};

/// Takes every recording and executes none; what is read is zero.
#[derive(Default)]
pub(super) struct Dry;

impl Executor for Dry {
    fn health(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn buffer(&mut self, _: &str, _: u64, _: u64) -> Result<(), EngineError> {
        Ok(())
    }

    fn kernel(&mut self, _: &KernelDesc, _: &KernelInfo) -> Result<(), EngineError> {
        Ok(())
    }

    fn execute(&mut self, _: &Catalogue, _: &Recording) -> Result<(), EngineError> {
        Ok(())
    }

    fn poll(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn wait(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn knows(&self, _: Ticket) -> bool {
        false
    }

    fn take(&mut self, _: Ticket) -> Option<(Vec<u8>, Instant)> {
        None
    }

    fn wait_for(&mut self, _: Ticket) -> Result<(), EngineError> {
        Ok(())
    }

    fn read(&mut self, _: BufferId, _: u64, size: u64) -> Result<Vec<u8>, EngineError> {
        Ok(vec![0; size as usize])
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn log(&mut self) -> Option<(Timing, &mut Log)> {
        None
    }
}
