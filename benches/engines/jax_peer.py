"""Times PolicyFlow in JAX on the CPU: `cargo bench --bench engines -- --jax PYTHON` talks to this program.

    python jax_peer.py --threads 2

It picks the fastest variant of jax_policyflow.py for each job, holds it against the fixtures of the float64 reference (all
variants with --check), says `ready {json}`, and answers lines of standard input: `time SHAPE JOB` with seconds (a sampler
dispatch, one optimiser step), or `error: TEXT`. Shapes are A and B, jobs `sampler` and `step`; `sampler-given` and `step-given`
are the same without random draws.
Needs jax, numpy, safetensors.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path


def pin(threads):
    """Keeps this process, and with it XLA's pools, on the first cores; before JAX is imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    flags = os.environ.get("XLA_FLAGS", "").split()
    if threads == 1:
        flags.append("--xla_cpu_multi_thread_eigen=false")
    # XLA prefers vectors of 256 bits; all 512 make these programs 5 to 15 % faster.
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and "avx512f" in cpu.read_text():
        flags.append("--xla_cpu_prefer_vector_width=512")
    os.environ["XLA_FLAGS"], os.environ["JAX_PLATFORMS"] = " ".join(flags), "cpu"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare with the fixtures, time nothing")
    parser.add_argument("--verbose", action="store_true", help="seconds of every variant on standard error")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a measurement")
    parser.add_argument("--rows", type=int, nargs=2, metavar=("SAMPLER", "STEP"), help="rows, for a trial")
    parser.add_argument("--first-variant", action="store_true", help="choose nothing, for a trial")
    return parser.parse_args()


ARGS = arguments()
pin(ARGS.threads)

import jax  # noqa: E402  (the affinity has to be set first)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax_policyflow import Sampling, Setup, Stepping, fold, optimiser_step, sampler, start, unflatten  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
CHECKED = {"A": ("policyflow_multigoal",), "B": ("policyflow_quadruped", "policyflow_three_layers")}
TOLERANCE = 1e-4
# Differences of numbers of order one are judged against at least this much.
SMALLEST_SCALE = {"kl": 1e-2}

SHAPES = {
    "A": Setup(4, 2, (32, 32), 16, 4, "mish", w_b=0.25, w_g=0.001, value_mode=2, lr=1e-3),
    "B": Setup(48, 12, (128, 128, 128), 64, 12, "elu"),
}
SAMPLING = {"loop": ("scan", "unrolled"), "block": (0, 256, 1024), "draws": ("threefry2x32", "philox4x32")}
STEPPING = {
    "embedding": ("rows", "onehot", "gather", "folded"),
    "adam": ("leaves", "flat"),
    "scan": (1, 8),
    "draws": ("threefry2x32", "philox4x32"),
}


# --- against the reference -------------------------------------------------------------------------------------------


