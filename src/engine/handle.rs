//! The engine as everybody sees it: owns buffers and kernels, executes recordings, hands out results.

use std::collections::HashMap;
use std::time::Instant;

use super::adapter::{self, Chosen};
use super::catalogue::{BufferInfo, Catalogue, KernelInfo};
use super::cpu::Cpu;
use super::dry::Dry;
use super::executor::Executor;
use super::gpu::Gpu;
use super::profile;
use super::{
    AdapterChoice, AdapterKind, AdapterSummary, BufferId, Counters, DeviceLimits, EngineError, KernelDesc, KernelId,
    KernelTime, Profile, Recording, Ticket, Timing,
};
use crate::simd::Isa;

/// How to open an engine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EngineOptions {
    /// Which adapter.
    pub adapter: AdapterChoice,
    /// Run kernels with bounds, loop and division checks and with zeroed workgroup memory (GPU; the CPU engine always
    /// stays inside its buffers).
    pub checked: bool,
    /// Time every dispatch, which costs some of the speed it measures: the CPU engine then joins no two dispatches.
    /// [`Engine::set_profiling`] turns it off and on.
    pub profile: bool,
    /// How dispatches are timed at best; an adapter that lacks it takes the next way that it has.
    pub timing: Timing,
    /// Dispatches of one submission, so that no watchdog strikes; by default 64 on software and 256 on hardware.
    pub dispatches_per_submit: Option<u32>,
    /// Threads of the CPU engine, by default one for every core. The numbers do not depend on it.
    pub threads: Option<usize>,
    /// Instruction set of the CPU engine, by default the best of this processor (or `FLOWMILL_ISA`).
    pub isa: Option<Isa>,
}

/// An opened adapter with its buffers, kernels and results under way.
///
/// After a device error or loss every call answers with that error.
pub struct Engine {
    adapter: AdapterSummary,
    catalogue: Catalogue,
    /// Kernels by name, text and binding order.
    compiled: HashMap<(String, String, Vec<String>), KernelId>,
    descriptions: Vec<KernelDesc>,
    executor: Box<dyn Executor>,
    compile_seconds: f64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (buffers, kernels) = (self.catalogue.buffers.len(), self.catalogue.kernels.len());
        write!(f, "Engine({}, {buffers} buffers, {kernels} kernels)", self.adapter.name)
    }
}

