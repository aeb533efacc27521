//! Where the time of training iterations goes: kernels, phases, the host's share, and what measuring cost.

mod summary;
mod trace;

use std::time::Instant;

pub use summary::{IterationRow, KernelRow, PhaseRow, Summary};
pub use trace::trace;

use crate::engine::{Counters, Profile};
use crate::train::{TrainError, Trainer};

/// One profiled iteration. Times are in microseconds since the engine was opened.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Iteration {
    /// Number of the iteration, counted from 1.
    pub number: u64,
    /// When its recording began.
    pub start: f64,
    /// Until its metrics were there.
    pub length: f64,
    /// What ran.
    pub profile: Profile,
}

/// Profiled iterations and as many others, taken in turn.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Measured {
    /// The profiled ones.
    pub iterations: Vec<Iteration>,
    /// Lengths of the others in microseconds.
    pub unprofiled: Vec<f64>,
    /// What the last of the others did.
    pub counters: Counters,
}

/// Trains in pairs, a profiled iteration and one without, by turns the one first and the other, until there are so many
/// pairs or `stop` says yes behind one. The trainer's engine was opened to profile; every iteration is waited for.
pub fn measure(trainer: &mut Trainer, pairs: usize, stop: impl Fn() -> bool) -> Result<Measured, TrainError> {
    let mut measured = Measured::default();
    // What was timed before, such as the warm-up.
    trainer.engine().take_profile();
    for pair in 0..pairs {
        for profiled in [pair % 2 == 0, pair % 2 == 1] {
            one_of_pair(trainer, profiled, &mut measured)?;
        }
        if stop() {
            break;
        }
    }
    Ok(measured)
}

fn one_of_pair(trainer: &mut Trainer, profiled: bool, measured: &mut Measured) -> Result<(), TrainError> {
    trainer.engine().set_profiling(profiled);
    if profiled {
        let number = trainer.iteration() + 1;
        let start = trainer.engine().clock();
        one(trainer)?;
        let length = trainer.engine().clock() - start;
        let profile = trainer.engine().take_profile();
        measured.iterations.push(Iteration { number, start, length, profile });
    } else {
        let before = trainer.engine().counters();
        let start = Instant::now();
        one(trainer)?;
        measured.unprofiled.push(start.elapsed().as_secs_f64() * 1e6);
        measured.counters = trainer.engine().counters() - before;
    }
    Ok(())
}

/// An iteration to its end.
fn one(trainer: &mut Trainer) -> Result<(), TrainError> {
    trainer.step()?;
    trainer.engine().wait()?;
    trainer.drain()?;
    Ok(())
}
