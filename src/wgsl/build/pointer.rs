//! Pointers: a variable or a buffer, a place in it that is known, and indices that are not.

use naga::{AddressSpace, Expression, GlobalVariable, Handle, TypeInner};

use super::super::inst::{Inst, Slot};
use super::super::lane::Lane;
use super::super::layout::{self, column_stride, fixed};
use super::{Builder, Built, Value, What};

/// What a pointer points into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Root {
    /// A variable, by number. Places are components.
    Variable(usize),
    /// A buffer, by binding. Places are words.
    Buffer(u32),
    /// The immediates. Places are words.
    Immediate,
}

/// An index that lanes choose: it is below `count`, and a step of it is `stride` places.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Index {
    slot: Slot,
    stride: u32,
    count: Option<u32>,
}

/// A pointer.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Pointer {
    pub root: Root,
    pub place: u32,
    pub indices: Vec<Index>,
}

impl Builder<'_> {
    /// The address of a global variable.
    pub(super) fn global(&mut self, handle: Handle<GlobalVariable>) -> Built<Value> {
        let root = match self.module.global_variables[handle].space {
            AddressSpace::Immediate => Root::Immediate,
            AddressSpace::Private => Root::Variable(self.privates[&handle]),
            _ => Root::Buffer(self.buffers[&handle]),
        };
        Ok(Value::Pointer(Pointer { root, place: 0, indices: Vec::new() }))
    }

    /// What the pointer of an expression points to.
    pub(super) fn pointee(&self, pointer: Handle<Expression>) -> TypeInner {
        match self.ty(pointer) {
            TypeInner::Pointer { base, .. } => self.module.types[*base].inner.clone(),
            TypeInner::ValuePointer { size: Some(size), scalar, .. } => {
                TypeInner::Vector { size: *size, scalar: *scalar }
            }
            TypeInner::ValuePointer { scalar, .. } => TypeInner::Scalar(*scalar),
            other => other.clone(),
        }
    }

    /// The pointer to a part that is known here.
    pub(super) fn part(&mut self, base: Handle<Expression>, pointer: Pointer, index: u32) -> Built<Pointer> {
        let pointee = self.pointee(base);
        let step = match (&pointee, pointer.root) {
            (TypeInner::Struct { members, .. }, Root::Variable(_)) => {
                let before = members[..index as usize].iter();
                let counts = before.map(|m| self.components(&self.module.types[m.ty].inner));
                counts.sum::<Built<usize>>()? as u32
            }
            (TypeInner::Struct { members, .. }, _) => members[index as usize].offset / 4,
            _ => index * self.stride(&pointee, pointer.root)?,
        };
        let count = element_count(&pointee);
        if count.is_none() && !matches!(pointee, TypeInner::Struct { .. }) {
            let slot = self.constant(index);
            self.check_index(slot, &pointee, &pointer, None, false);
        }
        Ok(Pointer { place: pointer.place + step, ..pointer })
    }

    /// The pointer to the element that lanes choose.
    pub(super) fn element(
        &mut self,
        base: Handle<Expression>,
        pointer: Pointer,
        index: Slot,
        signed: bool,
    ) -> Built<Pointer> {
        let pointee = self.pointee(base);
        let count = element_count(&pointee);
        let stride = self.stride(&pointee, pointer.root)?;
        self.check_index(index, &pointee, &pointer, count, signed);
        let index = self.limited(index, count);
        if let Some(word) = self.word(index) {
            return Ok(Pointer { place: pointer.place.wrapping_add(word.wrapping_mul(stride)), ..pointer });
        }
        let mut pointer = pointer;
        pointer.indices.push(Index { slot: index, stride, count });
        Ok(pointer)
    }

    /// An index below `count`.
    pub(super) fn limited(&mut self, index: Slot, count: Option<u32>) -> Slot {
        match count {
            Some(count) => {
                let last = self.constant(count - 1);
                self.op2(Lane::MinU, index, last)
            }
            None => index,
        }
    }

    fn check_index(&mut self, index: Slot, pointee: &TypeInner, pointer: &Pointer, count: Option<u32>, signed: bool) {
        if !self.source.checked {
            return;
        }
        let limit = match (count, pointer.root) {
            (Some(count), _) => self.constant(count),
            (None, Root::Buffer(buffer)) => self.length(buffer, pointer.place, pointee),
            _ => return,
        };
        let inside = self.op2(Lane::LessU, index, limit);
        let outside = self.op1(Lane::Not, inside);
        let of = kind_of(pointee).to_string();
        self.check(outside, &[index, limit], What::Index { of, count, signed });
    }

    /// Elements of a runtime-sized array.
    pub(super) fn length(&mut self, buffer: u32, offset: u32, array: &TypeInner) -> Slot {
        let stride = match array {
            TypeInner::Array { stride, .. } => (stride / 4).max(1),
            _ => 1,
        };
        let dst = self.fresh();
        self.insts.push(Inst::Length { dst, buffer, offset, stride });
        dst
    }

    /// Places from one element to the next.
    fn stride(&self, pointee: &TypeInner, root: Root) -> Built<u32> {
        let in_variable = matches!(root, Root::Variable(_));
        Ok(match pointee {
            TypeInner::Array { base, .. } if in_variable => self.components(&self.module.types[*base].inner)? as u32,
            TypeInner::Array { stride, .. } => stride / 4,
            TypeInner::Matrix { rows, .. } if in_variable => *rows as u32,
            TypeInner::Matrix { rows, .. } => column_stride(*rows),
            _ => 1,
        })
    }

    /// The indices as one: a slot, places of a step, and the largest number of steps.
    fn combined(&mut self, indices: &[Index]) -> (Slot, u32, u32) {
        if let [one] = indices {
            return (one.slot, one.stride, one.count.unwrap_or(1) - 1);
        }
        let last = indices.iter().map(|i| (i.count.unwrap_or(1) - 1) * i.stride).sum();
        (self.sum(indices), 1, last)
    }

    /// The places that the indices add.
    fn sum(&mut self, indices: &[Index]) -> Slot {
        let mut sum = self.constant(0);
        for index in indices {
            let stride = self.constant(index.stride);
            let step = self.op2(Lane::Mul, index.slot, stride);
            sum = self.op2(Lane::Add, sum, step);
        }
        sum
    }

    /// The value behind a pointer.
    pub(super) fn load(&mut self, pointer: &Pointer, pointee: &TypeInner) -> Built<Vec<Slot>> {
        let count = self.components(pointee)?;
        match pointer.root {
            Root::Variable(index) => Ok(self.load_variable(index, pointer, count)),
            Root::Immediate => {
                let words = layout::words(self.module, pointee);
                let (slot, stride, last) = self.combined(&pointer.indices);
                let mut value = Vec::new();
                for word in words {
                    let word = pointer.place + word;
                    let table = (0..=last).map(|i| self.immediate(word + i * stride)).collect();
                    value.push(self.gather(slot, table));
                }
                Ok(value)
            }
            Root::Buffer(buffer) => {
                let Some(mask) = self.mask else { return Ok(vec![self.constant(0); count]) };
                let words = layout::words(self.module, pointee);
                let address = self.sum(&pointer.indices);
                let dst: Vec<_> = words.iter().map(|w| (self.fresh(), w + pointer.place)).collect();
                self.insts.push(Inst::Load { dst: dst.clone(), mask, address, buffer });
                Ok(dst.into_iter().map(|(slot, _)| slot).collect())
            }
        }
    }

    fn load_variable(&mut self, index: usize, pointer: &Pointer, count: usize) -> Vec<Slot> {
        let variable = self.variables[index].clone();
        let (slot, stride, last) = self.combined(&pointer.indices);
        let read = |builder: &mut Self, base: usize| {
            let first = base + pointer.place as usize;
            let table = (0..=last).map(|i| builder.current[first + (i * stride) as usize]).collect();
            builder.gather(slot, table)
        };
        if variable.watched {
            for component in 0..count {
                let unwritten = read(self, variable.base + variable.count + component);
                if self.word(unwritten) != Some(0) {
                    let place = pointer.place + component as u32;
                    let path = match pointer.indices.is_empty() {
                        true => layout::path(self.module, &self.module.types[variable.ty].inner, place),
                        false => String::new(),
                    };
                    self.check(unwritten, &[], What::Unwritten(format!("{}{path}", variable.name)));
                    break;
                }
            }
        }
        (0..count).map(|component| read(self, variable.base + component)).collect()
    }

    /// `table[index]` without a table where it has one entry.
    pub(super) fn gather(&mut self, index: Slot, table: Vec<Slot>) -> Slot {
        if table.iter().all(|s| *s == table[0]) {
            return table[0];
        }
        if let Some(word) = self.word(index) {
            return table[(word as usize).min(table.len() - 1)];
        }
        let dst = self.fresh();
        self.insts.push(Inst::Gather { dst, index, table });
        dst
    }

    /// Writes a value behind a pointer.
    pub(super) fn store(
        &mut self,
        pointer: &Pointer,
        pointee: &TypeInner,
        value: &[Slot],
        unwritten: bool,
    ) -> Built<()> {
        match pointer.root {
            Root::Variable(index) => {
                let variable = self.variables[index].clone();
                for (component, &slot) in value.iter().enumerate() {
                    self.store_component(pointer, variable.base + component, slot);
                    if variable.watched {
                        let mark = self.constant(if unwritten { u32::MAX } else { 0 });
                        self.store_component(pointer, variable.base + variable.count + component, mark);
                    }
                }
                Ok(())
            }
            Root::Immediate => self.unsupported("a store to the immediates"),
            Root::Buffer(buffer) => {
                let Some(mask) = self.mask else { return Ok(()) };
                let words = layout::words(self.module, pointee);
                let address = self.sum(&pointer.indices);
                let src = value.iter().zip(words).map(|(&slot, word)| (slot, word + pointer.place)).collect();
                self.insts.push(Inst::Store { src, mask, address, buffer });
                Ok(())
            }
        }
    }

    fn store_component(&mut self, pointer: &Pointer, base: usize, value: Slot) {
        let first = base + pointer.place as usize;
        if pointer.indices.is_empty() {
            self.current[first] = value;
            return;
        }
        let (index, stride, last) = self.combined(&pointer.indices);
        let places: Vec<usize> = (0..=last).map(|i| first + (i * stride) as usize).collect();
        let table: Vec<Slot> = places.iter().map(|&p| self.current[p]).collect();
        if table.iter().all(|&s| s == value) {
            return;
        }
        if places.len() <= 4 {
            for (i, &place) in places.iter().enumerate() {
                let number = self.constant(i as u32);
                let here = self.op2(Lane::Equal, index, number);
                self.current[place] = self.op3(Lane::Select, here, value, table[i]);
            }
            return;
        }
        let dst: Vec<Slot> = places.iter().map(|_| self.fresh()).collect();
        for (&place, &slot) in places.iter().zip(&dst) {
            self.current[place] = slot;
        }
        self.insts.push(Inst::Scatter { dst, index, value, table });
    }
}

/// Elements of an indexable type of fixed size.
pub(super) fn element_count(inner: &TypeInner) -> Option<u32> {
    match inner {
        TypeInner::Array { size, .. } => fixed(*size),
        TypeInner::Vector { size, .. } => Some(*size as u32),
        TypeInner::Matrix { columns, .. } => Some(*columns as u32),
        _ => None,
    }
}

pub(super) fn kind_of(inner: &TypeInner) -> &'static str {
    match inner {
        TypeInner::Vector { .. } => "vector",
        TypeInner::Matrix { .. } => "matrix",
        TypeInner::Array { size: naga::ArraySize::Dynamic, .. } => "buffer",
        _ => "array",
    }
}
