//! What WGSL takes on the CPU, step by step and as machine code: the environments' steps, and a text of named scalars as a
//! generator of physics writes them.
//!
//! `cargo run --release --example wgsl_times [OPERATIONS] [ROUNDS]`

use std::fmt::Write;
use std::time::Instant;

use flowmill::engine::{AdapterChoice, CountedWork, Engine, EngineOptions, KernelDesc, Recording, Words};
use flowmill::env::{EnvArgs, EnvKernels, STATS_BYTES, load};
use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramOptions};

const INVOCATIONS: u32 = 1024;
/// Words of an invocation's state.
const STATE: usize = 48;

/// Nanoseconds for which this thread had a processor; where the system does not tell, those that have passed since `start`.
fn thread_nanoseconds(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| start.elapsed().as_secs_f64() * 1e9)
}

/// Processor seconds of this process, where the system tells in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Nanoseconds of all threads that the software driver needs for a state's stretch of steps.
fn on_driver(case: &Case, bindings: &[String]) -> anyhow::Result<f64> {
    let options = EngineOptions { adapter: AdapterChoice::Software, ..Default::default() };
    let mut engine = Engine::new(&options)?;
    let kernel = engine.kernel(&KernelDesc {
        name: "timed".into(),
        wgsl: case.wgsl.clone(),
        bindings: bindings.to_vec(),
        work: CountedWork::default(),
        twin: None,
    })?;
    let mut recording = Recording::new();
    let mut buffers = Vec::new();
    for (name, words) in bindings.iter().zip(&case.buffers) {
        let buffer = engine.buffer(name, 4 * words.len() as u64)?;
        recording.upload(buffer, 0, bytemuck::cast_slice(words));
        buffers.push(buffer);
    }
    engine.submit(&recording)?;
    let mut recording = Recording::new();
    for _ in 0..20 {
        recording.dispatch(kernel, &buffers, &case.immediates, [INVOCATIONS / 64, 1, 1]);
    }
    engine.submit(&recording)?;
    engine.wait()?;
    let before = processor_seconds();
    for _ in 0..10 {
        engine.submit(&recording)?;
        engine.wait()?;
    }
    Ok((processor_seconds() - before) * 1e9 / f64::from(200 * INVOCATIONS))
}

/// Numbers that repeat.
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % count
    }
}

