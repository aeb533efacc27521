//! Elementary functions and activations of a vector. `src/ir/functions.rs` has their meaning in f64.
//!
//! Polynomials are those of Cephes (Moshier 1992). A NaN stays a NaN.

use super::Lane;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
// ln 2 in two parts, the first of which is exact in few bits.
const LN_2_HI: f32 = 0.693_359_4;
const LN_2_LO: f32 = -2.121_944_4e-4;
/// Below, `e^x` is not a normal number.
const EXP_LOW: f32 = -87.336_54;
/// 127.5 ln 2: above, `e^x` needs the exponent 128.
const EXP_HIGH: f32 = 88.376_26;

/// `(2^n, e^r - 1)` with `x = n ln 2 + r`, for `x` in `EXP_LOW ..= EXP_HIGH`.
#[inline(always)]
fn exp_parts<V: Lane>(x: V) -> (V, V) {
    const MAGIC: f32 = 12_582_912.0; // 1.5 2^23: adding it rounds to an integer
    let shifted = x.fma(V::splat(LOG2_E), V::splat(MAGIC));
    let n = shifted - V::splat(MAGIC);
    let r = n.fma(V::splat(-LN_2_HI), x);
    let r = n.fma(V::splat(-LN_2_LO), r);
    let mut p = V::splat(1.987_569_1e-4);
    p = p.fma(r, V::splat(1.398_199_9e-3));
    p = p.fma(r, V::splat(8.333_452e-3));
    p = p.fma(r, V::splat(4.166_579_6e-2));
    p = p.fma(r, V::splat(1.666_666_5e-1));
    p = p.fma(r, V::splat(0.5));
    let grown = p.fma(r * r, r);
    let exponent = V::bits_sub(shifted.bits(), V::bits_splat(MAGIC.to_bits().wrapping_sub(127)));
    (V::from_bits(V::bits_shl(exponent, 23)), grown)
}

/// `e^x` of an argument within the range of [`exp_parts`] after clamping: no infinity, no zero.
#[inline(always)]
fn exp_clamped<V: Lane>(x: V) -> V {
    let (scale, grown) = exp_parts(x.min(V::splat(EXP_HIGH)).max(V::splat(EXP_LOW)));
    scale.fma(grown, scale)
}

/// `e^x` within about 1 unit in the last place; infinite above 88.376, zero below -87.337.
#[inline(always)]
pub fn exp<V: Lane>(x: V) -> V {
    let y = exp_clamped(x);
    let y = V::select(x.gt(V::splat(EXP_HIGH)), V::splat(f32::INFINITY), y);
    V::select(x.lt(V::splat(EXP_LOW)), V::splat(0.0), y)
}

/// Natural logarithm: -infinity at 0, NaN below.
#[inline(always)]
pub fn log<V: Lane>(x: V) -> V {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    // Numbers below the normal ones are scaled into their range first.
    let tiny = x.lt(V::splat(f32::MIN_POSITIVE));
    let scaled = V::select(tiny, x * V::splat(8_388_608.0), x);
    let shift = V::select(tiny, V::splat(-23.0), V::splat(0.0));
    let shifted = V::bits_sub(scaled.bits(), V::bits_splat(SQRT_HALF_BITS));
    let exponent = V::from_int(V::bits_sar(shifted, 23)) + shift;
    let mantissa = V::bits_and(shifted, V::bits_splat(0x007f_ffff));
    let m = V::from_bits(V::bits_add(mantissa, V::bits_splat(SQRT_HALF_BITS))) - V::splat(1.0);
    let z = m * m;
    let mut p = V::splat(7.037_683_6e-2);
    p = p.fma(m, V::splat(-1.151_461e-1));
    p = p.fma(m, V::splat(1.167_699_9e-1));
    p = p.fma(m, V::splat(-1.242_014_1e-1));
    p = p.fma(m, V::splat(1.424_932_3e-1));
    p = p.fma(m, V::splat(-1.666_805_8e-1));
    p = p.fma(m, V::splat(2.000_071_4e-1));
    p = p.fma(m, V::splat(-2.499_999_4e-1));
    p = p.fma(m, V::splat(3.333_333e-1));
    let mut y = p * m * z;
    y = exponent.fma(V::splat(LN_2_LO), y);
    y = z.fma(V::splat(-0.5), y);
    y = m + y;
    y = exponent.fma(V::splat(LN_2_HI), y);
    // Infinity and NaN are themselves (x + x keeps a NaN), zero and below are special.
    y = V::select(x.lt(V::splat(f32::INFINITY)), y, x + x);
    y = V::select(x.eq(V::splat(0.0)), V::splat(f32::NEG_INFINITY), y);
    V::select(x.lt(V::splat(0.0)), V::splat(f32::NAN), y)
}

