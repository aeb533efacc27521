//! Random numbers for all lanes at once: the bits of [`crate::rng`].

use super::inst::Draw;
use super::lane::{LANES, Row};
use crate::rng::{normal_of, threefry4x32, unit};
use crate::simd::Isa;

/// Draws for every lane: key and counter, then the results (one row where there is one number).
pub(super) type Drawing = unsafe fn(frame: *mut u32, at: &[u32]);

#[inline(always)]
fn words_of(rows: [&Row; 8], lane: usize) -> [u32; 4] {
    let [k0, k1, k2, k3, c0, c1, c2, c3] = rows.map(|row| row[lane]);
    threefry4x32([k0, k1, k2, k3], [c0, c1, c2, c3])
}

#[inline(always)]
fn words(rows: [&Row; 8], d0: &mut Row, d1: &mut Row, d2: &mut Row, d3: &mut Row) {
    for lane in 0..LANES {
        let [a, b, c, d] = words_of(rows, lane);
        (d0[lane], d1[lane], d2[lane], d3[lane]) = (a, b, c, d);
    }
}

#[inline(always)]
fn uniform(rows: [&Row; 8], out: &mut Row) {
    for lane in 0..LANES {
        out[lane] = unit(words_of(rows, lane)[0]).to_bits();
    }
}

#[inline(always)]
fn normal(rows: [&Row; 8], out: &mut Row) {
    let mut second = [0; LANES];
    for lane in 0..LANES {
        let [a, b, ..] = words_of(rows, lane);
        (out[lane], second[lane]) = (a, b);
    }
    for lane in 0..LANES {
        out[lane] = normal_of(out[lane], second[lane]).to_bits();
    }
}

/// # Safety
/// `at` names 8 source rows and the draw's result rows of the frame, which are no sources and differ.
#[inline(always)]
unsafe fn draw(which: Draw, frame: *mut u32, at: &[u32]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let row = |i: usize| frame.add(at[i] as usize).cast::<Row>();
        let rows: [&Row; 8] = std::array::from_fn(|i| &*row(i));
        match which {
            Draw::Words => words(rows, &mut *row(8), &mut *row(9), &mut *row(10), &mut *row(11)),
            Draw::Uniform => uniform(rows, &mut *row(8)),
            Draw::Normal => normal(rows, &mut *row(8)),
        }
    }
}

macro_rules! drawings {
    ($($which:ident: $baseline:ident $avx2:ident $avx512:ident,)+) => {
        $(unsafe fn $baseline(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw(Draw::$which, frame, at) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        unsafe fn $avx2(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw(Draw::$which, frame, at) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        unsafe fn $avx512(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw(Draw::$which, frame, at) }
        })+

        /// The loop of a draw for an instruction set.
        pub(super) fn drawing(which: Draw, isa: Isa) -> Drawing {
            match (which, isa) {
                $(#[cfg(target_arch = "x86_64")]
                (Draw::$which, Isa::Avx512) => $avx512,
                #[cfg(target_arch = "x86_64")]
                (Draw::$which, Isa::Avx2) => $avx2,
                (Draw::$which, _) => $baseline,)+
            }
        }
    };
}

drawings! {
    Words: words_baseline words_avx2 words_avx512,
    Uniform: uniform_baseline uniform_avx2 uniform_avx512,
    Normal: normal_baseline normal_avx2 normal_avx512,
}
