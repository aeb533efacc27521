//! Counter-based random numbers, the Rust twin of `shaders/lib/rng.wgsl`: the same address gives the same bits on the
//! host and on every adapter (normal draws up to the rounding of a contracted multiply-add).
//!
//! Threefry4x32-20: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/// 2^-24, the spacing of [`unit`].
const UNIT_STEP: f32 = 1.0 / 16_777_216.0;

/// Rotations of the eight-round schedule, two rounds a row: first four rounds, second four.
const FIRST: [[u32; 4]; 2] = [[10, 26, 11, 21], [13, 27, 23, 5]];
const SECOND: [[u32; 4]; 2] = [[6, 20, 17, 11], [25, 10, 18, 20]];

/// The counter moved on by a key, its last word by `n` more.
#[inline(always)]
fn moved(x: [u32; 4], key: [u32; 4], n: u32) -> [u32; 4] {
    let [a, b, c, d] = key;
    [x[0].wrapping_add(a), x[1].wrapping_add(b), x[2].wrapping_add(c), x[3].wrapping_add(d).wrapping_add(n)]
}

/// The key, then four rounds: twice the neighbours (0,1) (2,3), then (0,3) (2,1).
#[inline(always)]
fn four_rounds(x: [u32; 4], key: [u32; 4], n: u32, rotations: [[u32; 4]; 2]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] = moved(x, key, n);
    for [r0, r1, r2, r3] in rotations {
        x = x.wrapping_add(y);
        y = y.rotate_left(r0) ^ x;
        z = z.wrapping_add(w);
        w = w.rotate_left(r1) ^ z;
        x = x.wrapping_add(w);
        w = w.rotate_left(r2) ^ x;
        z = z.wrapping_add(y);
        y = y.rotate_left(r3) ^ z;
    }
    [x, y, z, w]
}

/// Threefry4x32 with 20 rounds: four uniform words, a bijection of the counter for every key. Written so that a loop over
/// many addresses vectorises.
#[inline(always)]
pub fn threefry4x32(key: [u32; 4], counter: [u32; 4]) -> [u32; 4] {
    let [a, b, c, d] = key;
    let e = 0x1bd1_1bda ^ a ^ b ^ c ^ d;
    let x = four_rounds(counter, key, 0, FIRST);
    let x = four_rounds(x, [b, c, d, e], 1, SECOND);
    let x = four_rounds(x, [c, d, e, a], 2, FIRST);
    let x = four_rounds(x, [d, e, a, b], 3, SECOND);
    let x = four_rounds(x, [e, a, b, c], 4, FIRST);
    moved(x, key, 5)
}

/// The 24 high bits of a word as a multiple of 2^-24 in [0, 1).
#[inline(always)]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * UNIT_STEP
}

/// What all draws of one stream share; `stream` separates purposes (policy noise, resets, shuffles ...), `iteration` is
/// the training iteration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The seed of the run.
    pub seed: u64,
    /// The purpose of the numbers.
    pub stream: u32,
    /// The training iteration.
    pub iteration: u32,
}

impl Key {
    /// The four words that kernels take as `key: vec4u`.
    pub fn to_words(self) -> [u32; 4] {
        [self.seed as u32, (self.seed >> 32) as u32, self.stream, self.iteration]
    }

    /// Four independent uniform words: `draw_words(key, vec4u(step, row, lane, 0))`.
    pub fn words(self, step: u32, row: u32, lane: u32) -> [u32; 4] {
        threefry4x32(self.to_words(), [step, row, lane, 0])
    }

    /// A uniform number in [0, 1): `uniform_draw`.
    pub fn uniform(self, step: u32, row: u32, lane: u32) -> f32 {
        unit(self.words(step, row, lane)[0])
    }

    /// A standard normal number, at most 5.77 in magnitude: `normal_draw` (Box and Muller 1958, cosine branch).
    pub fn normal(self, step: u32, row: u32, lane: u32) -> f32 {
        let [radius, angle, ..] = self.words(step, row, lane);
        normal_of(radius, angle)
    }

    /// Where `index` of `0..count` goes in the permutation that this key names: `shuffled`. A bijection of `0..count`;
    /// an `index` beyond the count (a padding row) stays where it is.
    ///
    /// A balanced Feistel network over the next power of four, walked until it lands inside `0..count`.
    pub fn shuffled(self, index: u32, count: u32) -> u32 {
        if index >= count {
            return index;
        }
        let (round_keys, half) = self.shuffle_rounds(count);
        let mask = (1u32 << half) - 1;
        let mut x = index;
        loop {
            let (mut left, mut right) = (x >> half, x & mask);
            for pair in round_keys.chunks_exact(2) {
                left ^= mix_word(right ^ pair[0]) & mask;
                right ^= mix_word(left ^ pair[1]) & mask;
            }
            x = (left << half) | right;
            if x < count {
                return x;
            }
        }
    }
}

