//! How a constraint gives way: its reference acceleration and its regulariser.

use super::scalar::Scalar;
use crate::physics::model::{Options, Softness};

const SMALLEST: f64 = 1e-15;
/// Bounds of an impedance.
const IMPEDANCE: [f64; 2] = [1e-4, 0.9999];

/// Constants of one constraint, from its `solref` and `solimp`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compliance {
    stiffness: f64,
    damping: f64,
    /// Impedance at the surface, in the depth, width, midpoint, power.
    curve: [f64; 5],
}

impl Compliance {
    pub fn new(softness: &Softness, options: &Options) -> Self {
        let [surface, depth, width, middle, power] = softness.impedance;
        let bounded = |x: f64| x.clamp(IMPEDANCE[0], IMPEDANCE[1]);
        let curve = [bounded(surface), bounded(depth), width.max(0.0), bounded(middle), power.max(1.0)];
        let [mut time, ratio] = softness.reference;
        let depth = curve[1];
        if time > 0.0 && options.enabled.reference_safety {
            time = time.max(2.0 * options.timestep);
        }
        let stiffness = match time > 0.0 {
            true => 1.0 / (depth * depth * time * time * ratio * ratio).max(SMALLEST),
            false => -time / (depth * depth).max(SMALLEST),
        };
        let damping = match ratio > 0.0 {
            true => 2.0 / (depth * time).max(SMALLEST),
            false => -ratio / depth.max(SMALLEST),
        };
        Self { stiffness, damping, curve }
    }

    /// Impedance at a violation.
    pub fn impedance<S: Scalar>(&self, violation: S) -> S {
        let [surface, depth, width, middle, power] = self.curve;
        if surface == depth || width <= SMALLEST {
            return S::of(0.5 * (surface + depth));
        }
        let one = S::of(1.0);
        let x = (violation / S::of(width)).abs().min(one);
        let raise = |x: S| if power == 2.0 { x * x } else { x.power(power) };
        let y = if power == 1.0 {
            x
        } else {
            let low = raise(x) * S::of(middle.powf(1.0 - power));
            let high = one - raise(one - x) * S::of((1.0 - middle).powf(1.0 - power));
            S::select(S::of(middle).less(x), high, low)
        };
        S::of(surface) + y * S::of(depth - surface)
    }

    /// Reference acceleration of a constraint with a violation (0 for friction) and a velocity.
    pub fn reference<S: Scalar>(&self, impedance: S, violation: S, velocity: S) -> S {
        -(S::of(self.damping) * velocity) - S::of(self.stiffness) * impedance * violation
    }

    /// The part of the reference that comes from velocity.
    pub fn friction_reference<S: Scalar>(&self, velocity: S) -> S {
        -(S::of(self.damping) * velocity)
    }
}

/// Regulariser of a constraint whose inverse inertia is about `inverse_weight`.
pub(super) fn regulariser<S: Scalar>(impedance: S, inverse_weight: S) -> S {
    ((S::of(1.0) - impedance) / impedance * inverse_weight).max(S::of(SMALLEST))
}
