//! `flowmill check`.

use flowmill::env::{CheckOptions, MAX_ENVS, check, load};
use serde_json::json;

use super::device::Device;
use super::parse::whole;
use super::{Failure, Output};

/// Run an environment under zero, random and extreme actions and report what a trainer would stumble over
#[derive(clap::Args)]
pub struct Args {
    /// Name on the search path, or path to the folder
    env: String,
    /// Environments side by side
    #[arg(long, default_value_t = 256, allow_negative_numbers = true, value_parser = whole::<u32>(2, MAX_ENVS.into()))]
    num_envs: u32,
    /// Steps under each kind of action
    #[arg(long, default_value_t = 2000, allow_negative_numbers = true, value_parser = whole::<u32>(1, 1_000_000))]
    steps: u32,
    /// Seed of resets, steps and actions
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u64>(0, u64::MAX.into()))]
    seed: u64,
    #[command(flatten)]
    device: Device,
}

/// Fails with exit code 1 when something was found.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let environment = load(&args.env)?;
    let mut engine = args.device.open(true)?;
    let options = CheckOptions { num_envs: args.num_envs, steps: args.steps, seed: args.seed };
    let report = check(&mut engine, &environment, options)?;
    out.say(&report);
    out.object(&json!({ "passed": report.passed(), "report": report }))?;
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::Run(format!("`{}` failed the check: {count} findings", args.env))),
    }
}
