"""PolicyFlow's sampler and optimiser step in JAX, float32, written to be fast: what flowmill is timed against.

The arithmetic is that of flowmill's graphs `policyflow_act` and `policyflow_update` with AdamW behind the latter. Where a JAX
programmer has a choice that may matter for speed, it is a field of `Sampling` or `Stepping`; jax_peer.py times all of them.

Settings are a `problem.Setup`; parameters are flat dictionaries under the names of tests/reference/README.md. Widths in
comments: B rows, o observation, d action, E embedding, h1 first hidden layer, N midpoint steps.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
KL_LOG_OFFSET = 1e-5


@dataclass(frozen=True)
class Sampling:
    """Choices of the sampler."""

    loop: str = "scan"  # unrolled: N steps in a row
    block: int = 0  # rows that go through the whole loop at a time; 0: all
    draws: str = "threefry2x32"  # generator of z and n; given: they are arguments


@dataclass(frozen=True)
class Stepping:
    """Choices of the optimiser step."""

    # Current network. rows: embedding of every row's time, as flowmill's graph. onehot, gather: embedding of the 2 N + 1 grid
    # times, then a product or a look-up. folded: the product S Wh too is made once, so the first layer is x Wx + obs F + table.
    embedding: str = "rows"
    adam: str = "leaves"  # leaves: tensor by tensor; flat: one vector
    scan: int = 1  # optimiser steps in one call
    draws: str = "threefry2x32"  # generator of the times; given: they are an argument


class Optimiser(NamedTuple):
    """Parameters and moments (dictionaries, or vectors with `adam="flat"`), and the number of steps done."""

    params: dict | jax.Array
    m: dict | jax.Array
    v: dict | jax.Array
    step: jax.Array


# --- network ---------------------------------------------------------------------------------------------------------


def mish(x):
    """x tanh(ln(1 + e^x)) with one exponential; above 20 it is x to float32."""
    e = jnp.exp(jnp.minimum(x, 20.0))
    n = e * (e + 2.0)
    return x * (n / (n + 2.0))


def elu(x):
    """x above zero, e^x - 1 below."""
    return jnp.where(x > 0.0, x, jnp.exp(jnp.minimum(x, 0.0)) - 1.0)


ACTIVATIONS = {"mish": mish, "elu": elu, "tanh": jnp.tanh}


def first_layer(params, prefix, act_dim):
    """The first layer's rows of x `[d, h1]`, its rows of the embedding `[E, h1]`, its bias."""
    w = params[f"{prefix}.mlp.0.w"]
    return w[:act_dim], w[act_dim:], params[f"{prefix}.mlp.0.b"]


def after_first(params, mlp, act, x):
    """The rest of an MLP from the first layer's sums."""
    i = 1
    while f"{mlp}.{i}.w" in params:
        x = act(x) @ params[f"{mlp}.{i}.w"] + params[f"{mlp}.{i}.b"]
        i += 1
    return x


def critic(params, act, obs):
    """`[B]`"""
    return after_first(params, "critic.mlp", act, obs @ params["critic.mlp.0.w"] + params["critic.mlp.0.b"])[:, 0]


def embed_time(params, prefix, freqs, t):
    """`[B, E]` of times `[B]`."""
    angle = 2.0 * math.pi * t[:, None] * freqs
    features = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=1)
    hidden = mish(features @ params[f"{prefix}.t1.w"] + params[f"{prefix}.t1.b"])
    return hidden @ params[f"{prefix}.t2.w"] + params[f"{prefix}.t2.b"]


def grid(setup):
    """The 2 N + 1 times at which the midpoint rule evaluates the network, and the end."""
    return jnp.linspace(0.0, 1.0, 2 * setup.steps + 1, dtype=jnp.float32)


def fold(setup, params, prefix, freqs):
    """The frozen first layer's parts that need no row: of the times `[2 N + 1, h1]`, of the observation `[o, h1]`."""
    _, wh, b = first_layer(params, prefix, setup.act)
    times = (embed_time(params, prefix, freqs, grid(setup)) + params[f"{prefix}.s.b"]) @ wh + b
    return {"fold.time": times, "fold.state": params[f"{prefix}.s.w"] @ wh}


# --- sampler ---------------------------------------------------------------------------------------------------------