impl Key {
    /// The Feistel network of [`Key::shuffled`]: the keys of its rounds, and half the bits that it permutes.
    pub(crate) fn shuffle_rounds(self, count: u32) -> ([u32; 8], u32) {
        let half = (33 - (count.max(2) - 1).leading_zeros()) / 2;
        let k = threefry4x32(self.to_words(), [count, 0, 0, 1]);
        (std::array::from_fn(|i| if i < 4 { k[i] } else { k[i - 4].wrapping_add(0x9e37_79b9) }), half)
    }
}

/// The standard normal number of two uniform words.
#[inline(always)]
pub(crate) fn normal_of(radius: u32, angle: u32) -> f32 {
    let radius_draw = ((radius >> 8) + 1) as f32 * UNIT_STEP;
    (-2.0 * log_unit(radius_draw)).max(0.0).sqrt() * cos_turn(unit(angle))
}

/// ln(u) for u in [2^-24, 1]; see `log_unit` in the shader for the method and its reason.
#[inline(always)]
fn log_unit(u: f32) -> f32 {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    let shifted = u.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff) + SQRT_HALF_BITS);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0 + z * (1.0 / 3.0 + z * (0.2 + z * (1.0 / 7.0 + z * (1.0 / 9.0))));
    exponent * std::f32::consts::LN_2 + 2.0 * s * series
}

/// cos(2 pi u) for u in [0, 1); see `cos_turn` in the shader.
#[inline(always)]
fn cos_turn(u: f32) -> f32 {
    let quarter = (4.0 * u + 0.5).floor();
    let a = (4.0 * u - quarter) * std::f32::consts::FRAC_PI_2;
    let z = a * a;
    let cosine = 1.0 - z * (0.5 - z * (1.0 / 24.0 - z * (1.0 / 720.0 - z / 40_320.0)));
    let sine = a * (1.0 - z * (1.0 / 6.0 - z * (1.0 / 120.0 - z * (1.0 / 5_040.0 - z / 362_880.0))));
    let turn = quarter as u32 & 3; // cos, -sin, -cos, sin
    let magnitude = if turn & 1 == 1 { sine } else { cosine };
    if turn == 1 || turn == 2 { -magnitude } else { magnitude }
}

