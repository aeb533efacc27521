//! What a checked run finds, and that it finds nothing in what is right.

use flowmill::engine::Words;
use flowmill::engine::{AdapterChoice, Engine, EngineOptions};
use flowmill::env::{CheckOptions, Finding as EnvFinding, check, load};
use flowmill::simd::Isa;
use flowmill::wgsl::{Finding, Program, ProgramOptions};

const LIBRARY: &str = "fn helper(x: f32) -> f32 {
    return 1.0 / x;
}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= 70u) { return; }
    out[id.x] = user(data[id.x], id.x);
}
";

/// Findings of a function `user(x: f32, i: u32) -> f32` that begins in line 3 of the text; `x` is `data[i]`, 70 invocations.
fn findings_of(body: &str, data: impl Fn(usize) -> f32) -> Vec<Finding> {
    let own = format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
{body}
"
    );
    let text = format!("{own}{LIBRARY}");
    let bindings = ["data".to_string(), "out".to_string()];
    let options =
        ProgramOptions { bindings: &bindings, isa: Isa::detect(), checked: Some(own.len()), interpreted: false };
    let program = Program::compile(&text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut values: Vec<f32> = (0..70).map(data).collect();
    let mut out = vec![0.0; 70];
    let mut frame = program.frame();
    program.run_all([2, 1, 1], &[], &[Words::of_floats(&mut values), Words::of_floats(&mut out)], &mut frame);
    frame.take_findings()
}

/// One finding in each of the invocations, at this place, in these words.
fn assert_found(body: &str, data: impl Fn(usize) -> f32, lanes: &[u32], place: (u32, u32), words: &str) {
    let found = findings_of(body, data);
    let got: Vec<u32> = found.iter().map(|finding| finding.invocation).collect();
    assert_eq!(got, lanes, "{body}\n{found:#?}");
    for finding in &found {
        assert_eq!((finding.line, finding.column), place, "{body}\n{finding:?}");
        assert!(finding.message.contains(words), "{body}\n{finding:?}");
    }
}

fn body(statements: &str) -> String {
    format!("fn user(x: f32, i: u32) -> f32 {{\n{statements}\n}}")
}

fn only_5(i: usize) -> f32 {
    if i == 5 { 0.0 } else { 1.0 + i as f32 }
}

#[test]
fn divisions_by_zero_are_found_in_their_lane() {
    assert_found(&body("return 2.0 / x;"), only_5, &[5], (4, 8), "division by zero");
    assert_found(&body("let y = 1.0;\nreturn y % x;"), only_5, &[5], (5, 8), "remainder by zero");
    assert_found(&body("return f32(7 / i32(x));"), only_5, &[5], (4, 12), "integer division by zero");
    assert_found(&body("return f32(7u % u32(x));"), only_5, &[5], (4, 12), "integer remainder by zero");
}

#[test]
fn numbers_that_are_not_finite_are_found_with_their_cause() {
    let negative = |i: usize| if i == 66 { -1.0 } else { 1.5 };
    assert_found(&body("return sqrt(x);"), negative, &[66], (4, 8), "square root of a negative number");
    assert_found(
        &body("return inverseSqrt(x - 1.5);"),
        |i| if i == 0 { 1.5 } else { 2.0 },
        &[0],
        (4, 8),
        "inverse square root of 0",
    );
    assert_found(&body("return log(x);"), only_5, &[5], (4, 8), "logarithm of 0");
    assert_found(&body("return log2(x);"), negative, &[66], (4, 8), "logarithm of a negative number");
    assert_found(&body("return exp(x * 80.0);"), |i| if i == 3 { 2.0 } else { 1.0 }, &[3], (4, 8), "overflow");
    assert_found(&body("return x * x;"), |i| if i == 3 { 1e30 } else { 1.0 }, &[3], (4, 8), "overflow");
    assert_found(&body("return pow(x, 0.5);"), negative, &[66], (4, 8), "power of a negative number");
    assert_found(&body("return acos(x);"), |i| if i == 9 { 1.25 } else { 0.5 }, &[9], (4, 8), "acos");
    assert_found(&body("return normalize(vec2f(x, 0.0)).x;"), only_5, &[5], (4, 8), "division by zero in `normalize`");
    // Only the first operation of a chain is to blame.
    assert_found(
        &body("let y = 1.0 / x;\nlet z = y * 2.0 - y;\nreturn sqrt(z);"),
        only_5,
        &[5],
        (4, 9),
        "division by zero",
    );
}

#[test]
fn indices_out_of_bounds_are_found_for_arrays_vectors_matrices_and_buffers() {
    let at = |n: f32| move |i: usize| if i == 7 { n } else { 1.0 };
    assert_found(
        &body("var a = array<f32, 3>();\na[i32(x)] = 1.0;\nreturn a[0];"),
        at(3.0),
        &[7],
        (5, 1),
        "index 3 is out of bounds of an array of 3",
    );
    assert_found(
        &body("var a = array<f32, 3>();\nreturn a[i32(x)];"),
        at(-1.0),
        &[7],
        (5, 8),
        "index -1 is out of bounds",
    );
    assert_found(
        &body("let v = vec3f(x);\nreturn v[u32(x)];"),
        at(4.0),
        &[7],
        (5, 8),
        "index 4 is out of bounds of a vector of 3",
    );
    assert_found(
        &body("let m = mat2x2f(x, x, x, x);\nreturn m[u32(x)].x;"),
        at(2.0),
        &[7],
        (5, 8),
        "index 2 is out of bounds of a matrix of 2",
    );
    assert_found(
        &body("return data[i + u32(x) * 1000u - 1000u];"),
        at(9.0),
        &[7],
        (4, 8),
        "is out of bounds of a buffer of 70",
    );
}

