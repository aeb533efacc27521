//! Values of the elementwise functions in f64: what the simplifier folds and the reference executor computes.

use super::*;

impl Unary {
    /// `f(x)`.
    pub fn value(self, x: f64) -> f64 {
        let logistic = 1.0 / (1.0 + (-x).exp());
        let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
        match self {
            Unary::Neg => -x,
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Sqrt => x.sqrt(),
            Unary::Recip => 1.0 / x,
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tanh => x.tanh(),
            Unary::Abs => x.abs(),
            Unary::Sign => f64::from(x > 0.0) - f64::from(x < 0.0),
            Unary::Floor => x.floor(),
            Unary::Relu => x.max(0.0),
            Unary::Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Unary::EluSlope => {
                if x > 0.0 {
                    1.0
                } else {
                    x.exp()
                }
            }
            Unary::Silu => x * logistic,
            Unary::SiluSlope => logistic * (1.0 + x * (1.0 - logistic)),
            Unary::Mish => x * softplus.tanh(),
            Unary::MishSlope => {
                let t = softplus.tanh();
                t + x * (1.0 - t * t) * logistic
            }
        }
    }
}

impl Binary {
    /// `f(x, y)`.
    pub fn value(self, x: f64, y: f64) -> f64 {
        match self {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => x / y,
            Binary::Min => {
                if y < x {
                    y
                } else {
                    x
                }
            }
            Binary::Max => {
                if x < y {
                    y
                } else {
                    x
                }
            }
            Binary::Less => f64::from(x < y),
        }
    }
}
