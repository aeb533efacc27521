//! Models and dynamics against MuJoCo's numbers, against physics, and against files that should be refused.

#[path = "../common/mod.rs"]
mod common;
mod constants;
mod fixture;
mod laws;
mod mutations;
mod numbers;
mod refusals;
mod simulated;
mod stages;
