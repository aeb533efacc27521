//! The observation normaliser's part of an iteration: its rollout's observations join the running statistics.

use super::TrainError;
use super::layout::{ParamLayout, RolloutLayout};
use super::program::{BoundKernel, Roles};
use crate::algo::observation::{MEAN, VARIANCE};
use crate::engine::{Engine, Recording};
use crate::kernels::merge_moments::{self, MergeArgs};
use crate::kernels::observation_moments::{self, MOMENTS, MomentsArgs};

/// The statistics are tensors of `params`, so that a checkpoint has them.
pub struct Normalizer {
    moments: BoundKernel,
    merge: BoundKernel,
    mean: u32,
    variance: u32,
    width: u32,
}

/// Role of the moments of the rollout's blocks.
const ROLE: &str = "observation_partials";

/// The buffer that a normaliser needs, with its words, if the agent has one.
pub fn buffer(params: &ParamLayout, samples: u32) -> Option<(&'static str, u64)> {
    let width = params.slot(MEAN)?.cols as u64;
    Some((ROLE, u64::from(observation_moments::grid(samples).0) * width * MOMENTS as u64))
}

impl Normalizer {
    /// Compile its kernels, if the agent has one.
    pub fn new(engine: &mut Engine, params: &ParamLayout, roles: &Roles) -> Result<Option<Self>, TrainError> {
        let (Some(mean), Some(variance)) = (params.slot(MEAN), params.slot(VARIANCE)) else { return Ok(None) };
        let roles = roles.with("partials", roles.get(ROLE)?);
        Ok(Some(Self {
            moments: BoundKernel::new(engine, &observation_moments::desc(), &roles)?,
            merge: BoundKernel::new(engine, &merge_moments::desc(), &roles)?,
            mean: mean.offset,
            variance: variance.offset,
            width: mean.cols as u32,
        }))
    }

    /// Record what follows the last update of an iteration; `iteration` is the number of those before it.
    ///
    /// Every iteration brings equally many observations, so this one's share of all is 1 / (iteration + 1): the count of
    /// observations, which single precision would not hold for long, is kept nowhere.
    pub fn record(&self, r: &mut Recording, rollout: &RolloutLayout, iteration: u64) {
        let (samples, width) = (rollout.samples(), self.width);
        let (groups, rows) = observation_moments::grid(samples);
        let args = MomentsArgs { observations: rollout.offset("obs"), samples, width, rows };
        self.moments.record(r, bytemuck::bytes_of(&args), [groups, 1, 1]);
        let share = (1.0 / (iteration as f64 + 1.0)) as f32;
        let args = MergeArgs { mean: self.mean, variance: self.variance, width, samples, rows, share };
        self.merge.record(r, bytemuck::bytes_of(&args), [width, 1, 1]);
    }
}
