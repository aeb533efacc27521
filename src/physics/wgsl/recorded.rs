//! The scalar that only records what is done to it. What is known while recording is computed then.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use super::tape::{self, Op, Value};
use crate::physics::dynamics::Scalar;

/// A number of the program that is being recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded(pub Value);

/// A mask of the program that is being recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedMask(pub Value);

const ZERO: Value = Value::Known(0.0);

/// An input of the program.
pub(super) fn input(number: usize) -> Recorded {
    Recorded(tape::node(Op::Input(number as u32), [ZERO; 3]))
}

fn compute(op: Op, [a, b, c]: [f64; 3]) -> f64 {
    let bit = |b: bool| f64::from(u8::from(b));
    match op {
        // These are never known.
        Op::Input(_) | Op::Read(_) => f64::NAN,
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Neg => -a,
        Op::Sqrt => a.sqrt(),
        Op::Sin => a.sin(),
        Op::Cos => a.cos(),
        Op::Atan2 => a.atan2(b),
        Op::Power => a.powf(b),
        Op::Abs => a.abs(),
        Op::Min => a.min(b),
        Op::Max => a.max(b),
        Op::Less => bit(a < b),
        Op::Not => 1.0 - a,
        Op::And => a * b,
        Op::Or => a.max(b),
        Op::Xor => bit(a != b),
        Op::Select => {
            if a != 0.0 {
                b
            } else {
                c
            }
        }
    }
}

/// The operation behind a value.
fn operation(value: Value) -> Option<(Op, [Value; 3])> {
    value.place().map(tape::at).map(|node| (node.op, node.operands))
}

fn unary(op: Op, a: Value) -> Value {
    apply(op, [a, ZERO, ZERO])
}

fn binary(op: Op, a: Value, b: Value) -> Value {
    apply(op, [a, b, ZERO])
}

/// Records an operation, or what is equal to it and simpler. Zero times anything is zero here.
fn apply(op: Op, [a, b, c]: [Value; 3]) -> Value {
    use Value::Known;
    if let [Known(x), Known(y), Known(z)] = [a, b, c] {
        return Known(compute(op, [x, y, z]));
    }
    match (op, a, b) {
        (Op::Add, Known(0.0), x) | (Op::Add | Op::Sub, x, Known(0.0)) => return x,
        (Op::Sub, Known(0.0), x) => return unary(Op::Neg, x),
        (Op::Sub, x, y) if x == y => return ZERO,
        (Op::Mul, Known(0.0), _) | (Op::Mul, _, Known(0.0)) | (Op::Div, Known(0.0), _) => return ZERO,
        (Op::Mul, Known(1.0), x) | (Op::Mul | Op::Div, x, Known(1.0)) => return x,
        (Op::Mul, Known(-1.0), x) | (Op::Mul | Op::Div, x, Known(-1.0)) => return unary(Op::Neg, x),
        (Op::Div, x, Known(y)) => return binary(Op::Mul, x, Known(1.0 / y)),
        (Op::And, Known(0.0), _) | (Op::And, _, Known(0.0)) => return ZERO,
        (Op::And, Known(_), x) | (Op::And, x, Known(_)) => return x,
        (Op::Or, Known(0.0), x) | (Op::Or, x, Known(0.0)) => return x,
        (Op::Or, Known(_), _) | (Op::Or, _, Known(_)) => return Known(1.0),
        (Op::Xor, Known(0.0), x) | (Op::Xor, x, Known(0.0)) => return x,
        (Op::Xor, Known(_), x) | (Op::Xor, x, Known(_)) => return unary(Op::Not, x),
        (Op::And | Op::Or | Op::Min | Op::Max, x, y) if x == y => return x,
        (Op::Select, Known(mask), yes) => return if mask != 0.0 { yes } else { c },
        (Op::Select, _, yes) if yes == c => return yes,
        // The mask of 1 or 0.
        (Op::Less, Known(0.0), x) => {
            if let Some((Op::Select, [mask, Known(1.0), Known(0.0)])) = operation(x) {
                return mask;
            }
        }
        (Op::Less, x, Known(bound)) if bound <= 0.0 && matches!(operation(x), Some((Op::Sqrt | Op::Abs, _))) => {
            return ZERO;
        }
        (Op::Sqrt, x, _) => {
            if let Some((Op::Mul, [y, z, _])) = operation(x)
                && y == z
            {
                return unary(Op::Abs, y);
            }
        }
        _ => {}
    }
    if let Some(simpler) = without_signs(op, a, b).or_else(|| without_factors(op, a, b)) {
        return simpler;
    }
    let commutes = matches!(op, Op::Add | Op::Mul | Op::Min | Op::Max | Op::And | Op::Or | Op::Xor);
    let [a, b] = if commutes && b.key() < a.key() { [b, a] } else { [a, b] };
    tape::node(op, [a, b, c])
}

