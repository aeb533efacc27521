// All weight gradients of a network in one dispatch: dW[i][j] = sum over rows of x_i dy_j, for every block of every
// layer in the table `jobs`. Split over rows (split-K): slice p of the grid's y sums its tiles and stores its own partial
// gradient, which `reduce_gradients` adds up in fixed order.
//
// One workgroup does one block: up to 8 "uniform" features, the same for all lanes, times up to 64 "lane" features, one
// for each lane. Narrower lane sides leave lanes over; those take other rows, and the row groups are added at the end.
// Rows behind the batch hold dy = 0, so no row is masked. The other end, and the planner, is src/kernels/weight_gradients.rs.

struct Args {
    tiles: u32,
    tile_features: u32,
    tile_rows: u32,      // multiple of 4
    gradient_words: u32,
    first_slice: u32,    // where slice 0 of this dispatch goes in `partials`
}
var<immediate> args: Args;

struct Block {
    uniform_feature: u32, // ONES: the constant 1 (biases)
    uniform_stride: u32,  // features between segments
    lane_feature: u32,
    lane_stride: u32,
    segments: u32,        // loop iterations that used the same weights
    uniform_count: u32,   // 1 ..= 8
    lane_count: u32,      // 1 ..= 64
    lane_shift: u32,      // lanes of one row group = 1 << lane_shift >= lane_count
    out_word: u32,        // where element (0, 0) goes in the gradient vector
    uniform_ld: u32,      // words between neighbours on the uniform side
    lane_ld: u32,         // words between neighbours on the lane side
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> jobs: array<Block>; // [grid x]
@group(0) @binding(1) var<storage, read> scratch: array<vec4f>; // [tiles][tile_features][tile_rows / 4]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [grid y][gradient_words]

const GROUP = 64u;
const UNIFORMS = 8u;
const ONES = 0xffffffffu;

var<workgroup> sums: array<f32, GROUP * UNIFORMS>; // [uniform][lane]

@compute @workgroup_size(GROUP)
fn weight_gradients(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let job = jobs[group.x];
    let first_tile = group.y * args.tiles / groups.y;
    let last_tile = (group.y + 1u) * args.tiles / groups.y;
    let quads = args.tile_rows / 4u;
    let row_groups = GROUP >> job.lane_shift;
    let row_group = lane >> job.lane_shift;
    let column = min(lane & ((1u << job.lane_shift) - 1u), job.lane_count - 1u);
    let ones = job.uniform_feature == ONES;
    // Uniform features behind the last repeat it; their sums are not stored.
    let last = job.uniform_count - 1u;
    let u1 = min(1u, last) * quads;
    let u2 = min(2u, last) * quads;
    let u3 = min(3u, last) * quads;
    let u4 = min(4u, last) * quads;
    let u5 = min(5u, last) * quads;
    let u6 = min(6u, last) * quads;
    let u7 = min(7u, last) * quads;

    var s0 = 0.0;
    var s1 = 0.0;
    var s2 = 0.0;
    var s3 = 0.0;
    var s4 = 0.0;
    var s5 = 0.0;
    var s6 = 0.0;
    var s7 = 0.0;
    for (var tile = first_tile; tile < last_tile; tile++) {
        for (var segment = 0u; segment < job.segments; segment++) {
            let tile_base = tile * args.tile_features;
            let lane_base = (tile_base + job.lane_feature + segment * job.lane_stride + column) * quads;
            if (ones) {
                for (var quad = row_group; quad < quads; quad += row_groups) {
                    s0 += dot(vec4f(1.0), scratch[lane_base + quad]);
                }
            } else {
                let base = (tile_base + job.uniform_feature + segment * job.uniform_stride) * quads;
                for (var quad = row_group; quad < quads; quad += row_groups) {
                    let y = scratch[lane_base + quad];
                    let at = base + quad;
                    s0 += dot(scratch[at], y);
                    s1 += dot(scratch[at + u1], y);
                    s2 += dot(scratch[at + u2], y);
                    s3 += dot(scratch[at + u3], y);
                    s4 += dot(scratch[at + u4], y);
                    s5 += dot(scratch[at + u5], y);
                    s6 += dot(scratch[at + u6], y);
                    s7 += dot(scratch[at + u7], y);
                }
            }
        }
    }
    sums[lane] = s0;
    sums[GROUP + lane] = s1;
    sums[2u * GROUP + lane] = s2;
    sums[3u * GROUP + lane] = s3;
    sums[4u * GROUP + lane] = s4;
    sums[5u * GROUP + lane] = s5;
    sums[6u * GROUP + lane] = s6;
    sums[7u * GROUP + lane] = s7;
    workgroupBarrier();

    let elements = job.uniform_count << job.lane_shift;
    for (var element = lane; element < elements; element += GROUP) {
        let i = element >> job.lane_shift;
        let j = element & ((1u << job.lane_shift) - 1u);
        var total = 0.0;
        for (var g = 0u; g < row_groups; g++) {
            total += sums[i * GROUP + (g << job.lane_shift) + j];
        }
        if (j < job.lane_count) {
            partials[(args.first_slice + group.y) * args.gradient_words + job.out_word + i * job.uniform_ld + j * job.lane_ld] = total;
        }
    }
}