def read_fixture(name):
    """`(setup, input, expected)` of a fixture."""
    file, want = (load_file(FIXTURES / f"{name}{end}.safetensors") for end in ("", "_out"))
    number = lambda key: float(file[key].reshape(()))  # noqa: E731
    widths = [file[f"actor.mlp.{i}.w"].shape[1] for i in range(sum(k.startswith("actor.mlp.") for k in file) // 2)]
    same = ("w_b", "w_g", "value_coef", "clip", "value_clip", "lr", "weight_decay", "beta1", "beta2", "eps", "grad_norm")
    setup = Setup(
        obs=file["obs"].shape[1],
        act=widths[-1],
        hidden=tuple(widths[:-1]),
        embed=file["actor.s.w"].shape[1],
        steps=int(number("n_steps")),
        activation=["mish", "elu"][int(number("act"))],
        rows=(len(file["obs"]),) * 2,
        value_mode=int(number("value_mode")),
        **{k: number(k) for k in same},
    )
    return setup, {k: jnp.asarray(v, jnp.float32) for k, v in file.items()}, want


def differences(got, want):
    """`name: error over largest entry` of what is out of tolerance."""
    found = []
    for name, value in got.items():
        expected = np.asarray(want[name], np.float64)
        error = np.abs(np.asarray(value, np.float64).reshape(expected.shape) - expected).max()
        relative = error / max(np.abs(expected).max(), SMALLEST_SCALE.get(name, 0.0), 1e-30)
        if not relative <= TOLERANCE:
            found.append(f"{name}: {relative:.1e}")
    return found


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
    std = np.exp(np.clip(np.asarray(file["actor.log_std"], np.float64), -20.0, 4.0))
    n = np.asarray(file["n"], np.float64)
    wanted = {
        "phi1": want["phi1_new"],
        "value": want["value"],
        "noise": n,
        "action": want["phi1_new"] + n,
        "logp": np.sum(-0.5 * (n / std) ** 2 - np.log(std) - 0.5 * np.log(2.0 * np.pi), axis=1),
    }
    draws = (file["z"], jnp.asarray(n / std, jnp.float32))
    stores, _ = jax.jit(sampler(setup, choice))(frozen, file["obs"], draws)
    return differences({k: stores[k] for k in wanted}, wanted)


def check(choices, names):
    """Holds variants against fixtures and exits with the differences if there are any."""
    for name in names:
        setup, file, want = read_fixture(name)
        for choice in choices:
            if isinstance(choice, Sampling):
                # The fixtures have few rows: one block of them exercises the same loop.
                choice = dataclasses.replace(choice, draws="given", block=len(file["obs"]) if choice.block else 0)
                found = check_sampler(choice, setup, file, want)
            else:
                choice = dataclasses.replace(choice, draws="given", scan=1)
                found = check_step(choice, setup, file, want)
            if found:
                sys.exit(f"{choice} differs from {name}: {', '.join(found)}")


def every_variant():
    """All variants that differ in their arithmetic."""
    samplers = [Sampling(loop, block) for loop in SAMPLING["loop"] for block in (0, 256)]
    return samplers + [Stepping(e, adam) for e in STEPPING["embedding"] for adam in STEPPING["adam"]]


# --- the jobs to be timed --------------------------------------------------------------------------------------------


def parameters(setup, rng):
    """Random `actor.*`, `critic.*` and the frozen frequencies, of the sizes that flowmill starts with."""
    k = setup.embed // 8
    layers = {"actor.t1": (2 * k, setup.embed), "actor.t2": (setup.embed,) * 2, "actor.s": (setup.obs, setup.embed)}
    for mlp, widths in (
        ("actor.mlp", (setup.act + setup.embed, *setup.hidden, setup.act)),
        ("critic.mlp", (setup.obs, *setup.hidden, 1)),
    ):
        layers |= {f"{mlp}.{i}": shape for i, shape in enumerate(pairwise(widths))}
    params = {"actor.log_std": jnp.zeros(setup.act)}
    for name, (rows, columns) in layers.items():
        params[f"{name}.w"] = jnp.asarray(rng.normal(size=(rows, columns)) / np.sqrt(rows), jnp.float32)
        params[f"{name}.b"] = jnp.zeros(columns)
    return params, jnp.asarray(16.0 * rng.normal(size=k), jnp.float32)


class Data:
    """Parameters and a rollout of a shape."""

    def __init__(self, setup):
        rng = np.random.Generator(np.random.PCG64(1))
        self.setup = setup
        self.params, self.freqs = parameters(setup, rng)
        self.frozen = {"old." + k.removeprefix("actor."): v for k, v in self.params.items() if k.startswith("actor.")}
        self.frozen |= fold(setup, self.frozen, "old", self.freqs)
        self.frozen |= {k: v for k, v in self.params.items() if k.startswith("critic.")}
        normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
        self.obs = normal(setup.rows[0], setup.obs)
        self.draws = (normal(setup.rows[0], setup.act), normal(setup.rows[0], setup.act))
        rows, wide = setup.rows[1], (setup.rows[1], setup.act)
        self.batch = {"obs": normal(rows, setup.obs), "z": normal(*wide), "phi1": normal(*wide), "n": normal(*wide)}
        self.batch |= {k: normal(rows) for k in ("adv", "v_old", "ret")}
        self.batch["logp_old"] = jnp.sum(-0.5 * jnp.square(self.batch["n"]) - 0.5 * np.log(2.0 * np.pi), axis=1)
        self.node = jnp.asarray(rng.integers(0, 2 * setup.steps + 1, rows), jnp.int32)

    def sampling(self, choice):
        """A `Job`: calls of the sampler."""
        run = jax.jit(sampler(self.setup, choice), donate_argnums=() if choice.draws == "given" else (2,))
        draws = self.draws if choice.draws == "given" else jax.random.key(1, impl=choice.draws)

        def repeat(count):
            nonlocal draws
            for _ in range(count):
                stores, draws = run(self.frozen, self.obs, draws)
            jax.block_until_ready(stores)
            return stores["logp"]

        return Job(repeat)

    def stepping(self, choice):
        """A `Job`: calls of one or more optimiser steps."""
        shapes = {k: v.shape for k, v in self.params.items()}
        whole = optimiser_step(self.setup, choice, self.freqs, shapes)
        given = choice.draws == "given"
        donated = (0,) if given else (0, 3)
        run = jax.jit(lambda *args: whole(*args)[:3], donate_argnums=donated)
        state, draws = None, self.node if given else jax.random.key(1, impl=choice.draws)

        def reset():
            nonlocal state
            state = jax.block_until_ready(start(self.params, choice))

        def repeat(count):
            nonlocal state, draws
            for _ in range(count):
                state, draws, means = run(state, self.frozen, self.batch, draws)
            jax.block_until_ready((state, means))
            return means["loss"]

        return Job(repeat, choice.scan, reset)


@dataclasses.dataclass
class Job:
    """What is timed: `repeat(count)` calls with a wait at the end, and what prepares that."""

    repeat: Callable
    inner: int = 1  # sampler dispatches or optimiser steps in a call
    reset: Callable = lambda: None  # not timed: a policy far from the one that collected the batch would be another job

    def batch(self, count):
        """Seconds of one of `count` calls."""
        self.reset()
        started = time.perf_counter()
        result = self.repeat(count)
        taken = time.perf_counter() - started
        if not np.isfinite(np.asarray(result)).all():
            sys.exit("a result is not finite")
        return taken / count

    def seconds(self, total, average=statistics.median, batches=5):
        """Seconds of one sampler dispatch or step: the average of batches that last `total` seconds together."""
        count = min(64, max(1, round(total / batches / self.batch(1))))
        return average([self.batch(count) for _ in range(batches)]) / self.inner


def fastest(make, choice, options, name):
    """`(job, choice)`: one option after another is tried and the best value kept; twice, because they interact."""
    known = {}

    def timed(candidate):
        if candidate not in known:
            job = make(candidate)
            job.batch(2)
            known[candidate] = (job.seconds(0.15, min), job)  # what else runs only adds
            if ARGS.verbose:
                print(f"{name} {candidate} {known[candidate][0] * 1e3:.3f} ms", file=sys.stderr)
        return known[candidate][0]

    for _ in range(1 if ARGS.first_variant else 2):
        for key, values in options.items():
            if not ARGS.first_variant:
                choice = min((dataclasses.replace(choice, **{key: v}) for v in values), key=timed)
    timed(choice)
    return known[choice][1], choice


def jobs():
    """All jobs by `(shape, job)`, and the variants that were chosen."""
    table, chosen = {}, {}
    for name, setup in SHAPES.items():
        if ARGS.rows:
            setup = dataclasses.replace(setup, rows=tuple(ARGS.rows))
        data = Data(setup)
        sampling = SAMPLING | {"block": [b for b in SAMPLING["block"] if b == 0 or setup.rows[0] % b == 0]}
        plan = {
            "sampler": (data.sampling, Sampling(), sampling),
            "step": (data.stepping, Stepping(), STEPPING),
        }
        for job, (make, choice, options) in plan.items():
            table[name, job], chosen[f"{name} {job}"] = fastest(make, choice, options, f"{name} {job}")
        check({chosen[f"{name} {job}"] for job in plan}, CHECKED[name])
        for job, make in (("sampler", data.sampling), ("step", data.stepping)):
            given = make(dataclasses.replace(chosen[f"{name} {job}"], draws="given"))
            given.batch(2)
            table[name, f"{job}-given"] = given
    return table, {k: dataclasses.asdict(v) for k, v in chosen.items()}


def main():
    """Checks, chooses, serves until standard input ends."""
    if ARGS.check:
        variants, names = every_variant(), sum(CHECKED.values(), ())
        check(variants, names)
        print(f"{len(variants)} variants agree with {len(names)} fixtures to {TOLERANCE:g}")
        return
    table, chosen = jobs()
    about = {"name": "JAX", "version": jax.__version__, "threads": ARGS.threads, "chosen": chosen}
    print("ready", json.dumps(about), flush=True)
    for line in sys.stdin:
        match line.split():
            case ["time", shape, job] if (shape, job) in table:
                print(f"{table[shape, job].seconds(ARGS.seconds):.9f}", flush=True)
            case ["quit"]:
                return
            case _:
                print(f"error: `{line.strip()}`, expected `time A|B {'|'.join(sorted({j for _, j in table}))}`", flush=True)


if __name__ == "__main__":
    main()
