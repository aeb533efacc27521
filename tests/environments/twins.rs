//! Programs against plain Rust twins and closed forms.

use std::f32::consts::PI;

use flowmill::env::{EnvArgs, Environment, load, streams};
use flowmill::rng::Key;
use glam::Vec2;

use crate::common::device::{On, on_both_engines};
use crate::device::{HORIZON, close, random_actions, run};

on_both_engines!(
    multigoal_equals_its_plain_twin_over_10_000_steps,
    multigoal_sql_equals_its_plain_twin_over_2_000_steps,
    pendulum_equals_its_plain_twin_step_by_step_over_10_000_steps,
    fifty_steps_of_constant_acceleration_follow_the_closed_form,
    an_evaluation_of_multigoal_starts_at_rest_at_the_centre_and_never_times_out,
    a_step_at_rest_at_every_goal_of_multigoal_is_worth_exactly_a_fifth,
    an_upright_pendulum_at_rest_costs_nothing_and_a_hanging_one_pi_squared,
);

const SEED: u64 = 0x0123_4567_89ab_cdef;

/// Draws of one call of `reset`.
struct Draws {
    key: Key,
    step: u32,
    row: u32,
}

impl Draws {
    fn uniform(&self, lane: u32) -> f32 {
        self.key.uniform(self.step, self.row, lane)
    }

    fn normal(&self, lane: u32) -> f32 {
        self.key.normal(self.step, self.row, lane)
    }
}

/// An environment in plain Rust: reward and whether it terminated.
trait Twin {
    fn reset(draws: &Draws) -> Self;
    fn step(&mut self, action: &[f32]) -> (f32, bool);
    fn observe(&self) -> Vec<f32>;
    /// Takes over the state behind an observation, so that chaos does not add up over steps.
    fn adopt(&mut self, _observation: &[f32]) {}
}

struct MultiGoal {
    position: Vec2,
    velocity: Vec2,
}

/// Squared distance to the nearest of `count` goals on a circle of radius 5, the definition with its angles.
fn squared_distance(position: Vec2, count: u32) -> f32 {
    let goal = |i: u32| 5.0 * Vec2::from_angle(2.0 * PI * i as f32 / count as f32);
    (0..count).map(|i| position.distance_squared(goal(i))).fold(f32::INFINITY, f32::min)
}

impl Twin for MultiGoal {
    fn reset(draws: &Draws) -> Self {
        let position = Vec2::new(draws.uniform(0), draws.uniform(1)) * 14.0 - 7.0;
        Self { position, velocity: Vec2::ZERO }
    }

    fn step(&mut self, action: &[f32]) -> (f32, bool) {
        let action = Vec2::from_slice(action);
        self.position += 0.1 * self.velocity;
        self.velocity += 0.1 * action.clamp(Vec2::splat(-5.0), Vec2::splat(5.0));
        let d2 = squared_distance(self.position, 6);
        let reward = 0.1 * ((-0.3 * d2).exp() + (-0.1 * d2).exp() - 0.01 * action.length_squared());
        (reward, self.position.abs().max_element() > 8.0)
    }

    fn observe(&self) -> Vec<f32> {
        [self.position.to_array(), self.velocity.to_array()].concat()
    }
}

struct MultiGoalSql(Vec2);

impl Twin for MultiGoalSql {
    fn reset(draws: &Draws) -> Self {
        Self(0.1 * Vec2::new(draws.normal(0), draws.normal(1)))
    }

    fn step(&mut self, action: &[f32]) -> (f32, bool) {
        let action = Vec2::from_slice(action).clamp(Vec2::NEG_ONE, Vec2::ONE);
        self.0 = (self.0 + action).clamp(Vec2::splat(-7.0), Vec2::splat(7.0));
        let d2 = squared_distance(self.0, 4);
        let reached = d2.sqrt() < 1.0;
        (-30.0 * action.length_squared() - d2 + if reached { 10.0 } else { 0.0 }, reached)
    }

    fn observe(&self) -> Vec<f32> {
        self.0.to_array().to_vec()
    }
}

struct Pendulum {
    angle: f32,
    velocity: f32,
}

