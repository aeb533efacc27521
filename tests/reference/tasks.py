"""Holds the tasks of task_definitions.py, on our models, against dm_control and Gymnasium-Robotics; writes their fixtures.

    python -m venv v && v/bin/pip install mujoco==3.12.0 dm_control==1.0.45 gymnasium-robotics==1.4.2
    v/bin/python tests/reference/tasks.py [TASK ...]           # compares, and checks the committed fixtures
    v/bin/python tests/reference/tasks.py --write [TASK ...]   # writes tests/fixtures/physics/tasks/<task>.json

Episodes begin at the original's resets and, so that rewards are not all zero, at poses near the goal (`near_goal`). Before every
control step our model takes the original's state; both make the step under the same random controls; next state, observation
and reward have to agree. Resets are compared as distributions: of every coordinate, velocity, target and observation entry the
mean, the variance and the largest distance of the two empirical distribution functions. Prints a line per task; exit code 1 on
a difference.
"""

import argparse
import json
import os
import sys

os.environ.setdefault("MUJOCO_GL", "disable")  # nothing is drawn

import mujoco
import numpy as np

import models
from task_definitions import TASKS
from task_simulators import Ours, original

FIXTURES = os.path.join(models.HERE, "..", "fixtures", "physics", "tasks")
EPISODES, STEPS, RESETS, STATES = 8, 60, 2000, 8
EXACT = 1e-12  # of state, observation and reward, relative to the largest entry, at least 1
FIXTURE = 1e-9  # likewise, between machines
# Of moments: standard errors. Of distribution functions: sqrt(n / 2) times their distance, exceeded by chance in 2 exp(-2 x^2).
MOMENT, DISTANCE = 4.5, 2.25


def near_goal(name, peer, draw):
    """`(qpos, qvel, target)` that the reward is likely to be positive at."""
    m, target = peer.m, peer.target()
    qpos, qvel = m.qpos0 + 0.02 * draw.normal(size=m.nq), 0.1 * draw.normal(size=m.nv)
    if name.startswith("reacher"):
        qpos[:] = draw.uniform(-2.0, 2.0, 2)
        angle = qpos[0], qpos.sum()
        tip = 0.12 * np.array([np.cos(angle).sum(), np.sin(angle).sum()])
        target = tip + draw.uniform(-0.03, 0.03, 2)
    elif name.startswith("ball"):
        qpos[2:] = qpos[:2] + [0.0, 0.34] + 0.02 * draw.normal(size=2)
    elif name.startswith("finger"):
        qpos[:] = draw.uniform(-1.0, 1.0, 3)
        if name == "finger-spin":
            qvel[2] = draw.uniform(-25.0, -10.0)
        else:
            angle = -qpos[2] + 0.4 * draw.normal()
            target = np.array([0.2, 0.4]) + 0.13 * np.array([np.sin(angle), np.cos(angle)])
    elif name in ("cheetah-run", "hopper-hop"):
        qvel[0] = draw.uniform(0.0, 12.0 if name == "cheetah-run" else 3.0)
    elif name.startswith("hopper"):
        qpos[4:] = [-0.2, 0.4, -0.2]
    elif name.startswith("walker"):
        qvel[1] = draw.uniform(0.0, 8.0)
    elif name.startswith("fish"):
        qpos[3:7] /= np.linalg.norm(qpos[3:7])
        if len(target):
            target = qpos[:3] + [0.0, 0.08, 0.0] + 0.05 * draw.normal(size=3)
    elif name == "swimmer6":
        target = qpos[:2] + [0.0, -0.1] + 0.3 * draw.normal(size=2)
    elif name.startswith("point-maze"):
        qpos, qvel = target + draw.uniform(-0.2, 0.2, 2), draw.uniform(-8.0, 8.0, 2)
    return qpos, qvel, target


def relative(got, want):
    """Largest difference, relative to the largest wanted number, at least 1; infinite where something is not finite."""
    got, want = np.atleast_1d(np.asarray(got, dtype=float)), np.atleast_1d(np.asarray(want, dtype=float))
    if got.shape != want.shape or not np.isfinite(got).all():
        return np.inf
    return np.abs(got - want).max(initial=0.0) / max(1.0, np.abs(want).max(initial=0.0))


