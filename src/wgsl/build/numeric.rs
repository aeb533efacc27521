//! Operators and conversions.

use naga::{BinaryOperator, Expression, Handle, ScalarKind, TypeInner, UnaryOperator};

use super::super::inst::Slot;
use super::super::lane::Lane;
use super::super::layout::Kind;
use super::{Builder, Built, What};

impl Builder<'_> {
    /// A float operation, checked for a result that is not finite.
    pub(super) fn float_op(&mut self, op: Lane, inputs: &[Slot]) -> Slot {
        let at = |i: usize| inputs.get(i).copied().unwrap_or(0);
        let result = self.op3(op, at(0), at(1), at(2));
        self.check_float(op, result, inputs);
        result
    }

    /// The same operation on every component; an operand of one component serves all.
    pub(super) fn each2(&mut self, op: Lane, a: &[Slot], b: &[Slot]) -> Vec<Slot> {
        let count = a.len().max(b.len());
        (0..count)
            .map(|i| {
                let (a, b) = (a[if a.len() == 1 { 0 } else { i }], b[if b.len() == 1 { 0 } else { i }]);
                if fallible(op) { self.float_op(op, &[a, b]) } else { self.op2(op, a, b) }
            })
            .collect()
    }

    pub(super) fn each1(&mut self, op: Lane, a: &[Slot]) -> Vec<Slot> {
        a.iter().map(|&a| if fallible(op) { self.float_op(op, &[a]) } else { self.op1(op, a) }).collect()
    }

    pub(super) fn unary(&mut self, op: UnaryOperator, operand: Handle<Expression>) -> Built<Vec<Slot>> {
        let kind = self.kind(operand)?;
        let slots = self.slots(operand)?;
        let op = match (op, kind) {
            (UnaryOperator::Negate, Kind::Float) => Lane::NegF,
            (UnaryOperator::Negate, _) => Lane::NegI,
            (UnaryOperator::LogicalNot | UnaryOperator::BitwiseNot, _) => Lane::Not,
        };
        Ok(self.each1(op, &slots))
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Built<Vec<Slot>> {
        let kind = self.kind(left)?;
        let (a, b) = (self.slots(left)?, self.slots(right)?);
        if op == BinaryOperator::Multiply {
            match (self.ty(left), self.ty(right)) {
                (TypeInner::Matrix { rows, .. }, TypeInner::Vector { .. } | TypeInner::Matrix { .. }) => {
                    let inner = a.len() / *rows as usize;
                    return Ok(self.matrix_product(&a, &b, inner));
                }
                (TypeInner::Vector { .. }, TypeInner::Matrix { columns, .. }) => {
                    let columns = b.chunks(b.len() / *columns as usize);
                    return Ok(columns.map(|column| self.dot(&a, column)).collect());
                }
                _ => {}
            }
        }
        Ok(match op {
            BinaryOperator::Divide | BinaryOperator::Modulo if kind != Kind::Float => {
                self.integer_division(op, kind, &a, &b)
            }
            BinaryOperator::Greater => {
                let op = operation(BinaryOperator::Less, kind);
                self.each2(op, &b, &a)
            }
            BinaryOperator::GreaterEqual => {
                let op = operation(BinaryOperator::LessEqual, kind);
                self.each2(op, &b, &a)
            }
            _ => self.each2(operation(op, kind), &a, &b),
        })
    }

    fn integer_division(&mut self, op: BinaryOperator, kind: Kind, a: &[Slot], b: &[Slot]) -> Vec<Slot> {
        let division = op == BinaryOperator::Divide;
        if self.source.checked {
            let zero = self.constant(0);
            for &divisor in b {
                let is_zero = self.op2(Lane::Equal, divisor, zero);
                self.check(is_zero, &[], What::DivisionByZero(if division { "division" } else { "remainder" }));
            }
        }
        let op = match (division, kind) {
            (true, Kind::Int) => Lane::DivI,
            (true, _) => Lane::DivU,
            (false, Kind::Int) => Lane::RemI,
            (false, _) => Lane::RemU,
        };
        self.each2(op, a, b)
    }

    /// Sum of products of floats, from the first to the last.
    pub(super) fn dot(&mut self, a: &[Slot], b: &[Slot]) -> Slot {
        let mut sum = self.float_op(Lane::MulF, &[a[0], b[0]]);
        for (&a, &b) in a[1..].iter().zip(&b[1..]) {
            sum = self.float_op(Lane::MulAddF, &[a, b, sum]);
        }
        sum
    }

    /// Columns of a times the columns of b; `inner` columns in a.
    fn matrix_product(&mut self, a: &[Slot], b: &[Slot], inner: usize) -> Vec<Slot> {
        let rows = a.len() / inner;
        let mut product = Vec::new();
        for column in b.chunks(inner) {
            for row in 0..rows {
                let line: Vec<Slot> = (0..inner).map(|i| a[i * rows + row]).collect();
                product.push(self.dot(&line, column));
            }
        }
        product
    }

    pub(super) fn convert(
        &mut self,
        operand: Handle<Expression>,
        to: ScalarKind,
        width: Option<u8>,
    ) -> Built<Vec<Slot>> {
        let from = self.kind(operand)?;
        let slots = self.slots(operand)?;
        let to = match (to, width) {
            (ScalarKind::Bool, _) => Kind::Bool,
            (ScalarKind::Float, None | Some(4)) => Kind::Float,
            (ScalarKind::Sint, None | Some(4)) => Kind::Int,
            (ScalarKind::Uint, None | Some(4)) => Kind::Uint,
            _ => return self.unsupported("a conversion to a type that is not 32 bits wide"),
        };
        if width.is_none() {
            if to == Kind::Float && from != Kind::Float {
                for &slot in &slots {
                    self.check_float(Lane::Copy, slot, &[]);
                }
            }
            return Ok(slots);
        }
        let zero = self.constant(0);
        let one = match to {
            Kind::Float => self.float(1.0),
            _ => self.constant(1),
        };
        Ok(match (from, to) {
            (Kind::Bool, Kind::Bool) => slots,
            (Kind::Bool, _) => self.each2(Lane::And, &slots, &[one]),
            (Kind::Float, Kind::Bool) => self.each2(Lane::NotEqualF, &slots, &[zero]),
            (_, Kind::Bool) => self.each2(Lane::NotEqual, &slots, &[zero]),
            (Kind::Float, Kind::Int) => self.each1(Lane::FloatToI, &slots),
            (Kind::Float, Kind::Uint) => self.each1(Lane::FloatToU, &slots),
            (Kind::Int, Kind::Float) => self.each1(Lane::IntToFloat, &slots),
            (Kind::Uint, Kind::Float) => self.each1(Lane::UintToFloat, &slots),
            _ => slots,
        })
    }
}

