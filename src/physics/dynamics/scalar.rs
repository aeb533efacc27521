//! The number type that the dynamics are written for.

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

/// A real number, or what stands for one: an operation that is recorded.
///
/// The dynamics never branch on a value themselves. They choose with [`Scalar::select`], leave out work by [`Scalar::when`] and
/// [`Scalar::possible`], and come to an end in [`Scalar::repeat`].
pub trait Scalar:
    Copy + Debug + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy
        + Debug
        + Not<Output = Self::Mask>
        + BitAnd<Output = Self::Mask>
        + BitOr<Output = Self::Mask>
        + BitXor<Output = Self::Mask>;

    /// Distance from 1 to the next number.
    const EPSILON: f64;
    /// Whether positions that rounding hides, such as parallel axes or axes that cross, have contacts of their own.
    const EXACT: bool = true;

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
    /// A mask known before the computation.
    fn mask(value: bool) -> Self::Mask;
    /// Whether a mask may be set.
    fn possible(mask: Self::Mask) -> bool;
    /// `work` done on the values where the mask is set; elsewhere they stay. `about` says in a line what it is.
    fn when(
        mask: Self::Mask,
        about: impl FnOnce() -> String,
        values: Vec<Self>,
        work: impl FnOnce(Vec<Self>) -> Vec<Self>,
    ) -> Vec<Self>;
    /// Does `body` to the values again and again, while its mask says so, at most `most` times.
    fn repeat(most: usize, values: Vec<Self>, body: impl Fn(Vec<Self>) -> (Vec<Self>, Self::Mask)) -> Vec<Self>;

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
            fn possible(mask: bool) -> bool {
                mask
            }
            fn when(
                mask: bool,
                _: impl FnOnce() -> String,
                values: Vec<Self>,
                work: impl FnOnce(Vec<Self>) -> Vec<Self>,
            ) -> Vec<Self> {
                if mask { work(values) } else { values }
            }
            fn repeat(most: usize, mut values: Vec<Self>, body: impl Fn(Vec<Self>) -> (Vec<Self>, bool)) -> Vec<Self> {
                for _ in 0..most {
                    let (next, more) = body(values);
                    values = next;
                    if !more {
                        break;
                    }
                }
                values
            }
        }
    };
}

scalar!(f32);
scalar!(f64);
