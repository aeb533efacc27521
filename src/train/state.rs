//! The state of a run between two iterations: read it, save it, continue from it.

use std::time::Instant;

use super::TrainError;
use super::checkpoint::Checkpoint;
use super::iteration::Clock;
use super::trainer::{Trainer, words};
use crate::engine::Recording;
use crate::kernels::adamw::control;

impl Trainer {
    /// Everything that the next iteration depends on. Waits for the device: call it between iterations.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        let params = self.parameters()?;
        let trained = u64::from(self.layout.trained_words);
        let moments = words(&self.engine.read(self.buffers.moments, 0, trained * 8)?);
        let (first, second) = moments.split_at(trained as usize);
        let mut tensors = Vec::new();
        for slot in &self.layout.slots {
            tensors.push((slot.name.clone(), vec![slot.rows, slot.cols], self.layout.unpack(slot, &params)));
        }
        for slot in self.layout.slots.iter().filter(|s| s.trained) {
            for (prefix, values) in [("adam.m.", first), ("adam.v.", second)] {
                let name = format!("{prefix}{}", slot.name);
                tensors.push((name, vec![slot.rows, slot.cols], self.layout.unpack(slot, values)));
            }
        }
        let control_bytes = control::words(self.plan.means as usize) as u64 * 4;
        let carry_bytes = u64::from(self.plan.rollout.envs * self.plan.observation) * 4;
        let raw = vec![
            ("control".into(), self.engine.read(self.plan.control, 0, control_bytes)?),
            ("env.observation".into(), self.engine.read(self.plan.carry, 0, carry_bytes)?),
            ("env.state".into(), self.engine.read(self.buffers.states, 0, self.state_bytes)?),
        ];
        Ok(Checkpoint {
            environment: self.environment.manifest.name.clone(),
            config: self.options.algorithm.to_table().to_string(),
            seed: self.options.seed,
            iteration: self.clock.iteration,
            updates: self.clock.updates,
            last_return: self.last_return,
            tensors,
            raw,
        })
    }

    /// Continue from a checkpoint as if never stopped.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let wrong = |message: String| TrainError::Checkpoint { path: "checkpoint".into(), message };
        let find = |name: &str| checkpoint.tensors.iter().find(|(n, ..)| n == name);
        for slot in &self.layout.slots {
            match find(&slot.name) {
                Some((_, shape, _)) if *shape == [slot.rows, slot.cols] => {}
                Some((_, shape, _)) => {
                    let expected = [slot.rows, slot.cols];
                    return Err(wrong(format!("tensor `{}` has shape {shape:?}, expected {expected:?}", slot.name)));
                }
                None => return Err(wrong(format!("tensor `{}` is missing", slot.name))),
            }
        }
        let tensor = |name: &str| find(name).map(|(_, _, v)| v.as_slice());
        let params = self.layout.pack(tensor);
        let trained = self.layout.trained_words as usize;
        let first = self.layout.pack(|name| tensor(&format!("adam.m.{name}")));
        let second = self.layout.pack(|name| tensor(&format!("adam.v.{name}")));
        let moments = [&first[..trained], &second[..trained]].concat();
        let mut r = Recording::new();
        r.upload(self.plan.params, 0, bytemuck::cast_slice(&params));
        r.upload(self.buffers.moments, 0, bytemuck::cast_slice(&moments));
        let sizes = [
            ("control", self.plan.control, control::words(self.plan.means as usize) as u64 * 4),
            ("env.observation", self.plan.carry, u64::from(self.plan.rollout.envs * self.plan.observation) * 4),
            ("env.state", self.buffers.states, self.state_bytes),
        ];
        for (name, buffer, size) in sizes {
            let bytes = checkpoint.raw.iter().find(|(n, _)| n == name).map(|(_, b)| b);
            match bytes {
                Some(bytes) if bytes.len() as u64 == size => r.upload(buffer, 0, bytes),
                Some(bytes) => {
                    return Err(wrong(format!(
                        "`{name}` has {} bytes, expected {size} (num_envs changed?)",
                        bytes.len()
                    )));
                }
                None => return Err(wrong(format!("`{name}` is missing"))),
            }
        }
        self.engine.submit(&r)?;
        self.engine.wait()?;
        self.clock = Clock { iteration: checkpoint.iteration, updates: checkpoint.updates };
        self.last_return = checkpoint.last_return;
        self.last_finished = Instant::now();
        Ok(())
    }

    /// Contents of the parameter buffer (padded; see [`ParamLayout`](super::ParamLayout)). Waits for the device.
    pub fn parameters(&mut self) -> Result<Vec<f32>, TrainError> {
        let bytes = self.engine.read(self.plan.params, 0, u64::from(self.layout.words) * 4)?;
        Ok(words(&bytes))
    }

    /// A field of the last rollout, `[steps][envs][width]`, for tests and diagnostics. Waits for the device.
    pub fn rollout_field(&mut self, name: &str) -> Result<Vec<f32>, TrainError> {
        let Some(field) = self.plan.rollout.field(name).cloned() else {
            return Err(TrainError::Setting(format!("the rollout has no field `{name}`")));
        };
        let samples = u64::from(self.plan.rollout.samples());
        let bytes = samples * u64::from(field.width) * 4;
        Ok(words(&self.engine.read(self.plan.rollout_buffer, u64::from(field.offset) * 4, bytes)?))
    }
}