/// Moves minus signs outwards, or into a subtraction.
fn without_signs(op: Op, a: Value, b: Value) -> Option<Value> {
    let minus = |x: Value| match operation(x) {
        Some((Op::Neg, [x, ..])) => Some(x),
        _ => None,
    };
    match op {
        Op::Neg => match operation(a) {
            Some((Op::Neg, [x, ..])) => Some(x),
            Some((Op::Sub, [x, y, _])) => Some(binary(Op::Sub, y, x)),
            Some((Op::Mul, [x, Value::Known(y), _])) => Some(binary(Op::Mul, x, Value::Known(-y))),
            _ => None,
        },
        Op::Add => match (minus(a), minus(b)) {
            (_, Some(y)) => Some(binary(Op::Sub, a, y)),
            (Some(x), _) => Some(binary(Op::Sub, b, x)),
            _ => None,
        },
        Op::Sub => minus(b).map(|y| binary(Op::Add, a, y)),
        Op::Mul | Op::Div => match (minus(a), minus(b), a, b) {
            (Some(x), Some(y), ..) => Some(binary(op, x, y)),
            (Some(x), _, _, Value::Known(y)) => Some(binary(op, x, Value::Known(-y))),
            (_, Some(y), Value::Known(x), _) => Some(binary(op, Value::Known(-x), y)),
            (Some(x), ..) => Some(unary(Op::Neg, binary(op, x, b))),
            (_, Some(y), ..) => Some(unary(Op::Neg, binary(op, a, y))),
            _ => None,
        },
        Op::Abs => minus(a).map(|x| unary(Op::Abs, x)),
        _ => None,
    }
}

/// Joins two known factors.
fn without_factors(op: Op, a: Value, b: Value) -> Option<Value> {
    let (x, factor) = match (op, a, b) {
        (Op::Mul, x, Value::Known(factor)) | (Op::Mul, Value::Known(factor), x) => (x, factor),
        _ => return None,
    };
    match operation(x) {
        Some((Op::Mul, [y, Value::Known(other), _])) => Some(binary(Op::Mul, y, Value::Known(other * factor))),
        _ => None,
    }
}

macro_rules! operators {
    ($($type:ident: $($trait:ident $method:ident $op:ident),*;)*) => {
        $($(impl $trait for $type {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self(binary(Op::$op, self.0, other.0))
            }
        })*)*
    };
}

operators! {
    Recorded: Add add Add, Sub sub Sub, Mul mul Mul, Div div Div;
    RecordedMask: BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor;
}

impl Neg for Recorded {
    type Output = Self;
    fn neg(self) -> Self {
        Self(unary(Op::Neg, self.0))
    }
}

impl Not for RecordedMask {
    type Output = Self;
    fn not(self) -> Self {
        match operation(self.0) {
            Some((Op::Not, [x, ..])) => Self(x),
            _ => Self(unary(Op::Not, self.0)),
        }
    }
}

fn values(scalars: Vec<Recorded>) -> Vec<Value> {
    scalars.into_iter().map(|x| x.0).collect()
}

fn scalars(values: Vec<Value>) -> Vec<Recorded> {
    values.into_iter().map(Recorded).collect()
}

impl Scalar for Recorded {
    type Mask = RecordedMask;
    const EPSILON: f64 = f32::EPSILON as f64;
    const EXACT: bool = false;

    fn of(value: f64) -> Self {
        // -0 is no other number.
        Self(Value::Known(value + 0.0))
    }
    fn sqrt(self) -> Self {
        Self(unary(Op::Sqrt, self.0))
    }
    fn sin(self) -> Self {
        Self(unary(Op::Sin, self.0))
    }
    fn cos(self) -> Self {
        Self(unary(Op::Cos, self.0))
    }
    fn atan2(self, other: Self) -> Self {
        Self(binary(Op::Atan2, self.0, other.0))
    }
    fn power(self, exponent: f64) -> Self {
        Self(binary(Op::Power, self.0, Value::Known(exponent)))
    }
    fn abs(self) -> Self {
        Self(unary(Op::Abs, self.0))
    }
    fn min(self, other: Self) -> Self {
        Self(binary(Op::Min, self.0, other.0))
    }
    fn max(self, other: Self) -> Self {
        Self(binary(Op::Max, self.0, other.0))
    }
    fn less(self, other: Self) -> RecordedMask {
        RecordedMask(binary(Op::Less, self.0, other.0))
    }
    fn select(mask: RecordedMask, yes: Self, no: Self) -> Self {
        Self(apply(Op::Select, [mask.0, yes.0, no.0]))
    }
    fn mask(value: bool) -> RecordedMask {
        RecordedMask(Value::Known(f64::from(u8::from(value))))
    }
    fn possible(mask: RecordedMask) -> bool {
        mask.0 != ZERO
    }
    fn when(
        mask: RecordedMask,
        about: impl FnOnce() -> String,
        kept: Vec<Self>,
        work: impl FnOnce(Vec<Self>) -> Vec<Self>,
    ) -> Vec<Self> {
        scalars(tape::when(mask.0, about, values(kept), |kept| values(work(scalars(kept)))))
    }
    fn repeat(most: usize, kept: Vec<Self>, body: impl Fn(Vec<Self>) -> (Vec<Self>, RecordedMask)) -> Vec<Self> {
        scalars(tape::repeat(most, values(kept), |kept| {
            let (kept, more) = body(scalars(kept));
            (values(kept), more.0)
        }))
    }
}
