//! An agent's kernels, compiled and bound to role buffers.

use std::collections::HashMap;

use super::TrainError;
use super::fused::fuse_rollout;
use super::layout::{ParamLayout, RolloutLayout};
use crate::algo::{Agent, Prepare, PrepareInput, Source};
use crate::engine::{BufferId, Engine, KernelDesc, KernelId, Recording};
use crate::env::EnvKernels;
use crate::fuse::{Placement, Rows, Target, TileArgs, TileKernel, lower};
use crate::ir::Graph;

/// A kernel with the buffers that it always uses.
#[derive(Clone, Debug)]
pub struct BoundKernel {
    /// The kernel.
    pub kernel: KernelId,
    /// Its buffers in binding order.
    pub buffers: Vec<BufferId>,
}

impl BoundKernel {
    /// Compile a kernel and look its role buffers up; `X_f32` is a scalar view of `X`.
    pub fn new(engine: &mut Engine, desc: &KernelDesc, roles: &Roles) -> Result<Self, TrainError> {
        let kernel = engine.kernel(desc)?;
        let mut buffers = Vec::new();
        for binding in &desc.bindings {
            let role = binding.strip_suffix("_f32").unwrap_or(binding);
            buffers.push(roles.get(role)?);
        }
        Ok(Self { kernel, buffers })
    }

    /// Record one run.
    pub fn record(&self, recording: &mut Recording, immediates: &[u8], groups: [u32; 3]) {
        recording.dispatch(self.kernel, &self.buffers, immediates, groups);
    }
}

/// Buffers by role name.
#[derive(Clone, Debug, Default)]
pub struct Roles(HashMap<String, BufferId>);

impl Roles {
    /// Make buffers of so many words; `owner` precedes their names in messages.
    pub fn allocate(engine: &mut Engine, owner: &str, words: &[(&str, u64)]) -> Result<Self, TrainError> {
        let mut roles = Self::default();
        for (name, words) in words {
            let bytes = (words * 4).max(16).next_multiple_of(16);
            let buffer = engine.buffer(format!("{owner} {name}").trim_start(), bytes)?;
            roles.0.insert(name.to_string(), buffer);
        }
        Ok(roles)
    }

    /// The same buffers, one role played by another buffer.
    pub fn with(&self, role: &str, buffer: BufferId) -> Self {
        let mut roles = self.clone();
        roles.0.insert(role.to_string(), buffer);
        roles
    }

    /// The buffer that plays a role.
    pub fn get(&self, role: &str) -> Result<BufferId, TrainError> {
        self.0.get(role).copied().ok_or_else(|| TrainError::Setting(format!("no buffer plays the role `{role}`")))
    }
}

/// A graph's kernel with its buffers.
#[derive(Clone, Debug)]
pub struct BoundTile {
    /// Plan and text.
    pub tile: TileKernel,
    /// Compiled.
    pub bound: BoundKernel,
}

impl BoundTile {
    /// Compile a lowered graph.
    pub fn new(engine: &mut Engine, tile: TileKernel, roles: &Roles) -> Result<Self, TrainError> {
        if let Some(limit) = engine.adapter().loop_iterations
            && tile.loop_iterations > u64::from(limit)
        {
            return Err(TrainError::Setting(format!(
                "`hidden` and `flow_steps`: kernel `{}` makes {} loop iterations, adapter `{}` silently stops at {limit}; \
                 use narrower layers or fewer steps, or another adapter",
                tile.desc.name,
                tile.loop_iterations,
                engine.adapter().name
            )));
        }
        let bound = BoundKernel::new(engine, &tile.desc, roles)?;
        Ok(Self { tile, bound })
    }

    /// Record one run over `args.rows` rows.
    pub fn record(&self, recording: &mut Recording, args: &TileArgs, uniforms: &[f32]) {
        let parts: [&[u8]; 2] = [bytemuck::bytes_of(args), bytemuck::cast_slice(uniforms)];
        let BoundKernel { kernel, buffers } = &self.bound;
        recording.dispatch_parts(*kernel, buffers, &parts, self.tile.groups(args.rows));
    }
}

/// Plans of all graphs of an agent, before anything is compiled: what memory they need is known here.
#[derive(Clone, Debug)]
pub struct Program {
    /// Rollout policy.
    pub act: TileKernel,
    /// Rollout policy and environment, step after step.
    pub rollout: Option<TileKernel>,
    /// Critic on the last observation.
    pub value: TileKernel,
    /// Minibatch loss and gradient operands.
    pub update: TileKernel,
    /// Derived tensors.
    pub prepare: Vec<TileKernel>,
}

impl Program {
    /// Lower every graph of a training agent for an environment.
    pub fn new(
        agent: &Agent,
        params: &ParamLayout,
        rollout: &RolloutLayout,
        env: &EnvKernels,
        target: &Target,
    ) -> Result<Self, TrainError> {
        let place = |graph: &Graph, batch: &[(String, Source)]| {
            let mut placement = Placement::default();
            params.place(graph, &mut placement, false);
            rollout.place(graph, batch, &mut placement);
            placement
        };
        let placed = place(&agent.act, &[]);
        Ok(Self {
            act: lower(&agent.act, &placed, target, false)?,
            rollout: fuse_rollout(&agent.act, &placed, target, env)?,
            value: lower(&agent.value, &place(&agent.value, &[]), target, false)?,
            update: lower(&agent.update, &place(&agent.update, &agent.batch), target, true)?,
            prepare: prepare_kernels(agent, params, target)?,
        })
    }

    /// All kernels with their names.
    pub fn kernels(&self) -> Vec<&TileKernel> {
        self.prepare.iter().chain([&self.act]).chain(&self.rollout).chain([&self.value, &self.update]).collect()
    }
}

/// Lower the graphs that derive tensors from the parameters.
pub fn prepare_kernels(agent: &Agent, params: &ParamLayout, target: &Target) -> Result<Vec<TileKernel>, TrainError> {
    agent.prepare.iter().map(|p| prepare_kernel(p, params, target)).collect()
}

fn prepare_kernel(prepare: &Prepare, params: &ParamLayout, target: &Target) -> Result<TileKernel, TrainError> {
    let mut placement = Placement::default();
    params.place(&prepare.graph, &mut placement, true);
    let input = match &prepare.input {
        PrepareInput::RowNumber => Rows::ROW_NUMBER,
        PrepareInput::Tensor(name) => {
            let of = name.strip_prefix("old.").map_or(name.clone(), |rest| format!("actor.{rest}"));
            let slot = params
                .slot(&of)
                .ok_or_else(|| TrainError::Setting(format!("graph `{}`: no tensor `{of}`", prepare.graph.name)))?;
            Rows { buffer: "params".into(), offset: slot.offset, pitch: slot.ld }
        }
    };
    for declared in &prepare.graph.inputs {
        placement.inputs.insert(declared.name.clone(), input.clone());
    }
    for (store, slot) in prepare.graph.stores.iter().zip(params.derived.iter().filter(|s| s.name == prepare.output)) {
        let rows = Rows { buffer: "frozen".into(), offset: slot.offset, pitch: slot.ld };
        placement.stores.insert(store.name.clone(), rows);
    }
    Ok(lower(&prepare.graph, &placement, target, false)?)
}
