//! A kernel as plain data: text, bindings by name, counted work, and how the CPU engine runs it.

use std::fmt::Debug;
use std::sync::Arc;

use super::Words;
use crate::simd::Isa;

/// Arithmetic and traffic of one row (or one invocation), in one step of a kernel of several, counted from the source, for
/// benchmarks and profiles.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Work {
    /// Floating-point operations of matrix products (2 per multiply-add).
    pub matrix_flops: f64,
    /// Other floating-point operations.
    pub other_flops: f64,
    /// Bytes read from and written to buffers.
    pub bytes: f64,
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            matrix_flops: self.matrix_flops + other.matrix_flops,
            other_flops: self.other_flops + other.other_flops,
            bytes: self.bytes + other.bytes,
        }
    }
}

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
    /// Counted work of one row; see [`Work`].
    pub work: Work,
    /// The same on a CPU; a kernel without one runs on GPUs only.
    pub twin: Option<Arc<dyn Twin>>,
}
