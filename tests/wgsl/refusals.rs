//! What is not supported is refused with its place and its name.

use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramError, ProgramOptions};

fn refused(wgsl: &str) -> ProgramError {
    let bindings = ["out".to_string(), "other".to_string()];
    let options = ProgramOptions { bindings: &bindings, isa: Isa::Baseline, checked: None, interpreted: false };
    Program::compile(wgsl, &options).err().unwrap_or_else(|| panic!("accepted:\n{wgsl}"))
}

/// A module whose fifth line is `body`.
fn module(declaration: &str, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<f32>;
{declaration}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
    {body}
}}
"
    )
}

#[test]
fn unsupported_constructs_are_refused_with_their_name_line_and_column() {
    let cases = [
        ("", "workgroupBarrier();", "barrier", 5, 5),
        ("", "storageBarrier();", "barrier", 5, 5),
        ("var<workgroup> shared_words: array<f32, 4>;", "out[0] = shared_words[0];", "`var<workgroup>`", 2, 1),
        (
            "@group(0) @binding(1) var<storage, read_write> other: array<atomic<u32>>;",
            "atomicAdd(&other[0], 1u);",
            "atomic",
            5,
            5,
        ),
        ("@group(0) @binding(1) var picture: texture_2d<f32>;", "out[0] = 1.0;", "texture", 2, 23),
        ("override size: u32 = 4;", "out[0] = f32(size);", "override", 5, 18),
        (
            "@group(0) @binding(1) var<storage, read> elsewhere: array<f32>;",
            "out[0] = elsewhere[0];",
            "`elsewhere`",
            2,
            23,
        ),
    ];
    for (declaration, body, name, line, column) in cases {
        let error = refused(&module(declaration, body));
        assert!(error.construct.contains(name), "{body} {error}");
        assert_eq!((error.line, error.column), (line, column), "{body} {error}");
    }
}

#[test]
fn wrong_programs_are_refused_with_the_compilers_message_and_place() {
    let error = refused(&module("", "out[0] = nothing;"));
    assert_eq!((error.line, error.column), (5, 14));
    assert!(error.construct.contains("nothing"), "{error}");
    let error = refused(&module("", "out[0] = 1u;"));
    assert_eq!(error.line, 5, "{error}");
    assert!(refused("fn main() {}").construct.contains("entry point"));
}

#[test]
fn a_program_that_is_too_large_when_written_out_is_refused_at_a_call() {
    let mut functions = "fn f0(x: f32) -> f32 { return x * 1.5; } ".to_string();
    for n in 1..28 {
        functions.push_str(&format!("fn f{n}(x: f32) -> f32 {{ return f{}(x) + f{}(x + 1.0); }} ", n - 1, n - 1));
    }
    let error = refused(&module(&functions, "out[0] = f27(out[1]);"));
    assert!(error.construct.contains("too large") && error.construct.contains("1048576"), "{error}");
    assert!(error.line == 2 && error.column > 1 && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn a_variable_that_is_too_large_is_refused_with_its_name_and_place() {
    for size in ["array<f32, 40000000>", "array<array<f32, 65536>, 4096>"] {
        let error = refused(&module("", &format!("var table: {size}; let other = &table; out[0] = f32(id.x);")));
        assert_eq!(error.line, 5, "{error}");
        assert!(error.construct.contains("`table`") && error.construct.contains("1048576"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