def facts(task, mine):
    """What the original says of itself, as our definition has it."""
    return {
        "horizon": task.horizon,
        "substeps": task.substeps,
        "timestep": mine.m.opt.timestep * task.substeps,
        "action": [[-1.0] * mine.m.nu, [1.0] * mine.m.nu],
        "observation": (sum(width for _, width in task.observation),),
    }


def follow(name, task):
    """Worst differences `{what: error}` over all episodes, and records of the steps."""
    mine, peer, draw = Ours(task), original(task, seed=3), np.random.default_rng(11)
    worst = dict.fromkeys(["state", "observation", "reward"], 0.0)
    worst["facts"] = max(relative(value, peer.facts[fact]) for fact, value in facts(task, mine).items())
    records = []

    def compare(what, got, want):
        worst[what] = max(worst[what], relative(got, want))

    for episode in range(EPISODES):
        if episode % 2:
            peer.start(*near_goal(name, peer, draw))
        else:
            peer.reset()
        # The first observation of an episode.
        mine.target = peer.target()
        mine.d.qpos, mine.d.qvel, mine.d.qacc_warmstart, mine.d.ctrl = peer.d.qpos, peer.d.qvel, 0.0, 0.0
        mine.look()
        compare("observation", mine.observe(), peer.observe())
        for _ in range(STEPS):
            action = draw.uniform(-1.0, 1.0, mine.m.nu)
            before = peer.d.qpos.copy(), peer.d.qvel.copy()
            mine.d.qpos, mine.d.qvel, mine.d.qacc_warmstart = *before, peer.d.qacc_warmstart
            mine.step(action)
            reward = peer.step(action)
            compare("state", np.concatenate([mine.d.qpos, mine.d.qvel]), np.concatenate([peer.d.qpos, peer.d.qvel]))
            compare("observation", mine.observe(), peer.observe())
            compare("reward", mine.reward(), reward)
            what = {"from_qpos": before[0], "from_qvel": before[1], "ctrl": action, "target": peer.target()}
            records.append({**plain(what), "reward": [float(reward)], "touch": touch(mine)})
    return worst, records


def plain(record):
    return {key: [float(x) for x in np.ravel(value)] for key, value in record.items()}


def touch(mine):
    """What the touch sensors report."""
    sensors = np.flatnonzero(mine.m.sensor_type == mujoco.mjtSensor.mjSENS_TOUCH)
    return [float(mine.d.sensordata[at]) for at in mine.m.sensor_adr[sensors]]


def spread(records, size, count):
    """`count` records with sizes evenly spaced between the smallest and the largest; equal ones from all over the episodes."""
    sizes, left, picked = [size(r) for r in records], set(range(len(records))), []
    for wanted in np.linspace(min(sizes), max(sizes), count):
        nearest = min(left, key=lambda i: (abs(sizes[i] - wanted), 97 * i % len(records)))
        left.remove(nearest)
        picked.append(records[nearest])
    return picked


def chosen(records):
    """STATES records with rewards of all sizes; where the model feels touch, half of them with touches of all sizes."""
    touches = STATES // 2 if records[0]["touch"] else 0
    by_reward = spread(records, lambda r: r["reward"][0], STATES - touches)
    return by_reward + (spread(records, lambda r: np.log1p(r["touch"]).sum(), touches) if touches else [])


def complete(task, records):
    """The records with what the original makes of them when it starts there, without the solver's last solution."""
    mine, peer = Ours(task), original(task, seed=3)
    for record in records:
        where = [np.array(record[key]) for key in ("from_qpos", "from_qvel", "target")]
        action = np.array(record["ctrl"])
        mine.start(*where)
        mine.step(action)
        peer.start(*where)
        reward = peer.step(action)
        after = {"qpos": peer.d.qpos, "qvel": peer.d.qvel, "touch": touch(mine), "observation": peer.observe(), "reward": reward}
        yield {key: record[key] for key in ("from_qpos", "from_qvel", "ctrl", "target")} | plain(after)


