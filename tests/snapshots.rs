//! Generated kernels as reviewed text: tests/snapshots/*.wgsl. FLOWMILL_BLESS=1 rewrites them; review the difference.

use std::path::Path;

use flowmill::fuse::{Placement, Rows, Target, Tensor, lower};
use flowmill::ir::Builder;
use flowmill::kernels;

mod common;

use common::agents;

/// Compares a text with the file of its name, or writes the file. Handwritten libraries stand there as one line each.
fn check(name: &str, text: &str) {
    let text = [("rng", kernels::RNG_WGSL), ("activations", kernels::ACTIVATIONS_WGSL)]
        .iter()
        .fold(text.to_string(), |text, (file, library)| {
            text.replace(library, &format!("// shaders/lib/{file}.wgsl\n"))
        });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.wgsl"));
    if std::env::var_os("FLOWMILL_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
        return;
    }
    let bless =
        format!("FLOWMILL_BLESS=1 cargo test --test snapshots, then read `git diff tests/snapshots/{name}.wgsl`");
    let saved = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}\n{bless}", file.display()));
    if let Some(difference) = difference(&saved, &text) {
        panic!("tests/snapshots/{name}.wgsl is not what is generated now: {difference}\nif that is meant: {bless}");
    }
}

/// The first lines that differ, with what stands before them.
fn difference(saved: &str, text: &str) -> Option<String> {
    let (saved, text): (Vec<&str>, Vec<&str>) = (saved.lines().collect(), text.lines().collect());
    let at = (0..saved.len().max(text.len())).find(|&i| saved.get(i) != text.get(i))?;
    let lines = |of: &[&str], mark: &str| -> String {
        of.iter().skip(at).take(4).map(|line| format!("\n{mark} {line}")).collect()
    };
    let before: String = saved[at.saturating_sub(3)..at].iter().map(|line| format!("\n  {line}")).collect();
    Some(format!("line {}{before}{}{}", at + 1, lines(&saved, "-"), lines(&text, "+")))
}

/// A kernel of PolicyFlow on MultiGoal as a software adapter runs it with preset `quick`.
fn quick(kernel: &str) -> String {
    let environment = agents::environment("multigoal");
    let algorithm = agents::algorithm(&environment, "policyflow", "quick", &[]);
    let kernels = agents::kernels(&environment, &algorithm, &Target::SOFTWARE).unwrap();
    kernels.into_iter().find(|desc| desc.name == kernel).unwrap_or_else(|| panic!("no kernel `{kernel}`")).wgsl
}

#[test]
fn the_quick_rollout_kernel_is_the_reviewed_one() {
    check("policyflow_rollout_quick_software", &quick("policyflow_rollout"));
}

#[test]
fn the_quick_update_kernel_is_the_reviewed_one() {
    check("policyflow_update_quick_software", &quick("policyflow_update"));
}

/// A layer, an activation, a loop with a layer in it, a draw, a loss and its gradient: one of each, small enough to read.
#[test]
fn a_small_graph_for_the_portable_limits_is_the_reviewed_one() {
    let mut g = Builder::new("small");
    let x = g.input("x", 3);
    let (w, b) = (g.param("w", 3, 5, true), g.param("b", 1, 5, true));
    let (v, c) = (g.param("v", 5, 5, true), g.param("c", 1, 5, true));
    let hidden = g.dense(x, w, Some(b));
    let hidden = g.tanh(hidden);
    let end = g.repeat(2, &[hidden], |g, _, state| {
        let rate = g.dense(state[0], v, Some(c));
        let change = g.scale(rate, 0.5);
        vec![g.add(state[0], change)]
    });
    let noise = g.normal(7, 5);
    let noisy = g.add(end[0], noise);
    let square = g.square(noisy);
    let loss = g.sum(square);
    g.store("noisy", noisy);
    g.mean("loss", loss);
    g.differentiate(loss);
    let graph = g.finish().unwrap();

    let mut placement = Placement::default();
    let rows = |offset: u32, pitch: u32| Rows { buffer: "rollout".into(), offset, pitch };
    placement.inputs.insert("x".into(), rows(0, 3));
    placement.stores.insert("noisy".into(), rows(3000, 5));
    for (name, offset) in [("w", 0), ("b", 24), ("v", 32), ("c", 72)] {
        placement.params.insert(name.into(), Tensor { buffer: "params".into(), offset, ld: 8 });
        placement.gradients.insert(name.into(), offset);
    }
    placement.means = 80;
    check("small_portable", &lower(&graph, &placement, &Target::PORTABLE, false).unwrap().desc.wgsl);
}

#[test]
fn the_comparison_reports_the_first_line_that_differs() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    let report = difference("a\nb\nc\n", "a\nB\nc\n").unwrap();
    assert!(report.starts_with("line 2\n  a\n- b") && report.contains("\n+ B"), "{report}");
    assert!(difference("a\n", "a\nb\n").unwrap().starts_with("line 2"));
    assert!(difference("a\nb\n", "a\n").unwrap().starts_with("line 2"));
}