/// Every input bit reaches every output bit (constants of MurmurHash3's fmix32).
fn mix_word(word: u32) -> u32 {
    let mut h = word;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { seed: 0x1234_5678_9abc_def0, stream: 3, iteration: 7 };

    #[test]
    fn threefry_gives_the_published_known_answers() {
        // Random123 kat_vectors, threefry4x32 with 20 rounds: (counter, key, answer).
        let vectors = [
            ([0; 4], [0; 4], [0x9c6c_a96a, 0xe17e_ae66, 0xfc10_ecd4, 0x5256_a7d8]),
            ([u32::MAX; 4], [u32::MAX; 4], [0x2a88_1696, 0x5701_2287, 0xf6c7_446e, 0xa16a_6732]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89],
                [0x59cd_1dbb, 0xb887_9579, 0x86b5_d00c, 0xac8b_6d84],
            ),
        ];
        for (counter, key, answer) in vectors {
            assert_eq!(threefry4x32(key, counter), answer);
        }
    }

    #[test]
    fn unit_stays_below_one_and_is_exact() {
        assert_eq!(unit(0), 0.0);
        assert_eq!(unit(u32::MAX), 1.0 - UNIT_STEP);
        assert_eq!(unit(1 << 31), 0.5);
    }

    #[test]
    fn logarithm_and_cosine_agree_with_f64_to_single_precision() {
        for k in (1..=1u32 << 24).step_by(97).chain([1, 2, 3, (1 << 24) - 1, 1 << 24]) {
            let u = k as f32 * UNIT_STEP;
            let (log, cos) = ((u as f64).ln(), (std::f64::consts::TAU * unit(k << 8) as f64).cos());
            assert!((log_unit(u) as f64 - log).abs() <= 2e-7 * log.abs(), "ln {u}: {} {log}", log_unit(u));
            assert!((cos_turn(unit(k << 8)) as f64 - cos).abs() <= 2e-7, "cos {k}: {} {cos}", cos_turn(unit(k << 8)));
        }
    }

    #[test]
    fn shuffle_is_a_permutation_for_any_count() {
        for count in [1, 2, 3, 5, 8, 1000, 4097] {
            for iteration in 0..4 {
                let mut seen = vec![false; count as usize];
                for i in 0..count {
                    let at = Key { iteration, ..KEY }.shuffled(i, count) as usize;
                    assert!(!std::mem::replace(&mut seen[at], true), "count {count}: {at} is hit twice");
                }
            }
        }
    }

    #[test]
    fn shuffle_leaves_padding_rows_alone() {
        assert_eq!([5, 6, 4_000_000_000].map(|i| KEY.shuffled(i, 5)), [5, 6, 4_000_000_000]);
        assert_eq!(KEY.shuffled(0, 0), 0);
    }

    /// Chi-square of `counts` against equal expectation, as a number of standard deviations above its mean.
    fn chi_square_excess(counts: &[u32]) -> f64 {
        let mean = counts.iter().map(|&c| c as f64).sum::<f64>() / counts.len() as f64;
        let chi: f64 = counts.iter().map(|&c| (c as f64 - mean).powi(2) / mean).sum();
        let freedom = (counts.len() - 1) as f64;
        (chi - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn shuffle_sends_every_index_everywhere_equally_often() {
        for count in [2u32, 3, 5, 8, 16, 37] {
            let mut table = vec![0; (count * count) as usize];
            for iteration in 0..4000 {
                for i in 0..count {
                    table[(i * count + Key { iteration, ..KEY }.shuffled(i, count)) as usize] += 1;
                }
            }
            for row in table.chunks(count as usize) {
                assert!(chi_square_excess(row) < 5.0, "count {count}: {row:?}");
            }
        }
    }

    #[test]
    fn shuffle_of_three_reaches_all_six_orders_equally_often() {
        let mut orders = [0u32; 27];
        for iteration in 0..6000 {
            let key = Key { iteration, ..KEY };
            orders[(key.shuffled(0, 3) * 9 + key.shuffled(1, 3) * 3 + key.shuffled(2, 3)) as usize] += 1;
        }
        let reached: Vec<u32> = orders.into_iter().filter(|&n| n > 0).collect();
        assert_eq!(reached.len(), 6);
        assert!(chi_square_excess(&reached) < 5.0, "{reached:?}");
    }

    #[test]
    fn shuffles_keep_no_trace_of_the_order_or_of_the_previous_iteration() {
        let count = 4096;
        let order =
            |iteration| (0..count).map(|i| Key { iteration, ..KEY }.shuffled(i, count) as f64).collect::<Vec<_>>();
        let (a, b) = (order(10), order(11));
        let identity: Vec<f64> = (0..count).map(f64::from).collect();
        assert!(correlation(&a, &identity).abs() < 0.06);
        assert!(correlation(&a, &b).abs() < 0.06);
        assert!(correlation(&a[1..], &a[..a.len() - 1]).abs() < 0.06);
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let n = a.len() as f64;
        let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
        let covariance: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
        let (va, vb): (f64, f64) = (a.iter().map(|x| (x - ma).powi(2)).sum(), b.iter().map(|y| (y - mb).powi(2)).sum());
        covariance / (va * vb).sqrt()
    }

    #[test]
    fn normals_have_the_moments_and_tails_of_a_gaussian() {
        let n = 400_000u32;
        let draws: Vec<f64> = (0..n).map(|row| KEY.normal(0, row, 0) as f64).collect();
        let moment = |p: i32| draws.iter().map(|x| x.powi(p)).sum::<f64>() / n as f64;
        // Standard errors of the k-th raw moment: sqrt(var(x^k) / n) with var 1, 2, 15, 96.
        let root_n = (n as f64).sqrt();
        assert!(moment(1).abs() < 5.0 / root_n);
        assert!((moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / root_n);
        assert!(moment(3).abs() < 5.0 * 15f64.sqrt() / root_n);
        assert!((moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / root_n);
        for (limit, probability) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8), (4.0, 6.334e-5)] {
            let share = draws.iter().filter(|x| x.abs() > limit).count() as f64 / n as f64;
            let error = 5.0 * (probability * (1.0 - probability) / n as f64).sqrt();
            assert!((share - probability).abs() < error, "beyond {limit}: {share} instead of {probability}");
        }
    }

    #[test]
    fn normals_are_uncorrelated_over_rows_steps_lanes_streams_and_iterations() {
        let n = 100_000u32;
        let base: Vec<f64> = (0..n).map(|row| KEY.normal(5, row, 2) as f64).collect();
        let bound = 5.0 / (n as f64).sqrt();
        for lag in [1, 2, 64] {
            assert!(correlation(&base[lag..], &base[..base.len() - lag]).abs() < bound, "lag {lag}");
        }
        let neighbours: [(&str, Key, u32, u32); 5] = [
            ("step", KEY, 6, 2),
            ("lane", KEY, 5, 3),
            ("stream", Key { stream: 4, ..KEY }, 5, 2),
            ("iteration", Key { iteration: 8, ..KEY }, 5, 2),
            ("seed", Key { seed: KEY.seed + 1, ..KEY }, 5, 2),
        ];
        for (name, key, step, lane) in neighbours {
            let other: Vec<f64> = (0..n).map(|row| key.normal(step, row, lane) as f64).collect();
            assert!(correlation(&base, &other).abs() < bound, "{name}");
            let squares = |v: &[f64]| v.iter().map(|x| x * x).collect::<Vec<_>>();
            assert!(correlation(&squares(&base), &squares(&other)).abs() < bound, "{name}, squares");
        }
    }
}
