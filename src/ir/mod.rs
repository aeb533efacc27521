//! The compute graph: immutable, hash-consed nodes over *row values*.

mod graph;

pub use graph::*;
