"""Prints how far flowmill's physics is from MuJoCo's: every stage of a step in f64, the step as WGSL, and trajectories.

    python -m venv v && v/bin/pip install mujoco==3.12.0 dm_control==1.0.45
    cargo build --release --bins --example physics_stages
    v/bin/python tests/reference/parity.py

For every model of envs/models, and dm_control's own cheetah, hopper and walker, states of random rollouts with many, few and no constraints
are stepped by MuJoCo, whose solver runs to convergence, by flowmill in f64, and by flowmill's WGSL in f32 on the given adapters. An error is
the largest difference of a list of numbers over its largest entry (at least 1e-3). That of the acceleration in f32 is over the largest of the
accelerations that cancel in it; with Runge-Kutta's rule it is what the velocities changed by, over the time step. Next states in f32 are told by the
difference itself. Then
`flowmill simulate` rolls dm_control's models, and its paths are held against MuJoCo's. Exit code 1 where a bound is broken.

    v/bin/python tests/reference/parity.py --million            # counters of the solver over a million steps of each model
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import mujoco
import numpy as np

from physics_fixtures import difference, fixture, start, suite_path

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MODELS = sorted(name[:-4] for name in os.listdir(os.path.join(ROOT, "envs", "models")) if name.endswith(".xml"))
SUITE = ["cheetah", "hopper", "walker"]
EXACT = {"mass": "mass matrix", "bias": "bias", "smooth": "unconstrained acceleration", "jacobian": "J", "reference": "aref",
         "regulariser": "R", "acceleration": "solver acceleration", "next": "next state"}
BOUNDS = {"f64": 1e-9, "f32": 1e-4}
STEPS, ENSEMBLE = 100, 256
# Paths in f32 that have to stay within 1e-4, and steps of a million that may lack convergence: see docs/physics.md for why not all and none.
LEAST, MISSED = 250, 3


def largest(*lists):
    return max((np.abs(x).max() for x in map(np.asarray, lists) if x.size), default=0.0)


def exact_errors(got, want):
    """Largest relative error of each stage over all states."""
    names = {key: [key] if key != "next" else ["next_qpos", "next_qvel"] for key in EXACT}
    return {key: max(difference(g[name], w[name]) for g, w in zip(got, want) for name in names[key]) for key in EXACT}


def single_errors(got, want, option):
    """Largest errors of acceleration and next state over all states of an adapter."""
    accelerations, states = [], []
    for g, w in zip(got, want):
        change = np.subtract(g["next_qvel"], w["next_qvel"])
        runge_kutta = option.integrator == mujoco.mjtIntegrator.mjINT_RK4
        error = change / option.timestep if runge_kutta else np.subtract(g["solver"], w["acceleration"])
        accelerations.append(largest(error) / max(1e-3, largest(w["smooth"], w["reference"])))
        states.append(largest(np.subtract(g["next_qpos"], w["next_qpos"]), change))
    return max(accelerations), max(states)


def stages_table(options, folder):
    """One line a model. Returns whether all bounds hold."""
    paths = {name: os.path.join(ROOT, "envs", "models", f"{name}.xml") for name in MODELS}
    paths.update({f"dm_control's {name}": suite_path(name, folder) for name in SUITE})
    heads = ["model", "states", *EXACT.values()]
    heads += [f"{what}, {adapter}" for adapter in options.adapters for what in ("acceleration", "next state", "iterations")]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    holds = True
    for name, path in paths.items():
        states = fixture(path, options.states)["states"]
        file = os.path.join(folder, "states.json")
        json.dump([{key: s[key] for key in ("qpos", "qvel", "control", "warm")} for s in states], open(file, "w"))
        program = os.path.join(options.target, "examples", "physics_stages")
        found = json.loads(subprocess.run([program, path, file, *options.adapters], check=True, capture_output=True).stdout)
        exact = exact_errors(found["f64"], states)
        cells = [name, str(len(states))] + [f"{error:.0e}" for error in exact.values()]
        holds &= max(exact.values()) < BOUNDS["f64"]
        option = mujoco.MjModel.from_xml_path(path).opt
        for adapter in options.adapters:
            acceleration, state = single_errors(found[adapter], states, option)
            holds &= acceleration < BOUNDS["f32"] and all(s["converged"] for s in found[adapter])
            most = max(int(s["iterations"]) for s in found[adapter])
            cells += [f"{acceleration:.0e}", f"{state:.0e}", str(most)]
        print("| " + " | ".join(cells) + " |", flush=True)
    return holds


def paths_of_mujoco(m, states, controls):
    """Configurations after each step. [starts, steps, nq]"""
    d = mujoco.MjData(m)
    path = np.zeros((len(states), controls.shape[1], m.nq))
    for row, state in enumerate(states):
        mujoco.mj_resetData(m, d)
        d.qpos[:], d.qvel[:] = state[: m.nq], state[m.nq :]
        for step in range(controls.shape[1]):
            d.ctrl[:] = controls[row, step]
            mujoco.mj_step(m, d)
            path[row, step] = d.qpos
    return path


def random_states(m, count, rng):
    """States behind 100 steps under random controls, [count, nq + nv]."""
    d = mujoco.MjData(m)
    states = []
    for _ in range(count):
        start(m, d, rng)
        for step in range(100):
            if step % 5 == 0:
                d.ctrl[:] = rng.uniform(-1, 1, m.nu)
            mujoco.mj_step(m, d)
        states.append(np.concatenate([d.qpos, d.qvel]))
    # What f32 can hold, so that all begin alike.
    return np.float64(np.float32(states))


def trajectories(options, folder):
    """Paths of dm_control's own models by `flowmill simulate`."""
    heads = ["model", "computed by", "10 steps: median", "largest", f"{STEPS} steps: median", "largest", "starts within 1e-4", "means", "quantiles"]
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    file = lambda name: os.path.join(folder, name)
    holds = True
    for name in SUITE:
        path = suite_path(name, folder)
        m = mujoco.MjModel.from_xml_path(path)
        rng = np.random.default_rng(11)
        states = random_states(m, ENSEMBLE, rng)
        controls = np.repeat(np.float64(np.float32(rng.uniform(-1, 1, (ENSEMBLE, STEPS // 5, m.nu)))), 5, axis=1)
        np.save(file("s.npy"), states)
        np.save(file("u.npy"), controls)
        want = paths_of_mujoco(m, states, controls)
        for how in [["--reference"]] + [["--adapter", adapter] for adapter in options.adapters]:
            command = [os.path.join(options.target, "flowmill"), "simulate", path, "--state", file("s.npy"), "--controls", file("u.npy")]
            subprocess.run(command + ["--out", file("out.npz"), *how], check=True, capture_output=True)
            got = np.load(file("out.npz"))["qpos"]
            cells = [name, " ".join(how)]
            for steps in (10, STEPS):
                error = np.abs(got - want)[:, :steps].max(axis=(1, 2))
                cells += [f"{np.median(error):.0e}", f"{error.max():.0e}"]
            near = (error < 1e-4).sum()
            cells.append(f"{near} of {ENSEMBLE}")
            holds &= near >= (ENSEMBLE if how == ["--reference"] else LEAST)
            # Ends as a distribution: how far means and quantiles are apart, over the deviation of each coordinate.
            a, b = got[:, -1], want[:, -1]
            quantiles = [np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0) for x in (a, b)]
            cells += [f"{(np.abs(x - y) / b.std(axis=0)).max():.0e}" for x, y in [(a.mean(axis=0), b.mean(axis=0)), quantiles]]
            print("| " + " | ".join(cells) + " |", flush=True)
    return holds


def million(options, folder):
    """A million steps of each model of envs/models under random controls, from its own configuration at rest. What is not finite on an adapter
    is rolled by MuJoCo, too."""
    heads = ["model"] + [f"{what}, {adapter}" for adapter in options.adapters for what in ("most Newton steps", "not converged")]
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    controls, out = os.path.join(folder, "u.npy"), os.path.join(folder, "out.npz")
    holds = True
    for name in MODELS:
        path = os.path.join(ROOT, "envs", "models", f"{name}.xml")
        m = mujoco.MjModel.from_xml_path(path)
        draws = np.random.default_rng(13).uniform(-1, 1, (1000, 200, m.nu)).astype(np.float32)
        np.save(controls, np.repeat(draws, 5, axis=1))
        cells = [name]
        for adapter in options.adapters:
            command = [os.path.join(options.target, "flowmill"), "simulate", path, "--controls", controls, "--adapter", adapter, "--out", out, "--json"]
            done = subprocess.run(command, capture_output=True, text=True)
            if "is not finite" in done.stderr:
                cells += ["not finite", ""]
                continue
            done.check_returncode()
            found = json.loads(done.stdout)
            cells += [str(found["most_iterations"]), str(found["not_converged"] + found["left_out"])]
            holds &= found["not_converged"] + found["left_out"] <= MISSED
        if "not finite" in cells:
            d = mujoco.MjData(m)
            for step in range(1000):
                d.ctrl[:] = draws[0, step // 5]
                mujoco.mj_step(m, d)
            unstable = any(warning.number for warning in d.warning)
            cells[0] += " (unstable in MuJoCo)" if unstable else " (stable in MuJoCo)"
            holds &= unstable
        print("| " + " | ".join(cells) + " |", flush=True)
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapters", nargs="*", default=["cpu", "software"], help="adapters of flowmill (cpu software)")
    parser.add_argument("--states", type=int, default=24, help="states of each model (24)")
    parser.add_argument("--target", default=os.path.join(ROOT, "target", "release"), help="where cargo has put the programs")
    parser.add_argument("--million", action="store_true", help="a million steps of each model under random controls, and nothing else")
    options = parser.parse_args()
    options.target = os.path.abspath(options.target)
    folder = tempfile.mkdtemp()
    os.chdir(folder)  # MuJoCo writes its log into the working directory
    print(f"MuJoCo {mujoco.__version__}")
    if options.million:
        if not million(options, folder):
            sys.exit(f"more than {MISSED} steps of a million that did not converge or left contacts out, or numbers that are not finite")
        return
    holds = stages_table(options, folder)
    holds &= trajectories(options, folder)
    if not holds:
        bounds = f"an error above {BOUNDS['f64']:.0e} in f64 or {BOUNDS['f32']:.0e} in f32"
        sys.exit(f"{bounds}, a solution that has not converged, or fewer than {LEAST} paths within 1e-4")


if __name__ == "__main__":
    main()
