//! PolicyFlow's loss (arXiv 2602.01156, equations 12, 13, 15, 16), the frozen network folded as flowmill folds it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use serde_json::Value;

use crate::fixture::Normal;

const HALF_LOG_TAU: f32 = 0.918_938_5;
const KL_LOG_OFFSET: f32 = 1e-5;

/// Widths and the settings of the loss.
pub struct Setup {
    pub obs: usize,
    pub act: usize,
    pub hidden: Vec<usize>,
    pub embed: usize,
    pub steps: usize,
    pub activation: Activation,
    pub w_b: f32,
    pub w_g: f32,
    pub value: ValueLoss,
    pub value_coef: f32,
    pub clip: f32,
    pub value_clip: f32,
}

/// Activation between the layers.
#[derive(Clone, Copy)]
pub enum Activation {
    Mish,
    Elu,
    Tanh,
}

/// Form of the value loss.
#[derive(Clone, Copy, PartialEq)]
pub enum ValueLoss {
    ClippedMax,
    ClippedDirect,
    Mse,
}

impl Activation {
    fn apply(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Mish => activation::mish(x),
            Self::Elu => activation::elu(x, 1.0),
            Self::Tanh => x.tanh(),
        }
    }
}

impl Setup {
    /// Of an entry of the trainings' file, with the rows of a minibatch.
    pub fn of_training(training: &Value) -> Result<(Self, usize)> {
        let config = &training["config"];
        let whole = |of: &Value, key: &str| {
            of[key].as_u64().map(|n| n as usize).with_context(|| format!("no whole number `{key}`"))
        };
        let real = |key: &str| config[key].as_f64().map(|x| x as f32).with_context(|| format!("no number `{key}`"));
        let hidden = config["hidden"].as_array().context("no `hidden`")?;
        let setup = Self {
            obs: whole(training, "observation")?,
            act: whole(training, "action")?,
            hidden: hidden.iter().filter_map(|h| Some(h.as_u64()? as usize)).collect(),
            embed: whole(config, "embedding")?,
            steps: whole(config, "flow_steps")?,
            activation: match config["activation"].as_str() {
                Some("mish") => Activation::Mish,
                Some("elu") => Activation::Elu,
                Some("tanh") => Activation::Tanh,
                other => bail!("activation {other:?}, expected mish, elu or tanh"),
            },
            w_b: real("w_b")?,
            w_g: real("w_g")?,
            value: match config["value_loss"].as_str() {
                Some("clipped-max") => ValueLoss::ClippedMax,
                Some("clipped-direct") => ValueLoss::ClippedDirect,
                _ => ValueLoss::Mse,
            },
            value_coef: real("value_coef")?,
            clip: real("clip")?,
            value_clip: real("value_clip")?,
        };
        let rows = whole(config, "num_envs")? * whole(config, "horizon")? / whole(config, "minibatches")?;
        Ok((setup, rows))
    }

    /// Names and sizes of the trained tensors.
    fn shapes(&self) -> Vec<(String, usize, usize)> {
        let e = self.embed;
        let mut layers =
            vec![("actor.t1".to_string(), e / 4, e), ("actor.t2".into(), e, e), ("actor.s".into(), self.obs, e)];
        for (mlp, first, last) in [("actor", self.act + e, self.act), ("critic", self.obs, 1)] {
            let widths: Vec<_> = [first].into_iter().chain(self.hidden.clone()).chain([last]).collect();
            let pairs = widths.windows(2).enumerate();
            layers.extend(pairs.map(|(i, w)| (format!("{mlp}.mlp.{i}"), w[0], w[1])));
        }
        layers
    }
}

