//! Random programs: expressions of every type, and all kinds of control flow around them.

use std::fmt::Write;

use crate::common::fresh::Fresh;

/// Invocations of a program.
pub const ROWS: usize = 96;

/// Types of expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    F,
    I,
    U,
    B,
    /// Two to four components of F, I or U.
    V(u32, Scalar),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scalar {
    F,
    I,
    U,
}

impl Type {
    fn of(scalar: Scalar) -> Self {
        match scalar {
            Scalar::F => Type::F,
            Scalar::I => Type::I,
            Scalar::U => Type::U,
        }
    }

    fn name(self) -> String {
        match self {
            Type::F => "f32".into(),
            Type::I => "i32".into(),
            Type::U => "u32".into(),
            Type::B => "bool".into(),
            Type::V(n, scalar) => format!("vec{n}<{}>", Type::of(scalar).name()),
        }
    }
}

/// What a block can see: name, type, whether it can be assigned.
type Scope = Vec<(String, Type, bool)>;

/// Writes programs that are valid and whose values differ from lane to lane.
pub struct Author<'a> {
    fresh: &'a mut Fresh,
    names: u32,
    loops: u32,
}

impl<'a> Author<'a> {
    pub fn new(fresh: &'a mut Fresh) -> Self {
        Self { fresh, names: 0, loops: 0 }
    }

