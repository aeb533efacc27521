//! Models and dynamics against MuJoCo's numbers, against physics, and against files that should be refused.

mod constants;
mod fixture;
mod laws;
mod mutations;
mod refusals;
mod stages;
