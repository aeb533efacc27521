// Every construct that the executor accepts. `put` writes the next float, `puti` and `putu` the next integer of this row; in the
// order of the text, so that a mismatch has a line.

struct Inner { a: f32, b: vec3f, c: i32 }
struct Outer { first: Inner, list: array<vec2f, 3>, m: mat3x2f, last: u32 }
struct Row { f: array<f32, 8>, i: array<i32, 4>, u: vec4u }

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read_write> floats: array<f32>;
@group(0) @binding(2) var<storage, read_write> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> structs: array<Outer>;

const WIDTH_F = 256u;
const WIDTH_U = 192u;
const TABLE = array<f32, 5>(1.5, -2.0, 3.25, 0.5, 8.0);
const NESTED = array<vec2f, 2>(vec2f(1.0, 2.0), vec2f(3.0, 4.0));
const SCALE = 2.5;

var<private> row: u32;
var<private> at_f: u32;
var<private> at_u: u32 = 0u;
var<private> history: array<f32, 4>;

fn put(x: f32) { floats[row * WIDTH_F + at_f] = x; at_f += 1u; }
fn putu(x: u32) { words[row * WIDTH_U + at_u] = x; at_u += 1u; }
fn puti(x: i32) { putu(bitcast<u32>(x)); }
fn putb(x: bool) { putu(select(7u, 9u, x)); }
fn put2(v: vec2f) { floats[row * WIDTH_F + at_f] = v.x; floats[row * WIDTH_F + at_f + 1u] = v.y; at_f += 2u; }

fn arithmetic(r: Row) {
    let x = r.f[0]; let y = r.f[1]; let z = r.f[2];
    put(x + y);
    put(x - y);
    put(x * y);
    put(x / (abs(y) + 0.5));
    put(-x);
    put(x % (abs(z) + 0.5));
    put(dot(vec3f(x, y, z), vec3f(z, x, y)));
    put(dot(vec4f(x, y, z, 1.0), vec4f(z, x, y, 2.0)));
    put(cross(vec3f(x, y, z), vec3f(z, x, y)).x);
    put(cross(vec3f(x, y, z), vec3f(z, x, y)).z);
    put(length(vec3f(x, y, z)));
    put(length(x));
    put(distance(vec2f(x, y), vec2f(z, x)));
    put(normalize(vec3f(x, y, z + 3.0)).y);
    put(mix(x, y, 0.25));
    put(mix(vec2f(x, y), vec2f(y, z), vec2f(0.5, 0.75)).y);
    put(mix(vec2f(x, y), vec2f(y, z), 0.3).x);
    put(clamp(x, -0.5, 0.5));
    put(min(x, y));
    put(max(x, z));
    put(abs(x));
    put(sign(y));
    put(floor(x * 10.0));
    put(ceil(x * 10.0));
    put(round(x * 4.0));
    put(trunc(x * 10.0));
    put(fract(x));
    put(step(x, y));
    put(smoothstep(-1.0, 1.0, x));
    put(fma(x, y, z));
    put(sqrt(abs(x)));
    put(inverseSqrt(abs(x) + 0.1));
    put(saturate(x));
    put(degrees(x));
    put(radians(x));
    put(faceForward(vec2f(x, y), vec2f(y, z), vec2f(z, x)).x);
    put(reflect(vec2f(x, y), vec2f(0.6, 0.8)).y);
    put(refract(vec2f(0.6, -0.8), vec2f(0.0, 1.0), 0.7).x);
    put(modf(x).fract);
    put(modf(x).whole);
    put(frexp(x + 9.0).fract);
    puti(frexp(x + 9.0).exp);
    put(ldexp(x, 3));
    put(ldexp(x, r.i[0] & 7));
    put((vec3f(x) * vec3f(1.0, 2.0, 3.0) - y).z);
    put((2.0 * vec2f(x, y)).y);
    put((vec2f(x, y) / 4.0).y);
}

fn transcendental(r: Row) {
    let x = r.f[0]; let y = r.f[1];
    put(exp(x));
    put(exp2(y));
    put(log(abs(x) + 0.01));
    put(log2(abs(y) + 0.01));
    put(pow(abs(x) + 0.1, y));
    put(sin(x));
    put(cos(x));
    put(tan(x * 0.4));
    put(asin(clamp(x * 0.3, -1.0, 1.0)));
    put(acos(clamp(x * 0.3, -1.0, 1.0)));
    put(atan(x));
    put(atan2(x, y));
    put(sinh(x));
    put(cosh(x));
    put(tanh(x));
    put(asinh(x));
    put(acosh(abs(x) + 1.0));
    put(atanh(clamp(x * 0.2, -0.9, 0.9)));
}