impl Twin for Pendulum {
    fn reset(draws: &Draws) -> Self {
        Self { angle: PI * (2.0 * draws.uniform(0) - 1.0), velocity: 2.0 * draws.uniform(1) - 1.0 }
    }

    fn step(&mut self, action: &[f32]) -> (f32, bool) {
        let torque = action[0].clamp(-2.0, 2.0);
        let reward = -(self.angle.powi(2) + 0.1 * self.velocity.powi(2) + 0.001 * torque.powi(2));
        self.velocity = (self.velocity + 0.05 * (15.0 * self.angle.sin() + 3.0 * torque)).clamp(-8.0, 8.0);
        self.angle = (self.angle + 0.05 * self.velocity + PI).rem_euclid(2.0 * PI) - PI;
        (reward, false)
    }

    fn observe(&self) -> Vec<f32> {
        vec![self.angle.cos(), self.angle.sin(), self.velocity]
    }

    fn adopt(&mut self, observation: &[f32]) {
        (self.angle, self.velocity) = (observation[1].atan2(observation[0]), observation[2]);
    }
}

/// Steps eight environments and their twins side by side; flags, episode counts and lengths must be equal, floats
/// close. Returns how many episodes terminated and timed out.
fn compare<T: Twin>(on: On, name: &str, steps: u32, size: f32) -> [u32; 2] {
    let mut engine = on.engine();
    let env = load(name).expect("loads");
    let num_envs = 8;
    let args = EnvArgs { first_env: 3, ..EnvArgs::training(&env, num_envs, SEED) };
    let actions = random_actions(steps, 3, num_envs, env.action_dim(), size);
    let device = run(&mut engine, &env, args, &actions);
    let draws = |stream: u32, iteration: u32, step: u32, env: u32| Draws {
        key: Key { seed: SEED, stream, iteration },
        step,
        row: 3 + env,
    };
    let mut ended = [0, 0];
    for row in 0..num_envs {
        let observation = |t: u32| {
            let width = env.obs_dim();
            &device.trace.observations[(t * num_envs + row) as usize * width..][..width]
        };
        let check = |twin: &T, t: u32| {
            for (i, (&a, &b)) in observation(t).iter().zip(&twin.observe()).enumerate() {
                assert!(close(a, b), "{name} {row} observation {i} at {t}: device {a:?}, twin {b:?}");
            }
        };
        let mut twin = T::reset(&draws(streams::START, 0, 0, row));
        let (mut age, mut total, mut statistics) = (0, 0.0, [0.0f32; 3]);
        check(&twin, 0);
        for t in 0..steps {
            twin.adopt(observation(t));
            let index = (t * num_envs + row) as usize;
            let (reward, terminated) = twin.step(&actions[index * env.action_dim()..][..env.action_dim()]);
            age += 1;
            total += reward;
            let flag = if terminated {
                1.0
            } else if age >= env.manifest.horizon {
                2.0
            } else {
                0.0
            };
            assert_eq!(device.trace.flags[index], flag, "{name} {row}: flag at {t}");
            let got = device.trace.rewards[index];
            assert!(close(got, reward), "{name} {row}: reward at {t}: device {got:?}, twin {reward:?}");
            if flag > 0.0 {
                ended[flag as usize - 1] += 1;
                statistics = [statistics[0] + 1.0, statistics[1] + total, statistics[2] + age as f32];
                (age, total) = (0, 0.0);
                twin = T::reset(&draws(streams::RESET, t / HORIZON, t % HORIZON, row));
            }
            check(&twin, t + 1);
        }
        let [episodes, returns, lengths, non_finite] = device.stats[row as usize];
        assert_eq!([episodes, lengths, non_finite], [statistics[0], statistics[2], 0.0], "{name} {row}");
        // Thousands of roundings on both sides.
        assert!((returns - statistics[1]).abs() <= 1e-4 * (1.0 + statistics[1].abs()), "{returns} {statistics:?}");
    }
    ended
}

fn multigoal_equals_its_plain_twin_over_10_000_steps(on: On) {
    let [terminated, timed_out] = compare::<MultiGoal>(on, "multigoal", 10_000, 8.0);
    assert!(terminated > 100 && timed_out > 100, "{terminated} terminated, {timed_out} timed out");
}

