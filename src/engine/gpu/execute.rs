//! A recording as wgpu calls: one pass for neighbouring dispatches, one submission per bounded amount of work.

use super::Gpu;
use super::device::Device;
use super::profiler::idle;
use super::readback::Purpose;
use crate::engine::catalogue::Catalogue;
use crate::engine::profile::HostTask;
use crate::engine::{BufferId, Command, Counters, Dispatch, EngineError, KernelId, Recording, Timing};

/// Commands that are encoded and not yet submitted.
struct Open {
    device: Device,
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    /// Kernel and buffers that the open pass has set.
    bound: Option<(KernelId, Vec<BufferId>)>,
    scopes: Vec<String>,
    dispatches: u32,
    counted: Counters,
    /// Since when the host has been encoding, while profiling.
    since: Option<f64>,
}

impl Open {
    fn new(device: &Device) -> Self {
        let (device, counted) = (device.clone(), Counters::default());
        Self { device, encoder: None, pass: None, bound: None, scopes: Vec::new(), dispatches: 0, counted, since: None }
    }

    /// The encoder, outside of any pass.
    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.end_pass();
        let device = &self.device.raw;
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
    }

    /// The open pass, or a new one with the debug groups of the open scopes.
    fn pass(&mut self, timestamps: Option<wgpu::ComputePassTimestampWrites<'_>>) -> &mut wgpu::ComputePass<'static> {
        let (device, encoder, scopes, counted) = (&self.device.raw, &mut self.encoder, &self.scopes, &mut self.counted);
        self.pass.get_or_insert_with(|| {
            let encoder = encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: timestamps };
            // The pass is dropped before its encoder is used again, which is what its lifetime would enforce.
            let mut pass = encoder.begin_compute_pass(&descriptor).forget_lifetime();
            scopes.iter().for_each(|scope| pass.push_debug_group(scope));
            counted.passes += 1;
            pass
        })
    }

    fn end_pass(&mut self) {
        if let Some(mut pass) = self.pass.take() {
            // Debug groups must be closed in the pass that opened them.
            self.scopes.iter().for_each(|_| pass.pop_debug_group());
        }
        self.bound = None;
    }

    fn begin_scope(&mut self, name: &str) {
        self.scopes.push(name.to_string());
        if let Some(pass) = &mut self.pass {
            pass.push_debug_group(name);
        }
    }

    fn end_scope(&mut self) {
        self.scopes.pop();
        if let Some(pass) = &mut self.pass {
            pass.pop_debug_group();
        }
    }
}

/// Where the two timestamps of a dispatch go.
struct Queries<'a> {
    set: &'a wgpu::QuerySet,
    first: u32,
    /// The dispatch has a pass of its own, at whose edges they stand.
    own_pass: bool,
}

impl<'a> Queries<'a> {
    fn of_pass(&self) -> Option<wgpu::ComputePassTimestampWrites<'a>> {
        self.own_pass.then_some(wgpu::ComputePassTimestampWrites {
            query_set: self.set,
            beginning_of_pass_write_index: Some(self.first),
            end_of_pass_write_index: Some(self.first + 1),
        })
    }
}

impl Gpu {
    /// Starts a recording that has been checked; `reads` is what its readbacks are for, by default their tickets.
    pub(super) fn start(
        &mut self,
        catalogue: &Catalogue,
        recording: &Recording,
        reads: Option<Purpose>,
    ) -> Result<(), EngineError> {
        let device = self.device.clone();
        let mut open = Open::new(&device);
        open.since = self.profiler.as_ref().and_then(|profiler| profiler.now());
        let outcome = device.health.guard(|| {
            for command in recording.commands() {
                match command {
                    Command::Dispatch(dispatch) if dispatch.groups.contains(&0) => {}
                    Command::Dispatch(dispatch) => self.dispatch(&mut open, catalogue, recording, dispatch)?,
                    command => self.encode(&mut open, recording, command, reads.as_ref()),
                }
            }
            self.flush(&mut open);
            Ok(())
        });
        self.counters += open.counted;
        outcome
    }

    fn encode(&mut self, open: &mut Open, recording: &Recording, command: &Command, reads: Option<&Purpose>) {
        match command {
            Command::Upload { bytes, .. } if recording.bytes(*bytes).is_empty() => {}
            Command::Upload { target, offset, bytes } => {
                // The queue writes before the commands of the next submission, so earlier ones must be out by then.
                self.flush(open);
                self.device.queue.write_buffer(self.raw(*target), *offset, recording.bytes(*bytes));
            }
            Command::Dispatch(_) => {}
            Command::Copy { size: 0, .. } | Command::Clear { size: 0, .. } => {}
            Command::Copy { source, source_offset, target, target_offset, size } => {
                let (source, target) = (self.raw(*source), self.raw(*target));
                open.encoder().copy_buffer_to_buffer(source, *source_offset, target, *target_offset, *size);
            }
            Command::Clear { target, offset, size } => {
                open.encoder().clear_buffer(self.raw(*target), *offset, Some(*size));
            }
            Command::Readback { source, offset, size, ticket } => {
                let purpose = reads.cloned().unwrap_or(Purpose::Ticket(*ticket));
                let source = self.buffers[source.0 as usize].clone();
                self.readbacks.encode(&self.device.raw, open.encoder(), (&source, *offset), *size, purpose);
                open.counted.readbacks += 1;
                open.counted.bytes_read += size;
            }
            Command::BeginScope(name) => {
                self.host(open, HostTask::Encode);
                self.profiler.iter_mut().for_each(|profiler| profiler.log.open_scope(name));
                open.begin_scope(name);
            }
            Command::EndScope => {
                self.host(open, HostTask::Encode);
                self.profiler.iter_mut().for_each(|profiler| profiler.log.close_scope());
                open.end_scope();
            }
            Command::Submit => self.flush(open),
        }
    }

