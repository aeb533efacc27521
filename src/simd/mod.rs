//! Instruction sets of CPUs and the arithmetic that is compiled once for each of them.

mod isa;

pub use isa::Isa;
