"""The tasks on the models of envs/models: observation, reward, reset, step and horizon, after dm_control 1.0.45 (Tassa et al.
2018, arXiv 1801.00690) and, for the maze, Gymnasium-Robotics 1.4.2. tasks.py holds them against those packages; docs/tasks.md is
the table.

A control step sets the controls and makes `substeps` steps of the model. Observation and reward are then those of the new
state: positions and velocities are the new ones, while a touch sensor reports the forces of the last substep, computed from the
state before that substep moved it. The controls in a reward are those of the step that just ended. No task terminates.

`s` is what a task may ask for: `s.qpos`, `s.qvel`, `s.ctrl`; `s.target`, what the task drew at reset and the model does not know;
and in world coordinates `s.position(body)`, `s.centre(body)` (of mass), `s.rotation(body)` (columns are the body's axes),
`s.geom(name)`, `s.site(name)`; and `s.sensor(name)`. At reset `draw` is a numpy Generator and `touching(qpos)` says whether any
two geoms touch there.
"""

import numpy as np

X, Y, Z = 0, 1, 2


def tolerance(x, low, high, margin=0.0, shape="gaussian", at_margin=0.1):
    """1 within [low, high]; outside it falls with the distance to the nearest bound and is `at_margin` at distance `margin`."""
    distance = np.maximum(np.maximum(low - x, x - high), 0.0)
    if margin == 0.0:
        return np.where(distance > 0.0, 0.0, 1.0)
    d = distance / margin
    if shape == "gaussian":
        return np.exp(np.log(at_margin) * d**2)
    if shape == "long_tail":
        return 1.0 / (1.0 + (1.0 / at_margin - 1.0) * d**2)
    return np.maximum(1.0 - (1.0 - at_margin) * d**2, 0.0)  # quadratic


def small_control(ctrl):
    """Between 4/5 (full controls) and 1 (none): the factor that rewards small controls."""
    return (4.0 + tolerance(ctrl, 0.0, 0.0, margin=1.0, shape="quadratic", at_margin=0.0).mean()) / 5.0


def fast(velocity, wanted):
    """From 0 (standing or going backwards) to 1 (as fast as wanted, or faster)."""
    return np.clip(velocity / wanted, 0.0, 1.0)


class Task:
    """A task; the attributes are the defaults."""

    model = ""  # envs/models/<model>.xml
    original = ("", "")  # domain and task of dm_control
    substeps = 1
    horizon = 1000
    settle = 0  # steps of the model without controls between the drawn pose and the start of the episode
    damping = {}  # joint damping that replaces the model's
    observation = []  # (name, width), in order
    target_width = 0

    def __init__(self, **settings):
        for key, value in settings.items():
            assert hasattr(self, key), key
            setattr(self, key, value)

    def reset(self, m, draw, touching):
        """`(qpos, qvel, target)` of a new episode; `m` gives qpos0, nv and the joints."""
        raise NotImplementedError

    def before_step(self, qvel):
        """The velocities that the step begins with."""
        return qvel

    def observe(self, s):
        """The observation, `[sum of widths]`."""
        raise NotImplementedError

    def reward(self, s):
        """The reward, a number in [0, 1]."""
        raise NotImplementedError


def random_pose(m, draw):
    """Joints with a range uniform in it, hinges without one uniform in [-pi, pi), the rest as in the model."""
    qpos = m.qpos0.copy()
    for kind, limited, bounds, at in zip(m.jnt_type, m.jnt_limited, m.jnt_range, m.jnt_qposadr):
        if limited:
            qpos[at] = draw.uniform(*bounds)
        elif kind == 3:  # hinge
            qpos[at] = draw.uniform(-np.pi, np.pi)
    return qpos


# ---- one or two joints --------------------------------------------------------------------------------------------------


class Pendulum(Task):
    """Hold the rod within 8 degrees of upright."""

    UPRIGHT = np.cos(np.deg2rad(8.0))

    model, original = "pendulum", ("pendulum", "swingup")
    observation = [("cos_angle", 1), ("sin_angle", 1), ("velocity", 1)]

    def reset(self, m, draw, touching):
        return draw.uniform(-np.pi, np.pi, 1), np.zeros(1), []

    def observe(self, s):
        return [np.cos(s.qpos[0]), np.sin(s.qpos[0]), s.qvel[0]]

    def reward(self, s):
        return tolerance(np.cos(s.qpos[0]), self.UPRIGHT, 1.0)


