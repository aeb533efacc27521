//! The engine that runs recordings on the processor itself, through the kernels' twins. Needs no driver.

mod pool;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::catalogue::{Catalogue, KernelInfo};
use super::executor::Executor;
use super::kernel::{Call, HostKernel};
use super::profile::{HostTask, Log, Timing};
use super::{BufferId, Command, Counters, Dispatch, EngineError, KernelDesc, Recording, Ticket};
use crate::simd::Isa;
use pool::Pool;
use words::Memory;
pub use words::Words;

/// Storage bindings of one kernel.
pub(super) const MAX_BINDINGS: usize = 16;

/// Buffers, twins and threads. A recording is done when [`Executor::execute`] returns.
pub(super) struct Cpu {
    isa: Isa,
    pool: Pool,
    buffers: Vec<Memory>,
    kernels: Vec<Box<dyn HostKernel>>,
    arrived: Vec<(Ticket, Vec<u8>, Instant)>,
    /// Memory of results that were handed back.
    free: Vec<Vec<u8>>,
    counters: Counters,
    log: Option<Log>,
    /// When the last dispatch of a profile, or the host's work on its recording, ended.
    idle_since: f64,
    failed: Option<EngineError>,
}

impl Cpu {
    /// `threads` is at least 1 and includes the caller's.
    pub(super) fn open(threads: usize, isa: Isa, profile: bool) -> Self {
        Self {
            isa,
            pool: Pool::new(threads),
            buffers: Vec::new(),
            kernels: Vec::new(),
            arrived: Vec::new(),
            free: Vec::new(),
            counters: Counters::default(),
            log: profile.then(Log::new),
            idle_since: 0.0,
            failed: None,
        }
    }

    fn run(&mut self, catalogue: &Catalogue, recording: &Recording, command: &Command) -> Result<(), EngineError> {
        match command {
            Command::Upload { target, offset, bytes } => {
                let bytes = recording.bytes(*bytes);
                self.bytes_mut(*target, *offset, bytes.len() as u64).copy_from_slice(bytes);
            }
            Command::Dispatch(dispatch) if dispatch.groups.contains(&0) => {}
            Command::Dispatch(dispatch) => return self.dispatch(catalogue, recording, dispatch),
            Command::Copy { source, source_offset, target, target_offset, size } => {
                let [source, target] = [source, target].map(|buffer| buffer.0 as usize);
                // The check of recordings has seen to it that the two differ.
                if let Ok([source, target]) = self.buffers.get_disjoint_mut([source, target]) {
                    let [from, to, size] = [source_offset, target_offset, size].map(|bytes| *bytes as usize);
                    Memory::copy(source, from, target, to, size);
                }
            }
            Command::Clear { target, offset, size } => self.bytes_mut(*target, *offset, *size).fill(0),
            Command::Readback { source, offset, size, ticket } => {
                let mut bytes = self.spare(*size as usize);
                bytes.extend_from_slice(self.bytes(*source, *offset, *size));
                self.arrived.push((*ticket, bytes, Instant::now()));
                self.counters.readbacks += 1;
                self.counters.bytes_read += size;
            }
            Command::Submit => {}
            Command::BeginScope(name) => self.change_scope(|log| log.open_scope(name)),
            Command::EndScope => self.change_scope(Log::close_scope),
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        catalogue: &Catalogue,
        recording: &Recording,
        dispatch: &Dispatch,
    ) -> Result<(), EngineError> {
        let started = self.encoded();
        let kernel = &*self.kernels[dispatch.kernel.0 as usize];
        let mut views = [Words::EMPTY; MAX_BINDINGS];
        let call = call(&self.buffers, recording, dispatch, &mut views);
        let tasks = catch_unwind(AssertUnwindSafe(|| kernel.tasks(&call)));
        let done = tasks.is_ok_and(|tasks| self.pool.run(tasks, &|task, worker| kernel.run(&call, task, worker)));
        self.counters.dispatches += 1;
        if let (Some(started), Some(log)) = (started, &mut self.log) {
            self.idle_since = log.now();
            let mut span = log.span(catalogue, recording, dispatch);
            span.time = Some((started, self.idle_since - started));
            log.profile.dispatches.push(span);
        }
        self.outcome(done, catalogue, dispatch)
    }

    /// Two dispatches at once where the second takes what the first leaves, tile by tile; `None` where it does not, or
    /// where the second has too few groups for the threads. A profile takes them one by one, for their own times.
    fn chain(
        &mut self,
        catalogue: &Catalogue,
        recording: &Recording,
        [first, second]: [&Dispatch; 2],
    ) -> Option<Result<(), EngineError>> {
        let timed = self.log.as_ref().is_some_and(|log| log.on);
        if timed || first.groups.contains(&0) || second.groups.contains(&0) {
            return None;
        }
        let [maker, taker] = [first, second].map(|dispatch| &*self.kernels[dispatch.kernel.0 as usize]);
        let mut views = [[Words::EMPTY; MAX_BINDINGS]; 2];
        let [made, taken] = &mut views;
        let made = call(&self.buffers, recording, first, made);
        let taken = call(&self.buffers, recording, second, taken);
        let left = catch_unwind(AssertUnwindSafe(|| maker.leaves(&made))).ok()??;
        let (wanted, groups) = catch_unwind(AssertUnwindSafe(|| taker.takes(&taken))).ok()??;
        let [before, behind] = [first, second].map(|dispatch| recording.buffers(dispatch));
        let (shared, same) = (before.get(left.binding)?, behind.get(wanted.binding)?);
        let alike = shared == same && (left.count, left.words) == (wanted.count, wanted.words);
        let others = before.iter().filter(|buffer| behind.contains(buffer)).any(|buffer| buffer != shared);
        let workers = self.pool.workers();
        if !alike || others || groups < 2 * workers || left.count < workers {
            return None;
        }
        let done = self.pool.run(groups, &|group, worker| {
            taker.follow(&taken, group, worker, &mut |tile| {
                maker.run_at(&made, tile, worker, worker);
                worker
            });
        });
        self.counters.dispatches += 2;
        Some(self.outcome(done, catalogue, first))
    }

    /// What a dispatch ends with; a panic in it is the end of the engine.
    fn outcome(&mut self, done: bool, catalogue: &Catalogue, dispatch: &Dispatch) -> Result<(), EngineError> {
        if done {
            return Ok(());
        }
        let name = catalogue.kernel_name(dispatch.kernel);
        let fault = EngineError::Fault(format!("the CPU twin of kernel `{name}` panicked"));
        self.failed = Some(fault.clone());
        Err(fault)
    }

    /// Notes what the host has done since the last dispatch; the moment, if dispatches are timed.
    fn encoded(&mut self) -> Option<f64> {
        let log = self.log.as_mut().filter(|log| log.on)?;
        log.host(HostTask::Encode, self.idle_since);
        self.idle_since = log.now();
        Some(self.idle_since)
    }

    fn change_scope(&mut self, change: impl Fn(&mut Log)) {
        self.encoded();
        self.log.iter_mut().for_each(change);
    }

    /// Empty memory for a result: of what was handed back the smallest that is large enough, so that nothing grows.
    fn spare(&mut self, size: usize) -> Vec<u8> {
        let fitting = (0..self.free.len()).filter(|&at| self.free[at].capacity() >= size);
        let Some(best) = fitting.min_by_key(|&at| self.free[at].capacity()) else { return Vec::with_capacity(size) };
        let mut bytes = self.free.swap_remove(best);
        bytes.clear();
        bytes
    }

    fn bytes(&self, buffer: BufferId, offset: u64, size: u64) -> &[u8] {
        &self.buffers[buffer.0 as usize].bytes()[offset as usize..(offset + size) as usize]
    }

    fn bytes_mut(&mut self, buffer: BufferId, offset: u64, size: u64) -> &mut [u8] {
        &mut self.buffers[buffer.0 as usize].bytes_mut()[offset as usize..(offset + size) as usize]
    }
}

/// A dispatch as its kernel sees it.
fn call<'a>(
    buffers: &'a [Memory],
    recording: &'a Recording,
    dispatch: &Dispatch,
    views: &'a mut [Words<'a>; MAX_BINDINGS],
) -> Call<'a> {
    let bound = recording.buffers(dispatch);
    for (view, buffer) in views.iter_mut().zip(bound) {
        *view = buffers[buffer.0 as usize].share();
    }
    let immediates = recording.bytes(dispatch.immediates);
    Call { groups: dispatch.groups, immediates, buffers: &views[..bound.len().min(MAX_BINDINGS)] }
}

