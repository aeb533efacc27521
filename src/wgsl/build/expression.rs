//! Expressions as slots.

use naga::{Expression, Handle, Literal, RelationalFunction, TypeInner};

use super::super::inst::Slot;
use super::super::lane::Lane;
use super::super::layout::{self, Kind};
use super::pointer::{Root, element_count, kind_of};
use super::{Builder, Built, Value, What};

impl<'a> Builder<'a> {
    /// The type of an expression of the function at hand.
    pub(super) fn ty(&self, handle: Handle<Expression>) -> &'a TypeInner {
        let module = self.module;
        match self.calls.last() {
            Some(call) => call.info[handle].ty.inner_with(&module.types),
            None => &TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Uint, width: 4 }),
        }
    }

    /// The kind of a value's components.
    pub(super) fn kind(&self, handle: Handle<Expression>) -> Built<Kind> {
        match self.ty(handle) {
            TypeInner::Scalar(s) | TypeInner::Vector { scalar: s, .. } | TypeInner::Matrix { scalar: s, .. } => {
                match layout::kind(*s) {
                    Some(kind) => Ok(kind),
                    None => {
                        self.components(self.ty(handle))?;
                        Ok(Kind::Uint)
                    }
                }
            }
            _ => Ok(Kind::Uint),
        }
    }

    /// The components of an expression.
    pub(super) fn slots(&mut self, handle: Handle<Expression>) -> Built<Vec<Slot>> {
        match self.value(handle)? {
            Value::Slots(slots) => Ok(slots),
            Value::Pointer(_) => self.unsupported("a pointer as a value"),
        }
    }

    /// The one component of a scalar.
    pub(super) fn scalar(&mut self, handle: Handle<Expression>) -> Built<Slot> {
        match self.slots(handle)?.as_slice() {
            [slot] => Ok(*slot),
            _ => self.refuse("expected a scalar here"),
        }
    }

    pub(super) fn value(&mut self, handle: Handle<Expression>) -> Built<Value> {
        let call = self.calls.last().and_then(|call| call.values[handle.index()].clone());
        match call {
            Some(value) => Ok(value),
            None => self.evaluate(handle),
        }
    }

    /// Computes an expression now and keeps its value.
    pub(super) fn evaluate(&mut self, handle: Handle<Expression>) -> Built<Value> {
        let Some(function) = self.calls.last().map(|call| call.function) else { return self.refuse("no function") };
        let outer = self.span;
        let span = function.expressions.get_span(handle);
        if span.is_defined() {
            self.span = span;
        }
        let value = self.compute(&function.expressions[handle], handle)?;
        self.span = outer;
        if let Some(call) = self.calls.last_mut() {
            call.values[handle.index()] = Some(value.clone());
        }
        Ok(value)
    }

    fn compute(&mut self, expression: &Expression, handle: Handle<Expression>) -> Built<Value> {
        let slots = match *expression {
            Expression::Literal(literal) => vec![self.literal(literal)?],
            Expression::Constant(constant) => self.global_value(self.module.constants[constant].init)?,
            Expression::ZeroValue(ty) => {
                let count = self.components(&self.module.types[ty].inner)?;
                vec![self.constant(0); count]
            }
            Expression::Compose { ref components, .. } => {
                let mut slots = Vec::new();
                for &component in components {
                    slots.extend(self.slots(component)?);
                }
                slots
            }
            Expression::Access { base, index } => return self.access(base, index),
            Expression::AccessIndex { base, index } => match self.value(base)? {
                Value::Pointer(pointer) => return Ok(Value::Pointer(self.part(base, pointer, index)?)),
                Value::Slots(slots) => {
                    let range = self.part_of_value(self.ty(base), index)?;
                    slots[range].to_vec()
                }
            },
            Expression::Splat { size, value } => vec![self.scalar(value)?; size as usize],
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.slots(vector)?;
                pattern[..size as usize].iter().map(|&c| vector[c as usize]).collect()
            }
            Expression::FunctionArgument(index) => {
                let call = self.calls.last();
                return match call.and_then(|call| call.arguments.get(index as usize).cloned()) {
                    Some(value) => Ok(value),
                    None => self.unsupported("this argument of an entry point"),
                };
            }
            Expression::GlobalVariable(global) => return self.global(global),
            Expression::LocalVariable(local) => return self.local(local),
            Expression::Load { pointer } => {
                let pointee = self.pointee(pointer);
                match self.value(pointer)? {
                    Value::Pointer(pointer) => self.load(&pointer, &pointee)?,
                    Value::Slots(slots) => slots,
                }
            }
            Expression::Unary { op, expr } => self.unary(op, expr)?,
            Expression::Binary { op, left, right } => self.binary(op, left, right)?,
            Expression::Select { condition, accept, reject } => {
                let (condition, accept, reject) = (self.slots(condition)?, self.slots(accept)?, self.slots(reject)?);
                let one = condition.len() == 1;
                let parts = accept.iter().zip(&reject).enumerate();
                parts.map(|(i, (&a, &r))| self.op3(Lane::Select, condition[if one { 0 } else { i }], a, r)).collect()
            }
            Expression::Relational { fun, argument } => {
                let all = self.slots(argument)?;
                let op = match fun {
                    RelationalFunction::All => Lane::And,
                    RelationalFunction::Any => Lane::Or,
                    _ => return self.unsupported("`isNan` or `isInf`"),
                };
                let first = all[0];
                vec![all[1..].iter().fold(first, |sum, &next| self.op2(op, sum, next))]
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => self.math(fun, handle, [Some(arg), arg1, arg2, arg3])?,
            Expression::As { expr, kind, convert } => self.convert(expr, kind, convert)?,
            Expression::ArrayLength(array) => {
                let pointee = self.pointee(array);
                match self.value(array)? {
                    Value::Pointer(pointer) => match pointer.root {
                        Root::Buffer(buffer) => vec![self.length(buffer, pointer.place, &pointee)],
                        _ => return self.unsupported("`arrayLength` of this"),
                    },
                    Value::Slots(_) => return self.unsupported("`arrayLength` of this"),
                }
            }
            Expression::CallResult(_) => return self.refuse("the result of a call that was not made"),
            Expression::Override(_) => return self.unsupported("an `override`"),
            Expression::ImageSample { .. } | Expression::ImageLoad { .. } | Expression::ImageQuery { .. } => {
                return self.unsupported("a texture function");
            }
            Expression::Derivative { .. } => return self.unsupported("a derivative"),
            Expression::AtomicResult { .. } => return self.unsupported("an atomic"),
            Expression::WorkGroupUniformLoadResult { .. } => return self.unsupported("`workgroupUniformLoad`"),
            Expression::SubgroupBallotResult | Expression::SubgroupOperationResult { .. } => {
                return self.unsupported("a subgroup operation");
            }
            _ => return self.unsupported("this expression"),
        };
        Ok(Value::Slots(slots))
    }

    /// Components of a part of a value.
    fn part_of_value(&self, base: &TypeInner, index: u32) -> Built<std::ops::Range<usize>> {
        let types = &self.module.types;
        let index = index as usize;
        let (first, count) = match base {
            TypeInner::Struct { members, .. } => {
                let counts = members[..index].iter().map(|m| self.components(&types[m.ty].inner));
                (counts.sum::<Built<usize>>()?, self.components(&types[members[index].ty].inner)?)
            }
            TypeInner::Array { base, .. } => {
                let count = self.components(&types[*base].inner)?;
                (index * count, count)
            }
            TypeInner::Matrix { rows, .. } => (index * *rows as usize, *rows as usize),
            _ => (index, 1),
        };
        Ok(first..first + count)
    }

    fn access(&mut self, base: Handle<Expression>, index: Handle<Expression>) -> Built<Value> {
        let signed = self.kind(index)? == Kind::Int;
        let at = self.scalar(index)?;
        match self.value(base)? {
            Value::Pointer(pointer) => Ok(Value::Pointer(self.element(base, pointer, at, signed)?)),
            Value::Slots(slots) => {
                let ty = self.ty(base);
                let count = element_count(ty).unwrap_or(1);
                let limit = self.constant(count);
                if self.source.checked {
                    let inside = self.op2(Lane::LessU, at, limit);
                    let outside = self.op1(Lane::Not, inside);
                    let what = What::Index { of: kind_of(ty).to_string(), count: Some(count), signed };
                    self.check(outside, &[at, limit], what);
                }
                let at = self.limited(at, Some(count));
                let each = slots.len() / count as usize;
                let element = |builder: &mut Self, component: usize| {
                    let table = (0..count as usize).map(|i| slots[i * each + component]).collect();
                    builder.gather(at, table)
                };
                Ok(Value::Slots((0..each).map(|component| element(self, component)).collect()))
            }
        }
    }

    fn literal(&mut self, literal: Literal) -> Built<Slot> {
        let word = match literal {
            Literal::F32(x) => x.to_bits(),
            Literal::U32(x) => x,
            Literal::I32(x) => x as u32,
            Literal::Bool(x) => 0u32.wrapping_sub(u32::from(x)),
            Literal::AbstractInt(x) => x as u32,
            Literal::AbstractFloat(x) => (x as f32).to_bits(),
            Literal::F16(_) => return self.unsupported("the type `f16`"),
            Literal::F64(_) => return self.unsupported("the type `f64`"),
            Literal::I64(_) | Literal::U64(_) => return self.unsupported("a 64-bit integer"),
            Literal::I16(_) | Literal::U16(_) => return self.unsupported("a 16-bit integer"),
        };
        Ok(self.constant(word))
    }

    /// The components of a constant expression of the module.
    pub(super) fn global_value(&mut self, handle: Handle<Expression>) -> Built<Vec<Slot>> {
        let module = self.module;
        match module.global_expressions[handle] {
            Expression::Literal(literal) => Ok(vec![self.literal(literal)?]),
            Expression::Constant(constant) => self.global_value(module.constants[constant].init),
            Expression::ZeroValue(ty) => {
                let count = self.components(&module.types[ty].inner)?;
                Ok(vec![self.constant(0); count])
            }
            Expression::Compose { ref components, .. } => {
                let mut slots = Vec::new();
                for &component in components {
                    slots.extend(self.global_value(component)?);
                }
                Ok(slots)
            }
            Expression::Splat { size, value } => {
                let value = self.global_value(value)?;
                Ok(value.repeat(size as usize))
            }
            Expression::Override(_) => self.unsupported("an `override`"),
            _ => self.unsupported("this constant expression"),
        }
    }
}
