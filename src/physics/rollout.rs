//! Trajectories of many states under given controls, in f64 on the CPU.

use super::dynamics::{SolverLimits, State, step};
use super::model::Model;

/// What a rollout computed.
#[derive(Debug, Clone, Default)]
pub struct Trajectories {
    /// Configurations after each step. `[states][steps][nq]`
    pub qpos: Vec<f64>,
    /// Velocities after each step. `[states][steps][nv]`
    pub qvel: Vec<f64>,
    /// The most Newton steps that one time step took.
    pub most_iterations: usize,
    /// Time steps whose solver did not converge.
    pub not_converged: usize,
    /// Time steps in which more contacts of a crowd acted than it has places; none in f64.
    pub left_out: usize,
}

/// A state that is no longer finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("state {state} is not finite after step {step}: the model cannot be stepped with its time step from there")]
pub struct NotFinite {
    /// Which state.
    pub state: usize,
    /// After which step, from 1.
    pub step: usize,
}

/// Steps every state with the controls that `control` gives for it and a step (`[nu]`). States are spread over the CPU's threads; the
/// result does not depend on how.
///
/// # Errors
/// The first state that is no longer finite.
pub fn rollout<'c>(
    model: &Model,
    states: &[State<f64>],
    steps: usize,
    limits: SolverLimits,
    control: impl Fn(usize, usize) -> &'c [f64] + Sync,
) -> Result<Trajectories, NotFinite> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = states.len().div_ceil(threads).max(1);
    let run = |first: usize, states: &[State<f64>]| {
        let mut all = Trajectories::default();
        for (offset, state) in states.iter().enumerate() {
            one(model, state, steps, limits, first + offset, &control, &mut all)?;
        }
        Ok(all)
    };
    let run = &run;
    let parts: Vec<Result<Trajectories, NotFinite>> = std::thread::scope(|scope| {
        let chunks = states.chunks(share).enumerate();
        let handles: Vec<_> = chunks.map(|(index, chunk)| scope.spawn(move || run(index * share, chunk))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.into_iter().try_fold(Trajectories::default(), |mut all, part| {
        let part = part?;
        all.qpos.extend(part.qpos);
        all.qvel.extend(part.qvel);
        all.most_iterations = all.most_iterations.max(part.most_iterations);
        all.not_converged += part.not_converged;
        Ok(all)
    })
}

fn one<'c>(
    model: &Model,
    start: &State<f64>,
    steps: usize,
    limits: SolverLimits,
    index: usize,
    control: &impl Fn(usize, usize) -> &'c [f64],
    all: &mut Trajectories,
) -> Result<(), NotFinite> {
    let mut state = start.clone();
    for k in 0..steps {
        let now = step(model, &mut state, control(index, k), limits);
        if !state.qpos.iter().chain(&state.qvel).all(|x| x.is_finite()) {
            return Err(NotFinite { state: index, step: k + 1 });
        }
        all.most_iterations = all.most_iterations.max(now.solution.iterations as usize);
        all.not_converged += usize::from(now.solution.converged == 0.0);
        all.qpos.extend(&state.qpos);
        all.qvel.extend(&state.qvel);
    }
    Ok(())
}
