"""jax_policyflow.py held against the fixtures of the float64 reference."""

import jax
import jax.numpy as jnp
from jax_policyflow import fold, optimiser_step, sampler, start, unflatten
from problem import differences, wanted_samples


def check_step(choice, setup, file, want):
    """Differences in means, gradients and one AdamW step."""
    params = {k: v for k, v in file.items() if k.split(".")[0] in ("actor", "critic") and k != "actor.freqs"}
    frozen = {k: v for k, v in file.items() if k.startswith("old.")}
    frozen |= fold(setup, frozen, "old", file["actor.freqs"])
    node = jnp.round(file["t"] * 2 * setup.steps).astype(jnp.int32)
    shapes = {k: v.shape for k, v in params.items()}
    run = jax.jit(optimiser_step(setup, choice, file["actor.freqs"], shapes))
    state, _, means, grads = run(start(params, choice), frozen, file, node)
    moved = unflatten(state.params, shapes) if choice.adam == "flat" else state.params
    got = {k: means[k] for k in ("loss", "loss_pi", "loss_g", "loss_b", "loss_v", "kl")}
    got |= {"grad_norm_total": means["grad_norm"]} | {f"grad.{k}": g for k, g in grads.items()}
    return differences(got | {f"step.{k}": p for k, p in moved.items()}, want)


def check_sampler(choice, setup, file, want):
    """Differences in what is stored, the current actor in the role of the frozen one."""
    frozen = {"old." + k.removeprefix("actor."): v for k, v in file.items() if k.startswith("actor.") and k != "actor.freqs"}
    frozen |= fold(setup, frozen, "old", file["actor.freqs"]) | {k: v for k, v in file.items() if k.startswith("critic.")}
    wanted, standard = wanted_samples(file, want)
    draws = (file["z"], standard)
    stores, _ = jax.jit(sampler(setup, choice))(frozen, file["obs"], draws)
    return differences({k: stores[k] for k in wanted}, wanted)
