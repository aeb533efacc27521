//! Time of recordings: batches long enough for the clock, medians over rounds, runs that are compared interleaved.

use std::time::{Duration, Instant};

use super::BenchError;
use crate::engine::{Engine, EngineError, Recording};

/// Samples of a row: at least the first, even where they exceed the row's time; at most the second. What is compared has
/// the first in any case.
const ROUNDS: [usize; 2] = [3, 15];

/// Times the row's time, and at least a second, after which one sample has to do: so that a slow adapter comes to an end.
const PATIENCE: u32 = 4;

/// Runs of a recording in one sample.
const MAX_RUNS: usize = 4096;

/// Dispatches of a recording that is submitted as one: enough to hide what a submission costs.
const DISPATCHES: usize = 64;

/// Values of several rounds.
#[derive(Clone, PartialEq, Debug)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Some values, in any order; at least one.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle value.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Distance of the quartiles over the median: what half of the rounds agree within; 0 where the median is 0.
    pub fn spread(&self) -> f64 {
        let median = self.median();
        if median == 0.0 { 0.0 } else { (self.quantile(0.75) - self.quantile(0.25)) / median }
    }

    /// Each value changed.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self::new(self.0.iter().map(|value| change(*value)).collect())
    }

    /// Linear between neighbours; NaN of none.
    fn quantile(&self, q: f64) -> f64 {
        let position = q * (self.0.len().max(1) - 1) as f64;
        let at = |i: usize| self.0.get(i).or(self.0.last()).copied().unwrap_or(f64::NAN);
        let low = at(position as usize);
        low + (at(position as usize + 1) - low) * position.fract()
    }
}

/// Seconds of one run of a recording: samples for about `length`, after a warm-up.
pub fn seconds(engine: &mut Engine, recording: &Recording, length: Duration) -> Result<Samples, EngineError> {
    let once = recording.dispatches().max(1);
    let repeats = (DISPATCHES / once).max(1);
    let mut many = Recording::new();
    (0..repeats).for_each(|_| many.append(recording));

    let warm = batch(engine, recording, 1)?;
    let one = if warm < length.as_secs_f64() { batch(engine, recording, 1)? } else { warm };
    // A single run of a small kernel is mostly the wait; a few more tell how long it takes itself.
    let one = if one < 1e-3 { batch(engine, &many, 1)? / repeats as f64 } else { one };
    let slice = length.as_secs_f64() / ROUNDS[1] as f64;
    let runs = (slice / one.max(1e-9)).clamp(1.0, MAX_RUNS as f64) as usize;
    let (recording, repeats) = if runs < repeats { (recording, 1) } else { (&many, repeats) };
    let (rounds, mut values) = (Rounds::new(length), Vec::new());
    while rounds.more(values.len()) {
        values.push(batch(engine, recording, (runs / repeats).max(1))? / repeats as f64);
    }
    Ok(Samples::new(values))
}

/// Seconds of one of `count` runs with one wait at their end.
fn batch(engine: &mut Engine, recording: &Recording, count: usize) -> Result<f64, EngineError> {
    let started = Instant::now();
    for _ in 0..count {
        engine.submit(recording)?;
    }
    engine.wait()?;
    Ok(started.elapsed().as_secs_f64() / count as f64)
}

/// Whether another round is due.
struct Rounds {
    started: Instant,
    length: Duration,
}

impl Rounds {
    fn new(length: Duration) -> Self {
        Self { started: Instant::now(), length }
    }

    fn more(&self, done: usize) -> bool {
        let elapsed = self.started.elapsed();
        let few = done < ROUNDS[0] && elapsed < (self.length * PATIENCE).max(Duration::from_secs(1));
        done == 0 || few || (done < ROUNDS[1] && elapsed < self.length)
    }
}

/// One run of something that is compared; returns its seconds.
pub type Run<'a> = Box<dyn FnMut() -> Result<f64, BenchError> + 'a>;

/// Runs what is compared in turn, the order reversed in every other round, after a warm-up of each. The values of a
/// round stand at the same position of every list.
pub fn interleaved(length: Duration, runs: &mut [Run<'_>]) -> Result<Vec<Vec<f64>>, BenchError> {
    let mut values = vec![Vec::new(); runs.len()];
    for run in &mut *runs {
        run()?;
    }
    let rounds = Rounds::new(length * runs.len() as u32);
    for round in (0..).take_while(|round| *round < ROUNDS[0] || rounds.more(*round)) {
        let forward = 0..runs.len();
        let order: Vec<usize> = if round % 2 == 0 { forward.collect() } else { forward.rev().collect() };
        for at in order {
            values[at].push(runs[at]()?);
        }
    }
    Ok(values)
}

/// Ratio of two interleaved measurements, round by round.
pub fn ratio(of: &[f64], to: &[f64]) -> Samples {
    Samples::new(of.iter().zip(to).map(|(of, to)| of / to).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_quartiles_are_those_of_the_sorted_values() {
        let samples = Samples::new(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((samples.median(), samples.spread(), samples.count()), (3.0, 2.0 / 3.0, 5));
        assert_eq!(Samples::new(vec![1.0, 2.0]).median(), 1.5);
        assert_eq!(Samples::new(vec![0.0, 0.0, 3.0]).spread(), 0.0);
        assert_eq!((Samples::new(vec![7.0]).median(), Samples::new(vec![7.0]).spread()), (7.0, 0.0));
        assert_eq!(ratio(&[2.0, 9.0, 8.0], &[1.0, 3.0, 2.0]).median(), 3.0);
    }

    #[test]
    fn what_is_compared_runs_in_turn_and_in_either_order() {
        let log = std::cell::RefCell::new(Vec::new());
        let run = |name: char| -> Run<'_> {
            let log = &log;
            Box::new(move || {
                log.borrow_mut().push(name);
                Ok(f64::from(name as u32))
            })
        };
        let values = interleaved(Duration::ZERO, &mut [run('a'), run('b')]).unwrap();
        assert_eq!(log.borrow().iter().collect::<String>(), "ababbaab");
        assert_eq!(values, [vec![97.0; 3], vec![98.0; 3]]);
    }
}