#[test]
fn reads_of_variables_without_a_value_are_found_with_their_name() {
    let positive = |i: usize| if i == 11 { 1.0 } else { -1.0 };
    let all: Vec<u32> = (0..70).collect();
    assert_found(&body("var y: f32;\nreturn y + x;"), positive, &all, (5, 8), "`y` is read before");
    assert_found(
        &body("var y: f32;\nif (x < 0.0) { y = 2.0; }\nreturn y;"),
        positive,
        &[11],
        (6, 1),
        "`y` is read before",
    );
    assert_found(
        &body("var v: vec3f;\nv.x = x;\nv.z = x;\nreturn v.x + v.y;"),
        positive,
        &all,
        (7, 14),
        "`v.y` is read before",
    );
    assert_found(
        &body("var a: array<f32, 4>;\na[u32(abs(x)) + 1u] = 1.0;\nreturn a[3];"),
        positive,
        &all,
        (6, 8),
        "`a[3]` is read before",
    );
    let loops = "var sum = 0.0;\nfor (var n = 0u; n < 3u; n++) {\n var y: f32;\n if (x < 0.0 || n > 0u) { y = 1.0; }\n sum += y;\n}\nreturn sum;";
    assert_found(&body(loops), positive, &[11], (8, 2), "`y` is read before");
}

#[test]
fn what_goes_wrong_in_the_library_is_found_at_the_users_call() {
    assert_found(&body("let y = 3.0;\nreturn y + helper(x);"), only_5, &[5], (5, 12), "division by zero");
}

#[test]
fn a_loop_without_end_is_found_and_left() {
    let text = body("var y = x;\nloop {\n if (y < 0.0) { break; }\n y = abs(y);\n}\nreturn y;");
    let found = findings_of(&text, |i| if i == 4 { 1.0 } else { -1.0 });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("65536") && found[0].invocation == 4 && found[0].line == 5, "{found:?}");
}

#[test]
fn lanes_that_do_not_get_there_report_nothing() {
    for text in [
        "if (x != 0.0) { return 1.0 / x; }\nreturn 0.0;",
        "if (x == 0.0) { return 0.0; }\nreturn 1.0 / x;",
        "var y: f32;\nif (x > 0.0) { y = 1.0; } else { y = 2.0; }\nreturn y;",
        "var y: f32;\nif (x > 0.0) { y = 1.0; }\nif (x > 0.0) { return y; }\nreturn 0.0;",
        "var a: array<f32, 3>;\nfor (var n = 0u; n < 3u; n++) { a[n] = x; }\nreturn a[0] + a[2];",
        "var a: array<f32, 3>;\nlet n = 3u + u32(x * 0.0);\nfor (var k = 0u; k < n; k++) { a[k] = x; }\nreturn a[i % 3u];",
        "switch (u32(x)) { case 0u: { return 0.0; } default: { return 1.0 / x; } }",
        "var y = 1.0;\nloop { if (x == 0.0) { break; } y = 1.0 / x; break; }\nreturn y;",
        "let v = vec3f(x);\nreturn v[min(u32(x), 2u)];",
    ] {
        assert_eq!(findings_of(&body(text), only_5), [], "{text}");
    }
}

#[test]
fn the_repositorys_environments_have_no_findings_and_a_broken_one_has_its_line() {
    let mut engine = Engine::new(&EngineOptions { adapter: AdapterChoice::Cpu, ..Default::default() }).unwrap();
    let options = CheckOptions { num_envs: 64, steps: 120, seed: 3 };
    for name in ["multigoal", "multigoal-sql", "pendulum"] {
        let report = check(&mut engine, &load(name).unwrap(), options).unwrap();
        assert!(report.passed(), "{report}");
    }
    let mut env = load("pendulum").unwrap();
    env.wgsl =
        env.wgsl.replace("let velocity = (*state).velocity;", "let velocity = (*state).velocity / abs(sign(torque));");
    let report = check(&mut engine, &env, options).unwrap();
    let line = env.wgsl.lines().position(|line| line.contains("sign(torque)")).unwrap() as u32 + 1;
    let found = report.findings.iter().find_map(|finding| match finding {
        EnvFinding::Program { line, column, message, .. } => Some((*line, *column, message.clone())),
        _ => None,
    });
    assert_eq!(found, Some((line, 20, "division by zero".to_string())), "{report}");
    assert!(
        report.to_string().contains(&format!("env.wgsl:{line}:20: division by zero under zero actions")),
        "{report}"
    );
}
