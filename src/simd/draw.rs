//! Random numbers for a tile of rows: the vector form of [`crate::rng`], with the same bits.

use super::{Isa, Lane, kernel};

/// Rows that one call serves.
pub const ROWS: usize = 64;

/// Draws of one distribution for [`ROWS`] rows and some features, `out[feature * ROWS + row]`.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// The four words of the key.
    pub key: [u32; 4],
    /// Step of the counter.
    pub step: u32,
    /// Row numbers of the counter, [`ROWS`] of them.
    pub rows: *const u32,
    /// Features, which are the lanes of the counter.
    pub features: usize,
    /// Standard normal, or uniform in `[0, 1)`.
    pub normal: bool,
    /// Result.
    pub out: *mut f32,
}

/// A permutation of `0..count` applied to [`ROWS`] indices; see [`crate::rng::Key::shuffled`].
#[derive(Clone, Copy, Debug)]
pub struct Shuffle {
    /// The eight keys of the network's rounds.
    pub round_keys: [u32; 8],
    /// Half of its bits.
    pub half: u32,
    /// Indices that it permutes.
    pub count: u32,
    /// In: indices. Out: where they go.
    pub rows: *mut u32,
}

kernel! {
    /// The routine for [`Draws`]; its pointers must be valid for the extents.
    pub fn draws(d: &Draws) = draw;
}
kernel! {
    /// The routine for [`Shuffle`]; its pointer must be valid for [`ROWS`] words.
    pub fn shuffle(s: &Shuffle) = permute;
}

macro_rules! rounds {
    ($v:ident $x:ident $schedule:ident; $($first:literal: [$($a:literal $b:literal),*]);*) => { $(
        rounds!(@even $v $x; $($a $b),*);
        {
            const INJECTION: usize = $first;
            let mut i = 0;
            while i < 4 {
                $x[i] = $v::bits_add($x[i], $schedule[(INJECTION + i) % 5]);
                i += 1;
            }
            $x[3] = $v::bits_add($x[3], $v::bits_splat(INJECTION as u32));
        }
    )* };
    (@even $v:ident $x:ident; $a:literal $b:literal $(, $($rest:tt)*)?) => {
        $x[0] = $v::bits_add($x[0], $x[1]);
        $x[1] = $v::bits_xor($v::bits_rotl($x[1], $a), $x[0]);
        $x[2] = $v::bits_add($x[2], $x[3]);
        $x[3] = $v::bits_xor($v::bits_rotl($x[3], $b), $x[2]);
        $(rounds!(@odd $v $x; $($rest)*);)?
    };
    (@odd $v:ident $x:ident; $a:literal $b:literal $(, $($rest:tt)*)?) => {
        $x[0] = $v::bits_add($x[0], $x[3]);
        $x[3] = $v::bits_xor($v::bits_rotl($x[3], $a), $x[0]);
        $x[2] = $v::bits_add($x[2], $x[1]);
        $x[1] = $v::bits_xor($v::bits_rotl($x[1], $b), $x[2]);
        $(rounds!(@even $v $x; $($rest)*);)?
    };
}

/// Threefry4x32 with 20 rounds.
#[inline(always)]
fn threefry<V: Lane>(key: [u32; 4], counter: [V::Bits; 4]) -> [V::Bits; 4] {
    let parity = 0x1bd1_1bda ^ key[0] ^ key[1] ^ key[2] ^ key[3];
    let schedule = [
        V::bits_splat(key[0]),
        V::bits_splat(key[1]),
        V::bits_splat(key[2]),
        V::bits_splat(key[3]),
        V::bits_splat(parity),
    ];
    let mut x = [
        V::bits_add(counter[0], schedule[0]),
        V::bits_add(counter[1], schedule[1]),
        V::bits_add(counter[2], schedule[2]),
        V::bits_add(counter[3], schedule[3]),
    ];
    rounds!(V x schedule;
        1: [10 26, 11 21, 13 27, 23 5]; 2: [6 20, 17 11, 25 10, 18 20];
        3: [10 26, 11 21, 13 27, 23 5]; 4: [6 20, 17 11, 25 10, 18 20];
        5: [10 26, 11 21, 13 27, 23 5]
    );
    x
}

