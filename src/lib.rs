//! flowmill: a handwritten GPU compute engine that trains flow policies on GPU-resident environments.
#![warn(missing_docs)]

pub mod algo;
pub mod flow;
pub mod gpu;
pub mod ir;
pub mod nn;
