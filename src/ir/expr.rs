//! Arithmetic on nodes with the usual operators, so that the gradient table reads like a table.

use super::*;
use std::cell::RefCell;
use std::ops;

/// A node together with the builder that made it.
#[derive(Clone, Copy)]
pub(super) struct Expr<'c, 'b> {
    builder: &'c RefCell<&'b mut Builder>,
    pub id: NodeId,
}

impl<'c, 'b> Expr<'c, 'b> {
    pub fn new(builder: &'c RefCell<&'b mut Builder>, id: NodeId) -> Self {
        Expr { builder, id }
    }

    fn with(self, f: impl FnOnce(&mut Builder) -> NodeId) -> Self {
        let id = f(&mut self.builder.borrow_mut());
        Expr { id, ..self }
    }

    pub fn width(self) -> usize {
        self.builder.borrow().width(self.id)
    }

    pub fn constant(self, v: f32) -> Self {
        self.with(|b| b.constant(v))
    }

    pub fn apply(self, f: Unary) -> Self {
        self.with(|b| b.unary(f, self.id))
    }

    pub fn less(self, other: Self) -> Self {
        self.with(|b| b.less(self.id, other.id))
    }

    pub fn clamp(self, lo: f32, hi: f32) -> Self {
        self.with(|b| b.clamp(self.id, lo, hi))
    }

    /// `self` where the condition holds, 0 elsewhere.
    pub fn only_if(self, condition: Self) -> Self {
        self.with(|b| b.select(condition.id, self.id, NodeId(0)))
    }

    /// `self` where the condition does not hold, 0 elsewhere.
    pub fn unless(self, condition: Self) -> Self {
        self.with(|b| b.select(condition.id, NodeId(0), self.id))
    }

    pub fn sum(self) -> Self {
        self.with(|b| b.sum(self.id))
    }

    pub fn broadcast(self, width: usize) -> Self {
        self.with(|b| b.broadcast(self.id, width))
    }

    pub fn slice(self, start: usize, width: usize) -> Self {
        self.with(|b| b.slice(self.id, start, width))
    }
}

macro_rules! operator {
    ($($operator:ident $function:ident;)*) => {$(
        impl ops::$operator for Expr<'_, '_> {
            type Output = Self;
            fn $function(self, other: Self) -> Self {
                self.with(|b| b.$function(self.id, other.id))
            }
        }

        impl<'c, 'b> ops::$operator<Expr<'c, 'b>> for f32 {
            type Output = Expr<'c, 'b>;
            fn $function(self, other: Expr<'c, 'b>) -> Expr<'c, 'b> {
                ops::$operator::$function(other.constant(self), other)
            }
        }
    )*};
}

operator! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}

impl ops::Neg for Expr<'_, '_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.apply(Unary::Neg)
    }
}
