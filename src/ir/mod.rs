//! The compute graph: immutable, hash-consed nodes over *row values*.

mod builder;
mod elementwise;
mod finish;
mod functions;
mod gradient;
mod graph;
mod simplify;

pub use builder::*;
pub use graph::*;
