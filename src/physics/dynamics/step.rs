//! One step of a model, and all that is computed on the way.

use super::actuation::Actuation;
use super::constraints::Constraints;
use super::free_body::solve_free_bodies;
use super::inertia::{Velocity, bias_force, mass_matrix};
use super::integrate::{advance, with_damping, with_velocity_forces};
use super::kinematics::Position;
use super::newton::{Solution, SolverLimits, solve};
use super::passive::passive_force;
use super::scalar::Scalar;
use super::sparse::Symmetric;
use super::tendon::{Line, tendons};
use crate::physics::model::{Integrator, Model};

/// What changes from step to step.
#[derive(Debug, Clone)]
pub struct State<S> {
    /// Configuration. `[nq]`
    pub qpos: Vec<S>,
    /// Velocity. `[nv]`
    pub qvel: Vec<S>,
    /// The acceleration that the solver found last, from which it begins. `[nv]`
    pub warm: Vec<S>,
}

impl<S: Scalar> State<S> {
    /// The configuration of the file, at rest.
    pub fn initial(model: &Model) -> Self {
        Self {
            qpos: model.qpos0.iter().map(|&q| S::of(q)).collect(),
            qvel: vec![S::zero(); model.nv()],
            warm: vec![S::zero(); model.nv()],
        }
    }
}

/// Everything that follows from a state and controls.
#[derive(Debug, Clone)]
pub struct Forward<'m, S: Scalar> {
    /// Positions.
    pub position: Position<S>,
    /// Mass matrix.
    pub mass: Symmetric<'m, S>,
    /// Tendons.
    pub tendons: Vec<Line<S>>,
    /// Velocities.
    pub velocity: Velocity<S>,
    /// Forces of Coriolis, centrifugal and gravity terms. `[nv]`
    pub bias: Vec<S>,
    /// Forces of springs, dampers and the medium. `[nv]`
    pub passive: Vec<S>,
    /// Forces of actuators.
    pub actuation: Actuation<S>,
    /// Passive and actuator forces minus the bias. `[nv]`
    pub smooth_force: Vec<S>,
    /// Constraints.
    pub constraints: Constraints<S>,
    /// Their solution.
    pub solution: Solution<S>,
}

/// Computes the acceleration. `control` `[nu]`
pub fn forward<'m, S: Scalar>(
    model: &'m Model,
    state: &State<S>,
    control: &[S],
    limits: SolverLimits,
) -> Forward<'m, S> {
    let State { qpos, qvel, warm } = state;
    let position = Position::new(model, qpos);
    let mass = mass_matrix(model, &position);
    let tendons = tendons(model, qpos, &position);
    let velocity = Velocity::new(model, &position, qvel);
    let bias = bias_force(model, &position, &velocity, qvel);
    let passive = passive_force(model, qpos, qvel, &position, &velocity, &tendons);
    let actuation = Actuation::new(model, qpos, qvel, control, &position, &tendons);
    let smooth_force: Vec<S> = (0..qvel.len()).map(|i| passive[i] + actuation.force[i] - bias[i]).collect();
    let constraints = Constraints::new(model, qpos, qvel, &position, &tendons);
    let smooth;
    let start = match model.options.enabled.warm_start {
        true => warm,
        false => {
            smooth = mass.clone().factor().solve(&smooth_force);
            &smooth
        }
    };
    let solution = solve(model, &position, &mass, &smooth_force, &constraints, start, limits);
    Forward { position, mass, tendons, velocity, bias, passive, actuation, smooth_force, constraints, solution }
}

/// Moves a state by one time step; returns what was computed at its beginning.
pub fn step<'m, S: Scalar>(
    model: &'m Model,
    state: &mut State<S>,
    control: &[S],
    limits: SolverLimits,
) -> Forward<'m, S> {
    let mut now = forward(model, state, control, limits);
    let h = model.options.timestep;
    let enabled = &model.options.enabled;
    let found = &now.solution.acceleration;
    // At the solution the forces of the constraints are M a minus all others.
    let acceleration = match model.options.integrator {
        Integrator::Euler => {
            let damped = model.dofs.iter().any(|dof| dof.damping > 0.0);
            match damped && enabled.euler_damping && enabled.damper {
                true => with_damping(model, &now.mass).factor().solve(&now.mass.times(found)),
                false => found.clone(),
            }
        }
        Integrator::ImplicitFast => {
            let matrix =
                with_velocity_forces(model, &now.mass, &now.position, &now.velocity, &now.tendons, &now.actuation);
            let force = now.mass.times(found);
            let mut acceleration = matrix.clone().factor().solve(&force);
            solve_free_bodies(model, &matrix, &now.position, &now.velocity, &force, &mut acceleration);
            acceleration
        }
        Integrator::RungeKutta4 => {
            runge_kutta(model, state, control, limits, &mut now);
            return now;
        }
    };
    state.warm.clone_from(found);
    state.qvel = along(&state.qvel, h, &acceleration);
    state.qpos = advance(model, &state.qpos, &state.qvel, h);
    now
}

fn along<S: Scalar>(x: &[S], h: f64, rate: &[S]) -> Vec<S> {
    x.iter().zip(rate).map(|(&x, &rate)| x + S::of(h) * rate).collect()
}

/// The classic rule of fourth order; the first of its four evaluations is done, and gets what the solver says of the others.
fn runge_kutta<S: Scalar>(
    model: &Model,
    state: &mut State<S>,
    control: &[S],
    limits: SolverLimits,
    first: &mut Forward<S>,
) {
    let h = model.options.timestep;
    let (nodes, weights) = ([0.5, 0.5, 1.0], [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0]);
    let begin = state.clone();
    let mut velocities = vec![begin.qvel.clone()];
    let mut accelerations = vec![first.solution.acceleration.clone()];
    for (stage, node) in nodes.into_iter().enumerate() {
        let middle = State {
            qpos: advance(model, &begin.qpos, &velocities[stage], node * h),
            qvel: along(&begin.qvel, node * h, &accelerations[stage]),
            warm: accelerations[stage].clone(),
        };
        let now = forward(model, &middle, control, limits);
        first.solution.iterations = first.solution.iterations.max(now.solution.iterations);
        first.solution.converged = first.solution.converged * now.solution.converged;
        first.constraints.left_out = first.constraints.left_out + now.constraints.left_out;
        accelerations.push(now.solution.acceleration);
        velocities.push(middle.qvel);
    }
    let mean = |rates: &[Vec<S>]| {
        let zero = vec![S::zero(); model.nv()];
        rates.iter().zip(weights).fold(zero, |sum, (rate, weight)| along(&sum, weight, rate))
    };
    state.qvel = along(&begin.qvel, h, &mean(&accelerations));
    state.qpos = advance(model, &begin.qpos, &mean(&velocities), h);
    state.warm = accelerations.pop().unwrap_or_default();
}
