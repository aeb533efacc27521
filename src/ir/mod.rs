//! The compute graph: immutable, hash-consed nodes over *row values*.

mod analysis;
mod builder;
mod display;
mod elementwise;
mod expr;
mod finish;
mod functions;
mod gradient;
mod graph;
mod reference;
mod reverse;
mod simplify;

pub use analysis::{varies_by_row, work};
pub use builder::*;
pub use graph::*;
pub use reference::*;
