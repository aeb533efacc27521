//! Reports as a page of the documentation.

use std::fmt::Write;

use super::report::{HEADINGS, Report, cells};

/// The page for some reports; `command` is what writes it anew.
pub fn page(reports: &[Report], command: &str) -> String {
    let mut page = format!("{HEAD}\n```\n{command}\n```\n");
    for report in reports {
        let load = |load: Option<f64>| load.map_or("unknown".into(), |load| format!("{load:.1}"));
        let commit = report.commit.as_ref().map_or(String::new(), |commit| format!(" ({commit})"));
        let _ = writeln!(
            page,
            "\n## {}\n\n{}, flowmill {}{commit}, {}; load of the machine {} before and {} after. {} environments a shape. \
             {:.0} s in all, of which planning and compilation took {:.0} s and are in no row.\n\n```\n{}\n```\n",
            report.device(),
            report.date,
            report.version,
            report.machine,
            load(report.load[0]),
            load(report.load[1]),
            report.envs,
            report.seconds,
            report.seconds_compiling,
            report.command,
        );
        for line in report.warnings.iter().chain(&report.failures) {
            let _ = writeln!(page, "**{line}**\n");
        }
        let _ = writeln!(page, "| {} |\n|{}", HEADINGS.join(" | "), "---|".repeat(HEADINGS.len()));
        for row in &report.rows {
            let _ = writeln!(page, "| {} |", cells(row).join(" | "));
        }
    }
    page
}

const HEAD: &str = "# Benchmarks

<!-- Written by `flowmill bench --page`; numbers are in benchmarks/. Change the program, not this page. -->

What an adapter reaches at best (`ceiling/...`), every kernel of an iteration by itself (`kernel/...`), environments alone (`env/...`),
whole rollouts and whole iterations.

- *median* is over rounds of batches, behind a warm-up; *spread* is the distance of the quartiles over the median.
- *GFLOP/s* and *GB/s* are counted work over time; *of ceiling* is the nearer of the two to the adapter's measured FMA rate or copy bandwidth;
  it is above 100 % where a cache holds what a kernel reads, or where other work slowed the measurement of the ceiling.
- `policyflow_act_zero` is the whole midpoint sampler and nothing else, `velocity_forward` one evaluation of the velocity.
- *steps/s* are environment steps of all environments together: of the environment alone with random actions, of environment and policy, of
  all, optimiser included.
- `multigoal` is MultiGoal as released: observation 4, action 2, hidden 256-128-64, embedding 64, 10 midpoint steps, rollouts of 32 steps.
  `quadruped` has a quadruped's widths: observation 48, action 12, hidden 128-128-128, embedding 64, 12 midpoint steps, rollouts of 24 steps;
  its environment has no legs, so that the row is about the network. Both: 5 epochs of 4 minibatches. Environments are cut down where a
  processor does the work.
- `overhead/...` is PolicyFlow's iteration over PPO's with the same network and batch, run in turn; *counted* is the same ratio by counted
  arithmetic. `scaling/envs/x2` is an iteration with twice the environments over one with as many as the shape has, `scaling/steps/x2` a rollout over one with half the
  midpoint steps.
- `physics/MODEL/N/...` are steps of the physics of N states of a model (docs/physics.md): one a dispatch (`step`), a control step's substeps a dispatch
  (`control`), whole control steps of the first environment that moves the model, with observation, reward and reset (`environment`), and C MuJoCo's batched
  rollouts on all cores for the same states and controls, run in turn. Steps/s are the model's time steps, in `environment` control steps;
  *x MuJoCo* is MuJoCo's time for as many steps of the model over ours.
- `control/fma` is the FMA rate before everything over the rate after everything: 1 where the machine stayed the same.

Written by
";
