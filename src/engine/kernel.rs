//! A kernel as plain data: text, bindings by name, counted work, and how the CPU engine runs it.

use std::fmt::Debug;
use std::sync::Arc;

use super::{CountedWork, Words};
use crate::simd::Isa;

/// What the CPU engine runs in place of a kernel's WGSL.
pub trait Twin: Debug + Send + Sync {
    /// Makes the kernel ready for an instruction set and for so many threads. An error says what is not supported.
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String>;
}

/// A kernel that is ready to run on the CPU. What it computes depends neither on the number of threads nor on which
/// thread runs which task.
pub trait HostKernel: Send + Sync {
    /// Independent pieces of a dispatch; each is run exactly once, on any thread, in any order.
    fn tasks(&self, call: &Call<'_>) -> usize;

    /// Runs piece `task` on thread `worker`. Nothing is allocated here after the first call.
    fn run(&self, call: &Call<'_>, task: usize, worker: usize);
}

/// One dispatch as the CPU engine sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// Contents of `var<immediate>`.
    pub immediates: &'a [u8],
    /// Buffers in the order of [`KernelDesc::bindings`].
    pub buffers: &'a [Words<'a>],
}

/// A kernel that an engine can compile.
#[derive(Clone, Debug)]
pub struct KernelDesc {
    /// Unique name, also in profiles: lower case with underscores.
    pub name: String,
    /// One WGSL module with one compute entry point.
    pub wgsl: String,
    /// Names of the module's buffer variables, in the order in which dispatches list their buffers.
    pub bindings: Vec<String>,
    /// Counted work of its dispatches.
    pub work: CountedWork,
    /// The same on a CPU; a kernel without one runs on GPUs only.
    pub twin: Option<Arc<dyn Twin>>,
}
