//! Activation functions in f64, the twins of `shaders/lib/activations.wgsl` (`mish` of `mish4`, and so on). `*_slope` is
//! the derivative at the pre-activation.

/// WGSL text of the activation library, to be put in front of a kernel that calls it.
pub const ACTIVATIONS_WGSL: &str = include_str!("../../shaders/lib/activations.wgsl");

/// `1 / (1 + e^-x)`
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `x tanh(ln(1 + e^x))` (Misra 2019).
pub fn mish(x: f64) -> f64 {
    x * softplus(x).tanh()
}

/// Derivative of [`mish`]: `tanh(s) + x (1 - tanh(s)^2) sigmoid(x)` with `s = softplus(x)`.
pub fn mish_slope(x: f64) -> f64 {
    let t = softplus(x).tanh();
    t + x * (1.0 - t * t) * sigmoid(x)
}

/// `x > 0 ? x : e^x - 1`
pub fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { x.exp_m1() }
}

/// Derivative of [`elu`].
pub fn elu_slope(x: f64) -> f64 {
    x.min(0.0).exp()
}

/// `x / (1 + e^-x)`
pub fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

/// Derivative of [`silu`].
pub fn silu_slope(x: f64) -> f64 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// Hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// `max(x, 0)`
pub fn relu(x: f64) -> f64 {
    x.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_central_differences_of_their_functions() {
        type Function = fn(f64) -> f64;
        let pairs: [(&str, Function, Function); 3] =
            [("mish", mish, mish_slope), ("elu", elu, elu_slope), ("silu", silu, silu_slope)];
        for (name, f, slope) in pairs {
            for i in -299..300 {
                let x = i as f64 * 0.1 + 0.013;
                let difference = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
                assert!((difference - slope(x)).abs() < 1e-8, "{name} at {x}: {difference} {}", slope(x));
            }
        }
    }
}
