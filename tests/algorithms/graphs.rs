//! The graphs of an agent against each other: rollout against update, folded against direct, PolicyFlow against PPO.

use std::collections::HashMap;

use flowmill::algo::{Agent, Algorithm, GradientProblem, PolicyFlowConfig, PpoConfig, Source, Spaces, TensorFile};
use flowmill::algo::{TrainConfig, ValueLoss, stream};
use flowmill::flow::{Path, TimeSampling};
use flowmill::ir::{Bindings, Outputs, execute};
use flowmill::nn::{Activation, OutputInit};

use crate::support::{Tensors, assert_close, draw, normals, ready, run, unit};

const SPACES: Spaces = Spaces { observation: 4, action: 2 };
const ROWS: usize = 40;

fn train() -> TrainConfig {
    TrainConfig {
        hidden: vec![9, 7],
        activation: Activation::Mish,
        value_loss: ValueLoss::ClippedMax,
        init_std: 0.7,
        ..PolicyFlowConfig::default().train
    }
}

fn flow_config() -> PolicyFlowConfig {
    PolicyFlowConfig {
        train: train(),
        embedding: 16,
        flow_steps: 5,
        output_init: OutputInit::Glorot,
        w_b: 0.25,
        ..PolicyFlowConfig::default()
    }
}

fn flow_agent(config: &PolicyFlowConfig) -> Agent {
    Algorithm::PolicyFlow(config.clone()).agent(SPACES, 3).unwrap()
}

/// The rollout's outputs, and the inputs of an update made from them as the trainer would.
fn roll_out(agent: &Agent, params: &Tensors) -> (Outputs, Tensors) {
    let obs = normals(11, ROWS * SPACES.observation);
    let rollout = run(&agent.act, HashMap::from([("obs".to_string(), obs.clone())]), params, ROWS);
    let source = |source: &Source| match source {
        Source::Observation => obs.clone(),
        Source::Rollout(field) => rollout.stores[field].clone(),
        Source::Advantage => normals(12, ROWS),
        Source::Return => normals(13, ROWS),
    };
    let batch = agent.batch.iter().map(|(name, s)| (name.clone(), source(s))).collect();
    (rollout, batch)
}

/// The configuration as a file of `flowmill gradient` states it.
struct AsFile<'a>(&'a PolicyFlowConfig, &'a Agent);

impl TensorFile for AsFile<'_> {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.1.tensors.iter().find(|t| t.name == name).map(|t| vec![t.rows, t.cols])
    }
    fn scalar(&self, name: &str) -> Option<f64> {
        let (config, train) = (self.0, &self.0.train);
        Some(match name {
            "clip" => train.clip,
            "value_clip" => train.value_clip,
            "value_coef" => train.value_coef,
            "w_b" => config.w_b,
            "w_g" => config.w_g,
            "n_steps" => config.flow_steps as f64,
            "path" => Path::ALL.iter().position(|p| *p == config.path)? as f64,
            "brownian" | "entropy" | "value_mode" | "act" => 0.0,
            _ => return None,
        })
    }
}

/// The loss evaluated directly, at the times `t` and with the interpolant's noise as the update draws it.
fn direct(
    config: &PolicyFlowConfig,
    agent: &Agent,
    params: &Tensors,
    batch: &Tensors,
    t: &[f64],
    visit: usize,
) -> Outputs {
    let problem = GradientProblem::policyflow(&AsFile(config, agent)).unwrap();
    let mut inputs = batch.clone();
    inputs.insert("n".into(), batch["noise"].clone());
    inputs.insert("t".into(), t.to_vec());
    let d = SPACES.action;
    let xi = |i: usize| draw(flowmill::ir::DrawKind::Normal, stream::INTERPOLANT, i / d, visit * d + i % d);
    inputs.insert("xi".into(), (0..ROWS * d).map(xi).collect());
    run(&problem.graph, inputs, params, ROWS)
}

/// Time of lane `lane` of a row on the grid, as the update draws it.
fn grid_times(config: &PolicyFlowConfig, lane: usize) -> Vec<f64> {
    let last = 2 * config.flow_steps;
    let node = |row| (unit(3, stream::TIME, row, lane) * (last + 1) as f64).floor();
    (0..ROWS).map(|row| node(row) * config.path.horizon() / last as f64).collect()
}

