//! Between rows in role buffers and features of a tile: four rows by four features at a time.

use super::map::ROWS;
use crate::simd::transpose4;

/// Features that are moved at a time: a cache line of a row.
pub const LINE: usize = 16;

/// `out[f][row] = from[at[row] + f]`
///
/// # Safety
/// Every row has `width` readable words from `from + at[row]`, `out` has room for `width * ROWS`.
pub unsafe fn gather(from: *const f32, at: &[usize; ROWS], width: usize, out: *mut f32) {
    let whole = width / 4 * 4;
    // SAFETY: the caller's promise.
    unsafe {
        for first in (0..whole).step_by(LINE) {
            for row in (0..ROWS).step_by(4) {
                let rows = [from.add(at[row]), from.add(at[row + 1]), from.add(at[row + 2]), from.add(at[row + 3])];
                for f in (first..whole.min(first + LINE)).step_by(4) {
                    let to = out.add(f * ROWS + row);
                    transpose4(
                        [rows[0].add(f), rows[1].add(f), rows[2].add(f), rows[3].add(f)],
                        [to, to.add(ROWS), to.add(2 * ROWS), to.add(3 * ROWS)],
                    );
                }
            }
        }
        for f in whole..width {
            for (row, at) in at.iter().enumerate() {
                *out.add(f * ROWS + row) = *from.add(at + f);
            }
        }
    }
}

/// `to[at[row] + f] = value[f][row]` for the first `valid` rows.
///
/// # Safety
/// As [`gather`], the other way round.
pub unsafe fn scatter(value: *const f32, width: usize, to: *mut f32, at: &[usize; ROWS], valid: usize) {
    let (whole, quads) = (width / 4 * 4, valid / 4 * 4);
    // SAFETY: the caller's promise.
    unsafe {
        for row in (0..quads).step_by(4) {
            let rows = [to.add(at[row]), to.add(at[row + 1]), to.add(at[row + 2]), to.add(at[row + 3])];
            for f in (0..whole).step_by(4) {
                let from = value.add(f * ROWS + row);
                transpose4(
                    [from, from.add(ROWS), from.add(2 * ROWS), from.add(3 * ROWS)],
                    [rows[0].add(f), rows[1].add(f), rows[2].add(f), rows[3].add(f)],
                );
            }
        }
        for (row, at) in at[..valid].iter().enumerate() {
            for f in if row < quads { whole } else { 0 }..width {
                *to.add(at + f) = *value.add(f * ROWS + row);
            }
        }
    }
}
