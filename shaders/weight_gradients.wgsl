// All weight gradients of a network in one dispatch: dW[i][j] = sum over rows of x_i dy_j, for every block of every
// layer in the table `jobs`. Split over rows (split-K): slice p of the grid's y sums its tiles and stores its own partial
// gradient, which `reduce_gradients` adds up in fixed order.
//
// A workgroup does one block, a lane an 8 x 8 tile of it: 16 loads feed 64 dot products, which is what counts, because
// memory and not arithmetic limits this pass on hardware and on the software driver alike. A block smaller than the
// workgroup leaves lanes over; those take other rows, and the row groups are added at the end. Rows behind the batch hold
// dy = 0, so no row is masked.
// The other end, and the planner, is src/kernels/weight_gradients.rs.

struct Args {
    tiles: u32,
    tile_features: u32,
    tile_rows: u32,      // multiple of 4
    gradient_words: u32,
    first_slice: u32,    // where slice 0 of this dispatch goes in `partials`
}
var<immediate> args: Args;

struct Block {
    x_feature: u32,  // ONES: the constant 1 (biases, batch sums); then x_count is 1
    x_stride: u32,   // features between segments
    dy_feature: u32,
    dy_stride: u32,
    segments: u32,   // loop iterations that used the same weights
    x_count: u32,
    dy_count: u32,
    x_shift: u32,    // lanes along x:  1 << x_shift,  LANE_X  features each
    dy_shift: u32,   // lanes along dy: 1 << dy_shift, LANE_DY features each
    out_word: u32,   // where element (0, 0) goes in the gradient vector
    x_ld: u32,       // words between neighbours along x
    dy_ld: u32,      // words between neighbours along dy
}

@group(0) @binding(0) var<storage, read> jobs: array<Block>; // [grid x]
@group(0) @binding(1) var<storage, read> scratch: array<vec4f>; // [tiles][tile_features][tile_rows / 4]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [grid y][gradient_words]

const GROUP = 64u;
const GROUP_SHIFT = 6u;
const LANE_X = 8u;
const LANE_DY = 8u;
const ONES = 0xffffffffu;

