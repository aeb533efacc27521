//! Every module that a configuration can generate, without an adapter: naga's validation and its SPIR-V, MSL and HLSL
//! writers, the lint, the design limits, `tint` where that program is on the PATH, and a twin that the CPU engine can make
//! ready.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowmill::algo::{Algorithm, GradientProblem};
use flowmill::engine::{BindingKind, KernelDesc, lint, reflect, validate_targets};
use flowmill::fuse::{Placement, Rows, Target, Tensor, lower};
use flowmill::ir::Graph;
use flowmill::kernels;
use flowmill::simd::Isa;

mod common;
#[path = "algorithms/support.rs"]
#[allow(dead_code)]
mod support;

use common::agents;

/// What a plan may have to respect: the design limits, the software driver, a large GPU.
const TARGETS: [Target; 3] =
    [Target::PORTABLE, Target::SOFTWARE, Target { workgroup_bytes: 48 << 10, ..Target::PORTABLE }];

/// A module, where it came from, and the workgroup memory it may use.
struct Module {
    from: String,
    desc: KernelDesc,
    workgroup_bytes: u32,
}

/// Modules by text: configurations share many of them.
#[derive(Default)]
struct Modules {
    all: Vec<Module>,
    seen: HashSet<String>,
    refused: Vec<String>,
}

impl Modules {
    fn add(&mut self, from: &str, desc: KernelDesc, workgroup_bytes: u32) {
        if self.seen.insert(desc.wgsl.clone()) {
            self.all.push(Module { from: from.to_string(), desc, workgroup_bytes });
        }
    }

    /// Every kernel of a configuration for every target.
    fn configuration(&mut self, env: &str, algorithm: &str, preset: &str, overrides: &[&str]) {
        let environment = agents::environment(env);
        let settings = agents::algorithm(&environment, algorithm, preset, overrides);
        for target in TARGETS {
            let from = format!("{env} {algorithm} {preset} {overrides:?} {target:?}");
            match agents::kernels(&environment, &settings, &target) {
                Ok(descs) => {
                    let fused = format!("{algorithm}_rollout");
                    assert!(descs.iter().any(|desc| desc.name == fused), "{from}: no `{fused}`");
                    descs.into_iter().for_each(|desc| self.add(&from, desc, target.workgroup_bytes));
                }
                Err(error) => self.refused.push(format!("{from}: {error}")),
            }
        }
        let from = format!("{env} {algorithm} {preset} {overrides:?}, CPU engine");
        match agents::kernels(&environment, &settings, &Target::CPU) {
            Ok(descs) => descs.iter().for_each(|desc| self.twin(&from, desc)),
            Err(error) => self.refused.push(format!("{from}: {error}")),
        }
    }

    /// The CPU engine must be able to run a kernel.
    fn twin(&mut self, from: &str, desc: &KernelDesc) {
        if self.seen.insert(format!("twin of {}", desc.wgsl)) {
            let problem = twin_problem(desc);
            self.refused.extend(problem.map(|problem| format!("{from}, kernel `{}`: {problem}", desc.name)));
        }
    }

    /// Checks all modules on all cores; panics with every problem found.
    fn check(mut self) {
        let tint = tint();
        if tint.is_none() {
            eprintln!("SKIPPED: `tint` is not on the PATH; {} modules were not shown to it", self.all.len());
        }
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
        let work = || {
            let mut problems = vec![];
            while let Some(module) = self.all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let found = problems_of(&module.desc, module.workgroup_bytes);
                let found = found.into_iter().chain(tint.as_ref().and_then(|t| tint_refuses(t, &module.desc)));
                problems.extend(found.map(|p| format!("{}, kernel `{}`: {p}", module.from, module.desc.name)));
            }
            problems
        };
        let found: Vec<String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        self.refused.extend(found);
        println!("{} different modules", self.all.len());
        let (count, shown) = (self.refused.len(), self.refused.iter().take(12).cloned().collect::<Vec<_>>());
        assert!(count == 0, "{count} problems, the first of them:\n{}", shown.join("\n"));
        assert!(self.all.len() > 3, "too few modules: {}", self.all.len());
    }
}

