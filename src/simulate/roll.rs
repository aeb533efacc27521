//! Trajectories of any number of states and steps on an adapter: in pieces, so that buffers and dispatches stay bounded.

use super::{SimulateError, Simulator, States};
use crate::engine::{Engine, Recording};
use crate::physics::dynamics::State;
use crate::physics::model::Model;
use crate::physics::rollout::{NotFinite, Trajectories};

/// Most states side by side.
const MOST_STATES: usize = 1 << 14;
/// Most steps between two looks at the states.
const MOST_STEPS: usize = 64;
/// Most steps of all states together between two looks.
const STRETCH: usize = 1 << 18;
/// Most bytes of a path or of its controls.
const MOST_BYTES: usize = 64 << 20;
/// Most steps of one dispatch.
const DISPATCH: u32 = 8;

impl Simulator {
    /// A simulator for [`roll`](Self::roll), whose size suits so many states and steps.
    pub fn for_roll(engine: &mut Engine, model: &Model, states: usize, steps: usize) -> Result<Self, SimulateError> {
        let rounds = states.div_ceil(MOST_STATES).max(1);
        let count = states.div_ceil(rounds).max(1);
        let bytes = 4 * count * (model.nq() + model.nv()).max(model.nu()).max(1);
        let most = (STRETCH / count).min(MOST_BYTES / bytes).clamp(1, MOST_STEPS);
        Self::new(engine, model, count as u32, steps.min(most) as u32, true)
    }

    /// Steps every state with the controls that `control` gives for it and a step (`[nu]`), all in single precision. `progress` hears how many
    /// steps of all states have been made.
    ///
    /// # Errors
    /// A state that is no longer finite, and what the adapter says.
    pub fn roll<'c>(
        &self,
        engine: &mut Engine,
        states: &[State<f64>],
        steps: usize,
        control: impl Fn(usize, usize) -> &'c [f64],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Trajectories, SimulateError> {
        let [nq, nv, _] = self.sizes;
        let (count, capacity) = (self.count as usize, self.capacity as usize);
        let mut all = Trajectories {
            qpos: vec![0.0; states.len() * steps * nq],
            qvel: vec![0.0; states.len() * steps * nv],
            ..Trajectories::default()
        };
        let mut done = 0;
        for (round, own) in states.chunks(count).enumerate() {
            let begin = round * count;
            // The last states of a batch that is not full are copies of its last one.
            let place = |row: usize| row.min(own.len() - 1);
            let mut recording = Recording::new();
            self.record_states(&mut recording, &States::of((0..count).map(|row| &own[place(row)])));
            for first in (0..steps).step_by(capacity) {
                let length = capacity.min(steps - first);
                let mut controls = Vec::new();
                for step in first..first + length {
                    let all = (0..count).flat_map(|row| control(begin + place(row), step));
                    controls.extend(all.map(|&u| u as f32));
                }
                self.record_controls(&mut recording, &controls);
                for at in (0..length as u32).step_by(DISPATCH as usize) {
                    self.record_steps(&mut recording, at, DISPATCH.min(length as u32 - at));
                }
                engine.submit(&recording)?;
                recording = Recording::new();
                let (qpos, qvel) = self.read_path(engine, length as u32)?;
                for row in 0..own.len() {
                    for step in 0..length {
                        let (from, to) = (step * count + row, (begin + row) * steps + first + step);
                        let parts = [(nq, &qpos, &mut all.qpos), (nv, &qvel, &mut all.qvel)];
                        for (width, path, all) in parts {
                            let numbers = path[from * width..][..width].iter().map(|&x| f64::from(x));
                            all[to * width..][..width].iter_mut().zip(numbers).for_each(|(to, x)| *to = x);
                            if !all[to * width..][..width].iter().all(|x| x.is_finite()) {
                                return Err(NotFinite { state: begin + row, step: first + step + 1 }.into());
                            }
                        }
                    }
                }
                done += (own.len() * length) as u64;
                progress(done);
            }
            let ends = self.read_states(engine)?;
            for row in 0..own.len() {
                all.most_iterations = all.most_iterations.max(ends.most_iterations[row] as usize);
                all.not_converged += ends.not_converged[row] as usize;
                all.left_out += ends.left_out[row] as usize;
            }
        }
        Ok(all)
    }
}

impl States {
    /// A batch of such states, counters at 0.
    pub fn of<'s>(states: impl Iterator<Item = &'s State<f64>>) -> Self {
        let mut all = Self::default();
        for state in states {
            let add = |to: &mut Vec<f32>, from: &[f64]| to.extend(from.iter().map(|&x| x as f32));
            add(&mut all.qpos, &state.qpos);
            add(&mut all.qvel, &state.qvel);
            add(&mut all.warm, &state.warm);
            all.most_iterations.push(0.0);
            all.not_converged.push(0.0);
            all.left_out.push(0.0);
        }
        all
    }
}
