// Mean and spread of samples, put together over a workgroup. The kernel that follows says how large its workgroup is: GROUP.

struct Moments {
    count: f32,
    mean: f32,
    m2: f32, // sum of squared deviations from the mean
}
var<workgroup> moments: array<Moments, GROUP>;

// Chan, Golub, LeVeque 1979: the moments of two samples put together.
fn combine(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let share = b.count / max(count, 1.0);
    let delta = b.mean - a.mean;
    return Moments(count, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.count * share);
}

// Those of all invocations of a workgroup, in a fixed order; afterwards `moments[0]` has them.
fn combine_all(lane: u32, own: Moments) {
    moments[lane] = own;
    workgroupBarrier();
    for (var width = GROUP / 2u; width > 0u; width /= 2u) {
        if (lane < width) {
            moments[lane] = combine(moments[lane], moments[lane + width]);
        }
        workgroupBarrier();
    }
}

