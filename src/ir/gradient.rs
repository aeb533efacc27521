//! The derivative of every operation: one table. What walks it is in `reverse.rs`.
//!
//! `y` is the node, `dy` its adjoint (the derivative of the loss by `y`), `da` what it passes to operand `a`. Right
//! sides are ordinary nodes, so that backward is simplified and shared like forward.

use super::expr::Expr;
use super::*;
use std::cell::RefCell;

/// Part of an operand's adjoint: `value` is added to its entries from `start` on.
pub(super) struct Contribution {
    pub operand: NodeId,
    pub start: usize,
    pub value: NodeId,
}

/// What `y` passes to its operands. Weights, carried values and sinks are not operands in this sense; `reverse.rs`
/// sees to them. The error says why there is no derivative.
pub(super) fn derivative(b: &mut Builder, y: NodeId, dy: NodeId) -> Result<Vec<Contribution>, String> {
    let node = b.node(y).clone();
    let builder = RefCell::new(b);
    let expr = |id| Expr::new(&builder, id);
    let (ey, edy) = (expr(y), expr(dy));
    let whole = |operand, value: Expr| Contribution { operand, start: 0, value: value.id };
    Ok(match &node.op {
        Op::Input(_) | Op::Uniform(_) | Op::Const(_) | Op::Param(_) | Op::Draw { .. } => vec![],
        Op::Gather(..) | Op::OneHot(_) | Op::StopGradient(_) | Op::LoopVar(..) | Op::LoopIndex(_) => vec![],
        Op::Unary(f, x) => unary(*f, expr(*x), ey, edy).map(|d| whole(*x, d)).into_iter().collect(),
        Op::Binary(f, p, q) => match binary(*f, expr(*p), expr(*q), ey, edy) {
            Some((dp, dq)) => vec![whole(*p, dp), whole(*q, dq)],
            None => vec![],
        },
        Op::Select(c, p, q) => vec![whole(*p, edy.only_if(expr(*c))), whole(*q, edy.unless(expr(*c)))],
        Op::Sum(x) => vec![whole(*x, edy.broadcast(expr(*x).width()))],
        Op::Broadcast(x) => vec![whole(*x, edy.sum())],
        Op::Slice(x, start) => vec![Contribution { operand: *x, start: *start as usize, value: dy }],
        Op::Concat(parts) => {
            let mut at = 0;
            let part = |&x: &NodeId| {
                let width = expr(x).width();
                at += width;
                whole(x, edy.slice(at - width, width))
            };
            parts.iter().map(part).collect()
        }
        Op::Dense(layer) => {
            let transpose = |t: &Term| Term { x: dy, weight: t.weight, transposed: !t.transposed };
            let dx = |t: &Term| {
                let dense = Dense { terms: vec![transpose(t)], bias: None };
                Contribution { operand: t.x, start: 0, value: builder.borrow_mut().dense_sum(dense) }
            };
            layer.terms.iter().map(dx).collect()
        }
        Op::Repeat { .. } | Op::RepeatOut(..) => vec![],
        Op::History(..) => return Err("a second derivative through a repeat is not supported".to_string()),
    })
}

/// `dx` for `y = f(x)`; none where the derivative is 0 everywhere.
fn unary<'c, 'b>(f: Unary, x: Expr<'c, 'b>, y: Expr<'c, 'b>, dy: Expr<'c, 'b>) -> Option<Expr<'c, 'b>> {
    Some(match f {
        Unary::Neg => -dy,
        Unary::Exp => dy * y,
        Unary::Log => dy / x,
        Unary::Sqrt => dy / (2.0 * y),
        Unary::Recip => -(dy * (y * y)),
        Unary::Sin => dy * x.apply(Unary::Cos),
        Unary::Cos => -(dy * x.apply(Unary::Sin)),
        Unary::Tanh => dy * (1.0 - y * y),
        Unary::Abs => dy * x.apply(Unary::Sign),
        Unary::Sign | Unary::Floor => return None,
        Unary::Relu => dy.only_if(x.constant(0.0).less(x)),
        Unary::Elu => dy * x.apply(Unary::EluSlope),
        Unary::EluSlope => dy.unless(x.constant(0.0).less(x)) * y,
        Unary::Silu => dy * x.apply(Unary::SiluSlope),
        Unary::SiluSlope => {
            let s = logistic(x);
            dy * (s * (1.0 - s) * (2.0 + x * (1.0 - 2.0 * s)))
        }
        Unary::Mish => dy * x.apply(Unary::MishSlope),
        Unary::MishSlope => {
            // t = tanh(ln(1 + e^x)) = 1 - 2 / ((1 + e^x)^2 + 1), t' = (1 - t^2) s
            let (s, e) = (logistic(x), 1.0 + limited(x).apply(Unary::Exp));
            let t = 1.0 - 2.0 / (e * e + e.constant(1.0));
            dy * ((1.0 - t * t) * s * (2.0 + x * (1.0 - s - 2.0 * (t * s))))
        }
    })
}

/// `1 / (1 + e^-x)`
fn logistic<'c, 'b>(x: Expr<'c, 'b>) -> Expr<'c, 'b> {
    1.0 / (1.0 + (-limited(x)).apply(Unary::Exp))
}

/// `x` in a range in which `e^x` and its square are finite in f32, and beyond which nothing changes.
fn limited<'c, 'b>(x: Expr<'c, 'b>) -> Expr<'c, 'b> {
    x.clamp(-40.0, 40.0)
}

/// `(da, db)` for `y = f(a, b)`; none where both are 0 everywhere.
fn binary<'c, 'b>(
    f: Binary,
    a: Expr<'c, 'b>,
    b: Expr<'c, 'b>,
    y: Expr<'c, 'b>,
    dy: Expr<'c, 'b>,
) -> Option<(Expr<'c, 'b>, Expr<'c, 'b>)> {
    Some(match f {
        Binary::Add => (dy, dy),
        Binary::Sub => (dy, -dy),
        Binary::Mul => (dy * b, dy * a),
        Binary::Div => (dy / b, -(dy / b * y)),
        // In a tie the first operand takes all: min(a, b) is a unless b < a.
        Binary::Min => (dy.unless(b.less(a)), dy.only_if(b.less(a))),
        Binary::Max => (dy.unless(a.less(b)), dy.only_if(a.less(b))),
        Binary::Less => return None,
    })
}
