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
import sys

from problem import TOLERANCE, Setup, parameters, prepare_xla, read_fixture, serve
from timing import Job, fastest


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
prepare_xla(ARGS.threads)

import jax  # noqa: E402  (the affinity has to be set first)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax_checks import check_sampler, check_step  # noqa: E402
from jax_policyflow import Sampling, Stepping, fold, optimiser_step, sampler, start  # noqa: E402

CHECKED = {"A": ("policyflow_multigoal",), "B": ("policyflow_quadruped", "policyflow_three_layers")}

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


class Data:
    """Parameters and a rollout of a shape."""

    def __init__(self, setup):
        rng = np.random.Generator(np.random.PCG64(1))
        self.setup = setup
        self.params, self.freqs = parameters(setup, rng)
        self.params = {k: jnp.asarray(v) for k, v in self.params.items()}
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
            label = f"{name} {job}"
            tried = {} if ARGS.first_variant else options
            table[name, job], chosen[label] = fastest(make, choice, tried, label if ARGS.verbose else None)
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

    def answer(words):
        match words:
            case ["time", shape, job] if (shape, job) in table:
                return f"{table[shape, job].seconds(ARGS.seconds):.9f}"

    serve(about, answer, f"`time A|B {'|'.join(sorted({j for _, j in table}))}`")


if __name__ == "__main__":
    main()
