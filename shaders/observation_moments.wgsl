// Mean and sum of squared deviations of every entry of the observations, over the samples of each workgroup's block;
// `merge_moments` puts the blocks together. An invocation owns entries lane, lane + 64, ...
// The other end is src/kernels/observation_moments.rs.

struct Args {
    observations: u32, // word offset into rollout, [samples][width]
    samples: u32,
    width: u32,
    rows: u32,         // samples of a block; the last one may have fewer
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> rollout: array<f32>;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>; // [blocks][2][width]: mean, M2

const GROUP = 64u;

@compute @workgroup_size(GROUP)
fn observation_moments(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group.x * args.rows;
    let count = min(args.rows, args.samples - first);
    for (var entry = lane; entry < args.width; entry += GROUP) {
        var mean = 0.0;
        var m2 = 0.0;
        for (var row = 0u; row < count; row++) {
            // Welford's update
            let value = rollout[args.observations + (first + row) * args.width + entry];
            let deviation = value - mean;
            mean += deviation / f32(row + 1u);
            m2 += deviation * (value - mean);
        }
        let at = 2u * group.x * args.width + entry;
        partials[at] = mean;
        partials[at + args.width] = m2;
    }
}
