"""PolicyFlow and Gaussian PPO trained on MultiGoal in JAX float32: the outside check of flowmill's learning curves.

    python multigoal.py [--algo ppo] [--seed 1] [--w-b 0.25] [--iterations 40] [--envs 4096]

The setting is flowmill's `quick` preset. It shares no code with the engine, and with the float64 reference only the
definitions that policyflow.py states. 40 iterations took half a minute on two CPU cores.
"""

import argparse
import math
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

HORIZON, EMBED, HIDDEN, STEPS = 32, 16, (32, 32), 4
EPOCHS, MINIBATCHES, CLIP, GAMMA, LAMBDA = 4, 64, 0.2, 0.99, 0.95
LR, LR_MIN, LR_MAX, KL_TARGET, DECAY_OVER = 1e-3, 1e-6, 2e-3, 0.01, 45
DECAY, BETA1, BETA2, EPS, MAX_NORM = 1e-5, 0.9, 0.999, 1e-8, 1.0
GOALS = 5.0 * jnp.array([[math.cos(i * math.pi / 3), math.sin(i * math.pi / 3)] for i in range(6)], jnp.float32)
LOG_2PI = math.log(2.0 * math.pi)


# --- environment -----------------------------------------------------------------------------------------------------


def reset(key, count):
    """States [count, 4] (x, y, vx, vy) at rest, uniform on [-7, 7]^2."""
    return jnp.concatenate([jax.random.uniform(key, (count, 2), minval=-7.0, maxval=7.0), jnp.zeros((count, 2))], axis=1)


def move(state, action):
    """One step of 0.1: the position moves with the old velocity, the velocity with the action clipped to +-5."""
    position = state[:, :2] + 0.1 * state[:, 2:]
    return jnp.concatenate([position, state[:, 2:] + 0.1 * jnp.clip(action, -5.0, 5.0)], axis=1)


def reward(state, action):
    """Closeness to the nearest goal after the step, less the unclipped action's square."""
    d2 = jnp.min(jnp.sum((state[:, None, :2] - GOALS) ** 2, axis=-1), axis=-1)
    return 0.1 * (jnp.exp(-0.3 * d2) + jnp.exp(-0.1 * d2) - 0.01 * jnp.sum(action**2, axis=-1))


# --- networks --------------------------------------------------------------------------------------------------------


def mish(x):
    """x tanh(softplus(x)), through one exponential."""
    e = jnp.exp(jnp.minimum(x, 20.0))
    w = e * (e + 2.0)
    return x * w / (w + 2.0)


def torch_linear(key, fan_in, fan_out):
    """PyTorch's default Linear: weights and biases uniform in +-1 / sqrt(fan in)."""
    kw, kb = jax.random.split(key)
    bound = 1.0 / math.sqrt(fan_in)
    w = jax.random.uniform(kw, (fan_in, fan_out), minval=-bound, maxval=bound)
    return [w, jax.random.uniform(kb, (fan_out,), minval=-bound, maxval=bound)]


def glorot_mlp(key, widths, last_gain):
    """Dense layers with Glorot-normal weights, the last scaled by `last_gain`, and PyTorch's default biases."""
    out = []
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        key, kw, kb = jax.random.split(key, 3)
        gain = last_gain if i == len(widths) - 2 else 1.0
        w = gain * math.sqrt(2.0 / (fan_in + fan_out)) * jax.random.normal(kw, (fan_in, fan_out))
        b = torch_linear(kb, fan_in, fan_out)[1]
        out.append([w, b if gain == 1.0 else jnp.zeros(fan_out)])
    return out


def mlp(stack, x):
    """Mish between the layers, none after the last."""
    for w, b in stack[:-1]:
        x = mish(x @ w + b)
    return x @ stack[-1][0] + stack[-1][1]


def initialise(key, flow):
    """Trained parameters; PolicyFlow's output layer is zero, PPO's a hundredth of Glorot."""
    ks = jax.random.split(key, 5)
    params = {"critic": glorot_mlp(ks[0], [4, *HIDDEN, 1], 0.01), "log_std": jnp.zeros(2)}
    if not flow:
        return params | {"mlp": glorot_mlp(ks[1], [4, *HIDDEN, 2], 0.01)}
    features = 2 * (EMBED // 8)
    return params | {
        "t1": torch_linear(ks[2], features, EMBED),
        "t2": torch_linear(ks[3], EMBED, EMBED),
        "s": torch_linear(ks[4], 4, EMBED),
        "mlp": glorot_mlp(ks[1], [2 + EMBED, *HIDDEN, 2], 0.0),
    }


def time_table(params, freqs):
    """Embeddings of the 2N + 1 times that the solver visits: [2N + 1, E]."""
    angle = 2.0 * math.pi * jnp.linspace(0.0, 1.0, 2 * STEPS + 1)[:, None] * freqs
    features = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=1)
    return mish(features @ params["t1"][0] + params["t1"][1]) @ params["t2"][0] + params["t2"][1]


