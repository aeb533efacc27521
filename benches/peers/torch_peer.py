"""Times whole training iterations in PyTorch: `cargo bench --bench peers` talks to this program.

    python torch_peer.py --trainings FILE --threads 2

As jax_peer.py; the variants are those of torch_training.py, torch.compile among them where there is a C++ compiler.
Needs torch, numpy, safetensors.
"""

import argparse
import dataclasses
import os
import shutil
import sys

import training as common
from problem import differences, pin, read_fixture, serve, wanted_samples
from timing import Job, fastest, long

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--trainings", required=True, help="file of the trainings")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=0.5, help="least length of a measurement")
parser.add_argument("--first-variant", action="store_true", help="choose nothing, for a trial")
parser.add_argument("--verbose", action="store_true", help="seconds of every variant on standard error")
parser.add_argument("--device", default="cpu", help="cpu or cuda")
ARGS = parser.parse_args()
pin(ARGS.threads)
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)

import torch  # noqa: E402  (the affinity has to be set first)
from torch_training import Choice, Program, adamw, freeze, functions  # noqa: E402

torch.set_num_threads(ARGS.threads)

FIXTURES = {
    "policyflow": ("policyflow_multigoal", "policyflow_quadruped", "policyflow_three_layers"),
    "ppo": ("ppo_quadruped", "ppo_three_layers", "ppo_log_std_clamped"),
}
OPTIONS = {"rows": ("fields", "packed"), "compiled": (False, True)}


def check(algo, choice):
    """Exits with the differences from the reference in samples, loss terms, gradients and one step if there are any.

    Every fixture takes a compilation of its own, so a compiled variant is held against the first, its eager text against all.
    """
    eager = dataclasses.replace(choice, compiled=False)
    plan = [(name, eager) for name in FIXTURES[algo]] + ([(FIXTURES[algo][0], choice)] if choice.compiled else [])
    for name, choice in plan:
        setup, file, want = read_fixture(name)
        file = {k: torch.tensor(v, device=ARGS.device) for k, v in file.items()}
        params = {k: v.requires_grad_() for k, v in file.items() if k.split(".")[0] in ("actor", "critic") and k != "actor.freqs"}
        frozen, node, freqs = file, None, file.get("actor.freqs")
        sample, loss = functions(setup, choice, freqs)
        found = []
        if algo == "policyflow":
            wanted, standard = wanted_samples({k: v.detach().cpu().numpy() for k, v in file.items()}, want)
            current = freeze(setup, params, freqs)
            with torch.no_grad():
                stores = sample(current, file["obs"], file["z"], torch.tensor(standard, device=ARGS.device))
            stores |= {"noise": stores["n"], "logp": stores["logp_old"], "value": stores["v_old"]}
            found = differences({k: stores[k].cpu() for k in wanted}, wanted)
            node = torch.round(file["t"] * 2 * setup.steps).long()
            actor = {k.replace("old.", "actor.", 1): v for k, v in file.items() if k.startswith("old.")}
            frozen = freeze(setup, actor, freqs)
        value, means, names = loss(params, frozen, file, node)
        value.backward()
        got = {k: v for k, v in zip(names, means.cpu(), strict=True) if k in want}
        got |= {f"grad.{k}": p.grad.cpu().clone() for k, p in params.items()}
        got["grad_norm_total"] = torch.nn.utils.clip_grad_norm_(params.values(), setup.grad_norm).cpu()
        adamw(setup, params).step()
        found += differences(got | {f"step.{k}": p.detach().cpu() for k, p in params.items()}, want)
        if found:
            sys.exit(f"{choice} differs from {name}: {', '.join(found)}")


def job(training):
    """A `Job` for a variant: iterations of one training."""

    def make(choice):
        program = Program(training, choice, ARGS.device)

        def repeat(count):
            for _ in range(count):
                metrics = program.iterate()
            return metrics["loss"].item()  # waits for a GPU

        return Job(repeat)

    return make


def main():
    """Checks, chooses, serves until standard input ends."""
    table, chosen, programs = {}, {}, {}
    can_compile = any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++")))
    for training in common.read(ARGS.trainings):
        key = (training.shape, training.algo)
        options = {} if ARGS.first_variant else {k: v for k, v in OPTIONS.items() if k != "compiled" or can_compile}
        label = " ".join(key) if ARGS.verbose else None
        table[key], choice = fastest(job(training), Choice(), options, label, rounds=1, measure=long)
        check(training.algo, choice)
        chosen[" ".join(key)] = dataclasses.asdict(choice)
        programs[key] = (training, choice, ARGS.device)
    about = {"name": "PyTorch", "version": torch.__version__, "threads": ARGS.threads, "chosen": chosen}
    if not can_compile:
        about["note"] = "no C++ compiler, so torch.compile was not tried"

    def answer(words):
        match words:
            case ["time", shape, algo] if (shape, algo) in table:
                return f"{table[shape, algo].mean(ARGS.seconds):.9f}"
            case ["learn", shape, algo, count] if (shape, algo) in table:
                program = Program(*programs[shape, algo])
                for _ in range(int(count)):
                    metrics = program.iterate()
                return f"{metrics['returns'].item() / max(metrics['episodes'].item(), 1.0):.6f}"

    serve(about, answer, "`time SHAPE ALGO` or `learn SHAPE ALGO N`")


if __name__ == "__main__":
    main()
