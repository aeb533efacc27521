//! Loops: carried values move from their initial values through the iterations to whoever reads the result.

use super::{Expr, Printer, iteration};
use crate::fuse::homes::{Home, carried};
use crate::fuse::schedule::Stmt;
use crate::ir::{NodeId, Op};

impl Printer<'_> {
    /// A loop with carried values in homes or `var`s.
    pub(super) fn repeat(&mut self, node: NodeId, body: &[Stmt]) {
        let Op::Repeat { id, count, init, next } = self.graph.node(node).op.clone() else { return };
        let mut moves = Vec::new();
        for (k, (init, next)) in init.iter().zip(&next).enumerate() {
            if let Some(var) = carried(self.graph, node, k as u32) {
                moves.push((var, *init, *next));
            }
        }
        for &(var, init, _) in &moves {
            self.assign(var, init, true);
        }
        self.fence();
        let i = iteration(id);
        self.open_loop(&i, "0u", count, 1);
        self.repeats *= u64::from(count);
        for &(var, ..) in &moves {
            if let Some(record) = self.homes.record.get(&var).copied() {
                let width = self.graph.width(var) as u32;
                self.line(&format!(
                    "// history of {} for the way back, segment stride {}",
                    self.name(var),
                    record.stride
                ));
                self.copy_loop(var, width, |p, value, f| p.record_line(var, value, f));
            }
        }
        self.stmts(body);
        self.fence();
        for &(var, _, next) in &moves {
            self.assign(var, next, false);
        }
        self.fence();
        self.close();
        self.repeats /= u64::from(count.max(1));
        // Results are read through the carried values.
        for (index, other) in self.graph.nodes.iter().enumerate() {
            if let Op::RepeatOut(repeat, k) = other.op
                && repeat == node
                && let Some(var) = carried(self.graph, node, k)
                && self.homes.home.get(&var) == Some(&Home::Register)
            {
                let value = Expr::rows(format!("{}_var", self.name(var)));
                self.remember(NodeId(index as u32), "", value);
            }
        }
    }

    /// A barrier for everything that is pending.
    pub(super) fn fence(&mut self) {
        if self.shape.col_lanes > 1 {
            self.barrier(true, self.homes.scratch_features > 0);
        }
    }

    pub(super) fn copy_loop(
        &mut self,
        from: NodeId,
        width: u32,
        line: impl Fn(&mut Self, &str, &str) -> Option<String>,
    ) {
        if width == 1 {
            let value = self.eval(from, "0u").wide();
            if let Some(text) = line(self, &value, "0u") {
                self.line(&text);
            }
            return;
        }
        self.hoist(from);
        self.feature_loop(width, self.shape.col_lanes, |p| {
            let value = p.eval(from, "f").wide();
            if let Some(text) = line(p, &value, "f") {
                p.line(&text);
            }
        });
    }

    /// `var = value`, before the loop (`declare`) or at the end of an iteration.
    pub(super) fn assign(&mut self, var: NodeId, value: NodeId, declare: bool) {
        let width = self.graph.width(var) as u32;
        let own = self.access(var, true, false);
        let mut accesses = self.reads(value, false);
        accesses.extend(
            own.into_iter().filter(|a| !a.scratch || matches!(self.homes.home.get(&var), Some(Home::Scratch(_)))),
        );
        self.sync(&accesses);
        match self.homes.home.get(&var).copied() {
            Some(Home::Register) => {
                let text = self.eval(value, "0u").wide();
                let name = format!("{}_var", self.name(var));
                if declare {
                    self.line(&format!("var {name} = {text};"));
                    self.remember(var, "", Expr::rows(name));
                } else {
                    self.line(&format!("{name} = {text};"));
                }
            }
            Some(Home::Tile(base)) => {
                self.line(&format!("// carry {} <- {}", self.name(var), self.name(value)));
                self.copy_loop(value, width, |p, v, f| Some(format!("{} = {v};", p.tile(base, f))));
            }
            Some(Home::Scratch(base)) => {
                self.line(&format!("// carry {} <- {}", self.name(var), self.name(value)));
                self.copy_loop(value, width, |p, v, f| Some(format!("{} = {v};", p.scratch(&format!("{base}u"), f))));
            }
            None => {}
        }
    }
}
