//! `flowmill profile`: every kernel with its time, phases, counts, the trace, and what is refused.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TINY, assert_keys, flowmill, parts, with_drivers};

/// `profile multigoal` at toy size with `--json` and a trace.
fn profiled(mut command: std::process::Command, folder: &Path, more: &[&str]) -> (Value, Value, String) {
    let trace = folder.join("trace.json");
    let output = command.args(["profile", "multigoal", "--json", "--trace"]).arg(&trace).args(TINY).args(more).output();
    let (code, stdout, stderr) = parts(&output.unwrap());
    assert_eq!(code, 0, "{stderr}");
    let object = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
    (object, serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap(), stderr)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What holds on every engine.
fn check_object(object: &Value, iterations: u64) {
    assert_keys(object, &["adapter", "ceilings", "timing", "preset", "seed", "environment", "algorithm", "trace"]);
    assert_eq!((&object["iterations"], &object["interrupted"]), (&iterations.into(), &false.into()));
    assert_keys(&object["ceilings"], &["fma_gflops", "copy_gbytes", "empty_dispatch_us", "submit_wait_us"]);
    let kernels = object["kernels"].as_array().unwrap();
    for name in ["env_reset_multigoal", "critic_value", "gae", "ppo_update", "weight_gradients", "adamw", "sum_columns"]
    {
        assert!(kernels.iter().any(|kernel| kernel["name"] == name), "no `{name}` in {kernels:?}");
    }
    for kernel in kernels {
        assert_keys(kernel, &["scope", "calls", "unavailable", "share", "gflops", "gbytes", "of_fma", "of_copy"]);
        // Unknown is null, never zero.
        for key in ["total_us", "mean_us"] {
            assert!(kernel[key].is_null() || number(&kernel[key]) > 0.0, "{kernel}");
        }
        assert_eq!(kernel["total_us"].is_null(), kernel["unavailable"] == kernel["calls"], "{kernel}");
    }
    let phases: Vec<_> = object["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str()).collect();
    assert_eq!(phases, [Some("rollout"), Some("advantages"), Some("update")]);
    for phase in object["phases"].as_array().unwrap() {
        let [wall, busy, gap] = ["wall_us", "busy_us", "gap_us"].map(|key| number(&phase[key]));
        assert!(busy > 0.0 && (wall - busy - gap).abs() < 1e-6 * wall && number(&phase["encode_us"]) >= 0.0, "{phase}");
    }
    let row = &object["iteration"];
    for key in ["wall_us", "profiled_us", "unprofiled_us", "busy_us", "encode_us"] {
        assert!(number(&row[key]) > 0.0, "{key} in {row}");
    }
    let counters = &row["counters"];
    // 2 T + 4 epochs minibatches + value, advantages, their normalisation, statistics; the first one also resets.
    assert!(number(&counters["dispatches"]) <= (2 * 4 + 4 * 2 + 4) as f64, "{counters}");
    assert_eq!(counters["readbacks"], 3, "{counters}");
    assert!(number(&counters["bytes_read"]) > 4.0 && number(&counters["submits"]) >= 2.0, "{counters}");
}

/// The kernels' sum within a tenth of the time in which the device was busy.
fn check_sum(object: &Value, iterations: f64) {
    let sum: f64 = object["kernels"].as_array().unwrap().iter().filter_map(|kernel| kernel["total_us"].as_f64()).sum();
    let busy = number(&object["iteration"]["busy_us"]) * iterations;
    assert!((sum - busy).abs() <= 0.1 * busy, "kernels {sum} us, busy {busy} us");
    assert!(busy <= number(&object["iteration"]["wall_us"]) * iterations, "busier than the clock allows");
}

/// Perfetto's rules: complete events with microseconds, nothing negative, events of a track nest, tracks have names.
fn check_trace(trace: &Value, object: &Value) {
    let events = trace["traceEvents"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["ph"] == "M" && event["name"] == name).count();
    assert_eq!((named("process_name"), named("thread_name")), (1, 2));
    let complete: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(complete.len() + 5, events.len(), "metadata and complete events alone");
    let span = |event: &Value| (number(&event["ts"]), number(&event["ts"]) + number(&event["dur"]));
    for event in &complete {
        assert_keys(event, &["name", "cat", "pid", "tid", "ts", "dur", "args"]);
        assert!(number(&event["ts"]) >= 0.0 && number(&event["dur"]) >= 0.0, "{event}");
    }
    for track in [1, 2] {
        let mut of_track: Vec<(f64, f64)> = complete.iter().filter(|e| e["tid"] == track).map(|e| span(e)).collect();
        assert!(!of_track.is_empty(), "track {track} is empty");
        of_track.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut open: Vec<(f64, f64)> = Vec::new();
        for (from, to) in of_track {
            open.retain(|outer| outer.1 > from + 1e-6);
            assert!(open.iter().all(|outer| to <= outer.1 + 1e-6), "{from}..{to} crosses {open:?} on track {track}");
            open.push((from, to));
        }
    }
    let of_kind =
        |kind: &str| complete.iter().filter(|event| event["cat"] == kind).map(|e| span(e)).collect::<Vec<_>>();
    let (iterations, kernels, phases) = (of_kind("iteration"), of_kind("kernel"), of_kind("phase"));
    let rows = object["kernels"].as_array().unwrap().iter();
    let timed: u64 = rows.map(|k| k["calls"].as_u64().unwrap() - k["unavailable"].as_u64().unwrap()).sum();
    assert_eq!(kernels.len() as u64, timed);
    let inside = |inner: &(f64, f64), all: &[(f64, f64)]| all.iter().any(|o| o.0 <= inner.0 && inner.1 <= o.1 + 1e-6);
    assert!(kernels.iter().all(|kernel| inside(kernel, &phases)), "a kernel outside of every phase");
    // The clocks of host and device: no kernel runs while no iteration does.
    assert!(kernels.iter().all(|kernel| inside(kernel, &iterations)), "a kernel outside of every iteration");
}

#[test]
fn a_profile_on_the_cpu_engine_names_every_kernel_adds_up_and_loads_in_perfetto() {
    let folder = TempDir::new().unwrap();
    let (object, trace, stderr) = profiled(flowmill(), folder.path(), &["--iterations", "3"]);
    check_object(&object, 3);
    check_sum(&object, 3.0);
    check_trace(&trace, &object);
    for part in ["kernel", "GFLOP/s", "rollout", "readbacks", "profiling costs", "the clock around each dispatch"] {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

#[test]
fn a_profile_on_a_driver_says_how_it_timed_and_adds_up_in_every_way() {
    if !crate::support::has_software_driver() {
        return eprintln!("SKIPPED: no software driver");
    }
    for (timing, said) in [
        ("inside-passes", "between the dispatches"),
        ("pass-per-dispatch", "passes of one dispatch each"),
        ("wall-clock", "the host's clock"),
    ] {
        let folder = TempDir::new().unwrap();
        let more = ["--adapter", "software", "--iterations", "1", "--timing", timing];
        let (object, trace, stderr) = profiled(with_drivers(), folder.path(), &more);
        assert_eq!(object["timing"], timing.replace('-', "_"), "Mesa's driver has timestamps of all kinds");
        assert!(stderr.contains(said), "{stderr}");
        check_object(&object, 1);
        check_sum(&object, 1.0);
        check_trace(&trace, &object);
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_found_out_before_the_run_and_none_is_left_by_a_run_that_fails() {
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("missing/trace.json");
    let output = flowmill().args(["profile", "multigoal", "--trace"]).arg(&trace).args(TINY).output().unwrap();
    let (code, stdout, stderr) = parts(&output);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.starts_with("error: --trace ") && stderr.contains("missing/trace.json"), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");

    let trace = folder.path().join("trace.json");
    let too_large = ["--num-envs", "4000000", "--set", "horizon=2000"];
    let mut command = flowmill();
    command.args(["profile", "multigoal", "--preset", "quick", "--trace"]).arg(&trace).args(too_large);
    let (code, _, stderr) = parts(&command.output().unwrap());
    assert_ne!(code, 0, "{stderr}");
    assert!(!trace.exists(), "an empty trace is left behind");
}

#[test]
fn a_trace_that_fails_at_the_end_takes_neither_the_result_nor_an_earlier_trace_with_it() {
    let device = std::path::Path::new("/dev/full");
    if device.exists() {
        let mut command = flowmill();
        command.args(["profile", "multigoal", "--json", "--iterations", "1", "--trace"]).arg(device);
        let (code, stdout, stderr) = parts(&command.args(TINY).output().unwrap());
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("error: --trace /dev/full"), "{stderr}");
        assert!(serde_json::from_str::<Value>(&stdout).unwrap()["iterations"] == 1);
    }
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("trace.json");
    std::fs::write(&trace, "earlier").unwrap();
    let too_large = ["--num-envs", "4000000", "--set", "horizon=2000"];
    let mut command = flowmill();
    command.args(["profile", "multigoal", "--preset", "quick", "--trace"]).arg(&trace).args(too_large);
    assert_ne!(parts(&command.output().unwrap()).0, 0);
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "earlier");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside the trace");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_profile_with_its_tables_and_its_trace() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("trace.json");
    let mut command = flowmill();
    command.args(["profile", "multigoal", "--json", "--iterations", "10000", "--trace"]).arg(&trace).args(TINY);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("timing: ") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the process ended early");
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let (code, stdout, _) = parts(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{rest}");
    let object: Value = serde_json::from_str(&stdout).unwrap();
    let done = object["iterations"].as_u64().unwrap();
    assert!(object["interrupted"] == true && (1..10_000).contains(&done), "{done}");
    assert!(rest.contains("interrupted: finishing the iteration") && rest.contains("profiling costs"), "{rest}");
    check_sum(&object, done as f64);
    check_trace(&serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap(), &object);
}
