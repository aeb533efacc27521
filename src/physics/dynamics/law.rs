//! What a constraint answers to an acceleration: force, and its slope.

use super::constraints::{Contact, Law, Row, Sides};
use super::linear::Spatial;
use super::scalar::Scalar;

/// Below this a friction force has no direction.
const SMALLEST: f64 = 1e-15;

/// A constraint's answer in its K directions at x = J a - reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<S: Scalar, const K: usize> {
    pub force: [S; K],
    /// Minus the derivatives of the force, by columns.
    pub stiffness: [[S; K]; K],
    /// Which piece of the law holds: friction has its two ends, a limit pushes or not, so does an edge of a pyramid; a cone has
    /// outside and inside.
    pub piece: [S::Mask; 4],
    /// Whether the piece is quadratic.
    pub quadratic: S::Mask,
}

/// A motion by its degrees of freedom, and what it does to the bodies.
#[derive(Debug, Clone)]
pub(super) struct Motion<S> {
    pub dofs: Vec<S>,
    pub bodies: Vec<Spatial<S>>,
}

/// What acts in K directions.
pub(super) trait Acts<S: Scalar, const K: usize> {
    /// Whether it acts.
    fn active(&self) -> S::Mask;
    /// J v of a motion.
    fn along(&self, motion: &Motion<S>) -> [S; K];
    /// J: degrees of freedom and their coefficients.
    fn terms(&self) -> Vec<(usize, [S; K])>;
    /// Reference accelerations.
    fn reference(&self) -> [S; K];
    /// Force and stiffness where it acts.
    fn answer(&self, x: [S; K]) -> Answer<S, K>;
    /// What it is, in a line of generated code.
    fn about(&self) -> String;
}

impl<S: Scalar> Acts<S, 1> for Row<S> {
    fn active(&self) -> S::Mask {
        self.active
    }

    fn along(&self, motion: &Motion<S>) -> [S; 1] {
        [self.terms.iter().fold(S::zero(), |sum, &(dof, factor)| sum + factor * motion.dofs[dof])]
    }

    fn terms(&self) -> Vec<(usize, [S; 1])> {
        self.terms.iter().map(|&(dof, factor)| (dof, [factor])).collect()
    }

    fn reference(&self) -> [S; 1] {
        [self.reference]
    }

    fn answer(&self, [x]: [S; 1]) -> Answer<S, 1> {
        let straight = -(self.weight * x);
        let no = S::mask(false);
        let (force, stiffness, ends) = match self.friction {
            None => {
                let pushes = x.less(S::zero());
                let force = S::select(pushes, straight, S::zero());
                (force, S::select(pushes, self.weight, S::zero()), [pushes, no])
            }
            Some(loss) => {
                let loss = S::of(loss);
                let (low, high) = (straight.less(-loss), loss.less(straight));
                (straight.clamp(-loss, loss), S::select(low | high, S::zero(), self.weight), [low, high])
            }
        };
        let piece = [ends[0], ends[1], no, no];
        Answer { force: [force], stiffness: [[stiffness]], piece, quadratic: S::mask(true) }
    }

    fn about(&self) -> String {
        let kind = if self.friction.is_some() { "friction" } else { "limit" };
        let dofs: Vec<String> = self.terms.iter().map(|(dof, _)| dof.to_string()).collect();
        format!("{kind} at dof {}", dofs.join(", "))
    }
}

impl<S: Scalar> Acts<S, 3> for Contact<S> {
    fn active(&self) -> S::Mask {
        self.active
    }

    fn along(&self, motion: &Motion<S>) -> [S; 3] {
        self.approach(motion)
    }

    fn terms(&self) -> Vec<(usize, [S; 3])> {
        self.terms.clone()
    }

    fn reference(&self) -> [S; 3] {
        self.reference
    }

    fn answer(&self, x: [S; 3]) -> Answer<S, 3> {
        match self.law {
            Law::Frictionless => self.pyramid(x, &[[1.0, 0.0, 0.0]]),
            Law::Pyramid([a, b]) => self.pyramid(x, &[[1.0, a, 0.0], [1.0, -a, 0.0], [1.0, 0.0, b], [1.0, 0.0, -b]]),
            Law::Cone(friction, ratio) => self.cone(x, friction, ratio),
        }
    }

    fn about(&self) -> String {
        match self.sides {
            Sides::Known(..) => format!("contact of pair {}", self.pair),
            Sides::Place(place, _) => format!("contact in place {place}"),
        }
    }
}

impl<S: Scalar> Contact<S> {
    /// Edges that push where x along them is negative.
    fn pyramid(&self, x: [S; 3], edges: &[[f64; 3]]) -> Answer<S, 3> {
        let zero = S::zero();
        let mut answer = Answer {
            force: [zero; 3],
            stiffness: [[zero; 3]; 3],
            piece: [S::mask(false); 4],
            quadratic: S::mask(true),
        };
        for (index, edge) in edges.iter().enumerate() {
            let edge = edge.map(S::of);
            let along = edge[0] * x[0] + edge[1] * x[1] + edge[2] * x[2];
            let pushes = along.less(zero);
            let weight = S::select(pushes, self.weight, zero);
            for i in 0..3 {
                answer.force[i] = answer.force[i] - weight * along * edge[i];
                for j in 0..3 {
                    answer.stiffness[i][j] = answer.stiffness[i][j] + weight * edge[i] * edge[j];
                }
            }
            answer.piece[index] = pushes;
        }
        answer
    }

    /// Nothing above the cone, a quadratic below its dual, the squared distance to the cone between them.
    fn cone(&self, x: [S; 3], friction: [f64; 2], ratio: f64) -> Answer<S, 3> {
        let (zero, one) = (S::zero(), S::of(1.0));
        let mu = friction[0] / ratio.sqrt();
        let scale = [mu, friction[0], friction[1]].map(S::of);
        let u: [S; 3] = std::array::from_fn(|k| x[k] * scale[k]);
        let (mu, normal) = (S::of(mu), u[0]);
        let tangent = (u[1] * u[1] + u[2] * u[2]).sqrt();
        let level = tangent.less(S::of(SMALLEST));
        let above = !normal.less(mu * tangent) | (level & !normal.less(zero));
        let below = !above & (!zero.less(mu * normal + tangent) | level);

        // Below: each direction for itself; tangents weigh `ratio` times the normal, corrected for their own friction.
        let second = ratio * (friction[1] / friction[0]).powi(2);
        let weights = [self.weight, self.weight * S::of(ratio), self.weight * S::of(second)];
        // Between: ½ w r², r the distance to the cone along the scaled normal.
        let w = self.weight / (mu * mu * (one + mu * mu));
        let r = normal - mu * tangent;
        let t = S::select(level, one, tangent);
        let side = [u[1] / t, u[2] / t];
        let push = -(w * r * mu);
        let mut force = [push, -(push * side[0] * scale[1]), -(push * side[1] * scale[2])];
        let mut stiffness = [[zero; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                let same = if i == j { one } else { zero };
                let plain = match (i, j) {
                    (0, 0) => one,
                    (0, k) | (k, 0) => -(mu * side[k - 1]),
                    (i, j) => mu * normal / t * side[i - 1] * side[j - 1] + (mu * mu - mu * normal / t) * same,
                };
                let between = w * plain * scale[i] * scale[j];
                stiffness[i][j] = S::select(above, zero, S::select(below, weights[i] * same, between));
            }
            force[i] = S::select(above, zero, S::select(below, -(weights[i] * x[i]), force[i]));
        }
        let no = S::mask(false);
        Answer { force, stiffness, piece: [above, below, no, no], quadratic: above | below }
    }
}
