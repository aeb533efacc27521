//! The matrix product: one strided routine for forward, input gradient and weight gradient.

use super::{Isa, Lane, kernel};

/// Lanes of a product come in multiples of this.
pub const LANE_STEP: usize = 16;

/// `y[j ys + l] = start_j[l] + sum_i w[i ldi + j ldj] x[i xs + l]` for `j` in `0..outputs`, `l` in `0..lanes`.
///
/// `start` is the sum of what is given: `bias[j]`, `add[0][j add_stride + l]`, `add[1][..]`, and `y` itself where it
/// `accumulates`; the whole is multiplied by `scale[j add_stride + l]` if that is given. The sum runs over `i` in order, so a lane's value does not depend on the instruction set, apart from
/// the baseline, which rounds each product.
///
/// Forward (lanes are rows of the batch): `ldi` = columns of `w`, `ldj` = 1. Input gradient: `ldi` = 1, `ldj` = columns.
/// Weight gradient: lanes are output features, `i` counts rows, `x` is the transposed derivative and `w` the activation.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    /// Result, feature stride `ys`.
    pub y: *mut f32,
    /// Words from one output to the next.
    pub ys: usize,
    /// Operand with lanes.
    pub x: *const f32,
    /// Words from one input to the next.
    pub xs: usize,
    /// Operand without lanes.
    pub w: *const f32,
    /// Words of `w` from one input to the next.
    pub ldi: usize,
    /// Words of `w` from one output to the next.
    pub ldj: usize,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Lanes, a multiple of [`LANE_STEP`].
    pub lanes: usize,
    /// One start value an output, or null.
    pub bias: *const f32,
    /// Start values with lanes, or null.
    pub add: [*const f32; 2],
    /// Factors with lanes, or null.
    pub scale: *const f32,
    /// Words of `add` and of `scale` from one output to the next.
    pub add_stride: usize,
    /// Start from what `y` holds.
    pub accumulate: bool,
}

/// A product for one instruction set.
pub type DenseFn = unsafe fn(&Dense);

impl Dense {
    /// The routine for an instruction set. All pointers must be valid for the extents that the strides span, and `y` may
    /// not overlap an operand.
    pub fn pick(isa: Isa) -> DenseFn {
        pick(isa)
    }
}

kernel! {
    fn pick(d: &Dense) = dense;
}

/// How the accumulators of a block begin.
mod begin {
    /// From the result, where the start values have been written.
    pub const RESULT: usize = 0;
    /// From the bias alone, or zero.
    pub const BIAS: usize = 1;
    /// From the bias and one tile.
    pub const TILE: usize = 2;
}

#[inline(always)]
unsafe fn dense<V: Lane>(d: &Dense) {
    // SAFETY: the caller's extents.
    unsafe {
        match (d.accumulate, d.add[0].is_null(), d.add[1].is_null()) {
            (false, true, true) => lanes::<V, { begin::BIAS }>(d),
            (false, false, true) => lanes::<V, { begin::TILE }>(d),
            _ => lanes::<V, { begin::RESULT }>(d),
        }
    }
}

/// Outputs and vectors of a register block: 6 x 4 of 32 registers, 6 x 2 of 16, 4 x 1 arrays of 8.
#[inline(always)]
unsafe fn lanes<V: Lane, const BEGIN: usize>(d: &Dense) {
    // SAFETY: the blocks cover the extents of the description once.
    unsafe {
        let mut l = 0;
        if V::N == 16 {
            while l + 64 <= d.lanes {
                outputs::<V, 6, 4, BEGIN>(d, l);
                l += 64;
            }
            if l + 32 <= d.lanes {
                outputs::<V, 6, 2, { begin::RESULT }>(d, l);
                l += 32;
            }
            if l + 16 <= d.lanes {
                outputs::<V, 12, 1, { begin::RESULT }>(d, l);
            }
        } else if V::FUSED {
            while l < d.lanes {
                outputs::<V, 6, 2, BEGIN>(d, l);
                l += 16;
            }
        } else {
            while l < d.lanes {
                outputs::<V, 4, 1, BEGIN>(d, l);
                l += 8;
            }
        }
    }
}

