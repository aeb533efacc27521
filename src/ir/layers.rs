//! Dense layers, shapes and look-ups of the builder.

use super::*;

/// Dense layers, shapes and look-ups.
impl Builder {
    /// `x W + b`, with `W: [width(x), n]` and `b: [1, n]`.
    #[track_caller]
    pub fn dense(&mut self, x: NodeId, w: ParamId, b: Option<ParamId>) -> NodeId {
        self.dense_terms(&[(x, self.view(w))], b)
    }

    /// `sum_k x_k W_k + b`: one layer whose input comes in parts.
    #[track_caller]
    pub fn dense_terms(&mut self, terms: &[(NodeId, View)], b: Option<ParamId>) -> NodeId {
        let terms = terms.iter().map(|&(x, weight)| Term { x, weight, transposed: false }).collect();
        self.dense_sum(Dense { terms, bias: b })
    }

    /// Any dense layer.
    #[track_caller]
    pub(super) fn dense_sum(&mut self, dense: Dense) -> NodeId {
        let Some(first) = dense.terms.first() else {
            return self.fail(1, "a dense layer without inputs".to_string());
        };
        let shape = |b: &Builder, t: &Term| match t.transposed {
            false => (t.weight.rows as usize, b.decl(t.weight.param).cols),
            true => (b.decl(t.weight.param).cols, t.weight.rows as usize),
        };
        let width = shape(self, first).1;
        for term in &dense.terms {
            let ((rows, cols), x) = (shape(self, term), self.width(term.x));
            let name = self.decl(term.weight.param).name;
            if x != rows {
                return self.fail(width, format!("dense: the input has width {x}, `{name}` expects {rows}"));
            }
            if cols != width {
                return self.fail(width, format!("dense: `{name}` gives width {cols}, the first term gives {width}"));
            }
        }
        let bias = dense.bias.map(|b| self.decl(b));
        if let Some(ParamDecl { name, rows, cols, .. }) = bias.filter(|b| (b.rows, b.cols) != (1, width)) {
            return self.fail(width, format!("dense: bias `{name}` is [{rows}, {cols}], expected [1, {width}]"));
        }
        self.make(Op::Dense(dense), width)
    }

    /// Values one after the other.
    #[track_caller]
    pub fn concat(&mut self, parts: &[NodeId]) -> NodeId {
        if parts.is_empty() {
            return self.fail(1, "concat of nothing".to_string());
        }
        let width = parts.iter().map(|&p| self.width(p)).sum();
        self.make(Op::Concat(parts.to_vec()), width)
    }

    /// `a[start .. start + width]`.
    #[track_caller]
    pub fn slice(&mut self, a: NodeId, start: usize, width: usize) -> NodeId {
        if width == 0 || start + width > self.width(a) {
            let message = format!("slice {start}..{} of a value of width {}", start + width, self.width(a));
            return self.fail(width, message);
        }
        self.make(Op::Slice(a, start as u32), width)
    }

    /// Sum over the width.
    #[track_caller]
    pub fn sum(&mut self, a: NodeId) -> NodeId {
        self.make(Op::Sum(a), 1)
    }

    /// A width-1 value repeated.
    #[track_caller]
    pub fn broadcast(&mut self, a: NodeId, width: usize) -> NodeId {
        if self.width(a) != 1 || width == 0 {
            return self.fail(width, format!("broadcast of width {} to width {width}", self.width(a)));
        }
        self.make(Op::Broadcast(a), width)
    }

    /// Row `index` of a tensor; the index is a width-1 value that holds an integer and gets no gradient.
    #[track_caller]
    pub fn gather(&mut self, p: ParamId, index: NodeId) -> NodeId {
        let decl = self.decl(p);
        if self.width(index) != 1 {
            let message = format!("gather from `{}`: the index has width {}, not 1", decl.name, self.width(index));
            return self.fail(decl.cols, message);
        }
        self.make(Op::Gather(p, index), decl.cols)
    }

    /// 1 at `index`, 0 elsewhere (everywhere, when the index is outside).
    #[track_caller]
    pub fn one_hot(&mut self, index: NodeId, width: usize) -> NodeId {
        if self.width(index) != 1 || width == 0 {
            return self.fail(width, format!("one_hot of width {width} with an index of width {}", self.width(index)));
        }
        self.make(Op::OneHot(index), width)
    }

    /// The value, treated as a constant by derivatives.
    #[track_caller]
    pub fn stop_gradient(&mut self, a: NodeId) -> NodeId {
        self.make(Op::StopGradient(a), self.width(a))
    }
}
