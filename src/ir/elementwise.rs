//! Elementwise functions of the builder. A width-1 operand is broadcast to the width of the other.

use super::*;

macro_rules! unary_methods {
    ($($name:ident = $f:ident, $doc:literal;)*) => {
        /// Functions of one value.
        impl Builder {
            $(#[doc = $doc] #[track_caller]
            pub fn $name(&mut self, a: NodeId) -> NodeId {
                self.unary(Unary::$f, a)
            })*
        }
    };
}

macro_rules! binary_methods {
    ($($name:ident = $f:ident, $doc:literal;)*) => {
        /// Functions of two values.
        impl Builder {
            $(#[doc = $doc] #[track_caller]
            pub fn $name(&mut self, a: NodeId, b: NodeId) -> NodeId {
                self.binary(Binary::$f, a, b)
            })*
        }
    };
}

unary_methods! {
    neg = Neg, "`-a`";
    exp = Exp, "`e^a`";
    log = Log, "Natural logarithm.";
    sqrt = Sqrt, "Square root.";
    recip = Recip, "`1 / a`";
    sin = Sin, "Sine.";
    cos = Cos, "Cosine.";
    tanh = Tanh, "Hyperbolic tangent.";
    abs = Abs, "Absolute value; its derivative at 0 is 0.";
    sign = Sign, "-1, 0 or 1; its derivative is 0.";
    floor = Floor, "Largest integer not above `a`; its derivative is 0.";
    relu = Relu, "`max(a, 0)`; its derivative at 0 is 0.";
    elu = Elu, "`a > 0 ? a : e^a - 1`";
    silu = Silu, "`a / (1 + e^-a)`";
    mish = Mish, "`a tanh(ln(1 + e^a))`";
}

binary_methods! {
    add = Add, "`a + b`";
    sub = Sub, "`a - b`";
    mul = Mul, "`a * b`";
    div = Div, "`a / b`";
    min = Min, "The smaller; in a tie the whole derivative goes to `a`.";
    max = Max, "The larger; in a tie the whole derivative goes to `a`.";
    less = Less, "`a < b ? 1 : 0`; its derivative is 0.";
}

impl Builder {
    /// `f(a)`.
    #[track_caller]
    pub fn unary(&mut self, f: Unary, a: NodeId) -> NodeId {
        self.make(Op::Unary(f, a), self.width(a))
    }

    /// `f(a, b)`.
    #[track_caller]
    pub fn binary(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        let width = self.width(a).max(self.width(b));
        let (wa, wb) = (self.width(a), self.width(b));
        match (self.widen(a, width), self.widen(b, width)) {
            (Some(a), Some(b)) => self.make(Op::Binary(f, a, b), width),
            _ => self.fail(width, format!("{f:?} of the widths {wa} and {wb}, which must be equal, or one of them 1")),
        }
    }

    /// `c != 0 ? a : b`; the condition gets no derivative.
    #[track_caller]
    pub fn select(&mut self, c: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let [wc, wa, wb] = [c, a, b].map(|n| self.width(n));
        let width = wc.max(wa).max(wb);
        match (self.widen(c, width), self.widen(a, width), self.widen(b, width)) {
            (Some(c), Some(a), Some(b)) => self.make(Op::Select(c, a, b), width),
            _ => self.fail(width, format!("select of the widths {wc}, {wa} and {wb}, which must be equal, or 1")),
        }
    }

    /// `a * a`.
    #[track_caller]
    pub fn square(&mut self, a: NodeId) -> NodeId {
        self.mul(a, a)
    }

    /// `a * v`.
    #[track_caller]
    pub fn scale(&mut self, a: NodeId, v: f32) -> NodeId {
        let v = self.constant(v);
        self.mul(a, v)
    }

    /// `a + v`.
    #[track_caller]
    pub fn offset(&mut self, a: NodeId, v: f32) -> NodeId {
        let v = self.constant(v);
        self.add(a, v)
    }

    /// `a` limited to `[lo, hi]`; the derivative passes inside and at the limits, as `torch.clamp` does.
    #[track_caller]
    pub fn clamp(&mut self, a: NodeId, lo: f32, hi: f32) -> NodeId {
        if lo.is_nan() || hi.is_nan() || lo > hi {
            return self.fail(self.width(a), format!("clamp to the empty range [{lo}, {hi}]"));
        }
        let (lo, hi) = (self.constant(lo), self.constant(hi));
        let raised = self.max(a, lo);
        self.min(raised, hi)
    }

    fn widen(&mut self, a: NodeId, width: usize) -> Option<NodeId> {
        match self.width(a) {
            w if w == width => Some(a),
            1 => Some(self.broadcast(a, width)),
            _ => None,
        }
    }
}
