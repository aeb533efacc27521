//! Control steps of the originals, made here.

use flowmill::engine::Engine;
use flowmill::env::{EnvArgs, EnvKernels, Environment};

use crate::common::device::{On, on_both_engines};
use crate::support::{After, Places, Recorded, TASKS, dispatch, environment, error, fixture};

on_both_engines!(
    observations_and_rewards_of_given_states_are_the_originals,
    a_control_step_leads_where_the_original_goes,
);

/// States from the fixture's fields of these names, in which episodes go on.
fn states(places: Places, steps: &[Recorded], qpos: &str, qvel: &str, touch: bool) -> Vec<Vec<f32>> {
    let state = |step: &Recorded| {
        let mut words = vec![0.0; places.slot];
        let mut put = |at: usize, numbers: &[f64]| {
            words[at..at + numbers.len()].iter_mut().zip(numbers).for_each(|(word, &x)| *word = x as f32);
        };
        put(places.qpos, &step[qpos]);
        put(places.qvel, &step[qvel]);
        put(places.goal, &step["target"]);
        if touch {
            put(places.touch, &step["touch"]);
        }
        words
    };
    steps.iter().map(state).collect()
}

fn step(engine: &mut Engine, env: &Environment, kernels: &EnvKernels, from: &[Vec<f32>], steps: &[Recorded]) -> After {
    let actions: Vec<Vec<f32>> = steps.iter().map(|s| s["ctrl"].iter().map(|&x| x as f32).collect()).collect();
    let args = EnvArgs::evaluation(env, steps.len() as u32, 1);
    dispatch(engine, env, &kernels.step, args, from, &actions)
}

/// Without its model's steps: what is left of a step are observation and reward.
fn held(name: &str) -> Environment {
    let mut env = environment(name);
    let steps: Vec<&str> = ["physics_step", "physics_touch"].into_iter().filter(|f| env.physics.contains(f)).collect();
    for function in steps {
        let from = env.physics.find(&format!("fn {function}(p")).unwrap();
        let body = from + env.physics[from..].find("{\n").unwrap();
        let end = body + env.physics[body..].find("\n}\n").unwrap();
        env.physics.replace_range(body..end, "{");
    }
    env
}

fn observations_and_rewards_of_given_states_are_the_originals(on: On) {
    let mut engine = on.engine();
    for (name, _) in TASKS {
        let (env, steps) = (held(name), fixture(name));
        let kernels = EnvKernels::new(&env).unwrap_or_else(|error| panic!("{error}"));
        let places = Places::of(&env, &kernels, steps[0]["target"].len());
        let from = states(places, &steps, "qpos", "qvel", true);
        let after = step(&mut engine, &env, &kernels, &from, &steps);
        for (index, expected) in steps.iter().enumerate() {
            let observation = error(&after.observations[index], &expected["observation"]);
            let reward = error(&after.rewards[index..=index], &expected["reward"]);
            assert!(observation < 1e-5, "{name}, state {index}: {observation}, {:?}", after.observations[index]);
            assert!(reward < 1e-5, "{name}, state {index}: {reward}");
        }
        assert!(after.flags.iter().all(|&flag| flag == 0.0), "{name} terminates");
    }
}

fn a_control_step_leads_where_the_original_goes(on: On) {
    let mut engine = on.engine();
    let mut missed = Vec::new();
    for (name, on_gpu) in TASKS {
        if on == On::Gpu && !on_gpu {
            continue;
        }
        let (env, steps) = (environment(name), fixture(name));
        let kernels = EnvKernels::new(&env).unwrap_or_else(|error| panic!("{error}"));
        let places = Places::of(&env, &kernels, steps[0]["target"].len());
        let from = states(places, &steps, "from_qpos", "from_qvel", false);
        let after = step(&mut engine, &env, &kernels, &from, &steps);
        let mut worst = [0.0f64; 5];
        for (index, expected) in steps.iter().enumerate() {
            let state = &after.states[index];
            let part = |at: usize, name: &str| error(&state[at..at + expected[name].len()], &expected[name]);
            let errors = [
                part(places.qpos, "qpos"),
                part(places.qvel, "qvel"),
                part(places.touch, "touch"),
                error(&after.observations[index], &expected["observation"]),
                error(&after.rewards[index..=index], &expected["reward"]),
            ];
            worst.iter_mut().zip(errors).for_each(|(worst, error)| *worst = worst.max(error));
        }
        let [qpos, qvel, touch, observation, reward] = worst;
        let line = format!(
            "{name}: qpos {qpos:.1e}, qvel {qvel:.1e}, touch {touch:.1e}, observation {observation:.1e}, reward {reward:.1e}"
        );
        println!("{line}");
        // Contact forces are larger than velocities by the reciprocal of the time step.
        let same = qpos < 1e-4 && qvel < 1e-4 && touch < 1e-3 && observation < 1e-4 && reward < 1e-4;
        if !same {
            missed.push(line);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
