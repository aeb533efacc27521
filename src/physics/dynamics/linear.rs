//! Vectors and matrices of space, for any scalar.

use std::ops::{Add, Mul, Neg, Sub};

use glam::{DMat3, DQuat, DVec3};

use super::scalar::Scalar;

/// A vector of three numbers.
#[derive(Debug, Clone, Copy)]
pub struct Vec3<S>(pub [S; 3]);

impl<S: Scalar> Vec3<S> {
    /// A vector known before the computation.
    pub fn of(v: DVec3) -> Self {
        Self(v.to_array().map(S::of))
    }

    /// Zero.
    pub fn zero() -> Self {
        Self([S::zero(); 3])
    }

    /// Scalar product.
    pub fn dot(self, other: Self) -> S {
        self.0[0] * other.0[0] + self.0[1] * other.0[1] + self.0[2] * other.0[2]
    }

    /// Vector product.
    pub fn cross(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([b * z - c * y, c * x - a * z, a * y - b * x])
    }

    /// Euclidean length.
    pub fn length(self) -> S {
        self.dot(self).sqrt()
    }

    /// Length, and the direction; a vector shorter than `tiny` has the direction `instead`.
    pub fn direction(self, tiny: f64, instead: Self) -> (S, Self) {
        let length = self.length();
        let short = length.less(S::of(tiny));
        let scale = S::of(1.0) / S::select(short, S::of(1.0), length);
        (length, Self::select(short, instead, self * scale))
    }

    /// Componentwise choice.
    pub fn select(mask: S::Mask, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|k| S::select(mask, yes.0[k], no.0[k])))
    }
}

impl<S: Scalar> Add for Vec3<S> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }
}

impl<S: Scalar> Sub for Vec3<S> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] - other.0[k]))
    }
}

impl<S: Scalar> Neg for Vec3<S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.map(|x| -x))
    }
}

impl<S: Scalar> Mul<S> for Vec3<S> {
    type Output = Self;
    fn mul(self, factor: S) -> Self {
        Self(self.0.map(|x| x * factor))
    }
}

/// A matrix by its columns: for a rotation, the axes of the inner frame.
#[derive(Debug, Clone, Copy)]
pub struct Mat3<S>(pub [Vec3<S>; 3]);

impl<S: Scalar> Mat3<S> {
    /// A matrix known before the computation.
    pub fn of(m: DMat3) -> Self {
        Self([m.x_axis, m.y_axis, m.z_axis].map(Vec3::of))
    }

    /// A rotation known before the computation.
    pub fn of_rotation(q: DQuat) -> Self {
        Self::of(DMat3::from_quat(q))
    }

    /// Matrix times vector.
    pub fn apply(&self, v: Vec3<S>) -> Vec3<S> {
        self.0[0] * v.0[0] + self.0[1] * v.0[1] + self.0[2] * v.0[2]
    }

    /// Transposed matrix times vector.
    pub fn apply_transposed(&self, v: Vec3<S>) -> Vec3<S> {
        Vec3(self.0.map(|column| column.dot(v)))
    }

    /// Matrix product.
    pub fn times(&self, other: &Self) -> Self {
        Self(other.0.map(|column| self.apply(column)))
    }

    /// Rotation about a fixed unit axis, by Rodrigues' formula.
    pub fn rotation(axis: DVec3, angle: S) -> Self {
        let (sine, rest) = (angle.sin(), S::of(1.0) - angle.cos());
        let once = DMat3::from_cols(axis.cross(DVec3::X), axis.cross(DVec3::Y), axis.cross(DVec3::Z));
        let (identity, once, twice) = (Self::of(DMat3::IDENTITY), Self::of(once), Self::of(once * once));
        Self(std::array::from_fn(|k| identity.0[k] + once.0[k] * sine + twice.0[k] * rest))
    }
}

/// A unit quaternion w, x, y, z.
#[derive(Debug, Clone, Copy)]
pub struct Quat<S>(pub [S; 4]);

impl<S: Scalar> Quat<S> {
    /// Four numbers scaled to length 1.
    pub fn normalized(q: [S; 4]) -> Self {
        let square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
        let scale = S::of(1.0) / square.sqrt();
        Self(q.map(|x| x * scale))
    }

    /// Quaternion product.
    pub fn times(self, other: Self) -> Self {
        let ([a, b, c, d], [w, x, y, z]) = (self.0, other.0);
        Self([
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ])
    }

    /// The inverse rotation.
    pub fn inverse(self) -> Self {
        let [w, x, y, z] = self.0;
        Self([w, -x, -y, -z])
    }

    /// As a matrix.
    pub fn matrix(self) -> Mat3<S> {
        let [w, x, y, z] = self.0;
        let two = S::of(2.0);
        Mat3([
            Vec3([w * w + x * x - y * y - z * z, two * (x * y + w * z), two * (x * z - w * y)]),
            Vec3([two * (x * y - w * z), w * w - x * x + y * y - z * z, two * (y * z + w * x)]),
            Vec3([two * (x * z + w * y), two * (y * z - w * x), w * w - x * x - y * y + z * z]),
        ])
    }

