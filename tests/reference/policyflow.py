"""PolicyFlow's loss (arXiv 2602.01156, equations 12, 13, 15, 16) in float64, with gradients by automatic differentiation.

    python policyflow.py IN.safetensors OUT.safetensors

Tensor names are those of `flowmill gradient` (README.md here). Shapes: B rows, d actions, o observations, E embedding.
"""

import math
import sys

from common import (
    ACTIVATIONS,
    entropy_loss,
    evaluate,
    frozen_actor,
    gaussian_kl,
    log_normal,
    mlp,
    policy_loss,
    scalar,
    sigma,
    value_loss,
)
import jax.numpy as jnp
import numpy as np

RECTIFIED, INTERPOLANT, TRIGFLOW = range(3)


def horizon(path):
    """End of the time axis: pi / 2 for TrigFlow, 1 otherwise."""
    return math.pi / 2 if path == TRIGFLOW else 1.0


def time_embedding(actor, t):
    """Fourier features of t [B] through Linear, Mish, Linear: [B, E]. The Mish is fixed, whatever the network's `act`."""
    angle = 2.0 * math.pi * t[:, None] * actor["actor.freqs"]
    features = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    hidden = ACTIVATIONS[0](features @ actor["actor.t1.w"] + actor["actor.t1.b"])
    return hidden @ actor["actor.t2.w"] + actor["actor.t2.b"]


def velocity(actor, act, x, t, obs):
    """v_t(x; s): x [B, d], t [B], obs [B, o] -> [B, d]."""
    h = time_embedding(actor, t) + obs @ actor["actor.s.w"] + actor["actor.s.b"]
    return mlp(actor, "actor.mlp", act, jnp.concatenate([x, h], axis=-1))


def midpoint(field, z, n_steps, end):
    """phi_1 = explicit-midpoint solution of dx/dt = field(x, t) at t = `end` from x(0) = z, in n_steps equal steps."""
    dt, x = end / n_steps, z
    for i in range(n_steps):
        t = jnp.full(z.shape[0], i * dt)
        middle = x + 0.5 * dt * field(x, t)
        x = x + dt * field(middle, t + 0.5 * dt)
    return x


def interpolate(path, z, phi1, t, xi=None):
    """x_t between the stored z and the stored end point phi1 (equation 9 and its two variants); t [B, 1]."""
    if path == TRIGFLOW:
        return jnp.cos(t) * z + jnp.sin(t) * phi1
    x = (1.0 - t) * z + t * phi1
    if path == INTERPOLANT:
        x = x + jnp.sqrt(2.0 * t * jnp.maximum(1.0 - t, 1e-6)) * xi
    return x


def residual(path, t, x, v, v_hat):
    """Brownian residual eta (equation 16 and its two variants): current v in the first term, frozen v_hat in the target."""
    if path == TRIGFLOW:
        return jnp.cos(t) * v - (jnp.cos(t) * x - jnp.sin(t) * v_hat)
    lead = 2.0 * (t - 0.5) ** 2 + 0.5 if path == INTERPOLANT else 1.0 - t
    return lead * v - (x - t * v_hat)


def loss_and_terms(params, file):
    """`(loss, terms)` of `file` at the trained tensors `params`; nothing differentiates through the ODE or through v_hat."""
    act, path = ACTIVATIONS[int(scalar(file, "act"))], int(scalar(file, "path", RECTIFIED))
    frozen = frozen_actor(file)
    current = params | {"actor.freqs": file["actor.freqs"]}
    obs, z, n, t, adv = (file[k] for k in ("obs", "z", "n", "t", "adv"))
    std, std_old = sigma(params["actor.log_std"]), sigma(frozen["actor.log_std"])
    d = z.shape[1]

    x = interpolate(path, z, file["phi1"], t[:, None], file.get("xi"))
    v = velocity(current, act, x, t, obs)
    v_hat = velocity(frozen, act, x, t, obs)
    dv = v - v_hat
    log_rho = log_normal(n, dv, std) - file["logp_old"]  # (13)
    rho = jnp.exp(log_rho)
    eta = residual(path, t[:, None], x, v, v_hat)  # (16)
    value = mlp(params, "critic.mlp", act, obs)[:, 0]

    loss_pi = policy_loss(rho, adv, scalar(file, "clip"))  # (12)
    loss_g = entropy_loss(std, scalar(file, "w_g"), int(scalar(file, "entropy")))  # (15), second term
    per_dim = 1.0 if int(scalar(file, "brownian")) == 1 else 1.0 / d
    loss_b = scalar(file, "w_b") * jnp.mean(jnp.sum(eta**2, axis=-1)) * per_dim  # (15), first term
    loss_v = scalar(file, "value_coef") * value_loss(
        value, file["v_old"], file["ret"], scalar(file, "value_clip"), int(scalar(file, "value_mode"))
    )
    phi1_new = midpoint(lambda x, t: velocity(current, act, x, t, obs), z, int(scalar(file, "n_steps")), horizon(path))
    terms = {
        "loss_pi": loss_pi,
        "loss_g": loss_g,
        "loss_b": loss_b,
        "loss_v": loss_v,
        "kl": gaussian_kl(std, std_old, dv),
        "log_rho": log_rho,
        "rho": rho,
        "eta": eta,
        "v": v,
        "vhat": v_hat,
        "value": value,
        "phi1_new": phi1_new,
    }
    return loss_pi + loss_g + loss_b + loss_v, terms


def run(file, dtype=np.float64):
    """All outputs of `flowmill gradient` for a PolicyFlow input file."""
    return evaluate(loss_and_terms, file, dtype)


if __name__ == "__main__":
    from safetensors.numpy import load_file, save_file

    save_file(run(load_file(sys.argv[1])), sys.argv[2])
