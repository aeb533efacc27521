//! Generated programs on the adapter against the f64 reference executor: stores, batch means and gradients.

mod common;

use common::device::{On, on_both_engines};
use common::fresh::Fresh;
use common::programs::{Case, check};
use common::twins;
use flowmill::algo::{Algorithm, PolicyFlowConfig, PpoConfig, Spaces, Squash};
use flowmill::flow::{Path, TimeSampling};
use flowmill::fuse::Target;
use flowmill::ir::{Binary, Builder, Graph, NodeId, Unary};
use flowmill::nn::Activation;

on_both_engines!(
    every_elementwise_op_matches,
    shapes_sums_tables_and_draws_match,
    networks_of_odd_widths_and_their_gradients_match,
    wide_networks_and_their_gradients_match,
    unrolled_loops_match,
    loops_and_gradients_through_them_match,
    policyflow_and_ppo_programs_match,
    programs_with_normalised_observations_and_squashed_actions_match,
    quadruped_sampler_and_update_match_to_1e_4,
);

/// The design limits, the software driver's shape, and so little workgroup memory that nearly everything spills. Loops
/// stay rolled, which a software driver compiles much faster; `unrolled_loops_match` covers the other form.
const TARGETS: [Target; 3] = [
    Target { rolled: true, ..Target::PORTABLE },
    Target::SOFTWARE,
    Target { workgroup_bytes: 1 << 10, invocations: 64, rolled: true, ..Target::PORTABLE },
];

fn check_all(on: On, graphs: &[Graph], rows: &[u32], shuffle: bool, tolerance: f64) {
    check_on(on, &TARGETS, graphs, rows, shuffle, tolerance);
}

/// On a GPU for each of `targets`. The CPU engine has one target of its own; before it, its twins run by themselves with
/// every instruction set, in whole and broken tiles.
fn check_on(on: On, targets: &[Target], graphs: &[Graph], rows: &[u32], shuffle: bool, tolerance: f64) {
    let targets = if on == On::Cpu { &[Target::CPU] } else { targets };
    let mut fresh = Fresh::new(7);
    for graph in graphs.iter().filter(|_| on == On::Cpu) {
        for &rows in [1, 63, 64, 65, 130].iter().chain(rows) {
            for shuffle in [None, shuffle.then_some(rows + 5)] {
                if let Err(report) = twins::check(graph, rows, shuffle, &mut fresh, tolerance) {
                    panic!("twin: {report}");
                }
            }
        }
    }
    let mut engine = on.engine();
    for graph in graphs {
        for &target in targets {
            for (i, &rows) in rows.iter().enumerate() {
                let shuffle = shuffle.then_some(rows + 5 * i as u32);
                let case = Case { target, rows, shuffle, slices: [1, 3][i % 2] };
                if let Err(report) = check(&mut engine, graph, case, &mut fresh, tolerance) {
                    panic!("{on}, {target:?}, {rows} rows: {report}");
                }
            }
        }
    }
}

fn every_elementwise_op_matches(on: On) {
    let mut g = Builder::new("elementwise");
    let x = g.input("x", 5);
    let y = g.input("y", 5);
    let s = g.input("s", 1);
    let u = g.uniform("scale");
    let p = g.param("offset", 1, 5, false);
    let p = g.vector(p);
    let all = [
        Unary::Neg,
        Unary::Exp,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Abs,
        Unary::Sign,
        Unary::Floor,
        Unary::Relu,
        Unary::Elu,
        Unary::EluSlope,
        Unary::Silu,
        Unary::SiluSlope,
        Unary::Mish,
        Unary::MishSlope,
    ];
    for f in all {
        let v = g.unary(f, x);
        let v = g.add(v, p);
        g.store(&format!("{f:?}"), v);
        let scalar = g.unary(f, s);
        let scalar = g.mul(scalar, u);
        g.store(&format!("{f:?}_1"), scalar);
    }
    let positive = g.square(x);
    let positive = g.offset(positive, 0.5);
    for f in [Unary::Log, Unary::Sqrt, Unary::Recip] {
        let v = g.unary(f, positive);
        g.store(&format!("{f:?}"), v);
    }
    for f in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Min, Binary::Max, Binary::Less] {
        let v = g.binary(f, x, y);
        let v = g.mul(v, u);
        g.store(&format!("{f:?}"), v);
        let broadcast = g.binary(f, x, s);
        g.store(&format!("{f:?}_broadcast"), broadcast);
    }
    let v = g.div(x, positive);
    g.store("Div", v);
    let c = g.less(x, y);
    let v = g.select(c, y, p);
    g.store("Select", v);
    check_all(on, &[g.finish().unwrap()], &[1, 37], false, 2e-5);
}

