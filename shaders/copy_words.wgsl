// How fast an adapter's memory is: a copy, four words at a time. Over no words at all it is the empty dispatch.
// The other end is src/kernels/copy_words.rs.

struct Args {
    vectors: u32, // of four words
    width: u32,   // invocations of one row of the grid
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;            // [vectors]
@group(0) @binding(1) var<storage, read_write> destination: array<vec4f>; // [vectors]

const GROUP = 256u;

@compute @workgroup_size(GROUP)
fn copy_words(@builtin(global_invocation_id) id: vec3u) {
    let at = id.y * args.width + id.x;
    if (at < args.vectors) {
        destination[at] = source[at];
    }
}
