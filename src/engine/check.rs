//! Everything about a recording that can be refused before anything of it runs.

use super::catalogue::Catalogue;
use super::{BufferId, Command, DeviceLimits, Dispatch, EngineError, Recording, Ticket};

/// Whether an earlier command of the recording has the same ticket.
fn asked_before(recording: &Recording, index: usize, ticket: Ticket) -> bool {
    let same = |command: &Command| matches!(command, Command::Readback { ticket: other, .. } if *other == ticket);
    recording.commands()[..index].iter().any(same)
}

impl Catalogue {
    /// Refuses a recording whose commands cannot be executed, naming the first of them. `busy` tells whether a ticket is
    /// in use.
    pub(super) fn check(
        &self,
        recording: &Recording,
        limits: &DeviceLimits,
        busy: impl Fn(Ticket) -> bool,
    ) -> Result<(), EngineError> {
        let mut depth = 0usize;
        for (index, command) in recording.commands().iter().enumerate() {
            let outcome = match command {
                Command::Upload { target, offset, bytes } => {
                    self.check_range(*target, *offset, recording.bytes(*bytes).len() as u64)
                }
                Command::Dispatch(dispatch) => self.check_dispatch(recording, dispatch, limits),
                Command::Copy { source, target, .. } if source == target => Err("source and target are one".into()),
                Command::Copy { source, source_offset, target, target_offset, size } => self
                    .check_range(*source, *source_offset, *size)
                    .and_then(|()| self.check_range(*target, *target_offset, *size)),
                Command::Clear { target, offset, size } => self.check_range(*target, *offset, *size),
                Command::Readback { ticket, .. } if asked_before(recording, index, *ticket) || busy(*ticket) => {
                    Err(format!("ticket {} is in use; take its result first", ticket.0))
                }
                Command::Readback { size: 0, .. } => Err("nothing to read: 0 bytes".into()),
                Command::Readback { source, offset, size, .. } => self.check_range(*source, *offset, *size),
                Command::Submit => Ok(()),
                Command::BeginScope(_) => {
                    depth += 1;
                    Ok(())
                }
                Command::EndScope => match depth.checked_sub(1) {
                    Some(outer) => {
                        depth = outer;
                        Ok(())
                    }
                    None => Err("no scope is open".into()),
                },
            };
            outcome.map_err(|message| EngineError::Recording { index, command: self.describe(command), message })?;
        }
        if depth > 0 {
            let (index, command) = (recording.commands().len(), "end".to_string());
            return Err(EngineError::Recording { index, command, message: format!("{depth} scopes are still open") });
        }
        Ok(())
    }

    /// Whether `[offset, offset + size)` is an aligned range of a buffer of this engine.
    pub(super) fn check_range(&self, buffer: BufferId, offset: u64, size: u64) -> Result<(), String> {
        let Some(found) = self.buffers.get(buffer.0 as usize) else {
            return Err(format!("buffer {} does not belong to this engine", buffer.0));
        };
        let (name, bytes) = (&found.name, found.bytes);
        if !offset.is_multiple_of(4) || !size.is_multiple_of(4) {
            return Err(format!("buffer `{name}`: offset {offset} and size {size} must be multiples of 4"));
        }
        if offset.checked_add(size).is_none_or(|end| end > bytes) {
            return Err(format!("buffer `{name}`: {size} bytes at offset {offset} leave its {bytes} bytes"));
        }
        Ok(())
    }

    fn check_dispatch(&self, recording: &Recording, dispatch: &Dispatch, limits: &DeviceLimits) -> Result<(), String> {
        let Some(kernel) = self.kernels.get(dispatch.kernel.0 as usize) else {
            return Err(format!("kernel {} does not belong to this engine", dispatch.kernel.0));
        };
        let bound = recording.buffers(dispatch);
        let (expected, got) = (kernel.slots.len(), bound.len());
        if expected != got {
            let names: Vec<_> = kernel.slots.iter().map(|slot| slot.name.as_str()).collect();
            return Err(format!("expected {expected} buffers ({}), got {got}", names.join(", ")));
        }
        let (expected, got) = (kernel.immediate_bytes, recording.bytes(dispatch.immediates).len());
        if expected as usize != got {
            return Err(format!("expected {expected} bytes of immediates, got {got}"));
        }
        let limit = limits.workgroups_per_dimension;
        if let Some(axis) = dispatch.groups.iter().position(|&groups| groups > limit) {
            let (groups, axis) = (dispatch.groups[axis], ["x", "y", "z"][axis]);
            return Err(format!("{groups} workgroups in {axis}, the adapter's limit is {limit}"));
        }
        for (position, (slot, &id)) in kernel.slots.iter().zip(bound).enumerate() {
            self.check_range(id, 0, 0)?;
            let buffer = &self.buffers[id.0 as usize];
            if buffer.bytes < slot.min_bytes {
                let (name, bytes, needed) = (&buffer.name, buffer.bytes, slot.min_bytes);
                return Err(format!("binding `{}` needs {needed} bytes, buffer `{name}` has {bytes}", slot.name));
            }
            // A buffer is tracked as a whole: read-only here and writable there is a race that wgpu refuses.
            let earlier = kernel.slots.iter().zip(bound).take(position);
            if let Some((other, _)) = earlier.into_iter().find(|(o, b)| **b == id && o.read_only != slot.read_only) {
                let (a, b, name) = (&other.name, &slot.name, &buffer.name);
                return Err(format!("buffer `{name}` is bound both read-only and writable, as `{a}` and `{b}`"));
            }
        }
        Ok(())
    }

    fn describe(&self, command: &Command) -> String {
        let buffer = |id: &BufferId| {
            self.buffers.get(id.0 as usize).map_or_else(|| format!("#{}", id.0), |buffer| format!("`{}`", buffer.name))
        };
        match command {
            Command::Upload { target, .. } => format!("upload to {}", buffer(target)),
            Command::Dispatch(dispatch) => format!("dispatch of `{}`", self.kernel_name(dispatch.kernel)),
            Command::Copy { source, target, .. } => format!("copy from {} to {}", buffer(source), buffer(target)),
            Command::Clear { target, .. } => format!("clear of {}", buffer(target)),
            Command::Readback { source, .. } => format!("readback of {}", buffer(source)),
            Command::BeginScope(name) => format!("begin of scope `{name}`"),
            Command::Submit => "submission".to_string(),
            Command::EndScope => "end of a scope".to_string(),
        }
    }
}