fn integers(r: Row) {
    let i = r.i[0]; let j = r.i[1]; let u = r.u.x; let v = r.u.y;
    puti(i + j);
    puti(i - j);
    puti(i * j);
    puti(i / j);
    puti(i % j);
    puti(-i);
    puti(i / r.i[3]);
    puti(i % r.i[3]);
    putu(u + v);
    putu(u * v);
    putu(u / v);
    putu(u % v);
    putu(u / r.u.w);
    putu(u % r.u.w);
    putu(u & v);
    putu(u | v);
    putu(u ^ v);
    putu(~u);
    puti(~i);
    putu(u << (v & 31u));
    putu(u >> (v & 31u));
    puti(i >> (v & 31u));
    puti(i << (v & 31u));
    puti(abs(i));
    puti(sign(i));
    puti(min(i, j));
    puti(max(i, j));
    puti(clamp(i, -100, 100));
    putu(clamp(u, 5u, 1000u));
    putu(min(u, v));
    putu(max(u, v));
    putu(countOneBits(u));
    putu(countLeadingZeros(u));
    putu(countTrailingZeros(u));
    putu(countLeadingZeros(0u & u));
    putu(countTrailingZeros(0u & u));
    putu(reverseBits(u));
    putu(firstLeadingBit(u));
    puti(firstLeadingBit(i));
    putu(firstTrailingBit(u));
    putu(extractBits(u, 3u, 7u));
    puti(extractBits(i, 3u, 7u));
    puti(extractBits(i, v & 15u, 9u));
    putu(insertBits(u, v, 5u, 9u));
    putu(insertBits(u, v, 0u, 32u));
    puti(dot(vec2i(i, j), vec2i(j, i)));
    putb(i < j);
    putb(i <= j);
    putb(i > j);
    putb(i >= j);
    putb(i == j);
    putb(i != j);
    putb(u < v);
    putb(u <= v);
    putb(u > v);
    putb(u >= v);
    putb(all(vec2u(u, v) > vec2u(5u)));
    putb(any(vec2i(i, j) == vec2i(0, j)));
    putb(!(i < j));
    putb((i < j) & (u < v));
    putb((i < j) | (u < v));
    putb((i < j) != (u < v));
    putu(dot4U8Packed(u, v));
    puti(dot4I8Packed(u, v));
}

fn conversions(r: Row) {
    let x = r.f[0] * 1000.0; let i = r.i[0]; let u = r.u.x;
    puti(i32(x));
    putu(u32(x));
    putu(u32(abs(x)));
    puti(i32(x * 1e10));
    putu(u32(x * 1e10));
    put(f32(i));
    put(f32(u));
    put(f32(i < 0));
    puti(i32(u));
    putu(u32(i));
    putu(u32(i < 0));
    puti(i32(x < 0.0));
    putb(bool(i & 1));
    putb(bool(u));
    putb(bool(x));
    putu(bitcast<u32>(x));
    puti(bitcast<i32>(x));
    put(bitcast<f32>((u & 0x007fffffu) | 0x3f800000u));
    putu(bitcast<vec2u>(vec2f(x, 1.0)).x);
    puti(vec3i(vec3f(x, 2.5, -2.5)).z);
    put(select(x, 1.0, i < 0));
    put(select(vec2f(x, 1.0), vec2f(2.0, 3.0), vec2<bool>((i < 0), (u > 7u))).y);
    putu(pack4x8snorm(vec4f(r.f[0], r.f[1], 0.5, -3.0)));
    putu(pack4x8unorm(vec4f(r.f[0], r.f[1], 0.5, 3.0)));
    putu(pack2x16snorm(vec2f(r.f[0], r.f[1])));
    putu(pack2x16unorm(vec2f(r.f[0], r.f[1])));
    put(unpack4x8snorm(u).w);
    put(unpack4x8unorm(u).y);
    put(unpack2x16snorm(u).y);
    put(unpack2x16unorm(u).x);
    putu(pack4xI8(vec4i(i, 1, -1, r.i[1])));
    putu(pack4xU8(vec4u(u, 1u, 2u, r.u.y)));
    putu(pack4xI8Clamp(vec4i(i, 1, -1, r.i[1])));
    putu(pack4xU8Clamp(vec4u(u, 1u, 2u, r.u.y)));
    puti(unpack4xI8(u).y);
    putu(unpack4xU8(u).z);
}

