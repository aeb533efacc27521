// Generalised advantage estimation (Schulman et al. 2016) and the returns, one invocation per environment, backwards in
// time; and the advantage statistics of each workgroup's environments, which `normalize_advantages` combines.
// The other end is src/kernels/gae.rs.

struct Args {
    envs: u32,
    steps: u32,
    rewards: u32,    // word offsets into rollout, each [steps][envs]
    values: u32,
    flags: u32,
    last_value: u32, // [envs]
    advantages: u32, // [steps][envs], written
    returns: u32,    // [steps][envs], written
    gamma: f32,
    lambda: f32,
    reward_scale: f32,
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read_write> rollout: array<f32>;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>; // [groups][3]: count, mean, M2

const GROUP = 64u;
const TERMINATED = 1.0;
const TIMED_OUT = 2.0;

@compute @workgroup_size(GROUP)
fn gae(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = group.x * GROUP + lane;
    var own = Moments(0.0, 0.0, 0.0);
    if (env < args.envs) {
        var next_value = rollout[args.last_value + env];
        var advantage = 0.0;
        for (var back = 0u; back < args.steps; back++) {
            let at = (args.steps - 1u - back) * args.envs + env;
            let flag = rollout[args.flags + at];
            let value = rollout[args.values + at];
            let running = select(0.0, 1.0, flag == 0.0);
            // A time-out is no end of the task: it bootstraps with the value of the observation it was reached from.
            let topped_up = select(0.0, args.gamma * value, flag == TIMED_OUT);
            let reward = args.reward_scale * rollout[args.rewards + at] + topped_up;
            let delta = reward + args.gamma * running * next_value - value;
            advantage = delta + args.gamma * args.lambda * running * advantage;
            next_value = value;
            rollout[args.advantages + at] = advantage;
            rollout[args.returns + at] = advantage + value;
            // Welford's update
            own.count += 1.0;
            let deviation = advantage - own.mean;
            own.mean += deviation / own.count;
            own.m2 += deviation * (advantage - own.mean);
        }
    }
    combine_all(lane, own);
    if (lane == 0u) {
        partials[3u * group.x] = moments[0].count;
        partials[3u * group.x + 1u] = moments[0].mean;
        partials[3u * group.x + 2u] = moments[0].m2;
    }
}