#[inline(always)]
unsafe fn draw<V: Lane>(d: &Draws) {
    let zero = V::bits_splat(0);
    let mut out = d.out;
    for feature in 0..d.features {
        let mut row = 0;
        while row < ROWS {
            // SAFETY: rows and result have the extents that the caller promised.
            unsafe {
                let rows = V::bits_load(d.rows.add(row));
                let words = threefry::<V>(d.key, [V::bits_splat(d.step), rows, V::bits_splat(feature as u32), zero]);
                let value = if d.normal { normal::<V>(words[0], words[1]) } else { unit::<V>(words[0]) };
                value.store(out.add(row));
            }
            row += V::N;
        }
        out = out.wrapping_add(ROWS);
    }
}

const UNIT_STEP: f32 = 1.0 / 16_777_216.0;

#[inline(always)]
fn unit<V: Lane>(word: V::Bits) -> V {
    V::from_int(V::bits_shr(word, 8)) * V::splat(UNIT_STEP)
}

#[inline(always)]
fn normal<V: Lane>(radius: V::Bits, angle: V::Bits) -> V {
    let radius = V::bits_add(V::bits_shr(radius, 8), V::bits_splat(1));
    let log = log_unit(V::from_int(radius) * V::splat(UNIT_STEP));
    (V::splat(-2.0) * log).max(V::splat(0.0)).sqrt() * cos_turn(unit::<V>(angle))
}

#[inline(always)]
fn log_unit<V: Lane>(u: V) -> V {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    let one = V::splat(1.0);
    let shifted = V::bits_sub(u.bits(), V::bits_splat(SQRT_HALF_BITS));
    let exponent = V::from_int(V::bits_sar(shifted, 23));
    let mantissa = V::bits_and(shifted, V::bits_splat(0x007f_ffff));
    let m = V::from_bits(V::bits_add(mantissa, V::bits_splat(SQRT_HALF_BITS)));
    let s = (m - one) / (m + one);
    let z = s * s;
    let series = V::splat(1.0 / 7.0) + z * V::splat(1.0 / 9.0);
    let series = V::splat(0.2) + z * series;
    let series = V::splat(1.0 / 3.0) + z * series;
    let series = one + z * series;
    exponent * V::splat(std::f32::consts::LN_2) + V::splat(2.0) * s * series
}

#[inline(always)]
fn cos_turn<V: Lane>(u: V) -> V {
    let one = V::splat(1.0);
    let quarter = (V::splat(4.0) * u + V::splat(0.5)).floor();
    let a = (V::splat(4.0) * u - quarter) * V::splat(std::f32::consts::FRAC_PI_2);
    let z = a * a;
    let c = V::splat(1.0 / 720.0) - z / V::splat(40_320.0);
    let c = one - z * (V::splat(0.5) - z * (V::splat(1.0 / 24.0) - z * c));
    let s = V::splat(1.0 / 5_040.0) - z / V::splat(362_880.0);
    let s = a * (one - z * (V::splat(1.0 / 6.0) - z * (V::splat(1.0 / 120.0) - z * s)));
    let quarter = quarter.to_int();
    let even = V::bits_eq(V::bits_and(quarter, V::bits_splat(1)), V::bits_splat(0));
    let y = V::select(even, c, s);
    // Quarters 1 and 2 are negative: the second bit of `quarter + 1`.
    let up = V::bits_add(quarter, V::bits_splat(1));
    let sign = V::bits_shl(V::bits_and(up, V::bits_splat(2)), 30);
    V::from_bits(V::bits_xor(y.bits(), sign))
}

#[inline(always)]
unsafe fn permute<V: Lane>(s: &Shuffle) {
    let last = V::bits_splat(s.count.wrapping_sub(1));
    let count = V::bits_splat(s.count);
    let mut row = 0;
    while row < ROWS {
        // SAFETY: the caller's promise.
        let index = unsafe { V::bits_load(s.rows.add(row)) };
        let inside = V::bits_lt(index, count);
        let mut x = network::<V>(s, V::bits_select(inside, index, V::bits_splat(0)));
        loop {
            let again = V::bits_lt(last, x);
            if !V::any(again) {
                break;
            }
            x = V::bits_select(again, network::<V>(s, x), x);
        }
        // SAFETY: as above.
        unsafe { V::bits_store(V::bits_select(inside, x, index), s.rows.add(row)) };
        row += V::N;
    }
}

