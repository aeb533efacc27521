//! Where episodes start, as distributions.

use std::f64::consts::PI;

use flowmill::env::{EnvArgs, EnvKernels, Environment};
use flowmill::physics::dynamics::{SolverLimits, State, forward};
use flowmill::physics::model::JointKind;

use crate::common::device::On;
use crate::support::{After, Places, dispatch, environment, starts};

const ENVS: u32 = 2048;

/// A task with so many starts.
struct Started {
    name: &'static str,
    env: Environment,
    kernels: EnvKernels,
    places: Places,
    after: After,
}

/// `goal` is the width of the goal in `State`, 0 without one.
fn started(name: &'static str, goal: usize, envs: u32) -> Started {
    let env = environment(name);
    let kernels = EnvKernels::new(&env).unwrap_or_else(|error| panic!("{error}"));
    let after = starts(&mut On::Cpu.unchecked_engine(), &env, &kernels, envs, 5);
    let places = Places::of(&env, &kernels, goal);
    Started { name, env, kernels, places, after }
}

impl Started {
    /// What a state is worth by a measure, for all starts.
    fn measure(&self, of: impl Fn(&[f32]) -> f32) -> Vec<f64> {
        self.after.states.iter().map(|state| f64::from(of(state))).collect()
    }

    fn uniform(&self, what: &str, low: f64, high: f64, of: impl Fn(&[f32]) -> f32) {
        self.distributed(what, |x| (x - low) / (high - low), of);
    }

    /// Kolmogorov and Smirnov's test; a sample of the distribution fails it once in ten thousand.
    fn distributed(&self, what: &str, cumulated: impl Fn(f64) -> f64, of: impl Fn(&[f32]) -> f32) {
        let mut values = self.measure(of);
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let distance = |(index, &x): (usize, &f64)| {
            let p = cumulated(x);
            assert!((-1e-6..=1.0 + 1e-6).contains(&p), "{} {what}: {x} is out of range", self.name);
            (p - index as f64 / n).abs().max((p - (index as f64 + 1.0) / n).abs())
        };
        let distance = values.iter().enumerate().map(distance).fold(0.0, f64::max);
        assert!(distance * n.sqrt() < 2.23, "{} {what}: distance {distance} of {n}", self.name);
    }

    fn fixed(&self, what: &str, value: f64, of: impl Fn(&[f32]) -> f32) {
        let other = self.measure(of).into_iter().find(|x| (x - value).abs() > 1e-6);
        assert_eq!(other, None, "{} {what}, expected {value}", self.name);
    }

    fn at_rest(&self) {
        let velocities = self.places.qvel..self.places.qvel + self.env.model().unwrap().unwrap().nv();
        velocities.for_each(|word| self.fixed("velocity", 0.0, |state| state[word]));
    }
}

#[test]
fn joints_start_uniform_in_their_ranges_and_hinges_without_one_in_any_direction() {
    for (name, goal) in [
        ("pendulum-swingup", 0),
        ("acrobot-swingup", 0),
        ("point-mass-easy", 0),
        ("reacher-easy", 2),
        ("hopper-stand", 0),
        ("walker-stand", 0),
        ("swimmer6", 2),
    ] {
        let started = started(name, goal, ENVS);
        let model = started.env.model().unwrap().unwrap();
        for joint in &model.joints {
            let of = |state: &[f32]| state[joint.qpos];
            match (joint.range, joint.kind) {
                (Some([low, high]), _) => started.uniform(&joint.name, low, high, of),
                (None, JointKind::Hinge) => started.uniform(&joint.name, -PI, PI, of),
                _ => started.fixed(&joint.name, model.qpos0[joint.qpos], of),
            }
        }
        started.at_rest();
    }
}

