// The blocks of `observation_moments` put together, and with them the running mean and variance: a workgroup for every
// entry of the observation, in a fixed order. The other end is src/kernels/merge_moments.rs.

struct Args {
    mean: u32,     // word offsets into params, each [width], changed
    variance: u32,
    width: u32,
    samples: u32,  // of all blocks
    rows: u32,     // of a block; the last one may have fewer
    share: f32,    // of these samples among all so far
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> partials: array<f32>; // [blocks][2][width]: mean, M2
@group(0) @binding(1) var<storage, read_write> params: array<f32>;

const GROUP = 256u;

@compute @workgroup_size(GROUP)
fn merge_moments(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (args.samples - 1u) / args.rows + 1u;
    var own = Moments(0.0, 0.0, 0.0);
    for (var block = lane; block < blocks; block += GROUP) {
        let at = 2u * block * args.width + group.x;
        let count = f32(min(args.rows, args.samples - block * args.rows));
        own = combine(own, Moments(count, partials[at], partials[at + args.width]));
    }
    combine_all(lane, own);
    if (lane == 0u) {
        // The same rule, with shares in place of counts and variances in place of sums.
        let before = 1.0 - args.share;
        let mean = params[args.mean + group.x];
        let delta = moments[0].mean - mean;
        let variance = moments[0].m2 / moments[0].count;
        params[args.mean + group.x] = mean + args.share * delta;
        params[args.variance + group.x] =
            before * params[args.variance + group.x] + args.share * (variance + before * delta * delta);
    }
}