const TERMS: [&str; 8] = ["loss", "loss_pi", "loss_g", "loss_b", "loss_v", "kl", "clip_fraction", "std"];

#[test]
fn the_update_equals_the_direct_loss_on_every_path_and_time_sampling() {
    for path in Path::ALL {
        for sampling in [TimeSampling::Usd, TimeSampling::Usc] {
            let config = PolicyFlowConfig { path: *path, time_sampling: sampling, ..flow_config() };
            let agent = flow_agent(&config);
            let params = ready(&agent, 0.05);
            let (_, batch) = roll_out(&agent, &params);
            let times = match sampling {
                TimeSampling::Usc => {
                    (0..ROWS).map(|row| unit(3, stream::TIME, row, 0) * path.horizon()).collect::<Vec<_>>()
                }
                _ => grid_times(&config, 0),
            };
            let update = run(&agent.update, batch.clone(), &params, ROWS);
            let direct = direct(&config, &agent, &params, &batch, &times, 0);
            for term in TERMS {
                let what = format!("{path} {sampling} {term}");
                assert_close(&what, &[update.means[term]], &[direct.means[term]], 1e-11, 1e-3);
            }
            assert!(direct.means["kl"].abs() > 1e-4, "the policies differ");
            assert_eq!(update.grads.len(), agent.tensors.iter().filter(|t| t.trained).count());
            for (name, want) in &direct.grads {
                assert_close(&format!("{path} {sampling} {name}"), &update.grads[name], want, 1e-10, 1e-6);
            }
        }
    }
}

#[test]
fn several_times_average_the_ratios() {
    for path in [Path::Rectified, Path::Interpolant] {
        let config = PolicyFlowConfig { path, time_sampling: TimeSampling::MultiUsd, multi_times: 3, ..flow_config() };
        let agent = flow_agent(&config);
        let params = ready(&agent, 0.05);
        let (_, batch) = roll_out(&agent, &params);
        let update = run(&agent.update, batch.clone(), &params, ROWS);
        let visits: Vec<_> =
            (0..3).map(|k| direct(&config, &agent, &params, &batch, &grid_times(&config, k), k)).collect();
        let mean = |term: &str| visits.iter().map(|v| v.means[term]).sum::<f64>() / 3.0;
        for term in ["loss_b", "kl", "loss_g", "loss_v"] {
            assert_close(term, &[update.means[term]], &[mean(term)], 1e-11, 1e-3);
        }
        let objective = |row: usize| {
            let ratio = visits.iter().map(|v| v.stores["rho"][row]).sum::<f64>() / 3.0;
            let advantage = batch["adv"][row];
            (ratio * advantage).min(ratio.clamp(0.8, 1.2) * advantage)
        };
        let want = -(0..ROWS).map(objective).sum::<f64>() / ROWS as f64;
        assert_close("loss_pi", &[update.means["loss_pi"]], &[want], 1e-7, 0.0);
    }
}

#[test]
fn in_f64_the_direct_graph_has_ratio_one_and_every_graph_the_offset_as_divergence_while_the_policies_agree() {
    let config = flow_config();
    let agent = flow_agent(&config);
    let params = ready(&agent, 0.0);
    let (_, batch) = roll_out(&agent, &params);
    let direct = direct(&config, &agent, &params, &batch, &grid_times(&config, 0), 0);
    assert!(direct.stores["rho"].iter().all(|ratio| *ratio == 1.0));
    let offset = SPACES.action as f64 * (1e-5f32 as f64).ln_1p();
    for outputs in [direct, run(&agent.update, batch, &params, ROWS)] {
        assert!((outputs.means["kl"] - offset).abs() < 1e-12, "{} {offset}", outputs.means["kl"]);
        assert_eq!(outputs.means["clip_fraction"], 0.0);
    }
    let ppo = Algorithm::Ppo(PpoConfig { train: train(), ..PpoConfig::default() }).agent(SPACES, 3).unwrap();
    let params = ready(&ppo, 0.0);
    let (rollout, batch) = roll_out(&ppo, &params);
    let update = run(&ppo.update, batch.clone(), &params, ROWS);
    assert!((update.means["kl"] - offset).abs() < 1e-12);
    let mean = |x: &[f64]| x.iter().sum::<f64>() / ROWS as f64;
    assert!((update.means["loss_pi"] + mean(&batch["adv"])).abs() < 1e-13);
    assert!(rollout.stores["mu"] != rollout.stores["action"]);
}

