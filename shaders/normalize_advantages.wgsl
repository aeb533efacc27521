// Advantages to mean 0 and standard deviation 1 over the whole rollout, in place. Every workgroup combines the partial
// statistics of `gae` in the same order, so all use the same mean and deviation, bit for bit.
// The other end is src/kernels/normalize_advantages.rs.

struct Args {
    advantages: u32, // word offset into rollout
    count: u32,      // steps * envs
    partials: u32,   // how many [count, mean, M2] there are
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> partials: array<f32>; // [partials][3]
@group(0) @binding(1) var<storage, read_write> rollout: array<f32>;

const GROUP = 256u;
const EPSILON = 1e-8;

@compute @workgroup_size(GROUP)
fn normalize_advantages(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    var own = Moments(0.0, 0.0, 0.0);
    for (var i = lane; i < args.partials; i += GROUP) {
        own = combine(own, Moments(partials[3u * i], partials[3u * i + 1u], partials[3u * i + 2u]));
    }
    combine_all(lane, own);
    let all = moments[0];
    let deviation = sqrt(all.m2 / max(all.count - 1.0, 1.0)); // unbiased
    let scale = 1.0 / (deviation + EPSILON);
    for (var i = group.x * GROUP + lane; i < args.count; i += groups.x * GROUP) {
        rollout[args.advantages + i] = (rollout[args.advantages + i] - all.mean) * scale;
    }
}