def velocity(params, x, temb, semb):
    """v_t(x; s) from the embeddings of time and state."""
    return mlp(params["mlp"], jnp.concatenate([x, temb + semb], axis=1))


def act(params, freqs, obs, key):
    """`(action, z, mean, n)`: the mean is phi_1 for a flow and the Gaussian's mean otherwise (z is then unused)."""
    kz, kn = jax.random.split(key)
    n = jnp.exp(params["log_std"]) * jax.random.normal(kn, (obs.shape[0], 2))
    z = jax.random.normal(kz, (obs.shape[0], 2))
    if freqs is None:
        mean = mlp(params["mlp"], obs)
    else:
        table, semb, mean = time_table(params, freqs), obs @ params["s"][0] + params["s"][1], z
        for i in range(STEPS):
            middle = mean + 0.5 / STEPS * velocity(params, mean, table[2 * i], semb)
            mean = mean + 1.0 / STEPS * velocity(params, middle, table[2 * i + 1], semb)
    return mean + n, z, mean, n


# --- one iteration ---------------------------------------------------------------------------------------------------


def collect(params, freqs, env, key):
    """HORIZON steps of every environment: the new environment state, the batch [T, n, ...], and episode sums."""

    def step(carry, key):
        state, age, total = carry
        ka, kr = jax.random.split(key)
        value = mlp(params["critic"], state)[:, 0]
        action, z, mean, n = act(params, freqs, state, ka)
        after = move(state, action)
        gain = reward(after, action)
        age, total = age + 1, total + gain
        outside = jnp.any(jnp.abs(after[:, :2]) > 8.0, axis=1)
        expired = (age > 50) & ~outside
        done = outside | expired
        # A time-out is bootstrapped with the value of the state acted in, as rsl_rl does.
        row = {"obs": state, "z": z, "mean": mean, "n": n, "value": value, "done": done}
        row |= {"reward": gain + GAMMA * value * expired}
        stats = {"finished": done.sum(), "sum": (total * done).sum()}
        stats |= {"expired": expired.sum(), "expired_sum": (total * expired).sum()}
        after = jnp.where(done[:, None], reset(kr, state.shape[0]), after)
        return (after, jnp.where(done, 0, age), jnp.where(done, 0.0, total)), (row, stats)

    env, (batch, stats) = jax.lax.scan(step, env, jax.random.split(key, HORIZON))
    last = mlp(params["critic"], env[0])[:, 0]

    def backwards(carry, row):
        advantage, next_value = carry
        alive = 1.0 - row["done"]
        delta = row["reward"] + GAMMA * next_value * alive - row["value"]
        advantage = delta + GAMMA * LAMBDA * alive * advantage
        return (advantage, row["value"]), advantage

    _, adv = jax.lax.scan(backwards, (jnp.zeros_like(last), last), batch, reverse=True)
    batch["ret"] = adv + batch["value"]
    batch["adv"] = (adv - adv.mean()) / (adv.std() + 1e-8)
    return env, {k: v.reshape(-1, *v.shape[2:]) for k, v in batch.items()}, stats