/// A step of about so many operations: substeps with straight lines of sums and products, sines, square roots, branches with
/// contacts' work, and an inner loop that ends when it has converged.
fn synthetic(operations: usize) -> String {
    let mut numbers = Numbers(7);
    let mut text = format!(
        "@group(0) @binding(0) var<storage, read_write> state: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
    let base = id.x * {STATE}u;
"
    );
    for i in 0..STATE {
        let _ = writeln!(text, "    var s{i} = state[base + {i}u];");
    }
    text.push_str("    for (var substep = 0u; substep < 2u; substep++) {\n");
    let mut names: Vec<String> = (0..STATE).map(|i| format!("s{i}")).collect();
    let recent = |numbers: &mut Numbers, names: &[String]| {
        // Mostly what was computed last, sometimes what is far back.
        let far = if numbers.below(5) == 0 { names.len() } else { 24.min(names.len()) };
        names[names.len() - 1 - numbers.below(far)].clone()
    };
    let line = |numbers: &mut Numbers, names: &mut Vec<String>, text: &mut String, at: usize| {
        let (a, b) = (recent(numbers, names), recent(numbers, names));
        let value = match numbers.below(40) {
            0..=15 => format!("{a} * {b}"),
            16..=27 => format!("{a} + {b}"),
            28..=34 => format!("{a} - {b}"),
            35 => format!("max({a}, {b})"),
            36 => format!("sqrt(1.0 + {a} * {a})"),
            37 => format!("{a} / (1.5 + {b} * {b})"),
            38 => format!("{a} * 0.37"),
            _ => format!("{a} - 0.25"),
        };
        // Kept from growing.
        let value = if at.is_multiple_of(4) { format!("clamp({value}, -1.5, 1.5)") } else { value };
        let _ = writeln!(text, "        let v{at} = {value};");
        names.push(format!("v{at}"));
    };
    let mut at = 0;
    for i in 0..8 {
        let _ = writeln!(text, "        let sine{i} = sin(s{i}); let cosine{i} = cos(s{i});");
        names.extend([format!("sine{i}"), format!("cosine{i}")]);
    }
    let straight = operations * 6 / 10;
    while at < straight {
        line(&mut numbers, &mut names, &mut text, at);
        at += 1;
    }
    for contact in 0..8 {
        let condition = recent(&mut numbers, &names);
        let _ =
            writeln!(text, "        var f{contact} = 0.0; var g{contact} = 0.0;\n        if ({condition} > 1.2) {{");
        let outside = names.len();
        for _ in 0..operations / 40 {
            line(&mut numbers, &mut names, &mut text, at);
            at += 1;
        }
        let (f, g) = (names[names.len() - 1].clone(), names[names.len() - 2].clone());
        let _ = writeln!(text, "        f{contact} = {f}; g{contact} = {g}; }}");
        names.truncate(outside);
        names.extend([format!("f{contact}"), format!("g{contact}")]);
    }
    text.push_str("        var x = s0; var y = s1;\n        for (var turn = 0u; turn < 3u; turn++) {\n");
    let outside = names.len();
    names.extend(["x".into(), "y".into()]);
    for _ in 0..operations / 10 {
        line(&mut numbers, &mut names, &mut text, at);
        at += 1;
    }
    let (f, g) = (names[names.len() - 1].clone(), names[names.len() - 2].clone());
    let _ = writeln!(text, "        x = x + 0.1 * {f}; y = y + 0.1 * {g}; if (abs({g}) < 0.01) {{ break; }} }}");
    names.truncate(outside);
    names.extend(["x".into(), "y".into()]);
    for i in 0..STATE {
        let value = names[names.len() - 1 - i].clone();
        let _ = writeln!(text, "        s{i} = clamp(s{i} + 0.01 * {value}, -2.0, 2.0);");
    }
    text.push_str("    }\n");
    for i in 0..STATE {
        let _ = writeln!(text, "    state[base + {i}u] = s{i};");
    }
    text.push_str("}\n");
    text
}

struct Case {
    name: String,
    wgsl: String,
    bindings: Vec<String>,
    immediates: Vec<u8>,
    buffers: Vec<Vec<f32>>,
    /// Dispatches of a round.
    turns: usize,
    /// Whether the software driver is timed as well.
    driver: bool,
}

fn environment(name: &str) -> anyhow::Result<Case> {
    let env = load(name)?;
    let kernels = EnvKernels::new(&env)?;
    let (obs, act) = (env.obs_dim() as u32, env.action_dim() as u32);
    let args = EnvArgs {
        action_offset: INVOCATIONS * obs,
        reward_offset: INVOCATIONS * (obs + act),
        flag_offset: INVOCATIONS * (obs + act + 1),
        ..EnvArgs::training(&env, INVOCATIONS, 1)
    };
    let words = |bytes: u64| vec![0.0; (u64::from(INVOCATIONS) * bytes / 4) as usize];
    let buffers = vec![words(kernels.slot_bytes), words(u64::from(4 * (obs + act + 2))), words(STATS_BYTES)];
    let (name, wgsl, bindings) = (name.into(), kernels.step.wgsl, kernels.step.bindings);
    Ok(Case { name, wgsl, bindings, immediates: args.bytes().to_vec(), buffers, turns: 100, driver: false })
}

/// Steps of a model in a dispatch.
const STEPS: usize = 20;

