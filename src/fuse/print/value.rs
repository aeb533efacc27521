//! Expressions: how a node's value at one feature is read or computed.

use super::{Access, Expr, Kind, Printer, iteration, scalar_view};
use crate::fuse::FuseError;
use crate::fuse::homes::{Home, carried};
use crate::fuse::placement::Rows;
use crate::ir::{Binary, DrawKind, NodeId, Op, Unary};

impl Printer<'_> {
    /// `tile[...]` at a feature of a home.
    pub(super) fn tile(&self, base: u32, feature: &str) -> String {
        format!("tile[{}]", self.index(&format!("{base}u"), feature))
    }

    /// `scratch[...]` at a feature of this tile's part.
    pub(super) fn scratch(&self, base: &str, feature: &str) -> String {
        format!("scratch[scratch_base + {}]", self.index(base, feature))
    }

    fn index(&self, base: &str, feature: &str) -> String {
        let sum = match (base, feature) {
            ("0u", f) => f.to_string(),
            (b, "0u") => b.to_string(),
            (b, f) => format!("({b} + {f})"),
        };
        format!("{sum} * {}u + row_lane", self.shape.row_lanes)
    }

    /// Homes that evaluating a node reads, looking through what is computed in place.
    pub(super) fn reads(&self, id: NodeId, own: bool) -> Vec<Access> {
        if self.facts.inline(self.graph, id) {
            let operands = self.graph.node(id).op.operands();
            return operands.into_iter().flat_map(|o| self.reads(o, own)).collect();
        }
        let target = match &self.graph.node(id).op {
            Op::RepeatOut(repeat, k) => carried(self.graph, *repeat, *k).unwrap_or(id),
            _ => id,
        };
        let mut out = self.access(target, false, own && self.graph.width(id) > 1);
        if self.graph.width(id) == 1 && !matches!(self.graph.node(id).op, Op::Dense(_)) {
            out.clear(); // lives in a register of every invocation
        }
        out
    }

    /// Evaluate what no feature changes before a loop opens, so that the loop stays short.
    pub(super) fn hoist(&mut self, id: NodeId) {
        for operand in self.graph.node(id).op.operands() {
            let inline = self.facts.inline(self.graph, operand);
            if inline && self.graph.width(operand) == 1 {
                self.eval(operand, "0u");
            } else if inline {
                self.hoist(operand);
            } else if self.graph.width(operand) == 1 && self.homes.home.contains_key(&operand) {
                self.eval(operand, "0u");
            }
        }
    }

    /// A value at a feature: a name in scope, a load from its home, or computed in place.
    pub(super) fn eval(&mut self, id: NodeId, feature: &str) -> Expr {
        let single = self.graph.width(id) == 1;
        let key = (id, if single { String::new() } else { feature.to_string() });
        if let Some(found) = self.scopes.iter().rev().find_map(|s| s.get(&key)) {
            return found.clone();
        }
        let feature = if single { "0u" } else { feature };
        let value = match (self.facts.inline(self.graph, id), self.homes.home.get(&id).copied()) {
            (false, Some(Home::Tile(base))) => self.bind(id, Expr::rows(self.tile(base, feature))),
            (false, Some(Home::Scratch(base))) => {
                let place = self.scratch(&format!("{base}u"), feature);
                self.bind(id, Expr::rows(place))
            }
            _ => self.compute(id, feature),
        };
        self.remember(id, feature, value.clone());
        value
    }

    /// Give an expression a name.
    pub(super) fn bind(&mut self, id: NodeId, value: Expr) -> Expr {
        let mut name = self.name(id);
        while self.scopes.iter().any(|s| s.values().any(|e| e.text == name)) {
            name.push('_');
        }
        self.line(&format!("let {name} = {};", value.text));
        Expr { text: name, kind: value.kind }
    }

    /// Compute a node from its operands.
    pub(super) fn compute(&mut self, id: NodeId, f: &str) -> Expr {
        let op = self.graph.node(id).op.clone();
        match op {
            Op::Const(bits) => Expr::scalar(literal(f32::from_bits(bits))),
            Op::Uniform(u) => Expr::scalar(format!("args.{}", self.graph.uniforms[u.0 as usize].name)),
            Op::LoopIndex(l) => Expr::scalar(format!("f32({})", iteration(l))),
            Op::StopGradient(a) | Op::Broadcast(a) => self.eval(a, f),
            Op::Slice(a, start) => {
                let at = if f == "0u" { format!("{start}u") } else { format!("({f} + {start}u)") };
                let at = if start == 0 { f.to_string() } else { at };
                self.eval(a, &at)
            }
            Op::Input(i) => {
                let name = self.graph.inputs[i.0 as usize].name.clone();
                self.input(id, &name, f)
            }
            Op::Param(p) => {
                let name = self.graph.params[p.0 as usize].name.clone();
                self.element(id, &name, "0u", f)
            }
            Op::Gather(p, index) => {
                let name = self.graph.params[p.0 as usize].name.clone();
                let index = self.eval(index, "0u");
                match index.kind {
                    Kind::Scalar => self.element(id, &name, &format!("u32({})", index.text), f),
                    Kind::Rows => {
                        let at = |c: &str| format!("u32({}.{c})", index.text);
                        let parts = ["x", "y", "z", "w"].map(|c| self.element_text(&name, &at(c), f));
                        self.bind(id, Expr::rows(format!("vec4f({})", parts.join(", "))))
                    }
                }
            }
            Op::OneHot(index) => {
                let index = self.eval(index, "0u").wide();
                self.bind(id, Expr::rows(format!("select(vec4f(0.0), vec4f(1.0), vec4u({index}) == vec4u({f}))")))
            }
            Op::Draw { kind, stream } => {
                let function = match kind {
                    DrawKind::Normal => "normal4",
                    DrawKind::Uniform => "uniform4",
                };
                self.bind(id, Expr::rows(format!("{function}({stream}u, draw_step, draw_row, {f})")))
            }
            Op::Unary(function, a) => {
                let a = self.eval(a, f);
                let value = unary(function, &a);
                self.bind(id, value)
            }
            Op::Binary(function, a, b) => {
                let (a, b) = (self.eval(a, f), self.eval(b, f));
                self.bind(id, binary(function, &a, &b))
            }
            Op::Select(c, a, b) => {
                let (c, a, b) = (self.eval(c, f), self.eval(a, f), self.eval(b, f));
                let text = format!("select({}, {}, {} != vec4f(0.0))", b.wide(), a.wide(), c.wide());
                self.bind(id, Expr::rows(text))
            }
            Op::History(repeat, k, index) => {
                let index = self.eval(index, "0u");
                let record = carried(self.graph, repeat, k).and_then(|v| self.homes.record.get(&v).copied());
                match (record, index.kind) {
                    (Some(record), Kind::Scalar) => {
                        let base = format!("({}u + u32({}) * {}u)", record.feature, index.text, record.stride);
                        let place = self.scratch(&base, f);
                        self.bind(id, Expr::rows(place))
                    }
                    _ => self.unsupported(id),
                }
            }
            Op::LoopVar(..) | Op::RepeatOut(..) | Op::Dense(_) | Op::Concat(_) | Op::Sum(_) | Op::Repeat { .. } => {
                self.unsupported(id)
            }
        }
    }

    fn unsupported(&mut self, id: NodeId) -> Expr {
        let what = format!("{:?}", self.graph.node(id).op);
        self.error.get_or_insert(FuseError::Unsupported { graph: self.graph.name.clone(), what });
        Expr::rows("vec4f(0.0)")
    }

    /// Four rows of an input.
    fn input(&mut self, id: NodeId, name: &str, f: &str) -> Expr {
        let Some(rows) = self.placement.inputs.get(name).cloned() else {
            self.error.get_or_insert(FuseError::Unplaced { graph: self.graph.name.clone(), name: name.into() });
            return Expr::rows("vec4f(0.0)");
        };
        if rows == Rows::ROW_NUMBER {
            return self.bind(id, Expr::rows("vec4f(sample)"));
        }
        let written = self.scalar_buffers.get(&rows.buffer).copied().unwrap_or(false);
        self.scalar_buffers.insert(rows.buffer.clone(), written);
        let view = scalar_view(&rows.buffer);
        let part = |c: &str| format!("{view}[{}u + sample.{c} * {}u + {f}]", rows.offset, rows.pitch);
        self.bind(id, Expr::rows(format!("vec4f({}, {}, {}, {})", part("x"), part("y"), part("z"), part("w"))))
    }

    fn element(&mut self, id: NodeId, name: &str, row: &str, f: &str) -> Expr {
        let text = self.element_text(name, row, f);
        self.bind(id, Expr::scalar(text))
    }

    /// One element of a tensor through the scalar view of its buffer.
    fn element_text(&mut self, name: &str, row: &str, f: &str) -> String {
        let Some(tensor) = self.placement.params.get(name).cloned() else {
            self.error.get_or_insert(FuseError::Unplaced { graph: self.graph.name.clone(), name: name.into() });
            return "0.0".into();
        };
        let written = self.scalar_buffers.get(&tensor.buffer).copied().unwrap_or(false);
        self.scalar_buffers.insert(tensor.buffer.clone(), written);
        let row = if row == "0u" { String::new() } else { format!("{row} * {}u + ", tensor.ld) };
        format!("{}[{}u + {row}{f}]", scalar_view(&tensor.buffer), tensor.offset)
    }
}

