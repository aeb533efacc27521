//! The engine that runs recordings on an adapter of wgpu.

mod adapters;
mod device;
mod execute;
mod health;
mod pipeline;
mod profiler;
mod readback;
mod timestamps;

use std::time::Instant;

use super::adapter::AdapterSummary;
use super::catalogue::{Catalogue, KernelInfo};
use super::executor::Executor;
use super::profile::{HostTask, Log};
use super::{BufferId, Counters, EngineError, KernelDesc, Recording, Ticket, Timing};
pub(super) use adapters::{Found, ranked};
use device::{Caught, Device};
use pipeline::Kernel;
use profiler::Profiler;
use readback::{Purpose, Readbacks};

/// An opened adapter with its buffers, kernels and results under way.
pub(super) struct Gpu {
    device: Device,
    checked: bool,
    dispatches_per_submit: u32,
    buffers: Vec<wgpu::Buffer>,
    kernels: Vec<Kernel>,
    readbacks: Readbacks,
    /// Result of the blocking read under way.
    read: Option<Vec<u8>>,
    profiler: Option<Profiler>,
    counters: Counters,
}

impl Gpu {
    /// Opens an adapter. `dispatches_per_submit` bounds a submission; with `profile` dispatches are timed, in that way at best.
    pub(super) fn open(
        summary: &AdapterSummary,
        adapter: &Found,
        (checked, profile): (bool, Option<Timing>),
        dispatches_per_submit: u32,
    ) -> Result<Self, EngineError> {
        let device = device::open(summary, adapter, profile.is_some())?;
        let profiler = profile.map(|timing| device.health.guard(|| Profiler::new(&device, timing))).transpose()?;
        Ok(Self {
            device,
            checked,
            dispatches_per_submit: dispatches_per_submit.clamp(1, timestamps::MAX_DISPATCHES),
            buffers: Vec::new(),
            kernels: Vec::new(),
            readbacks: Readbacks::new(),
            read: None,
            profiler,
            counters: Counters::default(),
        })
    }

    fn raw(&self, buffer: BufferId) -> &wgpu::Buffer {
        &self.buffers[buffer.0 as usize]
    }

    /// Lets wgpu run its callbacks, then collects what they delivered.
    fn turn(&mut self, how: wgpu::PollType) -> Result<(), EngineError> {
        let device = self.device.clone();
        device.health.guard(|| {
            let polled = device.raw.poll(how);
            polled.map(drop).map_err(|error| EngineError::Fault(error.to_string()))?;
            self.collect()
        })
    }

    /// A turn that waits.
    fn blocked(&mut self, how: wgpu::PollType) -> Result<(), EngineError> {
        let start = self.profiler.as_ref().and_then(Profiler::now);
        let outcome = self.turn(how);
        if let (Some(start), Some(profiler)) = (start, &mut self.profiler) {
            profiler.log.host(HostTask::Wait, start);
        }
        outcome
    }

    fn collect(&mut self) -> Result<(), EngineError> {
        for (purpose, bytes) in self.readbacks.collect()? {
            match purpose {
                Purpose::Read => self.read = Some(bytes),
                Purpose::Timestamps(batch) => {
                    if let Some(profiler) = &mut self.profiler {
                        profiler.add(batch, &bytes);
                    }
                }
                Purpose::Ticket(_) => {}
            }
        }
        Ok(())
    }
}

impl Executor for Gpu {
    fn health(&self) -> Result<(), EngineError> {
        self.device.health.check()
    }

    fn buffer(&mut self, name: &str, bytes: u64, allocated: u64) -> Result<(), EngineError> {
        let device = &self.device;
        let raw = device.health.guard(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST;
            let descriptor =
                wgpu::BufferDescriptor { label: Some(name), size: bytes, usage, mapped_at_creation: false };
            device.scoped(|| device.raw.create_buffer(&descriptor)).map_err(|caught| {
                let (Caught::OutOfMemory(message) | Caught::Other(message)) = caught;
                EngineError::OutOfMemory { name: name.into(), bytes, allocated, message }
            })
        })?;
        self.buffers.push(raw);
        Ok(())
    }

    fn kernel(&mut self, desc: &KernelDesc, info: &KernelInfo) -> Result<(), EngineError> {
        let device = &self.device;
        let kernel = device.health.guard(|| Kernel::new(device, desc, info, self.checked))?;
        self.kernels.push(kernel);
        Ok(())
    }

    fn execute(&mut self, catalogue: &Catalogue, recording: &Recording) -> Result<(), EngineError> {
        self.start(catalogue, recording, None)
    }

    fn poll(&mut self) -> Result<(), EngineError> {
        self.turn(wgpu::PollType::Poll)
    }

    fn wait(&mut self) -> Result<(), EngineError> {
        self.counters.waits += 1;
        self.blocked(wgpu::PollType::wait_indefinitely())
    }

    fn knows(&self, ticket: Ticket) -> bool {
        self.readbacks.knows(ticket)
    }

    fn take(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)> {
        self.readbacks.take(ticket)
    }

    fn wait_for(&mut self, ticket: Ticket) -> Result<(), EngineError> {
        self.counters.waits += 1;
        self.blocked(wgpu::PollType::Wait { submission_index: self.readbacks.submission(ticket), timeout: None })
    }

    fn read(&mut self, buffer: BufferId, offset: u64, size: u64) -> Result<Vec<u8>, EngineError> {
        let mut recording = Recording::new();
        recording.readback(buffer, offset, size, Ticket(0));
        self.start(&Catalogue::default(), &recording, Some(Purpose::Read))?;
        self.wait()?;
        self.read.take().ok_or_else(|| EngineError::Fault("a blocking read brought no bytes".into()))
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn log(&mut self) -> Option<(Timing, &mut Log)> {
        self.profiler.as_mut().map(Profiler::log)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Engine;
    use super::*;

    #[test]
    fn a_lost_device_is_an_error_of_every_later_call() {
        let (summary, adapter) = match ranked(false).into_iter().next() {
            Some(found) => found,
            None if std::env::var_os("REQUIRE_GPU").is_some() => panic!("no adapter"),
            None => return eprintln!("SKIPPED: no adapter"),
        };
        let gpu = Gpu::open(&summary, &adapter, (false, None), 8).unwrap();
        let device = gpu.device.clone();
        let mut engine = Engine::of(summary, Box::new(gpu));
        let buffer = engine.buffer("x", 64).unwrap();
        device.raw.destroy();
        let _ = device.health.guard(|| {
            let _ = device.raw.poll(wgpu::PollType::Poll);
            Ok(())
        });
        let mut recording = Recording::new();
        recording.clear(buffer, 0, 64);
        let error = engine.submit(&recording).unwrap_err();
        assert!(matches!(error, EngineError::DeviceLost(_)), "{error}");
        assert!(matches!(engine.buffer("y", 64), Err(EngineError::DeviceLost(_))));
        assert!(matches!(engine.poll(), Err(EngineError::DeviceLost(_))));
        assert!(matches!(engine.wait(), Err(EngineError::DeviceLost(_))));
        assert!(matches!(engine.read(buffer, 0, 4), Err(EngineError::DeviceLost(_))));
        assert_eq!(engine.take(Ticket(0)), None);
    }
}