def sampler(setup, choice):
    """`sample(frozen, obs, draws) -> (stores, draws)`: what a rollout step stores, and the next key.

    `frozen` holds `old.*`, `fold.*` and `critic.*`; `draws` is a key, or `(z, standard normal)` with `draws="given"`.
    """
    act, n_steps = ACTIVATIONS[setup.activation], setup.steps

    def integrate(frozen, obs, z):
        wx, _, _ = first_layer(frozen, "old", setup.act)
        state = obs @ frozen["fold.state"]

        def velocity(x, time):
            return after_first(frozen, "old.mlp", act, x @ wx + (state + time))

        def step(x, times):
            middle = x + (0.5 / n_steps) * velocity(x, times[0])
            return x + (1.0 / n_steps) * velocity(middle, times[1]), None

        pairs = frozen["fold.time"][:-1].reshape(n_steps, 2, -1)
        if choice.loop == "scan":
            return jax.lax.scan(step, z, pairs)[0]
        for i in range(n_steps):
            z, _ = step(z, pairs[i])
        return z

    def policy(frozen, obs, z, standard):
        phi1 = integrate(frozen, obs, z)
        log_std = jnp.clip(frozen["old.log_std"], -20.0, 4.0)
        n = standard * jnp.exp(log_std)
        logp = jnp.sum(-0.5 * jnp.square(n / jnp.exp(log_std)) - log_std - HALF_LOG_TAU, axis=1)
        return {"z": z, "phi1": phi1, "noise": n, "action": phi1 + n, "logp": logp, "value": critic(frozen, act, obs)}

    def sample(frozen, obs, draws):
        if choice.draws == "given":
            z, standard = draws
        else:
            draws, kz, kn = jax.random.split(draws, 3)
            z, standard = (jax.random.normal(k, (obs.shape[0], setup.act), jnp.float32) for k in (kz, kn))
        if not choice.block:
            return policy(frozen, obs, z, standard), draws
        blocks = [x.reshape(-1, choice.block, x.shape[1]) for x in (obs, z, standard)]
        out = jax.lax.map(lambda b: policy(frozen, *b), blocks)
        return {k: v.reshape(obs.shape[0], *v.shape[2:]) for k, v in out.items()}, draws

    return sample


# --- optimiser step --------------------------------------------------------------------------------------------------


def loss_of(setup, choice, freqs):
    """`loss(params, frozen, batch, node) -> (loss, means)`; `node` `[B]` numbers the grid time of a row."""
    act = ACTIVATIONS[setup.activation]

    def current_velocity(params, x, node, t, obs):
        wx, wh, b = first_layer(params, "actor", setup.act)
        if choice.embedding == "rows":
            embedding = embed_time(params, "actor", freqs, t)
        else:
            embedding = embed_time(params, "actor", freqs, grid(setup))
        if choice.embedding == "folded":
            table = (embedding + params["actor.s.b"]) @ wh + b
            first = x @ wx + obs @ (params["actor.s.w"] @ wh) + one_hot(node) @ table
        else:
            if choice.embedding == "onehot":
                embedding = one_hot(node) @ embedding
            elif choice.embedding == "gather":
                embedding = embedding[node]
            first = x @ wx + (embedding + obs @ params["actor.s.w"] + params["actor.s.b"]) @ wh + b
        return after_first(params, "actor.mlp", act, first)

    def one_hot(node):
        return jax.nn.one_hot(node, 2 * setup.steps + 1, dtype=jnp.float32)

    def loss(params, frozen, batch, node):
        obs, z, phi1 = batch["obs"], batch["z"], batch["phi1"]
        t = node.astype(jnp.float32) / (2 * setup.steps)
        tc = t[:, None]
        x = (1.0 - tc) * z + tc * phi1
        wx, _, _ = first_layer(frozen, "old", setup.act)
        first = x @ wx + (obs @ frozen["fold.state"] + frozen["fold.time"][node])
        v_old = jax.lax.stop_gradient(after_first(frozen, "old.mlp", act, first))
        v = current_velocity(params, x, node, t, obs)
        dv = v - v_old

        terms = gaussian_terms(setup, params, frozen, batch["n"] - dv, dv, batch)
        eta = (1.0 - tc) * v - jax.lax.stop_gradient(x - tc * v_old)
        brownian = setup.w_b * jnp.mean(jnp.square(eta))
        value_loss = value_error(setup, critic(params, act, obs), batch)
        return total(terms | {"loss_b": brownian, "loss_v": value_loss})

    return loss


