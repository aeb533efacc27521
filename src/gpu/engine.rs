//! The engine: owns buffers and kernels, executes recordings, hands out results.

use std::collections::HashMap;
use std::time::Instant;

use super::device::{self, Caught, Device};
use super::pipeline::Kernel;
use super::profile::{self, KernelTime, Profiler};
use super::readback::{Purpose, Readbacks};
use super::{
    AdapterChoice, AdapterSummary, BufferId, Counters, DeviceLimits, GpuError, KernelDesc, KernelId, Recording, Ticket,
};

/// How to open an engine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EngineOptions {
    /// Which adapter.
    pub adapter: AdapterChoice,
    /// Run kernels with bounds, loop and division checks and with zeroed workgroup memory.
    pub checked: bool,
    /// Time every dispatch; each gets a pass of its own, which costs some of the speed it measures.
    pub profile: bool,
    /// Dispatches of one submission, so that no watchdog strikes; by default 64 on software and 256 on hardware.
    pub dispatches_per_submit: Option<u32>,
}

pub(super) struct Buffer {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) raw: wgpu::Buffer,
}

/// An opened adapter with its buffers, kernels and results under way.
///
/// After a device error or loss every call answers with that error.
pub struct Engine {
    pub(super) device: Device,
    pub(super) adapter: AdapterSummary,
    checked: bool,
    pub(super) dispatches_per_submit: u32,
    pub(super) buffers: Vec<Buffer>,
    pub(super) kernels: Vec<Kernel>,
    /// Kernels by name, text and binding order.
    compiled: HashMap<(String, String, Vec<String>), KernelId>,
    pub(super) readbacks: Readbacks,
    /// Result of the blocking read under way.
    read: Option<Vec<u8>>,
    pub(super) profiler: Option<Profiler>,
    pub(super) counters: Counters,
    compile_seconds: f64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (buffers, kernels) = (self.buffers.len(), self.kernels.len());
        write!(f, "Engine({}, {buffers} buffers, {kernels} kernels)", self.adapter.name)
    }
}

impl Engine {
    /// Opens an adapter, hardware before software, with all of its limits.
    pub fn new(options: &EngineOptions) -> Result<Self, GpuError> {
        let (adapter, device) = device::open(&options.adapter, options.checked)?;
        let profiler = if options.profile { Some(Profiler::new(&device, &adapter.name)?) } else { None };
        let per_submit = options.dispatches_per_submit.unwrap_or(if adapter.software { 64 } else { 256 });
        Ok(Self {
            device,
            adapter,
            checked: options.checked,
            dispatches_per_submit: per_submit.clamp(1, profile::MAX_DISPATCHES),
            buffers: Vec::new(),
            kernels: Vec::new(),
            compiled: HashMap::new(),
            readbacks: Readbacks::new(),
            read: None,
            profiler,
            counters: Counters::default(),
            compile_seconds: 0.0,
        })
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterSummary {
        &self.adapter
    }

    /// Its limits.
    pub fn limits(&self) -> &DeviceLimits {
        &self.adapter.limits
    }

    /// A zeroed buffer of `bytes` bytes, a positive multiple of 4. Sizes beyond the adapter's limits are refused
    /// before anything is allocated.
    pub fn buffer(&mut self, name: &str, bytes: u64) -> Result<BufferId, GpuError> {
        let limits = [
            ("max_storage_buffer_binding_size", self.adapter.limits.storage_binding_bytes),
            ("max_buffer_size", self.adapter.limits.buffer_bytes),
        ];
        if bytes == 0 || !bytes.is_multiple_of(4) {
            return Err(GpuError::BufferSize { name: name.into(), bytes });
        }
        if let Some((limit, maximum)) = limits.into_iter().find(|&(_, maximum)| bytes > maximum) {
            return Err(GpuError::BufferLimit { name: name.into(), bytes, limit, maximum });
        }
        let (device, allocated) = (&self.device, self.allocated_bytes());
        let raw = device.health.guard(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST;
            let descriptor =
                wgpu::BufferDescriptor { label: Some(name), size: bytes, usage, mapped_at_creation: false };
            device.scoped(|| device.raw.create_buffer(&descriptor)).map_err(|caught| {
                let (Caught::OutOfMemory(message) | Caught::Other(message)) = caught;
                GpuError::OutOfMemory { name: name.into(), bytes, allocated, message }
            })
        })?;
        self.buffers.push(Buffer { name: name.into(), bytes, raw });
        Ok(BufferId(self.buffers.len() as u32 - 1))
    }

