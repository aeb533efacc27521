//! From a graph to a [`Plan`]: every node once, in order, into the block of the loop that it belongs to.

use std::collections::{HashMap, HashSet};

use super::TileTwin;
use super::fusion::{Absorb, Fusion};
use super::map::{Function, ROWS};
use super::plan::*;
use super::slots;
use crate::fuse::Rows;
use crate::fuse::schedule::Facts;
use crate::ir::{LoopId, NodeId, Op, ParamId, Sink};
use crate::simd::Isa;

/// The builder's state.
pub(super) struct Build<'a> {
    pub twin: &'a TileTwin,
    pub isa: Isa,
    pub facts: Facts,
    pub fusion: Fusion,
    /// Where a node's value is found.
    values: Vec<Option<Operand>>,
    /// Where a node's value is to be written.
    places: HashMap<NodeId, Place>,
    carried: HashMap<(LoopId, u32), Place>,
    blocks: HashMap<Option<LoopId>, Vec<Instr>>,
    stores: HashMap<NodeId, Vec<usize>>,
    /// Features of the slots.
    slots: Vec<usize>,
    /// Slopes that came with their activation.
    done: HashSet<NodeId>,
    plan: Plan,
}

/// The plan of a twin for an instruction set; an error says what has none.
pub fn plan(twin: &TileTwin, isa: Isa) -> Result<Plan, String> {
    let graph = &twin.graph;
    let facts = Facts::new(graph).map_err(|error| error.to_string())?;
    let mut stores: HashMap<NodeId, Vec<usize>> = HashMap::new();
    for sink in &graph.sinks {
        if let Sink::Store { store, value } = sink {
            stores.entry(*value).or_default().push(*store);
        }
    }
    let fusion = Fusion::new(twin, &facts, &stores);
    let plan = Plan { needed: vec![0; twin.bindings.len()], ..Plan::default() };
    let values = vec![None; graph.nodes.len()];
    let (places, carried, blocks, slots, done) = Default::default();
    let mut build = Build { twin, isa, facts, fusion, values, places, carried, blocks, stores, slots, done, plan };
    for index in 0..graph.nodes.len() {
        let id = NodeId(index as u32);
        if !build.fusion.absorbed.contains(&id) && !build.done.contains(&id) {
            build.node(id)?;
            build.sinks(id)?;
        }
    }
    let mut plan = build.plan;
    plan.instrs = build.blocks.remove(&None).unwrap_or_default();
    let first_slot = BUFFERS + twin.bindings.len();
    // Behind the scalars one vector's worth of room, since slices of them are read in whole tiles.
    plan.scalars.resize(plan.scalars.len().next_multiple_of(ROWS) + ROWS, 0.0);
    (plan.slots, plan.arena) = slots::allocate(&plan.instrs, &build.slots, first_slot, plan.scalars.len());
    plan.masked = masked(twin);
    Ok(plan)
}

/// Masked records as (first word, features).
fn masked(twin: &TileTwin) -> Vec<Masked> {
    let mut out = Vec::new();
    for (node, record) in twin.records.iter().filter(|(_, record)| record.masked) {
        let width = twin.graph.width(*node);
        let first = |segment: u32| (record.feature + segment * record.stride) as usize * ROWS;
        out.extend((0..record.segments).map(|segment| (first(segment), width)));
    }
    out.sort();
    out
}