/// A tensor `[rows, columns]` on a device.
pub fn tensor(values: Vec<f32>, rows: usize, device: &Device) -> Tensor<2> {
    let columns = values.len() / rows.max(1);
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Current and frozen parameters; biases are `[1, n]`.
pub struct Network {
    /// `actor.*`, `critic.*`: what has gradients.
    pub trained: BTreeMap<String, Tensor<2>>,
    /// `old.*`
    pub frozen: BTreeMap<String, Tensor<2>>,
    /// Frequencies `[1, K]`.
    pub freqs: Tensor<2>,
    /// `(temb(t_k) + s_b) Wh + b0` of the frozen network, `[2 N + 1, h1]`.
    fold_time: Tensor<2>,
    /// `S Wh` of the frozen network, `[o, h1]`.
    fold_state: Tensor<2>,
}

impl Network {
    /// From tensors under the names of tests/reference/README.md.
    pub fn new(
        setup: &Setup,
        trained: BTreeMap<String, Tensor<2>>,
        frozen: BTreeMap<String, Tensor<2>>,
        freqs: Tensor<2>,
    ) -> Self {
        let trained = trained.into_iter().map(|(name, value)| (name, value.require_grad())).collect();
        let wh = frozen["old.mlp.0.w"].clone().slice([setup.act..setup.act + setup.embed]);
        let times = embed_time(&frozen, "old", &freqs, grid(setup, &freqs.device())) + frozen["old.s.b"].clone();
        let fold_time = times.matmul(wh.clone()) + frozen["old.mlp.0.b"].clone();
        let fold_state = frozen["old.s.w"].clone().matmul(wh);
        Self { trained, frozen, freqs, fold_time, fold_state }
    }

    /// Random weights of the sizes that flowmill starts with; the frozen network is the current one.
    pub fn random(setup: &Setup, random: &mut Normal, device: &Device) -> Self {
        let mut trained = BTreeMap::new();
        trained.insert("actor.log_std".to_string(), tensor(vec![0.0; setup.act], 1, device));
        for (name, rows, columns) in setup.shapes() {
            let scale = (rows as f32).sqrt().recip();
            let values = random.vector(rows * columns).into_iter().map(|x| x * scale).collect();
            trained.insert(format!("{name}.w"), tensor(values, rows, device));
            trained.insert(format!("{name}.b"), tensor(vec![0.0; columns], 1, device));
        }
        let old = |(name, value): (&String, &Tensor<2>)| {
            Some((format!("old.{}", name.strip_prefix("actor.")?), value.clone()))
        };
        let frozen = trained.iter().filter_map(old).collect();
        let freqs = random.vector(setup.embed / 8).into_iter().map(|x| 16.0 * x).collect();
        Self::new(setup, trained, frozen, tensor(freqs, 1, device))
    }
}

/// A minibatch of B rows; widths in brackets.
pub struct Batch {
    /// Observation `[B, o]`.
    pub obs: Tensor<2>,
    /// Base noise `[B, d]`.
    pub z: Tensor<2>,
    /// End of the frozen flow `[B, d]`.
    pub phi1: Tensor<2>,
    /// Action noise `[B, d]`.
    pub n: Tensor<2>,
    /// Log-density at collection `[B, 1]`.
    pub logp_old: Tensor<2>,
    /// Advantage `[B, 1]`.
    pub adv: Tensor<2>,
    /// Value at collection `[B, 1]`.
    pub v_old: Tensor<2>,
    /// Return `[B, 1]`.
    pub ret: Tensor<2>,
    /// Number of the grid time `[B]`.
    pub node: Tensor<1, Int>,
}

impl Batch {
    /// Random rows.
    pub fn random(setup: &Setup, rows: usize, random: &mut Normal, device: &Device) -> Self {
        let nodes = (0..rows).map(|i| (i * 7919 % (2 * setup.steps + 1)) as i32).collect();
        let noise = random.vector(rows * setup.act);
        let density = |n: &[f32]| n.iter().map(|x| -0.5 * x * x - HALF_LOG_TAU).sum();
        let logp_old = noise.chunks(setup.act).map(density).collect();
        let mut wide = |width: usize| tensor(random.vector(rows * width), rows, device);
        Self {
            obs: wide(setup.obs),
            z: wide(setup.act),
            phi1: wide(setup.act),
            adv: wide(1),
            v_old: wide(1),
            ret: wide(1),
            n: tensor(noise, rows, device),
            logp_old: tensor(logp_old, rows, device),
            node: node(nodes, device),
        }
    }
}

/// Numbers of grid times on a device.
pub fn node(nodes: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = nodes.len();
    Tensor::from_data(TensorData::new(nodes, [count]), device)
}

/// The 2 N + 1 times at which the midpoint rule evaluates the network, and the end: `[2 N + 1, 1]`.
fn grid(setup: &Setup, device: &Device) -> Tensor<2> {
    let last = 2 * setup.steps;
    tensor((0..=last).map(|k| k as f32 / last as f32).collect(), last + 1, device)
}

/// `[B, E]` of times `[B, 1]`.
fn embed_time(params: &BTreeMap<String, Tensor<2>>, prefix: &str, freqs: &Tensor<2>, t: Tensor<2>) -> Tensor<2> {
    let angle = t.matmul(freqs.clone()).mul_scalar(std::f32::consts::TAU);
    let features = Tensor::cat(vec![angle.clone().cos(), angle.sin()], 1);
    let hidden = activation::mish(linear(params, &format!("{prefix}.t1"), features));
    linear(params, &format!("{prefix}.t2"), hidden)
}

fn linear(params: &BTreeMap<String, Tensor<2>>, name: &str, x: Tensor<2>) -> Tensor<2> {
    x.matmul(params[&format!("{name}.w")].clone()) + params[&format!("{name}.b")].clone()
}

/// The rest of an MLP from the first layer's sums.
fn after_first(params: &BTreeMap<String, Tensor<2>>, mlp: &str, act: Activation, mut x: Tensor<2>) -> Tensor<2> {
    let mut layer = 1;
    while params.contains_key(&format!("{mlp}.{layer}.w")) {
        x = linear(params, &format!("{mlp}.{layer}"), act.apply(x));
        layer += 1;
    }
    x
}

/// `log N(deviation; 0, exp(log_std)^2)`, summed over the action: `[B, 1]`.
fn log_density(deviation: Tensor<2>, log_std: &Tensor<2>) -> Tensor<2> {
    let scaled = deviation.div(log_std.clone().exp());
    (scaled.square().mul_scalar(-0.5) - log_std.clone()).sub_scalar(HALF_LOG_TAU).sum_dim(1)
}

/// The loss, and its terms and the KL by name.
pub fn loss(setup: &Setup, network: &Network, batch: &Batch) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
    let (params, old) = (&network.trained, &network.frozen);
    let act = setup.activation;
    let device = batch.obs.device();
    let t = grid(setup, &device).select(0, batch.node.clone());
    let rest = t.clone().neg().add_scalar(1.0);
    let x = rest.clone() * batch.z.clone() + t.clone() * batch.phi1.clone(); // (9)

    // Frozen velocity, folded; current velocity, the embeddings of the grid's times looked up.
    let still =
        batch.obs.clone().matmul(network.fold_state.clone()) + network.fold_time.clone().select(0, batch.node.clone());
    let moved = x.clone().matmul(old["old.mlp.0.w"].clone().slice([0..setup.act]));
    let v_old = after_first(old, "old.mlp", act, moved + still);
    let times = embed_time(params, "actor", &network.freqs, grid(setup, &device)).select(0, batch.node.clone());
    let embedding = linear(params, "actor.s", batch.obs.clone()) + times;
    let first = linear(params, "actor.mlp.0", Tensor::cat(vec![x.clone(), embedding], 1));
    let v = after_first(params, "actor.mlp", act, first);
    let dv = v.clone() - v_old.clone();

    // (13), (12)
    let clamped = |p: &Tensor<2>| p.clone().clamp(-20.0, 4.0);
    let (log_std, log_old) = (clamped(&params["actor.log_std"]), clamped(&old["old.log_std"]));
    let ratio = (log_density(batch.n.clone() - dv.clone(), &log_std) - batch.logp_old.clone()).exp();
    let clipped = ratio.clone().clamp(1.0 - setup.clip, 1.0 + setup.clip) * batch.adv.clone();
    let policy = (ratio * batch.adv.clone()).min_pair(clipped).mean().neg();

    // (15), (16)
    let entropy = log_std.clone().add_scalar(HALF_LOG_TAU + 0.5).sum().mul_scalar(-setup.w_g);
    let eta = rest * v - (x - t * v_old);
    let brownian = eta.square().mean().mul_scalar(setup.w_b);

    let value = after_first(params, "critic.mlp", act, linear(params, "critic.mlp.0", batch.obs.clone()));
    let plain = (batch.ret.clone() - value.clone()).square();
    let change = (value - batch.v_old.clone()).clamp(-setup.value_clip, setup.value_clip);
    let clipped = (batch.ret.clone() - batch.v_old.clone() - change).square();
    let error = match setup.value {
        ValueLoss::ClippedMax => plain.max_pair(clipped),
        ValueLoss::ClippedDirect => clipped,
        ValueLoss::Mse => plain,
    };
    let value_loss = error.mean().mul_scalar(setup.value_coef);

    let shift = dv.detach().square();
    let (now, before) = (log_std.detach(), log_old);
    let spread = (before.clone().mul_scalar(2.0).exp() + shift).div(now.clone().mul_scalar(2.0).exp().mul_scalar(2.0));
    let kl = (spread + (now - before).exp().add_scalar(KL_LOG_OFFSET).log()).sub_scalar(0.5).sum_dim(1).mean();

    let total = policy.clone() + entropy.clone() + brownian.clone() + value_loss.clone();
    let terms = vec![
        ("loss", total.clone()),
        ("loss_pi", policy),
        ("loss_g", entropy),
        ("loss_b", brownian),
        ("loss_v", value_loss),
        ("kl", kl),
    ];
    (total, terms)
}
