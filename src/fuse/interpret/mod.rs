//! A graph on the CPU: the twin of every generated kernel.
//!
//! One task is one tile of 64 rows. A value is `[feature][row]`, in the thread's arena or straight in the tile's scratch,
//! laid out as the WGSL kernel lays it out, so that the reduction of weight gradients reads either. `fusion` decides what
//! is computed together, `build` writes the program, `slots` shares the arena, `run` executes; the work is done by kernels
//! that are compiled once per instruction set (`map`, `rows`, and the products and draws of [`crate::simd`]).
//! No sum runs across rows, so AVX2 and AVX-512 give the same bytes.

use std::collections::HashMap;

use super::homes::Record;
use super::placement::Placement;
use crate::engine::{HostKernel, Twin};
use crate::ir::{Graph, NodeId};
use crate::simd::Isa;

mod build;
mod fusion;
mod map;
mod plan;
mod rows;
mod run;
mod slots;

/// Everything that the interpreter needs to know of a tile kernel.
#[derive(Clone, Debug)]
pub struct TileTwin {
    /// What it computes.
    pub graph: Graph,
    /// Where inputs, outputs and tensors are.
    pub placement: Placement,
    /// Values that stay in scratch.
    pub(super) records: HashMap<NodeId, Record>,
    /// Rows of a tile.
    pub rows: u32,
    /// Features of a tile's scratch.
    pub scratch_features: u32,
    /// Names of the kernel's bindings; `X_f32` is role buffer `X`.
    pub bindings: Vec<String>,
    /// Whether it reads sample `shuffle(row)`.
    pub shuffled: bool,
}

impl TileTwin {
    /// The binding of a role buffer.
    fn binding(&self, buffer: &str) -> Result<usize, String> {
        let found = self.bindings.iter().position(|b| b.strip_suffix("_f32").unwrap_or(b) == buffer);
        found.ok_or_else(|| format!("graph `{}`: role buffer `{buffer}` is not bound", self.graph.name))
    }
}

impl Twin for TileTwin {
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String> {
        if self.rows as usize != map::ROWS {
            return Err(format!("graph `{}`: tiles of {} rows, expected {}", self.graph.name, self.rows, map::ROWS));
        }
        let plan = build::plan(self, isa)?;
        let scratch = (self.scratch_features > 0).then(|| self.binding("scratch")).transpose()?;
        let words = self.scratch_features as usize * map::ROWS;
        let buffers = self.bindings.len();
        Ok(Box::new(run::TileHost::new(plan, isa, workers, self.shuffled, scratch, words, buffers)))
    }
}
