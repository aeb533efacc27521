"""PPO's loss with a state-independent Gaussian (rsl_rl's form) in float64, with gradients by automatic differentiation.

    python ppo.py IN.safetensors OUT.safetensors

Tensor names: README.md here. Shapes: B rows, d actions, o observations.
"""

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


def loss_and_terms(params, file):
    """`(loss, terms)` of `file` at the trained tensors `params`."""
    act = ACTIVATIONS[int(scalar(file, "act"))]
    std, std_old = sigma(params["actor.log_std"]), sigma(frozen_actor(file)["actor.log_std"])
    mu = mlp(params, "actor.mlp", act, file["obs"])
    value = mlp(params, "critic.mlp", act, file["obs"])[:, 0]
    log_rho = log_normal(file["action"], mu, std) - file["logp_old"]
    rho = jnp.exp(log_rho)

    loss_pi = policy_loss(rho, file["adv"], scalar(file, "clip"))
    loss_g = entropy_loss(std, scalar(file, "w_g"), int(scalar(file, "entropy")))
    loss_v = scalar(file, "value_coef") * value_loss(
        value, file["v_old"], file["ret"], scalar(file, "value_clip"), int(scalar(file, "value_mode"))
    )
    terms = {
        "loss_pi": loss_pi,
        "loss_g": loss_g,
        "loss_v": loss_v,
        "kl": gaussian_kl(std, std_old, mu - file["mu_old"]),
        "log_rho": log_rho,
        "rho": rho,
        "mu": mu,
        "value": value,
    }
    return loss_pi + loss_g + loss_v, terms


def run(file, dtype=np.float64):
    """All outputs of `flowmill gradient --algo ppo` for an input file."""
    return evaluate(loss_and_terms, file, dtype)


if __name__ == "__main__":
    from safetensors.numpy import load_file, save_file

    save_file(run(load_file(sys.argv[1])), sys.argv[2])
