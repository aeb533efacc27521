//! What the trainer asks for, as plain data: an engine executes it. No type of a GPU library appears here.

/// A buffer owned by an engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BufferId(pub u32);

/// A compiled kernel owned by an engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KernelId(pub u32);

/// Names the result of a [`Command::Readback`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// One run of a kernel.
#[derive(Clone, PartialEq, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: KernelId,
    /// Buffers in the order of the kernel's [`bindings`](super::KernelDesc::bindings).
    pub buffers: Vec<BufferId>,
    /// Contents of the kernel's `var<immediate>`, at most 128 bytes.
    pub immediates: Vec<u8>,
    /// Workgroups in x, y, z; an empty grid is skipped.
    pub groups: [u32; 3],
}

/// One step of a recording. Offsets and sizes are in bytes and multiples of 4.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Host bytes into a buffer.
    Upload {
        /// Destination.
        target: BufferId,
        /// Offset in the destination.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Run a kernel.
    Dispatch(Dispatch),
    /// Copy between two different buffers.
    Copy {
        /// Source buffer.
        source: BufferId,
        /// Offset in the source.
        source_offset: u64,
        /// Destination buffer.
        target: BufferId,
        /// Offset in the destination.
        target_offset: u64,
        /// Bytes.
        size: u64,
    },
    /// Set a range to zero.
    Clear {
        /// The buffer.
        target: BufferId,
        /// Start.
        offset: u64,
        /// Bytes.
        size: u64,
    },
    /// Copy a range to the host when the device gets there; collected later, never waited for here.
    Readback {
        /// The buffer.
        source: BufferId,
        /// Start.
        offset: u64,
        /// Bytes.
        size: u64,
        /// How to ask for the result.
        ticket: Ticket,
    },
    /// Open a named profiler scope.
    BeginScope(String),
    /// Close the innermost profiler scope.
    EndScope,
}

/// An ordered list of commands; every command sees the effects of those before it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recording {
    /// The commands in order.
    pub commands: Vec<Command>,
}

impl Recording {
    /// An empty recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Host bytes into a buffer at a byte offset.
    pub fn upload(&mut self, target: BufferId, offset: u64, bytes: &[u8]) {
        self.commands.push(Command::Upload { target, offset, bytes: bytes.to_vec() });
    }

    /// Run a kernel over `groups` workgroups.
    pub fn dispatch(&mut self, kernel: KernelId, buffers: &[BufferId], immediates: &[u8], groups: [u32; 3]) {
        let (buffers, immediates) = (buffers.to_vec(), immediates.to_vec());
        self.commands.push(Command::Dispatch(Dispatch { kernel, buffers, immediates, groups }));
    }

    /// Copy `size` bytes between two different buffers; ranges are `(buffer, byte offset)`.
    pub fn copy(&mut self, source: (BufferId, u64), target: (BufferId, u64), size: u64) {
        self.commands.push(Command::Copy {
            source: source.0,
            source_offset: source.1,
            target: target.0,
            target_offset: target.1,
            size,
        });
    }

    /// Zero a byte range.
    pub fn clear(&mut self, target: BufferId, offset: u64, size: u64) {
        self.commands.push(Command::Clear { target, offset, size });
    }

    /// Ask for a byte range; [`Engine::take`](super::Engine::take) hands it out once it has arrived.
    pub fn readback(&mut self, source: BufferId, offset: u64, size: u64, ticket: Ticket) {
        self.commands.push(Command::Readback { source, offset, size, ticket });
    }

    /// Run `body` inside a named profiler scope.
    pub fn scope<T>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> T) -> T {
        self.commands.push(Command::BeginScope(name.to_string()));
        let out = body(self);
        self.commands.push(Command::EndScope);
        out
    }

    /// Number of dispatches with a non-empty grid.
    pub fn dispatches(&self) -> usize {
        let runs = |c: &Command| matches!(c, Command::Dispatch(d) if d.groups.iter().all(|&g| g > 0));
        self.commands.iter().filter(|c| runs(c)).count()
    }
}
