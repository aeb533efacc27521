use super::*;

/// A module with the usual declarations around the body of its entry point, which begins on line 1.
fn body_findings(body: &str) -> Vec<(LintKind, String)> {
    lint(&module_of("", body)).into_iter().map(|finding| (finding.kind, finding.message)).collect()
}

fn module_of(functions: &str, body: &str) -> String {
    let entry = "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32, \
                 @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {";
    format!(
        "{entry}\n{body}\n}}\n{functions}
        struct Sizes {{ rows: u32, steps: u32 }}
        var<immediate> sizes: Sizes;
        @group(0) @binding(0) var<storage, read> lengths: array<u32>;
        @group(0) @binding(1) var<storage, read_write> state: array<u32>;
        @group(0) @binding(2) var<storage, read_write> count: atomic<u32>;
        var<workgroup> tile: array<u32, 64>;
        var<private> mine: u32;"
    )
}

/// Whether Dawn's compiler, which analyses uniformity by itself, accepts a module; `None` where it is not installed.
fn tint_accepts(wgsl: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("module.wgsl");
    std::fs::write(&file, wgsl).unwrap();
    let tint = std::process::Command::new("tint")
        .args(["--format", "wgsl", "-o"])
        .arg(folder.path().join("out.wgsl"))
        .arg(&file)
        .output();
    let output = tint.ok()?;
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || message.contains("uniform control flow"), "{message}");
    Some(output.status.success())
}

#[track_caller]
fn finds(body: &str, kind: LintKind, message_part: &str) {
    assert_ne!(tint_accepts(&module_of("", body)), Some(true), "tint accepts {body}");
    let findings = body_findings(body);
    assert!(
        matches!(findings.as_slice(), [(found, message)] if *found == kind && message.contains(message_part)),
        "expected one {kind:?} with `{message_part}` in: {findings:?}\n{body}"
    );
}

#[track_caller]
fn clean(functions: &str, body: &str) {
    assert_ne!(tint_accepts(&module_of(functions, body)), Some(false), "tint refuses {body}");
    let findings = lint(&module_of(functions, body));
    assert!(findings.is_empty(), "{findings:?}\n{body}");
}

#[test]
fn barriers_under_divergent_branches_are_found() {
    use LintKind::BarrierInBranch;
    finds("if (lane < 32u) { workgroupBarrier(); }", BarrierInBranch, "line 2, which depends on `local_invocation_in");
    finds("if (lane < 32u) { tile[0] = 1u; } else { storageBarrier(); }", BarrierInBranch, "depends on");
    finds("switch (lane % 2u) { case 0u: { workgroupBarrier(); } default: {} }", BarrierInBranch, "depends on");
    finds("if (state[0] > 0u) { workgroupBarrier(); }", BarrierInBranch, "writable buffer `state`");
    finds("if (tile[0] > 0u) { workgroupBarrier(); }", BarrierInBranch, "workgroup variable `tile`");
    finds("if (mine > 0u) { workgroupBarrier(); }", BarrierInBranch, "private variable `mine`");
    finds("if (lengths[lane] > 0u) { workgroupBarrier(); }", BarrierInBranch, "local_invocation_index");
    finds("if (atomicAdd(&count, 1u) == 0u) { workgroupBarrier(); }", BarrierInBranch, "atomic operation");
    finds("if (lane < 3u) { state[0] = workgroupUniformLoad(&tile)[0]; }", BarrierInBranch, "depends on");
    finds("if (group.x > 0u && lane > 1u) { workgroupBarrier(); }", BarrierInBranch, "depends on");
}

#[test]
fn divergence_is_followed_through_locals() {
    use LintKind::BarrierInBranch;
    finds("var a = 0u; if (lane > 3u) { a = 1u; } if (a == 1u) { workgroupBarrier(); }", BarrierInBranch, "line 2");
    finds("var a: array<u32, 4>; a[lane % 4u] = 1u; if (a[0] > 0u) { workgroupBarrier(); }", BarrierInBranch, "line 2");
    finds(
        "var a = 0u; for (var i = 0u; i < 4u; i++) { if (a > 2u) { workgroupBarrier(); } a += lane; }",
        BarrierInBranch,
        "",
    );
    finds("var n = 0u; while (n < lane) { n++; } if (n == 0u) { workgroupBarrier(); }", BarrierInBranch, "");
    clean("", "var a = 0u; if (group.x > 3u) { a = 1u; } if (a == 1u) { workgroupBarrier(); }");
}

#[test]
fn barriers_in_divergent_loops_are_found() {
    use LintKind::BarrierInLoop;
    finds("for (var i = 0u; i < lane; i++) { workgroupBarrier(); }", BarrierInLoop, "condition of line 2 leaves");
    finds("for (var i = lane; i < 640u; i += 64u) { workgroupBarrier(); }", BarrierInLoop, "local_invocation_index");
    finds("for (var i = 0u; i < lengths[lane]; i++) { workgroupBarrier(); }", BarrierInLoop, "leaves");
    finds("loop { workgroupBarrier(); if (state[0] > 0u) { break; } }", BarrierInLoop, "`state`");
    finds("loop { workgroupBarrier(); continuing { break if lane > 3u; } }", BarrierInLoop, "leaves");
    finds("for (var i = 0u; i < 8u; i++) { if (lane == i) { continue; } workgroupBarrier(); }", BarrierInLoop, "");
    finds(
        "for (var i = 0u; i < 8u; i++) { for (var j = 0u; j < 8u; j++) { workgroupBarrier(); } if (lane == i) { break; } }",
        BarrierInLoop,
        "",
    );
}

