//! The constrained acceleration: Newton's method on the primal problem.
//!
//! The cost is convex and piecewise quadratic apart from round cones. A full step that stays on its pieces has landed on the
//! minimum exactly, and the method stops there.

use super::constraints::{Constraints, Contact};
use super::kinematics::Position;
use super::law::{Acts, Motion};
use super::scalar::Scalar;
use super::sparse::{Symmetric, dot};
use crate::physics::model::{Model, Pattern};

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
    pub iterations: S,
    /// 1 where the minimum was reached within the limits, else 0.
    pub converged: S,
}

/// Minimises ½ aᵀMa - aᵀ`force` + Σ s(J a - reference), beginning at `start`.
pub fn solve<S: Scalar>(
    model: &Model,
    position: &Position<S>,
    mass: &Symmetric<S>,
    force: &[S],
    constraints: &Constraints<S>,
    start: &[S],
    limits: SolverLimits,
) -> Solution<S> {
    let n = force.len();
    let one = S::of(1.0);
    if constraints.rows.is_empty() && constraints.contacts.is_empty() {
        let acceleration = mass.clone().factor().solve(force);
        return Solution { acceleration, contact_forces: Vec::new(), iterations: one, converged: one };
    }
    let motion = |dofs: &[S]| Motion { dofs: dofs.to_vec(), bodies: position.carried(model, dofs) };
    let mut values = start.to_vec();
    values.extend([S::zero(); 2]);
    let values = S::repeat(limits.iterations, values, |values| {
        let a = &values[..n];
        let inertia = mass.times(a);
        let here = motion(a);
        let (gradient, hessian) = system(mass, &inertia, force, constraints, &here, &model.system_pattern);
        let step: Vec<S> = hessian.factor().solve(&gradient).into_iter().map(|x| -x).collect();
        let along = motion(&step);
        let descent = -dot(&gradient, &step);
        let small = !(S::of(S::EPSILON) * dot(a, &inertia)).less(descent);
        let landed = !leaves_piece(constraints, &here, &along) | small;
        // Most steps are the last one.
        let length = S::when(
            !landed,
            || "line search".into(),
            vec![one],
            |_| {
                let line = Line {
                    constraints,
                    origin: &here,
                    step: &along,
                    slope: dot(&step, &inertia) - dot(&step, force),
                    curvature: dot(&step, &mass.times(&step)),
                    tolerance: S::of(0.01) * descent.abs(),
                };
                vec![line.search(limits.searches)]
            },
        );
        let mut next: Vec<S> = a.iter().zip(&step).map(|(&a, &step)| a + length[0] * step).collect();
        next.extend([values[n] + one, S::select(landed, one, S::zero())]);
        (next, !landed)
    });
    let acceleration = values[..n].to_vec();
    let last = motion(&acceleration);
    let force = |contact: &Contact<S>| {
        let answer = contact.answer(residual(contact, &last));
        answer.force.map(|force| S::select(contact.active, force, S::zero()))
    };
    let contact_forces = constraints.contacts.iter().map(force).collect();
    Solution { acceleration, contact_forces, iterations: values[n], converged: values[n + 1] }
}

/// J a - reference.
fn residual<S: Scalar, const K: usize>(acts: &impl Acts<S, K>, a: &Motion<S>) -> [S; K] {
    let (along, reference) = (acts.along(a), acts.reference());
    std::array::from_fn(|k| along[k] - reference[k])
}

/// Gradient and Hessian of the cost; `inertia` is M a.
fn system<'p, S: Scalar>(
    mass: &Symmetric<S>,
    inertia: &[S],
    force: &[S],
    constraints: &Constraints<S>,
    a: &Motion<S>,
    pattern: &'p Pattern,
) -> (Vec<S>, Symmetric<'p, S>) {
    let mut gradient: Vec<S> = inertia.iter().zip(force).map(|(&inertia, &force)| inertia - force).collect();
    let mut hessian = mass.widened(pattern);
    for row in &constraints.rows {
        add_to_system(row, a, &mut gradient, &mut hessian);
    }
    let [ground, others] = constraints.sides();
    for contact in ground {
        add_to_system(contact, a, &mut gradient, &mut hessian);
    }
    let values = gradient.iter().chain(&hessian.values).copied().collect();
    let values = among(&others, values, |mut values| {
        let mut hessian = Symmetric { pattern, values: values.split_off(inertia.len()) };
        for contact in &others {
            add_to_system(*contact, a, &mut values, &mut hessian);
        }
        values.extend(hessian.values);
        values
    });
    let (gradient, entries) = values.split_at(inertia.len());
    (gradient.to_vec(), Symmetric { pattern, values: entries.to_vec() })
}

/// Work on contacts between moving bodies: there are many such pairs, and mostly none touches.
fn among<S: Scalar>(contacts: &[&Contact<S>], values: Vec<S>, work: impl FnOnce(Vec<S>) -> Vec<S>) -> Vec<S> {
    let any = contacts.iter().fold(S::mask(false), |any, contact| any | contact.active);
    S::when(any, || "contacts between moving bodies".into(), values, work)
}

