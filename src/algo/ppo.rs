//! Proximal policy optimisation (Schulman et al. 2017) with a Gaussian policy `a = mu(s) + n`, `n ~ N(0, sigma^2)`, of
//! state-independent standard deviation, in the form of rsl_rl.
//!
//! Trained tensors are `actor.mlp.*`, `actor.log_std` and `critic.mlp.*`. The mean at collection is stored with every
//! sample, so of the old policy only `old.log_std` is kept.

use super::agent::{Agent, Source, Spaces, frozen_copies, kept_fields};
use super::config::{PpoConfig, Squash};
use super::terms::{self, ActionNoise};
use super::{observation, squash, stream};
use crate::ir::{Builder, Graph, GraphError, NodeId};
use crate::nn::{Distribution, Initializer, Mlp, Tensor};

/// Fields of the rollout that the update reads or GAE needs.
const ROLLOUT: [&str; 5] = ["action", squash::RAW, "mu", "logp", "value"];

/// Everything that the trainer needs.
pub fn agent(config: &PpoConfig, spaces: Spaces, seed: u64) -> Result<Agent, GraphError> {
    let tensors = initial_tensors(config, spaces, seed);
    let rollout = |name: &str| Source::Rollout(name.to_string());
    let batch = [
        ("obs", Source::Observation),
        ("action", rollout(squash::raw(&config.train))),
        ("mu_old", rollout("mu")),
        ("logp_old", rollout("logp")),
        ("v_old", rollout("value")),
        ("adv", Source::Advantage),
        ("ret", Source::Return),
    ];
    let act = act(config, spaces)?;
    let update = update(config, spaces)?;
    let reads = |name: &str| update.inputs.iter().any(|input| input.name == name);
    Ok(Agent {
        act_zero: act_zero(config, spaces)?,
        value: terms::value_graph(&config.train, spaces.observation)?,
        prepare: vec![],
        frozen: frozen_copies(&tensors, |name| name == "log_std"),
        rollout: kept_fields(&act, &ROLLOUT),
        batch: batch.into_iter().filter(|(name, _)| reads(name)).map(|(n, s)| (n.to_string(), s)).collect(),
        uniforms: vec![],
        act,
        update,
        tensors,
    })
}

/// Widths of the mean's MLP.
fn widths(config: &PpoConfig, spaces: Spaces) -> Vec<usize> {
    terms::mlp_widths(spaces.observation, &config.train.hidden, spaces.action)
}

/// Initial `actor.*` and `critic.*`.
fn initial_tensors(config: &PpoConfig, spaces: Spaces, seed: u64) -> Vec<Tensor> {
    let mut init = Initializer::new(seed);
    Mlp::initialize(&mut init, "actor.mlp", &widths(config, spaces), config.output_init);
    let log_std = Distribution::Constant(config.train.init_std.ln());
    init.push("actor.log_std".into(), 1, spaces.action, true, log_std);
    terms::initialize_critic(&mut init, &config.train, spaces.observation, config.output_init);
    observation::initialize(&mut init, &config.train, spaces.observation);
    squash::initialize(&mut init, &config.train, spaces.action);
    init.finish()
}

/// The mean `mu(s)`: `[d]`.
fn mean(g: &mut Builder, config: &PpoConfig, spaces: Spaces, obs: NodeId, trained: bool) -> NodeId {
    Mlp::declare(g, "actor.mlp", &widths(config, spaces), config.train.activation, trained).build(g, obs)
}

