//! Elementwise kernels: one function of up to three operands over some features of a tile.

use crate::ir::{Binary, Unary};
use crate::simd::{Isa, Lane, kernel, math};

/// Rows of a tile.
pub const ROWS: usize = 64;

/// One application: `out[f][row] = function(operands)`.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    /// Result.
    pub out: *mut f32,
    /// Second result of a function that has two.
    pub second: *mut f32,
    /// First words of the operands.
    pub operands: [*const f32; 3],
    /// Words from one feature to the next: [`ROWS`], or 0 for a value of width 1; of scalars 1 or 0.
    pub steps: [usize; 3],
    /// One value for all rows.
    pub scalar: [bool; 3],
    /// Features.
    pub features: usize,
}

/// A kernel for one instruction set.
pub type MapFn = unsafe fn(&Map);

/// What is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// The operand itself.
    Copy,
    /// One operand.
    Unary(Unary),
    /// Two operands.
    Binary(Binary),
    /// `c != 0 ? a : b` of the operands (c, a, b).
    Select,
    /// Whether the integers of two operands are equal.
    Same,
    /// `a b + c`
    MulAdd,
    /// `a b - c`
    MulSub,
    /// `c - a b`
    SubMul,
    /// Elu and its slope.
    EluPair,
    /// Silu and its slope.
    SiluPair,
    /// Mish and its slope.
    MishPair,
    /// Sum over the features (the result has one).
    Sum,
}

trait Apply {
    const OPERANDS: usize;
    fn apply<V: Lane>(a: V, b: V, c: V) -> V;
}

trait ApplyTwo {
    fn apply<V: Lane>(a: V) -> (V, V);
}

#[inline(always)]
unsafe fn operand<V: Lane>(from: *const f32, scalar: bool, row: usize) -> V {
    // SAFETY: the caller's extents.
    unsafe { if scalar { V::splat(*from) } else { V::load(from.add(row)) } }
}

#[inline(always)]
unsafe fn map<V: Lane, F: Apply>(m: &Map) {
    let [mut a, mut b, mut c] = m.operands;
    let mut out = m.out;
    let zero = V::splat(0.0);
    for _ in 0..m.features {
        let mut row = 0;
        while row < ROWS {
            // SAFETY: every operand has the extents that the caller promised.
            unsafe {
                let x = operand::<V>(a, m.scalar[0], row);
                let y = if F::OPERANDS > 1 { operand::<V>(b, m.scalar[1], row) } else { zero };
                let z = if F::OPERANDS > 2 { operand::<V>(c, m.scalar[2], row) } else { zero };
                F::apply(x, y, z).store(out.add(row));
            }
            row += V::N;
        }
        a = a.wrapping_add(m.steps[0]);
        b = b.wrapping_add(m.steps[1]);
        c = c.wrapping_add(m.steps[2]);
        out = out.wrapping_add(ROWS);
    }
}

#[inline(always)]
unsafe fn map_two<V: Lane, F: ApplyTwo>(m: &Map) {
    let mut a = m.operands[0];
    let (mut out, mut second) = (m.out, m.second);
    for _ in 0..m.features {
        let mut row = 0;
        while row < ROWS {
            // SAFETY: every operand has the extents that the caller promised.
            unsafe {
                let (y, slope) = F::apply(operand::<V>(a, m.scalar[0], row));
                y.store(out.add(row));
                slope.store(second.add(row));
            }
            row += V::N;
        }
        a = a.wrapping_add(m.steps[0]);
        out = out.wrapping_add(ROWS);
        second = second.wrapping_add(ROWS);
    }
}

#[inline(always)]
unsafe fn sum<V: Lane>(m: &Map) {
    let mut row = 0;
    while row < ROWS {
        let mut total = V::splat(0.0);
        let mut a = m.operands[0];
        for _ in 0..m.features {
            // SAFETY: the operand has the extents that the caller promised.
            total = total + unsafe { operand::<V>(a, m.scalar[0], row) };
            a = a.wrapping_add(m.steps[0]);
        }
        // SAFETY: as above.
        unsafe { total.store(m.out.add(row)) };
        row += V::N;
    }
}

