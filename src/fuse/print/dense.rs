//! Dense layers: every invocation accumulates 4 rows x a few columns in registers.

use super::{Access, Printer};
use crate::fuse::FuseError;
use crate::fuse::homes::Home;
use crate::fuse::placement::Tensor;
use crate::ir::{NodeId, Op, ParamId, Term};

impl Printer<'_> {
    /// `y = sum_k x_k W_k + b`.
    pub(super) fn dense(&mut self, id: NodeId) {
        let Op::Dense(dense) = self.graph.node(id).op.clone() else { return };
        let width = self.graph.width(id) as u32;
        let columns = if width <= 4 { 4 } else { self.shape.columns };
        let lanes = self.shape.col_lanes;
        let single = width <= columns * lanes;
        // Operands come from memory even where other readers have them in a register.
        let reads: Vec<Access> = dense.terms.iter().flat_map(|t| self.access(t.x, false, false)).collect();
        let writes = self.access(id, true, false);
        let inputs: Vec<String> = dense.terms.iter().map(|t| self.describe(t)).collect();
        let bias = dense.bias.map(|b| format!(" + {}", self.graph.params[b.0 as usize].name)).unwrap_or_default();
        self.line(&format!("// {} [rows, {width}] = {}{bias}", self.name(id), inputs.join(" + ")));
        // In place: all columns are in registers before the first is written.
        let overlaps = |w: &Access| {
            reads.iter().any(|r| r.scratch == w.scratch && r.base < w.base + w.width && w.base < r.base + r.width)
        };
        let in_place = lanes > 1 && writes.iter().any(overlaps);
        if in_place {
            self.sync(&reads);
        } else {
            self.sync(&[reads.clone(), writes.clone()].concat());
        }
        let last = (width - 1) / columns * columns;
        match (single, lanes) {
            (true, 1) => {
                self.open("");
                self.line("let c = 0u;");
            }
            (true, _) => {
                self.open("");
                self.line(&format!("let c = min(col_lane * {columns}u, {last}u);"));
            }
            (false, 1) => self.open_loop("c", "0u", width, columns),
            // Uniform bounds: every column lane makes the same number of rounds.
            (false, _) => {
                self.open_loop("round", "0u", width.div_ceil(columns * lanes), 1);
                self.line(&format!("let c = min((round * {lanes}u + col_lane) * {columns}u, {last}u);"));
            }
        }
        let rounds = u64::from(width.div_ceil(columns * lanes));
        self.repeats *= rounds;
        self.accumulators(dense.bias, columns);
        for term in &dense.terms {
            self.term(term, width, columns);
        }
        if in_place {
            self.barrier(true, true);
            self.pending.extend_from_slice(&writes);
        }
        // Column lanes past the end repeat the last columns and must not write them.
        let idle = lanes > 1 && width.div_ceil(columns) % lanes != 0;
        if idle {
            let column = if single { "col_lane".to_string() } else { format!("round * {lanes}u + col_lane") };
            self.open(&format!("if ({column} < {}u)", width.div_ceil(columns)));
        }
        self.columns_out(id, width, columns);
        if idle {
            self.close();
        }
        self.close();
        self.repeats /= rounds;
    }

    fn describe(&self, term: &Term) -> String {
        let weight = &self.graph.params[term.weight.param.0 as usize];
        let mut name = weight.name.clone();
        if term.weight.rows as usize != weight.rows {
            name = format!("{name}[{}..{}]", term.weight.row0, term.weight.row0 + term.weight.rows);
        }
        let transpose = if term.transposed { "ᵀ" } else { "" };
        format!("{} [{}] · {name}{transpose}", self.name(term.x), self.graph.width(term.x))
    }

    fn accumulators(&mut self, bias: Option<ParamId>, columns: u32) {
        let tensor = bias.and_then(|param| self.tensor(param, columns));
        for quad in 0..columns / 4 {
            if let Some(tensor) = &tensor {
                let at = format!("(c + {}u) / 4u", tensor.offset + 4 * quad);
                self.line(&format!("let b{quad} = {}[{at}];", tensor.buffer));
            }
            for (lane, c) in ["x", "y", "z", "w"].iter().enumerate() {
                let start = if tensor.is_some() { format!("vec4f(b{quad}.{c})") } else { "vec4f(0.0)".into() };
                self.line(&format!("var a{} = {start};", 4 * quad as usize + lane));
            }
        }
    }

    /// Where a tensor is, of which columns are read in groups of `columns`, the last one perhaps beyond the end.
    fn tensor(&mut self, param: ParamId, columns: u32) -> Option<Tensor> {
        let param = &self.graph.params[param.0 as usize];
        let Some(tensor) = self.placement.params.get(&param.name).cloned() else {
            let (graph, name) = (self.graph.name.clone(), param.name.clone());
            self.error.get_or_insert(FuseError::Unplaced { graph, name });
            return None;
        };
        let end = tensor.offset + (param.rows as u32 - 1) * tensor.ld + (param.cols as u32).next_multiple_of(columns);
        let vectors = self.vector_buffers.entry(tensor.buffer.clone()).or_default();
        *vectors = end.div_ceil(4).max(*vectors);
        Some(tensor)
    }

    fn operand(&mut self, x: NodeId, feature: &str) -> String {
        match self.homes.home.get(&x).copied() {
            Some(Home::Tile(base)) => self.tile(base, feature),
            Some(Home::Scratch(base)) => self.scratch(&format!("{base}u"), feature),
            _ => {
                let what = format!("operand {} of a dense layer has no home", self.name(x));
                self.error.get_or_insert(FuseError::Unsupported { graph: self.graph.name.clone(), what });
                "vec4f(0.0)".into()
            }
        }
    }

    fn term(&mut self, term: &Term, width: u32, columns: u32) {
        let Some(tensor) = self.tensor(term.weight.param, columns) else { return };
        let first = tensor.offset + term.weight.row0 * tensor.ld;
        if term.transposed {
            self.backward_term(term, &tensor, first, width, columns)
        } else {
            self.forward_term(term, &tensor, first, columns)
        }
    }

    /// `a_j += x_k W[k, c + j]`, four inputs `k` at a time.
    fn forward_term(&mut self, term: &Term, tensor: &Tensor, first: u32, columns: u32) {
        self.quads(term, |p, k, count| {
            for i in 0..count {
                let at = if i == 0 { k.to_string() } else { format!("({k} + {i}u)") };
                let x = p.operand(term.x, &at);
                p.line(&format!("let x{i} = {x};"));
                for quad in 0..columns / 4 {
                    let word = first + i * tensor.ld + 4 * quad;
                    p.line(&format!("let w{i}{quad} = {}[({word}u + {k} * {}u + c) / 4u];", tensor.buffer, tensor.ld));
                }
            }
            for column in 0..columns {
                let c = ["x", "y", "z", "w"][column as usize % 4];
                let mut sum = format!("a{column}");
                for i in 0..count {
                    sum = format!("fma(x{i}, vec4f(w{i}{}.{c}), {sum})", column / 4);
                }
                p.line(&format!("a{column} = {sum};"));
            }
        });
    }

    /// A loop over the inputs of a term in groups of four, and what is left over.
    fn quads(&mut self, term: &Term, inner: impl Fn(&mut Self, &str, u32)) {
        let inputs = self.graph.width(term.x) as u32;
        let whole = inputs / 4 * 4;
        if whole > 0 {
            self.open_loop("k", "0u", whole, 4);
            inner(self, "k", 4);
            self.close();
        }
        if inputs > whole {
            self.open("");
            inner(self, &format!("{whole}u"), inputs - whole);
            self.close();
        }
    }

    /// `a_i += dy_j W[c + i, j]`, four inputs `j` at a time.
    fn backward_term(&mut self, term: &Term, tensor: &Tensor, first: u32, width: u32, columns: u32) {
        self.quads(term, |p, k, count| p.quad(term, tensor, first, (width, columns), k, count));
    }

    fn quad(&mut self, term: &Term, tensor: &Tensor, first: u32, (width, columns): (u32, u32), k: &str, count: u32) {
        for j in 0..count {
            let feature = if j == 0 { k.to_string() } else { format!("({k} + {j}u)") };
            let x = self.operand(term.x, &feature);
            self.line(&format!("let x{j} = {x};"));
        }
        for column in 0..columns {
            // Columns past the end repeat the last row of W; nobody reads them.
            let row = match width % columns {
                0 => format!("c + {column}u"),
                _ => format!("min(c + {column}u, {}u)", width - 1),
            };
            self.line(&format!("let w{column} = {}[({first}u + ({row}) * {}u + {k}) / 4u];", tensor.buffer, tensor.ld));
        }
        for column in 0..columns {
            let mut sum = format!("a{column}");
            for j in 0..count {
                let c = ["x", "y", "z", "w"][j as usize];
                sum = format!("fma(x{j}, vec4f(w{column}.{c}), {sum})");
            }
            self.line(&format!("a{column} = {sum};"));
        }
    }

    /// Write the accumulated columns wherever the value lives.
    fn columns_out(&mut self, id: NodeId, width: u32, columns: u32) {
        for column in 0..columns.min(width) {
            let feature = if column == 0 { "c".to_string() } else { format!("(c + {column}u)") };
            let value = format!("a{column}");
            let mut lines = Vec::new();
            match self.homes.home.get(&id).copied() {
                Some(Home::Tile(base)) => lines.push(format!("{} = {value};", self.tile(base, &feature))),
                Some(Home::Scratch(base)) if self.homes.record.get(&id).is_none_or(|r| r.feature != base) => {
                    lines.push(format!("{} = {value};", self.scratch(&format!("{base}u"), &feature)))
                }
                _ => {}
            }
            lines.extend(self.record_line(id, &value, &feature));
            lines.extend(self.store_lines(id, &value, &feature));
            let tail = !width.is_multiple_of(columns) && column >= width % columns;
            if tail && !lines.is_empty() {
                self.open(&format!("if (c + {column}u < {width}u)"));
            }
            lines.iter().for_each(|l| self.line(l));
            if tail && !lines.is_empty() {
                self.close();
            }
        }
    }
}