/// What is wrong with a module.
fn problems_of(desc: &KernelDesc, workgroup_bytes: u32) -> Vec<String> {
    let mut problems = vec![];
    if let Err(error) = validate_targets(&desc.wgsl) {
        return vec![error.to_string()];
    }
    problems.extend(lint(&desc.wgsl).into_iter().map(|finding| format!("lint: {finding:?}")));
    let found = match reflect(&desc.wgsl) {
        Ok(found) => found,
        Err(error) => return vec![error.to_string()],
    };
    let uniforms = found.bindings.iter().filter(|binding| binding.kind == BindingKind::Uniform);
    let limits = [
        ("bytes of workgroup memory", u64::from(found.workgroup_bytes), u64::from(workgroup_bytes)),
        ("bytes of a uniform binding", uniforms.map(|binding| binding.min_bytes).max().unwrap_or(0), 64 << 10),
        ("storage buffers", found.bindings.len() as u64, 8),
        ("invocations", found.invocations(), 256),
        ("bytes of immediates", u64::from(found.immediate_bytes), 128),
    ];
    let exceeded = limits.iter().filter(|(_, value, limit)| value > limit);
    problems.extend(exceeded.map(|(what, value, limit)| format!("{value} {what}, the limit is {limit}")));
    let mut declared: Vec<&str> = found.bindings.iter().map(|b| b.name.as_str()).collect();
    let mut listed: Vec<&str> = desc.bindings.iter().map(String::as_str).collect();
    declared.sort_unstable();
    listed.sort_unstable();
    if declared != listed {
        problems.push(format!("the module declares {declared:?}, its description lists {listed:?}"));
    }
    problems
}

/// Why the CPU engine could not run a kernel.
fn twin_problem(desc: &KernelDesc) -> Option<String> {
    match &desc.twin {
        None => Some("no twin for the CPU engine".into()),
        Some(twin) => twin.prepare(Isa::Baseline, 1).err(),
    }
}

/// The `tint` program, if there is one.
fn tint() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("tint")).find(|file| file.is_file())
}

/// What `tint` says against a module.
fn tint_refuses(tint: &std::path::Path, desc: &KernelDesc) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in.wgsl"), folder.path().join("out.wgsl"));
    std::fs::write(&source, &desc.wgsl).unwrap();
    let run = std::process::Command::new(tint).arg("--format").arg("wgsl").arg(&source).arg("-o").arg(&target).output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}", tint.display()));
    (!run.status.success()).then(|| format!("tint: {}", String::from_utf8_lossy(&run.stderr)))
}

#[test]
fn every_environment_algorithm_and_preset_gives_valid_modules_within_the_limits() {
    let mut modules = Modules::default();
    for env in ["multigoal", "multigoal-sql", "pendulum"] {
        for algorithm in Algorithm::NAMES {
            for preset in ["released", "paper", "quick"] {
                modules.configuration(env, algorithm, preset, &[]);
            }
        }
    }
    modules.check();
}

#[test]
fn every_path_time_sampling_loss_form_and_activation_gives_valid_modules_within_the_limits() {
    let mut modules = Modules::default();
    let mut policyflow = |overrides: &[&str]| modules.configuration("multigoal", "policyflow", "quick", overrides);
    // Every path with every sampling; the other choices take turns over these nine.
    let losses = ["mse", "clipped-max", "clipped-direct"].map(|l| format!("value_loss={l}"));
    let activations = ["mish", "elu", "silu", "tanh", "relu"].map(|a| format!("activation={a}"));
    let reductions = ["sum", "mean"];
    for (i, path) in ["rectified", "interpolant", "trigflow"].iter().enumerate() {
        for (j, sampling) in ["usd", "usc", "multi-usd"].iter().enumerate() {
            let n = 3 * i + j;
            let (path, sampling) = (format!("path={path}"), format!("time_sampling={sampling}"));
            let brownian = format!("brownian={}", reductions[n % 2]);
            let entropy = format!("entropy={}", reductions[n / 2 % 2]);
            policyflow(&[&path, &sampling, &losses[(i + j) % 3], &activations[n % 5], &brownian, &entropy]);
        }
    }
    policyflow(&["degenerate_gaussian=true"]);
    policyflow(&["normalize_observations=true", "squash_actions=tanh"]);
    policyflow(&["normalize_observations=true", "squash_actions=clip", "time_sampling=usc"]);
    policyflow(&["w_b=0", "w_g=0", "value_coef=0"]);
    policyflow(&["w_b_decay_iterations=10"]);
    policyflow(&["flow_steps=1", "time_sampling=multi-usd", "multi_times=1"]);
    policyflow(&["hidden=[7]", "embedding=8", "multi_times=8", "time_sampling=multi-usd"]);
    modules.configuration("pendulum", "ppo", "released", &["normalize_observations=true", "squash_actions=clip"]);
    for (loss, activation) in losses.iter().cycle().zip(&activations) {
        modules.configuration("pendulum", "ppo", "quick", &[loss, activation]);
    }
    modules.check();
}

#[test]
fn widths_at_the_corners_of_1_to_512_give_valid_modules_within_the_limits() {
    let mut modules = Modules::default();
    for hidden in ["[1]", "[3, 5]", "[5, 1, 3]", "[33]", "[33, 129]", "[129, 5, 33]", "[512]", "[512, 512]"] {
        let hidden = format!("hidden={hidden}");
        modules.configuration("multigoal", "policyflow", "released", &[&hidden]);
        modules.configuration("pendulum", "policyflow", "quick", &[&hidden, "time_sampling=multi-usd"]);
        modules.configuration("multigoal", "ppo", "released", &[&hidden]);
    }
    for embedding in ["embedding=8", "embedding=128", "embedding=512"] {
        modules.configuration("multigoal-sql", "policyflow", "quick", &[embedding]);
    }
    modules.check();
}

