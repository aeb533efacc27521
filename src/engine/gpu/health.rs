//! The first thing that went wrong on a device, shared between the engine and the callbacks that notice it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::EngineError;

/// Set once by a callback, read before and after every call.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<Mutex<Option<EngineError>>>);

impl Health {
    fn slot(&self) -> MutexGuard<'_, Option<EngineError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an error. The first one stays, except that a lost device explains whatever came before it.
    pub(super) fn report(&self, error: EngineError) {
        let mut slot = self.slot();
        let lost = |error: &EngineError| matches!(error, EngineError::DeviceLost(_));
        if slot.as_ref().is_none_or(|old| lost(&error) && !lost(old)) {
            *slot = Some(error);
        }
    }

    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.slot().clone().map_or(Ok(()), Err)
    }

    /// Runs calls into wgpu, which reports some errors by callback and panics on a few (a poll of a lost device).
    pub(super) fn guard<T>(&self, calls: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        self.check()?;
        let outcome = catch_unwind(AssertUnwindSafe(calls)).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
            let fault = EngineError::Fault(text.unwrap_or_else(|| "panic inside wgpu".into()));
            self.report(fault.clone());
            Err(fault)
        });
        self.check()?;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_stays_and_a_lost_device_explains_it() {
        let health = Health::default();
        assert!(health.check().is_ok());
        health.report(EngineError::Fault("first".into()));
        health.report(EngineError::Fault("second".into()));
        assert!(health.check().unwrap_err().to_string().contains("first"));
        health.report(EngineError::DeviceLost("unplugged".into()));
        assert!(health.check().unwrap_err().to_string().contains("unplugged"));
    }

    #[test]
    fn a_panic_becomes_an_error_that_stays() {
        let health = Health::default();
        let outcome: Result<(), EngineError> = health.guard(|| panic!("inside the library"));
        assert!(outcome.unwrap_err().to_string().contains("inside the library"));
        assert!(health.guard(|| Ok(())).is_err());
    }
}
