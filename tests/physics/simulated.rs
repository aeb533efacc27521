//! The step as WGSL, on both engines: against MuJoCo's numbers, against f64, and against itself in other batches.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use flowmill::engine::{Engine, Recording};
use flowmill::physics::dynamics::{SolverLimits, State, forward};
use flowmill::physics::mjcf;
use flowmill::physics::model::{Integrator, JointKind, Model, Shape};
use flowmill::physics::rollout::rollout;
use flowmill::physics::wgsl::limits;
use flowmill::rng::Key;
use flowmill::simulate::{Simulator, States};

use crate::common::device::{On, on_both_engines};
use crate::fixture::{Numbers, difference, environment, fixture, models, own};
use crate::mutations::acceleration;

const CONVERGED: SolverLimits = SolverLimits { iterations: 50, searches: 30 };

on_both_engines!(
    a_step_from_mujoco_s_states_has_its_acceleration_to_1e_4,
    a_lost_armature_and_a_flipped_sign_of_friction_are_seen_on_an_adapter,
    a_hundred_steps_stay_within_1e_4_of_f64,
    walkers_are_distributed_as_in_f64,
    a_state_moves_alike_in_any_batch_at_any_place_and_again,
    random_controls_leave_all_states_finite_and_all_solutions_converged,
    contacts_of_a_crowd_are_those_of_f64_up_to_its_places_and_more_are_counted,
    a_ball_without_friction_glides_over_the_floor,
);

/// The engine of all tests here: a kernel is compiled once.
fn engine(on: On) -> MutexGuard<'static, Engine> {
    static ENGINES: [OnceLock<Mutex<Engine>>; 2] = [OnceLock::new(), OnceLock::new()];
    let engine = ENGINES[usize::from(on == On::Gpu)].get_or_init(|| Mutex::new(on.unchecked_engine()));
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether generated code makes another contact than MuJoCo: capsules with parallel axes have one instead of two.
fn has_other_contacts(model: &Model, numbers: &Numbers) -> bool {
    let list = |key: &str| numbers[key].clone();
    let state = State { qpos: list("qpos"), qvel: list("qvel"), warm: list("warm") };
    let contacts = forward(model, &state, &list("control"), CONVERGED).constraints.contacts;
    let capsules = |pair: usize| model.pairs[pair].geoms.iter().all(|&geom| model.geoms[geom].shape == Shape::Capsule);
    let pairs = contacts.iter().filter(|contact| contact.active && capsules(contact.pair)).map(|contact| contact.pair);
    let pairs: Vec<usize> = pairs.collect();
    pairs.windows(2).any(|two| two[0] == two[1])
}

/// One step of every state of a fixture: the largest error of the solver's acceleration and of the one that velocities changed by, over the
/// largest of the accelerations that cancel in them: without constraints, and of their references. Of the latter the last bit of
/// a velocity, over the time step, is no error.
fn error(on: On, model: &Model, states: &[Numbers]) -> f64 {
    let mut engine = engine(on);
    let start = |numbers: &Numbers| {
        let list = |key: &str| numbers[key].clone();
        State { qpos: list("qpos"), qvel: list("qvel"), warm: list("warm") }
    };
    let starts: Vec<State<f64>> = states.iter().map(start).collect();
    let controls: Vec<f32> = states.iter().flat_map(|numbers| numbers["control"].iter().map(|&u| u as f32)).collect();
    let simulator = Simulator::new(&mut engine, model, states.len() as u32, 1, false).unwrap();
    let mut recording = Recording::new();
    simulator.record_states(&mut recording, &States::of(starts.iter()));
    simulator.record_controls(&mut recording, &controls);
    simulator.record_steps(&mut recording, 0, 1);
    engine.submit(&recording).unwrap();
    let ends = simulator.read_states(&mut engine).unwrap();
    let (h, nv) = (model.options.timestep, model.nv());
    let of = |(row, numbers): (usize, &Numbers)| {
        let wide = |values: &[f32]| -> Vec<f64> { values[row * nv..][..nv].iter().map(|&x| f64::from(x)).collect() };
        let change = |after: &[f64]| -> Vec<f64> {
            after.iter().zip(&numbers["qvel"]).map(|(now, then)| (now - then) / h).collect()
        };
        let want = change(&numbers["next_qvel"]);
        let parts = numbers["smooth"].iter().chain(&numbers["reference"]).chain(&want);
        let scale = parts.fold(1e-3, |largest: f64, x| largest.max(x.abs()));
        let fastest = numbers["qvel"].iter().chain(&numbers["next_qvel"]).fold(0.0, |most: f64, v| most.max(v.abs()));
        let bit = fastest * f64::from(f32::EPSILON) / h / scale;
        let change = difference(&change(&wide(&ends.qvel)), &want, scale) - bit;
        match model.options.integrator {
            // The last acceleration of such a step is that of its last stage.
            Integrator::RungeKutta4 => change,
            _ => change.max(difference(&wide(&ends.warm), &numbers["acceleration"], scale)),
        }
    };
    states.iter().enumerate().map(of).fold(0.0, f64::max)
}

