// The gradient from its split-K partial sums, in fixed order, and the squared norm of each workgroup's share of it.
// One invocation per word. The other end is src/kernels/reduce_gradients.rs.

struct Args {
    words: u32,         // gradient vector with the batch means behind it
    trained_words: u32, // words that count for the norm
    slices: u32,
    scale: f32,
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> partials: array<f32>; // [slices][words]
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>; // [words]
@group(0) @binding(2) var<storage, read_write> norms: array<f32>; // [groups]: sums of squares

const GROUP = 256u;
const RUNS = 16u;
var<workgroup> squares: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn reduce_gradients(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let word = group.x * GROUP + lane;
    var total = 0.0;
    if (word < args.words) {
        for (var slice = 0u; slice < args.slices; slice++) {
            total += partials[slice * args.words + word];
        }
        total *= args.scale;
        gradient[word] = total;
    }
    squares[lane] = select(0.0, total * total, word < args.trained_words);
    workgroupBarrier();
    // Two short sums instead of eight halvings: a barrier costs more than fifteen additions.
    if (lane < RUNS) {
        var run = 0.0;
        for (var i = 0u; i < GROUP / RUNS; i++) { run += squares[i * RUNS + lane]; }
        squares[lane] = run;
    }
    workgroupBarrier();
    if (lane == 0u) {
        var all = 0.0;
        for (var i = 0u; i < RUNS; i++) { all += squares[i]; }
        norms[group.x] = all;
    }
}
