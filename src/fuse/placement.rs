//! Where a graph's inputs, outputs, tensors and batch reductions live in role buffers. Offsets are in 32-bit words.

use std::collections::HashMap;

/// Rows of `pitch` words in a role buffer: value `f` of sample `s` is word `offset + s * pitch + f`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Role buffer.
    pub buffer: String,
    /// First word.
    pub offset: u32,
    /// Words from one sample to the next.
    pub pitch: u32,
}

impl Rows {
    /// Not in memory: the value of a sample is its number.
    pub const ROW_NUMBER: Rows = Rows { buffer: String::new(), offset: 0, pitch: 0 };
}

/// A tensor in a role buffer: element `[i, j]` is word `offset + i * ld + j`; both are multiples of 4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tensor {
    /// Role buffer.
    pub buffer: String,
    /// First word.
    pub offset: u32,
    /// Words from one row to the next.
    pub ld: u32,
}

/// Everything that a plan needs to know about memory.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// Per input name.
    pub inputs: HashMap<String, Rows>,
    /// Per store name.
    pub stores: HashMap<String, Rows>,
    /// Per parameter name.
    pub params: HashMap<String, Tensor>,
    /// Word of the gradient vector where each trained tensor's gradient begins (same `ld` as the tensor).
    pub gradients: HashMap<String, u32>,
    /// Word of the gradient vector where the batch means begin.
    pub means: u32,
}
