//! Between rows in role buffers and features of a tile: four rows by four features at a time.

use super::map::ROWS;
use crate::simd::transpose4;

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
                let to = out.add(f * ROWS + row);
                transpose4(
                    [from.add(rows[0] + f), from.add(rows[1] + f), from.add(rows[2] + f), from.add(rows[3] + f)],
                    [to, to.add(ROWS), to.add(2 * ROWS), to.add(3 * ROWS)],
                );
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

/// `to[at[row] + f] = value[f][row]` for the first `valid` rows.
///
/// # Safety
/// As [`gather`], the other way round.
pub unsafe fn scatter(value: *const f32, width: usize, to: *mut f32, at: &[usize; ROWS], valid: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut row = 0;
        while row + 4 <= valid {
            let rows = [to.add(at[row]), to.add(at[row + 1]), to.add(at[row + 2]), to.add(at[row + 3])];
            let mut f = 0;
            while f + 4 <= width {
                let from = value.add(f * ROWS + row);
                transpose4(
                    [from, from.add(ROWS), from.add(2 * ROWS), from.add(3 * ROWS)],
                    [rows[0].add(f), rows[1].add(f), rows[2].add(f), rows[3].add(f)],
                );
                f += 4;
            }
            while f < width {
                for (k, to) in rows.iter().enumerate() {
                    *to.add(f) = *value.add(f * ROWS + row + k);
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
