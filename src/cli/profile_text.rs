//! What `flowmill profile` prints for people.

use flowmill::bench::Ceilings;
use flowmill::engine::{AdapterKind, AdapterSummary, Timing};
use flowmill::profile::{IterationRow, KernelRow, PhaseRow, Summary};

use super::output::table_of_numbers;

/// What is profiled, on what, and what that can do.
pub fn heading(title: &str, adapter: &AdapterSummary, ceilings: &Ceilings) -> String {
    let Ceilings { fma_gflops, copy_gbytes, empty_dispatch_us, submit_wait_us } = ceilings;
    format!(
        "{title}\nadapter {} · backend {} · driver {}\n\
         ceilings {} GFLOP/s of multiply-adds · {} GB/s of a copy · {} us an empty dispatch · {} us submit and wait",
        adapter.name,
        adapter.backend,
        format!("{} {}", adapter.driver, adapter.driver_info).trim(),
        digits(*fma_gflops),
        digits(*copy_gbytes),
        digits(*empty_dispatch_us),
        digits(*submit_wait_us)
    )
}

/// How kernels are timed, and why not better.
pub fn timing(used: Timing, wanted: Timing, adapter: &AdapterSummary) -> String {
    if adapter.kind == AdapterKind::Cpu {
        return "timing: the clock around each dispatch".into();
    }
    let way = match used {
        Timing::InsidePasses => "timestamps inside passes, between the dispatches",
        Timing::PassPerDispatch => "timestamps around passes of one dispatch each",
        Timing::WallClock => "the host's clock around dispatches that are submitted and waited for one by one",
    };
    let lacking = match used {
        _ if used == wanted => return format!("timing: {way}"),
        Timing::WallClock => "timestamps",
        _ => "timestamps inside passes",
    };
    format!("timing: {way} (adapter `{}` has no {lacking})", adapter.name)
}

/// Kernels, phases, and the iteration.
pub fn tables(summary: &Summary, iterations: usize) -> String {
    let count = format!("{iterations} iteration{}", if iterations == 1 { "" } else { "s" });
    let mut text = format!("\n{}\n", kernels(&summary.kernels, &count));
    let unavailable = summary.unavailable();
    if unavailable > 0 {
        text +=
            &format!("timestamps of {unavailable} dispatches are unavailable (empty or out of order): not counted\n");
    }
    text += &format!("\n{}\n\n", phases(&summary.phases, &summary.iteration));
    text + &iteration(&summary.iteration, &count)
}

