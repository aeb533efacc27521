"""The training that every program runs: settings as flowmill resolves them, and the environments in arrays of any framework."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

# The parts that need no framework, and the JAX program of the other benchmark.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "engines"))

from problem import Setup  # noqa: E402  (needs that path)

# What the programs here are written for; a setting that asks for something else is refused.
ASSUMED = {
    "schedule": "epoch-accumulated",
    "entropy": "sum",
    "brownian": "mean",
    "path": "rectified",
    "time_sampling": "usd",
    "degenerate_gaussian": False,
    "w_b_decay_iterations": 0,
    "log_std_min": -20.0,
    "log_std_max": 4.0,
}


@dataclass(frozen=True)
class Training:
    """A shape with an algorithm."""

    shape: str
    algo: str
    environment: str  # multigoal, widths
    setup: Setup
    envs: int
    horizon: int  # T
    epochs: int
    minibatches: int
    gamma: float
    lam: float
    kl_target: float
    lr_min: float
    lr_max: float
    lr_decay: int  # iterations over which the rate's factor falls to 0; 0: none
    init_log_std: float
    output_gain: float

    @property
    def flow(self):
        """Whether the policy is a flow."""
        return self.algo == "policyflow"

    @property
    def fields(self):
        """Widths of what an update reads of a sample, by name."""
        action = ("z", "phi1", "n") if self.flow else ("action", "mu_old")
        widths = {"obs": self.setup.obs} | dict.fromkeys(action, self.setup.act)
        return widths | dict.fromkeys(("logp_old", "v_old", "adv", "ret"), 1)

    def rate_scale(self, iteration):
        """Linear decay of the learning rate."""
        return max(0.0, 1.0 - iteration / self.lr_decay) if self.lr_decay else 1.0


def read(path):
    """Trainings of the file that the benchmark writes: shape, algorithm, widths, and flowmill's settings."""
    return [resolve(**entry) for entry in json.loads(Path(path).read_text())]


def resolve(shape, algo, environment, observation, action, config):
    """A `Training` of flowmill's settings."""
    for key, value in ASSUMED.items():
        if config.get(key, value) != value:
            sys.exit(f"{shape} {algo}: {key} is {config[key]}, the peers are written for {value}")
    same = ("w_g", "value_coef", "clip", "value_clip", "weight_decay", "beta1", "beta2", "eps", "grad_norm")
    setup = Setup(
        obs=observation,
        act=action,
        hidden=tuple(config["hidden"]),
        embed=config.get("embedding", 0),
        steps=config.get("flow_steps", 0),
        activation=config["activation"],
        w_b=config.get("w_b", 0.0),
        value_mode=["clipped-max", "clipped-direct", "mse"].index(config["value_loss"]),
        lr=config["learning_rate"],
        **{k: config[k] for k in same},
    )
    return Training(
        shape=shape,
        algo=algo,
        environment=environment,
        setup=setup,
        envs=config["num_envs"],
        horizon=config["horizon"],
        lam=config["lambda"],
        lr_decay=config["lr_decay_iterations"],
        init_log_std=math.log(config["init_std"]),
        output_gain={"zero": 0.0, "small": 0.01}.get(config["output_init"], 1.0),
        **{k: config[k] for k in ("epochs", "minibatches", "gamma", "kl_target", "lr_min", "lr_max")},
    )


class MultiGoal:
    """envs/multigoal in the functions that jax.numpy and torch have in common; a state is x, y and their velocities."""

    lanes, horizon = 2, 51  # random numbers of a reset; steps after which an episode times out

    def __init__(self, xp):
        self.xp = xp

    def reset(self, uniform):
        """`[n, 4]`: at rest, somewhere in the middle; `uniform [n, 2]`."""
        start = 14.0 * uniform - 7.0
        return self.xp.concatenate([start, self.xp.zeros_like(start)], -1)

    def observe(self, state):
        """The state is what is seen."""
        return state

    def step(self, state, action):
        """`(state, reward, outside)`"""
        xp = self.xp
        position = state[:, :2] + 0.1 * state[:, 2:]
        velocity = state[:, 2:] + 0.1 * xp.clip(action, -5.0, 5.0)
        # Mirrored into the quadrant of positive coordinates, the nearest goal is one of two.
        x, y = xp.abs(position[:, 0]), xp.abs(position[:, 1])
        axis = (x - 5.0) ** 2 + y**2
        diagonal = (x - 2.5) ** 2 + (y - 4.330127018922193) ** 2
        d2 = xp.minimum(axis, diagonal)
        reward = 0.1 * (xp.exp(-0.3 * d2) + xp.exp(-0.1 * d2) - 0.01 * xp.sum(action**2, -1))
        return xp.concatenate([position, velocity], -1), reward, (x > 8.0) | (y > 8.0)


class Widths:
    """A quadruped's widths (48 observations) and no dynamics to speak of, as src/bench/shapes.rs has them."""

    lanes, horizon = 1, 1000

    def __init__(self, xp, multiples):
        self.xp, self.multiples = xp, multiples  # 1 .. 48

    def reset(self, uniform):
        """`[n, 1]`"""
        return uniform

    def observe(self, state):
        """`[n, 48]`"""
        return self.xp.sin(state * self.multiples)

    def step(self, state, action):
        """`(state, reward, outside)`; nobody leaves."""
        state = self.xp.clip(state + 0.01 * action[:, :1], -1.0, 1.0)
        return state, state[:, 0], state[:, 0] > 1.0
