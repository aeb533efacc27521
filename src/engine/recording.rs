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

/// A part of a recording's own storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    first: usize,
    count: usize,
}

/// One run of a kernel. [`Recording::buffers`] and [`Recording::bytes`] give what the spans hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: KernelId,
    /// Buffers in the order of the kernel's [`bindings`](super::KernelDesc::bindings).
    pub buffers: Span,
    /// Contents of the kernel's `var<immediate>`, at most 128 bytes.
    pub immediates: Span,
    /// Workgroups in x, y, z; an empty grid is skipped.
    pub groups: [u32; 3],
}

/// One step of a recording. Offsets and sizes are in bytes and multiples of 4.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Command {
    /// Host bytes into a buffer.
    Upload {
        /// Destination.
        target: BufferId,
        /// Offset in the destination.
        offset: u64,
        /// The bytes.
        bytes: Span,
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
    /// Hand what came before to the device: a submission is a bounded amount of work.
    Submit,
    /// Open a named profiler scope.
    BeginScope(&'static str),
    /// Close the innermost profiler scope.
    EndScope,
}

/// An ordered list of commands; every command sees the effects of those before it. What commands carry lies in the
/// recording's own storage, so that one that is cleared and filled again allocates nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recording {
    commands: Vec<Command>,
    buffers: Vec<BufferId>,
    bytes: Vec<u8>,
}

impl Recording {
    /// An empty recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the commands and keeps the memory.
    pub fn clear_commands(&mut self) {
        self.commands.clear();
        self.buffers.clear();
        self.bytes.clear();
    }

    /// The commands in order.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The buffers of a dispatch of this recording.
    pub fn buffers(&self, dispatch: &Dispatch) -> &[BufferId] {
        let Span { first, count } = dispatch.buffers;
        self.buffers.get(first..first + count).unwrap_or_default()
    }

    /// The bytes of an upload or the immediates of a dispatch of this recording.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.bytes.get(span.first..span.first + span.count).unwrap_or_default()
    }

    fn keep(&mut self, parts: &[&[u8]]) -> Span {
        let first = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        Span { first, count: self.bytes.len() - first }
    }

    /// Host bytes into a buffer at a byte offset.
    pub fn upload(&mut self, target: BufferId, offset: u64, bytes: &[u8]) {
        let bytes = self.keep(&[bytes]);
        self.commands.push(Command::Upload { target, offset, bytes });
    }

    /// Run a kernel over `groups` workgroups.
    pub fn dispatch(&mut self, kernel: KernelId, buffers: &[BufferId], immediates: &[u8], groups: [u32; 3]) {
        self.dispatch_parts(kernel, buffers, &[immediates], groups);
    }

    /// [`Recording::dispatch`] with immediates in several parts.
    pub fn dispatch_parts(&mut self, kernel: KernelId, buffers: &[BufferId], parts: &[&[u8]], groups: [u32; 3]) {
        let immediates = self.keep(parts);
        let first = self.buffers.len();
        self.buffers.extend_from_slice(buffers);
        let buffers = Span { first, count: buffers.len() };
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

    /// Hand what came before to the device, because what follows takes long by itself; nothing waits.
    pub fn submit_here(&mut self) {
        self.commands.push(Command::Submit);
    }

    /// Run `body` inside a named profiler scope.
    pub fn scope<T>(&mut self, name: &'static str, body: impl FnOnce(&mut Self) -> T) -> T {
        self.commands.push(Command::BeginScope(name));
        let out = body(self);
        self.end_scope();
        out
    }

    /// Closes the innermost scope; [`Recording::scope`] does it by itself.
    pub fn end_scope(&mut self) {
        self.commands.push(Command::EndScope);
    }

    /// The first dispatch of every kernel, each over a single workgroup: enough to make a driver compile it.
    pub fn one_group_of_each_kernel(&self) -> Self {
        let mut out = Self::new();
        let mut seen = std::collections::HashSet::new();
        for command in &self.commands {
            if let Command::Dispatch(dispatch) = command
                && seen.insert(dispatch.kernel)
            {
                out.dispatch(dispatch.kernel, self.buffers(dispatch), self.bytes(dispatch.immediates), [1, 1, 1]);
            }
        }
        out
    }

    /// Adds a command of another recording.
    fn add(&mut self, other: &Self, command: &Command) {
        match command {
            Command::Upload { target, offset, bytes } => self.upload(*target, *offset, other.bytes(*bytes)),
            Command::Dispatch(d) => self.dispatch(d.kernel, other.buffers(d), other.bytes(d.immediates), d.groups),
            command => self.commands.push(*command),
        }
    }

    /// Adds the commands of another recording behind these.
    pub fn append(&mut self, other: &Self) {
        other.commands.iter().for_each(|command| self.add(other, command));
    }

    /// The commands that `keep` says yes to, given their positions.
    pub fn filtered(&self, keep: impl Fn(usize, &Command) -> bool) -> Self {
        let mut out = Self::new();
        let kept = self.commands.iter().enumerate().filter(|(index, command)| keep(*index, command));
        kept.for_each(|(_, command)| out.add(self, command));
        out
    }

    /// Number of dispatches with a non-empty grid.
    pub fn dispatches(&self) -> usize {
        let runs = |c: &Command| matches!(c, Command::Dispatch(d) if d.groups.iter().all(|&g| g > 0));
        self.commands.iter().filter(|c| runs(c)).count()
    }
}
