//! The number type that the dynamics are written for.

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

/// A real number, or several side by side.
///
/// The dynamics never branch on a value. They choose with [`Scalar::select`], and only where they can leave out work do they ask
/// [`Scalar::any`].
pub trait Scalar:
    Copy + Debug + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy + Debug + Not<Output = Self::Mask> + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask>;

    /// Distance from 1 to the next number.
    const EPSILON: f64;

    /// A number known before the computation.
    fn of(value: f64) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// The angle of the point (x, y) = (`other`, `self`).
    fn atan2(self, other: Self) -> Self;
    /// A number from 0 up to a power.
    fn power(self, exponent: f64) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The smaller one.
    fn min(self, other: Self) -> Self;
    /// The larger one.
    fn max(self, other: Self) -> Self;
    /// Whether `self < other`.
    fn less(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The same mask everywhere.
    fn mask(value: bool) -> Self::Mask;
    /// Whether a mask is set anywhere.
    fn any(mask: Self::Mask) -> bool;

    /// Zero.
    fn zero() -> Self {
        Self::of(0.0)
    }

    /// Between two bounds.
    fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }
}

macro_rules! scalar {
    ($t:ty) => {
        impl Scalar for $t {
            type Mask = bool;
            const EPSILON: f64 = <$t>::EPSILON as f64;

            fn of(value: f64) -> Self {
                value as $t
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn sin(self) -> Self {
                self.sin()
            }
            fn cos(self) -> Self {
                self.cos()
            }
            fn atan2(self, other: Self) -> Self {
                self.atan2(other)
            }
            fn power(self, exponent: f64) -> Self {
                self.powf(exponent as $t)
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn min(self, other: Self) -> Self {
                self.min(other)
            }
            fn max(self, other: Self) -> Self {
                self.max(other)
            }
            fn less(self, other: Self) -> bool {
                self < other
            }
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }
            fn mask(value: bool) -> bool {
                value
            }
            fn any(mask: bool) -> bool {
                mask
            }
        }
    };
}

scalar!(f32);
scalar!(f64);