/// A sampled action, with what the update will need. The policy does not change during a rollout, so the mean is that
/// of the current network; the standard deviation is read from its frozen copy.
fn act(config: &PpoConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let mut g = Builder::new("ppo_act");
    let obs = observation::seen(&mut g, &config.train, spaces.observation);
    let mu = mean(&mut g, config, spaces, obs, false);
    let policy = ActionNoise::declare(&mut g, "old", &config.train, spaces.action, false);
    let standard = g.normal(stream::ACTION, spaces.action);
    let n = g.mul(standard, policy.std);
    let action = g.add(mu, n);
    // From a - mu as the update will compute it, and not from n, so that rounding cancels in the ratio.
    let deviation = g.sub(action, mu);
    let logp = policy.log_density(&mut g, deviation);
    let value = terms::critic(&mut g, &config.train, obs, false);
    if config.train.squash_actions != Squash::None {
        g.store(squash::RAW, action);
    }
    let taken = squash::squashed(&mut g, &config.train, action);
    g.store("action", taken);
    g.store("mu", mu);
    g.store("logp", logp);
    g.store("value", value);
    g.finish()
}

/// The mean as the action.
fn act_zero(config: &PpoConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let mut g = Builder::new("ppo_act_zero");
    let obs = observation::seen(&mut g, &config.train, spaces.observation);
    let mu = mean(&mut g, config, spaces, obs, false);
    let taken = squash::squashed(&mut g, &config.train, mu);
    g.store("action", taken);
    g.finish()
}

/// Loss and gradients of a minibatch.
fn update(config: &PpoConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let mut g = Builder::new("ppo_update");
    loss(&mut g, config, spaces);
    g.finish()
}

/// The loss of `flowmill gradient`: the same, with per-row values stored.
pub(super) fn gradient(config: &PpoConfig, spaces: Spaces) -> Result<Graph, GraphError> {
    let mut g = Builder::new("ppo_gradient");
    let rows = loss(&mut g, config, spaces);
    g.store("log_rho", rows.log_ratio);
    g.store("rho", rows.ratio);
    g.store("mu", rows.mu);
    g.store("value", rows.value);
    g.finish()
}

/// Per-row values of the loss.
struct Rows {
    log_ratio: NodeId,
    ratio: NodeId,
    mu: NodeId,
    value: NodeId,
}

/// The loss body: inputs, means and gradients.
fn loss(g: &mut Builder, config: &PpoConfig, spaces: Spaces) -> Rows {
    let (d, train) = (spaces.action, &config.train);
    let obs = observation::seen(g, train, spaces.observation);
    let (action, mu_old) = (g.input("action", d), g.input("mu_old", d));
    let (logp_old, advantage) = (g.input("logp_old", 1), g.input("adv", 1));
    let (v_old, ret) = (g.input("v_old", 1), g.input("ret", 1));
    let noise = ActionNoise::declare(g, "actor", train, d, true);
    let old_noise = ActionNoise::declare(g, "old", train, d, false);

    // rho = N(a; mu, sigma^2) / N(a; mu_old, sigma_old^2)
    let mu = mean(g, config, spaces, obs, true);
    let deviation = g.sub(action, mu);
    let logp = noise.log_density(g, deviation);
    let log_ratio = g.sub(logp, logp_old);
    let ratio = g.exp(log_ratio);

    let objective = terms::clipped_objective(g, ratio, advantage, train.clip);
    let policy = g.neg(objective);
    let entropy = noise.entropy(g, config.entropy);
    let entropy = g.scale(entropy, -config.w_g as f32);
    let value = terms::critic(g, train, obs, true);
    let value_loss = terms::value_loss(g, train, value, v_old, ret);
    let total = [entropy, value_loss].into_iter().fold(policy, |sum, term| g.add(sum, term));

    let shift = g.sub(mu, mu_old);
    let kl = noise.divergence_from(g, &old_noise, shift);
    let clipped = terms::outside_clip(g, ratio, train.clip);
    let std = noise.mean_std(g);
    g.mean("loss", total);
    g.mean("loss_pi", policy);
    g.mean("loss_g", entropy);
    g.mean("loss_v", value_loss);
    g.mean("kl", kl);
    g.mean("clip_fraction", clipped);
    g.mean("std", std);
    g.differentiate(total);
    Rows { log_ratio, ratio, mu, value }
}
