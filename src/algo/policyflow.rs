//! PolicyFlow: proximal policy optimisation of a flow policy (Yang, Liu, Chen; ICLR 2026; arXiv 2602.01156).
//!
//! The policy is `a = phi1(z; s) + n`: base noise `z ~ N(0, I)` is carried by the flow `dx/dt = v_t(x; s)` from
//! `t = 0` to its end `phi1`, and Gaussian noise `n ~ N(0, sigma^2)` is added. Equation numbers are the paper's.
//!
//! The rollout stores `z`, `phi1`, `n` and `log N(n; 0, sigma^2)`. The update never integrates the flow: it compares
//! the current velocity `v` with the velocity `v_old` of the frozen policy that collected the data at one point of the
//! straight path from `z` to `phi1` (or at several). Trained tensors are `actor.*` and `critic.*`, frozen copies
//! `old.*`, and `fold.*` is prepared from the frozen copies (see [`crate::nn::FoldedVelocity`]).
//!
//! Widths in comments: o observation, d action, h1 first hidden layer.

use super::agent::{Agent, Anneal, Prepare, PrepareInput, Source, Spaces, frozen_copies, kept_fields};
use super::config::{PolicyFlowConfig, TrainConfig};
use super::terms::{self, ActionNoise};
use super::{observation, squash, stream};
use crate::flow::{SampledTimes, TimeSampling, grid_time, midpoint};
use crate::ir::{Builder, Graph, GraphError, NodeId};
use crate::nn::{Distribution, FoldedVelocity, Initializer, Tensor, VelocityNetwork, VelocityShape};

/// Fields of the rollout that the update reads or GAE needs.
const ROLLOUT: [&str; 5] = ["z", "phi1", "noise", "logp", "value"];

/// The actor's widths.
fn shape(config: &PolicyFlowConfig, spaces: Spaces) -> VelocityShape {
    VelocityShape {
        observation: spaces.observation,
        action: spaces.action,
        embedding: config.embedding,
        hidden: config.train.hidden.clone(),
        activation: config.train.activation,
    }
}

/// Number of grid times of the integration: starts, middles, end.
fn node_count(config: &PolicyFlowConfig) -> usize {
    2 * config.flow_steps + 1
}

/// Everything that the trainer needs.
pub fn agent(config: &PolicyFlowConfig, spaces: Spaces, seed: u64) -> Result<Agent, GraphError> {
    let tensors = initial_tensors(config, spaces, seed);
    let rollout = |name: &str| Source::Rollout(name.to_string());
    let batch = [
        ("obs", Source::Observation),
        ("z", rollout("z")),
        ("phi1", rollout("phi1")),
        ("noise", rollout("noise")),
        ("logp_old", rollout("logp")),
        ("v_old", rollout("value")),
        ("adv", Source::Advantage),
        ("ret", Source::Return),
    ];
    let act = act(config, spaces, Noise::Sampled)?;
    let anneal = Anneal::LinearToZero { iterations: config.w_b_decay_iterations };
    let update = update(config, spaces)?;
    let reads = |name: &str| update.inputs.iter().any(|input| input.name == name);
    Ok(Agent {
        act_zero: self::act(config, spaces, Noise::Zero)?,
        value: terms::value_graph(&config.train, spaces.observation)?,
        prepare: vec![fold_time(config, spaces)?, fold_state(config, spaces)?],
        frozen: frozen_copies(&tensors, |_| true),
        rollout: kept_fields(&act, &ROLLOUT),
        batch: batch.into_iter().filter(|(name, _)| reads(name)).map(|(n, s)| (n.to_string(), s)).collect(),
        uniforms: update.uniforms.iter().map(|uniform| (uniform.name.clone(), anneal)).collect(),
        act,
        update,
        tensors,
    })
}

/// Initial `actor.*` and `critic.*`.
fn initial_tensors(config: &PolicyFlowConfig, spaces: Spaces, seed: u64) -> Vec<Tensor> {
    let mut init = Initializer::new(seed);
    shape(config, spaces).initialize(&mut init, "actor", config.output_init);
    let log_std = Distribution::Constant(config.train.init_std.ln());
    init.push("actor.log_std".into(), 1, spaces.action, true, log_std);
    terms::initialize_critic(&mut init, &config.train, spaces.observation, config.output_init);
    observation::initialize(&mut init, &config.train, spaces.observation);
    squash::initialize(&mut init, &config.train, spaces.action);
    init.finish()
}