macro_rules! functions {
    ($($name:ident $operands:literal |$v:ident, $a:ident, $b:ident, $c:ident| $body:expr;)*) => { $(
        struct $name;
        impl Apply for $name {
            const OPERANDS: usize = $operands;
            #[inline(always)]
            #[allow(unused_variables)]
            fn apply<$v: Lane>($a: $v, $b: $v, $c: $v) -> $v { $body }
        }
    )* };
}
functions! {
    Same0 1 |V, a, b, c| a;
    Neg 1 |V, a, b, c| -a;
    Exp 1 |V, a, b, c| math::exp(a);
    Log 1 |V, a, b, c| math::log(a);
    Sqrt 1 |V, a, b, c| a.sqrt();
    Recip 1 |V, a, b, c| V::splat(1.0) / a;
    Sin 1 |V, a, b, c| math::sin(a);
    Cos 1 |V, a, b, c| math::cos(a);
    Tanh 1 |V, a, b, c| math::tanh(a);
    Abs 1 |V, a, b, c| a.abs();
    Sign 1 |V, a, b, c| math::sign(a);
    Floor 1 |V, a, b, c| a.floor();
    Relu 1 |V, a, b, c| math::relu(a);
    Elu 1 |V, a, b, c| math::elu(a);
    EluSlope 1 |V, a, b, c| math::elu_slope(a);
    Silu 1 |V, a, b, c| math::silu(a);
    SiluSlope 1 |V, a, b, c| math::silu_slope(a);
    Mish 1 |V, a, b, c| math::mish(a);
    MishSlope 1 |V, a, b, c| math::mish_slope(a);
    Add 2 |V, a, b, c| a + b;
    Sub 2 |V, a, b, c| a - b;
    Mul 2 |V, a, b, c| a * b;
    Div 2 |V, a, b, c| a / b;
    Min 2 |V, a, b, c| a.min(b);
    Max 2 |V, a, b, c| a.max(b);
    Less 2 |V, a, b, c| V::select(a.lt(b), V::splat(1.0), V::splat(0.0));
    Equal 2 |V, a, b, c| V::select(V::bits_eq(a.to_int(), b.to_int()), V::splat(1.0), V::splat(0.0));
    Choose 3 |V, a, b, c| V::select(a.eq(V::splat(0.0)), c, b);
    MulAdd 3 |V, a, b, c| a.fma(b, c);
    MulSub 3 |V, a, b, c| a.fma(b, -c);
    SubMul 3 |V, a, b, c| (-a).fma(b, c);
}

macro_rules! pairs {
    ($($name:ident $function:ident;)*) => { $(
        struct $name;
        impl ApplyTwo for $name {
            #[inline(always)]
            fn apply<V: Lane>(a: V) -> (V, V) { math::$function(a) }
        }
    )* };
}
pairs! {
    EluTwo elu_pair;
    SiluTwo silu_pair;
    MishTwo mish_pair;
}

macro_rules! one {
    ($isa:ident, $f:ident) => {{
        kernel! { fn pick(m: &Map) = map [$f]; }
        pick($isa)
    }};
}
macro_rules! two {
    ($isa:ident, $f:ident) => {{
        kernel! { fn pick(m: &Map) = map_two [$f]; }
        pick($isa)
    }};
}

impl Function {
    /// The kernel for an instruction set; its pointers must be valid for the extents of the [`Map`].
    pub fn pick(self, isa: Isa) -> MapFn {
        match self {
            Function::Copy => one!(isa, Same0),
            Function::Unary(f) => unary(f, isa),
            Function::Binary(f) => binary(f, isa),
            Function::Select => one!(isa, Choose),
            Function::Same => one!(isa, Equal),
            Function::MulAdd => one!(isa, MulAdd),
            Function::MulSub => one!(isa, MulSub),
            Function::SubMul => one!(isa, SubMul),
            Function::EluPair => two!(isa, EluTwo),
            Function::SiluPair => two!(isa, SiluTwo),
            Function::MishPair => two!(isa, MishTwo),
            Function::Sum => {
                kernel! { fn pick(m: &Map) = sum; }
                pick(isa)
            }
        }
    }

    /// The function that computes an activation and its slope at once: (pair, slope).
    pub fn pair(f: Unary) -> Option<(Function, Unary)> {
        match f {
            Unary::Elu => Some((Function::EluPair, Unary::EluSlope)),
            Unary::Silu => Some((Function::SiluPair, Unary::SiluSlope)),
            Unary::Mish => Some((Function::MishPair, Unary::MishSlope)),
            _ => None,
        }
    }
}

fn unary(f: Unary, isa: Isa) -> MapFn {
    match f {
        Unary::Neg => one!(isa, Neg),
        Unary::Exp => one!(isa, Exp),
        Unary::Log => one!(isa, Log),
        Unary::Sqrt => one!(isa, Sqrt),
        Unary::Recip => one!(isa, Recip),
        Unary::Sin => one!(isa, Sin),
        Unary::Cos => one!(isa, Cos),
        Unary::Tanh => one!(isa, Tanh),
        Unary::Abs => one!(isa, Abs),
        Unary::Sign => one!(isa, Sign),
        Unary::Floor => one!(isa, Floor),
        Unary::Relu => one!(isa, Relu),
        Unary::Elu => one!(isa, Elu),
        Unary::EluSlope => one!(isa, EluSlope),
        Unary::Silu => one!(isa, Silu),
        Unary::SiluSlope => one!(isa, SiluSlope),
        Unary::Mish => one!(isa, Mish),
        Unary::MishSlope => one!(isa, MishSlope),
    }
}

fn binary(f: Binary, isa: Isa) -> MapFn {
    match f {
        Binary::Add => one!(isa, Add),
        Binary::Sub => one!(isa, Sub),
        Binary::Mul => one!(isa, Mul),
        Binary::Div => one!(isa, Div),
        Binary::Min => one!(isa, Min),
        Binary::Max => one!(isa, Max),
        Binary::Less => one!(isa, Less),
    }
}