/// Whether finite inputs can give a result that is not.
pub(super) fn fallible(op: Lane) -> bool {
    use Lane::*;
    matches!(
        op,
        AddF | SubF
            | MulF
            | DivF
            | RemF
            | MulAddF
            | Mix
            | Sqrt
            | InverseSqrt
            | Exp
            | Exp2
            | Log
            | Log2
            | Pow
            | Tan
            | Asin
            | Acos
            | Sinh
            | Cosh
            | Acosh
            | Atanh
            | Ldexp
            | FromHalf
    )
}

fn operation(op: BinaryOperator, kind: Kind) -> Lane {
    use BinaryOperator as B;
    let by_kind = |float: Lane, int: Lane, uint: Lane| match kind {
        Kind::Float => float,
        Kind::Int => int,
        Kind::Uint | Kind::Bool => uint,
    };
    match op {
        B::Add => by_kind(Lane::AddF, Lane::Add, Lane::Add),
        B::Subtract => by_kind(Lane::SubF, Lane::Sub, Lane::Sub),
        B::Multiply => by_kind(Lane::MulF, Lane::Mul, Lane::Mul),
        B::Divide => by_kind(Lane::DivF, Lane::DivI, Lane::DivU),
        B::Modulo => by_kind(Lane::RemF, Lane::RemI, Lane::RemU),
        B::Equal => by_kind(Lane::EqualF, Lane::Equal, Lane::Equal),
        B::NotEqual => by_kind(Lane::NotEqualF, Lane::NotEqual, Lane::NotEqual),
        B::Less | B::Greater => by_kind(Lane::LessF, Lane::LessI, Lane::LessU),
        B::LessEqual | B::GreaterEqual => by_kind(Lane::LessEqualF, Lane::LessEqualI, Lane::LessEqualU),
        B::And | B::LogicalAnd => Lane::And,
        B::InclusiveOr | B::LogicalOr => Lane::Or,
        B::ExclusiveOr => Lane::Xor,
        B::ShiftLeft => Lane::ShiftLeft,
        B::ShiftRight => by_kind(Lane::ShiftRightU, Lane::ShiftRightI, Lane::ShiftRightU),
    }
}