/// All outputs of one block of lanes.
#[inline(always)]
unsafe fn outputs<V: Lane, const J: usize, const R: usize, const BEGIN: usize>(d: &Dense, l: usize) {
    // SAFETY: `j + J` stays within the outputs.
    unsafe {
        let mut j = 0;
        while j + J <= d.outputs {
            block::<V, J, R, BEGIN>(d, l, j);
            j += J;
        }
        if J > 6 && d.outputs - j >= 6 {
            block::<V, 6, R, BEGIN>(d, l, j);
            j += 6;
        }
        match d.outputs - j {
            5 => block::<V, 5, R, BEGIN>(d, l, j),
            4 => block::<V, 4, R, BEGIN>(d, l, j),
            3 => block::<V, 3, R, BEGIN>(d, l, j),
            2 => block::<V, 2, R, BEGIN>(d, l, j),
            1 => block::<V, 1, R, BEGIN>(d, l, j),
            _ => {}
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // loops over constants only, so that the accumulators live in registers
unsafe fn block<V: Lane, const J: usize, const R: usize, const BEGIN: usize>(d: &Dense, l: usize, j0: usize) {
    static ZERO: f32 = 0.0;
    // SAFETY: the caller's extents.
    unsafe {
        let y = d.y.add(j0 * d.ys + l);
        let mut a = [[V::splat(0.0); R]; J];
        if BEGIN == begin::RESULT {
            start::<V, J, R>(d, l, j0);
            for q in 0..J {
                for r in 0..R {
                    a[q][r] = V::load(y.add(q * d.ys + r * V::N));
                }
            }
        } else {
            let (bias, step) = if d.bias.is_null() { (&raw const ZERO, 0) } else { (d.bias.add(j0), 1) };
            for q in 0..J {
                let b = V::splat(*bias.add(q * step));
                for r in 0..R {
                    a[q][r] = b;
                }
            }
        }
        if BEGIN == begin::TILE {
            let tile = d.add[0].add(j0 * d.add_stride + l);
            for q in 0..J {
                for r in 0..R {
                    a[q][r] = a[q][r] + V::load(tile.add(q * d.add_stride + r * V::N));
                }
            }
        }
        let mut xp = d.x.add(l);
        let mut wp = d.w.add(j0 * d.ldj);
        for _ in 0..d.inputs {
            let mut x = [V::splat(0.0); R];
            for r in 0..R {
                x[r] = V::load(xp.add(r * V::N));
            }
            for q in 0..J {
                let w = V::splat(*wp.add(q * d.ldj));
                for r in 0..R {
                    a[q][r] = w.fma(x[r], a[q][r]);
                }
            }
            xp = xp.wrapping_add(d.xs);
            wp = wp.wrapping_add(d.ldi);
        }
        if !d.scale.is_null() {
            let scale = d.scale.add(j0 * d.add_stride + l);
            for q in 0..J {
                for r in 0..R {
                    a[q][r] = a[q][r] * V::load(scale.add(q * d.add_stride + r * V::N));
                }
            }
        }
        for q in 0..J {
            for r in 0..R {
                a[q][r].store(y.add(q * d.ys + r * V::N));
            }
        }
    }
}

/// Start values of a block, written to the result.
#[inline(always)]
unsafe fn start<V: Lane, const J: usize, const R: usize>(d: &Dense, l: usize, j0: usize) {
    if d.accumulate && d.bias.is_null() && d.add[0].is_null() && d.add[1].is_null() {
        return;
    }
    for j in j0..j0 + J {
        for r in 0..R {
            let lane = l + r * V::N;
            // SAFETY: the caller's extents.
            unsafe {
                let y = d.y.add(j * d.ys + lane);
                let mut v = if d.bias.is_null() { V::splat(0.0) } else { V::splat(*d.bias.add(j)) };
                if !d.add[0].is_null() {
                    v = v + V::load(d.add[0].add(j * d.add_stride + lane));
                }
                if !d.add[1].is_null() {
                    v = v + V::load(d.add[1].add(j * d.add_stride + lane));
                }
                if d.accumulate {
                    v = v + V::load(y);
                }
                v.store(y);
            }
        }
    }
}