impl Executor for Cpu {
    fn health(&self) -> Result<(), EngineError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn buffer(&mut self, name: &str, bytes: u64, allocated: u64) -> Result<(), EngineError> {
        let memory = Memory::zeroed((bytes / 4) as usize).ok_or_else(|| EngineError::OutOfMemory {
            name: name.into(),
            bytes,
            allocated,
            message: "the system gives no more memory".into(),
        })?;
        self.buffers.push(memory);
        Ok(())
    }

    fn kernel(&mut self, desc: &KernelDesc, info: &KernelInfo) -> Result<(), EngineError> {
        let fail = |message: String| EngineError::Kernel { kernel: info.name.clone(), message };
        let twin = desc.twin.as_ref();
        let twin = twin.ok_or_else(|| fail("it has no twin that the CPU engine could run".into()))?;
        self.kernels.push(twin.prepare(self.isa, self.pool.workers()).map_err(fail)?);
        Ok(())
    }

    fn execute(&mut self, catalogue: &Catalogue, recording: &Recording) -> Result<(), EngineError> {
        self.counters.submits += 1;
        self.idle_since = self.log.as_ref().map_or(0.0, Log::now);
        let mut commands = recording.commands();
        while let [command, rest @ ..] = commands {
            commands = rest;
            if let (Command::Dispatch(first), [Command::Dispatch(second), rest @ ..]) = (command, rest)
                && let Some(outcome) = self.chain(catalogue, recording, [first, second])
            {
                outcome?;
                commands = rest;
                continue;
            }
            self.run(catalogue, recording, command)?;
        }
        self.encoded();
        Ok(())
    }

    fn poll(&mut self) -> Result<(), EngineError> {
        self.health()
    }

    fn wait(&mut self) -> Result<(), EngineError> {
        self.counters.waits += 1;
        self.health()
    }

    fn knows(&self, ticket: Ticket) -> bool {
        self.arrived.iter().any(|(known, ..)| *known == ticket)
    }

    fn take(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)> {
        let at = self.arrived.iter().position(|(known, ..)| *known == ticket)?;
        let (_, bytes, when) = self.arrived.swap_remove(at);
        Some((bytes, when))
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        self.free.push(bytes);
    }

    fn wait_for(&mut self, _: Ticket) -> Result<(), EngineError> {
        self.counters.waits += 1;
        self.health()
    }

    fn read(&mut self, buffer: BufferId, offset: u64, size: u64) -> Result<Vec<u8>, EngineError> {
        self.counters.readbacks += 1;
        self.counters.bytes_read += size;
        self.counters.waits += 1;
        Ok(self.bytes(buffer, offset, size).to_vec())
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn log(&mut self) -> Option<(Timing, &mut Log)> {
        self.log.as_mut().map(|log| (Timing::WallClock, log))
    }
}
