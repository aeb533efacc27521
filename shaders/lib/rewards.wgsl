// Parts of rewards, after those of the DeepMind control suite (arXiv 1801.00690). At hand in environments with `[physics]`.

// How far x is outside [low, high]; 0 inside.
fn outside(x: f32, low: f32, high: f32) -> f32 {
    return max(max(low - x, x - high), 0.0);
}

// 1 at distance 0 (and below), falling like a Gaussian to 0.1 at `margin`; without a margin 0 at once.
fn tolerance(distance: f32, margin: f32) -> f32 {
    if (distance <= 0.0) { return 1.0; }
    if (margin <= 0.0) { return 0.0; }
    let d = distance / margin;
    return exp(-2.302585092994046 * d * d);
}

// 1 without a control, 0 with a full one. A reward's factor for small controls is (4 + mean idleness)/5.
fn idleness(control: f32) -> f32 {
    return max(1.0 - control * control, 0.0);
}

// From 0 (standing or going backwards) to 1 (as fast as wanted, or faster).
fn fast(velocity: f32, wanted: f32) -> f32 {
    return clamp(velocity / wanted, 0.0, 1.0);
}
