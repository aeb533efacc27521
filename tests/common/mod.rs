//! What the tests share: fresh inputs, the two engines, and the comparison.
#![allow(dead_code, unused_imports, unused_macros)] // every test binary uses its own part

pub mod agents;
pub mod device;
pub mod fresh;
pub mod graphs;
pub mod parity;
pub mod programs;
pub mod twins;
