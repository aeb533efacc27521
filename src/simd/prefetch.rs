//! A hint to the memory.

/// Asks for a line of memory that is needed soon.
#[inline(always)]
pub fn fetch(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that may name any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