fn unary(function: Unary, a: &Expr) -> Expr {
    let x = &a.text;
    let library = |name: &str| match a.kind {
        Kind::Rows => format!("{name}({x})"),
        Kind::Scalar => format!("{name}(vec4f({x})).x"),
    };
    let text = match function {
        Unary::Neg => format!("-{x}"),
        Unary::Exp => format!("exp({x})"),
        Unary::Log => format!("log({x})"),
        Unary::Sqrt => format!("sqrt({x})"),
        Unary::Recip => format!("1.0 / {x}"),
        Unary::Sin => format!("sin({x})"),
        Unary::Cos => format!("cos({x})"),
        Unary::Abs => format!("abs({x})"),
        Unary::Sign => format!("sign({x})"),
        Unary::Floor => format!("floor({x})"),
        Unary::Tanh => library("tanh4"),
        Unary::Relu => library("relu4"),
        Unary::Elu => library("elu4"),
        Unary::EluSlope => library("elu_slope4"),
        Unary::Silu => library("silu4"),
        Unary::SiluSlope => library("silu_slope4"),
        Unary::Mish => library("mish4"),
        Unary::MishSlope => library("mish_slope4"),
    };
    Expr { text, kind: a.kind }
}

fn binary(function: Binary, a: &Expr, b: &Expr) -> Expr {
    let kind = if a.kind == Kind::Rows || b.kind == Kind::Rows { Kind::Rows } else { Kind::Scalar };
    let (x, y) = match kind {
        Kind::Rows => (a.wide(), b.wide()),
        Kind::Scalar => (a.text.clone(), b.text.clone()),
    };
    let text = match function {
        Binary::Add => format!("{} + {}", a.text, b.text),
        Binary::Sub => format!("{} - {}", a.text, b.text),
        Binary::Mul => format!("{} * {}", a.text, b.text),
        Binary::Div => format!("{} / {}", a.text, b.text),
        Binary::Min => format!("min({x}, {y})"),
        Binary::Max => format!("max({x}, {y})"),
        Binary::Less if kind == Kind::Rows => format!("select(vec4f(0.0), vec4f(1.0), {x} < {y})"),
        Binary::Less => format!("select(0.0, 1.0, {x} < {y})"),
    };
    Expr { text, kind }
}

/// A float as WGSL reads it back exactly.
pub(super) fn literal(value: f32) -> String {
    if value < 0.0 { format!("({value:?}f)") } else { format!("{value:?}f") }
}