def losses(params, old, freqs, batch, key, w_b, w_g):
    """`(loss, kl)` of a minibatch: PolicyFlow's equations 12, 13, 15 and 16, or PPO's; plain squared error for the critic."""
    sig, sig_old = jnp.exp(params["log_std"]), jnp.exp(old["log_std"])
    if freqs is None:
        n, shift, brownian = batch["n"], mlp(params["mlp"], batch["obs"]) - batch["mean"], 0.0
    else:
        node = jax.random.randint(key, batch["adv"].shape, 0, 2 * STEPS + 1)
        pick = jax.nn.one_hot(node, 2 * STEPS + 1)  # a product with a table row, whose gradient is no scatter
        t = node[:, None] / (2.0 * STEPS)
        x = (1.0 - t) * batch["z"] + t * batch["mean"]
        v, v_hat = (velocity(p, x, pick @ time_table(p, freqs), batch["obs"] @ p["s"][0] + p["s"][1]) for p in (params, old))
        n, shift = batch["n"], v - v_hat
        brownian = jnp.mean(((1.0 - t) * v - (x - t * v_hat)) ** 2)
    log_rho = jnp.sum(-0.5 * ((n - shift) / sig) ** 2 - jnp.log(sig) + 0.5 * (n / sig_old) ** 2 + jnp.log(sig_old), axis=1)
    rho, adv = jnp.exp(log_rho), batch["adv"]
    surrogate = -jnp.mean(jnp.minimum(adv * rho, adv * jnp.clip(rho, 1.0 - CLIP, 1.0 + CLIP)))
    entropy = jnp.sum(0.5 * (LOG_2PI + 1.0) + params["log_std"])
    value = jnp.mean((mlp(params["critic"], batch["obs"])[:, 0] - batch["ret"]) ** 2)
    kl = jnp.mean(jnp.sum(jnp.log(sig / sig_old + 1e-5) + (sig_old**2 + shift**2) / (2.0 * sig**2) - 0.5, axis=1))
    return surrogate + w_b * brownian - w_g * entropy + value, kl


def adamw(params, grads, moments, count, lr):
    """Joint norm clipping and one AdamW step."""
    leaves = jax.tree.leaves(grads)
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in leaves))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, MAX_NORM / (norm + 1e-6)), grads)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, moments[0], grads)
    second = jax.tree.map(lambda m, g: BETA2 * m + (1 - BETA2) * g * g, moments[1], grads)
    c1, c2 = 1 - BETA1**count, 1 - BETA2**count
    params = jax.tree.map(lambda p, m, s: p * (1 - lr * DECAY) - lr * (m / c1) / (jnp.sqrt(s / c2) + EPS), params, first, second)
    return params, (first, second)


@partial(jax.jit, donate_argnums=(0, 2, 3))
def iterate(params, freqs, moments, env, lr, count, decay, key, w_b, w_g):
    """Rollout, then EPOCHS x MINIBATCHES updates; the rate adapts once an epoch to the KL of all epochs so far."""
    kc, ku = jax.random.split(key)
    env, batch, stats = collect(params, freqs, env, kc)
    old, rows = params, batch["adv"].shape[0]

    def epoch(carry, key):
        params, moments, lr, count, kl_sum, kl_count = carry
        order = jax.random.permutation(key, rows).reshape(MINIBATCHES, -1)

        def update(carry, xs):
            params, moments, count = carry
            index, key = xs
            chunk = {k: batch[k][index] for k in ("obs", "z", "mean", "n", "adv", "ret")}
            (_, kl), grads = jax.value_and_grad(losses, has_aux=True)(params, old, freqs, chunk, key, w_b, w_g)
            params, moments = adamw(params, grads, moments, count + 1, lr * decay)
            return (params, moments, count + 1), kl

        keys = jax.random.split(jax.random.fold_in(key, 1), MINIBATCHES)
        (params, moments, count), kl = jax.lax.scan(update, (params, moments, count), (order, keys))
        kl_sum, kl_count = kl_sum + kl.sum(), kl_count + MINIBATCHES
        kl = kl_sum / kl_count
        lr = jnp.where(kl > 2 * KL_TARGET, lr / 1.5, jnp.where(kl < KL_TARGET / 2, lr * 1.5, lr))
        return (params, moments, jnp.clip(lr, LR_MIN, LR_MAX), count, kl_sum, kl_count), kl

    start = (params, moments, lr, count, jnp.float32(0.0), jnp.float32(0.0))
    (params, moments, lr, count, _, _), kl = jax.lax.scan(epoch, start, jax.random.split(ku, EPOCHS))
    return params, moments, env, lr, count, stats, kl[-1]


# --- measures --------------------------------------------------------------------------------------------------------


@jax.jit
def from_origin(params, freqs, key):
    """End points [1000, 2] of 100 steps from rest at the origin without reset, and 8192 first actions [8192, 2] there."""
    ka, kb = jax.random.split(key)
    step = lambda s, k: (move(s, act(params, freqs, s, k)[0]), None)  # noqa: E731
    state, _ = jax.lax.scan(step, jnp.zeros((1000, 4)), jax.random.split(ka, 100))
    return state[:, :2], act(params, freqs, jnp.zeros((8192, 4)), kb)[0]


