//! Transposition of four by four floats.

/// Word `k` of `out[f]` becomes word `f` of `rows[k]`, for four of each.
///
/// # Safety
/// Every pointer has four words; the ones that are written do not overlap the others.
#[inline(always)]
pub unsafe fn transpose4(rows: [*const f32; 4], out: [*mut f32; 4]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: four words each; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::*;
        let (a, b) = (_mm_loadu_ps(rows[0]), _mm_loadu_ps(rows[1]));
        let (c, d) = (_mm_loadu_ps(rows[2]), _mm_loadu_ps(rows[3]));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (ab2, cd2) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(out[0], _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(out[1], _mm_movehl_ps(cd, ab));
        _mm_storeu_ps(out[2], _mm_movelh_ps(ab2, cd2));
        _mm_storeu_ps(out[3], _mm_movehl_ps(cd2, ab2));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (k, row) in rows.into_iter().enumerate() {
        for (f, out) in out.into_iter().enumerate() {
            // SAFETY: four words each.
            unsafe { *out.add(k) = *row.add(f) };
        }
    }
}