    /// The rotation by a rotation vector.
    pub fn exponential(v: Vec3<S>) -> Self {
        let (angle, axis) = v.direction(1e-30, Vec3([S::of(1.0), S::zero(), S::zero()]));
        let half = angle * S::of(0.5);
        let sine = half.sin();
        Self([half.cos(), axis.0[0] * sine, axis.0[1] * sine, axis.0[2] * sine])
    }

    /// Angle from -π to π and axis.
    pub fn angle_axis(self) -> (S, Vec3<S>) {
        let [w, x, y, z] = self.0;
        let (sine, axis) = Vec3([x, y, z]).direction(1e-15, Vec3([S::of(1.0), S::zero(), S::zero()]));
        let angle = S::of(2.0) * sine.atan2(w);
        let turn = S::of(2.0 * std::f64::consts::PI);
        (S::select(S::of(std::f64::consts::PI).less(angle), angle - turn, angle), axis)
    }
}

/// A spatial vector: rotation and translation, or torque and force, about the origin of its tree.
#[derive(Debug, Clone, Copy)]
pub struct Spatial<S> {
    /// Angular velocity or torque.
    pub rotation: Vec3<S>,
    /// Velocity of the point at the origin, or force.
    pub linear: Vec3<S>,
}

impl<S: Scalar> Spatial<S> {
    /// Zero.
    pub fn zero() -> Self {
        Self { rotation: Vec3::zero(), linear: Vec3::zero() }
    }

    /// Scalar product of a motion and a force.
    pub fn dot(self, other: Self) -> S {
        self.rotation.dot(other.rotation) + self.linear.dot(other.linear)
    }

    /// Derivative of a motion that is carried along by this one.
    pub fn cross_motion(self, s: Self) -> Self {
        let rotation = self.rotation.cross(s.rotation);
        Self { rotation, linear: self.linear.cross(s.rotation) + self.rotation.cross(s.linear) }
    }

    /// Derivative of a force that is carried along by this motion.
    pub fn cross_force(self, f: Self) -> Self {
        let rotation = self.rotation.cross(f.rotation) + self.linear.cross(f.linear);
        Self { rotation, linear: self.rotation.cross(f.linear) }
    }

    /// Velocity of a point at an offset from the origin.
    pub fn at(self, offset: Vec3<S>) -> Vec3<S> {
        self.linear + self.rotation.cross(offset)
    }
}

impl<S: Scalar> Add for Spatial<S> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { rotation: self.rotation + other.rotation, linear: self.linear + other.linear }
    }
}

impl<S: Scalar> Mul<S> for Spatial<S> {
    type Output = Self;
    fn mul(self, factor: S) -> Self {
        Self { rotation: self.rotation * factor, linear: self.linear * factor }
    }
}

/// Inertia of a rigid body about the origin of its tree.
#[derive(Debug, Clone, Copy)]
pub struct Inertia<S> {
    /// Symmetric matrix xx, yy, zz, xy, xz, yz.
    pub matrix: [S; 6],
    /// Mass times the centre's offset.
    pub moment: Vec3<S>,
    /// Mass.
    pub mass: S,
}

impl<S: Scalar> Inertia<S> {
    /// Zero.
    pub fn zero() -> Self {
        Self { matrix: [S::zero(); 6], moment: Vec3::zero(), mass: S::zero() }
    }

    /// A body with the inertia `local` about its centre, in axes turned by `rotation`, its centre at `offset`.
    pub fn new(local: DMat3, mass: f64, rotation: &Mat3<S>, offset: Vec3<S>) -> Self {
        let turned = rotation.times(&Mat3::of(local));
        let entry = |i: usize, j: usize| {
            turned.0[0].0[i] * rotation.0[0].0[j]
                + turned.0[1].0[i] * rotation.0[1].0[j]
                + turned.0[2].0[i] * rotation.0[2].0[j]
        };
        let m = S::of(mass);
        let [x, y, z] = offset.0;
        Self {
            matrix: [
                entry(0, 0) + m * (y * y + z * z),
                entry(1, 1) + m * (x * x + z * z),
                entry(2, 2) + m * (x * x + y * y),
                entry(0, 1) - m * x * y,
                entry(0, 2) - m * x * z,
                entry(1, 2) - m * y * z,
            ],
            moment: offset * m,
            mass: m,
        }
    }

    /// Momentum of a motion.
    pub fn apply(&self, v: Spatial<S>) -> Spatial<S> {
        let [xx, yy, zz, xy, xz, yz] = self.matrix;
        let [a, b, c] = v.rotation.0;
        let turned = Vec3([xx * a + xy * b + xz * c, xy * a + yy * b + yz * c, xz * a + yz * b + zz * c]);
        Spatial {
            rotation: turned + self.moment.cross(v.linear),
            linear: v.linear * self.mass - self.moment.cross(v.rotation),
        }
    }
}

impl<S: Scalar> Add for Inertia<S> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let matrix = std::array::from_fn(|k| self.matrix[k] + other.matrix[k]);
        Self { matrix, moment: self.moment + other.moment, mass: self.mass + other.mass }
    }
}