class Cartpole(Task):
    """Keep the pole upright and the cart in the middle, from near there (balance) or from hanging (swing up)."""

    SPARSE_POSITION, SPARSE_UPRIGHT = 0.25, 0.995
    POSITION_MARGIN, VELOCITY_MARGIN = 2.0, 5.0
    swing_up, sparse = False, False

    model = "cartpole"
    observation = [("position", 1), ("cos_angle", 1), ("sin_angle", 1), ("velocity", 2)]

    def reset(self, m, draw, touching):
        if self.swing_up:
            qpos = np.array([0.0, np.pi]) + 0.01 * draw.normal(size=2)
        else:
            qpos = np.array([draw.uniform(-0.1, 0.1), draw.uniform(-0.034, 0.034)])
        return qpos, 0.01 * draw.normal(size=2), []

    def observe(self, s):
        x, angle = s.qpos
        return [x, np.cos(angle), np.sin(angle), *s.qvel]

    def reward(self, s):
        x, angle = s.qpos
        if self.sparse:
            inside = tolerance(x, -self.SPARSE_POSITION, self.SPARSE_POSITION)
            return inside * tolerance(np.cos(angle), self.SPARSE_UPRIGHT, 1.0)
        upright = (1.0 + np.cos(angle)) / 2.0
        centred = (1.0 + tolerance(x, 0.0, 0.0, margin=self.POSITION_MARGIN)) / 2.0
        slow = (1.0 + tolerance(s.qvel[1], 0.0, 0.0, margin=self.VELOCITY_MARGIN)) / 2.0
        return upright * small_control(s.ctrl) * slow * centred


class Acrobot(Task):
    """Bring the tip of the upper of two rods to the point above both."""

    TARGET, RADIUS, MARGIN = np.array([0.0, 0.0, 4.0]), 0.2, 1.0
    sparse = False

    model = "acrobot"
    observation = [("sin_angles", 2), ("cos_angles", 2), ("velocity", 2)]

    def reset(self, m, draw, touching):
        return draw.uniform(-np.pi, np.pi, 2), np.zeros(2), []

    def observe(self, s):
        angles = np.cumsum(s.qpos)  # of the rods to the vertical
        return [*np.sin(angles), *np.cos(angles), *s.qvel]

    def reward(self, s):
        distance = np.linalg.norm(self.TARGET - s.site("tip"))
        return tolerance(distance, 0.0, self.RADIUS, margin=0.0 if self.sparse else self.MARGIN)


class PointMass(Task):
    """Bring the ball to the middle."""

    RADIUS = 0.015

    model, original = "point_mass", ("point_mass", "easy")
    observation = [("position", 2), ("velocity", 2)]

    def reset(self, m, draw, touching):
        return random_pose(m, draw), np.zeros(2), []

    def observe(self, s):
        return [*s.qpos, *s.qvel]

    def reward(self, s):
        near = tolerance(np.linalg.norm(s.qpos), 0.0, self.RADIUS, margin=self.RADIUS)
        return near * small_control(s.ctrl)


class Reacher(Task):
    """Touch a target in the plane with the tip of the arm."""

    FINGER_RADIUS, NEAREST, FARTHEST = 0.01, 0.05, 0.2
    radius = 0.05

    model = "reacher"
    observation = [("position", 2), ("to_target", 2), ("velocity", 2)]
    target_width = 2  # x, y

    def reset(self, m, draw, touching):
        angle, distance = draw.uniform(0.0, 2.0 * np.pi), draw.uniform(self.NEAREST, self.FARTHEST)
        return random_pose(m, draw), np.zeros(2), distance * np.array([np.sin(angle), np.cos(angle)])

    def to_target(self, s):
        return s.target - s.position("finger")[:2]

    def observe(self, s):
        return [*s.qpos, *self.to_target(s), *s.qvel]

    def reward(self, s):
        return tolerance(np.linalg.norm(self.to_target(s)), 0.0, self.radius + self.FINGER_RADIUS)


