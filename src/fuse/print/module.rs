//! The whole module: header, bindings, random draws, rows of the tile, body.

use std::fmt::Write;

use super::{Body, body, scalar_view};
use crate::fuse::FuseError;
use crate::fuse::homes::Homes;
use crate::fuse::placement::Placement;
use crate::fuse::schedule::{Facts, Stmt};
use crate::fuse::steps::Form;
use crate::fuse::target::{Shape, Target};
use crate::ir::{Graph, Op};
use crate::kernels::{ACTIVATIONS_WGSL, RNG_WGSL};

/// Words of `Args` before the graph's own uniforms; see [`TileArgs`](crate::fuse::TileArgs).
pub const ARGS_WORDS: usize = 8;

/// A kernel's text.
pub struct Module {
    /// WGSL.
    pub text: String,
    /// Names of its bindings in order.
    pub bindings: Vec<String>,
    /// Loop iterations of one invocation, all loops together.
    pub iterations: u64,
}

/// WGSL of a planned graph and the names of its bindings.
pub fn module(
    graph: &Graph,
    facts: &Facts,
    program: &[Stmt],
    homes: &Homes,
    (target, shape): (&Target, &Shape),
    placement: &Placement,
    form: Form<'_>,
) -> Result<Module, FuseError> {
    let depth = if matches!(form, Form::Steps(_)) { 2 } else { 1 };
    let body = body(graph, facts, program, homes, (shape, target.rolled, depth), placement)?;
    let mut text = match form {
        Form::Steps(between) => format!("{}\n", between.wgsl),
        _ => String::new(),
    };
    text.push_str(&header(graph, homes, target, shape));
    let bindings = declare(&mut text, graph, &body, homes, (target, shape), form);
    let draws = graph.nodes.iter().any(|n| matches!(n.op, Op::Draw { .. }));
    if matches!(form, Form::Shuffled) || (draws && matches!(form, Form::Once)) {
        let _ = write!(text, "\n{RNG_WGSL}\n");
    }
    if draws {
        text.push_str(DRAWS);
    }
    if graph.nodes.iter().any(|n| matches!(n.op, Op::Unary(f, _) if library(f))) {
        let _ = write!(text, "\n{ACTIVATIONS_WGSL}\n");
    }
    entry(&mut text, &body, homes, (target, shape), form, draws);
    let iterations = match form {
        Form::Steps(between) => super::steps::iterations(&body, shape, between),
        _ => body.iterations,
    };
    Ok(Module { text, bindings, iterations })
}

fn library(function: crate::ir::Unary) -> bool {
    use crate::ir::Unary::*;
    matches!(function, Tanh | Relu | Elu | EluSlope | Silu | SiluSlope | Mish | MishSlope)
}

fn header(graph: &Graph, homes: &Homes, target: &Target, shape: &Shape) -> String {
    let mut text =
        format!("// Graph `{}` as one kernel: a workgroup owns a tile of {} rows.\n", graph.name, shape.rows());
    let _ = writeln!(
        text,
        "// {} x {} invocations (rows / 4 x columns); {} features in workgroup memory, {} in scratch; limits {} B, {} invocations.",
        shape.row_lanes,
        shape.col_lanes,
        homes.tile_features,
        homes.scratch_features,
        target.workgroup_bytes,
        target.invocations
    );
    for input in &graph.inputs {
        let _ = writeln!(text, "//   in  {} [rows, {}]", input.name, input.width);
    }
    for store in &graph.stores {
        let _ = writeln!(text, "//   out {} [rows, {}]", store.name, store.width);
    }
    text
}