impl Engine {
    /// Opens an adapter with all of its limits: by default a hardware GPU, else the CPU engine.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let (summary, chosen) = adapter::choose(options)?;
        let executor: Box<dyn Executor> = match chosen {
            Chosen::Cpu { threads, isa } => Box::new(Cpu::open(threads, isa, options.profile)),
            Chosen::Gpu(adapter) => {
                let software = summary.kind == AdapterKind::Software;
                let per_submit = options.dispatches_per_submit.unwrap_or(if software { 64 } else { 256 });
                Box::new(Gpu::open(
                    &summary,
                    &adapter,
                    (options.checked, options.profile.then_some(options.timing)),
                    per_submit,
                )?)
            }
        };
        Ok(Self::of(summary, executor))
    }

    pub(super) fn of(adapter: AdapterSummary, executor: Box<dyn Executor>) -> Self {
        let catalogue = Catalogue::default();
        let (compiled, descriptions) = (HashMap::new(), Vec::new());
        Self { adapter, catalogue, compiled, descriptions, executor, compile_seconds: 0.0 }
    }

    /// An engine that plans and checks for an adapter, compiles and runs nothing, and reads zeros: for who wants to know
    /// which recordings a trainer makes there. No readback ever arrives.
    pub fn dry(adapter: AdapterSummary) -> Self {
        Self::of(adapter, Box::new(Dry))
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
    pub fn buffer(&mut self, name: &str, bytes: u64) -> Result<BufferId, EngineError> {
        let limits = [
            ("max_storage_buffer_binding_size", self.adapter.limits.storage_binding_bytes),
            ("max_buffer_size", self.adapter.limits.buffer_bytes),
        ];
        if bytes == 0 || !bytes.is_multiple_of(4) {
            return Err(EngineError::BufferSize { name: name.into(), bytes });
        }
        if let Some((limit, maximum)) = limits.into_iter().find(|&(_, maximum)| bytes > maximum) {
            return Err(EngineError::BufferLimit { name: name.into(), bytes, limit, maximum });
        }
        self.executor.buffer(name, bytes, self.allocated_bytes())?;
        self.catalogue.buffers.push(BufferInfo { name: name.into(), bytes });
        Ok(BufferId(self.catalogue.buffers.len() as u32 - 1))
    }

    /// Bytes of all buffers made so far.
    pub fn allocated_bytes(&self) -> u64 {
        self.catalogue.buffers.iter().map(|buffer| buffer.bytes).sum()
    }

    /// Size of a buffer in bytes; 0 for a handle of another engine.
    pub fn buffer_bytes(&self, buffer: BufferId) -> u64 {
        self.catalogue.buffers.get(buffer.0 as usize).map_or(0, |buffer| buffer.bytes)
    }

    /// Compiles a kernel; the same name, text and bindings give the same kernel again.
    pub fn kernel(&mut self, desc: &KernelDesc) -> Result<KernelId, EngineError> {
        let key = (desc.name.clone(), desc.wgsl.clone(), desc.bindings.clone());
        if let Some(&id) = self.compiled.get(&key) {
            return Ok(id);
        }
        self.executor.health()?;
        let start = Instant::now();
        let info = KernelInfo::new(desc, &self.adapter.limits)?;
        self.executor.kernel(desc, &info)?;
        self.compile_seconds += start.elapsed().as_secs_f64();
        self.catalogue.kernels.push(info);
        self.descriptions.push(desc.clone());
        let id = KernelId(self.catalogue.kernels.len() as u32 - 1);
        self.compiled.insert(key, id);
        Ok(id)
    }

    /// What a kernel was compiled from; none for a handle of another engine.
    pub fn description(&self, kernel: KernelId) -> Option<&KernelDesc> {
        self.descriptions.get(kernel.0 as usize)
    }

    /// Invocations of a kernel's workgroup in x, y, z; zeros for a handle of another engine.
    pub fn workgroup_size(&self, kernel: KernelId) -> [u32; 3] {
        self.catalogue.kernels.get(kernel.0 as usize).map_or([0; 3], |kernel| kernel.workgroup_size)
    }

    /// Starts a recording; a GPU returns at once, the CPU engine when it is done. A recording with a wrong command is
    /// refused as a whole.
    pub fn submit(&mut self, recording: &Recording) -> Result<(), EngineError> {
        self.executor.health()?;
        self.catalogue.check(recording, &self.adapter.limits, |ticket| self.executor.knows(ticket))?;
        self.executor.execute(&self.catalogue, recording)
    }

    /// Collects results that have arrived; never blocks.
    pub fn poll(&mut self) -> Result<(), EngineError> {
        self.executor.poll()
    }

    /// The bytes of a readback once they have arrived, and only once; never blocks.
    pub fn take(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        self.take_at(ticket).map(|(bytes, _)| bytes)
    }

    /// Like [`Engine::take`], with the moment at which the bytes were seen to have arrived.
    pub fn take_at(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)> {
        self.executor.take(ticket)
    }

    /// Gives the memory of a result back, so that the next one needs none.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        self.executor.give_back(bytes);
    }

    /// Blocks until the device is idle and collects all results.
    pub fn wait(&mut self) -> Result<(), EngineError> {
        self.executor.wait()
    }

    /// Blocks until one readback has arrived, while later submissions go on, and returns its bytes.
    pub fn wait_for(&mut self, ticket: Ticket) -> Result<Vec<u8>, EngineError> {
        if let Some(bytes) = self.take(ticket) {
            return Ok(bytes);
        }
        if !self.executor.knows(ticket) {
            return Err(unknown_ticket(ticket));
        }
        self.executor.wait_for(ticket)?;
        self.take(ticket).ok_or_else(|| unknown_ticket(ticket))
    }

    /// Blocks for a byte range of a buffer: for tests and checkpoints, not for training.
    pub fn read(&mut self, buffer: BufferId, offset: u64, size: u64) -> Result<Vec<u8>, EngineError> {
        self.catalogue.check_range(buffer, offset, size).map_err(EngineError::Range)?;
        if size == 0 {
            return Ok(Vec::new());
        }
        self.executor.read(buffer, offset, size)
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.executor.counters()
    }

    /// Seconds spent in [`kernel`](Engine::kernel). Some drivers compile at the first dispatch instead.
    pub fn compile_seconds(&self) -> f64 {
        self.compile_seconds
    }

    /// Name of a kernel; `?` for a handle of another engine.
    pub fn kernel_name(&self, kernel: KernelId) -> &str {
        self.catalogue.kernel_name(kernel)
    }

    /// How dispatches are timed; `None` without [`EngineOptions::profile`].
    pub fn timing(&mut self) -> Option<Timing> {
        self.executor.log().map(|(timing, _)| timing)
    }

    /// Microseconds since the engine was opened, the clock of a [`Profile`]; 0 without [`EngineOptions::profile`].
    pub fn clock(&mut self) -> f64 {
        self.executor.log().map_or(0.0, |(_, log)| log.now())
    }

    /// Whether what is submitted from now on is timed. Nothing happens without [`EngineOptions::profile`].
    pub fn set_profiling(&mut self, on: bool) {
        if let Some((_, log)) = self.executor.log() {
            log.on = on;
        }
    }

    /// Device time per kernel and scope of everything that has arrived and was not taken; empty without
    /// [`EngineOptions::profile`].
    pub fn profile(&mut self) -> Vec<KernelTime> {
        let dispatches = self.executor.log().map_or(&[][..], |(_, log)| &log.profile.dispatches);
        profile::table(dispatches, &self.catalogue)
    }

    /// Everything timed that has arrived, and only once; empty without [`EngineOptions::profile`].
    pub fn take_profile(&mut self) -> Profile {
        self.executor.log().map(|(_, log)| std::mem::take(&mut log.profile)).unwrap_or_default()
    }
}

fn unknown_ticket(ticket: Ticket) -> EngineError {
    EngineError::Range(format!("no readback with ticket {} is under way", ticket.0))
}
