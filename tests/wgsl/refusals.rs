//! What is not supported is refused with its place and its name.

use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramError, ProgramOptions};

fn refused(wgsl: &str) -> ProgramError {
    let bindings = ["out".to_string(), "other".to_string()];
    let options = ProgramOptions { bindings: &bindings, isa: Isa::Baseline, checked: None };
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
