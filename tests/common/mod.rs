//! What the tests share: fresh inputs, one-kernel runs on the adapter at hand, and the comparison.
#![allow(dead_code)] // every test binary uses its own part

pub mod agents;
pub mod device;
pub mod fresh;
pub mod graphs;
pub mod parity;
pub mod programs;
pub mod twins;
