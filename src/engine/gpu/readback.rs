//! Results on their way from the device: one staging buffer each, reused, mapped when the device gets there.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::timestamps::Batch;
use crate::engine::{EngineError, Ticket};

/// Staging buffers above this size are not kept.
const KEPT_BYTES: u64 = 16 << 20;
const PAGE: u64 = 4096;

/// Who asked for bytes.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Purpose {
    Ticket(Ticket),
    /// A blocking read by the engine itself.
    Read,
    /// Timestamps of these dispatches.
    Timestamps(Batch),
}

struct InFlight {
    purpose: Purpose,
    staging: wgpu::Buffer,
    bytes: u64,
    submission: Option<wgpu::SubmissionIndex>,
}

type Mapped = (u64, Result<(), wgpu::BufferAsyncError>, Instant);

/// All results that are on their way or have arrived.
pub(super) struct Readbacks {
    next: u64,
    in_flight: HashMap<u64, InFlight>,
    arrived: HashMap<Ticket, (Vec<u8>, Instant)>,
    free: Vec<wgpu::Buffer>,
    sender: Sender<Mapped>,
    receiver: Receiver<Mapped>,
}

impl Readbacks {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel();
        Self { next: 0, in_flight: HashMap::new(), arrived: HashMap::new(), free: Vec::new(), sender, receiver }
    }

    /// Whether a ticket is on its way or has arrived and was not taken.
    pub(super) fn knows(&self, ticket: Ticket) -> bool {
        self.arrived.contains_key(&ticket) || self.find(ticket).is_some()
    }

    fn find(&self, ticket: Ticket) -> Option<&InFlight> {
        self.in_flight.values().find(|flight| flight.purpose == Purpose::Ticket(ticket))
    }

    /// The submission that a ticket waits for.
    pub(super) fn submission(&self, ticket: Ticket) -> Option<wgpu::SubmissionIndex> {
        self.find(ticket).and_then(|flight| flight.submission.clone())
    }

    /// Encodes a copy of `bytes` bytes to the host; the mapping happens by itself after the submission.
    pub(super) fn encode(
        &mut self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        (source, offset): (&wgpu::Buffer, u64),
        bytes: u64,
        purpose: Purpose,
    ) {
        let staging = self.staging(device, bytes);
        encoder.copy_buffer_to_buffer(source, offset, &staging, 0, bytes);
        let (id, sender) = (self.next, self.sender.clone());
        self.next += 1;
        encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, 0..bytes, move |outcome| {
            // Nobody listens any more once the engine is gone.
            let _ = sender.send((id, outcome, Instant::now()));
        });
        self.in_flight.insert(id, InFlight { purpose, staging, bytes, submission: None });
    }

    /// Notes which submission everything encoded since the last call went out with.
    pub(super) fn submitted(&mut self, index: &wgpu::SubmissionIndex) {
        for flight in self.in_flight.values_mut().filter(|flight| flight.submission.is_none()) {
            flight.submission = Some(index.clone());
        }
    }

    fn staging(&mut self, device: &wgpu::Device, bytes: u64) -> wgpu::Buffer {
        let size = bytes.next_multiple_of(PAGE);
        match self.free.iter().position(|buffer| buffer.size() == size) {
            Some(index) => self.free.swap_remove(index),
            None => device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            }),
        }
    }

    /// Moves what has been mapped to the host; hands out whatever is no ticket.
    pub(super) fn collect(&mut self) -> Result<Vec<(Purpose, Vec<u8>)>, EngineError> {
        let mut others = Vec::new();
        while let Ok((id, outcome, when)) = self.receiver.try_recv() {
            let Some(flight) = self.in_flight.remove(&id) else { continue };
            outcome.map_err(|error| EngineError::Fault(format!("mapping a readback: {error}")))?;
            let view = flight.staging.slice(0..flight.bytes).get_mapped_range();
            let bytes = view.map_err(|error| EngineError::Fault(format!("mapping a readback: {error}")))?.to_vec();
            flight.staging.unmap();
            if flight.staging.size() <= KEPT_BYTES {
                self.free.push(flight.staging);
            }
            match flight.purpose {
                Purpose::Ticket(ticket) => drop(self.arrived.insert(ticket, (bytes, when))),
                other => others.push((other, bytes)),
            }
        }
        Ok(others)
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Option<(Vec<u8>, Instant)> {
        self.arrived.remove(&ticket)
    }
}
