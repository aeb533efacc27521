//! Simplification, applied whenever a node is made: one table, grouped by operation.
//!
//! The rules hold for finite values (`x * 0` is 0). Left sides match nodes that are simplified already, right sides
//! are made with builder methods and so are simplified in turn. [`is_transparent`] lists what the rules look through.

use super::*;
use Binary::{Add, Div, Less, Max, Min, Mul, Sub};
use Unary::{Abs, Neg, Recip};

/// The simpler equivalent of an operation, if a rule applies.
#[track_caller]
pub(super) fn simplify(b: &mut Builder, op: &Op, width: usize) -> Option<NodeId> {
    match op {
        Op::Unary(f, x) => unary(b, *f, *x, width),
        Op::Binary(f, x, y) => binary(b, *f, *x, *y, width),
        Op::Select(c, x, y) => select(b, *c, *x, *y, width),
        Op::Concat(parts) => concat(b, parts),
        Op::Slice(x, start) => slice(b, *x, *start as usize, width),
        Op::Sum(x) => sum(b, *x),
        Op::Broadcast(x) => (width == 1).then_some(*x),
        Op::StopGradient(x) => matches!(b.op(*x), Op::StopGradient(_) | Op::Const(_)).then_some(*x),
        Op::Dense(layer) => dense(b, layer, width),
        Op::RepeatOut(repeat, k) => repeat_out(b, *repeat, *k),
        _ => None,
    }
}

/// Whether a rule may replace a use of such a node by a use of its operands, so that the node itself drops out of
/// the loss and has no derivative of its own.
pub(super) fn is_transparent(b: &Builder, id: NodeId) -> bool {
    match b.op(id) {
        Op::Concat(_) | Op::Slice(..) | Op::Broadcast(_) | Op::Unary(Neg | Abs | Recip, _) => true,
        Op::Binary(Sub, ..) => true,
        Op::Binary(Add | Mul, _, y) => value(b, *y).is_some(),
        _ => false,
    }
}

/// The value of a constant of any width.
pub(super) fn value(b: &Builder, id: NodeId) -> Option<f32> {
    match b.op(id) {
        Op::Const(bits) => Some(f32::from_bits(*bits)),
        Op::Broadcast(x) => value(b, *x),
        _ => None,
    }
}

/// A constant result, unless it is not finite: that is left to run time.
fn fold(b: &mut Builder, v: f64) -> Option<NodeId> {
    let v = v as f32;
    v.is_finite().then(|| b.constant(v))
}

fn scalar(b: &Builder, id: NodeId) -> Option<NodeId> {
    match b.op(id) {
        Op::Broadcast(x) => Some(*x),
        _ => None,
    }
}

fn unary(b: &mut Builder, f: Unary, x: NodeId, width: usize) -> Option<NodeId> {
    if let Op::Const(bits) = b.op(x) {
        let v = f32::from_bits(*bits) as f64;
        return fold(b, f.value(v));
    }
    if let Some(inner) = scalar(b, x) {
        let y = b.unary(f, inner);
        return Some(b.broadcast(y, width));
    }
    match (f, b.op(x).clone()) {
        (Neg, Op::Unary(Neg, y)) | (Recip, Op::Unary(Recip, y)) => Some(y),
        (Neg, Op::Binary(Sub, y, z)) => Some(b.sub(z, y)),
        (Neg, Op::Binary(Mul, y, c)) => value(b, c).map(|c| b.scale(y, -c)),
        (Abs, Op::Unary(Neg, y)) => Some(b.abs(y)),
        (Abs, Op::Unary(Abs, _)) => Some(x),
        _ => None,
    }
}

fn binary(b: &mut Builder, f: Binary, x: NodeId, y: NodeId, width: usize) -> Option<NodeId> {
    if let (Op::Const(p), Op::Const(q)) = (b.op(x), b.op(y)) {
        let (p, q) = (f32::from_bits(*p) as f64, f32::from_bits(*q) as f64);
        return fold(b, f.value(p, q));
    }
    if let (Some(p), Some(q)) = (scalar(b, x), scalar(b, y)) {
        let z = b.binary(f, p, q);
        return Some(b.broadcast(z, width));
    }
    let (cx, cy) = (value(b, x), value(b, y));
    // Constants stand second and other operands in the order of their ids, so that x + y and y + x are one node.
    // Not so for min and max, whose first operand wins the derivative of a tie.
    if matches!(f, Add | Mul) && (cx.is_some(), x) > (cy.is_some(), y) {
        return Some(b.binary(f, y, x));
    }
    match (f, b.op(x).clone(), b.op(y).clone()) {
        (Add | Sub, ..) if cy == Some(0.0) => Some(x),
        (Mul | Div, ..) if cy == Some(1.0) => Some(x),
        (Mul | Div, ..) if cy == Some(-1.0) => Some(b.neg(x)),
        (Mul, ..) if cy == Some(0.0) => Some(b.filled(0.0, width)),
        (Div, ..) if cx == Some(0.0) => Some(b.filled(0.0, width)),
        (Div, ..) if cx == Some(1.0) => Some(b.recip(y)),
        (Sub, ..) if cx == Some(0.0) => Some(b.neg(y)),
        (Sub | Less, ..) if x == y => Some(b.filled(0.0, width)),
        (Min | Max, ..) if x == y => Some(x),
        (Add, _, Op::Unary(Neg, z)) => Some(b.sub(x, z)),
        (Add, Op::Unary(Neg, z), _) => Some(b.sub(y, z)),
        (Sub, _, Op::Unary(Neg, z)) => Some(b.add(x, z)),
        (Mul | Div, Op::Unary(Neg, z), Op::Unary(Neg, w)) => Some(b.binary(f, z, w)),
        (Mul, Op::Unary(Neg, z), _) if cy.is_some() => cy.map(|c| b.scale(z, -c)),
        (Mul, _, Op::Unary(Recip, z)) => Some(b.div(x, z)),
        (Mul, Op::Unary(Recip, z), _) if cy.is_none() => Some(b.div(y, z)),
        (Add, Op::Binary(Add, z, c), _) => Some((z, value(b, c)? + cy?)).map(|(z, c)| b.offset(z, c)),
        (Mul, Op::Binary(Mul, z, c), _) => Some((z, value(b, c)? * cy?)).map(|(z, c)| b.scale(z, c)),
        _ => None,
    }
}

