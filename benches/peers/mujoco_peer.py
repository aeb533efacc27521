"""Times C MuJoCo's batched rollouts: `flowmill bench --suite physics` starts this program and talks to it.

Answers lines of standard input, each a JSON object: {"model": FILE, "data": FILE.npz} loads a model with `states` [batch, nq + nv], `warm` [batch, nv]
and `controls` [batch, steps, nu], rolls it once and answers {"ready": version, "threads": n}; {} rolls it again, on all cores, and answers {"seconds": s}.
Needs mujoco and numpy.
"""

import json
import os
import sys
import time

import mujoco
import numpy as np
from mujoco import rollout

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Rolled:
    """A model with a batch of states and controls, and memory for what comes out."""

    def __init__(self, model, data):
        self.model = mujoco.MjModel.from_xml_path(model)
        self.data = [mujoco.MjData(self.model) for _ in range(THREADS)]
        file = np.load(data)
        states, self.controls, self.warm = file["states"], file["controls"], file["warm"]
        time = np.zeros((len(states), 1))
        size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        if size != 1 + states.shape[1]:
            sys.exit(f"the state of {model} has {size} numbers, expected time, qpos and qvel")
        self.states = np.concatenate([time, states], axis=1)
        self.out = np.zeros((*self.controls.shape[:2], size))
        self.sensors = np.zeros((*self.controls.shape[:2], self.model.nsensordata))

    def roll(self, pool):
        begin = time.perf_counter()
        pool.rollout(self.model, self.data, self.states, self.controls, initial_warmstart=self.warm, state=self.out, sensordata=self.sensors)
        return time.perf_counter() - begin


def main():
    os.chdir(os.path.dirname(os.path.abspath(sys.argv[1])))  # MuJoCo writes its log into the working directory
    rolled = None
    with rollout.Rollout(nthread=THREADS) as pool:
        for line in sys.stdin:
            asked = json.loads(line)
            if asked:
                rolled = Rolled(asked["model"], asked["data"])
            seconds = rolled.roll(pool)
            answer = {"ready": mujoco.__version__, "threads": THREADS} if asked else {"seconds": seconds}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