impl Build<'_> {
    fn node(&mut self, id: NodeId) -> Result<(), String> {
        let twin = self.twin;
        let node = twin.graph.node(id);
        let width = node.width;
        let invariant = self.facts.invariant[id.0 as usize];
        match &node.op {
            Op::StopGradient(a) => self.alias(id, self.value(*a)?),
            Op::Slice(a, start) => self.alias(id, self.value(*a)?.from(*start as usize)),
            Op::Broadcast(a) => self.alias(id, Operand { step: 0, ..self.value(*a)? }),
            Op::RepeatOut(repeat, k) => {
                let Op::Repeat { id: own, .. } = &twin.graph.node(*repeat).op else { return Ok(()) };
                let place = self.carry(*own, *k, width);
                self.alias(id, Operand::rows(place));
            }
            Op::LoopVar(own, k) => {
                let place = self.carry(*own, *k, width);
                self.alias(id, Operand::rows(place));
            }
            Op::Const(bits) => {
                let place = self.scalars(1, f32::from_bits(*bits));
                self.alias(id, Operand { place, step: 0, scalar: true });
            }
            Op::Uniform(u) => {
                let out = self.scalar(id);
                self.emit(id, Instr::Uniform { number: u.0 as usize, out });
            }
            Op::LoopIndex(_) => {
                let out = self.scalar(id);
                self.emit(id, Instr::Iteration { out });
            }
            Op::Param(p) => self.row(id, *p, None)?,
            Op::Gather(p, index) if invariant => {
                let index = self.value(*index)?.place;
                self.row(id, *p, Some(index))?;
            }
            Op::Gather(p, index) => {
                let index = self.tile(*index, id)?;
                let (table, ld) = self.tensor(*p)?;
                let count = twin.graph.params[p.0 as usize].rows;
                let out = self.out(id);
                self.emit(id, Instr::Gather { table, ld, count, index, out, width });
            }
            Op::Input(i) => {
                let name = &twin.graph.inputs[i.0 as usize].name;
                let rows = twin.placement.inputs.get(name).ok_or_else(|| unplaced(name))?;
                let from = if *rows == Rows::ROW_NUMBER { None } else { Some(self.access(rows, width)?) };
                let out = self.out(id);
                self.emit(id, Instr::Input { from, out, width });
            }
            Op::Draw { kind, stream } => {
                let out = self.out(id);
                self.emit(id, Instr::Draw { kind: *kind, stream: *stream, out, width });
            }
            Op::OneHot(index) => {
                let numbers = Operand { place: self.numbers(width), step: 1, scalar: true };
                let index = Operand { step: 0, ..self.value(*index)? };
                self.map(id, Function::Same, &[index, numbers], width);
            }
            Op::Unary(f, a) => {
                let a = self.value(*a)?;
                match self.fusion.pairs.get(&id).copied() {
                    Some((function, slope)) if !invariant => {
                        let (out, second) = (self.out(id), Some(self.out(slope)));
                        self.emit(id, self.instr(function, out, second, &[a], width));
                        self.done.insert(slope);
                        self.sinks(slope)?;
                    }
                    _ => self.map(id, Function::Unary(*f), &[a], width),
                }
            }
            Op::Binary(f, a, b) => match self.fusion.binaries.get(&id).cloned() {
                Some(Absorb::Dense { dense, bias, add }) => self.dense(id, dense, bias, &add, None)?,
                Some(Absorb::Scale { dense, by }) => self.dense(id, dense, None, &[], Some(by))?,
                Some(Absorb::Product { function, factors, rest }) => {
                    let operands = [self.value(factors[0])?, self.value(factors[1])?, self.value(rest)?];
                    self.map(id, function, &operands, width);
                }
                None => {
                    let operands = [self.value(*a)?, self.value(*b)?];
                    self.map(id, Function::Binary(*f), &operands, width);
                }
            },
            Op::Select(c, a, b) => {
                let operands = [self.value(*c)?, self.value(*a)?, self.value(*b)?];
                self.map(id, Function::Select, &operands, width);
            }
            Op::Sum(a) => {
                let (out, operand) = (self.out(id), self.value(*a)?);
                self.emit(id, self.instr(Function::Sum, out, None, &[operand], twin.graph.width(*a)));
            }
            Op::Concat(parts) => self.concat(id, parts)?,
            Op::Dense(_) => self.dense(id, id, None, &[], None)?,
            Op::History(repeat, k, index) => {
                let record = crate::fuse::homes::carried(&twin.graph, *repeat, *k).and_then(|v| twin.records.get(&v));
                let (Some(record), true) = (record, self.facts.invariant[index.0 as usize]) else {
                    return Err(format!("graph `{}`: a history has no record or a row's own index", twin.graph.name));
                };
                let index = self.value(*index)?.place;
                let out = self.out(id);
                let place = Place { base: SCRATCH, offset: record.feature as usize * ROWS, stride: 0 };
                let (stride, count) = (record.stride as usize * ROWS, record.segments as usize);
                self.emit(id, Instr::History { record: place, stride, count, index, out, width });
            }
            Op::Repeat { id: own, count, init, next } => self.repeat(id, *own, *count, init, next)?,
        }
        Ok(())
    }

    fn repeat(&mut self, id: NodeId, own: LoopId, count: u32, init: &[NodeId], next: &[NodeId]) -> Result<(), String> {
        let graph = &self.twin.graph;
        let widths: Vec<usize> = init.iter().map(|n| graph.width(*n)).collect();
        let vars: Vec<Place> = (0..).zip(&widths).map(|(k, width)| self.carry(own, k, *width)).collect();
        for (k, var) in vars.iter().enumerate() {
            let from = self.value(init[k])?;
            let copy = self.instr(Function::Copy, *var, None, &[from], widths[k]);
            self.block(id).push(copy);
        }
        let mut body = self.blocks.remove(&Some(own)).unwrap_or_default();
        // A next value that is itself carried is saved before anything moves.
        let mut moves = Vec::new();
        for (k, var) in vars.iter().enumerate() {
            let mut from = self.value(next[k])?;
            if vars.iter().any(|v| v.base == from.place.base) {
                let saved = self.slot(widths[k]);
                body.push(self.instr(Function::Copy, saved, None, &[from], widths[k]));
                from = Operand::rows(saved);
            }
            moves.push(self.instr(Function::Copy, *var, None, &[from], widths[k]));
        }
        body.append(&mut moves);
        self.block(id).push(Instr::Loop { count: count as usize, body });
        Ok(())
    }

    fn concat(&mut self, id: NodeId, parts: &[NodeId]) -> Result<(), String> {
        let out = self.out(id);
        let mut at = 0;
        for (number, part) in parts.iter().enumerate() {
            let width = self.twin.graph.width(*part);
            if self.fusion.homes.get(part) != Some(&(id, at, number)) {
                let from = self.value(*part)?;
                let to = Place { offset: out.offset + at * ROWS, ..out };
                self.emit(id, self.instr(Function::Copy, to, None, &[from], width));
            }
            at += width;
        }
        Ok(())
    }

    /// A dense layer whose result, with what is added and multiplied, is the value of `id`.
    fn dense(
        &mut self,
        id: NodeId,
        dense: NodeId,
        row: Option<NodeId>,
        add: &[NodeId],
        scale: Option<NodeId>,
    ) -> Result<(), String> {
        let graph = &self.twin.graph;
        let Op::Dense(layer) = &graph.node(dense).op else { return Ok(()) };
        let mut products = Vec::new();
        for term in &layer.terms {
            let x = self.tile(term.x, id)?;
            let (w, ld) = self.tensor(term.weight.param)?;
            let w = Place { offset: w.offset + term.weight.row0 as usize * ld, ..w };
            let (ldi, ldj) = if term.transposed { (1, ld) } else { (ld, 1) };
            products.push(Product { x, inputs: graph.width(term.x), w, ldi, ldj });
        }
        let mut bias = layer.bias.map(|b| self.tensor(b)).transpose()?.map(|(place, _)| place);
        if let Some(row) = row {
            bias = Some(self.value(row)?.place);
        }
        let mut tiles = [None; 2];
        for (tile, node) in tiles.iter_mut().zip(add) {
            *tile = Some(self.tile(*node, id)?);
        }
        let scale = scale.map(|by| self.tile(by, id)).transpose()?;
        let out = self.out(id);
        self.emit(id, Instr::Dense { out, outputs: graph.width(dense), bias, add: tiles, scale, products });
        Ok(())
    }

    /// An elementwise node; one that no row changes is computed once, with its features as lanes.
    fn map(&mut self, id: NodeId, function: Function, operands: &[Operand], width: usize) {
        if !self.facts.invariant[id.0 as usize] {
            let out = self.out(id);
            return self.emit(id, self.instr(function, out, None, operands, width));
        }
        let out = self.scalar(id);
        let lanes = |o: &Operand| match o.step {
            0 => *o,
            _ => Operand::rows(o.place),
        };
        let operands: Vec<Operand> = operands.iter().map(lanes).collect();
        self.emit(id, self.instr(function, out, None, &operands, width.div_ceil(ROWS)));
    }

    fn instr(&self, function: Function, out: Place, second: Option<Place>, list: &[Operand], features: usize) -> Instr {
        let mut operands = [list[0]; 3];
        operands[..list.len()].copy_from_slice(list);
        let kernel = function.pick(self.isa);
        Instr::Map { kernel, out, second, operands, count: list.len(), features }
    }

    /// Words of a tensor's row, the same for all rows.
    fn row(&mut self, id: NodeId, param: ParamId, index: Option<Place>) -> Result<(), String> {
        let (table, ld) = self.tensor(param)?;
        let (count, width) = (self.twin.graph.params[param.0 as usize].rows, self.twin.graph.width(id));
        let out = self.scalar(id);
        self.emit(id, Instr::Row { table, ld, count, index, out, width });
        Ok(())
    }

    /// Copies and stores that the graph's sinks ask for.
    fn sinks(&mut self, id: NodeId) -> Result<(), String> {
        let twin = self.twin;
        let width = twin.graph.width(id);
        if twin.records.contains_key(&id) && !self.places.contains_key(&id) {
            let (from, to) = (self.value(id)?, self.record(id));
            if let Some(to) = to {
                self.emit(id, self.instr(Function::Copy, to, None, &[from], width));
            }
        }
        for store in self.stores.get(&id).cloned().unwrap_or_default() {
            let name = &twin.graph.stores[store].name;
            let rows = twin.placement.stores.get(name).ok_or_else(|| unplaced(name))?;
            let to = self.access(rows, width)?;
            let value = self.tile(id, id)?;
            self.emit(id, Instr::Store { value, to, width });
        }
        Ok(())
    }

    /// A value with [`ROWS`] words a feature, for the block of `user`.
    fn tile(&mut self, id: NodeId, user: NodeId) -> Result<Place, String> {
        let value = self.value(id)?;
        let width = self.twin.graph.width(id);
        if !value.scalar && (value.step == ROWS || width == 1) {
            return Ok(value.place);
        }
        let out = self.slot(width);
        let copy = self.instr(Function::Copy, out, None, &[value], width);
        self.block(user).push(copy);
        Ok(out)
    }

    fn value(&self, id: NodeId) -> Result<Operand, String> {
        let missing = || format!("graph `{}`: node {} is read before it is computed", self.twin.graph.name, id.0);
        self.values[id.0 as usize].ok_or_else(missing)
    }

    fn alias(&mut self, id: NodeId, value: Operand) {
        self.values[id.0 as usize] = Some(value);
    }

    fn block(&mut self, id: NodeId) -> &mut Vec<Instr> {
        self.blocks.entry(self.facts.context[id.0 as usize]).or_default()
    }

    /// Adds an instruction to the block of a node.
    fn emit(&mut self, id: NodeId, instr: Instr) {
        self.block(id).push(instr);
    }

    fn record(&self, id: NodeId) -> Option<Place> {
        let record = self.twin.records.get(&id)?;
        let [offset, stride] = [record.feature, record.stride].map(|features| features as usize * ROWS);
        Some(Place { base: SCRATCH, offset, stride })
    }

    /// Where a node writes its value: its record, its part of a concatenation, or a slot of its own.
    fn out(&mut self, id: NodeId) -> Place {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = match (self.record(id), self.fusion.homes.get(&id).copied()) {
            (Some(record), _) => record,
            (None, Some((concat, at, _))) => {
                let whole = self.out(concat);
                Place { offset: whole.offset + at * ROWS, ..whole }
            }
            (None, None) => self.slot(self.twin.graph.width(id)),
        };
        self.places.insert(id, place);
        self.alias(id, Operand::rows(place));
        place
    }

    fn slot(&mut self, features: usize) -> Place {
        self.slots.push(features);
        let base = BUFFERS + self.twin.bindings.len() + self.slots.len() - 1;
        Place { base, offset: 0, stride: 0 }
    }

    fn carry(&mut self, own: LoopId, k: u32, width: usize) -> Place {
        if let Some(place) = self.carried.get(&(own, k)) {
            return *place;
        }
        let place = self.slot(width);
        self.carried.insert((own, k), place);
        place
    }

    /// Words of a worker's scalars, filled once.
    fn scalars(&mut self, words: usize, value: f32) -> Place {
        let offset = self.plan.scalars.len();
        self.plan.scalars.resize(offset + words, value);
        Place { base: SCALARS, offset, stride: 0 }
    }

    /// Room for a value that no row changes, in whole tiles of lanes.
    fn scalar(&mut self, id: NodeId) -> Place {
        let width = self.twin.graph.width(id);
        let place = self.scalars(width.next_multiple_of(ROWS), 0.0);
        self.alias(id, Operand { place, step: usize::from(width > 1), scalar: true });
        place
    }

    /// The numbers from 0.
    fn numbers(&mut self, width: usize) -> Place {
        let place = self.scalars(width.next_multiple_of(ROWS), 0.0);
        for (i, word) in self.plan.scalars[place.offset..].iter_mut().enumerate() {
            *word = i as f32;
        }
        place
    }

    /// Where a tensor is, and the words between its rows.
    fn tensor(&mut self, param: ParamId) -> Result<(Place, usize), String> {
        let decl = &self.twin.graph.params[param.0 as usize];
        let tensor = self.twin.placement.params.get(&decl.name).ok_or_else(|| unplaced(&decl.name))?;
        let buffer = self.twin.binding(&tensor.buffer)?;
        let (offset, ld) = (tensor.offset as usize, tensor.ld as usize);
        let end = offset + (decl.rows - 1) * ld + decl.cols;
        self.plan.needed[buffer] = self.plan.needed[buffer].max(end);
        Ok((Place { base: BUFFERS + buffer, offset, stride: 0 }, ld))
    }

    fn access(&mut self, rows: &Rows, width: usize) -> Result<(usize, usize, usize), String> {
        let buffer = self.twin.binding(&rows.buffer)?;
        let (offset, pitch) = (rows.offset as usize, rows.pitch as usize);
        self.plan.row_access.push((buffer, offset, pitch, width));
        Ok((buffer, offset, pitch))
    }
}

fn unplaced(name: &str) -> String {
    format!("`{name}` has no place in any buffer")
}
