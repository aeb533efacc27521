//! Policy and environment as one kernel that loops over the steps of a rollout.

use std::sync::Arc;

use crate::engine::{Call, CountedWork, HostKernel, Twin, reflect};
use crate::env::{EnvArgs, EnvKernels};
use crate::fuse::{Between, FuseError, Placement, Target, TileArgs, TileKernel, lower_steps};
use crate::ir::Graph;
use crate::simd::Isa;

/// Immediates of the kernel that loops over steps. WGSL twin: its `Args`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct FusedArgs {
    /// Of the first step.
    pub env: EnvArgs,
    /// Rows; as many as environments.
    pub rows: u32,
    /// Sample of row 0 in the first step.
    pub first_row: u32,
    /// Steps.
    pub steps: u32,
}

impl FusedArgs {
    /// The arguments of the policy alone in step `t` of these.
    pub fn policy(&self, t: u32) -> TileArgs {
        TileArgs {
            rows: self.rows,
            first_row: self.first_row + t * self.rows,
            shuffle_count: 0,
            step: self.env.step + t,
            seed_lo: self.env.seed_lo,
            seed_hi: self.env.seed_hi,
            iteration: self.env.iteration,
            shuffle_stream: 0,
        }
    }
}

/// Storage buffers that every adapter can bind.
const MAX_BUFFERS: usize = 8;

/// `act` and the environment's step as one kernel that loops over steps, named after the graph: `X_act` becomes `X_rollout`.
/// `None` where the two do not go together: an environment that is not light, too many buffers, uniforms, or names of
/// `env.wgsl` that mean something else to the policy's part.
pub fn fuse_rollout(
    act: &Graph,
    placement: &Placement,
    target: &Target,
    env: &EnvKernels,
) -> Result<Option<TileKernel>, FuseError> {
    let Some(step) = env.inline.as_ref().filter(|_| act.uniforms.is_empty()) else { return Ok(None) };
    let between = Between {
        name: &act.name.replace("_act", "_rollout"),
        wgsl: &step.wgsl,
        bindings: &step.bindings,
        members: step.members,
        call: step.name,
        iterations: step.iterations,
        operations: step.operations as f64,
    };
    let mut tile = lower_steps(act, placement, target, &between)?;
    let desc = &mut tile.desc;
    // Of what stands behind env.wgsl, the policy's part and the random numbers must mean what they mean elsewhere.
    let shared = [crate::kernels::RNG_WGSL, &desc.wgsl[step.wgsl.len()..]];
    let shadowed = step.declared.iter().any(|name| shared.iter().any(|text| calls(text, name)));
    if shadowed || desc.bindings.len() > MAX_BUFFERS || reflect(&desc.wgsl).is_err() {
        return Ok(None);
    }
    let (policy, environment) = (desc.work.clone(), env.work);
    desc.work = CountedWork::of_args(move |args: FusedArgs, groups| {
        let all = TileArgs { rows: args.rows.saturating_mul(args.steps), ..args.policy(0) };
        policy.of(bytemuck::bytes_of(&all), groups).unwrap_or_default() + environment.of(args.rows, args.steps)
    });
    let widths = env.widths;
    desc.twin = desc.twin.take().map(|policy| {
        let environment = step.twin(&desc.bindings);
        Arc::new(RolloutTwin { policy, environment, widths }) as _
    });
    Ok(Some(tile))
}

/// Whether a text calls something of this name.
fn calls(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| text[at + name.len()..].starts_with('(') && !text[..at].ends_with(|c| part(c) || c == '.'))
}

/// The policy's twin and the environment's, in turn: a task owns the rows of a tile.
#[derive(Clone, Debug)]
struct RolloutTwin {
    policy: Arc<dyn Twin>,
    environment: Arc<dyn Twin>,
    widths: (u32, u32),
}

struct RolloutHost {
    policy: Box<dyn HostKernel>,
    environment: Box<dyn HostKernel>,
    widths: (u32, u32),
}

impl Twin for RolloutTwin {
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String> {
        let host = RolloutHost {
            policy: self.policy.prepare(isa, workers)?,
            environment: self.environment.prepare(isa, workers)?,
            widths: self.widths,
        };
        // Task i of the one must have the rows of task i of the other.
        let rows = crate::env::WORKGROUP;
        let args = FusedArgs { rows: 2 * rows, ..bytemuck::Zeroable::zeroed() };
        let call = Call { groups: [2, 1, 1], immediates: bytemuck::bytes_of(&args), buffers: &[] };
        match (host.tasks(&call), host.environment.tasks(&call)) {
            (2, 2) => Ok(Box::new(host)),
            (policy, environment) => {
                Err(format!("{policy} tiles of policy for {environment} blocks of {rows} environments"))
            }
        }
    }
}

impl HostKernel for RolloutHost {
    fn tasks(&self, call: &Call<'_>) -> usize {
        let Some(args) = arguments(call) else { return 0 };
        self.policy.tasks(&Call { immediates: bytemuck::bytes_of(&args.policy(0)), ..*call })
    }

    fn run(&self, call: &Call<'_>, task: usize, worker: usize) {
        let Some(args) = arguments(call) else { return };
        for t in 0..args.steps {
            let (policy, environment) = (args.policy(t), args.env.later(t, self.widths));
            self.policy.run(&Call { immediates: bytemuck::bytes_of(&policy), ..*call }, task, worker);
            self.environment.run(&Call { immediates: environment.bytes(), ..*call }, task, worker);
        }
    }
}

fn arguments(call: &Call<'_>) -> Option<FusedArgs> {
    call.immediates.get(..size_of::<FusedArgs>()).map(bytemuck::pod_read_unaligned)
}