# ---- contacts --------------------------------------------------------------------------------------------------------


class BallInCup(Task):
    """Swing the ball on its string into the cup."""

    HALF_SIZE, BALL_RADIUS = 0.05, 0.025  # of the square inside the cup; the ball has to be within it wholly

    model, original, substeps = "ball_in_cup", ("ball_in_cup", "catch"), 10
    observation = [("position", 4), ("velocity", 4)]

    def reset(self, m, draw, touching):
        while True:
            qpos = np.array([0.0, 0.0, draw.uniform(-0.2, 0.2), draw.uniform(0.2, 0.5)])
            if not touching(qpos):
                return qpos, np.zeros(4), []

    def observe(self, s):
        return [*s.qpos, *s.qvel]

    def reward(self, s):
        away = np.abs(s.site("target") - s.position("ball"))[[X, Z]]
        return float((away < self.HALF_SIZE - self.BALL_RADIUS).all())


class FingerSpin(Task):
    """Spin the free body quickly, clockwise as seen from the front."""

    SPEED = 15.0

    model, original, substeps = "finger", ("finger", "spin"), 2
    observation = [("angles", 2), ("tip", 2), ("velocity", 3), ("touch", 2)]
    damping = {"hinge": 0.03}

    def reset(self, m, draw, touching):
        while True:
            qpos = random_pose(m, draw)
            if not touching(qpos):
                return qpos, np.zeros(3), []

    def tip(self, s):
        return (s.site("tip") - s.position("spinner"))[[X, Z]]

    def observe(self, s):
        touch = np.log1p([s.sensor("touch_top")[0], s.sensor("touch_bottom")[0]])
        return [*s.qpos[:2], *self.tip(s), *s.qvel, *touch]

    def reward(self, s):
        return float(s.qvel[2] <= -self.SPEED)


class FingerTurn(FingerSpin):
    """Turn the body until its tip is in the target, a point on the tip's circle."""

    HINGE, ARM = np.array([0.2, 0.4]), 0.13  # x, z
    radius = 0.07

    observation = [*FingerSpin.observation, ("target", 2), ("distance", 1)]
    damping = {}
    target_width = 2  # x, z

    def reset(self, m, draw, touching):
        angle = draw.uniform(-np.pi, np.pi)
        qpos, qvel, _ = super().reset(m, draw, touching)
        return qpos, qvel, self.HINGE + self.ARM * np.array([np.sin(angle), np.cos(angle)])

    def distance(self, s):
        """From the tip to the target's surface; negative inside."""
        return np.linalg.norm(s.target - self.HINGE - self.tip(s)) - self.radius

    def observe(self, s):
        return [*super().observe(s), *(s.target - self.HINGE), self.distance(s)]

    def reward(self, s):
        return float(self.distance(s) <= 0.0)


# ---- legs ------------------------------------------------------------------------------------------------------------


class Cheetah(Task):
    """Run forwards."""

    SPEED = 10.0
    FALL = 9.81 * 0.01  # velocity after one step of free fall

    model, original, settle = "cheetah", ("cheetah", "run"), 199
    observation = [("position", 8), ("velocity", 9)]

    def reset(self, m, draw, touching):
        qpos = m.qpos0.copy()
        limited = m.jnt_limited == 1
        qpos[limited] = draw.uniform(*m.jnt_range[limited].T)
        # The original settles for 200 steps and computes the first one's forces at the model's rest pose, in the air, where there
        # is nothing but gravity: whatever was drawn falls freely for a step.
        qvel = np.zeros(9)
        qvel[1] = -self.FALL
        return qpos + 0.01 * qvel, qvel, []

    def observe(self, s):
        return [*s.qpos[1:], *s.qvel]

    def reward(self, s):
        return fast(s.sensor("velocity")[X], self.SPEED)


