//! The quadcopter against a rigid body in f64, written apart from the model's dynamics.

use flowmill::env::{EnvArgs, EnvKernels};
use flowmill::rng::Key;
use glam::{DQuat, DVec3};

use crate::common::device::{On, on_both_engines};
use crate::support::{Places, dispatch, environment, error, starts};

on_both_engines!(a_quadcopter_flies_as_a_rigid_body_does);

const MASS: f64 = 0.028;
const INERTIA: DVec3 = DVec3::new(16.571710e-6, 16.655602e-6, 29.261652e-6);
const GRAVITY: f64 = 9.81;

/// A rigid body: velocity in the world's axes, spin in its own.
#[derive(Clone, Copy, Debug)]
struct Rigid {
    position: DVec3,
    rotation: DQuat,
    velocity: DVec3,
    spin: DVec3,
}

impl Rigid {
    fn of(state: &[f32], places: Places) -> Self {
        let x = |at: usize| f64::from(state[at]);
        let (q, v) = (places.qpos, places.qvel);
        Self {
            position: DVec3::new(x(q), x(q + 1), x(q + 2)),
            rotation: DQuat::from_xyzw(x(q + 4), x(q + 5), x(q + 6), x(q + 3)),
            velocity: DVec3::new(x(v), x(v + 1), x(v + 2)),
            spin: DVec3::new(x(v + 3), x(v + 4), x(v + 5)),
        }
    }

    /// Newton's and Euler's equations, then the pose with the new velocities.
    fn step(&mut self, action: &[f32], dt: f64) {
        let u: Vec<f64> = action.iter().map(|&a| f64::from(a).clamp(-1.0, 1.0)).collect();
        let thrust = 1.9 * MASS * GRAVITY * (u[0] + 1.0) / 2.0;
        let moment = 0.01 * DVec3::new(u[1], u[2], u[3]);
        let turning = (moment - self.spin.cross(INERTIA * self.spin)) / INERTIA;
        self.velocity += dt * (self.rotation * DVec3::Z * (thrust / MASS) - DVec3::Z * GRAVITY);
        self.spin += dt * turning;
        self.position += dt * self.velocity;
        self.rotation = (self.rotation * DQuat::from_scaled_axis(dt * self.spin)).normalize();
    }

    fn observe(&self, goal: DVec3) -> Vec<f64> {
        let back = self.rotation.inverse();
        [back * self.velocity, self.spin, back * -DVec3::Z, back * (goal - self.position)]
            .iter()
            .flat_map(|v| v.to_array())
            .collect()
    }

    fn reward(&self, goal: DVec3) -> f64 {
        let near = 1.0 - (self.position.distance(goal) / 0.8).tanh();
        0.02 * (15.0 * near - 0.05 * self.velocity.length_squared() - 0.01 * self.spin.length_squared())
    }
}

fn a_quadcopter_flies_as_a_rigid_body_does(on: On) {
    let mut engine = on.engine();
    let env = environment("quadcopter");
    let kernels = EnvKernels::new(&env).unwrap_or_else(|error| panic!("{error}"));
    let places = Places::of(&env, &kernels, 3);
    let envs = 64;
    let key = Key { seed: 2, stream: 1, iteration: 0 };
    let started = starts(&mut engine, &env, &kernels, envs, 4);
    let mut states = started.states;
    for (row, state) in states.iter().enumerate() {
        assert_eq!(state[..7], [0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0], "row {row}");
        let goal = &state[places.goal..places.goal + 3];
        assert!(goal[0].abs() <= 2.0 && goal[1].abs() <= 2.0 && (0.5..=1.5).contains(&goal[2]), "{goal:?}");
    }
    let mut ends = 0;
    for step in 0..40 {
        // Moments are drawn anew in every step; beyond the bounds the motors saturate.
        let action = |row: u32| -> Vec<f32> { (0..4).map(|lane| 3.0 * key.uniform(step, row, lane) - 1.5).collect() };
        let actions: Vec<Vec<f32>> = (0..envs).map(action).collect();
        let args = EnvArgs { step, ..EnvArgs::evaluation(&env, envs, 4) };
        let after = dispatch(&mut engine, &env, &kernels.step, args, &states, &actions);
        for row in 0..envs as usize {
            let mut body = Rigid::of(&states[row], places);
            body.rotation = body.rotation.normalize();
            body.step(&actions[row], 0.01);
            body.step(&actions[row], 0.01);
            body.spin = body.spin.clamp_length_max(100.0);
            let goal = &states[row][places.goal..places.goal + 3];
            let goal = DVec3::new(f64::from(goal[0]), f64::from(goal[1]), f64::from(goal[2]));
            let observation = error(&after.observations[row], &body.observe(goal));
            let reward = error(&after.rewards[row..=row], &[body.reward(goal)]);
            assert!(observation < 1e-4, "step {step}, row {row}: {observation}, {body:?}");
            assert!(reward < 1e-4, "step {step}, row {row}: {reward}, {body:?}");
            let (z, ended) = (body.position.z, after.flags[row] == 1.0);
            let on_a_bound = (z - 0.1).abs() < 1e-5 || (z - 2.0).abs() < 1e-5;
            assert!(ended != (0.1..=2.0).contains(&z) || on_a_bound, "{z}");
            ends += u32::from(ended);
        }
        states = after.states;
    }
    assert!(ends > 0, "no episode ended");
}
