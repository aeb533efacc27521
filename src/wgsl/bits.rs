//! WGSL's integer and bit functions for one lane: total, so that no input is undefined.

/// x / 0 is x; the quotient that overflows is the dividend.
#[inline(always)]
pub(super) fn div_i(x: i32, y: i32) -> i32 {
    let y = if y == 0 || (y == -1 && x == i32::MIN) { 1 } else { y };
    x.wrapping_div(y)
}

/// x % 0 is 0.
#[inline(always)]
pub(super) fn rem_i(x: i32, y: i32) -> i32 {
    let y = if y == 0 || (y == -1 && x == i32::MIN) { 1 } else { y };
    x.wrapping_rem(y)
}

/// x / 0 is x.
#[inline(always)]
pub(super) fn div_u(x: u32, y: u32) -> u32 {
    x / if y == 0 { 1 } else { y }
}

/// x % 0 is 0.
#[inline(always)]
pub(super) fn rem_u(x: u32, y: u32) -> u32 {
    x % if y == 0 { 1 } else { y }
}

/// Saturates at the largest float below 2^31.
#[inline(always)]
pub(super) fn to_i(x: f32) -> i32 {
    (if x < 2_147_483_520.0 {
        x
    } else if x.is_nan() {
        0.0
    } else {
        2_147_483_520.0
    }) as i32
}

/// Saturates at the largest float below 2^32.
#[inline(always)]
pub(super) fn to_u(x: f32) -> u32 {
    (if x < 4_294_967_040.0 {
        x
    } else if x.is_nan() {
        0.0
    } else {
        4_294_967_040.0
    }) as u32
}

/// Position of the highest bit that differs from the sign; -1 where there is none.
#[inline(always)]
pub(super) fn first_leading_i(x: i32) -> u32 {
    first_leading_u((if x < 0 { !x } else { x }) as u32)
}

/// Position of the highest set bit; all ones where there is none.
#[inline(always)]
pub(super) fn first_leading_u(x: u32) -> u32 {
    31u32.wrapping_sub(x.leading_zeros())
}

/// Position of the lowest set bit; all ones where there is none.
#[inline(always)]
pub(super) fn first_trailing(x: u32) -> u32 {
    if x == 0 { u32::MAX } else { x.trailing_zeros() }
}

/// The mask of `count` bits from `offset` on, as `extractBits` and `insertBits` limit them.
#[inline(always)]
pub(super) fn field(offset: u32, count: u32) -> u32 {
    let offset = offset.min(32);
    let count = count.min(32 - offset);
    let ones = ((1u64 << count) - 1) << offset;
    ones as u32
}

#[inline(always)]
pub(super) fn extract_u(x: u32, offset: u32, count: u32) -> u32 {
    let offset = offset.min(32);
    let count = count.min(32 - offset);
    let ones = (1u64 << count) - 1;
    ((u64::from(x) >> offset) & ones) as u32
}

#[inline(always)]
pub(super) fn extract_i(x: u32, offset: u32, count: u32) -> u32 {
    let offset = offset.min(32);
    let count = count.min(32 - offset);
    let unused = 64 - count;
    if count == 0 { 0 } else { (((u64::from(x) >> offset) << unused) as i64 >> unused) as u32 }
}

/// Half-precision bits, rounded to nearest even.
#[inline(always)]
pub(super) fn to_half(x: f32) -> u32 {
    let bits = x.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let a = bits & 0x7fff_ffff;
    // Below 2^-14 the spacing is 2^-24: adding 0.5 rounds there.
    let small = (f32::from_bits(a) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let normal = a.wrapping_add(0xc800_0fff).wrapping_add((a >> 13) & 1) >> 13;
    let finite = if a < 0x3880_0000 { small } else { normal };
    let limited = if a >= 0x4780_0000 { 0x7c00 } else { finite };
    sign | if a > 0x7f80_0000 { 0x7e00 } else { limited }
}

/// The float of half-precision bits.
#[inline(always)]
pub(super) fn from_half(x: u32) -> f32 {
    let sign = (x & 0x8000) << 16;
    let a = x & 0x7fff;
    // The exponent is off by 2^112 after the shift; the product makes subnormals right as well.
    let scaled = f32::from_bits(a << 13) * f32::from_bits(0x7780_0000);
    let value = if a >= 0x7c00 { f32::from_bits(0x7f80_0000 | (a << 13)) } else { scaled };
    f32::from_bits(value.to_bits() | sign)
}

/// x * 2^n in two exact steps.
#[inline(always)]
pub(super) fn ldexp(x: f32, n: i32) -> f32 {
    let n = i64::from(n.clamp(-400, 400));
    (f64::from(x) * f64::from_bits(((n + 1023) as u64) << 52)) as f32
}

/// Exponent of `frexp`: x = fraction 2^exponent, fraction in 0.5..1; 0 for 0, infinities and NaN.
#[inline(always)]
pub(super) fn frexp_exponent(x: f32) -> i32 {
    let bits = f64::from(x).to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    if x == 0.0 || x * 0.0 != 0.0 { 0 } else { exponent }
}

/// Fraction of `frexp`.
#[inline(always)]
pub(super) fn frexp_fraction(x: f32) -> f32 {
    let bits = f64::from(x).to_bits();
    let fraction = f64::from_bits((bits & 0x800f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000) as f32;
    if x == 0.0 || x * 0.0 != 0.0 { x } else { fraction }
}

/// Whether the exponent is that of an infinity or a NaN.
#[inline(always)]
pub(super) fn not_finite(x: f32) -> bool {
    x.to_bits() & 0x7f80_0000 == 0x7f80_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_goes_there_and_back_and_rounds_to_even() {
        for half in 0..0x7c00u32 {
            assert_eq!(to_half(from_half(half)), half);
            assert_eq!(to_half(-from_half(half)), half | 0x8000);
        }
        assert_eq!(to_half(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(to_half(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!((to_half(65504.0), to_half(65520.0), to_half(1e9)), (0x7bff, 0x7c00, 0x7c00));
        assert!(from_half(to_half(f32::NAN)).is_nan());
    }

    #[test]
    fn integer_functions_are_total() {
        assert_eq!((div_i(7, 0), rem_i(7, 0), div_u(7, 0), rem_u(7, 0)), (7, 0, 7, 0));
        assert_eq!((div_i(i32::MIN, -1), rem_i(i32::MIN, -1)), (i32::MIN, 0));
        assert_eq!((to_i(1e20), to_i(-1e20), to_i(f32::NAN)), (2_147_483_520, i32::MIN, 0));
        assert_eq!((to_u(1e20), to_u(-1.0), to_u(f32::NAN)), (4_294_967_040, 0, 0));
        assert_eq!((extract_u(0xff00, 8, 4), extract_i(0xff00, 8, 4), extract_i(5, 40, 3)), (15, u32::MAX, 0));
        assert_eq!((field(8, 4), field(30, 9), field(0, 32), field(99, 1)), (0xf00, 0xc000_0000, u32::MAX, 0));
        assert_eq!((first_leading_u(0), first_leading_i(-1), first_leading_u(9)), (u32::MAX, u32::MAX, 3));
        assert_eq!((frexp_fraction(-12.0), frexp_exponent(-12.0), ldexp(0.75, 4)), (-0.75, 4, 12.0));
    }
}