fn shapes_sums_tables_and_draws_match(on: On) {
    let mut g = Builder::new("shapes");
    let x = g.input("x", 7);
    let index = g.input("index", 1);
    let table = g.param("table", 3, 6, true);
    let (a, b) = (g.slice(x, 1, 3), g.slice(x, 4, 3));
    let sines = g.sin(b);
    let joined = g.concat(&[sines, a]);
    let row = g.gather(table, index);
    let mixed = g.mul(joined, row);
    let hot = g.one_hot(index, 3);
    let hot = g.mul(hot, a);
    let total = g.sum(mixed);
    let hot_total = g.sum(hot);
    let normal = g.normal(5, 3);
    let uniform = g.uniform_draw(6, 1);
    let normals = g.mul(normal, a);
    let noisy = g.add(total, uniform);
    let loss = g.mul(noisy, hot_total);
    g.store("joined", joined);
    g.store("mixed", mixed);
    g.store("normals", normals);
    g.store("uniform", uniform);
    g.mean("loss", loss);
    g.mean("total", total);
    g.differentiate(loss);
    check_all(on, &[g.finish().unwrap()], &[5, 64, 133], false, 5e-5);
}

/// A network `x -> widths`, squared error to `y`, differentiated.
fn network(widths: &[usize], activation: Unary) -> Graph {
    let mut g =
        Builder::new(&format!("network_{}", widths.iter().map(|w| w.to_string()).collect::<Vec<_>>().join("_")));
    let mut h = g.input("x", widths[0]);
    for (i, pair) in widths.windows(2).enumerate() {
        let w = g.param(&format!("w{i}"), pair[0], pair[1], true);
        let b = g.param(&format!("b{i}"), 1, pair[1], true);
        h = g.dense(h, w, Some(b));
        if i + 2 < widths.len() {
            h = g.unary(activation, h);
        }
    }
    let y = g.input("y", widths[widths.len() - 1]);
    let error = g.sub(h, y);
    let error = g.square(error);
    let loss = g.sum(error);
    g.store("output", h);
    g.mean("loss", loss);
    g.differentiate(loss);
    g.finish().unwrap()
}

fn networks_of_odd_widths_and_their_gradients_match(on: On) {
    let graphs = [
        network(&[3, 5, 1], Unary::Tanh),
        network(&[1, 33, 31, 2], Unary::Mish),
        network(&[6, 12, 9, 7, 3], Unary::Elu),
    ];
    check_all(on, &graphs, &[1, 70], true, 1e-4);
}

fn wide_networks_and_their_gradients_match(on: On) {
    let graphs = [
        network(&[129, 130, 65], Unary::Silu),
        network(&[10, 512, 3], Unary::Relu),
        network(&[8, 256, 256, 4], Unary::Mish),
    ];
    check_all(on, &graphs, &[33], true, 3e-4);
}

/// Midpoint RK2 of a small velocity network, differentiated through the loop.
fn flow(width: usize, hidden: usize, steps: u32) -> Graph {
    let mut g = Builder::new("flow");
    let obs = g.input("obs", 3);
    let z = g.normal(9, width);
    let (wx, wo) = (g.param("wx", width, hidden, true), g.param("wo", 3, hidden, true));
    let (b, w, c) = (g.param("b", 1, hidden, true), g.param("w", hidden, width, true), g.param("c", 1, width, true));
    let wb = g.vector(b);
    let velocity = |g: &mut Builder, x: NodeId, t: NodeId| {
        let a = g.dense(x, wx, None);
        let s = g.dense(obs, wo, None);
        let h = g.add(a, s);
        let tb = g.mul(wb, t);
        let h = g.add(h, tb);
        let h = g.mish(h);
        g.dense(h, w, Some(c))
    };
    let dt = 1.0 / steps as f32;
    let end = g.repeat(steps, &[z], |g, i, x| {
        let t = g.scale(i, dt);
        let k1 = velocity(g, x[0], t);
        let half = g.scale(k1, 0.5 * dt);
        let middle = g.add(x[0], half);
        let tm = g.offset(t, 0.5 * dt);
        let k2 = velocity(g, middle, tm);
        let whole = g.scale(k2, dt);
        vec![g.add(x[0], whole)]
    });
    let square = g.square(end[0]);
    let loss = g.sum(square);
    g.store("end", end[0]);
    g.mean("loss", loss);
    g.differentiate(loss);
    g.finish().unwrap()
}

fn unrolled_loops_match(on: On) {
    let targets = [Target::PORTABLE, Target { rolled: false, ..Target::SOFTWARE }];
    check_on(on, &targets, &[network(&[3, 6, 5, 2], Unary::Mish), flow(2, 5, 2)], &[9], false, 2e-4);
}

fn loops_and_gradients_through_them_match(on: On) {
    check_all(on, &[flow(2, 13, 3), flow(1, 4, 2)], &[3, 41], false, 2e-4);
}