def header(task):
    layout = [list(entry) for entry in task.observation]
    return {"model": task.model, "substeps": task.substeps, "damping": task.damping, "observation": layout}


def write_fixture(path, task, records):
    """A header and a line per state."""
    lines = ",\n    ".join(json.dumps(state) for state in complete(task, chosen(records)))
    fields = "".join(f'  "{key}": {json.dumps(value)},\n' for key, value in header(task).items())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("{\n" + fields + '  "states": [\n    ' + lines + "\n  ]\n}\n")


def fixture_error(path, task):
    """Largest difference between the committed fixture and what the original makes of its states now."""
    if not os.path.exists(path):
        return np.inf
    with open(path) as file:
        fixture = json.load(file)
    states = fixture.pop("states")
    if fixture != header(task) or len(states) != STATES:
        return np.inf
    return max(relative(a.get(key), b[key]) for a, b in zip(states, complete(task, states)) for key in b)


def samples(state, target, observation):
    return np.concatenate([state, target, [np.linalg.norm(target)], observation])


def compare_resets(task):
    """`(largest difference of a moment in standard errors, largest distance of distribution functions)` over RESETS resets."""
    mine, peer, draw = Ours(task), original(task, seed=5), np.random.default_rng(13)
    a, b = [], []
    for _ in range(RESETS):
        mine.reset(draw)
        a.append(samples(np.concatenate([mine.d.qpos, mine.d.qvel]), mine.target, mine.observe()))
        peer.reset()
        b.append(samples(np.concatenate([peer.d.qpos, peer.d.qvel]), peer.target(), peer.observe()))
    a, b = np.array(a), np.array(b)
    moment, distance = 0.0, 0.0
    for x, y in zip(a.T, b.T):
        if max(np.ptp(x), np.ptp(y)) < 1e-9:  # always the same
            moment = max(moment, 0.0 if abs(x[0] - y[0]) < 1e-9 else np.inf)
            continue
        centre = np.concatenate([x, y]).mean()
        for p, q in ((x, y), ((x - centre) ** 2, (y - centre) ** 2)):
            error = np.sqrt((p.var() + q.var()) / RESETS)
            moment = max(moment, abs(p.mean() - q.mean()) / error)
        grid = np.sort(np.concatenate([x, y]))
        steps = [np.searchsorted(np.sort(v), grid, side="right") / RESETS for v in (x, y)]
        distance = max(distance, np.sqrt(RESETS / 2) * np.abs(steps[0] - steps[1]).max())
    return moment, distance


def main():
    """Prints the table and exits with the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[[], *TASKS], metavar="TASK")
    parser.add_argument("--write", action="store_true", help="write the fixtures instead of checking them")
    arguments = parser.parse_args()
    print(f"MuJoCo {mujoco.__version__}; {EPISODES} x {STEPS} control steps, {RESETS} resets")
    print(f"{'task':<24} obs  state    observation  reward   rewards seen   reset: moments  distance   fixture")
    failed = False
    for name in arguments.tasks or TASKS:
        task = TASKS[name]
        worst, records = follow(name, task)
        moment, distance = compare_resets(task)
        path = os.path.join(FIXTURES, f"{name}.json")
        if arguments.write:
            write_fixture(path, task, records)
        stale = fixture_error(path, task)
        rewards = [r["reward"][0] for r in records]
        bad = not (max(worst.values()) <= EXACT and stale <= FIXTURE and moment <= MOMENT and distance <= DISTANCE)
        bad |= min(rewards) == max(rewards)  # a constant reward is not tested
        failed |= bad
        verdict = "  DIFFERENT" if bad else ""
        verdict += " (horizon, substeps, time step, widths or bounds)" if worst["facts"] > EXACT else ""
        steps = f"{worst['state']:.1e}  {worst['observation']:<11.1e}  {worst['reward']:.1e}"
        resets = f"{moment:>14.2f}  {distance:>8.2f}"
        seen = f"{min(rewards):5.3f} .. {max(rewards):5.3f}"
        width = sum(width for _, width in task.observation)
        print(f"{name:<24} {width:>3}  {steps}  {seen}  {resets}   {stale:.1e}{verdict}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
