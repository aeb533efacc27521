//! The constrained acceleration: Newton's method on the primal problem.
//!
//! The cost is convex and piecewise quadratic apart from round cones. A full step that stays on its pieces has landed on the
//! minimum exactly, and the method stops there.

use super::constraints::Constraints;
use super::law::{ContactAnswer, RowAnswer};
use super::scalar::Scalar;
use super::sparse::{Symmetric, dot};
use crate::physics::model::Pattern;

/// Bounds of the work of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolverLimits {
    /// Newton steps.
    pub iterations: usize,
    /// Evaluations of one line search.
    pub searches: usize,
}

impl Default for SolverLimits {
    fn default() -> Self {
        Self { iterations: 10, searches: 8 }
    }
}

/// What the solver found.
#[derive(Debug, Clone)]
pub struct Solution<S: Scalar> {
    /// Acceleration. `[nv]`
    pub acceleration: Vec<S>,
    /// For each contact the force along its normal and tangents.
    pub contact_forces: Vec<[S; 3]>,
    /// Newton steps taken.
    pub iterations: usize,
    /// Where the minimum was reached within the limits.
    pub converged: S::Mask,
}

/// Minimises ½ aᵀMa - aᵀ`force` + Σ s(J a - reference), beginning at `start`. `pattern` holds the mass matrix's and all that
/// constraints couple.
pub fn solve<S: Scalar>(
    mass: &Symmetric<S>,
    force: &[S],
    constraints: &Constraints<S>,
    start: &[S],
    pattern: &Pattern,
    limits: SolverLimits,
) -> Solution<S> {
    let mut a = start.to_vec();
    let mut converged = S::mask(false);
    let mut iterations = 0;
    while iterations < limits.iterations {
        iterations += 1;
        let x = Residual::of(constraints, &a, true);
        let here = Answers::new(constraints, &x);
        let inertia = mass.times(&a);
        let mut gradient: Vec<S> = (0..a.len()).map(|i| inertia[i] - force[i]).collect();
        here.subtract_force(constraints, &mut gradient);
        let mut hessian = mass.widened(pattern);
        here.add_stiffness(constraints, &mut hessian);
        let step: Vec<S> = hessian.factor().solve(&gradient).into_iter().map(|x| -x).collect();

        let along = Residual::of(constraints, &step, false);
        let there = Answers::new(constraints, &x.moved(&along, S::of(1.0)));
        let descent = -dot(&gradient, &step);
        let small = !(S::of(S::EPSILON) * dot(&a, &inertia)).less(descent);
        let landed = here.same_pieces(&there) | small;
        let mut length = S::of(1.0);
        // Marked branch: most steps are the last one.
        if S::any(!landed & !converged) {
            let line = Line {
                constraints,
                origin: &x,
                along: &along,
                slope: dot(&step, &inertia) - dot(&step, force),
                curvature: dot(&step, &mass.times(&step)),
                tolerance: S::of(0.01) * descent.abs(),
            };
            length = S::select(landed, length, line.search(&there, limits.searches));
        }
        length = S::select(converged, S::zero(), length);
        for (a, &step) in a.iter_mut().zip(&step) {
            *a = *a + length * step;
        }
        converged = converged | landed;
        if !S::any(!converged) {
            break;
        }
    }
    let last = Answers::new(constraints, &Residual::of(constraints, &a, true));
    let contact_forces = last.contacts.iter().map(|answer| answer.force).collect();
    Solution { acceleration: a, contact_forces, iterations, converged }
}

/// J a - reference for all rows and contacts, or J a alone.
struct Residual<S> {
    rows: Vec<S>,
    contacts: Vec<[S; 3]>,
}

impl<S: Scalar> Residual<S> {
    fn of(constraints: &Constraints<S>, a: &[S], subtract_reference: bool) -> Self {
        let offset = |reference: S| if subtract_reference { -reference } else { S::zero() };
        let rows = constraints
            .rows
            .iter()
            .map(|row| row.terms.iter().fold(offset(row.reference), |sum, &(dof, factor)| sum + factor * a[dof]));
        let contacts = constraints.contacts.iter().map(|contact| {
            let begin = contact.reference.map(offset);
            contact.terms.iter().fold(begin, |sum, (dof, along)| std::array::from_fn(|k| sum[k] + along[k] * a[*dof]))
        });
        Self { rows: rows.collect(), contacts: contacts.collect() }
    }

    fn moved(&self, along: &Self, length: S) -> Self {
        let rows = self.rows.iter().zip(&along.rows).map(|(&x, &d)| x + length * d);
        let contacts = self.contacts.iter().zip(&along.contacts);
        let contacts = contacts.map(|(x, d)| std::array::from_fn(|k| x[k] + length * d[k]));
        Self { rows: rows.collect(), contacts: contacts.collect() }
    }
}