def gaussian_terms(setup, params, frozen, deviation, shift, batch):
    """Clipped ratio loss, entropy of the action noise and KL: `deviation` of the action from the mean now, `shift` of the mean."""
    log_std, log_old = (jnp.clip(p, -20.0, 4.0) for p in (params["actor.log_std"], frozen["old.log_std"]))
    std, std_old = jnp.exp(log_std), jnp.exp(log_old)
    logp = jnp.sum(-0.5 * jnp.square(deviation / std) - log_std - HALF_LOG_TAU, axis=1)
    ratio, adv = jnp.exp(logp - batch["logp_old"]), batch["adv"]
    kl = jnp.log(std / std_old + KL_LOG_OFFSET) + (jnp.square(std_old) + jnp.square(shift)) / (2.0 * jnp.square(std)) - 0.5
    return {
        "loss_pi": -jnp.mean(jnp.minimum(ratio * adv, jnp.clip(ratio, 1.0 - setup.clip, 1.0 + setup.clip) * adv)),
        "loss_g": -setup.w_g * jnp.sum(log_std + HALF_LOG_TAU + 0.5),
        "kl": jnp.mean(jnp.sum(kl, axis=1)),
        "clip_fraction": jnp.mean((jnp.abs(ratio - 1.0) > setup.clip).astype(jnp.float32)),
        "std": jnp.mean(std),
    }


def value_error(setup, value, batch):
    """The critic's loss in the setup's form."""
    v_at, ret = batch["v_old"], batch["ret"]
    plain = jnp.square(ret - value)
    clipped = jnp.square(ret - v_at - jnp.clip(value - v_at, -setup.value_clip, setup.value_clip))
    return setup.value_coef * jnp.mean([jnp.maximum(plain, clipped), clipped, plain][setup.value_mode])


def total(means):
    """`(loss, means)` of terms whose names begin with `loss`."""
    loss = sum(v for k, v in means.items() if k.startswith("loss"))
    return loss, jax.lax.stop_gradient(means | {"loss": loss})


def adamw(setup, state, grads, norm, lr):
    """Joint norm clipping and AdamW, on dictionaries or on vectors."""
    step = state.step + 1
    scale = jnp.minimum(1.0, setup.grad_norm / (norm + 1e-6))
    bias1, bias2 = 1.0 - setup.beta1**step, 1.0 - setup.beta2**step
    m = jax.tree.map(lambda m, g: setup.beta1 * m + (1.0 - setup.beta1) * scale * g, state.m, grads)
    v = jax.tree.map(lambda v, g: setup.beta2 * v + (1.0 - setup.beta2) * jnp.square(scale * g), state.v, grads)
    move = lambda p, m, v: p * (1.0 - lr * setup.weight_decay) - lr * (m / bias1) / (jnp.sqrt(v / bias2) + setup.eps)  # noqa: E731
    return Optimiser(jax.tree.map(move, state.params, m, v), m, v, step)


def norm_of(grads):
    """Norm of all gradients together."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(grads)))


def flatten(tree):
    """All entries of a dictionary in one vector."""
    return jnp.concatenate([tree[k].ravel() for k in sorted(tree)])


def unflatten(vector, shapes):
    """The dictionary that `flatten` made a vector of."""
    tree, at = {}, 0
    for name in sorted(shapes):
        size = math.prod(shapes[name])
        tree[name] = vector[at : at + size].reshape(shapes[name])
        at += size
    return tree


def draw_nodes(setup, key, shape):
    """Numbers of grid times, uniform."""
    uniform = jax.random.uniform(key, shape, jnp.float32)
    return jnp.minimum(uniform * (2 * setup.steps + 1), 2 * setup.steps).astype(jnp.int32)


def start(params, choice):
    """A fresh optimiser on copies of the parameters."""
    params = flatten(params) if choice.adam == "flat" else jax.tree.map(jnp.array, params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    return Optimiser(params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.float32(0.0))


def optimiser_step(setup, choice, freqs, shapes):
    """`run(optimiser, frozen, batch, draws) -> (optimiser, draws, means, grads)`, `choice.scan` steps on the same batch.

    `draws` is a key, or the nodes `[B]` with `draws="given"`; `grads` are for checks alone, and empty with `scan` above 1 (an
    unused result costs nothing inside a jitted caller).
    """
    evaluate = jax.value_and_grad(loss_of(setup, choice, freqs), has_aux=True)
    flat = choice.adam == "flat"

    def once(state, frozen, batch, draws):
        if choice.draws == "given":
            node = draws
        else:
            draws, key = jax.random.split(draws)
            node = draw_nodes(setup, key, batch["adv"].shape)
        params = unflatten(state.params, shapes) if flat else state.params
        (_, means), grads = evaluate(params, frozen, batch, node)
        vector = flatten(grads) if flat else grads
        norm = norm_of(vector)
        return adamw(setup, state, vector, norm, setup.lr), draws, means | {"grad_norm": norm}, grads

    def run(state, frozen, batch, draws):
        if choice.scan == 1:
            return once(state, frozen, batch, draws)

        def body(carry, _):
            state, draws, means, _ = once(carry[0], frozen, batch, carry[1])
            return (state, draws), means

        (state, draws), means = jax.lax.scan(body, (state, draws), length=choice.scan)
        return state, draws, jax.tree.map(jnp.mean, means), {}

    return run