fn vectors(r: Row) {
    let v = vec4f(r.f[0], r.f[1], r.f[2], r.f[3]);
    put2(v.wx);
    put(v.zyx.y);
    put(v.rgba.a);
    var w = v;
    w.y = 7.0;
    w.z += v.x;
    put2(w.yz);
    w[r.u.z & 3u] = 11.0;
    put(w.x);
    put(w.y);
    put(w.z);
    put(w.w);
    put(v[r.u.z & 3u]);
    put(vec3f(v.xy, 1.0)[(r.u.z >> 2u) % 3u]);
    let b = vec3<bool>(v.x > 0.0, v.y > 0.0, true);
    putb(all(b));
    putb(any(!b));
    put2(select(v.xy, v.zw, b.xy));
    put2(vec2f(vec2i(v.xy * 10.0)));
}

fn matrices(r: Row) {
    let m = mat3x3f(r.f[0], r.f[1], r.f[2], r.f[3], r.f[4], r.f[5], r.f[6], r.f[7], 1.5);
    let n = mat2x3f(r.f[2], r.f[5], r.f[1], r.f[0], 1.0, r.f[7]);
    let v = vec3f(r.f[1], r.f[3], r.f[5]);
    put((m * v).x);
    put((m * v).z);
    put((v * m).y);
    put((m * n)[1].z);
    put((m * 2.0)[2].x);
    put((3.0 * m)[1].y);
    put((m + m)[0].y);
    put((m - transpose(m))[0].z);
    put(transpose(n)[2].y);
    put(determinant(m));
    put(determinant(mat2x2f(r.f[0], r.f[1], r.f[2], r.f[3])));
    put(determinant(mat4x4f(vec4f(v, 1.0), vec4f(r.f[0], v), vec4f(1.0, 2.0, v.xy), vec4f(v.zy, 0.5, r.f[7]))));
    put(m[r.u.z % 3u].y);
    put(m[r.u.z % 3u][r.u.y % 3u]);
    var w = m;
    w[1] = v;
    w[2].x = 4.0;
    w[r.u.z % 3u][1] = 9.0;
    w[0][r.u.y % 3u] = -9.0;
    put(w[0].x + 2.0 * w[0].y + 4.0 * w[0].z);
    put(w[1].x + 2.0 * w[1].y + 4.0 * w[1].z);
    put(w[2].x + 2.0 * w[2].y + 4.0 * w[2].z);
}

fn bump(p: ptr<function, f32>) { *p += 1.0; }
fn swap(a: ptr<function, f32>, b: ptr<function, f32>) { let t = *a; *a = *b; *b = t; }
fn fill(list: ptr<function, array<f32, 6>>, begin: u32) { for (var i = begin; i < 6u; i++) { (*list)[i] = f32(i * i); } }
fn turn(o: ptr<function, Outer>) { (*o).first.b.y *= 2.0; (*o).list[1] = (*o).list[0].yx; (*o).last += 1u; }
fn early(x: f32, p: ptr<function, f32>) -> f32 {
    *p = 1.0;
    if (x < -0.5) { *p = 2.0; return 10.0; }
    *p += 4.0;
    if (x < 0.5) {
        if (x > 0.0) { return 20.0; }
        *p += 8.0;
    }
    *p += 16.0;
    return 30.0;
}
fn in_loop(x: f32) -> i32 {
    for (var i = 0; i < 10; i++) {
        if (f32(i) * 0.3 > abs(x)) { return i; }
    }
    return -1;
}
fn counted(n: u32) -> u32 { var sum = 0u; for (var i = 0u; i < n; i++) { sum += i; } return sum; }

fn aggregates(r: Row) {
    put(TABLE[r.u.z % 5u]);
    put(NESTED[r.u.z & 1u].y);
    put(SCALE * r.f[0]);
    var list = array<f32, 6>();
    fill(&list, r.u.y % 6u);
    put(list[0]); put(list[3]); put(list[5]);
    list[r.u.z % 6u] = -1.0;
    put(list[0] + 2.0 * list[1] + 4.0 * list[2] + 8.0 * list[3] + 16.0 * list[4] + 32.0 * list[5]);
    let copy = list;
    list[2] = 100.0;
    put(copy[2]);
    var o = Outer(Inner(r.f[0], vec3f(r.f[1], r.f[2], r.f[3]), r.i[0]), array<vec2f, 3>(), mat3x2f(), r.u.x);
    o.list[0] = vec2f(r.f[4], r.f[5]);
    o.m[2] = vec2f(r.f[6], r.f[7]);
    turn(&o);
    put(o.first.b.y); put2(o.list[1]); put(o.m[2].y); putu(o.last);
    o.list[r.u.z % 3u].y = 3.5;
    put(o.list[0].y); put(o.list[1].y); put(o.list[2].y);
    var grid: array<array<i32, 3>, 4>;
    for (var i = 0; i < 4; i++) { for (var j = 0; j < 3; j++) { grid[i][j] = i * 10 + j; } }
    grid[r.u.z & 3u][r.u.y % 3u] = 99;
    puti(grid[r.u.x & 3u][r.u.y % 3u]);
    puti(grid[3][2]); puti(grid[r.u.z & 3u][1]);
    var a = r.f[0]; var b = r.f[1];
    swap(&a, &b);
    bump(&a);
    put(a); put(b);
    let p = &list[1];
    *p = 5.0;
    put(list[1]);
    var e = 0.0;
    put(early(r.f[0], &e)); put(e);
    puti(in_loop(r.f[1]));
    putu(counted(r.u.z % 7u));
    putb(Inner(1.0, vec3f(2.0), 3).b.y == 2.0);
}