/// `fold.time`: a row for each grid time.
fn fold_time(config: &PolicyFlowConfig, spaces: Spaces) -> Result<Prepare, GraphError> {
    let mut g = Builder::new("fold_time");
    let node = g.input("node", 1);
    let t = grid_time(&mut g, node, config.flow_steps, config.path.horizon());
    let old = VelocityNetwork::declare(&mut g, "old", &shape(config, spaces), false);
    let row = old.fold_time(&mut g, t);
    g.store(FoldedVelocity::TIME, row);
    let (rows, output) = (node_count(config), FoldedVelocity::TIME.to_string());
    Ok(Prepare { graph: g.finish()?, rows, input: PrepareInput::RowNumber, output })
}

/// `fold.state`: a row for each value of the observation.
fn fold_state(config: &PolicyFlowConfig, spaces: Spaces) -> Result<Prepare, GraphError> {
    let mut g = Builder::new("fold_state");
    let row = g.input("row", config.embedding);
    let folded = FoldedVelocity::fold_state_row(&mut g, "old", &shape(config, spaces), row);
    g.store(FoldedVelocity::STATE, folded);
    let (rows, output) = (spaces.observation, FoldedVelocity::STATE.to_string());
    Ok(Prepare { graph: g.finish()?, rows, input: PrepareInput::Tensor("old.s.w".into()), output })
}

/// Whether an action is sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Noise {
    /// `z` and `n` are drawn.
    Sampled,
    /// `z = 0` and `n = 0`.
    Zero,
}

/// An action of the frozen policy, with what the update will need.
fn act(config: &PolicyFlowConfig, spaces: Spaces, noise: Noise) -> Result<Graph, GraphError> {
    let d = spaces.action;
    let sampled = noise == Noise::Sampled;
    let mut g = Builder::new(if sampled { "policyflow_act" } else { "policyflow_act_zero" });
    let obs = observation::seen(&mut g, &config.train, spaces.observation); // [o]

    // phi1: the end of the flow from z (equations 4 and 5).
    let old = FoldedVelocity::declare(&mut g, "old", &shape(config, spaces));
    let times = g.param(FoldedVelocity::TIME, node_count(config), shape(config, spaces).first_width(), false);
    let state = old.fold_observation(&mut g, obs); // [h1], shared by all evaluations
    let has_base_noise = sampled && !config.degenerate_gaussian;
    let z = if has_base_noise { g.normal(stream::BASE, d) } else { g.filled(0.0, d) };
    let phi1 = midpoint(&mut g, z, config.flow_steps, config.path.horizon(), |g, x, node| {
        let time = g.gather(times, node); // [h1]
        old.build(g, x, time, state)
    });
    if !sampled {
        let taken = squash::squashed(&mut g, &config.train, phi1);
        g.store("action", taken);
        return g.finish();
    }

    // a = phi1 + n
    let policy = ActionNoise::declare(&mut g, "old", &config.train, d, false);
    let standard = g.normal(stream::ACTION, d);
    let n = g.mul(standard, policy.std);
    let action = g.add(phi1, n);
    let logp = policy.log_density(&mut g, n); // log N(n; 0, sigma_old^2)
    let value = terms::critic(&mut g, &config.train, obs, false);
    g.store("z", z);
    g.store("phi1", phi1);
    g.store("noise", n);
    let taken = squash::squashed(&mut g, &config.train, action);
    g.store("action", taken);
    g.store("logp", logp);
    g.store("value", value);
    g.finish()
}

/// A minibatch: per-row values of the rollout.
struct Batch {
    /// Observation `[o]` as networks see it.
    obs: NodeId,
    /// Base noise `[d]`.
    z: NodeId,
    /// End of the frozen flow `[d]`.
    phi1: NodeId,
    /// Action noise `[d]`.
    noise: NodeId,
    /// `log N(n; 0, sigma_old^2)` `[1]`.
    logp_old: NodeId,
    /// Normalised advantage `[1]`.
    advantage: NodeId,
    /// Value at collection `[1]`.
    v_old: NodeId,
    /// Return `[1]`.
    ret: NodeId,
}

impl Batch {
    fn declare(g: &mut Builder, train: &TrainConfig, spaces: Spaces, noise: &str) -> Self {
        let d = spaces.action;
        Self {
            obs: observation::seen(g, train, spaces.observation),
            z: g.input("z", d),
            phi1: g.input("phi1", d),
            noise: g.input(noise, d),
            logp_old: g.input("logp_old", 1),
            advantage: g.input("adv", 1),
            v_old: g.input("v_old", 1),
            ret: g.input("ret", 1),
        }
    }
}