class Hopper(Task):
    """Stand, with small controls; or hop forwards."""

    LOWEST, HIGHEST, SPEED = 0.6, 2.0, 2.0
    hop = False

    model, substeps = "hopper", 4
    observation = [("position", 6), ("velocity", 7), ("touch", 2)]

    def reset(self, m, draw, touching):
        return random_pose(m, draw), np.zeros(7), []

    def observe(self, s):
        touch = np.log1p([s.sensor("toe")[0], s.sensor("heel")[0]])
        return [*s.qpos[1:], *s.qvel, *touch]

    def reward(self, s):
        height = s.centre("torso")[Z] - s.centre("foot")[Z]
        standing = tolerance(height, self.LOWEST, self.HIGHEST)
        if self.hop:
            return standing * fast(s.sensor("velocity")[X], self.SPEED)
        return standing * small_control(s.ctrl)


class Walker(Task):
    """Stand; or stand and walk or run forwards."""

    HEIGHT = 1.2
    BODIES = "torso right_thigh right_leg right_foot left_thigh left_leg left_foot".split()
    speed = 0.0

    model, substeps = "walker", 10
    observation = [("orientations", 14), ("height", 1), ("velocity", 9)]

    def reset(self, m, draw, touching):
        return random_pose(m, draw), np.zeros(9), []

    def observe(self, s):
        orientations = [s.rotation(body)[X, axis] for body in self.BODIES for axis in (X, Z)]
        return [*orientations, s.position("torso")[Z], *s.qvel]

    def reward(self, s):
        standing = tolerance(s.position("torso")[Z], self.HEIGHT, np.inf, margin=self.HEIGHT / 2.0)
        upright = (1.0 + s.rotation("torso")[Z, Z]) / 2.0
        stand = (3.0 * standing + upright) / 4.0
        if self.speed == 0.0:
            return stand
        return stand * (5.0 * fast(s.sensor("velocity")[X], self.speed) + 1.0) / 6.0


# ---- in water --------------------------------------------------------------------------------------------------------


class FishUpright(Task):
    """Keep the back up."""

    JOINT = 0.2

    model, original, substeps = "fish", ("fish", "upright"), 10
    observation = [("joints", 7), ("upright", 1), ("velocity", 13)]

    def reset(self, m, draw, touching):
        quat = draw.normal(size=4)
        joints = draw.uniform(-self.JOINT, self.JOINT, 7)
        return np.concatenate([m.qpos0[:3], quat / np.linalg.norm(quat), joints]), np.zeros(13), []

    def upright(self, s):
        return s.rotation("torso")[Z, Z]

    def observe(self, s):
        return [*s.qpos[7:], self.upright(s), *s.qvel]

    def reward(self, s):
        return tolerance(self.upright(s), 1.0, 1.0, margin=1.0)


class FishSwim(FishUpright):
    """Bring the mouth to the target, and keep the back up."""

    MOUTH_RADIUS, TARGET_RADIUS = 0.005, 0.04
    LOW, HIGH = np.array([-0.4, -0.4, 0.1]), np.array([0.4, 0.4, 0.3])

    original = ("fish", "swim")
    observation = [*FishUpright.observation[:2], ("to_target", 3), ("velocity", 13)]
    target_width = 3

    def reset(self, m, draw, touching):
        qpos, qvel, _ = super().reset(m, draw, touching)
        return qpos, qvel, draw.uniform(self.LOW, self.HIGH)

    def to_target(self, s):
        """In the frame of the mouth: x of the torso, down, forwards."""
        x, y, z = s.rotation("torso").T @ (s.target - s.geom("mouth"))
        return np.array([x, -z, y])

    def observe(self, s):
        return [*s.qpos[7:], self.upright(s), *self.to_target(s), *s.qvel]

    def reward(self, s):
        radius = self.MOUTH_RADIUS + self.TARGET_RADIUS
        reached = tolerance(np.linalg.norm(self.to_target(s)), 0.0, radius, margin=2.0 * radius)
        return (7.0 * reached + (1.0 + self.upright(s)) / 2.0) / 8.0