/// What all constraints answer.
struct Answers<S: Scalar> {
    rows: Vec<RowAnswer<S>>,
    contacts: Vec<ContactAnswer<S>>,
}

impl<S: Scalar> Answers<S> {
    fn new(constraints: &Constraints<S>, x: &Residual<S>) -> Self {
        let rows = constraints.rows.iter().zip(&x.rows).map(|(row, &x)| row.answer(x));
        let contacts = constraints.contacts.iter().zip(&x.contacts).map(|(contact, &x)| contact.answer(x));
        Self { rows: rows.collect(), contacts: contacts.collect() }
    }

    fn subtract_force(&self, constraints: &Constraints<S>, target: &mut [S]) {
        for (row, answer) in constraints.rows.iter().zip(&self.rows) {
            for &(dof, factor) in &row.terms {
                target[dof] = target[dof] - factor * answer.force;
            }
        }
        for (contact, answer) in constraints.contacts.iter().zip(&self.contacts) {
            for (dof, along) in &contact.terms {
                target[*dof] = target[*dof] - dot(along, &answer.force);
            }
        }
    }

    fn add_stiffness(&self, constraints: &Constraints<S>, target: &mut Symmetric<S>) {
        for (row, answer) in constraints.rows.iter().zip(&self.rows) {
            for (index, &(i, a)) in row.terms.iter().enumerate() {
                for &(j, b) in &row.terms[..=index] {
                    target.add(i, j, answer.stiffness * a * b);
                }
            }
        }
        for (contact, answer) in constraints.contacts.iter().zip(&self.contacts) {
            for (index, (i, a)) in contact.terms.iter().enumerate() {
                let turned: [S; 3] = std::array::from_fn(|k| dot(&answer.stiffness[k], a));
                for (j, b) in &contact.terms[..=index] {
                    target.add(*i, *j, dot(&turned, b));
                }
            }
        }
    }

    /// Where every constraint is on one quadratic piece in both.
    fn same_pieces(&self, other: &Self) -> S::Mask {
        let equal = |a: S::Mask, b: S::Mask| (a & b) | (!a & !b);
        let mut same = S::mask(true);
        for (a, b) in self.rows.iter().zip(&other.rows) {
            same = (0..2).fold(same, |same, k| same & equal(a.piece[k], b.piece[k]));
        }
        for (a, b) in self.contacts.iter().zip(&other.contacts) {
            same = (0..4).fold(same & a.quadratic, |same, k| same & equal(a.piece[k], b.piece[k]));
        }
        same
    }

    /// Derivatives of the constraints' cost along a direction: slope and curvature.
    fn derivatives(&self, along: &Residual<S>) -> (S, S) {
        let (mut slope, mut curvature) = (S::zero(), S::zero());
        for (answer, &d) in self.rows.iter().zip(&along.rows) {
            slope = slope - answer.force * d;
            curvature = curvature + answer.stiffness * d * d;
        }
        for (answer, d) in self.contacts.iter().zip(&along.contacts) {
            slope = slope - dot(&answer.force, d);
            let turned: [S; 3] = std::array::from_fn(|k| dot(&answer.stiffness[k], d));
            curvature = curvature + dot(&turned, d);
        }
        (slope, curvature)
    }
}

/// The cost along a Newton step.
struct Line<'a, S: Scalar> {
    constraints: &'a Constraints<S>,
    origin: &'a Residual<S>,
    along: &'a Residual<S>,
    /// Of the part without constraints, at the origin.
    slope: S,
    curvature: S,
    /// A slope that counts as zero.
    tolerance: S,
}

impl<S: Scalar> Line<'_, S> {
    /// Newton's method on the slope between brackets, from length 1, whose answers are known.
    fn search(&self, at_one: &Answers<S>, searches: usize) -> S {
        let (mut low, mut high) = (S::zero(), S::of(1e30));
        let mut length = S::of(1.0);
        let (mut slope, mut curvature) = at_one.derivatives(self.along);
        for _ in 0..searches {
            let total = self.slope + length * self.curvature + slope;
            let settled = !self.tolerance.less(total.abs());
            // Marked branch.
            if !S::any(!settled) {
                break;
            }
            let falls = total.less(S::zero());
            low = S::select(falls, length, low);
            high = S::select(falls, high, length);
            let next = length - total / (self.curvature + curvature);
            let inside = low.less(next) & next.less(high);
            let next = S::select(inside, next, (low + high) * S::of(0.5));
            length = S::select(settled, length, next);
            (slope, curvature) =
                Answers::new(self.constraints, &self.origin.moved(self.along, length)).derivatives(self.along);
        }
        length
    }
}
