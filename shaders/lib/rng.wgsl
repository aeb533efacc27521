// Counter-based random numbers: a draw is a pure function of its address, so no state is stored and none can be
// shared by accident. Threefry4x32-20 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//
//   key     = (seed_lo, seed_hi, stream, iteration)
//   counter = (step, row, lane, 0)        the last word is 1 for the round keys of `shuffled`
//
// The other end is src/rng.rs: integer results are equal bit for bit; `normal_draw` differs only where a driver
// contracts a multiply and an add.

fn rotate_left(x: u32, bits: u32) -> u32 {
    return (x << bits) | (x >> (32u - bits));
}

// Two rounds: neighbours (0,1) (2,3) with the rotations r.xy, then (0,3) (2,1) with r.zw.
fn threefry_two_rounds(input: vec4u, r: vec4u) -> vec4u {
    var x = input;
    x.x += x.y;
    x.y = rotate_left(x.y, r.x) ^ x.x;
    x.z += x.w;
    x.w = rotate_left(x.w, r.y) ^ x.z;
    x.x += x.w;
    x.w = rotate_left(x.w, r.z) ^ x.x;
    x.z += x.y;
    x.y = rotate_left(x.y, r.w) ^ x.z;
    return x;
}

// The first and the second half of the eight-round rotation schedule.
fn threefry_rounds_a(x: vec4u) -> vec4u {
    return threefry_two_rounds(threefry_two_rounds(x, vec4u(10u, 26u, 11u, 21u)), vec4u(13u, 27u, 23u, 5u));
}
fn threefry_rounds_b(x: vec4u) -> vec4u {
    return threefry_two_rounds(threefry_two_rounds(x, vec4u(6u, 20u, 17u, 11u)), vec4u(25u, 10u, 18u, 20u));
}

// Four independent uniform words for one address.
fn draw_words(key: vec4u, counter: vec4u) -> vec4u {
    // The fifth key word is the parity of the others; before every group of four rounds the key moves on by one word.
    let k4 = 0x1bd11bdau ^ key.x ^ key.y ^ key.z ^ key.w;
    var x = counter + key;
    x = threefry_rounds_a(x) + vec4u(key.y, key.z, key.w, k4 + 1u);
    x = threefry_rounds_b(x) + vec4u(key.z, key.w, k4, key.x + 2u);
    x = threefry_rounds_a(x) + vec4u(key.w, k4, key.x, key.y + 3u);
    x = threefry_rounds_b(x) + vec4u(k4, key.x, key.y, key.z + 4u);
    x = threefry_rounds_a(x) + vec4u(key.x, key.y, key.z, key.w + 5u);
    return x;
}

// The 24 high bits as a multiple of 2^-24 in [0, 1): exact in f32, so equal everywhere.
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604644775390625e-8;
}

fn uniform_draw(key: vec4u, counter: vec4u) -> f32 {
    return unit(draw_words(key, counter).x);
}

// ln(u) for u in [2^-24, 1], to about one unit in the last place. WGSL lets `log` be off by 2^-21 near 1, where the
// logarithm itself is smaller than that and could come out positive under a square root; this one cannot.
// u = 2^e m with m in [1/sqrt2, sqrt2); ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172, as its series.
fn log_unit(u: f32) -> f32 {
    let shifted = bitcast<u32>(u) - 0x3f3504f3u; // 0x3f3504f3 is sqrt(1/2)
    let exponent = f32(bitcast<i32>(shifted) >> 23u);
    let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0 + z * (0.33333333 + z * (0.2 + z * (0.14285714 + z * 0.11111111)));
    return exponent * 0.69314718 + 2.0 * s * series;
}

// cos(2 pi u) for u in [0, 1): the nearest quarter turn is taken off exactly, the rest (at most pi / 4) goes through the
// Taylor series. WGSL lets `cos` be off by 2^-11.
fn cos_turn(u: f32) -> f32 {
    let quarter = floor(4.0 * u + 0.5);
    let a = (4.0 * u - quarter) * 1.5707963;
    let z = a * a;
    let cosine = 1.0 - z * (0.5 - z * (0.041666667 - z * (0.0013888889 - z * 0.000024801587)));
    let sine = a * (1.0 - z * (0.16666667 - z * (0.0083333333 - z * (0.00019841270 - z * 0.0000027557319))));
    let turn = u32(quarter) & 3u; // cos, -sin, -cos, sin
    let magnitude = select(cosine, sine, (turn & 1u) == 1u);
    return select(magnitude, -magnitude, turn == 1u || turn == 2u);
}

// A standard normal number (Box and Muller 1958, the cosine branch). The radius comes from u in (0, 1], so it is finite:
// at most sqrt(48 ln 2) = 5.77.
fn normal_draw(key: vec4u, counter: vec4u) -> f32 {
    let words = draw_words(key, counter);
    let radius_draw = f32((words.x >> 8u) + 1u) * 5.9604644775390625e-8;
    return sqrt(max(-2.0 * log_unit(radius_draw), 0.0)) * cos_turn(unit(words.y));
}

// A 32-bit finaliser: every input bit reaches every output bit (constants of MurmurHash3's fmix32).
fn mix_word(word: u32) -> u32 {
    var h = word;
    h = (h ^ (h >> 16u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    return h ^ (h >> 16u);
}

// Where `index` of 0..count goes in the keyed permutation: a shuffle without a table, one call per element.
//
// A balanced Feistel network is a bijection of 0..4^half whatever its round function is; half is the smallest with
// 4^half >= count. Values that land outside 0..count are sent round again (cycle walking) until they land inside, which
// keeps it a bijection of 0..count; fewer than four passes are needed on average. Eight rounds, two per word of a
// Threefry block, so that permutations of neighbouring iterations have nothing in common. An index beyond the count (a
// padding row) stays where it is: walking it could go round for ever.
fn shuffled(index: u32, count: u32, key: vec4u) -> u32 {
    let half = (33u - countLeadingZeros(max(count, 2u) - 1u)) / 2u;
    let mask = (1u << half) - 1u;
    let k = draw_words(key, vec4u(count, 0u, 0u, 1u));
    let l = vec4u(k.x + 0x9e3779b9u, k.y + 0x9e3779b9u, k.z + 0x9e3779b9u, k.w + 0x9e3779b9u);
    var x = index;
    loop {
        var left = x >> half;
        var right = x & mask;
        left ^= mix_word(right ^ k.x) & mask;
        right ^= mix_word(left ^ k.y) & mask;
        left ^= mix_word(right ^ k.z) & mask;
        right ^= mix_word(left ^ k.w) & mask;
        left ^= mix_word(right ^ l.x) & mask;
        right ^= mix_word(left ^ l.y) & mask;
        left ^= mix_word(right ^ l.z) & mask;
        right ^= mix_word(left ^ l.w) & mask;
        x = (left << half) | right;
        if (x < count || index >= count) {
            break;
        }
    }
    return select(x, index, index >= count);
}
