//! What a vector of `f32` can do.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `N` values of type `f32` that are computed at once.
///
/// Comparisons are false where a value is NaN. The `bits_*` functions see the same lanes as `u32` and wrap.
/// The types of instruction sets beyond the baseline may be used inside kernels of that instruction set only.
pub trait Lane:
    Copy
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Lanes.
    const N: usize;
    /// Whether [`Lane::fma`] rounds once.
    const FUSED: bool;
    /// One truth value a lane.
    type Mask: Copy;
    /// The lanes as `u32`.
    type Bits: Copy;

    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// Reads `N` values.
    ///
    /// # Safety
    /// `from` points to `N` readable values; no alignment is needed.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `N` values.
    ///
    /// # Safety
    /// `to` points to `N` writable values; no alignment is needed.
    unsafe fn store(self, to: *mut f32);
    /// `self * b + c`, rounded once where the instruction set can.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `b < self ? b : self`
    fn min(self, b: Self) -> Self;
    /// `self < b ? b : self`
    fn max(self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Largest integer not above.
    fn floor(self) -> Self;
    /// `self < b`
    fn lt(self, b: Self) -> Self::Mask;
    /// `self == b`
    fn eq(self, b: Self) -> Self::Mask;
    /// `mask ? yes : no`
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Whether the mask holds in some lane.
    fn any(mask: Self::Mask) -> bool;

    /// The bits of the values.
    fn bits(self) -> Self::Bits;
    /// Values of bits.
    fn from_bits(bits: Self::Bits) -> Self;
    /// The same word in every lane.
    fn bits_splat(value: u32) -> Self::Bits;
    /// Reads `N` words.
    ///
    /// # Safety
    /// `from` points to `N` readable words.
    unsafe fn bits_load(from: *const u32) -> Self::Bits;
    /// Writes `N` words.
    ///
    /// # Safety
    /// `to` points to `N` writable words.
    unsafe fn bits_store(bits: Self::Bits, to: *mut u32);
    /// `a + b`
    fn bits_add(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a - b`
    fn bits_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Low word of `a * b`.
    fn bits_mul(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a & b`
    fn bits_and(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a | b`
    fn bits_or(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a ^ b`
    fn bits_xor(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a << count`, `count < 32`
    fn bits_shl(a: Self::Bits, count: u32) -> Self::Bits;
    /// `a >> count`, zeros enter
    fn bits_shr(a: Self::Bits, count: u32) -> Self::Bits;
    /// `a >> count`, the sign enters
    fn bits_sar(a: Self::Bits, count: u32) -> Self::Bits;
    /// `a == b`
    fn bits_eq(a: Self::Bits, b: Self::Bits) -> Self::Mask;
    /// `a < b` of unsigned words.
    fn bits_lt(a: Self::Bits, b: Self::Bits) -> Self::Mask;
    /// `mask ? yes : no`
    fn bits_select(mask: Self::Mask, yes: Self::Bits, no: Self::Bits) -> Self::Bits;
    /// Signed integers as floats.
    fn from_int(bits: Self::Bits) -> Self;
    /// Floats as signed integers, rounded to nearest, ties to even.
    fn to_int(self) -> Self::Bits;

    /// `a` rotated left by `count` in `1..32`.
    #[inline(always)]
    fn bits_rotl(a: Self::Bits, count: u32) -> Self::Bits {
        Self::bits_or(Self::bits_shl(a, count), Self::bits_shr(a, 32 - count))
    }
    /// `self > b`
    #[inline(always)]
    fn gt(self, b: Self) -> Self::Mask {
        b.lt(self)
    }
}