#[test]
fn the_folded_flow_of_the_rollout_ends_where_the_direct_one_does() {
    for path in Path::ALL {
        let config = PolicyFlowConfig { path: *path, ..flow_config() };
        let agent = flow_agent(&config);
        let params = ready(&agent, 0.0);
        let (rollout, batch) = roll_out(&agent, &params);
        let direct = direct(&config, &agent, &params, &batch, &[0.0; ROWS], 0);
        assert_close(path.word(), &rollout.stores["phi1"], &direct.stores["phi1_new"], 1e-12, 0.0);
        let moved: f64 = rollout.stores["phi1"].iter().zip(&rollout.stores["z"]).map(|(a, b)| (a - b).abs()).sum();
        assert!(moved > 1.0, "the flow moves something");
        let sum: Vec<f64> = rollout.stores["phi1"].iter().zip(&rollout.stores["noise"]).map(|(a, n)| a + n).collect();
        assert_close("action", &rollout.stores["action"], &sum, 1e-15, 0.0);
        let value = HashMap::from([("obs".to_string(), batch["obs"].clone())]);
        let value = run(&agent.value, value, &params, ROWS);
        assert_close("value", &rollout.stores["value"], &value.stores["value"], 1e-15, 0.0);
    }
}

#[test]
fn the_annealing_factor_scales_the_brownian_term_alone() {
    let config = PolicyFlowConfig { w_b_decay_iterations: 8, ..flow_config() };
    let agent = flow_agent(&config);
    assert_eq!(agent.uniforms.len(), 1);
    let (name, anneal) = &agent.uniforms[0];
    assert_eq!((anneal.at(0), anneal.at(2), anneal.at(8), anneal.at(100)), (1.0, 0.75, 0.0, 0.0));
    let params = ready(&agent, 0.05);
    let (_, batch) = roll_out(&agent, &params);
    let at = |scale: f64| {
        let uniforms = HashMap::from([(name.clone(), scale)]);
        let bindings = Bindings { inputs: batch.clone(), params: params.clone(), uniforms, draw: Some(&draw) };
        execute(&agent.update, &bindings, ROWS).unwrap().means
    };
    let (whole, half) = (at(1.0), at(0.5));
    assert!(whole["loss_b"] > 1e-3);
    assert_close("loss_b", &[half["loss_b"]], &[0.5 * whole["loss_b"]], 1e-14, 0.0);
    assert_close("loss", &[half["loss"] + half["loss_b"]], &[whole["loss"]], 1e-13, 0.0);
}

#[test]
fn every_input_of_an_update_has_a_source_of_its_width() {
    let ppo = PpoConfig { train: train(), ..PpoConfig::default() };
    let plain = TrainConfig { value_loss: ValueLoss::Mse, ..train() };
    let cases = [
        Algorithm::PolicyFlow(flow_config()),
        Algorithm::PolicyFlow(PolicyFlowConfig { train: plain.clone(), w_b: 0.0, ..flow_config() }),
        Algorithm::PolicyFlow(PolicyFlowConfig { degenerate_gaussian: true, ..flow_config() }),
        Algorithm::Ppo(ppo.clone()),
        Algorithm::Ppo(PpoConfig { train: plain, ..ppo }),
    ];
    for algorithm in cases {
        let agent = algorithm.agent(SPACES, 1).unwrap();
        assert_eq!(agent.update.inputs.len(), agent.batch.len());
        for input in &agent.update.inputs {
            let (_, source) = agent.batch.iter().find(|(name, _)| *name == input.name).expect(&input.name);
            let width = match source {
                Source::Observation => SPACES.observation,
                Source::Advantage | Source::Return => 1,
                Source::Rollout(field) => agent.rollout.iter().find(|f| f.name == *field).expect(field).width,
            };
            assert_eq!(input.width, width, "{}", input.name);
        }
        assert!(agent.update.means.iter().any(|m| m == "kl") && agent.update.means[0] == "loss");
        for name in ["action", "logp", "value"] {
            assert!(agent.act.stores.iter().any(|s| s.name == name), "{name}");
        }
        // Every tensor that a graph reads is trained, frozen or prepared.
        let graphs = [&agent.act, &agent.act_zero, &agent.value, &agent.update];
        for param in graphs.iter().flat_map(|g| &g.params) {
            let known = agent.tensors.iter().any(|t| t.name == param.name)
                || agent.frozen.iter().any(|f| f.copy == param.name)
                || agent.prepare.iter().any(|p| p.output == param.name);
            assert!(known, "{}", param.name);
        }
        // No draws in the deterministic agent.
        let obs = HashMap::from([("obs".to_string(), normals(1, 3 * SPACES.observation))]);
        let bindings = Bindings { inputs: obs, params: ready(&agent, 0.0), ..Bindings::default() };
        assert_eq!(execute(&agent.act_zero, &bindings, 3).unwrap().stores["action"].len(), 3 * SPACES.action);
    }
}

