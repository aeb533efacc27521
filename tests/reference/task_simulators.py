"""A task made to run: ours on our model, and the original of dm_control or Gymnasium-Robotics, alike to their caller.

`reset` begins an episode as the task says, `start` begins one at a given state; then `step(action)`, `observe()`, and `m`, `d`:
MuJoCo's model and data.
"""

import mujoco
import numpy as np

import models


class Snapshot:
    """`s` of task_definitions.py, out of MuJoCo's data of our model."""

    def __init__(self, m, d, target):
        self.m, self.d = m, d
        self.qpos, self.qvel, self.ctrl, self.target = d.qpos, d.qvel, d.ctrl, np.asarray(target, dtype=float)

    def position(self, body):
        return self.d.body(body).xpos

    def centre(self, body):
        return self.d.body(body).xipos

    def rotation(self, body):
        return self.d.body(body).xmat.reshape(3, 3)

    def geom(self, name):
        return self.d.geom(name).xpos

    def site(self, name):
        return self.d.site(name).xpos

    def sensor(self, name):
        return self.d.sensor(name).data


class Ours:
    """A task of task_definitions.py on our model."""

    def __init__(self, task):
        self.task, self.m = task, models.ours(task.model)
        for joint, damping in task.damping.items():
            self.m.dof_damping[self.m.joint(joint).dofadr] = damping
        self.d = mujoco.MjData(self.m)
        self.target = []

    def touching(self, qpos):
        self.d.qpos = qpos
        mujoco.mj_fwdPosition(self.m, self.d)
        return self.d.ncon > 0

    def start(self, qpos, qvel, target, settle=0):
        """Begins an episode, `settle` steps later; touch sensors are those of a forward pass without actuation."""
        mujoco.mj_resetData(self.m, self.d)
        self.d.qpos, self.d.qvel, self.target = qpos, qvel, target
        for _ in range(settle):
            mujoco.mj_step(self.m, self.d)
        self.look()

    def look(self):
        self.m.opt.disableflags ^= mujoco.mjtDisableBit.mjDSBL_ACTUATION
        mujoco.mj_forward(self.m, self.d)
        self.m.opt.disableflags ^= mujoco.mjtDisableBit.mjDSBL_ACTUATION

    def reset(self, draw):
        self.start(*self.task.reset(self.m, draw, self.touching), settle=self.task.settle)

    def step(self, action):
        """One control step. The sensors of forces keep the last substep's values."""
        self.d.ctrl, self.d.qvel = action, self.task.before_step(self.d.qvel)
        for _ in range(self.task.substeps):
            mujoco.mj_step(self.m, self.d)
        mujoco.mj_step1(self.m, self.d)

    def observe(self):
        return np.array(self.task.observe(Snapshot(self.m, self.d, self.target)), dtype=float)

    def reward(self):
        return float(self.task.reward(Snapshot(self.m, self.d, self.target)))


class DmControl:
    """dm_control's own task."""

    TARGETS = {  # where the model has them
        "reacher": ("geom_pos", "xy"),
        "fish": ("geom_pos", "xyz"),
        "swimmer": ("geom_pos", "xy"),
        "finger": ("site_pos", "xz"),
    }

    def __init__(self, task, seed):
        from dm_control import suite

        domain, name = task.original
        self.environment = suite.load(domain, name, task_kwargs={"random": seed}, environment_kwargs={"flat_observation": True})
        self.environment.reset()
        self.physics, self.width = self.environment.physics, task.target_width
        self.m, self.d = self.physics.model.ptr, self.physics.data.ptr
        self.field, axes = self.TARGETS.get(domain, (None, ""))
        self.axes = list(axes)
        action = self.environment.action_spec()
        self.facts = {
            "horizon": round(self.environment._step_limit),
            "substeps": self.environment._n_sub_steps,
            "timestep": self.environment.control_timestep(),
            "action": [action.minimum.tolist(), action.maximum.tolist()],
            "observation": self.environment.observation_spec()["observations"].shape,
        }

    def target(self):
        if self.width == 0:
            return np.zeros(0)
        return np.array(getattr(self.physics.named.model, self.field)["target", self.axes])

    def reset(self):
        self.environment.reset()

    def start(self, qpos, qvel, target):
        self.environment.reset()
        mujoco.mj_resetData(self.m, self.d)
        self.d.qpos, self.d.qvel = qpos, qvel
        if self.width:
            getattr(self.physics.named.model, self.field)["target", self.axes] = target
        self.physics.after_reset()

    def observe(self):
        from dm_control.rl import control

        return control.flatten_observation(self.environment.task.get_observation(self.physics))["observations"]

    def step(self, action):
        return self.environment.step(action).reward


class Maze:
    """Gymnasium-Robotics' maze, with the goal behind the observation."""

    def __init__(self, task, seed):
        import gymnasium
        import gymnasium_robotics

        gymnasium.register_envs(gymnasium_robotics)
        environment = gymnasium.make(task.original[0], continuing_task=True, reset_target=False)
        self.environment = environment.unwrapped
        self.environment.reset(seed=seed)
        self.m, self.d = self.environment.point_env.model, self.environment.point_env.data
        self.facts = {
            "horizon": environment.spec.max_episode_steps,
            "substeps": self.environment.point_env.frame_skip,
            "timestep": self.environment.point_env.dt,
            "action": [environment.action_space.low.tolist(), environment.action_space.high.tolist()],
            "observation": (6,),
        }

    def target(self):
        return self.environment.goal

    def reset(self):
        self.environment.reset()

    def start(self, qpos, qvel, target):
        self.reset()
        self.environment.goal = np.array(target)
        self.environment.point_env.set_state(np.array(qpos), np.array(qvel))

    def observe(self):
        return np.concatenate([self.d.qpos, self.d.qvel, self.environment.goal])

    def step(self, action):
        return self.environment.step(action)[1]


def original(task, seed):
    return Maze(task, seed) if task.model == "point_maze" else DmControl(task, seed)
