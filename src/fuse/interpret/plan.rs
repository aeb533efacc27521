//! A tile program: what the interpreter executes for every tile.

use super::map::{MapFn, ROWS};
use crate::ir::DrawKind;

/// Places that are not slots: the constants and scalars of a worker, the tile's scratch, then the role buffers.
pub const SCALARS: usize = 0;
/// The tile's part of the scratch buffer.
pub const SCRATCH: usize = 1;
/// The first role buffer.
pub const BUFFERS: usize = 2;

/// A word: `bases[base] + offset + iteration * stride`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// [`SCALARS`], [`SCRATCH`], a role buffer, or behind those a slot of the arena.
    pub base: usize,
    /// Words from there.
    pub offset: usize,
    /// Words from one iteration of the loop to the next.
    pub stride: usize,
}

/// A value as an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operand {
    /// Its first word.
    pub place: Place,
    /// Words from one feature to the next.
    pub step: usize,
    /// One word a feature instead of one a row.
    pub scalar: bool,
}

impl Operand {
    /// A value with all its rows.
    pub fn rows(place: Place) -> Self {
        Operand { place, step: ROWS, scalar: false }
    }
    /// The operand from a feature on.
    pub fn from(self, feature: usize) -> Self {
        let place = Place { offset: self.place.offset + feature * self.step, ..self.place };
        Operand { place, ..self }
    }
}

/// A summand of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// The value, [`ROWS`] words a feature.
    pub x: Place,
    /// Its features.
    pub inputs: usize,
    /// The weights.
    pub w: Place,
    /// Words between inputs.
    pub ldi: usize,
    /// Words between outputs.
    pub ldj: usize,
}

/// One step of a tile.
#[derive(Clone, Debug)]
pub enum Instr {
    /// An elementwise function, or a sum over features.
    Map {
        /// What is computed.
        kernel: MapFn,
        /// Result.
        out: Place,
        /// Second result.
        second: Option<Place>,
        /// Operands.
        operands: [Operand; 3],
        /// How many of them.
        count: usize,
        /// Features.
        features: usize,
    },
    /// A dense layer.
    Dense {
        /// Result.
        out: Place,
        /// Features of the result.
        outputs: usize,
        /// One word an output.
        bias: Option<Place>,
        /// Values that are added.
        add: [Option<Place>; 2],
        /// A value that the sum is multiplied by.
        scale: Option<Place>,
        /// Summands.
        products: Vec<Product>,
    },
    /// An input's rows.
    Input {
        /// Role buffer; `None` is the number of the sample.
        from: Option<(usize, usize, usize)>,
        /// Result.
        out: Place,
        /// Features.
        width: usize,
    },
    /// Rows of a table by an index that differs from row to row.
    Gather {
        /// First word of the table.
        table: Place,
        /// Words between its rows.
        ld: usize,
        /// Its rows.
        count: usize,
        /// The index.
        index: Place,
        /// Result.
        out: Place,
        /// Features.
        width: usize,
    },
    /// A row of a table by an index that is the same for all rows, or words of a buffer: scalars.
    Row {
        /// First word.
        table: Place,
        /// Words between its rows.
        ld: usize,
        /// Its rows.
        count: usize,
        /// The index.
        index: Option<Place>,
        /// Result.
        out: Place,
        /// Words.
        width: usize,
    },
    /// A uniform: a scalar of the immediates.
    Uniform {
        /// Its word behind the arguments.
        number: usize,
        /// Result.
        out: Place,
    },
    /// The iteration of the innermost loop: a scalar.
    Iteration {
        /// Result.
        out: Place,
    },
    /// Random numbers.
    Draw {
        /// Distribution.
        kind: DrawKind,
        /// Stream of the key.
        stream: u32,
        /// Result.
        out: Place,
        /// Features.
        width: usize,
    },
    /// What a carried value was at the start of an iteration.
    History {
        /// The record's first word in scratch.
        record: Place,
        /// Words between iterations.
        stride: usize,
        /// Iterations.
        count: usize,
        /// The iteration, a scalar.
        index: Place,
        /// Result.
        out: Place,
        /// Features.
        width: usize,
    },
    /// Rows of an output.
    Store {
        /// The value, [`ROWS`] words a feature.
        value: Place,
        /// Role buffer, first word, words between samples.
        to: (usize, usize, usize),
        /// Features.
        width: usize,
    },
    /// A loop.
    Loop {
        /// Iterations.
        count: usize,
        /// What each does.
        body: Vec<Instr>,
    },
}

impl Instr {
    /// Every place that is read or written (loops: those of their bodies are not listed).
    pub fn places(&self) -> Vec<Place> {
        match self {
            Instr::Map { out, second, operands, count, .. } => {
                let operands = operands[..*count].iter().map(|o| o.place);
                operands.chain([*out]).chain(*second).collect()
            }
            Instr::Dense { out, bias, add, scale, products, .. } => {
                let products = products.iter().flat_map(|p| [p.x, p.w]);
                products.chain([*out]).chain(*bias).chain(add.iter().chain([scale]).flatten().copied()).collect()
            }
            Instr::Input { out, .. } | Instr::Draw { out, .. } => vec![*out],
            Instr::Gather { index, out, .. } | Instr::History { index, out, .. } => vec![*index, *out],
            Instr::Store { value, .. } => vec![*value],
            Instr::Row { out, .. } | Instr::Uniform { out, .. } | Instr::Iteration { out } => vec![*out],
            Instr::Loop { .. } => vec![],
        }
    }
}

/// A record whose rows beyond the batch must be zero: first word in the tile's scratch, words.
pub type Masked = (usize, usize);

/// A whole program.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What every tile does, in order.
    pub instrs: Vec<Instr>,
    /// Words of the scalars, and what they hold at first.
    pub scalars: Vec<f32>,
    /// First words of the slots in the arena, behind the scalars.
    pub slots: Vec<usize>,
    /// Words of scalars and slots together.
    pub arena: usize,
    /// Parts of scratch that are masked in the last tile.
    pub masked: Vec<Masked>,
    /// Words that each role buffer must have for the tensors in it.
    pub needed: Vec<usize>,
    /// Row accesses: role buffer, first word, pitch, width.
    pub row_access: Vec<(usize, usize, usize, usize)>,
}
