//! The verbs, one file each, and what they share: arguments in, one line per error out, exit codes.
//!
//! Exit codes: 0 done (an interrupted training run too: it has saved its state), 1 the run failed, 2 the input is wrong.

mod adapters;
mod bench;
mod check;
mod choice;
mod config;
mod device;
mod directory;
mod envs;
mod eval;
mod failure;
mod gradient;
mod kernels;
mod multigoal;
mod output;
mod parse;
mod plot;
mod policy;
mod profile;
mod profile_text;
mod render;
mod rows;
#[cfg(target_os = "linux")]
mod runtime;
mod session;
mod simulate;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use output::Output;

/// Train flow policies on GPU-resident environments.
#[derive(Parser)]
#[command(name = "flowmill", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// Print one JSON object on standard output; text for people goes to standard error
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Train(train::Args),
    Eval(eval::Args),
    Plot(plot::Args),
    Render(render::Args),
    Profile(profile::Args),
    /// List the adapters of this machine with their limits, and which one would be chosen
    Adapters,
    /// List the environments on the search path
    Envs,
    Check(check::Args),
    Kernels(kernels::Args),
    Gradient(gradient::Args),
    Bench(bench::Args),
    Simulate(simulate::Args),
}

/// Measure the adapter, every kernel, rollouts and whole iterations: `flowmill bench` by itself
#[derive(Parser)]
#[command(name = "flowmill-bench", version)]
struct BenchArguments {
    /// Print one JSON object on standard output; text for people goes to standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bench: bench::Args,
}

/// Parses the command line, runs the verb and reports its failure in one line. `bench`: the binary that has no other verb.
pub fn main(bench: bool) -> ExitCode {
    #[cfg(target_os = "linux")]
    runtime::name_folder();
    let parsed = if bench {
        BenchArguments::try_parse().map(|typed| Arguments { json: typed.json, verb: Verb::Bench(typed.bench) })
    } else {
        Arguments::try_parse()
    };
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return parse::exit(&error),
    };
    let out = Output::new(arguments.json);
    let done = match arguments.verb {
        Verb::Train(args) => train::run(&args, &out),
        Verb::Eval(args) => eval::run(&args, &out),
        Verb::Plot(args) => plot::run(&args, &out),
        Verb::Render(args) => render::run(&args, &out),
        Verb::Profile(args) => profile::run(&args, &out),
        Verb::Adapters => adapters::run(&out),
        Verb::Envs => envs::run(&out),
        Verb::Check(args) => check::run(&args, &out),
        Verb::Kernels(args) => kernels::run(&args, &out),
        Verb::Gradient(args) => gradient::run(&args, &out),
        Verb::Bench(args) => bench::run(&args, &out),
        Verb::Simulate(args) => simulate::run(&args, &out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}