fn a_step_from_mujoco_s_states_has_its_acceleration_to_1e_4(on: On) {
    let mut wrong = Vec::new();
    for (name, model, fixture) in models() {
        let all = fixture.states.len();
        let states: Vec<Numbers> =
            fixture.states.into_iter().filter(|numbers| !has_other_contacts(&model, numbers)).collect();
        assert!(
            states.len() == all || ["runner", "shapes"].contains(&name),
            "{name}: {} of {all} states",
            states.len()
        );
        assert!(2 * states.len() >= all, "{name}: {} of {all} states", states.len());
        let error = error(on, &model, &states);
        println!("{name}: {error:.1e}, {} of {all} states", states.len());
        if error > 1e-4 {
            wrong.push(format!("{name}: {error:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn a_lost_armature_and_a_flipped_sign_of_friction_are_seen_on_an_adapter(on: On) {
    let (mut model, mut states) = (own("arm"), fixture("arm").states);
    assert!(error(on, &model, &states) < 1e-4);
    for numbers in &mut states {
        let flipped = acceleration(&model, numbers, true);
        numbers.insert("acceleration".into(), flipped);
    }
    assert!(error(on, &model, &states) > 1e-3, "numbers with friction that drives pass");
    model.dofs.iter_mut().for_each(|dof| dof.armature = 0.0);
    assert!(error(on, &model, &fixture("arm").states) > 1e-3, "a model without its armature passes");
}

/// Starts of all kinds: joints around the model's configuration, in their ranges, with some velocity.
fn starts(model: &Model, count: usize, seed: u64) -> Vec<State<f64>> {
    let key = Key { seed, stream: 0, iteration: 0 };
    let start = |row: usize| {
        let draw = |lane: usize| f64::from(key.uniform(0, row as u32, lane as u32));
        let mut state = State::initial(model);
        for (index, joint) in model.joints.iter().enumerate() {
            if matches!(joint.kind, JointKind::Slide | JointKind::Hinge) {
                let around = state.qpos[joint.qpos];
                let [low, high] = joint.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                let (low, high) = (low.max(around - 0.3), high.min(around + 0.3));
                state.qpos[joint.qpos] = low + (high - low) * draw(index);
            }
        }
        for (index, v) in state.qvel.iter_mut().enumerate() {
            *v = 0.2 * (draw(1000 + index) - 0.5);
        }
        state
    };
    (0..count).map(start).collect()
}

/// Controls in the motors' ranges, `[steps][count][nu]`, another draw every fifth step.
fn controls(model: &Model, steps: usize, count: usize) -> Vec<f64> {
    let key = Key { seed: 5, stream: 0, iteration: 0 };
    let one = |step: usize, row: usize, lane: usize| {
        let [low, high] = model.actuators[lane].control_range.unwrap_or([-1.0, 1.0]);
        low + (high - low) * f64::from(key.uniform(step as u32 / 5, row as u32, lane as u32))
    };
    let rows = (0..steps).flat_map(|step| (0..count).map(move |row| (step, row)));
    rows.flat_map(|(step, row)| (0..model.nu()).map(move |lane| one(step, row, lane))).collect()
}

/// Configurations after each step on an adapter and in f64. `[count][steps][nq]`
fn both(on: On, model: &Model, count: usize, steps: usize) -> [Vec<f64>; 2] {
    let (starts, controls) = (starts(model, count, 3), controls(model, steps, count));
    let nu = model.nu();
    let control = |row: usize, step: usize| &controls[(step * count + row) * nu..][..nu];
    let mut engine = engine(on);
    let simulator = Simulator::for_roll(&mut engine, model, count, steps).unwrap();
    let got = simulator.roll(&mut engine, &starts, steps, control, &mut |_| ()).unwrap();
    [got.qpos, rollout(model, &starts, steps, CONVERGED, control).unwrap().qpos]
}

fn a_hundred_steps_stay_within_1e_4_of_f64(on: On) {
    const MODELS: [&str; 11] = [
        "pendulum",
        "cartpole",
        "acrobot",
        "point_mass",
        "reacher",
        "ball_in_cup",
        "finger",
        "cheetah",
        "hopper",
        "fish",
        "swimmer",
    ];
    let worst = |name: &str| {
        let [got, want] = both(on, &environment(name).unwrap(), 8, 100);
        let errors = got.iter().zip(&want).map(|(a, b)| (a - b).abs());
        (name.to_string(), errors.fold(0.0, f64::max))
    };
    let errors: Vec<(String, f64)> = MODELS.into_iter().map(worst).collect();
    assert!(errors.iter().all(|(_, error)| *error < 1e-4), "{errors:?}");
}

/// Single trajectories part from each other after a few contacts, whatever the precision: their distribution does not.
fn walkers_are_distributed_as_in_f64(on: On) {
    let (model, count, steps) = (environment("walker").unwrap(), 256, 100);
    let found = both(on, &model, count, steps);
    for k in 0..model.nq() {
        let [got, want] = found.each_ref().map(|path| {
            let mut ends: Vec<f64> = (0..count).map(|row| path[(row * steps + steps - 1) * model.nq() + k]).collect();
            ends.sort_by(f64::total_cmp);
            ends
        });
        let mean = |ends: &[f64]| ends.iter().sum::<f64>() / count as f64;
        let deviation = (want.iter().map(|x| (x - mean(&want)).powi(2)).sum::<f64>() / count as f64).sqrt();
        let close = |what: &str, a: f64, b: f64| {
            assert!((a - b).abs() < 1e-2 * deviation, "qpos {k}, {what}: {a}, expected {b} (deviation {deviation})");
        };
        close("mean", mean(&got), mean(&want));
        for quantile in [5, 25, 50, 75, 95] {
            let at = quantile * count / 100;
            close(&format!("{quantile} %"), got[at], want[at]);
        }
    }
}

/// So many steps with all controls at 0.5.
fn ends(on: On, model: &Model, starts: &[State<f64>], steps: usize) -> States {
    let mut engine = engine(on);
    let simulator = Simulator::new(&mut engine, model, starts.len() as u32, 1, false).unwrap();
    let mut recording = Recording::new();
    simulator.record_states(&mut recording, &States::of(starts.iter()));
    simulator.record_controls(&mut recording, &vec![0.5; starts.len() * model.nu()]);
    (0..steps).for_each(|_| simulator.record_steps(&mut recording, 0, 1));
    engine.submit(&recording).unwrap();
    simulator.read_states(&mut engine).unwrap()
}

fn a_state_moves_alike_in_any_batch_at_any_place_and_again(on: On) {
    for name in ["cheetah", "fish"] {
        let model = environment(name).unwrap();
        let (nq, nv) = (model.nq(), model.nv());
        // More than a workgroup, and not whole ones.
        let starts = starts(&model, 150, 1);
        let whole = ends(on, &model, &starts, 20);
        assert_eq!(ends(on, &model, &starts, 20), whole, "{name}, again");
        let mut reversed = starts.clone();
        reversed.reverse();
        let reversed = ends(on, &model, &reversed, 20);
        for row in 0..150 {
            let other = 149 - row;
            assert_eq!(whole.qpos[row * nq..][..nq], reversed.qpos[other * nq..][..nq], "{name}, state {row}");
            assert_eq!(whole.qvel[row * nv..][..nv], reversed.qvel[other * nv..][..nv], "{name}, state {row}");
        }
        let few = ends(on, &model, &starts[..3], 20);
        assert_eq!(few.qpos, whole.qpos[..3 * nq], "{name}, a batch of 3");
        assert_eq!(few.warm, whole.warm[..3 * nv], "{name}, a batch of 3");
    }
}

fn random_controls_leave_all_states_finite_and_all_solutions_converged(on: On) {
    for name in ["cheetah", "hopper", "walker", "finger", "ball_in_cup"] {
        let model = environment(name).unwrap();
        let (count, steps, nu) = (64, 100, model.nu());
        let controls = controls(&model, steps, count);
        let mut engine = engine(on);
        let simulator = Simulator::for_roll(&mut engine, &model, count, steps).unwrap();
        let control = |row: usize, step: usize| &controls[(step * count + row) * nu..][..nu];
        // A state that is not finite is an error.
        let found = simulator.roll(&mut engine, &starts(&model, count, 9), steps, control, &mut |_| ()).unwrap();
        assert!(found.most_iterations <= limits(&model).iterations, "{name}: {} iterations", found.most_iterations);
        assert!(found.most_iterations > 1, "{name}: nothing to solve");
        assert!(found.not_converged == 0, "{name}: {} not converged", found.not_converged);
    }
}

/// Six balls on rails, 0.3 apart; each may touch every other one.
fn crowd() -> Model {
    let ball = |index: usize| {
        format!(
            "<body pos=\"{} 0 0\"><joint type=\"slide\" axis=\"1 0 0.1\"/><geom size=\"0.1\" mass=\"{}\"/></body>",
            0.3 * index as f64,
            1.0 + 0.3 * index as f64
        )
    };
    let balls: String = (0..6).map(ball).collect();
    let hub = "<joint axis=\"0 1 0\"/><geom size=\"0.05\" mass=\"2\" contype=\"0\" conaffinity=\"0\"/>";
    let text = format!("<mujoco><worldbody><body>{hub}{balls}</body></worldbody></mujoco>");
    mjcf::parse(&text, "crowd.xml").unwrap()
}

fn contacts_of_a_crowd_are_those_of_f64_up_to_its_places_and_more_are_counted(on: On) {
    let model = crowd();
    assert_eq!(model.crowds.iter().map(|crowd| (crowd.pairs.len(), crowd.places)).collect::<Vec<_>>(), [(15, 4)]);
    // So many gaps are closed: ball k has come nearer by 0.11 k; at last every ball is inside every other one.
    let start = |closed: usize| {
        let mut state = State::initial(&model);
        for ball in 0..6 {
            let nearer = if closed > 5 { 0.28 * ball as f64 } else { 0.11 * ball.min(closed) as f64 };
            state.qpos[1 + ball] = -nearer;
            state.qvel[1 + ball] = 0.1 * (ball as f64 - 2.0);
        }
        state
    };
    let starts: Vec<State<f64>> = (0..=6).map(start).collect();
    let found = ends(on, &model, &starts, 1);
    assert_eq!(found.left_out, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    for (closed, state) in starts.iter().enumerate().take(5) {
        let exact = forward(&model, state, &[], CONVERGED);
        let contacts = exact.constraints.contacts.iter().filter(|contact| contact.active).count();
        assert_eq!((contacts, found.not_converged[closed]), (closed, 0.0));
        let got: Vec<f64> = found.warm[closed * 7..][..7].iter().map(|&x| f64::from(x)).collect();
        let scale = exact.solution.acceleration.iter().fold(1e-3, |most: f64, a| most.max(a.abs()));
        let error = difference(&got, &exact.solution.acceleration, scale);
        assert!(error < 1e-4, "{contacts} contacts: {error:.1e}");
    }
}

/// Friction of at most 1e-3 takes 0.01 m/s a second.
fn a_ball_without_friction_glides_over_the_floor(on: On) {
    for cone in ["pyramidal", "elliptic"] {
        let text = format!(
            "<mujoco><option cone=\"{cone}\"/><worldbody><geom type=\"plane\" size=\"5 5 1\" friction=\"0\"/><body pos=\"0 0 0.1\"><freejoint/>
             <geom size=\"0.1\" friction=\"0\"/></body></worldbody></mujoco>"
        );
        let model = mjcf::parse(&text, "glide.xml").unwrap();
        let mut start = State::initial(&model);
        start.qvel[0] = 1.0;
        let exact = rollout(&model, std::slice::from_ref(&start), 100, CONVERGED, |_, _| &[]).unwrap();
        let (qpos, qvel) = (&exact.qpos[exact.qpos.len() - 7..], &exact.qvel[exact.qvel.len() - 6..]);
        assert!((qvel[0] - 1.0).abs() < 1e-4 && (qpos[2] - 0.1).abs() < 1e-3, "{cone}: {qpos:?} {qvel:?}");
        let found = ends(on, &model, &[start], 100);
        assert!((found.qvel[0] - 1.0).abs() < 3e-3, "{cone}: {:?}", found.qvel);
        // A pyramid's softness depends on its friction.
        assert!((f64::from(found.qpos[2]) - qpos[2]).abs() < 1e-4, "{cone}: {:?}", found.qpos);
    }
}
