//! Microseconds that a step of an environment takes on the CPU, one thread, for every instruction set of the machine.
//!
//! `cargo run --release --example env_speed [ENVIRONMENTS] [NAME...]`

use std::time::Instant;

use flowmill::engine::{Call, Words};
use flowmill::env::{EnvArgs, EnvKernels, STATS_BYTES, load};
use flowmill::rng::Key;
use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramOptions};

const STEPS: u32 = 400;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let num_envs: u32 = arguments.first().map_or(Ok(4096), |text| text.parse())?;
    let mut names: Vec<String> = arguments.into_iter().skip(1).collect();
    if names.is_empty() {
        names = ["multigoal", "multigoal-sql", "pendulum"].map(String::from).to_vec();
    }
    for name in names {
        let env = load(&name)?;
        let kernels = EnvKernels::new(&env)?;
        let (obs, act) = (env.obs_dim() as u32, env.action_dim() as u32);
        for isa in Isa::available() {
            let started = Instant::now();
            let options = ProgramOptions { bindings: &kernels.step.bindings, isa, checked: None };
            let reset = Program::compile(&kernels.reset.wgsl, &options)?;
            let step = Program::compile(&kernels.step.wgsl, &options)?;
            let compiled = started.elapsed();
            let mut states = vec![0u32; num_envs as usize * kernels.slot_bytes as usize / 4];
            let mut rollout = vec![0.0f32; (num_envs * (obs + act + 2)) as usize];
            let mut stats = vec![0u32; num_envs as usize * STATS_BYTES as usize / 4];
            let key = Key { seed: 1, stream: 1, iteration: 0 };
            for row in 0..num_envs {
                for lane in 0..act {
                    let channel = &env.manifest.action[lane as usize];
                    let (low, high) = (channel.low.max(-10.0), channel.high.min(10.0));
                    rollout[(num_envs * obs + row * act + lane) as usize] =
                        low + (high - low) * key.uniform(0, row, lane);
                }
            }
            let args = EnvArgs {
                action_offset: num_envs * obs,
                reward_offset: num_envs * (obs + act),
                flag_offset: num_envs * (obs + act + 1),
                ..EnvArgs::training(&env, num_envs, 1)
            };
            let buffers = [Words::of(&mut states), Words::of_floats(&mut rollout), Words::of(&mut stats)];
            let groups = EnvKernels::groups(num_envs);
            let mut frame = reset.frame();
            reset.run_all(groups, args.bytes(), &buffers, &mut frame);
            let mut frame = step.frame();
            let mut times = Vec::new();
            for number in 0..STEPS {
                let args = EnvArgs { step: number, ..args };
                let call = Call { groups, immediates: args.bytes(), buffers: &buffers };
                let started = Instant::now();
                for block in 0..step.blocks(groups) {
                    step.run(&call, block, &mut frame);
                }
                times.push(started.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_by(f64::total_cmp);
            let (steps, registers) = (step.steps(), step.registers());
            println!(
                "{name:<14} {num_envs} environments {:<9} {:7.1} us a step (fastest {:.1}); {steps} steps, {registers} registers, compiled in {:.1} ms",
                isa.to_string(),
                times[times.len() / 2],
                times[0],
                compiled.as_secs_f64() * 1e3
            );
        }
    }
    Ok(())
}