@jax.jit
def evaluation_return(params, freqs, key):
    """Mean return of whole episodes (51 steps or until outside) started by `reset`, actions sampled."""
    k0, k1 = jax.random.split(key)

    def step(carry, key):
        state, alive, total = carry
        action = act(params, freqs, state, key)[0]
        after = move(state, action)
        total = total + alive * reward(after, action)
        return (after, alive * jnp.all(jnp.abs(after[:, :2]) <= 8.0, axis=1), total), None

    state = reset(k0, 4096)
    (_, _, total), _ = jax.lax.scan(step, (state, jnp.ones(4096), jnp.zeros(4096)), jax.random.split(k1, 51))
    return total.mean()


def spread(counts):
    """Entropy of the shares of goals over ln 6."""
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(p * np.log(p)).sum() / math.log(6.0))


def measures(params, freqs, key):
    """Coverage, entropy, reached; first-action coverage, entropy, strong."""
    ends, first = (np.asarray(x) for x in from_origin(params, freqs, key))
    goals = np.asarray(GOALS)
    distance = np.linalg.norm(ends[:, None] - goals, axis=2)
    owned = np.bincount(distance.argmin(1)[distance.min(1) <= 1.0], minlength=6)
    norm = np.linalg.norm(first, axis=1)
    cosine = first @ goals.T / 5.0 / np.maximum(norm, 1e-9)[:, None]
    strong = norm >= 3.0
    pointed = np.bincount(cosine.argmax(1)[strong & (cosine.max(1) >= math.cos(math.pi / 6))], minlength=6)
    return (
        int((owned >= 0.05 * len(ends)).sum()), spread(owned), owned.sum() / len(ends),
        int((pointed >= 0.05 * len(first)).sum()), spread(pointed), strong.mean(),
    )  # fmt: skip


def main():
    """Trains and prints a line every few iterations.

    train_return: mean over the training episodes that finished in the iteration, left or timed out; last_5_iters: the same over
    five iterations; timeouts_only: without those that left; eval_return: whole fresh episodes with the updated policy.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algo", choices=["policyflow", "ppo"], default="policyflow")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--every", type=int, default=5, help="iterations between printed lines")
    parser.add_argument("--envs", type=int, default=4096)
    parser.add_argument("--w-b", type=float, default=0.25)
    parser.add_argument("--w-g", type=float, default=0.001)
    args = parser.parse_args()
    flow = args.algo == "policyflow"
    kp, kf, ke, ka, key = jax.random.split(jax.random.PRNGKey(args.seed), 5)
    params = initialise(kp, flow)
    freqs = 16.0 * jax.random.normal(kf, (EMBED // 8,)) if flow else None
    # Two trees and no sharing: the moments are given away at every call.
    moments = jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)
    env = (reset(ke, args.envs), jax.random.randint(ka, (args.envs,), 0, 51), jnp.zeros(args.envs))
    lr, count, began = jnp.float32(LR), jnp.float32(0.0), time.time()
    print("iter  train_return  last_5_iters  timeouts_only  eval_return  coverage entropy reached"
          "  first: coverage entropy strong     std     lr      kl  seconds")
    recent = []  # (sum of returns, episodes) of the last five iterations
    for i in range(1, args.iterations + 1):
        key, ki, km, kr = jax.random.split(key, 4)
        decay = jnp.float32(1.0 - (i - 1) / DECAY_OVER)
        params, moments, env, lr, count, stats, kl = iterate(params, freqs, moments, env, lr, count, decay, ki, args.w_b, args.w_g)
        s = {k: float(v.sum()) for k, v in stats.items()}
        recent = [*recent[-4:], (s["sum"], s["finished"])]
        if i % args.every == 0 or i == 1:
            window = sum(r[0] for r in recent) / max(sum(r[1] for r in recent), 1)
            c, e, r, fc, fe, fs = measures(params, freqs, km)
            std = float(jnp.exp(params["log_std"]).mean())
            print(
                f"{i:>4}  {s['sum'] / max(s['finished'], 1):>12.3f}  {window:>12.3f}  {s['expired_sum'] / max(s['expired'], 1):>13.3f}"
                f"  {float(evaluation_return(params, freqs, kr)):>11.3f}  {c:>8} {e:>7.3f} {r:>7.3f}  {fc:>15} {fe:>7.3f} {fs:>6.3f}"
                f"  {std:>6.3f}  {float(lr):.1e}  {float(kl):.4f}  {time.time() - began:>6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