fn control(r: Row) {
    let k = r.u.z % 7u;
    var s = 0;
    switch k {
        case 0u: { s = 1; }
        case 1u, 2u: { s = 2; if (r.f[0] > 0.0) { break; } s = 3; }
        case 3u: { s = 4; for (var i = 0u; i < 9u; i++) { if (i == k) { break; } s += 10; } }
        case default, 5u: { s = 5; }
    }
    puti(s);
    var t = 0u;
    loop {
        if (t > r.u.y % 11u) { break; }
        t += 2u;
        continuing { t += 1u; break if t > 20u; }
    }
    putu(t);
    var c = 0u;
    for (var i = 0u; i < 12u; i++) {
        if (((r.u.x >> i) & 1u) == 0u) { continue; }
        if (i == r.u.y % 13u) { break; }
        c += i;
    }
    putu(c);
    var w = r.u.y % 50u;
    var steps = 0u;
    while (w != 1u && steps < 40u) {
        switch (w & 1u) { case 0u: { w /= 2u; } default: { if (w == 0u) { steps = 100u; continue; } w = 3u * w + 1u; } }
        steps++;
    }
    putu(steps);
    var outer = 0u;
    for (var i = 0u; i < 5u; i++) {
        var j = 0u;
        loop {
            if (j >= i + (r.u.x & 3u)) { break; }
            if ((i + j) % 4u == 3u) { j += 2u; continue; }
            outer += i * j;
            continuing { j++; }
        }
        if (outer > 30u + (r.u.y & 15u)) { break; }
    }
    putu(outer);
    var x = r.f[0]; var y = r.f[1];
    let turns = r.u.z & 7u;
    for (var n = 0u; n < turns; n++) { let z = x; x = y; y = z; }
    put(x); put(y);
    var called = 0u;
    if (r.f[0] > 0.0 && counted(3u) == 3u) { called |= 1u; }
    if (r.f[0] > 0.0 || r.f[1] > 0.0) { called |= 2u; }
    putu(called);
    if (r.f[0] > 1.0) { s = 1; } else if (r.f[0] > 0.0) { s = 2; } else if (r.f[0] > -1.0) { s = 3; }
    puti(s);
    { let s = 5; puti(s); }
    var fresh = 0.0;
    for (var i = 0; i < 3; i++) { var inner: f32; inner += f32(i); fresh += inner; }
    put(fresh);
    history[k & 3u] += r.f[0];
    put(history[0]); put(history[1]); put(history[2]); put(history[3]);
}

fn memory(r: Row) {
    structs[row].first.a = r.f[0];
    structs[row].first.b = vec3f(r.f[1], r.f[2], r.f[3]);
    structs[row].list[r.u.z % 3u] = vec2f(r.f[4], r.f[5]);
    structs[row].list[(r.u.z + 1u) % 3u].y = r.f[6];
    structs[row].m[1][r.u.y & 1u] = r.f[7];
    let o = structs[row];
    put(o.first.a); put(o.first.b.z); put(o.list[r.u.z % 3u].x); put(o.m[1].x); put(o.m[1].y);
    structs[row].last += r.u.x;
    putu(structs[row].last);
    putu(arrayLength(&rows)); putu(arrayLength(&structs)); putu(arrayLength(&floats));
    put(rows[row].f[r.u.x & 7u]);
    puti(rows[row].i[r.u.y & 3u]);
    let p = &structs[row].first;
    (*p).c = 77;
    puti((*p).c);
    if (r.f[0] > 0.0) { structs[row].last = 5u; }
    putu(structs[row].last);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u,
        @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32,
        @builtin(num_workgroups) groups: vec3u) {
    row = id.x;
    if (row >= arrayLength(&rows)) { return; }
    let r = rows[row];
    arithmetic(r);
    transcendental(r);
    integers(r);
    conversions(r);
    vectors(r);
    matrices(r);
    aggregates(r);
    control(r);
    memory(r);
    putu(local.x); putu(group.x); putu(index); putu(groups.x); putu(id.y);
}
