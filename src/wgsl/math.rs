//! The transcendental functions of WGSL, for one lane, without branches so that a loop over lanes vectorises.
//!
//! All arithmetic is in f64 and without fused multiply-add: the result is rounded to f32 once, is off by little more
//! than half a unit in the last place, and has the same bits on every instruction set.
#![allow(clippy::excessive_precision)] // polynomial coefficients as published

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, PI};

/// 1.5 * 2^52: adding it rounds to the nearest integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Horner's rule; the highest power first.
macro_rules! polynomial {
    ($x:expr, $first:expr $(, $next:expr)*) => {{
        let x = $x;
        let sum: f64 = $first;
        $(let sum = sum * x + $next;)*
        sum
    }};
}

/// e^x in f64, relative error below 1e-10.
#[inline(always)]
fn exp64(x: f64) -> f64 {
    let x = if x > 700.0 { 700.0 } else { x };
    let x = if x < -700.0 { -700.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2;
    let series = polynomial!(
        r,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0
    );
    // 2^n: n stands in the low bits of `shifted`; what is above them is shifted out.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    series * power
}

/// ln(x) in f64 for x that an f32 can hold: -inf at 0, NaN below.
#[inline(always)]
fn log64(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF);
    // The exponent as a double, by arithmetic on its bits: -1024..1024.
    let exponent =
        f64::from_bits((shifted.wrapping_add(1 << 62) >> 52) | 0x4330_0000_0000_0000) - 4_503_599_627_371_520.0;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series =
        polynomial!(z, 1.0 / 17.0, 1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0);
    let y = exponent * LN_2 + 2.0 * s * series;
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}

/// Sine and cosine in f64; the argument is off by its own rounding only below 1e6, and taken as 0 beyond 1e9.
#[inline(always)]
fn sin_cos64(x: f64) -> (f64, f64) {
    // pi / 2 in two parts, the first of 33 bits.
    const HIGH: f64 = 1.570_796_326_734_125_614_17;
    const LOW: f64 = 6.077_100_506_506_192_249_32e-11;
    let x = if x.abs() > 1e9 && x.is_finite() { 0.0 } else { x };
    let shifted = x * (1.0 / FRAC_PI_2) + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * HIGH) - n * LOW;
    let z = r * r;
    let sine = r * polynomial!(
        z,
        1.0 / 6_227_020_800.0,
        -1.0 / 39_916_800.0,
        1.0 / 362_880.0,
        -1.0 / 5_040.0,
        1.0 / 120.0,
        -1.0 / 6.0,
        1.0
    );
    let cosine =
        polynomial!(z, 1.0 / 479_001_600.0, -1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0);
    let quarter = shifted.to_bits();
    let (s, c) = if quarter & 1 == 1 { (cosine, sine) } else { (sine, cosine) };
    let s = f64::from_bits(s.to_bits() ^ ((quarter & 2) << 62));
    let c = f64::from_bits(c.to_bits() ^ ((quarter.wrapping_add(1) & 2) << 62));
    (s, c)
}

/// arctan in f64 (Cephes `atan.c`, double precision).
#[inline(always)]
fn atan64(x: f64) -> f64 {
    let a = x.abs();
    let (far, middle) = (a > 2.414_213_562_373_095_048_80, a > 0.66);
    let numerator = if far { -1.0 } else { a - 1.0 };
    let denominator = if far { a } else { a + 1.0 };
    let t = if middle { numerator / denominator } else { a };
    let base = if middle { FRAC_PI_4 } else { 0.0 };
    let base = if far { FRAC_PI_2 } else { base };
    let z = t * t;
    let p = polynomial!(
        z,
        -8.750_608_600_031_904_122_785e-1,
        -1.615_753_718_733_365_076_637e1,
        -7.500_855_792_314_704_667_340e1,
        -1.228_866_684_490_136_173_410e2,
        -6.485_021_904_942_025_371_773e1
    );
    let q = polynomial!(
        z,
        1.0,
        2.485_846_490_142_306_297_962e1,
        1.650_270_098_316_988_542_046e2,
        4.328_810_604_912_902_668_951e2,
        4.853_903_996_359_136_964_868e2,
        1.945_506_571_482_613_964_425e2
    );
    (base + (t + t * (z * p / q))).copysign(x)
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    exp64(f64::from(x)) as f32
}