/// A time at which a row is evaluated, and what the frozen policy says there.
struct Visit {
    /// Time `[1]`.
    t: NodeId,
    /// Point of the path `[d]`.
    x: NodeId,
    /// Frozen velocity `[d]`.
    v_old: NodeId,
}

/// The loss of a row, its terms and what is reported of it.
struct Loss {
    total: NodeId,
    policy: NodeId,
    entropy: NodeId,
    brownian: NodeId,
    value_loss: NodeId,
    /// Divergence from the frozen policy.
    kl: NodeId,
    /// 1 where the ratio is outside the clip range.
    clipped: NodeId,
    /// Mean standard deviation of the action noise.
    std: NodeId,
    log_ratio: NodeId,
    ratio: NodeId,
    /// Value `[1]`.
    value: NodeId,
    /// Current velocity `[d]` of each visit.
    v: Vec<NodeId>,
    /// Brownian residual `[d]` of each visit.
    eta: Vec<NodeId>,
}

/// The loss body that training and `flowmill gradient` share.
fn loss(g: &mut Builder, config: &PolicyFlowConfig, batch: &Batch, actor: &VelocityNetwork, visits: &[Visit]) -> Loss {
    let d = g.width(batch.z);
    let noise = ActionNoise::declare(g, "actor", &config.train, d, true);
    let old_noise = ActionNoise::declare(g, "old", &config.train, d, false);
    let state = actor.embed_state(g, batch.obs);

    let (mut v, mut eta) = (vec![], vec![]);
    let (mut log_ratios, mut ratios, mut residuals, mut divergences) = (vec![], vec![], vec![], vec![]);
    for visit in visits {
        let velocity = actor.build(g, visit.x, visit.t, state); // v_t(x_t; s)
        let dv = g.sub(velocity, visit.v_old);

        // (13) rho = N(n; dv, sigma^2) / N(n; 0, sigma_old^2)
        let deviation = g.sub(batch.noise, dv);
        let logp = noise.log_density(g, deviation);
        let log_ratio = g.sub(logp, batch.logp_old);
        log_ratios.push(log_ratio);
        ratios.push(g.exp(log_ratio));

        // (16) eta = (1 - t) v - (x_t - t v_old), and its counterparts on the other paths
        let residual = config.path.residual(g, visit.x, visit.t, velocity, visit.v_old);
        let squared = g.square(residual);
        residuals.push(terms::reduce(g, squared, config.brownian));

        divergences.push(noise.divergence_from(g, &old_noise, dv));
        v.push(velocity);
        eta.push(residual);
    }

    // (10) the ratio averaged over the times of a row; (13) takes one time.
    let ratio = average(g, &ratios);
    let log_ratio = if let [only] = log_ratios[..] { only } else { g.log(ratio) };

    // (12) -min(rho A, clip(rho, 1 - eps, 1 + eps) A)
    let objective = terms::clipped_objective(g, ratio, batch.advantage, config.train.clip);
    let policy = g.neg(objective);

    // (15), second term: -w_g times the entropy of the action noise
    let entropy = noise.entropy(g, config.entropy);
    let entropy = g.scale(entropy, -config.w_g as f32);

    // (15), first term: w_b |eta|^2
    let w_b = if config.degenerate_gaussian { 0.0 } else { config.w_b };
    let brownian = average(g, &residuals);
    let mut brownian = g.scale(brownian, w_b as f32);
    if w_b > 0.0 && config.w_b_decay_iterations > 0 {
        let anneal = g.uniform("w_b_scale");
        brownian = g.mul(brownian, anneal);
    }

    let value = terms::critic(g, &config.train, batch.obs, true);
    let value_loss = terms::value_loss(g, &config.train, value, batch.v_old, batch.ret);

    let total = [entropy, brownian, value_loss].into_iter().fold(policy, |sum, term| g.add(sum, term));
    let kl = average(g, &divergences);
    let clipped = terms::outside_clip(g, ratio, config.train.clip);
    let std = noise.mean_std(g);
    Loss { total, policy, entropy, brownian, value_loss, kl, clipped, std, log_ratio, ratio, value, v, eta }
}

impl Loss {
    /// Means over the batch, and the gradient of the total.
    fn finish(&self, g: &mut Builder) {
        g.mean("loss", self.total);
        g.mean("loss_pi", self.policy);
        g.mean("loss_g", self.entropy);
        g.mean("loss_b", self.brownian);
        g.mean("loss_v", self.value_loss);
        g.mean("kl", self.kl);
        g.mean("clip_fraction", self.clipped);
        g.mean("std", self.std);
        g.differentiate(self.total);
    }
}