/// Places for a graph that stands alone: inputs and stores of 1000 rows in `rollout`, tensors in `params`.
fn alone(graph: &Graph) -> Placement {
    let mut placement = Placement::default();
    let mut at = 0;
    let mut rows = |width: usize| {
        at += 1000 * width as u32;
        Rows { buffer: "rollout".into(), offset: at - 1000 * width as u32, pitch: width as u32 }
    };
    placement.inputs.extend(graph.inputs.iter().map(|input| (input.name.clone(), rows(input.width))));
    placement.stores.extend(graph.stores.iter().map(|store| (store.name.clone(), rows(store.width))));
    let mut word = 0;
    for param in &graph.params {
        let ld = (param.cols as u32).next_multiple_of(4);
        placement.params.insert(param.name.clone(), Tensor { buffer: "params".into(), offset: word, ld });
        placement.gradients.insert(param.name.clone(), word);
        word += ld * param.rows as u32;
    }
    placement.means = word;
    placement
}

#[test]
fn the_gradient_graph_of_every_fixture_gives_a_valid_module_within_the_limits() {
    let mut modules = Modules::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".safetensors").filter(|n| !n.ends_with("_out")) else { continue };
        let file = support::File::read(name);
        let problem = match name.split_once('_') {
            Some(("policyflow", _)) => GradientProblem::policyflow(&file),
            Some(("ppo", _)) => GradientProblem::ppo(&file),
            _ => continue,
        };
        let graph = problem.unwrap_or_else(|error| panic!("{name}: {error}")).graph;
        for target in TARGETS {
            let from = format!("fixture {name} {target:?}");
            match lower(&graph, &alone(&graph), &target, false) {
                Ok(tile) => modules.add(&from, tile.desc, target.workgroup_bytes),
                Err(error) => modules.refused.push(format!("{from}: {error}")),
            }
        }
        match lower(&graph, &alone(&graph), &Target::CPU, false) {
            Ok(tile) => modules.twin(name, &tile.desc),
            Err(error) => modules.refused.push(format!("{name}, CPU engine: {error}")),
        }
        fixtures += 1;
    }
    assert!(fixtures >= 15, "only {fixtures} fixtures were found");
    modules.check();
}

#[test]
fn every_handwritten_kernel_is_a_valid_module_within_the_portable_limits() {
    let mut modules = Modules::default();
    for entry in kernels::TABLE.iter().chain(&kernels::CEILINGS) {
        let desc = (entry.desc)();
        modules.twin("shaders", &desc);
        modules.add("shaders", desc, Target::PORTABLE.workgroup_bytes);
    }
    assert_eq!(modules.all.len(), kernels::TABLE.len() + kernels::CEILINGS.len());
    modules.check();
}

/// The checks of this file, against modules that break one rule each.
#[test]
fn a_module_that_breaks_a_rule_is_reported() {
    let desc = |wgsl: &str| KernelDesc { wgsl: wgsl.into(), bindings: vec!["y".into()], ..(kernels::TABLE[0].desc)() };
    let head = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;";
    let good = format!("{head} @compute @workgroup_size(64) fn main() {{ y[0] = 1.0; }}");
    assert_eq!(problems_of(&desc(&good), 16384), Vec::<String>::new());
    assert_eq!(twin_problem(&desc(&good)), None);
    assert!(twin_problem(&KernelDesc { twin: None, ..desc(&good) }).is_some());
    let broken = [
        ("not valid", good.replace("1.0", "y[1.0]"), "index"),
        ("too wide", good.replace("(64)", "(512)"), "512 invocations"),
        ("another binding", good.replace("> y", "> x").replace("y[0]", "x[0]"), "lists"),
        (
            "workgroup memory",
            format!("var<workgroup> t: array<f32, 5000>; {}", good.replace("1.0", "t[0]")),
            "20000 bytes",
        ),
        (
            "barrier",
            good.replace(
                "fn main() {",
                "fn main(@builtin(local_invocation_index) i: u32) { if (i > 3u) { return; } workgroupBarrier();",
            ),
            "BarrierAfterReturn",
        ),
    ];
    for (what, wgsl, expected) in broken {
        let problems = problems_of(&desc(&wgsl), 16384).join("\n");
        assert!(problems.contains(expected), "{what}: {problems:?}");
    }
    if let Some(tint) = tint() {
        assert_eq!(tint_refuses(&tint, &desc(&good)), None);
        assert!(tint_refuses(&tint, &desc("fn f() -> f32 { return true; }")).is_some());
    }
}
