//! What fits: counts that are refused before anything is allocated, and the sizes that depend on batch and adapter.

use std::collections::HashMap;

use super::TrainError;
use super::layout::ParamLayout;
use super::program::Program;
use crate::algo::{Agent, TrainConfig};
use crate::engine::Engine;
use crate::env::MAX_ENVS;
use crate::fuse::Target;
use crate::kernels::weight_gradients::{GradJob, plan_weight_gradients};

/// Largest part of a partial-gradient buffer.
const PARTIALS_BYTES: u64 = 64 << 20;

/// How much of its work a trainer may put into one dispatch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Scratch that one kernel may fill before its gradients are summed: a minibatch that needs more goes through the
    /// update in chunks.
    pub scratch_bytes: u64,
    /// Steps that one dispatch of the rollout may make. With 1, policy and environment are kernels of their own.
    pub rollout_steps: u32,
    /// The shape of tiles: by default the adapter's.
    pub target: Option<Target>,
}

impl Default for Limits {
    /// More scratch only costs cache misses. Steps are bounded by what the adapter can do in a dispatch.
    fn default() -> Self {
        Self { scratch_bytes: 256 << 20, rollout_steps: u32::MAX, target: None }
    }
}

pub(super) fn check_counts(envs: usize, steps: usize, minibatches: usize) -> Result<(), TrainError> {
    if envs == 0 || envs > MAX_ENVS as usize {
        return Err(TrainError::Setting(format!("`num_envs` is {envs}, expected 1..={MAX_ENVS}")));
    }
    if let Some(key) = [("horizon", steps), ("minibatches", minibatches)].iter().find(|(_, value)| *value == 0) {
        return Err(TrainError::Setting(format!("`{}` is 0, expected at least 1", key.0)));
    }
    let samples = envs.checked_mul(steps).filter(|s| u32::try_from(*s).is_ok());
    let Some(samples) = samples else {
        return Err(TrainError::Setting(format!(
            "`num_envs` {envs} times `horizon` {steps} is more than {} samples; use fewer environments",
            u32::MAX
        )));
    };
    if samples % minibatches != 0 {
        let divisors: Vec<String> = (1..=samples.min(1024))
            .filter(|d| samples % d == 0)
            .filter(|d| d.abs_diff(minibatches) <= minibatches)
            .map(|d| d.to_string())
            .collect();
        return Err(TrainError::Setting(format!(
            "`minibatches` is {minibatches}, which does not divide the batch of {envs} environments x {steps} steps = {samples}; near it: {}",
            divisors.join(", ")
        )));
    }
    Ok(())
}

/// Handwritten kernels that loop over steps or environments, on drivers that silently leave long loops. Generated
/// kernels are checked where they are bound.
pub(super) fn check_loops(engine: &Engine, config: &TrainConfig) -> Result<(), TrainError> {
    let Some(limit) = engine.adapter().loop_iterations.map(|l| l as usize) else { return Ok(()) };
    // `gae` walks the steps; `sum_columns` has one workgroup for all environments.
    let loops = [("horizon", config.horizon, limit), ("num_envs", config.num_envs, limit * SUM_LANES)];
    match loops.iter().find(|(_, value, most)| value > most) {
        Some((key, value, most)) => Err(TrainError::Setting(format!(
            "`{key}` is {value}: adapter `{}` silently stops loops after {limit} iterations; expected at most {most}",
            engine.adapter().name
        ))),
        None => Ok(()),
    }
}

/// Environments for every loop iteration of `sum_columns`: 256 lanes over 4 columns, less the tree that adds the lanes.
const SUM_LANES: usize = 63;

pub(super) fn check_memory(what: &str, bytes: u64, limit: u64, config: &TrainConfig) -> Result<(), TrainError> {
    if bytes <= limit {
        return Ok(());
    }
    let fits = (config.num_envs as u64 * limit / bytes).max(1);
    Err(TrainError::Setting(format!(
        "`num_envs` is {}: the {what} buffer would take {:.1} MiB, the adapter binds at most {:.1} MiB; expected at most about {fits}",
        config.num_envs,
        bytes as f64 / 1048576.0,
        limit as f64 / 1048576.0,
    )))
}

