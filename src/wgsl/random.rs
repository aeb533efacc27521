//! Random numbers for all lanes at once: the bits of [`crate::rng`].

use super::inst::Draw;
use super::lane::{LANES, Row};
use crate::rng::{normal_of, threefry4x32, unit};
use crate::simd::Isa;

/// Draws for every lane: key and counter, then the results (one row where there is one number).
pub(super) type Drawing = unsafe fn(frame: *mut u32, at: &[u32]);

#[inline(always)]
fn words_of<const N: usize>(rows: [&[u32; N]; 8], lane: usize) -> [u32; 4] {
    let [k0, k1, k2, k3, c0, c1, c2, c3] = rows.map(|row| row[lane]);
    threefry4x32([k0, k1, k2, k3], [c0, c1, c2, c3])
}

#[inline(always)]
fn words<const N: usize>(rows: [&[u32; N]; 8], [d0, d1, d2, d3]: [&mut [u32; N]; 4]) {
    for lane in 0..N {
        let [a, b, c, d] = words_of(rows, lane);
        (d0[lane], d1[lane], d2[lane], d3[lane]) = (a, b, c, d);
    }
}

#[inline(always)]
fn uniform<const N: usize>(rows: [&[u32; N]; 8], out: &mut [u32; N]) {
    for (lane, out) in out.iter_mut().enumerate() {
        *out = unit(words_of(rows, lane)[0]).to_bits();
    }
}

#[allow(clippy::needless_range_loop)] // as plain as the others, so that it vectorises
#[inline(always)]
fn normal<const N: usize>(rows: [&[u32; N]; 8], out: &mut [u32; N]) {
    let mut second = [0; N];
    for lane in 0..N {
        let [a, b, ..] = words_of(rows, lane);
        (out[lane], second[lane]) = (a, b);
    }
    for lane in 0..N {
        out[lane] = normal_of(out[lane], second[lane]).to_bits();
    }
}

/// # Safety
/// `row` gives 8 source rows and the draw's result rows, which are no sources and differ.
#[inline(always)]
unsafe fn draw<const N: usize>(which: Draw, row: impl Fn(usize) -> *mut [u32; N]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let rows: [&[u32; N]; 8] = std::array::from_fn(|i| &*row(i));
        match which {
            Draw::Words => words(rows, [&mut *row(8), &mut *row(9), &mut *row(10), &mut *row(11)]),
            Draw::Uniform => uniform(rows, &mut *row(8)),
            Draw::Normal => normal(rows, &mut *row(8)),
        }
    }
}

/// # Safety
/// `at` names the rows of the frame.
#[inline(always)]
unsafe fn draw_block(which: Draw, frame: *mut u32, at: &[u32]) {
    // SAFETY: as promised by the caller.
    unsafe { draw::<LANES>(which, |i| frame.add(at[i] as usize).cast::<Row>()) }
}

#[cfg(target_arch = "x86_64")]
macro_rules! chunk_drawings {
    ($($which:ident: $avx2:ident $avx512:ident,)+) => {
        $(
            #[target_feature(enable = "avx2")]
            unsafe extern "sysv64" fn $avx2(rows: *mut u32) {
                // SAFETY: the rows follow each other.
                unsafe { draw::<8>(Draw::$which, |i| rows.add(8 * i).cast()) }
            }

            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            unsafe extern "sysv64" fn $avx512(rows: *mut u32) {
                // SAFETY: the rows follow each other.
                unsafe { draw::<16>(Draw::$which, |i| rows.add(16 * i).cast()) }
            }
        )+

        /// A draw for 8 or 16 lanes, for machine code.
        pub(super) fn chunk_drawing(which: Draw, avx512: bool) -> super::native::OnRows {
            const { assert!(super::native::DRAWN == 8) }
            match (which, avx512) {
                $((Draw::$which, false) => $avx2,
                (Draw::$which, true) => $avx512,)+
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
chunk_drawings! {
    Words: words_8 words_16,
    Uniform: uniform_8 uniform_16,
    Normal: normal_8 normal_16,
}

macro_rules! drawings {
    ($($which:ident: $baseline:ident $avx2:ident $avx512:ident,)+) => {
        $(unsafe fn $baseline(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw_block(Draw::$which, frame, at) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        unsafe fn $avx2(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw_block(Draw::$which, frame, at) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        unsafe fn $avx512(frame: *mut u32, at: &[u32]) {
            // SAFETY: as promised by the caller.
            unsafe { draw_block(Draw::$which, frame, at) }
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