#[test]
fn returns_before_barriers_are_found() {
    use LintKind::BarrierAfterReturn;
    finds(
        "if (lane >= sizes.rows) { return; } workgroupBarrier();",
        BarrierAfterReturn,
        "conditional return of line 2",
    );
    finds("for (var i = 0u; i < 4u; i++) { if (lane == i) { return; } } workgroupBarrier();", BarrierAfterReturn, "");
    finds("for (var i = 0u; i < 4u; i++) { workgroupBarrier(); if (lane == i) { return; } }", BarrierAfterReturn, "");
    clean("", "workgroupBarrier(); if (lane >= sizes.rows) { return; } state[lane] = 1u;");
    clean("", "if (group.x >= sizes.rows) { return; } workgroupBarrier();");
}

#[test]
fn uniform_control_flow_passes() {
    clean("", "for (var i = 0u; i < sizes.steps; i++) { tile[lane] = i; workgroupBarrier(); }");
    clean(
        "",
        "for (var s = 32u; s > 0u; s /= 2u) { if (lane < s) { tile[lane] += tile[lane + s]; } workgroupBarrier(); }",
    );
    clean("", "for (var i = 0u; i < lengths[group.x]; i++) { workgroupBarrier(); if (i > groups.x) { break; } }");
    clean("", "let first = workgroupUniformLoad(&tile)[0]; if (first > 3u) { workgroupBarrier(); }");
    clean(
        "",
        "for (var i = 0u; i < 4u; i++) { for (var j = 0u; j < lane; j++) { if (j == 3u) { break; } } workgroupBarrier(); }",
    );
    clean(
        "",
        "switch (lane) { case 0u: { if (lane > 5u) { break; } state[0] = 1u; } default: {} } workgroupBarrier();",
    );
    clean("", "if (lane < 4u) { for (var i = 0u; i < lane; i++) { state[i] = 0u; } } workgroupBarrier();");
    clean("", "if ((group.x > 1u && sizes.rows > 3u) || groups.y == 1u) { workgroupBarrier(); }");
}

#[test]
fn calls_are_followed_in_both_directions() {
    let sync = "fn sync(n: u32) { if (n > 1u) { workgroupBarrier(); } }";
    clean(sync, "sync(group.x);");
    let found = |functions: &str, body: &str| {
        let findings = lint(&module_of(functions, body));
        findings.into_iter().map(|finding| (finding.kind, finding.line)).collect::<Vec<_>>()
    };
    assert_eq!(found(sync, "sync(lane);"), [(LintKind::BarrierInBranch, 4)]);
    assert_eq!(found(sync, "if (lane > 1u) { sync(group.x); }"), [(LintKind::BarrierInBranch, 4)]);
    assert_eq!(found(sync, "sync(group.x); sync(lane); sync(group.y);"), [(LintKind::BarrierInBranch, 4)]);

    let double = "fn double(n: u32) -> u32 { if (n > 4u) { return 1u; } return n * 2u; }";
    clean(double, "if (double(group.x) > 3u) { workgroupBarrier(); }");
    clean(double, "state[lane] = double(lane); workgroupBarrier();");
    assert_eq!(found(double, "if (double(lane) > 3u) { workgroupBarrier(); }"), [(LintKind::BarrierInBranch, 2)]);

    let write = "fn write(p: ptr<function, u32>, v: u32) { *p = v; }";
    clean(write, "var a = 0u; write(&a, group.x); if (a > 3u) { workgroupBarrier(); }");
    let body = "var a = 0u; write(&a, lane); if (a > 3u) { workgroupBarrier(); }";
    assert_eq!(found(write, body), [(LintKind::BarrierInBranch, 2)]);
}

#[test]
fn inputs_in_a_struct_are_told_apart() {
    let of = |member: &str| {
        lint(&format!(
            "struct Input {{ @builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32> }}
            @compute @workgroup_size(64) fn main(input: Input) {{ if ({member} > 1u) {{ workgroupBarrier(); }} }}"
        ))
        .len()
    };
    assert_eq!((of("input.group.x"), of("input.lane")), (0, 1));
}

#[test]
fn float_atomics_and_broken_modules_are_found() {
    let text = "\n@group(0) @binding(0) var<storage, read_write> sum: atomic<f32>;
        @compute @workgroup_size(1) fn main() {}";
    let findings = lint(text);
    assert!(matches!(findings.as_slice(), [f] if f.kind == LintKind::FloatAtomic && f.line == 2), "{findings:?}");
    assert!(matches!(lint("fn {").as_slice(), [f] if f.kind == LintKind::NotParsed));
}
