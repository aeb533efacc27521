// How fast an adapter multiplies and adds: `x = scale x + offset`, over and over, on values that stay in registers.
// The other end is src/kernels/multiply_add.rs.

struct Args {
    rounds: u32, // STEPS steps each
    scale: f32,
    offset: f32,
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read_write> values: array<vec4f>; // [groups * GROUP][3]

const GROUP = 64u;

@compute @workgroup_size(GROUP)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
    let first = 3u * id.x;
    let scale = vec4f(args.scale);
    let offset = vec4f(args.offset);
    // Twelve chains that do not wait for each other, and few enough for sixteen vector registers.
    var a = values[first];
    var b = values[first + 1u];
    var c = values[first + 2u];
    for (var round = 0u; round < args.rounds; round++) {
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
        a = fma(a, scale, offset);
        b = fma(b, scale, offset);
        c = fma(c, scale, offset);
    }
    values[first] = a;
    values[first + 1u] = b;
    values[first + 2u] = c;
}