class Swimmer(Task):
    """Bring the nose of a chain of six links to the target."""

    CLOSE, FAR, SHARE_CLOSE, RADIUS = 0.3, 2.0, 0.2, 0.1
    LINKS = ["head", *(f"link{i}" for i in range(1, 6))]

    model, original, substeps = "swimmer", ("swimmer", "swimmer6"), 15
    observation = [("joints", 5), ("to_target", 2), ("velocities", 18)]
    target_width = 2  # x, y

    def reset(self, m, draw, touching):
        box = self.CLOSE if draw.uniform() < self.SHARE_CLOSE else self.FAR
        return random_pose(m, draw), np.zeros(8), draw.uniform(-box, box, 2)

    def to_target(self, s):
        """From the nose, in the frame of the head."""
        away = np.append(s.target - s.geom("nose")[:2], 0.0)
        return (s.rotation("head").T @ away)[:2]

    def observe(self, s):
        """Of each link the velocity of its middle along its own x and y, and its turning speed."""
        velocities = [v for link in self.LINKS for v in (*s.sensor(f"{link}_velocity")[:2], s.sensor(f"{link}_turn")[Z])]
        return [*s.qpos[3:], *self.to_target(s), *velocities]

    def reward(self, s):
        distance = np.linalg.norm(self.to_target(s))
        return tolerance(distance, 0.0, self.RADIUS, margin=5.0 * self.RADIUS, shape="long_tail")


# ---- maze ------------------------------------------------------------------------------------------------------------


class PointMaze(Task):
    """Reach one of three goals from a fixed corner; the closer the better, and the goal stays where it is."""

    GOALS = np.array([[2.5, 1.5], [-2.5, -1.5], [1.5, -2.5]])
    START, NOISE, MAX_SPEED = np.array([-2.5, 2.5]), 0.25, 5.0

    model, original, horizon = "point_maze", ("PointMaze_Medium_Diverse_GDense-v3", ""), 600
    observation = [("position", 2), ("velocity", 2), ("goal", 2)]
    target_width = 2

    def reset(self, m, draw, touching):
        goal = self.GOALS[draw.integers(3)] + draw.uniform(-self.NOISE, self.NOISE, 2)
        return self.START + draw.uniform(-self.NOISE, self.NOISE, 2), np.zeros(2), goal

    def before_step(self, qvel):
        return np.clip(qvel, -self.MAX_SPEED, self.MAX_SPEED)

    def observe(self, s):
        return [*s.qpos, *s.qvel, *s.target]

    def reward(self, s):
        return np.exp(-np.linalg.norm(s.qpos - s.target))


TASKS = {
    "pendulum-swingup": Pendulum(),
    "cartpole-balance": Cartpole(original=("cartpole", "balance")),
    "cartpole-balance-sparse": Cartpole(original=("cartpole", "balance_sparse"), sparse=True),
    "cartpole-swingup": Cartpole(original=("cartpole", "swingup"), swing_up=True),
    "cartpole-swingup-sparse": Cartpole(original=("cartpole", "swingup_sparse"), swing_up=True, sparse=True),
    "acrobot-swingup": Acrobot(original=("acrobot", "swingup")),
    "acrobot-swingup-sparse": Acrobot(original=("acrobot", "swingup_sparse"), sparse=True),
    "point-mass-easy": PointMass(),
    "reacher-easy": Reacher(original=("reacher", "easy"), radius=0.05),
    "reacher-hard": Reacher(original=("reacher", "hard"), radius=0.015),
    "ball-in-cup-catch": BallInCup(),
    "finger-spin": FingerSpin(),
    "finger-turn-easy": FingerTurn(original=("finger", "turn_easy"), radius=0.07),
    "finger-turn-hard": FingerTurn(original=("finger", "turn_hard"), radius=0.03),
    "cheetah-run": Cheetah(),
    "hopper-stand": Hopper(original=("hopper", "stand")),
    "hopper-hop": Hopper(original=("hopper", "hop"), hop=True),
    "walker-stand": Walker(original=("walker", "stand")),
    "walker-walk": Walker(original=("walker", "walk"), speed=1.0),
    "walker-run": Walker(original=("walker", "run"), speed=8.0),
    "fish-upright": FishUpright(),
    "fish-swim": FishSwim(),
    "swimmer6": Swimmer(),
    "point-maze-medium": PointMaze(),
}