#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    exp64(f64::from(x) * LN_2) as f32
}

#[inline(always)]
pub(super) fn log(x: f32) -> f32 {
    log64(f64::from(x)) as f32
}

#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    (log64(f64::from(x)) * LOG2_E) as f32
}

/// exp2(y log2 x), as WGSL defines it: NaN for a negative x.
#[inline(always)]
pub(super) fn pow(x: f32, y: f32) -> f32 {
    exp64(f64::from(y) * log64(f64::from(x))) as f32
}

#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    sin_cos64(f64::from(x)).0 as f32
}

#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    sin_cos64(f64::from(x)).1 as f32
}

/// Sine and cosine.
#[inline(always)]
pub(super) fn sin_cos(x: f32) -> (f32, f32) {
    let (s, c) = sin_cos64(f64::from(x));
    (s as f32, c as f32)
}

#[inline(always)]
pub(super) fn tan(x: f32) -> f32 {
    let (s, c) = sin_cos64(f64::from(x));
    (s / c) as f32
}

#[inline(always)]
fn asin64(x: f64) -> f64 {
    atan64(x / ((1.0 - x) * (1.0 + x)).sqrt())
}

#[inline(always)]
pub(super) fn asin(x: f32) -> f32 {
    asin64(f64::from(x)) as f32
}

#[inline(always)]
pub(super) fn acos(x: f32) -> f32 {
    (FRAC_PI_2 - asin64(f64::from(x))) as f32
}

#[inline(always)]
pub(super) fn atan(x: f32) -> f32 {
    atan64(f64::from(x)) as f32
}

#[inline(always)]
pub(super) fn atan2(y: f32, x: f32) -> f32 {
    let (y, x) = (f64::from(y), f64::from(x));
    let ratio = if y == 0.0 && x == 0.0 { 0.0 } else { y.abs() / x.abs() };
    let first = atan64(ratio);
    let angle = if x < 0.0 { PI - first } else { first };
    (angle.copysign(y)) as f32
}

/// Below it the series of the hyperbolic functions are used, where the formulas would cancel.
const SMALL: f64 = 0.02;

#[inline(always)]
pub(super) fn sinh(x: f32) -> f32 {
    let x = f64::from(x);
    let e = exp64(x);
    let z = x * x;
    let near = x * polynomial!(z, 1.0 / 120.0, 1.0 / 6.0, 1.0);
    (if x.abs() < SMALL { near } else { 0.5 * (e - 1.0 / e) }) as f32
}

#[inline(always)]
pub(super) fn cosh(x: f32) -> f32 {
    let e = exp64(f64::from(x));
    (0.5 * (e + 1.0 / e)) as f32
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let x = f64::from(x);
    let limited = if x > 20.0 { 20.0 } else { x };
    let limited = if limited < -20.0 { -20.0 } else { limited };
    let e = exp64(2.0 * limited);
    let z = x * x;
    let near = x * polynomial!(z, -17.0 / 315.0, 2.0 / 15.0, -1.0 / 3.0, 1.0);
    (if x.abs() < SMALL { near } else { (e - 1.0) / (e + 1.0) }) as f32
}

#[inline(always)]
pub(super) fn asinh(x: f32) -> f32 {
    let x = f64::from(x);
    let a = x.abs();
    let z = a * a;
    let near = a * polynomial!(z, 3.0 / 40.0, -1.0 / 6.0, 1.0);
    (if a < SMALL { near } else { log64(a + (z + 1.0).sqrt()) }).copysign(x) as f32
}

#[inline(always)]
pub(super) fn acosh(x: f32) -> f32 {
    let x = f64::from(x);
    log64(x + ((x - 1.0) * (x + 1.0)).sqrt()) as f32
}

#[inline(always)]
pub(super) fn atanh(x: f32) -> f32 {
    let x = f64::from(x);
    let z = x * x;
    let near = x * polynomial!(z, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0);
    (if x.abs() < SMALL { near } else { 0.5 * log64((1.0 + x) / (1.0 - x)) }) as f32
}

