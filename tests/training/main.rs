//! Training as a whole on the adapter at hand, at toy size: what an iteration does, that it does the same again, that a
//! checkpoint continues it, and what is refused. Without an adapter these tests say that they were skipped; with
//! REQUIRE_GPU they fail.

#[path = "../algorithms/support.rs"]
#[allow(dead_code)]
mod algorithms;
#[path = "../common/mod.rs"]
mod common;
mod support;

mod determinism;
mod evaluation;
mod gradient;
mod iteration;
mod numbers;
mod refusals;