#[test]
fn a_cart_starts_near_the_middle_and_its_pole_near_upright_or_hanging() {
    let normal = |mean: f64| move |x: f64| 0.5 * (1.0 + erf((x - mean) / 0.01 / 2f64.sqrt()));
    for (name, hanging) in [("cartpole-balance", false), ("cartpole-swingup", true), ("cartpole-swingup-sparse", true)]
    {
        let started = started(name, 0, ENVS);
        if hanging {
            started.distributed("position", normal(0.0), |state| state[0]);
            started.distributed("angle", normal(PI), |state| state[1]);
        } else {
            started.uniform("position", -0.1, 0.1, |state| state[0]);
            started.uniform("angle", -0.034, 0.034, |state| state[1]);
        }
        started.distributed("velocity", normal(0.0), |state| state[2]);
        started.distributed("angular velocity", normal(0.0), |state| state[3]);
    }
}

/// Abramowitz and Stegun 7.1.26, to 1.5e-7.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.3275911 * x.abs());
    let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    (1.0 - poly * (-x * x).exp()).copysign(x)
}

#[test]
fn poses_that_are_drawn_anew_touch_nothing_and_fill_their_ranges() {
    for (name, goal) in [("ball-in-cup-catch", 0), ("finger-spin", 0), ("finger-turn-hard", 2)] {
        let started = started(name, goal, 512);
        let model = started.env.model().unwrap().unwrap();
        let mut state = State::<f64>::initial(&model);
        let controls = vec![0.0; model.nu()];
        for words in &started.after.states {
            state.qpos = words[..model.nq()].iter().map(|&x| f64::from(x)).collect();
            let now = forward(&model, &state, &controls, SolverLimits::default());
            // Rounding may move a pose that just touches.
            let depth = now.constraints.contacts.iter().map(|contact| contact.touch.distance).fold(0.0, f64::min);
            assert!(depth > -1e-6, "{name}: {depth} at {:?}", state.qpos);
        }
        let ranges: Vec<[f64; 2]> = match name {
            "ball-in-cup-catch" => vec![[0.0, 0.0], [0.0, 0.0], [-0.2, 0.2], [0.2, 0.5]],
            _ => model.joints.iter().map(|joint| joint.range.unwrap_or([-PI, PI])).collect(),
        };
        for (word, [low, high]) in ranges.into_iter().enumerate() {
            let values = started.measure(|state| state[word]);
            let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
            let slack = 0.05 * (high - low);
            assert!((low - 1e-6..=low + slack).contains(&least), "{name} {word}: {least}");
            assert!((high - slack..=high + 1e-6).contains(&most), "{name} {word}: {most}");
        }
        started.at_rest();
    }
}