/// To the nearest integer, ties to even. By arithmetic, since baseline x86-64 has no instruction for it.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    const SHIFT: f32 = 8_388_608.0;
    let a = x.abs();
    let near = ((a + SHIFT) - SHIFT).copysign(x);
    if a < SHIFT { near } else { x }
}

#[inline(always)]
pub(super) fn floor(x: f32) -> f32 {
    let near = round(x);
    if near > x { near - 1.0 } else { near }
}

#[inline(always)]
pub(super) fn ceil(x: f32) -> f32 {
    let near = round(x);
    (if near < x { near + 1.0 } else { near }).copysign(x)
}

#[inline(always)]
pub(super) fn trunc(x: f32) -> f32 {
    floor(x.abs()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let rounded = want as f32;
        if got == rounded || got.is_nan() && rounded.is_nan() {
            return 0.0;
        }
        let next = f32::from_bits(rounded.abs().to_bits() + 1);
        (f64::from(got) - want).abs() / f64::from(next - rounded.abs())
    }

    fn check(name: &str, low: f32, high: f32, got: fn(f32) -> f32, want: fn(f64) -> f64) {
        let mut worst = (0.0, 0.0);
        for i in 0..200_000u32 {
            let x = low + (high - low) * (i as f32 / 200_000.0);
            let error = ulps(got(x), want(f64::from(x)));
            if error > worst.0 {
                worst = (error, x);
            }
        }
        assert!(worst.0 <= 1.0, "{name}({}): {} ulp", worst.1, worst.0);
    }

    #[test]
    fn functions_are_within_one_ulp_of_the_double_precision_library() {
        check("exp", -100.0, 88.7, exp, f64::exp);
        check("exp2", -149.0, 127.9, exp2, f64::exp2);
        check("log", 1e-30, 1e3, log, f64::ln);
        check("log", 0.9, 1.1, log, f64::ln);
        check("log2", 1e-3, 1e30, log2, f64::log2);
        check("sin", -10.0, 10.0, sin, f64::sin);
        check("cos", -1e5, 1e5, cos, f64::cos);
        check("tan", -10.0, 10.0, tan, f64::tan);
        check("asin", -1.0, 1.0, asin, f64::asin);
        check("acos", -1.0, 1.0, acos, f64::acos);
        check("atan", -20.0, 20.0, atan, f64::atan);
        check("sinh", -80.0, 80.0, sinh, f64::sinh);
        check("sinh", -0.1, 0.1, sinh, f64::sinh);
        check("cosh", -80.0, 80.0, cosh, f64::cosh);
        check("tanh", -12.0, 12.0, tanh, f64::tanh);
        check("tanh", -0.1, 0.1, tanh, f64::tanh);
        check("asinh", -50.0, 50.0, asinh, f64::asinh);
        check("asinh", -0.1, 0.1, asinh, f64::asinh);
        check("acosh", 1.0, 100.0, acosh, f64::acosh);
        check("atanh", -0.999, 0.999, atanh, f64::atanh);
        check("round", -20.0, 20.0, round, f64::round_ties_even);
        check("floor", -20.0, 20.0, floor, f64::floor);
        check("ceil", -20.0, 20.0, ceil, f64::ceil);
        check("trunc", -20.0, 20.0, trunc, f64::trunc);
    }

    #[test]
    fn functions_have_their_limits_and_poles() {
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!(exp(-110.0), 0.0);
        assert_eq!(log(0.0), f32::NEG_INFINITY);
        assert_eq!(log(f32::INFINITY), f32::INFINITY);
        assert!(log(-1.0).is_nan() && pow(-1.0, 2.0).is_nan() && asin(1.5).is_nan() && acosh(0.5).is_nan());
        assert!(sin(f32::NAN).is_nan() && exp(f32::NAN).is_nan() && sin(f32::INFINITY).is_nan());
        assert_eq!(pow(2.0, 10.0), 1024.0);
        assert_eq!(pow(0.0, 2.0), 0.0);
        assert_eq!((asin(1.0), acos(-1.0)), (std::f32::consts::FRAC_PI_2, std::f32::consts::PI));
        for (y, x) in [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (1.0, -1.0), (-2.0, -3.0), (0.0, 0.0), (3.0, 0.1)] {
            assert_eq!(atan2(y, x), f64::atan2(f64::from(y), f64::from(x)) as f32, "{y} {x}");
        }
    }
}
