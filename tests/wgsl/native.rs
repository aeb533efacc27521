//! Large programs as generators of physics write them: straight lines of named scalars, branches and loops among them.
//! As machine code they must give the bytes that they give step by step.

use std::fmt::Write;

use flowmill::engine::Words;
use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramOptions};

use crate::common::fresh::Fresh;

/// Invocations, not a multiple of anything.
const ROWS: usize = 150;
/// Words of an invocation.
const WIDTH: usize = 20;

struct Author {
    fresh: Fresh,
    text: String,
    names: u32,
}

impl Author {
    fn below(&mut self, count: usize) -> usize {
        self.fresh.word() as usize % count
    }

    /// A value that can be seen: mostly a late one.
    fn seen(&mut self, scope: &[String]) -> String {
        let reach = if self.below(4) == 0 { scope.len() } else { scope.len().min(20) };
        scope[scope.len() - 1 - self.below(reach)].clone()
    }

    fn line(&mut self, scope: &mut Vec<String>) {
        let (a, b, c) = (self.seen(scope), self.seen(scope), self.seen(scope));
        let value = match self.below(16) {
            0..=3 => format!("{a} * {b} + {c}"),
            4..=6 => format!("{a} - {b}"),
            7 | 8 => format!("min({a}, max({b}, -1.0))"),
            9 => format!("select({a}, {b}, {c} > 0.25)"),
            10 => format!("select({a}, {b} * {c}, {c} > 0.25 && {a} < {b})"),
            11 => format!("{a} / (1.0 + {b} * {b})"),
            12 => format!("sqrt(abs({a})) - abs({b})"),
            13 => format!("sin({a}) * cos({a}) - cos({b})"),
            14 => format!("mix({a}, {b}, 0.3) * 1.25"),
            _ => format!("f32(i32({a} * 8.0) & 7) * 0.1"),
        };
        let name = format!("v{}", self.names);
        self.names += 1;
        let _ = writeln!(self.text, "let {name} = clamp({value}, -3.0, 3.0);");
        scope.push(name);
    }

    /// Lines, with branches and loops that leave values in variables.
    fn block(&mut self, scope: &mut Vec<String>, variables: &[String], lines: usize, depth: usize) {
        for _ in 0..lines {
            self.line(scope);
            if self.below(12) != 0 {
                continue;
            }
            let outside = scope.len();
            let (a, b) = (self.seen(scope), self.seen(scope));
            let target = variables[self.below(variables.len())].clone();
            match self.below(if depth == 0 { 1 } else { 5 }) {
                0 => {
                    let _ = writeln!(self.text, "{target} = {a};");
                }
                1 | 2 => {
                    let _ = writeln!(self.text, "if ({a} > {b} * 0.5 + 0.8) {{");
                    self.block(scope, variables, lines / 3, depth - 1);
                    let value = self.seen(scope);
                    let _ = writeln!(self.text, "{target} = {value};");
                    scope.truncate(outside);
                    if self.below(2) == 0 {
                        self.text.push_str("} else {\n");
                        self.block(scope, variables, lines / 4, depth - 1);
                        scope.truncate(outside);
                    }
                    self.text.push_str("}\n");
                }
                _ => {
                    let count = format!("k{}", self.names);
                    self.names += 1;
                    let most = 1 + self.below(6);
                    let _ = writeln!(self.text, "for (var {count} = 0; {count} < {most} + i32({a}); {count}++) {{");
                    self.block(scope, variables, lines / 4, depth - 1);
                    let (value, other) = (self.seen(scope), self.seen(scope));
                    let how = if self.below(2) == 0 { "break" } else { "continue" };
                    let _ = writeln!(self.text, "if ({value} < -0.5) {{ {how}; }}");
                    let _ = writeln!(self.text, "{target} = {target} * 0.5 + {other};");
                    self.block(scope, variables, lines / 6, depth - 1);
                    scope.truncate(outside);
                    self.text.push_str("}\n");
                }
            }
            scope.push(target);
        }
    }

    fn module(&mut self, lines: usize) -> String {
        self.text = format!(
            "struct Row {{ words: array<f32, {WIDTH}> }}
@group(0) @binding(0) var<storage, read_write> rows: array<Row>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
if (id.x >= {ROWS}u) {{ return; }}
var row = rows[id.x];
"
        );
        let mut scope = Vec::new();
        for i in 0..WIDTH {
            let _ = writeln!(self.text, "var s{i} = row.words[{i}];");
            scope.push(format!("s{i}"));
        }
        let variables = scope.clone();
        self.text.push_str("for (var turn = 0; turn < 3; turn++) {\n");
        self.block(&mut scope, &variables, lines, 3);
        for i in 0..WIDTH {
            let value = self.seen(&scope);
            let _ = writeln!(self.text, "row.words[{i}] = s{i} + 0.5 * {value};");
        }
        self.text.push_str("}\nrows[id.x] = row;\n}\n");
        std::mem::take(&mut self.text)
    }
}

/// The bytes after two dispatches.
fn run(wgsl: &str, isa: Isa, interpreted: bool, rows: &[f32]) -> Vec<u32> {
    let bindings = ["rows".to_string()];
    let options = ProgramOptions { bindings: &bindings, isa, checked: None, interpreted };
    let program = Program::compile(wgsl, &options).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    assert_eq!(program.is_native(), cfg!(target_arch = "x86_64") && !interpreted && isa != Isa::Baseline);
    let (mut rows, mut frame) = (rows.to_vec(), program.frame());
    for _ in 0..2 {
        program.run_all([3, 1, 1], &[], &[Words::of_floats(&mut rows)], &mut frame);
    }
    rows.iter().map(|word| word.to_bits()).collect()
}

#[test]
fn large_programs_give_the_same_bytes_as_machine_code_and_step_by_step() {
    let mut author = Author { fresh: Fresh::new(0x908), text: String::new(), names: 0 };
    let mut native = 0;
    for lines in [10, 20, 30, 30, 40, 60, 60, 80] {
        let text = author.module(lines);
        let rows: Vec<f32> = (0..ROWS * WIDTH).map(|_| author.fresh.uniform(-2.0, 2.0)).collect();
        let want = run(&text, Isa::Baseline, true, &rows);
        let before: Vec<u32> = rows.iter().map(|word| word.to_bits()).collect();
        assert_ne!(want, before);
        for isa in Isa::available().skip(1) {
            native += 1;
            let got = run(&text, isa, false, &rows);
            let differs = got.iter().zip(&want).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{isa}, {lines} lines: word of the rows\n{text}");
        }
    }
    assert_eq!(native, 8 * (Isa::available().count() - 1));
}

#[test]
fn the_branches_and_loops_of_large_programs_decide_their_bytes() {
    let mut author = Author { fresh: Fresh::new(0x909), text: String::new(), names: 0 };
    let mut changed = [0; 2];
    for _ in 0..6 {
        let text = author.module(60);
        let rows: Vec<f32> = (0..ROWS * WIDTH).map(|_| author.fresh.uniform(-2.0, 2.0)).collect();
        let want = run(&text, Isa::detect(), false, &rows);
        for (changed, (from, to)) in changed.iter_mut().zip([("0.5 + 0.8)", "0.5 + 0.1)"), ("< -0.5) {", "< -0.1) {")])
        {
            *changed += u32::from(run(&text.replace(from, to), Isa::detect(), false, &rows) != want);
        }
    }
    assert!(changed.iter().all(|&changed| changed > 0), "{changed:?}");
}
