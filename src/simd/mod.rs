//! Vectors of `f32` of the machine's width, chosen once at start.
//!
//! A kernel is written once, generic over [`Lane`], in functions that are all `#[inline(always)]`; [`kernel!`] compiles it
//! once per instruction set and hands out a function pointer. Everything that a kernel calls must be `#[inline(always)]`
//! and no closure may hold vector code: neither inherits the instruction set of its caller, and it becomes slow without a
//! warning. `AVX2` and `AVX-512` give the same bytes as long as no sum runs across lanes.

mod dense;
pub mod draw;
mod isa;
mod lane;
pub mod math;
mod plain;
mod prefetch;
mod transpose;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use dense::{Dense, DenseFn, LANE_STEP};
pub use isa::Isa;
pub use lane::Lane;
pub use plain::F32x8;
pub use prefetch::fetch;
pub use transpose::transpose4;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// Compiles a function that is generic over [`Lane`] once per instruction set.
///
/// `kernel! { pub fn pick(a: A, b: B) = generic; }` defines `pick(isa) -> unsafe fn(A, B)`; `generic::<V>(a, b)` must be
/// an `#[inline(always)]` unsafe function. A level that the processor lacks becomes its best one.
#[macro_export]
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $($generic:ident)::+ $([$($extra:tt)*])?;) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::simd::Isa) -> unsafe fn($($ty),*) {
            unsafe fn baseline($($arg: $ty),*) {
                // SAFETY: the caller keeps the contract of the generic function.
                unsafe { $($generic)::+::<$crate::simd::F32x8 $(, $($extra)*)?>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) {
                // SAFETY: as above; the instruction set is that of this function.
                unsafe { $($generic)::+::<$crate::simd::Avx2 $(, $($extra)*)?>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            unsafe fn avx512($($arg: $ty),*) {
                // SAFETY: as above; the instruction set is that of this function.
                unsafe { $($generic)::+::<$crate::simd::Avx512 $(, $($extra)*)?>($($arg),*) }
            }
            match isa.min($crate::simd::Isa::detect()) {
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx2 => avx2,
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx512 => avx512,
                _ => baseline,
            }
        }
    };
}
pub use crate::kernel;

#[cfg(test)]
mod tests;
