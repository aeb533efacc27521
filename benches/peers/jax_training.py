"""Whole training iterations of PolicyFlow and PPO in JAX, one jitted call each, written to be fast.

Networks, sampler, losses and optimiser of PolicyFlow are those of benches/engines/jax_policyflow.py; here are PPO's, the
rollout, the advantages and the epochs.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import training as common
from jax_policyflow import (
    ACTIVATIONS,
    HALF_LOG_TAU,
    Sampling,
    Stepping,
    adamw,
    after_first,
    critic,
    draw_nodes,
    flatten,
    fold,
    gaussian_terms,
    loss_of,
    norm_of,
    sampler,
    start,
    total,
    unflatten,
    value_error,
)
from problem import parameters


@dataclass(frozen=True)
class Choice:
    """Where a JAX programmer has a choice that may matter for speed."""

    loop: str = "scan"  # of the sampler; unrolled
    embedding: str = "gather"  # of the times in the loss; folded
    adam: str = "leaves"  # flat: one vector
    rows: str = "fields"  # how a minibatch is gathered: field by field; packed: from one matrix
    draws: str = "threefry2x32"  # philox4x32

    @property
    def sampling(self):
        """The sampler's part."""
        return Sampling(self.loop, draws=self.draws)

    @property
    def stepping(self):
        """The loss's part."""
        return Stepping(self.embedding, self.adam)


# --- PPO -------------------------------------------------------------------------------------------------------------


def mean(params, act, obs):
    """The Gaussian's mean `[B, d]`."""
    return after_first(params, "actor.mlp", act, obs @ params["actor.mlp.0.w"] + params["actor.mlp.0.b"])


def gaussian_sampler(setup):
    """`sample(frozen, obs, key) -> (stores, key)`"""
    act = ACTIVATIONS[setup.activation]

    def sample(frozen, obs, key):
        key, kn = jax.random.split(key)
        mu, log_std = mean(frozen, act, obs), jnp.clip(frozen["old.log_std"], -20.0, 4.0)
        action = mu + jax.random.normal(kn, (obs.shape[0], setup.act), jnp.float32) * jnp.exp(log_std)
        logp = jnp.sum(-0.5 * jnp.square((action - mu) / jnp.exp(log_std)) - log_std - HALF_LOG_TAU, axis=1)
        return {"action": action, "mu_old": mu, "logp": logp, "value": critic(frozen, act, obs)}, key

    return sample


def gaussian_loss(setup):
    """`loss(params, frozen, batch, _) -> (loss, means)`"""
    act = ACTIVATIONS[setup.activation]

    def loss(params, frozen, batch, _):
        mu = mean(params, act, batch["obs"])
        terms = gaussian_terms(setup, params, frozen, batch["action"] - mu, mu - batch["mu_old"], batch)
        return total(terms | {"loss_v": value_error(setup, critic(params, act, batch["obs"]), batch)})

    return loss


# --- an iteration ----------------------------------------------------------------------------------------------------


def environment(training):
    """The environment of a shape."""
    if training.environment == "multigoal":
        return common.MultiGoal(jnp)
    return common.Widths(jnp, jnp.arange(1, training.setup.obs + 1, dtype=jnp.float32))