#[test]
fn goals_are_where_the_definitions_have_them() {
    let reacher = started("reacher-easy", 2, ENVS);
    let goal = |at: usize| move |state: &[f32]| [state[at], state[at + 1]];
    let of = goal(reacher.places.goal);
    reacher.uniform("distance", 0.05, 0.2, |state| of(state)[0].hypot(of(state)[1]));
    reacher.uniform("direction", -PI, PI, |state| of(state)[1].atan2(of(state)[0]));

    let finger = started("finger-turn-easy", 2, 512);
    let of = goal(finger.places.goal);
    let away = |state: &[f32]| [of(state)[0] - 0.2, of(state)[1] - 0.4];
    finger.fixed("distance", 0.13, |state| away(state)[0].hypot(away(state)[1]));
    finger.uniform("direction", -PI, PI, |state| away(state)[1].atan2(away(state)[0]));

    let fish = started("fish-swim", 3, ENVS);
    let at = fish.places.goal;
    for (axis, [low, high]) in [[-0.4, 0.4], [-0.4, 0.4], [0.1, 0.3]].into_iter().enumerate() {
        fish.uniform("goal", low, high, |state| state[at + axis]);
    }

    // Near with probability 0.2; a part of the large square is in the small one.
    let swimmer = started("swimmer6", 2, ENVS);
    let of = goal(swimmer.places.goal);
    let size = |x: f64| 0.2 * (x / 0.3).min(1.0).powi(2) + 0.8 * (x / 2.0).powi(2);
    swimmer.distributed("goal", size, |state| of(state)[0].abs().max(of(state)[1].abs()));
    // The smaller coordinate is anywhere on the side of the square on which the larger one puts the goal.
    swimmer.uniform("direction", -1.0, 1.0, |state| {
        let [x, y] = of(state);
        if x.abs() > y.abs() { y / x.abs() } else { x / y.abs() }
    });

    let maze = started("point-maze-medium", 2, ENVS);
    let of = goal(maze.places.goal);
    let nearest = |state: &[f32]| {
        let goals = [[2.5f32, 1.5], [-2.5, -1.5], [1.5, -2.5]];
        let away = |g: &[f32; 2]| [of(state)[0] - g[0], of(state)[1] - g[1]];
        goals.iter().map(away).enumerate().min_by(|a, b| a.1[0].hypot(a.1[1]).total_cmp(&b.1[0].hypot(b.1[1]))).unwrap()
    };
    for axis in 0..2 {
        maze.uniform("goal", -0.25, 0.25, |state| nearest(state).1[axis]);
        maze.uniform("start", -0.25, 0.25, |state| state[axis] - [-2.5, 2.5][axis]);
    }
    for which in 0..3 {
        let share = maze.measure(|state| f32::from(nearest(state).0 == which)).iter().sum::<f64>() / f64::from(ENVS);
        assert!((share - 1.0 / 3.0).abs() < 0.05, "goal {which}: {share}");
    }
}

#[test]
fn a_fish_starts_in_any_rotation_with_its_joints_near_their_middle() {
    for (name, goal) in [("fish-upright", 0), ("fish-swim", 3)] {
        let started = started(name, goal, ENVS);
        started.fixed("norm of the quaternion", 1.0, |state| state[3..7].iter().map(|x| x * x).sum());
        // The third column of the rotation is uniform on the sphere, and so uniform along every axis (Archimedes).
        started.uniform("upright", -1.0, 1.0, |state| 1.0 - 2.0 * (state[4] * state[4] + state[5] * state[5]));
        started.uniform("sideways", -1.0, 1.0, |state| 2.0 * (state[4] * state[6] + state[3] * state[5]));
        (7..14).for_each(|word| started.uniform("joint", -0.2, 0.2, |state| state[word]));
        started.at_rest();
    }
}

#[test]
fn a_cheetah_starts_settled_and_every_episode_of_it_starts_alike() {
    let started = started("cheetah-run", 0, 64);
    let physics = started.places.touch;
    assert!(started.after.states.windows(2).all(|pair| pair[0] != pair[1]), "two starts are alike");
    for state in &started.after.states {
        assert_eq!(state[..physics], state[physics..2 * physics], "the start is kept");
        let fastest = state[9..18].iter().fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(fastest < 0.5, "not settled: {fastest}");
        // On its feet the torso is 0.6 to 0.7 above the floor, on its back or head less: the slide is about the pose of the file.
        assert!((-0.7..=0.2).contains(&state[1]), "height {}", state[1]);
    }
    let mut engine = On::Cpu.unchecked_engine();
    let args = EnvArgs { horizon: 1, ..EnvArgs::training(&started.env, 64, 5) };
    let actions = vec![vec![1.0; 6]; 64];
    let before = &started.after.states;
    let after = dispatch(&mut engine, &started.env, &started.kernels.step, args, before, &actions);
    assert!(after.flags.iter().all(|&flag| flag == 2.0));
    for (before, after) in before.iter().zip(&after.states) {
        assert_eq!(before[..2 * physics], after[..2 * physics], "an episode starts elsewhere");
    }
    let on = EnvArgs { auto_reset: 0, ..args };
    let after = dispatch(&mut engine, &started.env, &started.kernels.step, on, before, &actions);
    assert!(before.iter().zip(&after.states).all(|(before, after)| before[..physics] != after[..physics]));
}