fn multigoal_sql_equals_its_plain_twin_over_2_000_steps(on: On) {
    let [terminated, timed_out] = compare::<MultiGoalSql>(on, "multigoal-sql", 2_000, 1.5);
    assert!(terminated > 50 && timed_out > 50, "{terminated} terminated, {timed_out} timed out");
}

fn pendulum_equals_its_plain_twin_step_by_step_over_10_000_steps(on: On) {
    let ended = compare::<Pendulum>(on, "pendulum", 10_000, 3.0);
    assert_eq!(ended, [0, 8 * 50]);
}

fn evaluate(on: On, name: &str, steps: u32, action: &[f32]) -> (Environment, crate::device::Run) {
    let mut engine = on.engine();
    let env = load(name).expect("loads");
    let actions = action.repeat(steps as usize);
    let run = run(&mut engine, &env, EnvArgs::evaluation(&env, 1, 1), &actions);
    (env, run)
}

fn fifty_steps_of_constant_acceleration_follow_the_closed_form(on: On) {
    let (_, run) = evaluate(on, "multigoal", 50, &[0.5, -0.25]);
    for (t, observation) in run.trace.observations.chunks(4).enumerate() {
        // Old velocity moves the position: p_n = a dt^2 n (n - 1) / 2, v_n = a dt n.
        let n = t as f64;
        let (p, v) = (0.01 * n * (n - 1.0) / 2.0, 0.1 * n);
        let expected = [0.5 * p, -0.25 * p, 0.5 * v, -0.25 * v];
        for (&got, want) in observation.iter().zip(expected) {
            assert!(close(got, want as f32), "{got} instead of {want} after {t} steps");
        }
    }
    assert!(run.trace.flags.iter().all(|&f| f == 0.0));
}

fn an_evaluation_of_multigoal_starts_at_rest_at_the_centre_and_never_times_out(on: On) {
    let (env, run) = evaluate(on, "multigoal", 100, &[0.0, 0.0]);
    assert_eq!(env.manifest.evaluation.steps, 100);
    assert!(run.trace.observations.iter().all(|&x| x == 0.0));
    assert!(run.trace.flags.iter().all(|&f| f == 0.0));
    let expected = 0.1 * ((-7.5f32).exp() + (-2.5f32).exp());
    assert!(run.trace.rewards.iter().all(|&r| close(r, expected)), "{:?}", &run.trace.rewards[..3]);
}

fn a_step_at_rest_at_every_goal_of_multigoal_is_worth_exactly_a_fifth(on: On) {
    let mut engine = on.engine();
    let goals = load("multigoal").expect("loads").manifest.evaluation.goals;
    assert_eq!(goals.len(), 6);
    for [x, y] in goals {
        let start = "return State(vec2f(0.0), vec2f(0.0));";
        let moved = format!("return State(vec2f({x:?}, {y:?}), vec2f(0.0));");
        let (_directory, folder) = crate::files::altered("multigoal", "env.wgsl", start, &moved);
        let env = load(&folder.to_string_lossy()).expect("loads");
        let run = run(&mut engine, &env, EnvArgs::evaluation(&env, 1, 1), &[0.0, 0.0]);
        assert_eq!(run.trace.rewards, [0.2], "at ({x}, {y})");
    }
}

fn an_upright_pendulum_at_rest_costs_nothing_and_a_hanging_one_pi_squared(on: On) {
    let mut engine = on.engine();
    for (angle, reward) in [("0.0", 0.0), ("-PI", -PI * PI)] {
        let start = "return State(angle, velocity);";
        let (_directory, folder) =
            crate::files::altered("pendulum", "env.wgsl", start, &format!("return State({angle}, 0.0);"));
        let env = load(&folder.to_string_lossy()).expect("loads");
        let run = run(&mut engine, &env, EnvArgs::evaluation(&env, 1, 1), &[0.0]);
        assert!(close(run.trace.rewards[0], reward), "{:?} instead of {reward}", run.trace.rewards);
    }
}
