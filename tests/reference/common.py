"""Pieces that the PolicyFlow and PPO references share: networks, Gaussian terms, value loss, one AdamW step.

Everything is float64 and written to be read beside the equations; nothing here is tuned for speed.
A network is a flat dictionary `{"actor.mlp.0.w": [in, out], "actor.mlp.0.b": [out], ...}` and y = x W + b.
"""

import math

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402  (x64 has to be switched on first)
import numpy as np  # noqa: E402

LOG_STD_MIN, LOG_STD_MAX = -20.0, 4.0
KL_LOG_OFFSET = 1e-5  # inside the logarithm of the KL estimate, as the released PolicyFlow code has it
NOT_TRAINED = {"actor.freqs"}


def mish(x):
    """x tanh(softplus(x))."""
    return x * jnp.tanh(jnp.logaddexp(x, 0.0))


def elu(x):
    """x above zero, exp(x) - 1 below; the inner `where` keeps exp from overflowing in the branch not taken."""
    return jnp.where(x > 0.0, x, jnp.expm1(jnp.where(x > 0.0, 0.0, x)))


def silu(x):
    """x sigmoid(x)."""
    return x / (1.0 + jnp.exp(-x))


# The `act` scalar of a fixture file is an index into this list.
ACTIVATIONS = [mish, elu, silu, jnp.tanh]


def layers(params, prefix):
    """The `(w, b)` pairs `prefix.0`, `prefix.1`, ... that `params` holds, in order."""
    found = []
    while f"{prefix}.{len(found)}.w" in params:
        i = len(found)
        found.append((params[f"{prefix}.{i}.w"], params[f"{prefix}.{i}.b"]))
    return found


def mlp(params, prefix, act, x):
    """Dense layers with `act` between them and none after the last: x [B, in] -> [B, out]."""
    stack = layers(params, prefix)
    for w, b in stack[:-1]:
        x = act(x @ w + b)
    w, b = stack[-1]
    return x @ w + b


def sigma(log_std):
    """exp(clamp(log_std, -20, 4)); the gradient is zero outside the clamp."""
    return jnp.exp(jnp.clip(log_std, LOG_STD_MIN, LOG_STD_MAX))


def log_normal(x, mean, std):
    """Sum over the last axis of log N(x; mean, std^2)."""
    u = (x - mean) / std
    return jnp.sum(-0.5 * u**2 - jnp.log(std) - 0.5 * math.log(2.0 * math.pi), axis=-1)


def policy_loss(rho, adv, clip):
    """-mean min(A rho, A clip(rho, 1 - clip, 1 + clip)) (PolicyFlow eq. 12)."""
    return -jnp.mean(jnp.minimum(adv * rho, adv * jnp.clip(rho, 1.0 - clip, 1.0 + clip)))


def entropy_loss(std, w_g, convention):
    """-w_g times the Gaussian entropy: summed over action dimensions (0) or averaged over them (1)."""
    per_dim = 0.5 * math.log(2.0 * math.pi * math.e) + jnp.log(std)
    return -w_g * (jnp.sum(per_dim) if convention == 0 else jnp.mean(per_dim))


def value_loss(value, v_old, ret, value_clip, mode):
    """Mean squared error of the critic: 0 the larger of plain and clipped, 1 the clipped prediction alone, 2 plain."""
    plain = (ret - value) ** 2
    clipped = (ret - (v_old + jnp.clip(value - v_old, -value_clip, value_clip))) ** 2
    return jnp.mean([lambda: jnp.maximum(plain, clipped), lambda: clipped, lambda: plain][mode]())


def gaussian_kl(std, std_old, mean_shift):
    """mean_B sum_i [log(s / s_old + 1e-5) + (s_old^2 + shift^2) / (2 s^2) - 1/2], mean_shift [B, d]."""
    per_dim = jnp.log(std / std_old + KL_LOG_OFFSET) + (std_old**2 + mean_shift**2) / (2.0 * std**2) - 0.5
    return jnp.mean(jnp.sum(per_dim, axis=-1))


def scalar(file, name, default=None):
    """A 0-d or [1] tensor of `file` as a float; absent: `default`, or an error that names it."""
    if name not in file:
        if default is None:
            raise KeyError(f"the input has no scalar `{name}`")
        return default
    return float(np.asarray(file[name]).reshape(()))


def trained(file):
    """The tensors that have gradients: every `actor.*` and `critic.*` except the frozen frequencies."""
    return {k: v for k, v in file.items() if k.split(".")[0] in ("actor", "critic") and k not in NOT_TRAINED}


def frozen_actor(file):
    """The actor that collected the data: `old.X` where the file has it, else the current `actor.X`."""
    return {k: file.get("old." + k.removeprefix("actor."), v) for k, v in file.items() if k.startswith("actor.")}


def adamw_step(params, grads, norm, file):
    """One AdamW step from zero moments after joint norm clipping, as torch.nn.utils.clip_grad_norm_ and torch.optim.AdamW.

    Decoupled weight decay applies to every trained tensor, biases and log_std included.
    """
    lr, decay, eps = scalar(file, "lr"), scalar(file, "weight_decay"), scalar(file, "eps")
    beta1, beta2 = scalar(file, "beta1"), scalar(file, "beta2")
    scale = min(1.0, scalar(file, "grad_norm") / (norm + 1e-6))
    stepped = {}
    for name, p in params.items():
        g = grads[name] * scale
        m_hat = (1.0 - beta1) * g / (1.0 - beta1)
        v_hat = (1.0 - beta2) * g**2 / (1.0 - beta2)
        stepped[name] = p * (1.0 - lr * decay) - lr * m_hat / (np.sqrt(v_hat) + eps)
    return stepped


def evaluate(loss_and_terms, file, dtype=np.float64):
    """Loss, terms, per-row values, gradients and one optimiser step of an input file, as a dictionary of float64 arrays.

    `loss_and_terms(params, file)` returns `(loss, {name: array})` with `params` the trained tensors. `dtype` is float32 only
    to learn how much of a difference rounding alone makes.
    """
    file = {k: jnp.asarray(np.asarray(v), dtype) for k, v in file.items()}
    params = trained(file)
    # `file` is closed over and not an argument: its scalars choose conventions and have to be concrete numbers.
    (loss, terms), grads = jax.jit(jax.value_and_grad(lambda p: loss_and_terms(p, file), has_aux=True))(params)
    grads = {k: np.asarray(g) for k, g in grads.items()}
    norm = float(np.sqrt(sum(float((g**2).sum()) for g in grads.values())))
    out = {"loss": loss, **terms, "grad_norm_total": norm}
    out |= {f"grad.{k}": g for k, g in grads.items()}
    out |= {f"step.{k}": p for k, p in adamw_step({k: np.asarray(p) for k, p in params.items()}, grads, norm, file).items()}
    return {k: np.array(v, dtype=np.float64) for k, v in out.items()}
