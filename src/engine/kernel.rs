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

    /// Tiles that the pieces of a dispatch write, piece `k` tile `k`, for the dispatch behind it alone: an engine may keep
    /// them in fewer places than there are tiles, so that a cache holds them until they are read.
    fn leaves(&self, _: &Call<'_>) -> Option<Tiles> {
        None
    }

    /// As [`HostKernel::run`], with the tile where tile `place` of the buffer would be.
    fn run_at(&self, call: &Call<'_>, task: usize, worker: usize, _place: usize) {
        self.run(call, task, worker);
    }

    /// The tiles that a dispatch reads, and into how many independent groups it divides them.
    fn takes(&self, _: &Call<'_>) -> Option<(Tiles, usize)> {
        None
    }

    /// Does a group on thread `worker`: `make(tile)` computes a tile and says at which place it lies until the next one is
    /// made. The groups together do what the dispatch does. Nothing is allocated here.
    fn follow(&self, _: &Call<'_>, _group: usize, _worker: usize, _make: &mut dyn FnMut(usize) -> usize) {}
}

/// A buffer as a row of tiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tiles {
    /// Which of the kernel's bindings.
    pub binding: usize,
    /// Tiles, from the start of the buffer.
    pub count: usize,
    /// Words of a tile.
    pub words: usize,
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