fn select(b: &mut Builder, c: NodeId, x: NodeId, y: NodeId, width: usize) -> Option<NodeId> {
    if x == y {
        return Some(x);
    }
    if let Some(c) = value(b, c) {
        return Some(if c != 0.0 { x } else { y });
    }
    let (c, x, y) = (scalar(b, c)?, scalar(b, x)?, scalar(b, y)?);
    let z = b.select(c, x, y);
    Some(b.broadcast(z, width))
}

fn concat(b: &mut Builder, parts: &[NodeId]) -> Option<NodeId> {
    let mut merged: Vec<NodeId> = vec![];
    for &part in parts {
        match b.op(part).clone() {
            Op::Concat(inner) => merged.extend(inner),
            _ => merged.push(part),
        }
    }
    let mut i = 1;
    while i < merged.len() {
        match adjacent(b, merged[i - 1], merged[i]) {
            Some(joined) => {
                merged[i - 1] = joined;
                merged.remove(i);
            }
            None => i += 1,
        }
    }
    match merged.len() {
        1 => Some(merged[0]),
        _ if merged == parts => None,
        _ => Some(b.concat(&merged)),
    }
}

/// Two neighbours of a concat that are one value: consecutive slices, or equal broadcasts.
fn adjacent(b: &mut Builder, left: NodeId, right: NodeId) -> Option<NodeId> {
    let width = b.width(left) + b.width(right);
    match (b.op(left).clone(), b.op(right).clone()) {
        (Op::Slice(x, i), Op::Slice(y, j)) if x == y && i as usize + b.width(left) == j as usize => {
            Some(b.slice(x, i as usize, width))
        }
        _ => {
            let one = |b: &Builder, id| if b.width(id) == 1 { Some(id) } else { scalar(b, id) };
            let (x, y) = (one(b, left)?, one(b, right)?);
            (x == y).then(|| b.broadcast(x, width))
        }
    }
}

fn slice(b: &mut Builder, x: NodeId, start: usize, width: usize) -> Option<NodeId> {
    if start == 0 && width == b.width(x) {
        return Some(x);
    }
    match b.op(x).clone() {
        Op::Slice(y, offset) => Some(b.slice(y, offset as usize + start, width)),
        Op::Broadcast(y) => Some(b.broadcast(y, width)),
        Op::Concat(parts) => {
            let (mut pieces, mut at) = (vec![], 0);
            for part in parts {
                let (from, to) = (start.max(at), (start + width).min(at + b.width(part)));
                if from < to {
                    pieces.push(b.slice(part, from - at, to - from));
                }
                at += b.width(part);
            }
            Some(b.concat(&pieces))
        }
        _ => None,
    }
}

fn sum(b: &mut Builder, x: NodeId) -> Option<NodeId> {
    if b.width(x) == 1 {
        return Some(x);
    }
    scalar(b, x).map(|y| b.scale(y, b.width(x) as f32))
}

/// A carried value that its loop does not change.
fn repeat_out(b: &Builder, repeat: NodeId, k: u32) -> Option<NodeId> {
    let Op::Repeat { id, init, next, .. } = b.op(repeat) else { return None };
    let (init, next) = (*init.get(k as usize)?, *next.get(k as usize)?);
    (*b.op(next) == Op::LoopVar(*id, k)).then_some(init)
}

/// A concatenated input becomes one term a part, with the matching rows of the weight; zeros drop out; and terms that
/// depend on different loops become layers of their own, so that the part that a loop does not change leaves it.
#[track_caller]
fn dense(b: &mut Builder, layer: &Dense, width: usize) -> Option<NodeId> {
    let mut terms = vec![];
    for term in &layer.terms {
        match b.op(term.x) {
            _ if value(b, term.x) == Some(0.0) => {}
            Op::Concat(parts) if !term.transposed => {
                let mut row0 = term.weight.row0;
                for &x in parts {
                    let rows = b.width(x) as u32;
                    terms.push(Term { x, weight: View { row0, rows, ..term.weight }, transposed: false });
                    row0 += rows;
                }
            }
            _ => terms.push(*term),
        }
    }
    if terms.is_empty() {
        return Some(layer.bias.map(|p| b.vector(p)).unwrap_or_else(|| b.filled(0.0, width)));
    }
    if terms != layer.terms {
        return Some(b.dense_sum(Dense { terms, bias: layer.bias }));
    }
    let mut groups: Vec<(Vec<LoopId>, Vec<Term>)> = vec![];
    for term in terms {
        let loops = b.loops(term.x).to_vec();
        match groups.iter_mut().find(|(l, _)| *l == loops) {
            Some((_, group)) => group.push(term),
            None => groups.push((loops, vec![term])),
        }
    }
    if groups.len() == 1 {
        return None;
    }
    groups.sort_by_key(|(loops, _)| loops.len());
    let layers = groups.into_iter().enumerate().map(|(i, (_, terms))| {
        let bias = layer.bias.filter(|_| i == 0);
        b.dense_sum(Dense { terms, bias })
    });
    let layers: Vec<_> = layers.collect();
    layers.into_iter().reduce(|sum, layer| b.add(sum, layer))
}
