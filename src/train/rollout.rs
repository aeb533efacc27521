//! The steps of a rollout as dispatches: some steps each of one kernel, or policy and environment in turn.

use super::TrainError;
use super::fused::FusedArgs;
use super::program::{BoundKernel, BoundTile, Roles};
use crate::engine::{Engine, Recording};
use crate::env::{EnvArgs, EnvKernels};
use crate::fuse::{Target, TileKernel};

/// The kernels that a rollout runs, for up to a fixed number of environments.
pub struct Rollout {
    kernels: Kernels,
    /// Of observation and action.
    widths: (u32, u32),
}

enum Kernels {
    /// At most so many steps a dispatch.
    Fused(BoundTile, u32),
    /// A step is two dispatches.
    InTurn { act: BoundTile, env_step: BoundKernel },
}

impl Rollout {
    /// Compile what rollouts of so many environments take: the fused kernel if it is worth it, which is for at least two
    /// of at most `most` steps in a dispatch.
    pub fn new(
        engine: &mut Engine,
        (act, fused): (TileKernel, Option<TileKernel>),
        env: &EnvKernels,
        roles: &Roles,
        (target, envs, most): (&Target, u32, u32),
    ) -> Result<Self, TrainError> {
        let limit = engine.adapter().loop_iterations;
        let fused = fused.map(|tile| (steps_at_once(&tile, target, envs, limit).min(most), tile));
        let kernels = match fused.filter(|(steps, _)| *steps > 1) {
            Some((steps, tile)) => Kernels::Fused(BoundTile::new(engine, tile, roles)?, steps),
            None => Kernels::InTurn {
                act: BoundTile::new(engine, act, roles)?,
                env_step: BoundKernel::new(engine, &env.step, roles)?,
            },
        };
        Ok(Self { kernels, widths: env.widths })
    }

    /// Record `steps` steps of `env.num_envs` environments: arguments are those of the first.
    pub fn record(&self, r: &mut Recording, env: &EnvArgs, first_row: u32, steps: u32) {
        let rows = env.num_envs;
        match &self.kernels {
            Kernels::Fused(kernel, _) => {
                let mut t = 0;
                while t < steps {
                    if t > 0 {
                        r.submit_here();
                    }
                    // Of equal length, so that none is long for its own sake.
                    let count = steps.div_ceil(self.dispatches(steps)).min(steps - t);
                    let env = env.later(t, self.widths);
                    let args = FusedArgs { env, rows, first_row: first_row + t * rows, steps: count };
                    kernel.bound.record(r, bytemuck::bytes_of(&args), kernel.tile.groups(rows));
                    t += count;
                }
            }
            Kernels::InTurn { act, env_step } => {
                for t in 0..steps {
                    let args = FusedArgs { env: *env, rows, first_row, steps };
                    act.record(r, &args.policy(t), &[]);
                    env_step.record(r, env.later(t, self.widths).bytes(), EnvKernels::groups(rows));
                }
            }
        }
    }

    /// Dispatches of a rollout.
    pub fn dispatches(&self, steps: u32) -> u32 {
        match &self.kernels {
            Kernels::Fused(_, most) => steps.div_ceil(*most),
            Kernels::InTurn { .. } => 2 * steps,
        }
    }
}

/// Steps that one dispatch may make: bounded in time, and in loop iterations where the driver leaves long loops.
fn steps_at_once(tile: &TileKernel, target: &Target, envs: u32, loop_iterations: Option<u32>) -> u32 {
    let (row, rows) = (tile.row_operations, f64::from(tile.shape.rows()));
    let tiles = f64::from(envs.div_ceil(tile.shape.rows()));
    let time = (target.tile_operations / (row * rows)).min(target.dispatch_operations / (row * rows * tiles));
    // Half of the limit, because loops of a few constant turns are not counted.
    let loops = loop_iterations.map_or(u64::MAX, |limit| u64::from(limit / 2) / tile.loop_iterations.max(1));
    (time as u64).min(loops).min(u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::KernelDesc;
    use crate::fuse::Shape;

    #[test]
    fn a_dispatch_is_bounded_in_operations_of_a_tile_and_of_all_and_in_loop_iterations() {
        let target = Target { tile_operations: 1e6, dispatch_operations: 1e7, ..Target::SOFTWARE };
        let (work, wgsl) = (Default::default(), String::new());
        let desc = KernelDesc { name: "x".into(), wgsl, bindings: vec![], work, twin: None };
        let shape = Shape::choose(&target, 8);
        let (jobs, uniforms) = (vec![], vec![]);
        let (scratch_features, row_operations, loop_iterations) = (0, 1000.0, 3000);
        let tile = TileKernel { desc, shape, scratch_features, jobs, row_operations, loop_iterations, uniforms };
        assert_eq!(shape.rows(), 32);
        // 32 rows of 1000 operations; 20 tiles; 3000 iterations of half of 65535.
        assert_eq!(steps_at_once(&tile, &target, 1, None), 31);
        assert_eq!(steps_at_once(&tile, &target, 640, None), 15);
        assert_eq!(steps_at_once(&tile, &target, 640, Some(65_535)), 10);
        assert_eq!(steps_at_once(&tile, &Target::CPU, 640, None), u32::MAX);
    }
}