/// Sizes that depend on the batch and the adapter.
pub(super) struct Sizes {
    pub chunks: u32,
    pub slices: u32,
    pub partials: u32,
    pub scratch_bytes: u64,
    pub table: Vec<u32>,
}

impl Sizes {
    pub fn new(
        (engine, target): (&Engine, &Target),
        program: &Program,
        params: &ParamLayout,
        agent: &Agent,
        (batch, envs): (u32, u32),
        scratch_bytes: u64,
    ) -> Result<Self, TrainError> {
        let limits = engine.limits();
        let limit = limits.storage_binding_bytes.min(limits.buffer_bytes);
        let scratch_limit = limit.min(scratch_bytes);
        let update = &program.update;
        let tile_rows = update.shape.rows();
        let per_tile = update.scratch_bytes(tile_rows).max(1);
        let tiles = batch.div_ceil(tile_rows);
        let tiles_at_once = (scratch_limit / per_tile).min(u64::from(limits.workgroups_per_dimension)) as u32;
        if tiles_at_once == 0 {
            return Err(TrainError::Setting(format!(
                "`hidden`: one tile of the update needs {per_tile} bytes of scratch, the adapter binds {limit}; use narrower layers"
            )));
        }
        let chunks = tiles.div_ceil(tiles_at_once);
        let gradient_words = params.trained_words + agent.update.means.len() as u32;
        let copies = copies(&update.jobs);
        let per_chunk = tiles.div_ceil(chunks);
        let affordable =
            (PARTIALS_BYTES.min(limit) / (u64::from(gradient_words) * 4 * u64::from(chunks * copies))).max(1);
        let slices = target.slices.min(per_chunk).min(affordable as u32).max(1);
        // Drivers that leave long loops: a slice's loop over tiles, row quads and loop segments must stay below the limit.
        let segments = update.jobs.iter().map(|j| u64::from(j.segments)).max().unwrap_or(1);
        let trips = u64::from(per_chunk) * u64::from(tile_rows / 4) * segments;
        let least = engine.adapter().loop_iterations.map_or(1, |most| trips.div_ceil(u64::from(most / 2)));
        let slices = slices.max(least as u32);
        let mut jobs = update.jobs.clone();
        spread_copies(&mut jobs, slices * chunks * gradient_words);
        let mut scratch_bytes = update.scratch_bytes(per_chunk * tile_rows);
        let envs = agent_rows(agent, envs);
        for kernel in program.kernels().iter().filter(|k| k.desc.name != update.desc.name) {
            scratch_bytes = scratch_bytes.max(kernel.scratch_bytes(envs));
        }
        Ok(Self {
            chunks,
            slices,
            partials: slices * chunks * copies,
            scratch_bytes,
            table: plan_weight_gradients(&jobs),
        })
    }
}

/// Rows of the widest dispatch outside the update.
fn agent_rows(agent: &Agent, envs: u32) -> u32 {
    agent.prepare.iter().map(|p| p.rows as u32).chain([envs]).max().unwrap_or(envs)
}

/// How often the most used gradient word is written: each use gets partial gradients of its own.
pub(super) fn copies(jobs: &[GradJob]) -> u32 {
    jobs.iter().map(|a| jobs.iter().filter(|b| a.out_word == b.out_word).count() as u32).max().unwrap_or(1)
}

pub(super) fn spread_copies(jobs: &mut [GradJob], stride: u32) {
    let mut seen: HashMap<u32, u32> = HashMap::new();
    for job in jobs {
        let copy = seen.entry(job.out_word).or_default();
        job.out_word += *copy * stride;
        *copy += 1;
    }
}
