//! Streams of random numbers that belong to environments; the trainer's streams are below `0x100`.
//!
//! A draw is keyed by `(seed_lo, seed_hi, stream, iteration)` and counted by `(step, environment, lane, 0)`, so streams
//! never share a draw and an environment draws the same numbers in whatever batch it runs.

/// `reset` of an environment at the start of a run ([`EnvKernels::reset`](super::EnvKernels::reset)).
pub const START: u32 = 0x100;
/// `reset` after an episode has ended; iteration and step are those of the episode's last step.
pub const RESET: u32 = 0x101;
/// `step`.
pub const STEP: u32 = 0x102;
/// Random initial ages, lane 0.
pub const AGE: u32 = 0x103;
/// `reset_evaluation` (or `reset`, where that is not defined) at the start of an evaluation.
pub const EVALUATION: u32 = 0x104;
/// Actions of the environment checker, one lane an entry.
pub const CHECK: u32 = 0x105;
