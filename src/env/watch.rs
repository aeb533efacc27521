//! Runs an environment's program with checks built in: what goes wrong has a line, even where no number shows it.

use std::collections::BTreeMap;

use crate::engine::Words;
use crate::simd::Isa;
use crate::wgsl::{self, Frame, Program, ProgramError, ProgramOptions};

use super::catalogue::Environment;
use super::check::{CheckOptions, action_table};
use super::error::EnvError;
use super::report::{Actions, Finding, Occurrence};
use super::runner::{EnvArgs, EnvKernels, STATS_BYTES};

/// What was found, by place: the first message and occurrence.
type Found = BTreeMap<(u32, u32), (String, Occurrence)>;

/// What the checked program showed.
pub(super) struct Watched {
    /// The first finding of every place of `env.wgsl`.
    pub findings: Vec<Finding>,
    /// Whether a loop does not end; nothing was run after that.
    pub endless: bool,
}

/// Runs the environment under every kind of action until a loop does not end.
pub(super) fn watch(env: &Environment, options: CheckOptions) -> Result<Watched, EnvError> {
    let kernels = EnvKernels::new(env)?;
    let compile = |desc: &crate::engine::KernelDesc| {
        let isa = Isa::detect();
        Program::compile(
            &desc.wgsl,
            &ProgramOptions { bindings: &desc.bindings, isa, checked: Some(env.wgsl.len()), interpreted: false },
        )
    };
    let refused = |error: ProgramError| EnvError::Wgsl {
        path: env.wgsl_path(),
        line: error.line,
        column: error.column,
        message: error.construct,
    };
    let reset = compile(&kernels.reset).map_err(refused)?;
    let step = compile(&kernels.step).map_err(refused)?;
    let (kernels, programs) = (&kernels, [&reset, &step]);
    // What is found first counts, in the order of the kinds.
    let kinds = [Actions::Zero, Actions::Random, Actions::Extreme, Actions::Beyond];
    let (mut found, mut endless) = (Found::new(), false);
    std::thread::scope(|scope| {
        let run = |actions| scope.spawn(move || run(env, options, actions, kernels, programs));
        for thread in kinds.map(run) {
            let (places, without_end) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            endless |= without_end;
            for (place, what) in places {
                found.entry(place).or_insert(what);
            }
        }
    });
    let file = env.wgsl_path().display().to_string();
    let finding = |((line, column), (message, at))| Finding::Program { file: file.clone(), line, column, message, at };
    Ok(Watched { findings: found.into_iter().map(finding).collect(), endless })
}

/// As many rows as the interpreter works on at a time.
const FEWEST: u32 = 64;

/// Runs all steps under one kind of action, up to the first dispatch in which a loop does not end. Returns what was found, and
/// whether one does not.
fn run(
    env: &Environment,
    options: CheckOptions,
    actions: Actions,
    kernels: &EnvKernels,
    [reset, step]: [&Program; 2],
) -> (Found, bool) {
    let mut found = Found::new();
    // Checks cost much, and most of all in the steps of a model, which has none of the places: fewer rows do.
    let few = |substeps: u32| FEWEST.max(options.num_envs / (2 * substeps)).min(options.num_envs);
    let envs = env.manifest.physics.as_ref().map_or(options.num_envs, |physics| few(physics.substeps));
    let options = CheckOptions { num_envs: envs, ..options };
    let (obs, act) = (envs * env.obs_dim() as u32, envs * env.action_dim() as u32);
    let mut states = vec![0u32; (u64::from(envs) * kernels.slot_bytes / 4) as usize];
    let mut rollout = vec![0.0f32; (obs + act + 2 * envs) as usize];
    let mut stats = vec![0u32; (u64::from(envs) * STATS_BYTES / 4) as usize];
    let args = EnvArgs {
        action_offset: obs,
        reward_offset: obs + act,
        flag_offset: obs + act + envs,
        ..EnvArgs::training(env, envs, options.seed)
    };
    let groups = EnvKernels::groups(envs);
    let (mut reset_frame, mut step_frame) = (reset.frame(), step.frame());
    for number in 0..options.steps {
        let table = action_table(env, options, actions, number, 1);
        rollout[obs as usize..(obs + act) as usize].copy_from_slice(&table);
        let buffers = [Words::of(&mut states), Words::of_floats(&mut rollout), Words::of(&mut stats)];
        if number == 0 {
            reset.run_all(groups, args.bytes(), &buffers, &mut reset_frame);
            if note(&mut found, &mut reset_frame, actions, 0) {
                return (found, true);
            }
        }
        // The last step ends all episodes, so that what begins the next ones is seen as well.
        let horizon = if number + 1 == options.steps { 1 } else { args.horizon };
        let args = EnvArgs { step: number, horizon, ..args };
        step.run_all(groups, args.bytes(), &buffers, &mut step_frame);
        if note(&mut found, &mut step_frame, actions, number) {
            return (found, true);
        }
    }
    (found, false)
}

/// Keeps what a dispatch found; whether a loop was among it that does not end.
fn note(found: &mut Found, frame: &mut Frame, actions: Actions, step: u32) -> bool {
    let mut any_endless = false;
    for wgsl::Finding { line, column, message, invocation, endless } in frame.take_findings() {
        any_endless |= endless;
        let first = Occurrence { actions, step, env: invocation, count: 0 };
        let (_, at) = found.entry((line, column)).or_insert((message, first));
        if at.actions == actions {
            at.count += 1;
        }
    }
    any_endless
}
