//! Training as a whole on both engines, at toy size: what an iteration does, that it does the same again, that a
//! checkpoint continues it, and what is refused.

#[path = "../algorithms/support.rs"]
#[allow(dead_code)]
mod algorithms;
#[path = "../common/mod.rs"]
mod common;
mod support;

mod determinism;
mod evaluation;
mod gradient;
mod inputs;
mod iteration;
mod numbers;
mod refusals;
mod rollout;