    fn below(&mut self, count: u32) -> u32 {
        self.fresh.word() % count
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len() as u32) as usize]
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn scalar(&mut self) -> Scalar {
        [Scalar::F, Scalar::I, Scalar::U][self.below(3) as usize]
    }

    fn ty(&mut self) -> Type {
        match self.below(8) {
            0 | 1 => Type::F,
            2 | 3 => Type::I,
            4 => Type::U,
            5 => Type::B,
            _ => {
                let scalar = self.scalar();
                Type::V(2 + self.below(3), scalar)
            }
        }
    }

    /// A literal that the compiler cannot fold away: it depends on `zero`, which is read from a buffer.
    fn literal(&mut self, ty: Type) -> String {
        match ty {
            Type::F => format!("({:.3} + f32(zero))", self.fresh.uniform(-4.0, 4.0)),
            Type::I => format!("(i32(zero) + {})", self.below(400) as i32 - 200),
            Type::U => format!("(u32(zero) + {}u)", self.below(1000)),
            Type::B => format!("(zero == {})", self.below(2)),
            Type::V(_, scalar) => {
                let one = self.literal(Type::of(scalar));
                format!("{}({one})", ty.name())
            }
        }
    }

    fn expression(&mut self, ty: Type, scope: &Scope, depth: u32) -> String {
        let visible: Vec<&str> = scope.iter().filter(|v| v.1 == ty).map(|v| v.0.as_str()).collect();
        if depth == 0 || self.below(8) == 0 {
            return if visible.is_empty() || self.below(8) == 0 {
                self.literal(ty)
            } else {
                self.pick(&visible).into()
            };
        }
        let sub = |author: &mut Self, ty: Type| author.expression(ty, scope, depth - 1);
        if self.below(8) == 0 {
            let (a, b, c) = (sub(self, ty), sub(self, ty), sub(self, Type::B));
            return format!("select({a}, {b}, {c})");
        }
        match ty {
            // Values stay small, so that neither rounding nor overflow decides anything.
            Type::F => {
                let (a, b) = (sub(self, ty), sub(self, ty));
                match self.below(9) {
                    0 | 1 => format!("limit({a} {} {b})", self.pick(&["+", "-", "*"])),
                    2 => format!("{}({a}, {b})", self.pick(&["min", "max"])),
                    3 => format!("{}({a})", self.pick(&["abs", "floor", "ceil", "trunc", "sign", "round", "-"])),
                    4 => format!("limit({a} / (abs({b}) + 0.5))"),
                    // No square root: the driver makes sqrt(x) * sqrt(x) an x, and a comparison may tell the two apart.
                    5 => format!("fract({a})"),
                    6 => format!("f32({} & 1023)", sub(self, Type::I)),
                    7 => self.component(Scalar::F, scope, depth),
                    _ => format!("clamp({a}, -3.0, abs({b}))"),
                }
            }
            Type::I | Type::U => {
                let signed = ty == Type::I;
                let (a, b) = (sub(self, ty), sub(self, ty));
                match self.below(11) {
                    0..=2 => format!("({a} {} {b})", self.pick(&["+", "-", "*", "&", "|", "^"])),
                    3 => format!("({a} {} {b})", self.pick(&["/", "%"])),
                    4 => format!("({a} {} ({} & 31u))", self.pick(&["<<", ">>"]), sub(self, Type::U)),
                    5 => format!("{}({a}, {b})", self.pick(&["min", "max"])),
                    6 => {
                        let functions =
                            ["countOneBits", "reverseBits", "firstLeadingBit", "countTrailingZeros", "abs", "~"];
                        format!("{}({a})", self.pick(&functions))
                    }
                    7 => format!("{}({})", ty.name(), sub(self, if signed { Type::U } else { Type::I })),
                    8 => {
                        let source = if self.below(2) == 0 { Type::F } else { Type::B };
                        format!("{}({})", ty.name(), sub(self, source))
                    }
                    9 => self.component(if signed { Scalar::I } else { Scalar::U }, scope, depth),
                    _ => format!("extractBits({a}, {}u, {}u)", self.below(20), self.below(12)),
                }
            }
            Type::B => {
                let scalar = self.scalar();
                let operand = Type::of(scalar);
                match self.below(5) {
                    0 | 1 => {
                        let (a, b) = (sub(self, operand), sub(self, operand));
                        format!("({a} {} {b})", self.pick(&["<", "<=", ">", ">=", "==", "!="]))
                    }
                    2 => format!(
                        "({} {} {})",
                        sub(self, ty),
                        self.pick(&["&&", "||", "&", "|", "==", "!="]),
                        sub(self, ty)
                    ),
                    3 => format!("(!{})", sub(self, ty)),
                    _ => {
                        let vector = Type::V(2 + self.below(3), scalar);
                        let (a, b) = (sub(self, vector), sub(self, vector));
                        format!("{}({a} {} {b})", self.pick(&["any", "all"]), self.pick(&["<", ">=", "=="]))
                    }
                }
            }
            Type::V(n, scalar) => {
                let (a, b) = (sub(self, ty), sub(self, ty));
                let float = scalar == Scalar::F;
                match self.below(5) {
                    0 if float => {
                        format!("clamp({a} {} {b}, {t}(-50.0), {t}(50.0))", self.pick(&["+", "-", "*"]), t = ty.name())
                    }
                    0 => format!("({a} {} {b})", self.pick(&["+", "-", "*", "&", "|"])),
                    1 => format!("{}({a}, {b})", self.pick(&["min", "max"])),
                    2 => {
                        let parts: Vec<String> = (0..n).map(|_| sub(self, Type::of(scalar))).collect();
                        format!("{}({})", ty.name(), parts.join(", "))
                    }
                    3 => {
                        let swizzle: String = (0..n).map(|_| ['x', 'y'][self.below(2) as usize]).collect();
                        format!("({a}).{swizzle}")
                    }
                    _ => format!("abs({a})"),
                }
            }
        }
    }

    /// A condition that holds in some of the lanes.
    fn divided(&mut self, scope: &Scope) -> String {
        let condition = self.expression(Type::B, scope, 3);
        format!("{condition} == (((i.bits >> {}u) & {}u) == 0u)", self.below(24), self.below(4))
    }

    /// Statements that take down a variable.
    fn noted(name: &str, ty: Type) -> String {
        match ty {
            Type::F => format!("note_f({name});"),
            Type::V(n, scalar) => {
                let parts = ["x", "y", "z", "w"][..n as usize].iter();
                let notes = parts.map(|part| Self::noted(&format!("{name}.{part}"), Type::of(scalar)));
                notes.collect::<Vec<_>>().join(" ")
            }
            _ => format!("note(u32({name}));"),
        }
    }

    fn component(&mut self, scalar: Scalar, scope: &Scope, depth: u32) -> String {
        let n = 2 + self.below(3);
        let vector = self.expression(Type::V(n, scalar), scope, depth - 1);
        match self.below(2) {
            0 => format!("({vector}).{}", self.pick(&["x", "y"])),
            _ => format!("({vector})[{} % {n}u]", self.expression(Type::U, scope, depth - 1)),
        }
    }

    fn block(&mut self, scope: &Scope, depth: u32, indent: usize) -> String {
        let mut scope = scope.clone();
        let mut text = String::new();
        for _ in 0..2 + self.below(3) {
            let statement = self.statement(&mut scope, depth, indent);
            let _ = writeln!(text, "{}{statement}", "    ".repeat(indent));
        }
        if self.below(3) == 0 && depth < 3 {
            let leave = match self.below(4) {
                0 => format!("return {};", self.expression(Type::I, &scope, 2)),
                1 | 2 if self.loops > 0 => self.pick(&["break;", "continue;"]).to_string(),
                _ => String::new(),
            };
            let _ = writeln!(text, "{}{leave}", "    ".repeat(indent));
        }
        text
    }

    fn statement(&mut self, scope: &mut Scope, depth: u32, indent: usize) -> String {
        let pad = "    ".repeat(indent);
        match self.below(if depth == 0 { 5 } else { 10 }) {
            0 => {
                let (ty, name) = (self.ty(), self.name());
                let value = self.expression(ty, scope, 3);
                let mutable = self.below(3) > 0;
                scope.push((name.clone(), ty, mutable));
                format!("{} {name} = {value}; {}", if mutable { "var" } else { "let" }, Self::noted(&name, ty))
            }
            1 | 2 => {
                let targets: Vec<(String, Type)> = scope.iter().filter(|v| v.2).map(|v| (v.0.clone(), v.1)).collect();
                let (name, ty) = targets[self.below(targets.len() as u32) as usize].clone();
                let assignment = match ty {
                    Type::V(n, scalar) if self.below(2) == 0 => {
                        let value = self.expression(Type::of(scalar), scope, 3);
                        match self.below(2) {
                            0 => format!("{name}.{} = {value};", self.pick(&["x", "y"])),
                            _ => format!("{name}[{} % {n}u] = {value};", self.expression(Type::U, scope, 2)),
                        }
                    }
                    Type::I | Type::U if self.below(2) == 0 => {
                        let value = self.expression(ty, scope, 3);
                        format!("{name} {} {value};", self.pick(&["+=", "-=", "^=", "*="]))
                    }
                    _ => format!("{name} = {};", self.expression(ty, scope, 3)),
                };
                format!("{assignment} {}", Self::noted(&name, ty))
            }
            3 => {
                let index = self.expression(Type::U, scope, 2);
                format!(
                    "(*list)[{index} % 5u] = {}; note(u32((*list)[{index} % 5u]));",
                    self.expression(Type::I, scope, 3)
                )
            }
            4 => {
                let index = self.expression(Type::U, scope, 2);
                format!("big[{index} % 9u] += (*list)[{} % 5u];", self.expression(Type::U, scope, 2))
            }
            5 | 6 => {
                let condition = self.divided(scope);
                let accept = self.block(scope, depth - 1, indent + 1);
                match self.below(2) {
                    0 => format!("if ({condition}) {{\n{accept}{pad}}}"),
                    _ => {
                        let reject = self.block(scope, depth - 1, indent + 1);
                        format!("if ({condition}) {{\n{accept}{pad}}} else {{\n{reject}{pad}}}")
                    }
                }
            }
            7 => {
                let selector = self.expression(Type::U, scope, 2);
                let saved = std::mem::take(&mut self.loops);
                let bodies: Vec<String> = (0..3).map(|_| self.block(scope, depth - 1, indent + 2)).collect();
                self.loops = saved;
                let [a, b, c] = [&bodies[0], &bodies[1], &bodies[2]];
                format!(
                    "switch (({selector} ^ (i.bits >> 7u)) % 5u) {{\n{pad}  case 0u: {{\n{a}{pad}  }}\n{pad}  case 1u, 3u: {{\n{b}{pad}  }}\n{pad}  default: {{\n{c}{pad}  }}\n{pad}}}"
                )
            }
            _ if self.loops >= 2 => "fuel += 1u;".into(),
            8 => {
                let name = self.name();
                self.loops += 1;
                let known = self.below(2) == 0;
                let limit = if known {
                    format!("{}u", 1 + self.below(4))
                } else {
                    format!("({} & 7u)", self.expression(Type::U, scope, 2))
                };
                let mut inner = scope.clone();
                inner.push((name.clone(), Type::U, false));
                let body = self.block(&inner, depth - 1, indent + 1);
                self.loops -= 1;
                let end = self.name();
                format!(
                    "let {end} = {limit};\n{pad}for (var {name} = 0u; {name} < {}; {name}++) {{\n{body}{pad}}}",
                    if known { limit.clone() } else { end.clone() }
                )
            }
            _ => {
                let name = self.name();
                self.loops += 1;
                let mut inner = scope.clone();
                inner.push((name.clone(), Type::U, false));
                let condition = self.divided(&inner);
                let body = self.block(&inner, depth - 1, indent + 1);
                self.loops -= 1;
                format!(
                    "var {name} = 0u;\n{pad}loop {{\n{pad}    if ({condition}) {{ break; }}\n{body}{pad}    continuing {{\n{pad}        {name} += 1u;\n{pad}        break if {name} > {}u;\n{pad}    }}\n{pad}}}",
                    1 + self.below(6)
                )
            }
        }
    }

    /// A module of so many functions, each of which calls the one before.
    pub fn module(&mut self, functions: u32) -> String {
        let mut text = String::from(HEAD);
        for number in 0..functions {
            let mut scope: Scope = Vec::new();
            for (name, ty, mutable) in [
                ("a", Type::I, true),
                ("b", Type::U, true),
                ("x", Type::F, true),
                ("t", Type::B, true),
                ("fuel", Type::U, true),
            ] {
                scope.push((name.into(), ty, mutable));
            }
            // A vector of every type, its components different.
            let mut vectors = String::new();
            for n in 2..=4 {
                for (scalar, letter, parts) in [
                    (Scalar::F, 'v', ["i.x", "i.y", "i.y - i.x", "1.5"]),
                    (Scalar::I, 'w', ["i.a", "3 - i.a", "i32(i.bits)", "i.a >> 2u"]),
                    (Scalar::U, 'k', ["i.b", "i.bits", "i.b >> 3u", "i.bits & 15u"]),
                ] {
                    let (name, ty) = (format!("{letter}{n}"), Type::V(n, scalar));
                    let _ = writeln!(vectors, "    var {name} = {}({});", ty.name(), parts[..n as usize].join(", "));
                    scope.push((name, ty, true));
                }
            }
            let call = match number {
                0 => String::new(),
                _ => format!("    a ^= f{}(i, &local);\n", number - 1),
            };
            let body = self.block(&scope, 3, 1);
            let tail = self.block(&scope, 2, 1);
            let _ = write!(
                text,
                "fn f{number}(i: Row, list: ptr<function, array<i32, 5>>) -> i32 {{
    let zero = i.zero;
    var a = i.a; var b = i.b; var x = i.x; var t = i.a > 0; var fuel = i.bits >> 5u;
    var big = array<i32, 9>(1, 20, i.a, 400, i32(i.b), 7, i.a * 3, 8, 9); var local = *list;
{vectors}    if ((i.bits & {}u) != 0u) {{
{body}    }}
{call}    if (!t || a > 5) {{
{tail}    }}
    note(u32(a));
    put(x + v3.y);
    for (var n = 0u; n < 9u; n++) {{ note(u32(big[n])); }}
    return a + i32(b) + w2.x + i32(k4.z) + local[2] + i32(fuel);
}}
",
                0xf << (3 * number)
            );
        }
        let _ = write!(
            text,
            "@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {{
    row = id.x;
    if (row >= {ROWS}u) {{ return; }}
    let i = rows[row];
    var list = array<i32, 5>(1, i.a, 3, 4, 5);
    for (var n = 0u; n < WIDTH; n++) {{ floats[row * WIDTH + n] = 0.0; }}
    words[row * 7u] = u32(f{}(i, &list));
    for (var n = 0u; n < 5u; n++) {{ words[row * 7u + 1u + n] = u32(list[n]); }}
    words[row * 7u + 6u] = counter;
}}
",
            functions - 1
        );
        text
    }
}

const HEAD: &str = "struct Row { a: i32, b: u32, x: f32, y: f32, zero: i32, bits: u32 }
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read_write> floats: array<f32>;
@group(0) @binding(2) var<storage, read_write> words: array<u32>;
const WIDTH = 8u;
var<private> row: u32;
var<private> at: u32;
var<private> counter: u32 = 1u;
fn put(x: f32) { floats[row * WIDTH + at] = x; at += 1u; }
// Everything that is computed is taken down, in the order in which it happens.
fn note(x: u32) { counter = (counter ^ x) * 16777619u + 1u; }
fn note_f(x: f32) { note(u32(i32(x * 16.0))); }
fn limit(x: f32) -> f32 { return clamp(x, -1000.0, 1000.0); }
";
