// One optimiser step: global norm clip, KL-adaptive learning rate, AdamW (Loshchilov and Hutter 2019) in torch's order.
// Every workgroup adds the norms and finds the learning rate in the same order, so all agree bit for bit; workgroup 0
// alone writes `control`. The other end is src/kernels/adamw.rs.

struct Args {
    trained_words: u32,
    means: u32,        // batch means behind the gradient
    norms: u32,        // partial sums of squares
    step: u32,         // its parity selects the learning-rate slot
    schedule: u32,     // see below
    end_of_epoch: u32, // 1 in the last minibatch of an epoch
    kl_mean: u32,      // which batch mean is the KL divergence; NONE if there is none
    max_norm: f32,     // <= 0: no clipping
    lr_min: f32,
    lr_max: f32,
    lr_scale: f32,     // host's decay, multiplied in but not kept
    kl_target: f32,
    weight_decay: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    bias1: f32,        // 1 - beta1^t
    bias2: f32,        // 1 - beta2^t
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read_write> params: array<f32>; // [trained_words ..]
@group(0) @binding(1) var<storage, read> gradient: array<f32>; // [trained_words + means]
@group(0) @binding(2) var<storage, read_write> moments: array<f32>; // [2][trained_words]: first, second
@group(0) @binding(3) var<storage, read> norms: array<f32>; // [norms]
@group(0) @binding(4) var<storage, read_write> control: array<f32>; // [8 + means]

const GROUP = 256u;
const RUNS = 16u;
const NONE = 0xffffffffu;

// Schedules.
const FIXED = 0u;
const PER_MINIBATCH = 1u;     // this minibatch's KL decides, at once (rsl_rl)
const PER_EPOCH = 2u;         // mean over the list of all minibatches since the iteration began
const PER_EPOCH_RESET = 3u;   // mean over this epoch's minibatches

// Words of `control`; 0 and 1 are the learning rate, read from slot (step & 1) and written to the other.
const KL_SUM = 2u;
const KL_COUNT = 3u;
const NON_FINITE = 4u;
const NORM_SUM = 5u;
const MINIBATCHES = 6u;
const MEAN_SUMS = 8u;

var<workgroup> sums: array<f32, GROUP>;
var<workgroup> faults: array<u32, GROUP>;

// By bit pattern: a compiler may assume that comparisons never see a NaN.
fn is_non_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

fn adjusted(rate: f32, kl: f32) -> f32 {
    var new_rate = rate;
    if (kl > 2.0 * args.kl_target) {
        new_rate = rate / 1.5;
    } else if (kl > 0.0 && kl < 0.5 * args.kl_target) {
        new_rate = rate * 1.5;
    }
    return clamp(new_rate, args.lr_min, args.lr_max);
}

@compute @workgroup_size(GROUP)
fn adamw(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    var own = 0.0;
    var fault = 0u;
    for (var i = lane; i < args.norms; i += GROUP) {
        own += norms[i];
        fault |= u32(is_non_finite(norms[i]));
    }
    for (var i = lane; i < args.means; i += GROUP) {
        fault |= u32(is_non_finite(gradient[args.trained_words + i]));
    }
    sums[lane] = own;
    faults[lane] = fault;
    workgroupBarrier();
    if (lane < RUNS) {
        var run = 0.0;
        var run_fault = 0u;
        for (var i = lane; i < GROUP; i += RUNS) {
            run += sums[i];
            run_fault |= faults[i];
        }
        sums[lane] = run;
        faults[lane] = run_fault;
    }
    workgroupBarrier();
    var squares = 0.0;
    var any_fault = 0u;
    for (var i = 0u; i < RUNS; i++) {
        squares += sums[i];
        any_fault |= faults[i];
    }
    let norm = sqrt(squares);
    let usable = any_fault == 0u && !is_non_finite(squares);

    let slot = args.step & 1u;
    let has_kl = args.kl_mean != NONE;
    let kl = gradient[args.trained_words + select(0u, args.kl_mean, has_kl)];
    var rate = control[slot];
    if (usable && has_kl && args.schedule == PER_MINIBATCH) {
        rate = adjusted(rate, kl);
    }

    if (usable) {
        let clip = select(1.0, min(1.0, args.max_norm / (norm + 1e-6)), args.max_norm > 0.0);
        let step_rate = rate * args.lr_scale;
        for (var i = group.x * GROUP + lane; i < args.trained_words; i += groups.x * GROUP) {
            let g = clip * gradient[i];
            let m = args.beta1 * moments[i] + (1.0 - args.beta1) * g;
            let v = args.beta2 * moments[args.trained_words + i] + (1.0 - args.beta2) * g * g;
            moments[i] = m;
            moments[args.trained_words + i] = v;
            let decayed = params[i] - step_rate * args.weight_decay * params[i];
            params[i] = decayed - step_rate * (m / args.bias1) / (sqrt(v / args.bias2) + args.epsilon);
        }
    }

    if (group.x == 0u && lane == 0u) {
        var next_rate = rate;
        if (usable) {
            var kl_sum = control[KL_SUM] + select(0.0, kl, has_kl);
            var kl_count = control[KL_COUNT] + select(0.0, 1.0, has_kl);
            if (args.end_of_epoch == 1u && args.schedule >= PER_EPOCH) {
                next_rate = adjusted(rate, kl_sum / max(kl_count, 1.0));
                if (args.schedule == PER_EPOCH_RESET) {
                    kl_sum = 0.0;
                    kl_count = 0.0;
                }
            }
            control[KL_SUM] = kl_sum;
            control[KL_COUNT] = kl_count;
            control[NORM_SUM] += norm;
            control[MINIBATCHES] += 1.0;
        } else {
            control[NON_FINITE] = 1.0;
        }
        control[slot ^ 1u] = next_rate;
    }
    if (usable && group.x == 0u) {
        for (var i = lane; i < args.means; i += GROUP) {
            control[MEAN_SUMS + i] += gradient[args.trained_words + i];
        }
    }
}