/// Mean of width-1 values of a row.
fn average(g: &mut Builder, values: &[NodeId]) -> NodeId {
    if let [only] = values {
        return *only;
    }
    let all = g.concat(values);
    terms::reduce(g, all, super::Reduction::Mean)
}

/// Loss and gradients of a minibatch; times are drawn anew at every visit of a sample.
fn update(config: &PolicyFlowConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let mut g = Builder::new("policyflow_update");
    let batch = Batch::declare(&mut g, &config.train, spaces, "noise");
    let visits = draw_visits(&mut g, config, spaces, &batch);
    let actor = VelocityNetwork::declare(&mut g, "actor", &shape(config, spaces), true);
    loss(&mut g, config, &batch, &actor, &visits).finish(&mut g);
    g.finish()
}

/// Draws the times of a row; evaluates the frozen network there, folded.
fn draw_visits(g: &mut Builder, config: &PolicyFlowConfig, spaces: Spaces, batch: &Batch) -> Vec<Visit> {
    let (d, steps, horizon) = (spaces.action, config.flow_steps, config.path.horizon());
    let shape = shape(config, spaces);
    let drawn = config.time_sampling.draw(g, stream::TIME, steps, horizon, config.multi_times);
    // Each time, and the part of the frozen first layer that belongs to it.
    let (old, times) = match drawn {
        SampledTimes::Nodes(nodes) => {
            let table = g.param(FoldedVelocity::TIME, node_count(config), shape.first_width(), false);
            let old = FoldedVelocity::declare(g, "old", &shape);
            let look_up = |node: &NodeId| (grid_time(g, *node, steps, horizon), g.gather(table, *node));
            (old, nodes.iter().map(look_up).collect::<Vec<_>>())
        }
        SampledTimes::Continuous(t) => {
            let network = VelocityNetwork::declare(g, "old", &shape, false);
            let part = network.fold_time(g, t);
            (FoldedVelocity::of(g, &network), vec![(t, part)])
        }
    };
    let state = old.fold_observation(g, batch.obs);
    let noisy = config.path.is_noisy();
    let xi = noisy.then(|| g.normal(stream::INTERPOLANT, d * times.len()));
    let visit = |(k, (t, part)): (usize, &(NodeId, NodeId))| {
        let xi = xi.map(|all| g.slice(all, k * d, d));
        let x = config.path.point(g, batch.z, batch.phi1, *t, xi); // (9)
        Visit { t: *t, x, v_old: old.build(g, x, *part, state) }
    };
    times.iter().enumerate().map(visit).collect()
}

/// The loss of `flowmill gradient`: the time `t` (and `xi` on the noisy path) is an input, the frozen network is
/// evaluated directly from `old.*`, and per-row values are stored.
pub(super) fn gradient(config: &PolicyFlowConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let config = &PolicyFlowConfig { time_sampling: TimeSampling::Usc, ..config.clone() };
    let d = spaces.action;
    let mut g = Builder::new("policyflow_gradient");
    let batch = Batch::declare(&mut g, &config.train, spaces, "n");
    let t = g.input("t", 1);
    let xi = config.path.is_noisy().then(|| g.input("xi", d));
    let x = config.path.point(&mut g, batch.z, batch.phi1, t, xi); // (9)
    let old = VelocityNetwork::declare(&mut g, "old", &shape(config, spaces), false);
    let old_state = old.embed_state(&mut g, batch.obs);
    let v_old = old.build(&mut g, x, t, old_state);
    let actor = VelocityNetwork::declare(&mut g, "actor", &shape(config, spaces), true);
    let loss = loss(&mut g, config, &batch, &actor, &[Visit { t, x, v_old }]);
    loss.finish(&mut g);
    g.store("log_rho", loss.log_ratio);
    g.store("rho", loss.ratio);
    g.store("eta", loss.eta[0]);
    g.store("v", loss.v[0]);
    g.store("vhat", v_old);
    g.store("value", loss.value);

    // Where the current flow ends.
    let state = actor.embed_state(&mut g, batch.obs);
    let horizon = config.path.horizon();
    let phi1 = midpoint(&mut g, batch.z, config.flow_steps, horizon, |g, x, node| {
        let t = grid_time(g, node, config.flow_steps, horizon);
        actor.build(g, x, t, state)
    });
    g.store("phi1_new", phi1);
    g.finish()
}