/// A model at rest under random controls.
fn model(name: &str) -> anyhow::Result<Case> {
    let model = flowmill::physics::mjcf::read(format!("envs/models/{name}.xml"))?;
    let kernel = flowmill::simulate::kernel(&model, false)?;
    let state: flowmill::physics::dynamics::State<f64> = flowmill::physics::dynamics::State::initial(&model);
    let (nq, nv, nu) = (model.nq(), model.nv(), model.nu());
    let count = INVOCATIONS as usize;
    let mut states = vec![0.0; (nq + 2 * nv + 2) * count];
    for (row, &value) in states.chunks_exact_mut(count).zip(&state.qpos) {
        row.fill(value as f32);
    }
    let mut numbers = Numbers(3);
    let controls = (0..STEPS * nu * count).map(|_| numbers.below(2001) as f32 / 1000.0 - 1.0).collect();
    let words = [INVOCATIONS, STEPS as u32, 0, 0];
    Ok(Case {
        name: format!("{name}, {STEPS} steps"),
        wgsl: kernel.wgsl,
        bindings: kernel.bindings,
        immediates: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        buffers: vec![states, controls, vec![0.0]],
        turns: 1,
        driver: true,
    })
}

/// The system counts a thread's time in steps of milliseconds: only sums of many rounds say something.
fn main() -> anyhow::Result<()> {
    let start = Instant::now();
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let operations = arguments.next().transpose()?.unwrap_or(6000);
    let rounds = arguments.next().transpose()?.unwrap_or(100);
    let state: Vec<f32> = (0..INVOCATIONS as usize * STATE).map(|i| (i as f32 * 0.37).sin()).collect();
    let cases = [
        environment("pendulum")?,
        environment("multigoal")?,
        Case {
            name: format!("synthetic {operations}"),
            wgsl: synthetic(operations),
            bindings: vec!["state".into()],
            immediates: Vec::new(),
            buffers: vec![state],
            turns: 1,
            driver: false,
        },
        model("cheetah")?,
    ];
    for case in &cases {
        println!("{}: {} KiB of text", case.name, case.wgsl.len() / 1024);
        let mut programs = Vec::new();
        for isa in Isa::available().skip(1) {
            for interpreted in [true, false] {
                let options = ProgramOptions { bindings: &case.bindings, isa, checked: None, interpreted };
                let started = Instant::now();
                let program = Program::compile(&case.wgsl, &options)?;
                let compiled = started.elapsed().as_secs_f64();
                let (frame, buffers) = (program.frame(), case.buffers.clone());
                programs.push((isa, interpreted, program, compiled, frame, buffers, 0.0));
            }
        }
        for _ in 0..rounds {
            for (_, _, program, _, frame, buffers, total) in &mut programs {
                let views: Vec<Words<'_>> = buffers.iter_mut().map(|words| Words::of_floats(words)).collect();
                let before = thread_nanoseconds(start);
                for _ in 0..case.turns {
                    program.run_all([INVOCATIONS / 64, 1, 1], &case.immediates, &views, frame);
                }
                *total += thread_nanoseconds(start) - before;
            }
        }
        for (isa, interpreted, program, compiled, _, buffers, total) in &programs {
            let (how, size) = (if *interpreted { "steps" } else { "machine code" }, program.instructions());
            let each = total / ((rounds * case.turns) as f64 * f64::from(INVOCATIONS));
            println!(
                "  {:8} {how:12}: {:9.1} ns an invocation, {size} instructions, {:.3} ns each, compiled in {:.1} ms",
                isa.to_string(),
                each,
                each / size as f64,
                compiled * 1e3
            );
            let differs =
                buffers.iter().flatten().zip(programs[0].5.iter().flatten()).any(|(a, b)| a.to_bits() != b.to_bits());
            anyhow::ensure!(!differs, "the bytes differ");
        }
        if case.driver {
            println!("  software driver      : {:9.1} ns an invocation, all threads", on_driver(case, &case.bindings)?);
        }
    }
    Ok(())
}