fn policyflow_and_ppo_programs_match(on: On) {
    let spaces = Spaces { observation: 5, action: 3 };
    let mut config = PolicyFlowConfig::default();
    config.train.hidden = vec![18, 9];
    config.embedding = 16;
    config.flow_steps = 3;
    let ppo = PpoConfig { train: config.train.clone(), ..PpoConfig::default() };
    for algorithm in [Algorithm::PolicyFlow(config), Algorithm::Ppo(ppo)] {
        let agent = algorithm.agent(spaces, 3).unwrap();
        let prepared = agent.prepare.iter().map(|p| p.graph.clone());
        let whole: Vec<Graph> =
            prepared.chain([agent.act.clone(), agent.act_zero.clone(), agent.value.clone()]).collect();
        check_all(on, &whole, &[2, 50], false, 1e-4);
        check_all(on, std::slice::from_ref(&agent.update), &[2, 90], true, 1e-3);
    }
}

/// A clip that some observations reach; both ways to squash.
fn programs_with_normalised_observations_and_squashed_actions_match(on: On) {
    let mut config = PolicyFlowConfig { embedding: 8, flow_steps: 2, ..PolicyFlowConfig::default() };
    config.train.hidden = vec![7];
    (config.train.normalize_observations, config.train.observation_clip) = (true, 1.5);
    config.train.squash_actions = Squash::Tanh;
    let mut ppo = PpoConfig { train: config.train.clone(), ..PpoConfig::default() };
    ppo.train.squash_actions = Squash::Clip;
    for algorithm in [Algorithm::PolicyFlow(config), Algorithm::Ppo(ppo)] {
        let agent = algorithm.agent(Spaces { observation: 5, action: 3 }, 3).unwrap();
        let whole = [agent.act.clone(), agent.act_zero.clone(), agent.value.clone()];
        check_on(on, &TARGETS[1..], &whole, &[37], false, 1e-4);
        check_on(on, &TARGETS[1..], std::slice::from_ref(&agent.update), &[50], true, 1e-3);
    }
}

/// The quadruped shape: observation 48, action 12, hidden 128-128-128, embedding 64, 12 steps.
fn quadruped_sampler_and_update_match_to_1e_4(on: On) {
    let mut config = PolicyFlowConfig::default();
    config.train.hidden = vec![128, 128, 128];
    config.embedding = 64;
    config.flow_steps = 12;
    let agent = Algorithm::PolicyFlow(config).agent(Spaces { observation: 48, action: 12 }, 5).unwrap();
    check_on(on, &[Target::SOFTWARE], &[agent.act], &[7], false, 1e-4);
    check_on(on, &[Target::SOFTWARE], &[agent.update], &[37], true, 1e-4);
}

/// What the defaults leave out: other activations, several times a row, continuous times, the annealed residual, no base
/// noise, and the twin alone.
#[test]
fn twins_of_policyflow_variants_match() {
    let base = {
        let mut config = PolicyFlowConfig { embedding: 16, flow_steps: 2, ..PolicyFlowConfig::default() };
        config.train.hidden = vec![7, 5];
        config
    };
    let activated = |activation| {
        let mut config = base.clone();
        config.train.activation = activation;
        config
    };
    let mut configs: Vec<PolicyFlowConfig> = Activation::ALL.iter().map(|a| activated(*a)).collect();
    configs.extend([
        PolicyFlowConfig { time_sampling: TimeSampling::MultiUsd, multi_times: 3, ..base.clone() },
        PolicyFlowConfig { time_sampling: TimeSampling::Usc, ..base.clone() },
        PolicyFlowConfig { path: Path::Interpolant, ..base.clone() },
        PolicyFlowConfig { w_b_decay_iterations: 8, ..base.clone() },
        PolicyFlowConfig { degenerate_gaussian: true, ..base },
    ]);
    let mut fresh = Fresh::new(8);
    for config in configs {
        let agent = Algorithm::PolicyFlow(config.clone()).agent(Spaces { observation: 5, action: 3 }, 3).unwrap();
        for (graph, shuffle) in [(&agent.act, None), (&agent.update, Some(103))] {
            twins::check(graph, 97, shuffle, &mut fresh, 1e-3).unwrap_or_else(|e| panic!("{config:?}: {e}"));
        }
    }
}

#[test]
fn carried_values_that_change_places_and_constants_that_leave_match() {
    let mut g = Builder::new("places");
    let (x, y) = (g.input("x", 3), g.input("y", 3));
    let p = g.param("p", 1, 3, false);
    let p = g.vector(p);
    let end = g.repeat(3, &[x, y, p], |g, i, v| {
        let moved = g.add(v[0], i);
        let mixed = g.mul(v[2], i);
        let mixed = g.add(moved, mixed);
        vec![v[1], mixed, v[0]]
    });
    let joined = g.concat(&[end[0], p, end[1], x]);
    let doubled = g.add(joined, joined);
    let total = g.sum(p);
    let both = g.concat(&[total, total]);
    for (name, value) in
        [("end", end[2]), ("doubled", doubled), ("joined", joined), ("p", p), ("total", both), ("x", x)]
    {
        g.store(name, value);
    }
    twins::check(&g.finish().unwrap(), 67, None, &mut Fresh::new(9), 1e-5).unwrap();
}
