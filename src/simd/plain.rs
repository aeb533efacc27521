//! The portable vector: an array that the compiler vectorises for the baseline of the architecture.

use super::Lane;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Eight `f32`. On ARM, where NEON and its fused multiply-add belong to the baseline, they are used. Elsewhere multiply-add
/// rounds twice: without the instruction a fused one is a call of the mathematical library.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C, align(32))]
pub struct F32x8(pub [f32; 8]);

/// `lanes!(i => expression of lane i)`
macro_rules! lanes {
    ($i:ident => $e:expr) => {
        [
            {
                let $i = 0;
                $e
            },
            {
                let $i = 1;
                $e
            },
            {
                let $i = 2;
                $e
            },
            {
                let $i = 3;
                $e
            },
            {
                let $i = 4;
                $e
            },
            {
                let $i = 5;
                $e
            },
            {
                let $i = 6;
                $e
            },
            {
                let $i = 7;
                $e
            },
        ]
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:tt),*) => { $(
        impl $trait for F32x8 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self { F32x8(lanes!(i => self.0[i] $op b.0[i])) }
        }
    )* };
}
operator!(Add add +, Sub sub -, Mul mul *, Div div /);

impl Neg for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        F32x8(lanes!(i => -self.0[i]))
    }
}

/// All bits or none.
#[inline(always)]
fn ones(truth: bool) -> u32 {
    if truth { u32::MAX } else { 0 }
}

/// Floor of a value below 2^22 in magnitude without a library call; larger values are integers or nearly so.
#[inline(always)]
fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    let down = if whole > x { whole - 1.0 } else { whole };
    if x.abs() < 8_388_608.0 { down } else { x }
}

/// Nearest integer, ties to even, by the rounding of an addition; for magnitudes below 2^22.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32
}

impl Lane for F32x8 {
    const N: usize = 8;
    const FUSED: bool = cfg!(target_arch = "aarch64");
    /// All bits or none, which vectorises better than `bool`.
    type Mask = [u32; 8];
    type Bits = [u32; 8];

    #[inline(always)]
    fn splat(value: f32) -> Self {
        F32x8([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        F32x8(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        if Self::FUSED {
            return F32x8(lanes!(i => self.0[i].mul_add(b.0[i], c.0[i])));
        }
        F32x8(lanes!(i => self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    fn min(self, b: Self) -> Self {
        F32x8(lanes!(i => if b.0[i] < self.0[i] { b.0[i] } else { self.0[i] }))
    }
    #[inline(always)]
    fn max(self, b: Self) -> Self {
        F32x8(lanes!(i => if self.0[i] < b.0[i] { b.0[i] } else { self.0[i] }))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        F32x8(lanes!(i => self.0[i].sqrt()))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        F32x8(lanes!(i => f32::from_bits(self.0[i].to_bits() & 0x7fff_ffff)))
    }
    #[inline(always)]
    fn floor(self) -> Self {
        F32x8(lanes!(i => floor(self.0[i])))
    }
    #[inline(always)]
    fn lt(self, b: Self) -> [u32; 8] {
        lanes!(i => ones(self.0[i] < b.0[i]))
    }
    #[inline(always)]
    fn eq(self, b: Self) -> [u32; 8] {
        lanes!(i => ones(self.0[i] == b.0[i]))
    }
    #[inline(always)]
    fn select(mask: [u32; 8], yes: Self, no: Self) -> Self {
        F32x8(lanes!(i => f32::from_bits((mask[i] & yes.0[i].to_bits()) | (!mask[i] & no.0[i].to_bits()))))
    }
    #[inline(always)]
    fn any(mask: [u32; 8]) -> bool {
        (mask[0] | mask[1] | mask[2] | mask[3] | mask[4] | mask[5] | mask[6] | mask[7]) != 0
    }
    #[inline(always)]
    fn bits(self) -> [u32; 8] {
        lanes!(i => self.0[i].to_bits())
    }
    #[inline(always)]
    fn from_bits(bits: [u32; 8]) -> Self {
        F32x8(lanes!(i => f32::from_bits(bits[i])))
    }
    #[inline(always)]
    fn bits_splat(value: u32) -> [u32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn bits_load(from: *const u32) -> [u32; 8] {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[u32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn bits_store(bits: [u32; 8], to: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u32; 8]>().write_unaligned(bits) }
    }
    #[inline(always)]
    fn bits_add(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn bits_sub(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i].wrapping_sub(b[i]))
    }
    #[inline(always)]
    fn bits_mul(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i].wrapping_mul(b[i]))
    }
    #[inline(always)]
    fn bits_and(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i] & b[i])
    }
    #[inline(always)]
    fn bits_or(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i] | b[i])
    }
    #[inline(always)]
    fn bits_xor(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => a[i] ^ b[i])
    }
    #[inline(always)]
    fn bits_shl(a: [u32; 8], count: u32) -> [u32; 8] {
        lanes!(i => a[i] << (count & 31))
    }
    #[inline(always)]
    fn bits_shr(a: [u32; 8], count: u32) -> [u32; 8] {
        lanes!(i => a[i] >> (count & 31))
    }
    #[inline(always)]
    fn bits_sar(a: [u32; 8], count: u32) -> [u32; 8] {
        lanes!(i => ((a[i] as i32) >> (count & 31)) as u32)
    }
    #[inline(always)]
    fn bits_eq(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => ones(a[i] == b[i]))
    }
    #[inline(always)]
    fn bits_lt(a: [u32; 8], b: [u32; 8]) -> [u32; 8] {
        lanes!(i => ones(a[i] < b[i]))
    }
    #[inline(always)]
    fn bits_select(mask: [u32; 8], yes: [u32; 8], no: [u32; 8]) -> [u32; 8] {
        lanes!(i => (mask[i] & yes[i]) | (!mask[i] & no[i]))
    }
    #[inline(always)]
    fn from_int(bits: [u32; 8]) -> Self {
        F32x8(lanes!(i => bits[i] as i32 as f32))
    }
    #[inline(always)]
    fn to_int(self) -> [u32; 8] {
        lanes!(i => nearest(self.0[i]) as u32)
    }
}