    /// Bytes of all buffers made so far.
    pub fn allocated_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.bytes).sum()
    }

    /// Size of a buffer in bytes; 0 for a handle of another engine.
    pub fn buffer_bytes(&self, buffer: BufferId) -> u64 {
        self.buffers.get(buffer.0 as usize).map_or(0, |buffer| buffer.bytes)
    }

    /// Compiles a kernel; the same name, text and bindings give the same kernel again.
    pub fn kernel(&mut self, desc: &KernelDesc) -> Result<KernelId, GpuError> {
        let key = (desc.name.clone(), desc.wgsl.clone(), desc.bindings.clone());
        if let Some(&id) = self.compiled.get(&key) {
            return Ok(id);
        }
        let start = Instant::now();
        let device = &self.device;
        let kernel = device.health.guard(|| Kernel::new(device, &self.adapter.limits, desc, self.checked));
        self.compile_seconds += start.elapsed().as_secs_f64();
        self.kernels.push(kernel?);
        let id = KernelId(self.kernels.len() as u32 - 1);
        self.compiled.insert(key, id);
        Ok(id)
    }

    /// Invocations of a kernel's workgroup in x, y, z; zeros for a handle of another engine.
    pub fn workgroup_size(&self, kernel: KernelId) -> [u32; 3] {
        self.kernels.get(kernel.0 as usize).map_or([0; 3], |kernel| kernel.workgroup_size)
    }

    /// Starts a recording and returns at once. A recording with a wrong command is refused as a whole.
    pub fn submit(&mut self, recording: &Recording) -> Result<(), GpuError> {
        self.device.health.check()?;
        self.check(recording)?;
        self.execute(recording, None)
    }

    /// Collects results that have arrived; never blocks.
    pub fn poll(&mut self) -> Result<(), GpuError> {
        self.turn(wgpu::PollType::Poll)
    }

    /// The bytes of a readback once they have arrived, and only once; never blocks.
    pub fn take(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        self.take_at(ticket).map(|(bytes, _)| bytes)
    }

    /// Like [`Engine::take`], with the moment at which the bytes were seen to have arrived.
    pub fn take_at(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)> {
        self.readbacks.take(ticket)
    }

    /// Blocks until the device is idle and collects all results.
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.counters.waits += 1;
        self.turn(wgpu::PollType::wait_indefinitely())
    }

    /// Blocks until one readback has arrived, while later submissions go on, and returns its bytes.
    pub fn wait_for(&mut self, ticket: Ticket) -> Result<Vec<u8>, GpuError> {
        if let Some(bytes) = self.take(ticket) {
            return Ok(bytes);
        }
        let submission = self.readbacks.submission(ticket);
        let submission = submission.ok_or_else(|| unknown_ticket(ticket))?;
        self.counters.waits += 1;
        self.turn(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })?;
        self.take(ticket).ok_or_else(|| unknown_ticket(ticket))
    }

    /// Blocks for a byte range of a buffer: for tests and checkpoints, not for training.
    pub fn read(&mut self, buffer: BufferId, offset: u64, size: u64) -> Result<Vec<u8>, GpuError> {
        self.check_range(buffer, offset, size).map_err(GpuError::Range)?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut recording = Recording::new();
        recording.readback(buffer, offset, size, Ticket(0));
        self.execute(&recording, Some(Purpose::Read))?;
        self.wait()?;
        self.read.take().ok_or_else(|| GpuError::Fault("a blocking read brought no bytes".into()))
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Seconds spent in [`kernel`](Engine::kernel). Some drivers compile at the first dispatch instead.
    pub fn compile_seconds(&self) -> f64 {
        self.compile_seconds
    }

    /// Device time per kernel and scope of everything that has arrived; empty without [`EngineOptions::profile`].
    pub fn profile(&self) -> Vec<KernelTime> {
        let name = |kernel| self.kernel_name(kernel).to_string();
        self.profiler.as_ref().map_or_else(Vec::new, |profiler| profiler.table(name))
    }

    pub(super) fn kernel_name(&self, kernel: KernelId) -> &str {
        self.kernels.get(kernel.0 as usize).map_or("?", |kernel| &kernel.name)
    }

    pub(super) fn raw(&self, buffer: BufferId) -> &wgpu::Buffer {
        &self.buffers[buffer.0 as usize].raw
    }

    /// Lets wgpu run its callbacks, then collects what they delivered.
    fn turn(&mut self, how: wgpu::PollType) -> Result<(), GpuError> {
        let device = self.device.clone();
        device.health.guard(|| {
            let polled = device.raw.poll(how);
            polled.map(drop).map_err(|error| GpuError::Fault(error.to_string()))?;
            self.collect()
        })
    }

    fn collect(&mut self) -> Result<(), GpuError> {
        for (purpose, bytes) in self.readbacks.collect()? {
            match purpose {
                Purpose::Read => self.read = Some(bytes),
                Purpose::Timestamps(spans) => {
                    if let Some(profiler) = &mut self.profiler {
                        profiler.add(spans, &bytes);
                    }
                }
                Purpose::Ticket(_) => {}
            }
        }
        Ok(())
    }
}

fn unknown_ticket(ticket: Ticket) -> GpuError {
    GpuError::Range(format!("no readback with ticket {} is under way", ticket.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_is_an_error_of_every_later_call() {
        let mut engine = match Engine::new(&EngineOptions::default()) {
            Ok(engine) => engine,
            Err(error) if std::env::var_os("REQUIRE_GPU").is_some() => panic!("{error}"),
            Err(error) => return eprintln!("SKIPPED: {error}"),
        };
        let buffer = engine.buffer("x", 64).unwrap();
        engine.device.raw.destroy();
        let _ = engine.device.health.guard(|| {
            let _ = engine.device.raw.poll(wgpu::PollType::Poll);
            Ok(())
        });
        let mut recording = Recording::new();
        recording.clear(buffer, 0, 64);
        let error = engine.submit(&recording).unwrap_err();
        assert!(matches!(error, GpuError::DeviceLost(_)), "{error}");
        assert!(matches!(engine.buffer("y", 64), Err(GpuError::DeviceLost(_))));
        assert!(matches!(engine.poll(), Err(GpuError::DeviceLost(_))));
        assert!(matches!(engine.wait(), Err(GpuError::DeviceLost(_))));
        assert!(matches!(engine.read(buffer, 0, 4), Err(GpuError::DeviceLost(_))));
        assert_eq!(engine.take(Ticket(0)), None);
    }
}