/// `a [rows, inner] b [inner, cols]`
fn product(a: &[f64], b: &[f64], inner: usize, cols: usize) -> Vec<f64> {
    let rows = a.len() / inner;
    let entry = |i: usize| (0..inner).map(|k| a[i / cols * inner + k] * b[k * cols + i % cols]).sum();
    (0..rows * cols).map(entry).collect()
}

#[test]
fn the_degenerate_gaussian_has_the_loss_and_gradients_of_ppo() {
    let config = PolicyFlowConfig { degenerate_gaussian: true, ..flow_config() };
    let flow = flow_agent(&config);
    let mut params = ready(&flow, 0.1);
    let (d, e, h1) = (SPACES.action, config.embedding, config.train.hidden[0]);
    // A velocity that depends on the state alone: no weight on x, no time embedding.
    for name in ["actor", "old"] {
        params.get_mut(&format!("{name}.mlp.0.w")).unwrap()[..d * h1].fill(0.0);
        for layer in ["t1.w", "t1.b", "t2.w", "t2.b"] {
            params.get_mut(&format!("{name}.{layer}")).unwrap().fill(0.0);
        }
    }
    crate::support::prepare(&flow, &mut params);
    let (rollout, batch) = roll_out(&flow, &params);
    assert!(rollout.stores["z"].iter().all(|z| *z == 0.0));
    let update = run(&flow.update, batch.clone(), &params, ROWS);

    // The same mean as a plain MLP: the linear state embedding is part of its first layer.
    let ppo_config = PpoConfig { train: train(), w_g: config.w_g, ..PpoConfig::default() };
    let ppo = Algorithm::Ppo(ppo_config).agent(SPACES, 1).unwrap();
    let mut ppo_params = params.clone();
    let wh = &params["actor.mlp.0.w"][d * h1..];
    ppo_params.insert("actor.mlp.0.w".into(), product(&params["actor.s.w"], wh, e, h1));
    let bias = product(&params["actor.s.b"], wh, e, h1);
    let bias = bias.iter().zip(&params["actor.mlp.0.b"]).map(|(a, b)| a + b).collect();
    ppo_params.insert("actor.mlp.0.b".into(), bias);
    let mut inputs = batch.clone();
    inputs.insert("action".into(), rollout.stores["action"].clone());
    inputs.insert("mu_old".into(), rollout.stores["phi1"].clone());
    let want = run(&ppo.update, inputs, &ppo_params, ROWS);

    assert!(want.means["kl"] > 1e-3 && want.means["clip_fraction"] > 0.0);
    for term in ["loss", "loss_pi", "loss_g", "loss_v", "kl", "clip_fraction", "std"] {
        assert_close(term, &[update.means[term]], &[want.means[term]], 1e-6, 1e-3);
    }
    assert_eq!(update.means["loss_b"], 0.0);
    for (name, gradient) in &want.grads {
        if name != "actor.mlp.0.w" {
            assert_close(name, &update.grads[name], gradient, 1e-6, 0.0);
        }
    }
}
