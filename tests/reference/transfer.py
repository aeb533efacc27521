"""A trained policy in the simulator that its task comes from: returns in dm_control beside those of `flowmill eval`.

    python tests/reference/transfer.py RUN... [--episodes 50] [--noise sample|zero] [--seed 1] [--flowmill target/release/flowmill]

RUN is a run directory (its latest checkpoint) or a checkpoint. Network, normaliser and squashing are written out in numpy from
the README's "Settings" and share no code with the engine. Needs `mujoco==3.12.0 dm_control==1.0.45`.
"""

import argparse
import json
import pathlib
import subprocess
import tomllib

import numpy as np

from task_definitions import TASKS


def read(path):
    """Float tensors and the settings of a checkpoint (safetensors: length of the header, header, tensors)."""
    raw = pathlib.Path(path).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    config = tomllib.loads(header.pop("__metadata__")["config"])
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            low, high = entry["data_offsets"]
            tensors[name] = np.frombuffer(raw[start + low : start + high], np.float32).reshape(entry["shape"])
    return tensors, config


def mish(x):
    return x * np.tanh(np.logaddexp(x, 0.0))


ACTIVATIONS = {
    "mish": mish,
    "elu": lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
}


class Policy:
    """Actions of a checkpoint: `policy(obs [B, o]) -> [B, d]`, as the environment gets them."""

    def __init__(self, checkpoint, noise, seed):
        self.tensors, self.config = read(checkpoint)
        self.algorithm, self.environment = self.config["algorithm"], self.config["environment"]
        self.settings = self.config[self.algorithm]
        self.act = ACTIVATIONS[self.settings["activation"]]
        self.noise, self.draw = noise == "sample", np.random.default_rng(seed)

    def linear(self, name, x):
        return x @ self.tensors[f"actor.{name}.w"] + self.tensors[f"actor.{name}.b"]

    def mlp(self, x):
        last = len(self.settings["hidden"])
        for i in range(last):
            x = self.act(self.linear(f"mlp.{i}", x))
        return self.linear(f"mlp.{last}", x)

    def velocity(self, x, t, state):
        """v_t(x; s), of the state's embedding."""
        phase = 2.0 * np.pi * t * self.tensors["actor.freqs"]
        time = self.linear("t2", mish(self.linear("t1", np.concatenate([np.cos(phase), np.sin(phase)], axis=-1))))
        return self.mlp(np.concatenate([x, state + time], axis=-1))

    def flow(self, obs, z):
        """The flow's end from z: explicit midpoint steps over [0, 1], [0, pi / 2] for TrigFlow."""
        end = np.pi / 2 if self.settings["path"] == "trigflow" else 1.0
        x, h, state = z, end / self.settings["flow_steps"], self.linear("s", obs)
        for i in range(self.settings["flow_steps"]):
            middle = x + 0.5 * h * self.velocity(x, i * h, state)
            x = x + h * self.velocity(middle, (i + 0.5) * h, state)
        return x

    def squashed(self, action):
        kind = self.settings["squash_actions"]
        if kind == "none":
            return action
        low, high = self.tensors["action.low"], self.tensors["action.high"]
        if kind == "tanh":
            action = 0.5 * (high + low) + 0.5 * (high - low) * np.tanh(action)
        return np.clip(action, low, high)

    def __call__(self, obs):
        if self.settings["normalize_observations"]:
            clip = self.settings["observation_clip"]
            deviation = np.sqrt(self.tensors["obs.variance"] + 1e-8)
            obs = np.clip((obs - self.tensors["obs.mean"]) / deviation, -clip, clip)
        log_std = self.tensors["actor.log_std"]
        shape = (len(obs), log_std.shape[1])
        if self.algorithm == "ppo":
            action = self.mlp(obs)
        else:
            has_base_noise = self.noise and not self.settings["degenerate_gaussian"]
            action = self.flow(obs, self.draw.standard_normal(shape) if has_base_noise else np.zeros(shape))
        if self.noise:
            std = np.exp(np.clip(log_std, self.settings["log_std_min"], self.settings["log_std_max"]))
            action = action + std * self.draw.standard_normal(shape)
        return self.squashed(action)


def dm_control_returns(policy, episodes, seed):
    """Returns of whole episodes, the episodes side by side."""
    from dm_control import suite

    domain, task = TASKS[policy.environment].original
    options = {"environment_kwargs": {"flat_observation": True}}
    environments = [suite.load(domain, task, task_kwargs={"random": seed * 100_003 + i}, **options) for i in range(episodes)]
    steps = [environment.reset() for environment in environments]
    returns = np.zeros(episodes)
    while not steps[0].last():
        actions = policy(np.stack([step.observation["observations"] for step in steps]))
        steps = [environment.step(action) for environment, action in zip(environments, actions)]
        returns += [step.reward for step in steps]
    return returns


def flowmill_return(options, checkpoint):
    """Mean and standard deviation of `flowmill eval`."""
    words = [options.flowmill, "eval", str(checkpoint), "--json", "--adapter", "cpu", "--noise", options.noise]
    words += ["--episodes", str(options.ours), "--seed", str(options.seed)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found["return"]["mean"], found["return"]["std"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument("--episodes", type=int, default=50, help="in dm_control")
    parser.add_argument("--ours", type=int, default=1000, help="episodes of flowmill eval")
    parser.add_argument("--noise", choices=["sample", "zero"], default="sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flowmill", default="target/release/flowmill")
    options = parser.parse_args()
    print("| checkpoint | task | algorithm | dm_control | flowmill | difference |")
    print("|---|---|---|---|---|---|")
    for run in options.runs:
        checkpoint = run / "checkpoints/latest.safetensors" if run.is_dir() else run
        policy = Policy(checkpoint, options.noise, options.seed)
        theirs = dm_control_returns(policy, options.episodes, options.seed)
        (ours, deviation), mean = flowmill_return(options, checkpoint), theirs.mean()
        errors = [theirs.std(ddof=1) / len(theirs) ** 0.5, deviation / options.ours**0.5]
        both = np.hypot(*errors) / ours
        cells = [run.name, policy.environment, policy.algorithm, f"{mean:.1f} ± {errors[0]:.1f}", f"{ours:.1f} ± {errors[1]:.1f}"]
        print("| " + " | ".join(cells) + f" | {mean / ours - 1.0:+.2%} ± {both:.2%} |", flush=True)


if __name__ == "__main__":
    main()