fn add_to_system<S: Scalar, const K: usize>(
    acts: &impl Acts<S, K>,
    a: &Motion<S>,
    gradient: &mut [S],
    hessian: &mut Symmetric<S>,
) {
    let terms = acts.terms();
    let pattern = hessian.pattern;
    let dofs = terms.iter().map(|(dof, _)| *dof);
    let places: Vec<usize> = terms
        .iter()
        .enumerate()
        .flat_map(|(index, (i, _))| terms[..=index].iter().map(|(j, _)| pattern.at(*i, *j)))
        .collect();
    let values = dofs.clone().map(|dof| gradient[dof]).chain(places.iter().map(|&place| hessian.values[place]));
    let values = S::when(
        acts.active(),
        || acts.about(),
        values.collect(),
        |mut values| {
            let answer = acts.answer(residual(acts, a));
            let (gradient, hessian) = values.split_at_mut(terms.len());
            for (gradient, (_, along)) in gradient.iter_mut().zip(&terms) {
                *gradient = *gradient - dot(along, &answer.force);
            }
            let mut entries = hessian.iter_mut();
            for (index, (_, along)) in terms.iter().enumerate() {
                let turned: [S; K] = std::array::from_fn(|k| dot(&answer.stiffness[k], along));
                for ((_, other), entry) in terms[..=index].iter().zip(entries.by_ref()) {
                    *entry = *entry + dot(&turned, other);
                }
            }
            values
        },
    );
    let (new_gradient, new_hessian) = values.split_at(terms.len());
    for (dof, &value) in dofs.zip(new_gradient) {
        gradient[dof] = value;
    }
    for (&place, &value) in places.iter().zip(new_hessian) {
        hessian.values[place] = value;
    }
}

/// Whether some constraint is on another quadratic piece after the step, or on none.
fn leaves_piece<S: Scalar>(constraints: &Constraints<S>, a: &Motion<S>, step: &Motion<S>) -> S::Mask {
    let mut leaves = S::zero();
    for row in &constraints.rows {
        leaves = leaves_its_piece(row, a, step, leaves);
    }
    let [ground, others] = constraints.sides();
    for contact in ground {
        leaves = leaves_its_piece(contact, a, step, leaves);
    }
    let leaves = among(&others, vec![leaves], |leaves| {
        vec![others.iter().fold(leaves[0], |leaves, contact| leaves_its_piece(*contact, a, step, leaves))]
    });
    S::zero().less(leaves[0])
}

/// 1 if this one does, else `leaves`.
fn leaves_its_piece<S: Scalar, const K: usize>(
    acts: &impl Acts<S, K>,
    a: &Motion<S>,
    step: &Motion<S>,
    leaves: S,
) -> S {
    let found = S::when(
        acts.active(),
        || acts.about(),
        vec![leaves],
        |values| {
            let x = residual(acts, a);
            let along = acts.along(step);
            let (here, there) = (acts.answer(x), acts.answer(std::array::from_fn(|k| x[k] + along[k])));
            let changes = (0..4).fold(!here.quadratic, |changes, k| changes | (here.piece[k] ^ there.piece[k]));
            vec![S::select(changes, S::of(1.0), values[0])]
        },
    );
    found[0]
}

/// The cost along a Newton step.
struct Line<'a, S: Scalar> {
    constraints: &'a Constraints<S>,
    origin: &'a Motion<S>,
    step: &'a Motion<S>,
    /// Of the part without constraints, at the origin.
    slope: S,
    curvature: S,
    /// A slope that counts as zero.
    tolerance: S,
}

impl<S: Scalar> Line<'_, S> {
    /// Newton's method on the slope between brackets, from length 1.
    fn search(&self, searches: usize) -> S {
        let start = vec![S::of(1.0), S::zero(), S::of(1e30)];
        let found = S::repeat(searches, start, |values| {
            let [length, low, high] = [values[0], values[1], values[2]];
            let (slope, curvature) = self.derivatives(length);
            let settled = !self.tolerance.less(slope.abs());
            let falls = slope.less(S::zero());
            let low = S::select(falls, length, low);
            let high = S::select(falls, high, length);
            let next = length - slope / curvature;
            let inside = low.less(next) & next.less(high);
            let next = S::select(inside, next, (low + high) * S::of(0.5));
            (vec![S::select(settled, length, next), low, high], !settled)
        });
        found[0]
    }

    /// Derivatives of the cost by the length: slope and curvature.
    fn derivatives(&self, length: S) -> (S, S) {
        let mut sums = vec![self.slope + length * self.curvature, self.curvature];
        for row in &self.constraints.rows {
            sums = self.add_derivatives(row, length, sums);
        }
        let [ground, others] = self.constraints.sides();
        for contact in ground {
            sums = self.add_derivatives(contact, length, sums);
        }
        let sums = among(&others, sums, |sums| {
            others.iter().fold(sums, |sums, contact| self.add_derivatives(*contact, length, sums))
        });
        (sums[0], sums[1])
    }

    fn add_derivatives<const K: usize>(&self, acts: &impl Acts<S, K>, length: S, sums: Vec<S>) -> Vec<S> {
        S::when(
            acts.active(),
            || acts.about(),
            sums,
            |sums| {
                let (x, along) = (residual(acts, self.origin), acts.along(self.step));
                let answer = acts.answer(std::array::from_fn(|k| x[k] + length * along[k]));
                let turned: [S; K] = std::array::from_fn(|k| dot(&answer.stiffness[k], &along));
                vec![sums[0] - dot(&answer.force, &along), sums[1] + dot(&turned, &along)]
            },
        )
    }
}
