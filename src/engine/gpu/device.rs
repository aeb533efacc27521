//! An opened device: queue, shared health, and error scopes as results.

use super::health::Health;
use crate::engine::{AdapterSummary, EngineError};

/// The wgpu objects that the rest of the engine calls.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) raw: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) health: Health,
}

/// Opens an adapter with all of its limits, immediates, and whatever `timestamps` it has if they are wanted.
pub(super) fn open(summary: &AdapterSummary, adapter: &wgpu::Adapter, timestamps: bool) -> Result<Device, EngineError> {
    let needed = wgpu::Features::IMMEDIATES;
    if !adapter.features().contains(needed) {
        return Err(EngineError::MissingFeature {
            adapter: summary.name.clone(),
            feature: "immediates (push constants)",
        });
    }
    let wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
    let timestamps = if timestamps { adapter.features() & wanted } else { wgpu::Features::empty() };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("flowmill"),
        required_features: needed | timestamps,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let opened = pollster::block_on(adapter.request_device(&descriptor));
    let (raw, queue) =
        opened.map_err(|error| EngineError::Device { adapter: summary.name.clone(), message: error.to_string() })?;

    let health = Health::default();
    let (faults, losses) = (health.clone(), health.clone());
    raw.on_uncaptured_error(std::sync::Arc::new(move |error| faults.report(EngineError::Fault(describe(&error)))));
    raw.set_device_lost_callback(move |reason, message| {
        losses.report(EngineError::DeviceLost(format!("{message} ({reason:?})")));
    });
    Ok(Device { raw, queue, health })
}

/// What an error scope caught.
pub(super) enum Caught {
    OutOfMemory(String),
    Other(String),
}

impl Device {
    /// Runs `create` in scopes for all three kinds of error.
    pub(super) fn scoped<T>(&self, create: impl FnOnce() -> T) -> Result<T, Caught> {
        let memory = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.raw.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.raw.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = create();
        let errors = [validation, internal, memory].map(|scope| pollster::block_on(scope.pop()));
        match errors.into_iter().flatten().next() {
            None => Ok(made),
            Some(error @ wgpu::Error::OutOfMemory { .. }) => Err(Caught::OutOfMemory(describe(&error))),
            Some(error) => Err(Caught::Other(describe(&error))),
        }
    }
}

/// wgpu's message with its chain of causes, which its own `Display` leaves out for some kinds.
fn describe(error: &wgpu::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let line = inner.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = inner.source();
    }
    text
}