fn kernels(kernels: &[KernelRow], count: &str) -> String {
    let heading = ["kernel", "phase", "calls", "total ms", "mean us", "share", "GFLOP/s", "GB/s", "of fma", "of copy"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for kernel in kernels {
        rows.push(vec![
            kernel.name.clone(),
            named(&kernel.scope),
            kernel.calls.to_string(),
            known(kernel.total_us.map(|us| us * 1e-3), digits),
            known(kernel.mean_us, digits),
            known(kernel.share, percent),
            known(kernel.gflops, digits),
            known(kernel.gbytes, digits),
            known(kernel.of_fma, percent),
            known(kernel.of_copy, percent),
        ]);
    }
    let total: f64 = kernels.iter().filter_map(|kernel| kernel.total_us).sum();
    let calls: u64 = kernels.iter().map(|kernel| kernel.calls).sum();
    let mut sum = vec![format!("all, in {count}"), String::new(), calls.to_string()];
    sum.push(digits(total * 1e-3));
    rows.push(sum);
    table_of_numbers(&rows, 2)
}

fn phases(phases: &[PhaseRow], iteration: &IterationRow) -> String {
    let heading = ["phase", "wall ms", "busy ms", "gaps ms", "encode ms", "dispatches"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for phase in phases {
        let mut row = vec![named(&phase.name)];
        row.extend([phase.wall_us, phase.busy_us, phase.gap_us, phase.encode_us].map(|us| digits(us * 1e-3)));
        row.push(digits(phase.dispatches));
        rows.push(row);
    }
    let sum = |of: fn(&PhaseRow) -> f64| phases.iter().map(of).sum::<f64>();
    let IterationRow { wall_us, busy_us, encode_us, .. } = *iteration;
    let mut row = vec!["iteration".to_string()];
    row.extend([wall_us, busy_us, (wall_us - busy_us).max(0.0), encode_us].map(|us| digits(us * 1e-3)));
    row.push(digits(sum(|phase| phase.dispatches)));
    rows.push(row);
    table_of_numbers(&rows, 1)
}

fn iteration(row: &IterationRow, count: &str) -> String {
    let counters = &row.counters;
    let left_out = if count == "1 iteration" { "" } else { ", the first of each left out" };
    format!(
        "an iteration: {} dispatches · {} passes · {} submits · {} readbacks of {} bytes\n\
         profiled {} ms, without {} ms (medians of {count} each, in turn{left_out}): profiling costs {}; those without differ by {}",
        counters.dispatches,
        counters.passes,
        counters.submits,
        counters.readbacks,
        counters.bytes_read,
        digits(row.profiled_us * 1e-3),
        digits(row.unprofiled_us * 1e-3),
        percent(row.overhead),
        percent(row.spread)
    )
}

fn named(scope: &str) -> String {
    if scope.is_empty() { "-".into() } else { scope.into() }
}

fn known(value: Option<f64>, shown: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".into(), shown)
}

/// Three significant digits as long as they are behind the point.
fn digits(value: f64) -> String {
    let behind = match value.abs() {
        _ if !value.is_finite() => return "-".into(),
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.behind$}")
}

fn percent(value: f64) -> String {
    if value.is_finite() { format!("{:.1} %", 100.0 * value) } else { "-".into() }
}

#[cfg(test)]
mod tests {
    use flowmill::engine::{AdapterChoice, Engine, EngineOptions};

    use super::*;

    #[test]
    fn an_adapter_that_lacks_a_way_of_timing_is_one_clear_line() {
        let engine = Engine::new(&EngineOptions { adapter: AdapterChoice::Cpu, ..Default::default() });
        let adapter = engine.map(|engine| engine.adapter().clone()).unwrap();
        let gpu = AdapterSummary { kind: AdapterKind::Gpu, name: "Voodoo 2".into(), ..adapter.clone() };
        let cases = [
            (Timing::InsidePasses, Timing::InsidePasses, None),
            (Timing::PassPerDispatch, Timing::InsidePasses, Some("no timestamps inside passes)")),
            (Timing::WallClock, Timing::InsidePasses, Some("`Voodoo 2` has no timestamps)")),
            (Timing::WallClock, Timing::PassPerDispatch, Some("`Voodoo 2` has no timestamps)")),
            (Timing::WallClock, Timing::WallClock, None),
        ];
        for (used, wanted, lacking) in cases {
            let line = timing(used, wanted, &gpu);
            assert!(line.starts_with("timing: ") && !line.contains('\n'), "{line}");
            assert_eq!(line.contains("has no"), lacking.is_some(), "{line}");
            assert!(lacking.is_none_or(|lacking| line.ends_with(lacking)), "{line}");
        }
        assert_eq!(timing(Timing::WallClock, Timing::InsidePasses, &adapter), "timing: the clock around each dispatch");
    }

    #[test]
    fn numbers_have_three_digits_and_none_is_lost_before_the_point() {
        let cases =
            [(12_345.6, "12346"), (999.4, "999"), (99.94, "99.9"), (9.994, "9.99"), (0.0123, "0.012"), (0.0, "0")];
        for (value, shown) in cases {
            assert_eq!(digits(value), shown);
        }
        assert_eq!((digits(f64::NAN), known(None, digits), percent(0.5)), ("-".into(), "-".into(), "50.0 %".into()));
    }
}
