"""Times whole training iterations in JAX: `cargo bench --bench peers` talks to this program.

    python jax_peer.py --trainings FILE --threads 2

FILE is what `cargo bench --bench peers -- --trainings FILE` writes. It chooses the fastest variant of jax_training.py for each training,
holds it against the fixtures of the float64 reference, says `ready {json}`, and answers lines of standard input: `time SHAPE ALGO`
with seconds of an iteration, `learn SHAPE ALGO N` with the mean return in the N-th iteration of a new training.
Needs jax, numpy, safetensors.
"""

import argparse
import dataclasses
import sys

import training as common
from problem import differences, prepare_xla, read_fixture, serve
from timing import Job, fastest, long

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--trainings", required=True, help="file of the trainings")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=0.5, help="least length of a measurement")
parser.add_argument("--first-variant", action="store_true", help="choose nothing, for a trial")
parser.add_argument("--verbose", action="store_true", help="seconds of every variant on standard error")
parser.add_argument("--device", default="cpu", help="cpu or cuda")
ARGS = parser.parse_args()
prepare_xla(ARGS.threads, ARGS.device)

import jax  # noqa: E402  (the affinity has to be set first)
from jax_checks import check_sampler, check_step  # noqa: E402
from jax_training import Choice, Program, check_gaussian  # noqa: E402

FIXTURES = {
    "policyflow": ("policyflow_multigoal", "policyflow_quadruped", "policyflow_three_layers"),
    "ppo": ("ppo_quadruped", "ppo_three_layers", "ppo_log_std_clamped"),
}
OPTIONS = {
    "embedding": ("gather", "folded"),
    "adam": ("leaves", "flat"),
    "rows": ("fields", "packed"),
    "draws": ("threefry2x32", "philox4x32"),
    "loop": ("scan", "unrolled"),
}


def check(algo, choice):
    """Exits with the differences from the reference if there are any."""
    for name in FIXTURES[algo]:
        setup, file, want = read_fixture(name)
        if algo == "ppo":
            found = differences(check_gaussian(choice, setup, file, want), want)
        else:
            given = dataclasses.replace(choice.sampling, draws="given")
            found = check_sampler(given, setup, file, want)
            found += check_step(dataclasses.replace(choice.stepping, draws="given"), setup, file, want)
        if found:
            sys.exit(f"{choice} differs from {name}: {', '.join(found)}")


def job(training):
    """A `Job` for a variant: iterations of one training."""

    def make(choice):
        program = Program(training, choice)
        state = program.state()

        def repeat(count):
            nonlocal state
            for _ in range(count):
                state, metrics = program.iterate(state)
            return jax.block_until_ready(metrics["loss"])

        return Job(repeat)

    return make


def main():
    """Checks, chooses, serves until standard input ends."""
    table, chosen, programs = {}, {}, {}
    for training in common.read(ARGS.trainings):
        key = (training.shape, training.algo)
        names = {"adam", "rows", "draws"} | ({"embedding", "loop"} if training.flow else set())
        options = {k: v for k, v in OPTIONS.items() if k in names and not ARGS.first_variant}
        label = " ".join(key) if ARGS.verbose else None
        table[key], choice = fastest(job(training), Choice(), options, label, rounds=1, measure=long)
        check(training.algo, choice)
        chosen[" ".join(key)] = {k: v for k, v in dataclasses.asdict(choice).items() if k in names}
        programs[key] = (training, choice)
    about = {"name": "JAX", "version": jax.__version__, "threads": ARGS.threads, "chosen": chosen}

    def answer(words):
        match words:
            case ["time", shape, algo] if (shape, algo) in table:
                return f"{table[shape, algo].mean(ARGS.seconds):.9f}"
            case ["learn", shape, algo, count] if (shape, algo) in table:
                program = Program(*programs[shape, algo])
                state = program.state()
                for _ in range(int(count)):
                    state, metrics = program.iterate(state)
                return f"{metrics['returns'] / max(metrics['episodes'], 1):.6f}"

    serve(about, answer, "`time SHAPE ALGO` or `learn SHAPE ALGO N`")


if __name__ == "__main__":
    main()