#[inline(always)]
fn network<V: Lane>(s: &Shuffle, x: V::Bits) -> V::Bits {
    let mask = V::bits_splat((1u32 << s.half) - 1);
    let (mut left, mut right) = (V::bits_shr(x, s.half), V::bits_and(x, mask));
    let mut pair = 0;
    while pair < 4 {
        let mixed = mix::<V>(V::bits_xor(right, V::bits_splat(s.round_keys[2 * pair])));
        left = V::bits_xor(left, V::bits_and(mixed, mask));
        let mixed = mix::<V>(V::bits_xor(left, V::bits_splat(s.round_keys[2 * pair + 1])));
        right = V::bits_xor(right, V::bits_and(mixed, mask));
        pair += 1;
    }
    V::bits_or(V::bits_shl(left, s.half), right)
}

#[inline(always)]
fn mix<V: Lane>(h: V::Bits) -> V::Bits {
    let h = V::bits_mul(V::bits_xor(h, V::bits_shr(h, 16)), V::bits_splat(0x85eb_ca6b));
    let h = V::bits_mul(V::bits_xor(h, V::bits_shr(h, 13)), V::bits_splat(0xc2b2_ae35));
    V::bits_xor(h, V::bits_shr(h, 16))
}

impl Shuffle {
    /// The permutation that a key names, of indices that `rows` points to.
    pub fn new(key: crate::rng::Key, count: u32, rows: *mut u32) -> Self {
        let (round_keys, half) = key.shuffle_rounds(count);
        Self { round_keys, half, count, rows }
    }
}

/// Kernels of one instruction set.
#[derive(Clone, Copy, Debug)]
pub struct RandomKernels {
    /// [`draws`]
    pub draws: unsafe fn(&Draws),
    /// [`shuffle`]
    pub shuffle: unsafe fn(&Shuffle),
}

impl RandomKernels {
    /// Those of an instruction set.
    pub fn pick(isa: Isa) -> Self {
        Self { draws: draws(isa), shuffle: shuffle(isa) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn draws_and_shuffles_have_the_bits_of_the_scalar_ones() {
        for isa in Isa::available() {
            let kernels = RandomKernels::pick(isa);
            for seed in 0..20 {
                let key = Key { seed: 0x1234_5678_9abc_0000 + seed, stream: 3, iteration: 9 };
                let rows: Vec<u32> = (0..64).map(|r| r * 77 + seed as u32).collect();
                for normal in [true, false] {
                    let mut out = vec![0.0f32; 5 * ROWS];
                    let (key_words, out_ptr) = (key.to_words(), out.as_mut_ptr());
                    let d = Draws { key: key_words, step: 4, rows: rows.as_ptr(), features: 5, normal, out: out_ptr };
                    // SAFETY: the vectors have the extents, the level is available.
                    unsafe { (kernels.draws)(&d) };
                    for (i, got) in out.iter().enumerate() {
                        let (row, lane) = (rows[i % ROWS], (i / ROWS) as u32);
                        let want = if normal { key.normal(4, row, lane) } else { key.uniform(4, row, lane) };
                        assert_eq!(got.to_bits(), want.to_bits(), "{isa}, {normal}: {got} {want}");
                    }
                }
                for count in [1, 2, 5, 63, 64, 1000, 4097] {
                    let mut got: Vec<u32> = (0..64).map(|r| r * 3).collect();
                    // SAFETY: 64 words, the level is available.
                    unsafe { (kernels.shuffle)(&Shuffle::new(key, count, got.as_mut_ptr())) };
                    for (r, got) in (0..).zip(got) {
                        assert_eq!(got, key.shuffled(r * 3, count), "{isa}, {count}");
                    }
                }
            }
        }
    }
}