var<workgroup> sums: array<vec4f, GROUP * LANE_X * 2u>; // [x of the lane][half of its dy][lane], a vec4 is four dy

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

    // lane = (row group, x lane, dy lane). Row groups share out the row quads of a tile, then the tiles.
    let block_shift = job.x_shift + job.dy_shift;
    let row_shift = GROUP_SHIFT - block_shift;
    let row_group = lane >> block_shift;
    let quad_shift = min(row_shift, firstLeadingBit(quads));
    let first_quad = row_group & ((1u << quad_shift) - 1u);
    let quad_step = 1u << quad_shift;
    let tile_step = 1u << (row_shift - quad_shift);

    // This lane's features as offsets in a tile. Those beyond the block repeat its last one; their sums are not stored.
    let x_first = ((lane >> job.dy_shift) & ((1u << job.x_shift) - 1u)) * LANE_X;
    let x_last = job.x_count - 1u;
    let x0 = min(x_first, x_last) * quads;
    let x1 = min(x_first + 1u, x_last) * quads;
    let x2 = min(x_first + 2u, x_last) * quads;
    let x3 = min(x_first + 3u, x_last) * quads;
    let x4 = min(x_first + 4u, x_last) * quads;
    let x5 = min(x_first + 5u, x_last) * quads;
    let x6 = min(x_first + 6u, x_last) * quads;
    let x7 = min(x_first + 7u, x_last) * quads;
    let dy_first = (lane & ((1u << job.dy_shift) - 1u)) * LANE_DY;
    let dy_last = job.dy_count - 1u;
    let y0 = min(dy_first, dy_last) * quads;
    let y1 = min(dy_first + 1u, dy_last) * quads;
    let y2 = min(dy_first + 2u, dy_last) * quads;
    let y3 = min(dy_first + 3u, dy_last) * quads;
    let y4 = min(dy_first + 4u, dy_last) * quads;
    let y5 = min(dy_first + 5u, dy_last) * quads;
    let y6 = min(dy_first + 6u, dy_last) * quads;
    let y7 = min(dy_first + 7u, dy_last) * quads;

    var s0 = vec4f(0.0);
    var t0 = vec4f(0.0);
    var s1 = vec4f(0.0);
    var t1 = vec4f(0.0);
    var s2 = vec4f(0.0);
    var t2 = vec4f(0.0);
    var s3 = vec4f(0.0);
    var t3 = vec4f(0.0);
    var s4 = vec4f(0.0);
    var t4 = vec4f(0.0);
    var s5 = vec4f(0.0);
    var t5 = vec4f(0.0);
    var s6 = vec4f(0.0);
    var t6 = vec4f(0.0);
    var s7 = vec4f(0.0);
    var t7 = vec4f(0.0);
    let ones = job.x_feature == ONES;
    for (var tile = first_tile + (row_group >> quad_shift); tile < last_tile; tile += tile_step) {
        for (var segment = 0u; segment < job.segments; segment++) {
            let tile_base = tile * args.tile_features;
            let y_base = (tile_base + job.dy_feature + segment * job.dy_stride) * quads;
            if (ones) {
                for (var quad = first_quad; quad < quads; quad += quad_step) {
                    let y = y_base + quad;
                    s0 += vec4f(1.0) * mat4x4f(scratch[y + y0], scratch[y + y1], scratch[y + y2], scratch[y + y3]);
                    t0 += vec4f(1.0) * mat4x4f(scratch[y + y4], scratch[y + y5], scratch[y + y6], scratch[y + y7]);
                }
            } else {
                let x_base = (tile_base + job.x_feature + segment * job.x_stride) * quads;
                for (var quad = first_quad; quad < quads; quad += quad_step) {
                    let x = x_base + quad;
                    let y = y_base + quad;
                    // Columns are four dy, each over four rows: x * dy is the four dot products of one x with them.
                    let dy_s = mat4x4f(scratch[y + y0], scratch[y + y1], scratch[y + y2], scratch[y + y3]);
                    let dy_t = mat4x4f(scratch[y + y4], scratch[y + y5], scratch[y + y6], scratch[y + y7]);
                    let r0 = scratch[x + x0];
                    s0 += r0 * dy_s;
                    t0 += r0 * dy_t;
                    let r1 = scratch[x + x1];
                    s1 += r1 * dy_s;
                    t1 += r1 * dy_t;
                    let r2 = scratch[x + x2];
                    s2 += r2 * dy_s;
                    t2 += r2 * dy_t;
                    let r3 = scratch[x + x3];
                    s3 += r3 * dy_s;
                    t3 += r3 * dy_t;
                    let r4 = scratch[x + x4];
                    s4 += r4 * dy_s;
                    t4 += r4 * dy_t;
                    let r5 = scratch[x + x5];
                    s5 += r5 * dy_s;
                    t5 += r5 * dy_t;
                    let r6 = scratch[x + x6];
                    s6 += r6 * dy_s;
                    t6 += r6 * dy_t;
                    let r7 = scratch[x + x7];
                    s7 += r7 * dy_s;
                    t7 += r7 * dy_t;
                }
            }
        }
    }
    sums[lane] = s0;
    sums[GROUP + lane] = t0;
    sums[2u * GROUP + lane] = s1;
    sums[3u * GROUP + lane] = t1;
    sums[4u * GROUP + lane] = s2;
    sums[5u * GROUP + lane] = t2;
    sums[6u * GROUP + lane] = s3;
    sums[7u * GROUP + lane] = t3;
    sums[8u * GROUP + lane] = s4;
    sums[9u * GROUP + lane] = t4;
    sums[10u * GROUP + lane] = s5;
    sums[11u * GROUP + lane] = t5;
    sums[12u * GROUP + lane] = s6;
    sums[13u * GROUP + lane] = t6;
    sums[14u * GROUP + lane] = s7;
    sums[15u * GROUP + lane] = t7;
    workgroupBarrier();

    // One x of the block and four dy at a time, over all row groups.
    let four_shift = job.dy_shift + 1u;
    for (var element = lane; element < (job.x_count << four_shift); element += GROUP) {
        let i = element >> four_shift;
        let four = element & ((1u << four_shift) - 1u);
        let source = ((i % LANE_X) * 2u + four % 2u) * GROUP + ((i / LANE_X) << job.dy_shift) + four / 2u;
        var total = vec4f(0.0);
        for (var g = 0u; g < (1u << row_shift); g++) {
            total += sums[source + (g << block_shift)];
        }
        let j = 4u * four;
        let out = (args.first_slice + group.y) * args.gradient_words + job.out_word + i * job.x_ld + j * job.dy_ld;
        if (j < job.dy_count) {
            partials[out] = total.x;
        }
        if (j + 1u < job.dy_count) {
            partials[out + job.dy_ld] = total.y;
        }
        if (j + 2u < job.dy_count) {
            partials[out + 2u * job.dy_ld] = total.z;
        }
        if (j + 3u < job.dy_count) {
            partials[out + 3u * job.dy_ld] = total.w;
        }
    }
}