    /// Notes what the host has done since the last call.
    fn host(&mut self, open: &mut Open, task: HostTask) {
        if let (Some(since), Some(profiler)) = (open.since, &mut self.profiler) {
            profiler.log.host(task, since);
            open.since = profiler.now();
        }
    }

    /// A dispatch, timed where that is wanted.
    fn dispatch(
        &mut self,
        open: &mut Open,
        catalogue: &Catalogue,
        recording: &Recording,
        dispatch: &Dispatch,
    ) -> Result<(), EngineError> {
        let timing = self.profiler.as_ref().and_then(|profiler| profiler.timing());
        let (Some(timing), Some(profiler)) = (timing, &mut self.profiler) else {
            self.encode_dispatch(open, recording, dispatch, None);
            return Ok(());
        };
        let span = profiler.log.span(catalogue, recording, dispatch);
        match timing {
            Timing::InsidePasses | Timing::PassPerDispatch => {
                let queries = profiler.next(span).map(|(set, first)| (set.clone(), first));
                let own_pass = timing == Timing::PassPerDispatch;
                if own_pass {
                    open.end_pass();
                }
                let edges = queries.as_ref().map(|(set, first)| Queries { set, first: *first, own_pass });
                self.encode_dispatch(open, recording, dispatch, edges);
                if own_pass {
                    open.end_pass();
                }
            }
            Timing::WallClock => {
                self.flush(open);
                idle(&self.device)?;
                self.host(open, HostTask::Wait);
                let start = open.since.unwrap_or_default();
                self.encode_dispatch(open, recording, dispatch, None);
                self.flush(open);
                idle(&self.device)?;
                self.profiler.iter_mut().for_each(|profiler| profiler.clocked(span.clone(), start));
                self.host(open, HostTask::Wait);
            }
        }
        Ok(())
    }

    fn encode_dispatch(
        &mut self,
        open: &mut Open,
        recording: &Recording,
        dispatch: &Dispatch,
        queries: Option<Queries<'_>>,
    ) {
        let (device, raw, buffers) = (&self.device, &self.buffers, recording.buffers(dispatch));
        let kernel = &mut self.kernels[dispatch.kernel.0 as usize];
        let same_kernel = open.bound.as_ref().is_some_and(|(kernel, _)| *kernel == dispatch.kernel);
        let same_buffers = same_kernel && open.bound.as_ref().is_some_and(|(_, bound)| *bound == buffers);
        let pipeline = kernel.pipeline.clone();
        let immediates = kernel.immediate_bytes > 0;
        let pass = open.pass(queries.as_ref().and_then(Queries::of_pass));
        if !same_kernel {
            pass.set_pipeline(&pipeline);
        }
        if !same_buffers {
            for (index, group) in kernel.bind_groups(device, buffers, |buffer| &raw[buffer.0 as usize]) {
                pass.set_bind_group(*index, group, &[]);
            }
        }
        if immediates {
            pass.set_immediates(0, recording.bytes(dispatch.immediates));
        }
        let [x, y, z] = dispatch.groups;
        match queries.filter(|queries| !queries.own_pass) {
            Some(Queries { set, first, .. }) => {
                pass.write_timestamp(set, first);
                pass.dispatch_workgroups(x, y, z);
                pass.write_timestamp(set, first + 1);
            }
            None => pass.dispatch_workgroups(x, y, z),
        }
        if !same_buffers {
            open.bound = Some((dispatch.kernel, buffers.to_vec()));
        }
        open.counted.dispatches += 1;
        open.dispatches += 1;
        if open.dispatches >= self.dispatches_per_submit {
            self.flush(open);
        }
    }

    /// Submits whatever is encoded.
    fn flush(&mut self, open: &mut Open) {
        open.end_pass();
        open.dispatches = 0;
        let Some(mut encoder) = open.encoder.take() else { return };
        if let Some((ticks, batch)) = self.profiler.as_mut().and_then(|profiler| profiler.resolve(&mut encoder)) {
            let bytes = 16 * batch.spans.len() as u64;
            self.readbacks.encode(&self.device.raw, &mut encoder, (ticks, 0), bytes, Purpose::Timestamps(batch));
        }
        let commands = encoder.finish();
        self.host(open, HostTask::Encode);
        let index = self.device.queue.submit([commands]);
        self.readbacks.submitted(&index);
        open.counted.submits += 1;
        self.host(open, HostTask::Submit);
    }
}
