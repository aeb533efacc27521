//! What statements touch: barriers between them, and writes to homes, records and stores.

use super::{Access, Expr, Printer, iteration, scalar_view};
use crate::fuse::FuseError;
use crate::fuse::homes::Home;
use crate::ir::NodeId;

impl Printer<'_> {
    /// Emit the barrier that the accesses of the next statement need, then remember them.
    pub(super) fn sync(&mut self, accesses: &[Access]) {
        if self.shape.col_lanes == 1 {
            return;
        }
        let conflict = |a: &Access, b: &Access| {
            let overlap = a.scratch == b.scratch && a.base < b.base + b.width && b.base < a.base + a.width;
            overlap && (a.write || b.write) && !(a.own && b.own && a.base == b.base)
        };
        let hit = |scratch: bool, pending: &[Access]| {
            accesses.iter().filter(|a| a.scratch == scratch).any(|a| pending.iter().any(|b| conflict(a, b)))
        };
        let (tile, scratch) = (hit(false, &self.pending), hit(true, &self.pending));
        if tile || scratch {
            self.barrier(tile, scratch);
        }
        self.pending.extend_from_slice(accesses);
    }

    pub(super) fn barrier(&mut self, tile: bool, scratch: bool) {
        if tile {
            self.line("workgroupBarrier();");
            self.pending.retain(|a| a.scratch);
        }
        if scratch {
            self.line("storageBarrier();");
            self.pending.retain(|a| !a.scratch);
        }
    }

    /// The range of a node's home or record.
    pub(super) fn access(&self, id: NodeId, write: bool, own: bool) -> Vec<Access> {
        let width = self.graph.width(id) as u32;
        let mut out = Vec::new();
        match self.homes.home.get(&id) {
            Some(Home::Tile(base)) => out.push(Access { scratch: false, base: *base, width, write, own }),
            Some(Home::Scratch(base)) => out.push(Access { scratch: true, base: *base, width, write, own }),
            _ => {}
        }
        if write && let Some(record) = self.homes.record.get(&id) {
            let width = width * record.segments;
            out.push(Access { scratch: true, base: record.feature, width, write, own });
        }
        out
    }

    /// Write a value to its home, its record and the stores that want it. `shared`: every column lane has it.
    pub(super) fn save(&mut self, id: NodeId, value: &Expr, feature: &str, shared: bool) {
        let lanes = self.shape.col_lanes;
        let mut lines = Vec::new();
        match self.homes.home.get(&id) {
            Some(Home::Tile(base)) => lines.push(format!("{} = {};", self.tile(*base, feature), value.wide())),
            Some(Home::Scratch(base)) if self.homes.record.get(&id).is_none_or(|r| r.feature != *base) => {
                lines.push(format!("{} = {};", self.scratch(&format!("{base}u"), feature), value.wide()))
            }
            _ => {}
        }
        lines.extend(self.record_line(id, &value.wide(), feature));
        lines.extend(self.store_lines(id, &value.wide(), feature));
        if lines.is_empty() {
            return;
        }
        let guard = shared && lanes > 1;
        if guard {
            let owner =
                if feature == "0u" { "col_lane == 0u".into() } else { format!("{feature} % {lanes}u == col_lane") };
            self.open(&format!("if ({owner})"));
        }
        for line in lines {
            self.line(&line);
        }
        if guard {
            self.close();
        }
    }

    /// The statement that writes a record, with rows beyond the batch set to zero where that matters.
    pub(super) fn record_line(&self, id: NodeId, value: &str, feature: &str) -> Option<String> {
        let record = self.homes.record.get(&id)?;
        let base = match self.facts.context[id.0 as usize] {
            Some(id) if record.segments > 1 => {
                format!("({}u + {} * {}u)", record.feature, iteration(id), record.stride)
            }
            _ => format!("{}u", record.feature),
        };
        let value = if record.masked { format!("select(vec4f(0.0), {value}, valid)") } else { value.to_string() };
        Some(format!("{} = {value};", self.scratch(&base, feature)))
    }

    pub(super) fn store_lines(&mut self, id: NodeId, value: &str, feature: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for store in self.stores.get(&id).cloned().unwrap_or_default() {
            let name = &self.graph.stores[store].name;
            let Some(rows) = self.placement.stores.get(name).cloned() else {
                self.error.get_or_insert(FuseError::Unplaced { graph: self.graph.name.clone(), name: name.clone() });
                continue;
            };
            self.scalar_buffers.insert(rows.buffer.clone(), true);
            for c in ["x", "y", "z", "w"] {
                lines.push(format!(
                    "if (valid.{c}) {{ {}[{}u + sample.{c} * {}u + {feature}] = ({value}).{c}; }}",
                    scalar_view(&rows.buffer),
                    rows.offset,
                    rows.pitch
                ));
            }
        }
        lines
    }
}
