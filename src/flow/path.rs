//! Interpolation paths between the base noise `z` and the end point `phi1` of the frozen flow.

use std::f64::consts::FRAC_PI_2;

use crate::ir::{Builder, NodeId};
use crate::nn::choice;

choice! {
    /// Where the ratio and the Brownian residual are evaluated (PolicyFlow, equation 9 and section 5.5).
    pub enum Path {
        /// `x_t = (1 - t) z + t phi1`
        Rectified = "rectified",
        /// `x_t = (1 - t) z + t phi1 + sqrt(2 t (1 - t)) xi`, fresh `xi ~ N(0, I)`
        Interpolant = "interpolant",
        /// `x_t = cos(t) z + sin(t) phi1`, `t` in `[0, pi/2]`
        TrigFlow = "trigflow",
    }
}

impl Path {
    /// Time at which the flow ends.
    pub fn horizon(self) -> f64 {
        match self {
            Path::Rectified | Path::Interpolant => 1.0,
            Path::TrigFlow => FRAC_PI_2,
        }
    }

    /// Whether a point of the path takes noise of its own.
    pub fn is_noisy(self) -> bool {
        self == Path::Interpolant
    }

    /// The point `x_t` `[d]` for `t: [1]`; `xi: [d]` is read by noisy paths only.
    pub fn point(self, g: &mut Builder, z: NodeId, phi1: NodeId, t: NodeId, xi: Option<NodeId>) -> NodeId {
        let (from_z, from_phi1) = match self {
            Path::Rectified | Path::Interpolant => (one_minus(g, t), t),
            Path::TrigFlow => (g.cos(t), g.sin(t)),
        };
        let start = g.mul(z, from_z);
        let end = g.mul(phi1, from_phi1);
        let between = g.add(start, end);
        let Some(xi) = xi.filter(|_| self.is_noisy()) else { return between };
        // sqrt(2 t max(1 - t, 1e-6)) xi
        let floor = g.constant(1e-6);
        let remaining = g.max(from_z, floor);
        let variance = g.mul(t, remaining);
        let variance = g.scale(variance, 2.0);
        let deviation = g.sqrt(variance);
        let noise = g.mul(xi, deviation);
        g.add(between, noise)
    }

    /// Brownian residual `eta` `[d]` at `x: [d]`, `t: [1]`, of the current velocity `v` and the frozen one `v_old`
    /// (equation 16 and its counterparts on the other paths).
    pub fn residual(self, g: &mut Builder, x: NodeId, t: NodeId, v: NodeId, v_old: NodeId) -> NodeId {
        let (weight, target) = match self {
            // (1 - t) v - (x - t v_old)
            Path::Rectified => (one_minus(g, t), rectified_target(g, x, t, v_old)),
            // (2 (t - 1/2)^2 + 1/2) v - (x - t v_old)
            Path::Interpolant => {
                let centred = g.offset(t, -0.5);
                let square = g.square(centred);
                let doubled = g.scale(square, 2.0);
                (g.offset(doubled, 0.5), rectified_target(g, x, t, v_old))
            }
            // cos(t) v - (cos(t) x - sin(t) v_old)
            Path::TrigFlow => {
                let (cosine, sine) = (g.cos(t), g.sin(t));
                let position = g.mul(x, cosine);
                let drift = g.mul(v_old, sine);
                (cosine, g.sub(position, drift))
            }
        };
        let target = g.stop_gradient(target);
        let weighted = g.mul(v, weight);
        g.sub(weighted, target)
    }
}

fn one_minus(g: &mut Builder, t: NodeId) -> NodeId {
    let one = g.constant(1.0);
    g.sub(one, t)
}

/// `x - t v_old`
fn rectified_target(g: &mut Builder, x: NodeId, t: NodeId, v_old: NodeId) -> NodeId {
    let drift = g.mul(v_old, t);
    g.sub(x, drift)
}
