// Activation functions of four values at once, and their derivatives at the pre-activation. Every exponential is of a
// clamped argument, so none overflows; the clamps lie where f32 can no longer tell the difference.
// The other end is src/kernels/activations.rs.

// x tanh(ln(1 + e^x)). With w = e^x and n = w (w + 2) the tangent is n / (n + 2): no logarithm, no cancellation.
fn mish4(x: vec4f) -> vec4f {
    let w = exp(min(x, vec4f(20.0)));
    let n = w * (w + 2.0);
    return x * n / (n + 2.0);
}

// n / (n + 2) + 4 x w (w + 1) / (n + 2)^2, from the same w.
fn mish_slope4(x: vec4f) -> vec4f {
    let y = min(x, vec4f(20.0));
    let w = exp(y);
    let n = w * (w + 2.0);
    let r = 1.0 / (n + 2.0);
    return n * r + 4.0 * y * (w * r) * ((w + 1.0) * r);
}

// x > 0 ? x : e^x - 1
fn elu4(x: vec4f) -> vec4f {
    return select(exp(min(x, vec4f(0.0))) - 1.0, x, x > vec4f(0.0));
}

fn elu_slope4(x: vec4f) -> vec4f {
    return exp(min(x, vec4f(0.0)));
}

// x / (1 + e^-x)
fn silu4(x: vec4f) -> vec4f {
    return x / (1.0 + exp(min(-x, vec4f(80.0))));
}

// s (1 + x (1 - s)) with s = 1 / (1 + e^-x), and 1 - s written so that it does not cancel.
fn silu_slope4(x: vec4f) -> vec4f {
    let y = max(x, vec4f(-80.0));
    let w = exp(min(-y, vec4f(80.0)));
    let s = 1.0 / (1.0 + w);
    return s * (1.0 + y * (w * s));
}

// The built-in tanh may overflow for large arguments; e^(-2 |x|) cannot. Absolute error of a unit in the last place of 1.
fn tanh4(x: vec4f) -> vec4f {
    let w = exp(-2.0 * min(abs(x), vec4f(20.0)));
    return sign(x) * (1.0 - w) / (1.0 + w);
}

fn relu4(x: vec4f) -> vec4f {
    return max(x, vec4f(0.0));
}
