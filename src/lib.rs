//! flowmill: a handwritten GPU compute engine that trains flow policies on GPU-resident environments.
#![warn(missing_docs)]

pub mod algo;
pub mod env;
pub mod flow;
pub mod fuse;
pub mod gpu;
pub mod ir;
pub mod kernels;
pub mod nn;
pub mod plot;
pub mod report;
pub mod rng;
pub mod train;