/// Sine of the remainder (`quarter` even) or cosine (odd) with the quarter's sign; `quarter` counts from the sine's.
#[inline(always)]
fn sin_quarters<V: Lane>(x: V, offset: u32) -> V {
    const MAGIC: f32 = 12_582_912.0;
    let shifted = x.fma(V::splat(std::f32::consts::FRAC_2_PI), V::splat(MAGIC));
    let n = shifted - V::splat(MAGIC);
    // pi / 2 in three parts, the first two of few bits.
    let mut r = n.fma(V::splat(-1.570_312_5), x);
    r = n.fma(V::splat(-4.837_513e-4), r);
    r = n.fma(V::splat(-7.549_79e-8), r);
    let z = r * r;
    let mut s = V::splat(-1.951_529_6e-4);
    s = s.fma(z, V::splat(8.332_161e-3));
    s = s.fma(z, V::splat(-1.666_665_5e-1));
    let s = (s * z).fma(r, r);
    let mut c = V::splat(2.443_315_7e-5);
    c = c.fma(z, V::splat(-1.388_731_6e-3));
    c = c.fma(z, V::splat(4.166_664_6e-2));
    let c = (c * z).fma(z, z.fma(V::splat(-0.5), V::splat(1.0)));
    let quarter = V::bits_add(shifted.bits(), V::bits_splat(offset));
    let odd = V::bits_and(quarter, V::bits_splat(1));
    let y = V::select(V::bits_eq(odd, V::bits_splat(0)), s, c);
    let sign = V::bits_shl(V::bits_and(quarter, V::bits_splat(2)), 30);
    V::from_bits(V::bits_xor(y.bits(), sign))
}

/// Sine; absolute error of about 1e-7 for `|x|` up to 8000, growing with `|x|`.
#[inline(always)]
pub fn sin<V: Lane>(x: V) -> V {
    sin_quarters(x, 0)
}

/// Cosine; absolute error of about 1e-7 for `|x|` up to 8000, growing with `|x|`.
#[inline(always)]
pub fn cos<V: Lane>(x: V) -> V {
    sin_quarters(x, 1)
}

/// Hyperbolic tangent with relative accuracy near 0.
#[inline(always)]
pub fn tanh<V: Lane>(x: V) -> V {
    let size = x.abs();
    // e^(-2 |x|) - 1
    let (scale, grown) = exp_parts((size * V::splat(-2.0)).max(V::splat(-40.0)));
    let e = scale.fma(grown, scale - V::splat(1.0));
    let y = e / (e + V::splat(2.0));
    // y is not positive: give it the sign of x.
    let sign = V::bits_and(x.bits(), V::bits_splat(0x8000_0000));
    V::from_bits(V::bits_or(y.abs().bits(), sign))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub fn sigmoid<V: Lane>(x: V) -> V {
    let one = V::splat(1.0);
    one / (one + exp_clamped(-x))
}

/// -1, 0 or 1; 0 for NaN.
#[inline(always)]
pub fn sign<V: Lane>(x: V) -> V {
    let zero = V::splat(0.0);
    let up = V::select(x.gt(zero), V::splat(1.0), zero);
    V::select(x.lt(zero), V::splat(-1.0), up)
}

/// `max(x, 0)`
#[inline(always)]
pub fn relu<V: Lane>(x: V) -> V {
    x.max(V::splat(0.0))
}

/// `x > 0 ? x : e^x - 1`
#[inline(always)]
pub fn elu<V: Lane>(x: V) -> V {
    elu_pair(x).0
}

/// Derivative of [`elu`].
#[inline(always)]
pub fn elu_slope<V: Lane>(x: V) -> V {
    elu_pair(x).1
}

/// [`elu`] and its derivative.
#[inline(always)]
pub fn elu_pair<V: Lane>(x: V) -> (V, V) {
    let zero = V::splat(0.0);
    let (scale, grown) = exp_parts(x.min(zero).max(V::splat(EXP_LOW)));
    let below = scale.fma(grown, scale - V::splat(1.0));
    (V::select(x.gt(zero), x, below), scale.fma(grown, scale))
}

/// `x / (1 + e^-x)`
#[inline(always)]
pub fn silu<V: Lane>(x: V) -> V {
    x * sigmoid(x)
}

/// Derivative of [`silu`].
#[inline(always)]
pub fn silu_slope<V: Lane>(x: V) -> V {
    silu_pair(x).1
}

/// [`silu`] and its derivative `s (1 + x (1 - s))`, with `1 - s = s e^-x` written so that it does not cancel.
#[inline(always)]
pub fn silu_pair<V: Lane>(x: V) -> (V, V) {
    let one = V::splat(1.0);
    let y = x.max(V::splat(-80.0)).min(V::splat(80.0));
    let w = exp_parts_sum(-y);
    let s = one / (one + w);
    (x * s, s * (y * (w * s) + one))
}

/// `e^x` of an argument that is known to be in range.
#[inline(always)]
fn exp_parts_sum<V: Lane>(x: V) -> V {
    let (scale, grown) = exp_parts(x);
    scale.fma(grown, scale)
}

/// `x tanh(ln(1 + e^x))`: with `w = e^x` and `n = w (w + 2)` the tangent is `n / (n + 2)`.
#[inline(always)]
pub fn mish<V: Lane>(x: V) -> V {
    let (one, two) = (V::splat(1.0), V::splat(2.0));
    let w = exp_parts_sum(x.min(V::splat(20.0)).max(V::splat(EXP_LOW)));
    let n = w * (w + two);
    x * (n * (one / (n + two)))
}

/// Derivative of [`mish`].
#[inline(always)]
pub fn mish_slope<V: Lane>(x: V) -> V {
    mish_pair(x).1
}

/// [`mish`] and its derivative from one exponential.
#[inline(always)]
pub fn mish_pair<V: Lane>(x: V) -> (V, V) {
    let (one, two) = (V::splat(1.0), V::splat(2.0));
    let y = x.min(V::splat(20.0)).max(V::splat(EXP_LOW));
    let w = exp_parts_sum(y);
    let n = w * (w + two);
    let r = one / (n + two);
    let t = n * r;
    let curve = (V::splat(4.0) * y) * (w * r) * ((w + one) * r);
    (x * t, t + curve)
}