/// `Args` and the bindings; returns their names in order.
fn declare(
    text: &mut String,
    graph: &Graph,
    body: &Body,
    homes: &Homes,
    (target, shape): (&Target, &Shape),
    form: Form<'_>,
) -> Vec<String> {
    match form {
        Form::Steps(between) => {
            text.push_str("\nstruct Args {\n");
            text.push_str(between.members);
            text.push_str(
                "    rows: u32,\n    first_row: u32, // sample of row 0 in the first step\n    steps: u32,\n",
            );
        }
        _ => text.push_str(ARGS),
    }
    for uniform in &graph.uniforms {
        let _ = writeln!(text, "    {}: f32,", uniform.name);
    }
    text.push_str("}\nvar<immediate> args: Args;\n\n");
    let mut bindings = match form {
        Form::Steps(between) => between.bindings.to_vec(),
        _ => Vec::new(),
    };
    let mut bind = |text: &mut String, name: String, space: &str, elements: &str| {
        if bindings.contains(&name) {
            return;
        }
        let number = bindings.len();
        let _ = writeln!(text, "@group(0) @binding({number}) var<{space}> {name}: array<{elements}>;");
        bindings.push(name);
    };
    for (buffer, vectors) in &body.vector_buffers {
        if vectors * 16 <= target.uniform_bytes {
            bind(text, buffer.clone(), "uniform", &format!("vec4f, {vectors}"));
        } else {
            bind(text, buffer.clone(), "storage, read", "vec4f");
        }
    }
    for (buffer, written) in &body.scalar_buffers {
        let space = if *written { "storage, read_write" } else { "storage, read" };
        bind(text, scalar_view(buffer), space, "f32");
    }
    if homes.scratch_features > 0 {
        bind(text, "scratch".into(), "storage, read_write", "vec4f");
    }
    if homes.tile_features > 0 {
        let floats = homes.tile_features * shape.row_lanes;
        let _ = writeln!(text, "\nvar<workgroup> tile: array<vec4f, {floats}>; // [feature][row lane], 4 rows a lane");
    }
    bindings
}

fn entry(
    text: &mut String,
    body: &Body,
    homes: &Homes,
    (target, shape): (&Target, &Shape),
    form: Form<'_>,
    draws: bool,
) {
    let lanes = shape.invocations();
    let _ = write!(
        text,
        "\n@compute @workgroup_size({lanes})\nfn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) workgroup: vec3u) {{\n"
    );
    if shape.col_lanes == 1 {
        text.push_str("    let row_lane = lane;\n");
    } else {
        let _ = writeln!(
            text,
            "    let row_lane = lane % {}u;\n    let col_lane = lane / {}u;",
            shape.row_lanes, shape.row_lanes
        );
    }
    let _ = writeln!(
        text,
        "    let row = vec4u((workgroup.x * {}u + row_lane) * 4u) + vec4u(0u, 1u, 2u, 3u);",
        shape.row_lanes
    );
    if target.rolled {
        text.push_str("    let once = min(args.rows, 1u); // 1, but the compiler does not know: loops stay loops\n");
    }
    text.push_str("    let valid = row < vec4u(args.rows);\n");
    text.push_str("    // Rows past the end repeat the last one; nothing of them is stored.\n");
    if homes.scratch_features > 0 {
        let _ = writeln!(text, "    let scratch_base = workgroup.x * {}u;", homes.scratch_features * shape.row_lanes);
    }
    if let Form::Steps(between) = form {
        return super::steps::steps(text, body, (target, shape), between, draws);
    }
    text.push_str("    let within = vec4u(args.first_row) + min(row, vec4u(args.rows - 1u));\n");
    let shuffled = matches!(form, Form::Shuffled);
    text.push_str(if shuffled { SHUFFLE } else { "    let sample = within;\n" });
    if draws {
        let row = if shuffled { "sample" } else { "min(row, vec4u(args.rows - 1u))" };
        let _ = writeln!(text, "    let draw_row = {row};\n    let draw_step = args.step;");
    }
    text.push_str(&body.text);
    text.push_str("}\n");
}

const ARGS: &str = "
// Twin: fuse::TileArgs.
struct Args {
    rows: u32,
    first_row: u32,
    shuffle_count: u32,
    step: u32,
    seed_lo: u32,
    seed_hi: u32,
    iteration: u32,
    shuffle_stream: u32,
";

const SHUFFLE: &str = "    let shuffle_key = vec4u(args.seed_lo, args.seed_hi, args.shuffle_stream, args.iteration);
    var sample = vec4u(0u);
    for (var i = 0u; i < 4u; i++) {
        sample[i] = shuffled(within[i], args.shuffle_count, shuffle_key);
    }
";

const DRAWS: &str = "
// Draws of four rows at one feature, keyed by (seed, stream, iteration, step, row, feature).
fn normal4(stream: u32, step: u32, rows: vec4u, lane: u32) -> vec4f {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    var draws = vec4f(0.0);
    for (var i = 0u; i < 4u; i++) {
        draws[i] = normal_draw(key, vec4u(step, rows[i], lane, 0u));
    }
    return draws;
}

fn uniform4(stream: u32, step: u32, rows: vec4u, lane: u32) -> vec4f {
    let key = vec4u(args.seed_lo, args.seed_hi, stream, args.iteration);
    var draws = vec4f(0.0);
    for (var i = 0u; i < 4u; i++) {
        draws[i] = uniform_draw(key, vec4u(step, rows[i], lane, 0u));
    }
    return draws;
}
";
