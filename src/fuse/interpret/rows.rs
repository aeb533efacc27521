//! Between rows in role buffers and features of a tile: four rows by four features at a time.

use super::map::ROWS;

/// `out[f][row] = from[at[row] + f]`
///
/// # Safety
/// Every row has `width` readable words from `from + at[row]`, `out` has room for `width * ROWS`.
pub unsafe fn gather(from: *const f32, at: &[usize; ROWS], width: usize, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        for row in (0..ROWS).step_by(4) {
            let rows = [at[row], at[row + 1], at[row + 2], at[row + 3]];
            let mut f = 0;
            while f + 4 <= width {
                transpose(rows.map(|r| from.add(r + f)), out.add(f * ROWS + row));
                f += 4;
            }
            while f < width {
                for (k, r) in rows.iter().enumerate() {
                    *out.add(f * ROWS + row + k) = *from.add(r + f);
                }
                f += 1;
            }
        }
    }
}

/// `to[at[row] + f] = value[f * step + row]` for the first `valid` rows.
///
/// # Safety
/// As [`gather`], the other way round; `value` has `step` words a feature.
pub unsafe fn scatter(value: *const f32, width: usize, to: *mut f32, at: &[usize; ROWS], valid: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut row = 0;
        while row + 4 <= valid {
            let mut f = 0;
            while f + 4 <= width {
                let mut block = [0.0f32; 16];
                let features = [0, 1, 2, 3].map(|k| value.add((f + k) * ROWS + row));
                transpose_block(features, &mut block);
                for k in 0..4 {
                    to.add(at[row + k] + f).copy_from_nonoverlapping(block.as_ptr().add(4 * k), 4);
                }
                f += 4;
            }
            while f < width {
                for k in 0..4 {
                    *to.add(at[row + k] + f) = *value.add(f * ROWS + row + k);
                }
                f += 1;
            }
            row += 4;
        }
        while row < valid {
            for f in 0..width {
                *to.add(at[row] + f) = *value.add(f * ROWS + row);
            }
            row += 1;
        }
    }
}

/// Four words of each of four rows, written as four features of `ROWS` words.
#[inline(always)]
unsafe fn transpose(rows: [*const f32; 4], out: *mut f32) {
    let mut block = [0.0f32; 16];
    // SAFETY: the caller's promise.
    unsafe {
        transpose_block(rows, &mut block);
        for k in 0..4 {
            out.add(k * ROWS).copy_from_nonoverlapping(block.as_ptr().add(4 * k), 4);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transpose_block(rows: [*const f32; 4], out: &mut [f32; 16]) {
    use std::arch::x86_64::*;
    // SAFETY: four words each; SSE is part of x86-64.
    unsafe {
        let [a, b, c, d] = rows.map(|r| _mm_loadu_ps(r));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (ab2, cd2) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        let out = out.as_mut_ptr();
        _mm_storeu_ps(out, _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(out.add(4), _mm_movehl_ps(cd, ab));
        _mm_storeu_ps(out.add(8), _mm_movelh_ps(ab2, cd2));
        _mm_storeu_ps(out.add(12), _mm_movehl_ps(cd2, ab2));
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn transpose_block(rows: [*const f32; 4], out: &mut [f32; 16]) {
    for (k, row) in rows.into_iter().enumerate() {
        for f in 0..4 {
            // SAFETY: four words each.
            out[4 * f + k] = unsafe { *row.add(f) };
        }
    }
}