class Program:
    """A training with a choice: `state()` to begin with, and `iterate(state) -> (state, metrics)`."""

    def __init__(self, training, choice):
        self.training, self.choice = training, choice
        self.env = environment(training)
        params, freqs = parameters(training.setup, np.random.Generator(np.random.PCG64(1)), training.output_gain)
        params["actor.log_std"][:] = training.init_log_std
        self.params, self.freqs = {k: jnp.asarray(v) for k, v in params.items()}, jnp.asarray(freqs)
        self.shapes = {k: v.shape for k, v in self.params.items()}
        self.loss = loss_of(training.setup, choice.stepping, self.freqs) if training.flow else gaussian_loss(training.setup)
        self.sample = sampler(training.setup, choice.sampling) if training.flow else gaussian_sampler(training.setup)
        self.iterate = jax.jit(self.iteration, donate_argnums=0)

    def state(self):
        """The state before the first iteration; ages are random, so that time-outs do not come all at once."""
        n, keys = self.training.envs, jax.random.split(jax.random.key(1, impl=self.choice.draws), 3)
        return {
            "optimiser": start(self.params, self.choice),
            "lr": jnp.float32(self.training.setup.lr),
            "iteration": jnp.int32(0),
            "env": self.env.reset(jax.random.uniform(keys[0], (n, self.env.lanes))),
            "age": jax.random.randint(keys[1], (n,), 0, self.env.horizon),
            "gain": jnp.zeros(n),
            "key": keys[2],
        }

    def named(self, params):
        """Parameters by name."""
        return unflatten(params, self.shapes) if self.choice.adam == "flat" else params

    def freeze(self, params):
        """What the rollout and the loss read of the policy that collects."""
        setup = self.training.setup
        frozen = {"old." + k.removeprefix("actor."): v for k, v in params.items() if k.startswith("actor.")}
        if not self.training.flow:
            return params | {"old.log_std": frozen["old.log_std"]}
        return frozen | fold(setup, frozen, "old", self.freqs) | {k: v for k, v in params.items() if k.startswith("critic.")}

    def collect(self, frozen, state):
        """T steps of every environment: `(state, batch, statistics)`, the batch's fields `[T, n, ...]`."""
        env, training = self.env, self.training

        def step(carry, _):
            world, age, gain, key = carry
            obs = env.observe(world)
            stores, key = self.sample(frozen, obs, key)
            world, reward, outside = env.step(world, stores["action"])
            age, gain = age + 1, gain + reward
            expired = ~outside & (age >= env.horizon)
            done = outside | expired
            row = {"obs": obs, "reward": reward, "done": done, "expired": expired} | stores
            counted = {"episodes": jnp.sum(done), "returns": jnp.sum(jnp.where(done, gain, 0.0))}
            key, again = jax.random.split(key)
            fresh = env.reset(jax.random.uniform(again, (training.envs, env.lanes)))
            world = jnp.where(done[:, None], fresh, world)
            return (world, jnp.where(done, 0, age), jnp.where(done, 0.0, gain), key), (row, counted)

        carry = tuple(state[k] for k in ("env", "age", "gain", "key"))
        (world, age, gain, key), (batch, counted) = jax.lax.scan(step, carry, length=training.horizon)
        last = critic(frozen, ACTIVATIONS[training.setup.activation], env.observe(world))
        state = state | {"env": world, "age": age, "gain": gain, "key": key}
        return state, self.advantages(batch, last), {k: jnp.sum(v) for k, v in counted.items()}

    def advantages(self, batch, last):
        """Generalised advantages, normalised over the rollout; the rows of all steps side by side."""
        training = self.training
        value, alive = batch["value"], 1.0 - batch["done"]
        # A time-out is topped up with the value of the state that was acted in.
        reward = batch["reward"] + training.gamma * value * batch["expired"]

        def backwards(carry, row):
            advantage, following = carry
            reward, value, alive = row
            delta = reward + training.gamma * alive * following - value
            advantage = delta + training.gamma * training.lam * alive * advantage
            return (advantage, value), advantage

        _, adv = jax.lax.scan(backwards, (jnp.zeros_like(last), last), (reward, value, alive), reverse=True)
        batch |= {"ret": adv + value, "adv": (adv - jnp.mean(adv)) / (jnp.std(adv) + 1e-8), "v_old": value}
        batch |= {"logp_old": batch["logp"], "n": batch.get("noise")}
        return {k: batch[k].reshape(-1, *batch[k].shape[2:]) for k in training.fields}

    def update(self, optimiser, lr, scale, frozen, batch, key):
        """All epochs; the rate adapts after each to the mean KL of all so far."""
        training, setup = self.training, self.training.setup
        evaluate = jax.value_and_grad(self.loss, has_aux=True)
        rows = training.envs * training.horizon
        fields = training.fields
        if self.choice.rows == "packed":
            batch = jnp.concatenate([batch[k].reshape(rows, w) for k, w in fields.items()], axis=1)

        def gather(index):
            if self.choice.rows == "fields":
                return {k: v[index] for k, v in batch.items()}
            ends = np.cumsum(list(fields.values()))
            parts = dict(zip(fields, jnp.split(batch[index], ends[:-1], axis=1), strict=True))
            return {k: v[:, 0] if fields[k] == 1 and v.shape[1] == 1 and k != "obs" else v for k, v in parts.items()}

        def minibatch(carry, given):
            optimiser, rate, sums = carry
            index, key = given
            node = draw_nodes(setup, key, index.shape) if training.flow else None
            (_, means), grads = evaluate(self.named(optimiser.params), frozen, gather(index), node)
            grads = flatten(grads) if self.choice.adam == "flat" else grads
            norm = norm_of(grads)
            sums = jax.tree.map(jnp.add, sums, means | {"grad_norm": norm})
            return (adamw(setup, optimiser, grads, norm, rate * scale), rate, sums), None

        def epoch(carry, given):
            key, number = given
            order, steps = jax.random.split(key)
            order = jax.random.permutation(order, rows).reshape(training.minibatches, -1)
            (optimiser, rate, sums), _ = jax.lax.scan(minibatch, carry, (order, jax.random.split(steps, training.minibatches)))
            kl = sums["kl"] / ((number + 1) * training.minibatches)
            target = training.kl_target
            rate = jnp.where(kl > 2.0 * target, rate / 1.5, jnp.where(kl < 0.5 * target, rate * 1.5, rate))
            return (optimiser, jnp.clip(rate, training.lr_min, training.lr_max), sums), None

        names = ("loss", "loss_pi", "loss_g", "loss_v", "kl", "clip_fraction", "std", "grad_norm")
        zeros = {k: jnp.float32(0.0) for k in names + (("loss_b",) if training.flow else ())}
        given = (jax.random.split(key, training.epochs), jnp.arange(training.epochs))
        (optimiser, lr, sums), _ = jax.lax.scan(epoch, (optimiser, lr, zeros), given)
        return optimiser, lr, {k: v / (training.epochs * training.minibatches) for k, v in sums.items()}

    def iteration(self, state):
        """Freeze, collect, estimate, update."""
        decay = self.training.lr_decay
        scale = jnp.maximum(0.0, 1.0 - state["iteration"] / decay) if decay else 1.0
        frozen = self.freeze(self.named(state["optimiser"].params))
        state, batch, counted = self.collect(frozen, state)
        key, updates = jax.random.split(state["key"])
        optimiser, lr, means = self.update(state["optimiser"], state["lr"], scale, frozen, batch, updates)
        state |= {"optimiser": optimiser, "lr": lr, "iteration": state["iteration"] + 1, "key": key}
        return state, means | counted


def check_gaussian(choice, setup, file, want):
    """PPO's loss terms, gradients and one AdamW step: tensors and what they should be."""
    params = {k: jnp.asarray(v) for k, v in file.items() if k.split(".")[0] in ("actor", "critic")}
    (_, means), grads = jax.jit(jax.value_and_grad(gaussian_loss(setup), has_aux=True))(params, file, file, None)
    norm = norm_of(grads)
    moved = adamw(setup, start(params, replace(choice, adam="leaves")), grads, norm, setup.lr).params
    got = {k: means[k] for k in ("loss", "loss_pi", "loss_g", "loss_v", "kl")} | {"grad_norm_total": norm}
    return got | {f"grad.{k}": g for k, g in grads.items()} | {f"step.{k}": p for k, p in moved.items()}
