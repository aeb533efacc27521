"""Writes the fixtures of tests/fixtures, or compares the committed ones with a fresh computation.

    python make_fixtures.py                 write every NAME.safetensors (input) and NAME_out.safetensors (expected output)
    python make_fixtures.py --check         regenerate, compare with the committed files to 1e-12, exit 1 on a difference
    python make_fixtures.py --only policyflow_tiny

Each run also holds the reference against itself: the closed-form derivatives of the ratio and of the Brownian and entropy
terms, and the automatic gradients, against central differences; and that no row sits on a kink of the loss.
Every input number is exactly a float32, so that a float32 reader starts from the same numbers.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

import policyflow
import ppo
from common import ACTIVATIONS, log_normal, mlp, scalar, sigma, trained
from compare import compare

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
MISH, ELU, SILU, TANH = range(4)


@dataclass
class Spec:
    """One fixture: shapes, conventions, and the seed of its numbers."""

    seed: int
    obs: int
    act_dim: int
    hidden: list
    act: int
    rows: int
    embed: int = 0  # 0: a PPO fixture
    n_steps: int = 4
    drift: float = 0.1  # how far the frozen policy is from the current one
    old: bool = True  # False: the file has no `old.*`, the policies coincide
    logp_shift: float = 0.0  # spread of an extra offset of logp_old, to push rows past the clip range
    log_std: dict = field(default_factory=dict)  # action dimension -> (current, frozen) log-std
    continuous_time: bool = False  # t uniform on [0, T] and not on the grid of the solver
    store: type = np.float64
    scalars: dict = field(default_factory=dict)


DEFAULTS = {
    "clip": 0.2,
    "value_clip": 0.2,
    "value_coef": 1.0,
    "w_g": 0.01,
    "entropy": 0,
    "value_mode": 0,
    "lr": 1e-2,
    "weight_decay": 1e-2,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "grad_norm": 1.0,
}
DEFAULTS_FLOW = DEFAULTS | {"w_b": 0.25, "brownian": 0}

SPECS = {
    # PolicyFlow
    "policyflow_tiny": Spec(1, 3, 1, [5], MISH, 37, embed=8),
    "policyflow_multigoal": Spec(
        5, 4, 2, [32, 32], MISH, 64, embed=16, store=np.float32, scalars={"value_mode": 2, "w_g": 0.001, "lr": 1e-3, "weight_decay": 1e-5}
    ),
    "policyflow_three_layers": Spec(1, 5, 3, [9, 7, 6], ELU, 33, embed=8, n_steps=3, scalars={"value_coef": 0.5}),
    "policyflow_silu_sums": Spec(
        1, 4, 3, [10, 6], SILU, 30, embed=16, n_steps=5, scalars={"brownian": 1, "entropy": 1, "value_mode": 1, "w_b": 0.05}
    ),
    "policyflow_tanh": Spec(
        1, 2, 5, [11], TANH, 41, embed=8, n_steps=10, continuous_time=True, scalars={"entropy": 1, "grad_norm": 0.1, "eps": 1e-3}
    ),
    "policyflow_clipped": Spec(1, 4, 2, [12, 8], MISH, 48, embed=8, drift=0.15, logp_shift=0.4, scalars={"value_mode": 2}),
    "policyflow_log_std_clamped": Spec(5, 3, 3, [8], ELU, 35, embed=8, log_std={1: (4.5, 3.8), 2: (4.2, 5.0)}),
    "policyflow_old_absent": Spec(1, 4, 2, [8, 8], MISH, 39, embed=8, old=False, scalars={"brownian": 1, "grad_norm": 100.0}),
    "policyflow_interpolant": Spec(1, 4, 2, [12], SILU, 37, embed=8, n_steps=6, scalars={"path": policyflow.INTERPOLANT}),
    "policyflow_trigflow": Spec(1, 4, 2, [12], MISH, 37, embed=8, n_steps=6, scalars={"path": policyflow.TRIGFLOW, "brownian": 1}),
    "policyflow_quadruped": Spec(
        1, 48, 12, [32], ELU, 17, embed=16, n_steps=12, drift=0.05, store=np.float32, scalars={"w_b": 0.0025, "w_g": 0.0025}
    ),
    # PPO
    "ppo_tiny": Spec(2, 3, 1, [5], MISH, 37),
    "ppo_three_layers": Spec(1, 5, 3, [9, 7, 6], ELU, 33, scalars={"value_coef": 0.5, "grad_norm": 0.1, "eps": 1e-3}),
    "ppo_silu_mean": Spec(1, 4, 3, [10, 6], SILU, 30, scalars={"entropy": 1, "value_mode": 1}),
    "ppo_clipped": Spec(1, 4, 2, [12, 8], MISH, 48, drift=0.15, logp_shift=0.4, scalars={"value_mode": 2}),
    "ppo_log_std_clamped": Spec(1, 3, 3, [8], TANH, 35, log_std={1: (4.5, 3.8), 2: (4.2, 5.0)}),
    "ppo_old_absent": Spec(2, 4, 2, [8, 8], MISH, 39, old=False, scalars={"grad_norm": 100.0}),
    "ppo_quadruped": Spec(2, 48, 12, [16], ELU, 17, drift=0.05, store=np.float32),
}


def as_f32(x):
    """`x` rounded to float32 and held as float64."""
    return np.asarray(x, np.float64).astype(np.float32).astype(np.float64)


def network(rng, prefix, widths):
    """Dense layers `prefix.0`, ... with normal weights of std 1 / sqrt(fan in) and biases of std 0.3."""
    out = {}
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        out[f"{prefix}.{i}.w"] = rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in)
        out[f"{prefix}.{i}.b"] = 0.3 * rng.normal(size=fan_out)
    return out


def build_parameters(rng, spec):
    """`actor.*`, `critic.*` and, where the spec wants it, `old.*`."""
    o, d, e = spec.obs, spec.act_dim, spec.embed
    actor = {}
    if e:
        k = e // 8
        actor["actor.freqs"] = 16.0 * rng.normal(size=k)
        for name, fan_in in (("t1", 2 * k), ("t2", e), ("s", o)):
            dense = network(rng, name, [fan_in, e])
            actor |= {f"actor.{name}.w": dense[f"{name}.0.w"], f"actor.{name}.b": dense[f"{name}.0.b"]}
    actor |= network(rng, "actor.mlp", [d + e if e else o, *spec.hidden, d])
    actor["actor.log_std"] = 0.3 * rng.normal(size=d)
    for i, (current, _) in spec.log_std.items():
        actor["actor.log_std"][i] = current
    actor = {k: as_f32(v) for k, v in actor.items()}
    params = actor | {k: as_f32(v) for k, v in network(rng, "critic.mlp", [o, *spec.hidden, 1]).items()}
    if spec.old:
        for name, value in actor.items():
            if name == "actor.freqs" or (not e and name != "actor.log_std"):
                continue  # the frequencies are shared; PPO needs nothing of the old policy but its log-std and mu_old
            scale = spec.drift * (1.0 / np.sqrt(value.shape[0]) if value.ndim == 2 else 1.0)
            moved = value + scale * rng.normal(size=value.shape)
            if name == "actor.log_std":
                for i, (_, frozen) in spec.log_std.items():
                    moved[i] = frozen
            params["old." + name.removeprefix("actor.")] = as_f32(moved)
    return params


def build_input(spec):
    """The whole input file of a spec: parameters, batch, scalars."""
    rng = np.random.Generator(np.random.PCG64(spec.seed))
    file = build_parameters(rng, spec)
    scalars = (DEFAULTS_FLOW | {"n_steps": spec.n_steps} if spec.embed else DEFAULTS) | {"act": spec.act} | spec.scalars
    file |= {k: as_f32(v) for k, v in scalars.items()}
    b, d, act = spec.rows, spec.act_dim, ACTIVATIONS[spec.act]
    obs = as_f32(rng.normal(size=(b, spec.obs)))
    frozen = policyflow.frozen_actor({k: np.asarray(v) for k, v in file.items()})
    std_old = np.asarray(sigma(frozen["actor.log_std"]))
    noise = std_old * rng.normal(size=(b, d))
    if spec.embed:
        path = int(spec.scalars.get("path", policyflow.RECTIFIED))
        end = policyflow.horizon(path)
        z = as_f32(rng.normal(size=(b, d)))
        phi1 = policyflow.midpoint(lambda x, t: policyflow.velocity(frozen, act, x, t, obs), z, spec.n_steps, end)
        grid = 2 * spec.n_steps + 1  # every time at which the midpoint rule evaluates the network, and the end
        nodes = rng.permutation(np.arange(b) % grid) / (grid - 1)
        t = end * (rng.uniform(size=b) if spec.continuous_time else nodes)
        file |= {"z": z, "phi1": as_f32(phi1), "n": as_f32(noise), "t": as_f32(t)}
        if path == policyflow.INTERPOLANT:
            file["xi"] = as_f32(rng.normal(size=(b, d)))
        logp_old = log_normal(file["n"], 0.0, std_old)
    else:
        mu = np.asarray(mlp(file, "actor.mlp", act, obs))
        mu_old = as_f32(mu + (spec.drift * rng.normal(size=(b, d)) if spec.old else 0.0))
        file |= {"action": as_f32(mu_old + noise), "mu_old": mu_old}
        logp_old = log_normal(file["action"], mu_old, std_old)
    value = np.asarray(mlp(file, "critic.mlp", act, obs))[:, 0]
    file |= {
        "obs": obs,
        "logp_old": as_f32(logp_old + spec.logp_shift * rng.normal(size=b)),
        # Deliberately not of mean 0 and std 1: the file's advantages are to be taken as they are.
        "adv": as_f32(0.15 + 1.1 * rng.normal(size=b)),
        "v_old": as_f32(value + 0.25 * rng.normal(size=b)),
        "ret": as_f32(value + rng.normal(size=b)),
    }
    # Both spellings of a scalar are in use: 0-d in the float64 files, [1] in the float32 ones.
    rank = 1 if spec.store is np.float32 else 0
    return {k: np.array(v, dtype=spec.store, order="C", ndmin=rank) for k, v in sorted(file.items())}


def kinks(file, out):
    """What of the batch is too close to a point where the loss has no derivative, or to a vanishing gradient."""
    problems = []
    clip, value_clip, mode = scalar(file, "clip"), scalar(file, "value_clip"), int(scalar(file, "value_mode"))
    wide = {k: np.asarray(v, np.float64) for k, v in file.items()}
    if np.abs(np.abs(out["rho"] - 1.0) - clip).min() < 5e-4:
        problems.append("a ratio within 5e-4 of the clip range's end")
    shift = out["value"] - wide["v_old"]
    if mode != 2 and np.abs(np.abs(shift) - value_clip).min() < 5e-4:
        problems.append("a value within 5e-4 of its clip range's end")
    plain = (wide["ret"] - out["value"]) ** 2
    clipped = (wide["ret"] - wide["v_old"] - np.clip(shift, -value_clip, value_clip)) ** 2
    if mode == 0 and np.abs(plain - clipped)[np.abs(shift) > value_clip].min(initial=1.0) < 5e-4:
        problems.append("plain and clipped value errors within 5e-4")
    for name, g in out.items():
        size = np.abs(g[g != 0.0]) if name.startswith("grad.") else np.ones(1)
        # The first AdamW step is nearly lr times the sign of the gradient: keep that sign out of float32's rounding.
        if size.size and size.min() < 2e-5 * size.max():
            problems.append(f"an entry of {name} is 2e-5 of its largest")
    return problems


def coverage(name, file, out):
    """What the dedicated fixtures promise, checked: clipped rows on all four sides, dead log-std, ratio of one."""
    problems = []
    clip, adv = scalar(file, "clip"), file["adv"]
    if name.endswith("_clipped"):
        for above in (True, False):
            for positive in (True, False):
                side = (out["rho"] > 1 + clip) if above else (out["rho"] < 1 - clip)
                if not (side & ((adv > 0) == positive)).any():
                    problems.append(f"no row with ratio {'above' if above else 'below'} and advantage positive={positive}")
    if name.endswith("_log_std_clamped") and (out["grad.actor.log_std"][1:] != 0).any():
        problems.append("log_std outside the clamp has a gradient")
    if name.endswith("_old_absent") and np.abs(out["rho"] - 1.0).max() > 1e-5:
        problems.append("ratios differ from one")
    return problems


def check_gradients(loss_and_terms, file, out, rng):
    """Largest error of the automatic gradients against central differences, at two entries of every trained tensor."""
    worst = 0.0
    wide = {k: np.asarray(v, np.float64) for k, v in file.items()}
    if not any(k.startswith("old.") for k in file):  # moving `actor.*` must not move the frozen copy with it
        wide |= {"old." + k.removeprefix("actor."): v for k, v in wide.items() if k.startswith("actor.")}
    params = trained(wide)
    loss = jax.jit(lambda p: loss_and_terms(p, wide)[0])
    for name in [k.removeprefix("grad.") for k in out if k.startswith("grad.")]:
        gradient = out["grad." + name]
        for _ in range(min(2, gradient.size)):
            at = tuple(int(rng.integers(n)) for n in gradient.shape)
            h, ends = 1e-6, []
            for sign in (1.0, -1.0):
                moved = params[name].copy()
                moved[at] += sign * h
                ends.append(float(loss(params | {name: moved})))
            estimate = (ends[0] - ends[1]) / (2.0 * h)
            worst = max(worst, abs(estimate - gradient[at]) / max(np.abs(gradient).max(), 1e-3))
    return worst


def check_closed_forms():
    """The derivatives that a handwritten backward pass uses, against central differences; the largest error."""
    rng = np.random.Generator(np.random.PCG64(7))
    d, h = 4, 1e-6
    n, dv, log_std, x, v_hat = (rng.normal(size=d) for _ in range(5))
    log_rho = lambda dv, log_std: float(log_normal(n, dv, np.exp(log_std)))  # noqa: E731
    unit = np.eye(d)
    var = np.exp(2.0 * log_std)
    worst = 0.0

    def hold(form, function):
        nonlocal worst
        for i in range(d):
            estimate = (function(h * unit[i]) - function(-h * unit[i])) / (2.0 * h)
            worst = max(worst, abs(estimate - form[i]))

    hold((n - dv) / var, lambda e: log_rho(dv + e, log_std))
    hold((n - dv) ** 2 / var - 1.0, lambda e: log_rho(dv, log_std + e))
    # One row: L_b = w_b mean_i eta_i^2, whose derivative is 2 w_b / d times d eta / d v times eta.
    v, w_b = rng.normal(size=d), 0.25
    leads = {
        policyflow.RECTIFIED: lambda t: 1 - t,
        policyflow.INTERPOLANT: lambda t: 2 * (t - 0.5) ** 2 + 0.5,
        policyflow.TRIGFLOW: np.cos,
    }
    for path, lead in leads.items():
        for t in (0.0, 0.37, 1.0):
            eta = lambda v: np.asarray(policyflow.residual(path, t, x, v, v_hat))  # noqa: E731, B023
            hold(2.0 * w_b / d * lead(t) * eta(v), lambda e: w_b * np.mean(eta(v + e) ** 2))  # noqa: B023
    # Policy loss through log rho, one row: -A rho, and zero where the clipped branch is the smaller one.
    for adv in (0.7, -0.7):
        for value in (-0.5, 0.05, 0.5):
            active = not (adv > 0 and np.exp(value) > 1.2) and not (adv < 0 and np.exp(value) < 0.8)
            loss = lambda e: float(policyflow.policy_loss(np.exp(value + e[0]), adv, 0.2))  # noqa: E731, B023
            estimate = (loss(h * unit[0]) - loss(-h * unit[0])) / (2.0 * h)
            worst = max(worst, abs(estimate - (-adv * np.exp(value) if active else 0.0)))
    hold(np.full(d, -0.01), lambda e: float(policyflow.entropy_loss(np.exp(log_std + e), 0.01, 0)))
    return worst


def make(name, spec):
    """`(input, output, one report line, problems)` of a fixture."""
    module = policyflow if spec.embed else ppo
    file = build_input(spec)
    out = dict(sorted(module.run(file).items()))
    single = module.run(file, np.float32)
    rounding = max(row[3] for row in compare(single, {k: v for k, v in out.items() if not k.startswith("step.")}, 1.0))
    stepping = max(row[3] for row in compare(single, {k: v for k, v in out.items() if k.startswith("step.")}, 1.0))

    difference = check_gradients(module.loss_and_terms, file, out, np.random.Generator(np.random.PCG64(11)))
    problems = kinks(file, out) + coverage(name, file, out)
    if difference > 1e-7:
        problems.append(f"gradients differ from central differences by {difference:.1e}")
    line = f"{name:<28} rows {spec.rows:>3}  central differences {difference:.0e}  float32 {rounding:.0e} (step {stepping:.0e})"
    return file, out, line, problems


def committed(name, fresh):
    """Problems of the committed file `name` against the fresh tensors."""
    path = FIXTURES / f"{name}.safetensors"
    if not path.exists():
        return [f"{path.name} is not there"]
    stored = load_file(path)
    found = [f"{path.name}: {r[0]} {r[5]}" for r in compare(stored, fresh, 1e-12, 1e-14) if not r[2]]
    return found + [f"{path.name}: {k} is not expected" for k in sorted(set(stored) - set(fresh))]


def main():
    """Writes or checks, and exits 1 when anything is amiss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--only", metavar="NAME", help="one fixture")
    args = parser.parse_args()
    if args.only and args.only not in SPECS:
        sys.exit(f"no fixture `{args.only}`, expected one of {', '.join(SPECS)}")
    error = check_closed_forms()
    print(f"closed forms against central differences: {error:.1e}")
    failures = [] if error < 1e-8 else ["closed forms"]
    for name, spec in SPECS.items():
        if args.only in (None, name):
            file, out, line, problems = make(name, spec)
            if args.check:
                problems += committed(name, file) + committed(f"{name}_out", out)
            else:
                FIXTURES.mkdir(exist_ok=True)
                save_file(file, FIXTURES / f"{name}.safetensors")
                save_file(out, FIXTURES / f"{name}_out.safetensors")
            print(line, *problems, sep="\n    ")
            failures += problems
    print("all good" if not failures else f"{len(failures)} problems")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
