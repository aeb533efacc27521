//! Memory that the processor may execute.

use memmap2::{Mmap, MmapMut};

/// Machine code that can be run and no longer be written.
#[derive(Debug)]
pub(super) struct Code(Mmap);

impl Code {
    /// Copies machine code to memory of its own; `None` where the system refuses it.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut memory = MmapMut::map_anon(bytes.len().max(1)).ok()?;
        memory[..bytes.len()].copy_from_slice(bytes);
        memory.make_exec().ok().map(Self)
    }

    /// Where the code begins.
    pub fn start(&self) -> *const u8 {
        self.0.as_ptr()
    }
}
