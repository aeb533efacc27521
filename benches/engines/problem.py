"""What the timed programs share whatever their framework: settings, the reference's fixtures, initial parameters, talking.

Parameters are flat dictionaries under the names of tests/reference/README.md.
"""

import json
import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
TOLERANCE = 1e-4
# Differences of numbers of order one are judged against at least this much.
SMALLEST_SCALE = {"kl": 1e-2}


@dataclass(frozen=True)
class Setup:
    """Widths, rows and the settings of the loss and the optimiser."""

    obs: int
    act: int
    hidden: tuple
    embed: int  # of PolicyFlow; 0 for PPO
    steps: int  # N
    activation: str
    rows: tuple = (4096, 2048)  # of the sampler, of an optimiser step
    w_b: float = 0.01
    w_g: float = 0.01
    value_mode: int = 1  # 0 larger of plain and clipped, 1 clipped, 2 plain
    value_coef: float = 1.0
    clip: float = 0.2
    value_clip: float = 0.2
    lr: float = 1e-4
    weight_decay: float = 1e-5
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    grad_norm: float = 1.0


def pin(threads):
    """Keeps this process, and with it every pool of threads, on the first cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def prepare_xla(threads, platform="cpu"):
    """Ties XLA to so many cores; before JAX is imported."""
    pin(threads)
    flags = os.environ.get("XLA_FLAGS", "").split()
    if threads == 1:
        flags.append("--xla_cpu_multi_thread_eigen=false")
    # XLA prefers vectors of 256 bits; all 512 make these programs 5 to 15 % faster.
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and "avx512f" in cpu.read_text():
        flags.append("--xla_cpu_prefer_vector_width=512")
    os.environ["XLA_FLAGS"], os.environ["JAX_PLATFORMS"] = " ".join(flags), platform


def read_fixture(name):
    """`(setup, input, expected)` of a fixture, arrays of NumPy."""
    file, want = (load_file(FIXTURES / f"{name}{end}.safetensors") for end in ("", "_out"))
    number = lambda key: float(file[key].reshape(()))  # noqa: E731
    widths = [file[f"actor.mlp.{i}.w"].shape[1] for i in range(sum(k.startswith("actor.mlp.") for k in file) // 2)]
    same = ("w_b", "w_g", "value_coef", "clip", "value_clip", "lr", "weight_decay", "beta1", "beta2", "eps", "grad_norm")
    setup = Setup(
        obs=file["obs"].shape[1],
        act=widths[-1],
        hidden=tuple(widths[:-1]),
        embed=file["actor.s.w"].shape[1] if "actor.s.w" in file else 0,
        steps=int(number("n_steps")) if "n_steps" in file else 0,
        activation=["mish", "elu", "silu", "tanh"][int(number("act"))],
        rows=(len(file["obs"]),) * 2,
        value_mode=int(number("value_mode")),
        **{k: number(k) for k in same if k in file},
    )
    return setup, {k: v.astype(np.float32) for k, v in file.items()}, want


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


def wanted_samples(file, want):
    """What a sampler has to store, the fixture's current actor in the role of the frozen one; and its standard normal draw."""
    std = np.exp(np.clip(file["actor.log_std"].astype(np.float64), -20.0, 4.0))
    n = file["n"].astype(np.float64)
    wanted = {
        "phi1": want["phi1_new"],
        "value": want["value"],
        "noise": n,
        "action": want["phi1_new"] + n,
        "logp": np.sum(-0.5 * (n / std) ** 2 - np.log(std) - 0.5 * np.log(2.0 * np.pi), axis=1),
    }
    return wanted, (n / std).astype(np.float32)


def parameters(setup, rng, output_gain=1.0):
    """Random `actor.*`, `critic.*` and the frozen frequencies, of the sizes that flowmill starts with; no embedding: PPO's."""
    k, layers = setup.embed // 8, {}
    if setup.embed:
        layers = {"actor.t1": (2 * k, setup.embed), "actor.t2": (setup.embed,) * 2, "actor.s": (setup.obs, setup.embed)}
    first = setup.act + setup.embed if setup.embed else setup.obs
    for mlp, widths in (("actor.mlp", (first, *setup.hidden, setup.act)), ("critic.mlp", (setup.obs, *setup.hidden, 1))):
        layers |= {f"{mlp}.{i}": shape for i, shape in enumerate(pairwise(widths))}
    last = f"mlp.{len(setup.hidden)}"
    params = {"actor.log_std": np.zeros(setup.act, np.float32)}
    for name, (rows, columns) in layers.items():
        gain = output_gain if name.endswith(last) else 1.0
        params[f"{name}.w"] = (gain * rng.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)
        params[f"{name}.b"] = np.zeros(columns, np.float32)
    return params, (16.0 * rng.normal(size=k)).astype(np.float32)


def serve(about, answer, expected):
    """Says `ready {json}` and answers the lines of standard input until it ends; `answer(words)` may be None."""
    print("ready", json.dumps(about), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        found = answer(words)
        print(f"error: `{line.strip()}`, expected {expected}" if found is None else found, flush=True)
