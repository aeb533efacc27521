//! The vectors of AVX2 and AVX-512.
//!
//! Their functions are safe to name but may only run where the instruction set exists: they are used inside the kernels
//! that `kernel!` compiles for it and nowhere else, and an engine calls such a kernel only if the processor has it (`Isa::detect`).

use super::Lane;
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operators {
    ($name:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $xor:ident, $set1:ident) => {
        operators!(@ $name, Add add $add, Sub sub $sub, Mul mul $mul, Div div $div);
        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                // SAFETY: see the head of the file.
                unsafe { $name($xor(self.0, $set1(-0.0))) }
            }
        }
    };
    (@ $name:ident, $($trait:ident $method:ident $intrinsic:ident),*) => { $(
        impl $trait for $name {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                // SAFETY: see the head of the file.
                unsafe { $name($intrinsic(self.0, b.0)) }
            }
        }
    )* };
}

/// Eight lanes: AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Avx2(__m256);

operators!(Avx2, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_xor_ps, _mm256_set1_ps);

impl Lane for Avx2 {
    const N: usize = 8;
    const FUSED: bool = true;
    type Mask = __m256;
    type Bits = __m256i;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { Avx2(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_fmadd_ps(self.0, b.0, c.0)) }
    }

    #[inline(always)]
    fn min(self, b: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_min_ps(b.0, self.0)) }
    }

    #[inline(always)]
    fn max(self, b: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_max_ps(b.0, self.0)) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)) }
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_floor_ps(self.0)) }
    }

    #[inline(always)]
    fn lt(self, b: Self) -> __m256 {
        // SAFETY: see the head of the file.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, b.0) }
    }

    #[inline(always)]
    fn eq(self, b: Self) -> __m256 {
        // SAFETY: see the head of the file.
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, b.0) }
    }

    #[inline(always)]
    fn select(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_blendv_ps(no.0, yes.0, mask)) }
    }

    #[inline(always)]
    fn any(mask: __m256) -> bool {
        // SAFETY: see the head of the file.
        unsafe { _mm256_movemask_ps(mask) != 0 }
    }

    #[inline(always)]
    fn bits(self) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_castps_si256(self.0) }
    }

    #[inline(always)]
    fn from_bits(bits: __m256i) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_castsi256_ps(bits)) }
    }

    #[inline(always)]
    fn bits_splat(value: u32) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_set1_epi32(value as i32) }
    }

    #[inline(always)]
    unsafe fn bits_load(from: *const u32) -> __m256i {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn bits_store(bits: __m256i, to: *mut u32) {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), bits) }
    }

    #[inline(always)]
    fn bits_add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_mul(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_mullo_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_and(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_and_si256(a, b) }
    }

    #[inline(always)]
    fn bits_or(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    fn bits_xor(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    fn bits_shl(a: __m256i, count: u32) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_sllv_epi32(a, _mm256_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_shr(a: __m256i, count: u32) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_srlv_epi32(a, _mm256_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_sar(a: __m256i, count: u32) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_srav_epi32(a, _mm256_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_eq(a: __m256i, b: __m256i) -> __m256 {
        // SAFETY: see the head of the file.
        unsafe { _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)) }
    }

    #[inline(always)]
    fn bits_lt(a: __m256i, b: __m256i) -> __m256 {
        // SAFETY: see the head of the file.
        unsafe {
            let sign = _mm256_set1_epi32(i32::MIN);
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign)))
        }
    }

    #[inline(always)]
    fn bits_select(mask: __m256, yes: __m256i, no: __m256i) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(no), _mm256_castsi256_ps(yes), mask)) }
    }

    #[inline(always)]
    fn from_int(bits: __m256i) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx2(_mm256_cvtepi32_ps(bits)) }
    }

    #[inline(always)]
    fn to_int(self) -> __m256i {
        // SAFETY: see the head of the file.
        unsafe { _mm256_cvtps_epi32(self.0) }
    }
}

/// Sixteen lanes: AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Avx512(__m512);

operators!(Avx512, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_xor_ps, _mm512_set1_ps);

impl Lane for Avx512 {
    const N: usize = 16;
    const FUSED: bool = true;
    type Mask = __mmask16;
    type Bits = __m512i;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { Avx512(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }

    #[inline(always)]
    fn min(self, b: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_min_ps(b.0, self.0)) }
    }

    #[inline(always)]
    fn max(self, b: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_max_ps(b.0, self.0)) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_andnot_ps(_mm512_set1_ps(-0.0), self.0)) }
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0)) }
    }

    #[inline(always)]
    fn lt(self, b: Self) -> __mmask16 {
        // SAFETY: see the head of the file.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, b.0) }
    }

    #[inline(always)]
    fn eq(self, b: Self) -> __mmask16 {
        // SAFETY: see the head of the file.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, b.0) }
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_mask_blend_ps(mask, no.0, yes.0)) }
    }

    #[inline(always)]
    fn any(mask: __mmask16) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn bits(self) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_castps_si512(self.0) }
    }

    #[inline(always)]
    fn from_bits(bits: __m512i) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_castsi512_ps(bits)) }
    }

    #[inline(always)]
    fn bits_splat(value: u32) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_set1_epi32(value as i32) }
    }

    #[inline(always)]
    unsafe fn bits_load(from: *const u32) -> __m512i {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn bits_store(bits: __m512i, to: *mut u32) {
        // SAFETY: see the head of the file; the pointer is the caller's promise.
        unsafe { _mm512_storeu_si512(to.cast(), bits) }
    }

    #[inline(always)]
    fn bits_add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_sub(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_mul(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_mullo_epi32(a, b) }
    }

    #[inline(always)]
    fn bits_and(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_and_si512(a, b) }
    }

    #[inline(always)]
    fn bits_or(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    fn bits_xor(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    fn bits_shl(a: __m512i, count: u32) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_sllv_epi32(a, _mm512_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_shr(a: __m512i, count: u32) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_srlv_epi32(a, _mm512_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_sar(a: __m512i, count: u32) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_srav_epi32(a, _mm512_set1_epi32(count as i32)) }
    }

    #[inline(always)]
    fn bits_eq(a: __m512i, b: __m512i) -> __mmask16 {
        // SAFETY: see the head of the file.
        unsafe { _mm512_cmpeq_epu32_mask(a, b) }
    }

    #[inline(always)]
    fn bits_lt(a: __m512i, b: __m512i) -> __mmask16 {
        // SAFETY: see the head of the file.
        unsafe { _mm512_cmplt_epu32_mask(a, b) }
    }

    #[inline(always)]
    fn bits_select(mask: __mmask16, yes: __m512i, no: __m512i) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_mask_blend_epi32(mask, no, yes) }
    }

    #[inline(always)]
    fn from_int(bits: __m512i) -> Self {
        // SAFETY: see the head of the file.
        unsafe { Avx512(_mm512_cvtepi32_ps(bits)) }
    }

    #[inline(always)]
    fn to_int(self) -> __m512i {
        // SAFETY: see the head of the file.
        unsafe { _mm512_cvtps_epi32(self.0) }
    }
}
