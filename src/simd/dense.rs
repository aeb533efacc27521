//! The matrix product: one strided routine for forward, input gradient and weight gradient.

use super::{Isa, Lane, kernel};

/// Lanes of a product come in multiples of this.
pub const LANE_STEP: usize = 16;

/// `y[j ys + l] = start_j[l] + sum_i w[i ldi + j ldj] x[i xs + l]` for `j` in `0..outputs`, `l` in `0..lanes`.
///
/// `start` is the sum of what is given: `bias[j]`, `add[0][j add_stride + l]`, `add[1][..]`, and `y` itself where it
/// `accumulates`. The sum runs over `i` in order, so a lane's value does not depend on the instruction set, apart from
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
    /// Words of `add` from one output to the next.
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

/// Outputs and vectors of a register block: 6 x 4 of 32 registers, 6 x 2 of 16, 4 x 1 arrays of 8.
#[inline(always)]
unsafe fn dense<V: Lane>(d: &Dense) {
    // SAFETY: the blocks cover the extents of the description once.
    unsafe {
        let mut l = 0;
        if V::N == 16 {
            while l + 64 <= d.lanes {
                outputs::<V, 6, 4>(d, l);
                l += 64;
            }
            if l + 48 <= d.lanes {
                outputs::<V, 6, 3>(d, l);
                l += 48;
            }
            if l + 32 <= d.lanes {
                outputs::<V, 6, 2>(d, l);
                l += 32;
            }
            if l + 16 <= d.lanes {
                outputs::<V, 12, 1>(d, l);
            }
        } else if cfg!(target_arch = "x86_64") && V::FUSED {
            while l < d.lanes {
                outputs::<V, 6, 2>(d, l);
                l += 16;
            }
        } else {
            while l < d.lanes {
                outputs::<V, 4, 1>(d, l);
                l += 8;
            }
        }
    }
}

/// All outputs of one block of lanes.
#[inline(always)]
unsafe fn outputs<V: Lane, const J: usize, const R: usize>(d: &Dense, l: usize) {
    // SAFETY: `j + J` stays within the outputs.
    unsafe {
        let mut j = 0;
        while j + J <= d.outputs {
            block::<V, J, R>(d, l, j);
            j += J;
        }
        let mut rest = d.outputs - j;
        if J > 6 && rest >= 6 {
            block::<V, 6, R>(d, l, j);
            j += 6;
            rest -= 6;
        }
        match rest {
            5 => block::<V, 5, R>(d, l, j),
            4 => block::<V, 4, R>(d, l, j),
            3 => block::<V, 3, R>(d, l, j),
            2 => block::<V, 2, R>(d, l, j),
            1 => block::<V, 1, R>(d, l, j),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn block<V: Lane, const J: usize, const R: usize>(d: &Dense, l: usize, j0: usize) {
    // SAFETY: the caller's extents.
    unsafe {
        let mut a = [[V::splat(0.0); R]; J];
        for (q, a) in a.iter_mut().enumerate() {
            let j = j0 + q;
            if !d.bias.is_null() {
                *a = [V::splat(*d.bias.add(j)); R];
            }
            for add in d.add {
                if !add.is_null() {
                    for (r, a) in a.iter_mut().enumerate() {
                        *a = *a + V::load(add.add(j * d.add_stride + l + r * V::N));
                    }
                }
            }
            if d.accumulate {
                for (r, a) in a.iter_mut().enumerate() {
                    *a = *a + V::load(d.y.add(j * d.ys + l + r * V::N));
                }
            }
        }
        let mut xp = d.x.add(l);
        let mut wp = d.w.add(j0 * d.ldj);
        for _ in 0..d.inputs {
            let mut x = [V::splat(0.0); R];
            for (r, x) in x.iter_mut().enumerate() {
                *x = V::load(xp.add(r * V::N));
            }
            for (q, a) in a.iter_mut().enumerate() {
                let w = V::splat(*wp.add(q * d.ldj));
                for (r, a) in a.iter_mut().enumerate() {
                    *a = w.fma(x[r], *a);
                }
            }
            xp = xp.wrapping_add(d.xs);
            wp = wp.wrapping_add(d.ldi);
        }
        for (q, a) in a.iter().enumerate() {
            for (r, a) in a.iter().enumerate() {
                a.store(d.y.add((j0 + q) * d.ys + l + r * V::N));
            }
        }
    }
}
