"""Holds the models of envs/models against those that their numbers come from, both compiled by MuJoCo.

    python -m venv v && v/bin/pip install mujoco==3.12.0 dm_control==1.0.45 gymnasium-robotics==1.4.2
    v/bin/python tests/reference/models.py [MODEL ...]

Two things are compared: every compiled constant that acts on the motion, and 200 steps from random states under random
controls. Elements correspond by name (`NAMES` where the names differ); bodies, joints, tendons and actuators also stand in the
same order, so that states and actions are interchangeable. The originals come out of the installed packages.

Not compared, because nothing moves differently for it: looks, cameras, ranges of joints that have no limit, and, where contacts
are off, how geoms collide and geoms that only they have (masses are compared by body). `UNTOUCHED` lists what differs otherwise.
Prints a line per model; exit code 1 on a difference.
"""

import argparse
import os
import sys

os.environ.setdefault("MUJOCO_GL", "disable")  # nothing is drawn

import mujoco
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "..", "envs", "models")
STARTS, STEPS = 8, 200
CONSTANTS, MOTION = 1e-12, 1e-9  # largest differences: of an entry, relative to its largest number; of a coordinate

# ours=theirs; KIND:ours=theirs where elements of different kinds share a name.
NAMES = {
    "pendulum": "rod=pole pivot=base bob=mass",
    "cartpole": "pole=pole_1 hinge=hinge_1 push=slide rail_left=rail1 rail_right=rail2",
    "acrobot": "",
    "point_mass": """floor=ground ball=pointmass joint:x=root_x joint:y=root_y tendon:x=t1 tendon:y=t2
        actuator:x=t1 actuator:y=t2""",
    "reacher": "floor=ground",
    "ball_in_cup": """floor=ground left_wall=cup_part_0 left_corner=cup_part_1 bottom=cup_part_2 right_corner=cup_part_3
        right_wall=cup_part_4""",
    "finger": """floor=ground finger_hub=proximal_decoration spinner_hub=spinner_decoration cap_right=cap1 cap_left=cap2
        touch_top=touchtop touch_bottom=touchbottom""",
    "cheetah": """floor=ground root_x=rootx root_z=rootz root_angle=rooty velocity=torso_subtreelinvel
        back_thigh=bthigh back_shin=bshin back_foot=bfoot front_thigh=fthigh front_shin=fshin front_foot=ffoot""",
    "hopper": "root_x=rootx root_z=rootz root_angle=rooty velocity=torso_subtreelinvel toe=touch_toe heel=touch_heel",
    "walker": "root_x=rootx root_z=rootz root_angle=rooty velocity=torso_subtreelinvel",
    "fish": """floor=ground core=torso_massive right_fin=finright left_fin=finleft flap=fins_flap symmetry=fins_sym
        right_roll=finright_roll right_pitch=finright_pitch left_roll=finleft_roll left_pitch=finleft_pitch""",
    "swimmer": """floor=ground root_x=rootx root_y=rooty root_angle=rootz plate_head=inertial skull=head
        head_velocity=head_vel head_turn=head_gyro site:link1=site_0 site:link2=site_1 site:link3=site_2 site:link4=site_3
        site:link5=site_4 link1=segment_0 link2=segment_1 link3=segment_2 link4=segment_3 link5=segment_4
        joint1=joint_0 joint2=joint_1 joint3=joint_2 joint4=joint_3 joint5=joint_4 motor1=motor_0 motor2=motor_1
        motor3=motor_2 motor4=motor_3 motor5=motor_4 plate1=inertial_0 plate2=inertial_1 plate3=inertial_2
        plate4=inertial_3 plate5=inertial_4 link1_velocity=velocimeter_0 link1_turn=gyro_0 link2_velocity=velocimeter_1
        link2_turn=gyro_1 link3_velocity=velocimeter_2 link3_turn=gyro_2 link4_velocity=velocimeter_3 link4_turn=gyro_3
        link5_velocity=velocimeter_4 link5_turn=gyro_4""",
    "point_maze": "geom:ball=particle_geom ball=particle floor=ground joint:x=ball_x joint:y=ball_y actuator:x=motor_x "
    "actuator:y=motor_y " + " ".join(f"wall_{i}_{j}=block_{i}_{j}" for i in range(8) for j in range(8)),
}

# Geoms that do not collide in ours and do in theirs.
UNTOUCHED = {
    "finger": {"finger_hub", "spinner_hub"},  # the capsules around them are always touched first
    "point_maze": {"floor"},  # no joint moves the ball along z: the contact's Jacobian is zero
}


def original(name):
    """The compiled model that the numbers of `name` come from."""
    if name == "point_maze":
        from gymnasium_robotics.envs.maze import maps, point_maze

        return point_maze.PointMazeEnv(maze_map=maps.MEDIUM_MAZE_DIVERSE_G).point_env.model
    from dm_control.suite import common, swimmer

    plain = common.read_model(f"{name}.xml"), common.ASSETS
    text, files = swimmer.get_model_and_assets(6) if name == "swimmer" else plain
    return mujoco.MjModel.from_xml_string(text if isinstance(text, str) else text.decode(), files)


def ours(name):
    """Our model, compiled by MuJoCo."""
    return mujoco.MjModel.from_xml_path(os.path.join(FOLDER, f"{name}.xml"))


def matrix(quat):
    m = np.zeros(9)
    mujoco.mju_quat2Mat(m, quat)
    return m.reshape(3, 3)


class Names:
    """Elements of a model by kind and name; ours translated to the names of theirs."""

    KINDS = "body joint geom site tendon actuator sensor".split()
    KINDS = {kind: getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}") for kind in KINDS}

    def __init__(self, model, table=""):
        self.model = model
        self.translate = dict(pair.split("=") for pair in table.split())

    def of(self, kind, index):
        name = mujoco.mj_id2name(self.model, self.KINDS[kind], index)
        return self.translate.get(f"{kind}:{name}", self.translate.get(name, name))

    def all(self, kind):
        """Names of all elements of a kind, in order; None where there is none."""
        count = getattr(self.model, {"body": "nbody", "joint": "njnt", "actuator": "nu"}.get(kind, f"n{kind}"))
        return [self.of(kind, i) for i in range(count)]


def global_constants(m):
    """What is not of one element."""
    energy = int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    option = """timestep gravity wind density viscosity impratio integrator cone solver iterations ls_iterations tolerance
        ls_tolerance noslip_iterations disableflags""".split()
    return {
        "sizes": [m.nq, m.nv, m.nu, m.nbody, m.njnt, m.ntendon, m.npair, m.nexclude, m.neq, m.nmocap],
        **{f"option {field}": getattr(m.opt, field) for field in option},
        "option flags": m.opt.enableflags & ~energy,
        "mean inertia": m.stat.meaninertia,
        "qpos0": m.qpos0,
    }


def body(m, names, i):
    r = matrix(m.body_iquat[i])
    return {
        "parent": names.of("body", m.body_parentid[i]),
        "pos": m.body_pos[i],
        "rotation": matrix(m.body_quat[i]),
        "centre": m.body_ipos[i],
        "inertia": r @ np.diag(m.body_inertia[i]) @ r.T,
        "mass": m.body_mass[i],
        "subtree mass": m.body_subtreemass[i],
        "inverse weight": m.body_invweight0[i],
        "gravcomp": m.body_gravcomp[i],
    }


def joint(m, names, i):
    kind, limited, dof = m.jnt_type[i], m.jnt_limited[i], m.jnt_dofadr[i]
    width = {0: 6, 1: 3}.get(int(kind), 1)
    dofs = slice(dof, dof + width)
    own = {
        "body": names.of("body", m.jnt_bodyid[i]),
        "type": kind,
        "pos": m.jnt_pos[i],
        "stiffness": m.jnt_stiffness[i],
        "limited": limited,
        "armature": m.dof_armature[dofs],
        "damping": m.dof_damping[dofs],
        "friction loss": m.dof_frictionloss[dofs],
        "inverse weight": m.dof_invweight0[dofs],
        "solref friction": m.dof_solref[dofs],
        "solimp friction": m.dof_solimp[dofs],
    }
    if kind >= 2:
        own["axis"] = m.jnt_axis[i]
    if limited:
        own.update({"range": m.jnt_range[i], "margin": m.jnt_margin[i], "solref": m.jnt_solref[i], "solimp": m.jnt_solimp[i]})
    if m.jnt_stiffness[i] > 0:
        own["spring"] = m.qpos_spring[m.jnt_qposadr[i]]
    return own


def geom(m, names, i):
    shape = {
        "body": names.of("body", m.geom_bodyid[i]),
        "type": m.geom_type[i],
        "size": m.geom_size[i],
        "pos": m.geom_pos[i],
        "rotation": matrix(m.geom_quat[i]),
        "fluid": m.geom_fluid[i],
    }
    fields = "contype conaffinity condim priority friction solmix solref solimp margin gap".split()
    return shape | {field: getattr(m, f"geom_{field}")[i] for field in fields}


def site(m, names, i):
    return {"body": names.of("body", m.site_bodyid[i]), "pos": m.site_pos[i], "size": m.site_size[i][0]}


def tendon(m, names, i):
    first, count = m.tendon_adr[i], m.tendon_num[i]
    wraps = range(first, first + count)
    kind = {int(mujoco.mjtWrap.mjWRAP_JOINT): "joint", int(mujoco.mjtWrap.mjWRAP_SITE): "site"}
    fields = """limited range margin stiffness damping armature frictionloss lengthspring length0 invweight0 solref_lim solimp_lim
        solref_fri solimp_fri""".split()
    return {
        "path": " ".join(names.of(kind[int(m.wrap_type[w])], m.wrap_objid[w]) for w in wraps),
        "coefficients": m.wrap_prm[first : first + count],
        **{field: getattr(m, f"tendon_{field}")[i] for field in fields},
    }


def actuator(m, names, i):
    kind = {int(mujoco.mjtTrn.mjTRN_JOINT): "joint", int(mujoco.mjtTrn.mjTRN_TENDON): "tendon"}
    fields = """gear gaintype gainprm biastype biasprm dyntype dynprm ctrllimited ctrlrange forcelimited forcerange acc0
        length0""".split()
    target = names.of(kind[int(m.actuator_trntype[i])], m.actuator_trnid[i, 0])
    return {"target": target} | {field: getattr(m, f"actuator_{field}")[i] for field in fields}


def sensor(m, names, i):
    kind = {int(v): k for k, v in Names.KINDS.items()}
    target = names.of(kind[int(m.sensor_objtype[i])], m.sensor_objid[i])
    return {"type": m.sensor_type[i], "of": target, "cutoff": m.sensor_cutoff[i], "noise": m.sensor_noise[i]}


def difference(got, want):
    """0 for equal text; of numbers the largest difference over the largest wanted number."""
    if isinstance(want, (str, type(None))):
        return 0.0 if got == want else np.inf
    got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    error, size = np.abs(got - want).max(initial=0.0), np.abs(want).max(initial=0.0)
    return error / size if size > 0 else (np.inf if error > 0 else 0.0)


def compare_constants(name, mine, theirs):
    """Rows `(what, difference)` of all constants, and of elements that one side lacks."""
    a, b = Names(mine, NAMES[name]), Names(theirs)
    contacts = not mine.opt.disableflags & (mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    wanted = global_constants(theirs)
    rows = [(what, difference(got, wanted[what])) for what, got in global_constants(mine).items()]

    for kind in ("body", "joint", "tendon", "actuator"):
        same = a.all(kind) == b.all(kind)
        rows.append((f"order of {kind} elements", 0.0 if same else np.inf))
    for constants in (body, joint, geom, site, tendon, actuator, sensor):
        kind = constants.__name__
        got_names, want_names = a.all(kind), b.all(kind)
        if kind == "geom" and contacts:
            rows.append(("names of geoms", 0.0 if sorted(map(str, got_names)) == sorted(map(str, want_names)) else np.inf))
        for i, element in enumerate(got_names):
            if kind == "geom" and element is None and not contacts:
                continue
            if kind == "site" and element not in want_names:  # a target that is a geom in theirs
                where = b.all("geom").index(element)
                rows.append((f"site {element} pos", difference(mine.site_pos[i], theirs.geom_pos[where])))
                rows.append((f"site {element} size", difference(mine.site_size[i][0], theirs.geom_size[where][0])))
                continue
            if element not in want_names:
                rows.append((f"{kind} {element}: theirs has none", np.inf))
                continue
            got, want = constants(mine, a, i), constants(theirs, b, want_names.index(element))
            untouched = kind == "geom" and mujoco.mj_id2name(mine, Names.KINDS[kind], i) in UNTOUCHED.get(name, ())
            for what in want:
                collides = what in ("contype", "conaffinity")
                if kind == "geom" and (collides and untouched or not contacts and list(want).index(what) > 5):
                    continue
                rows.append((f"{kind} {element} {what}", difference(got.get(what), want[what])))
    return rows


def random_state(name, model, rng):
    """Joints in their ranges (others around their rest), velocities of order one; the fish is light and bears less."""
    speed = 0.1 if name == "fish" else 1.0
    qpos = model.qpos0.copy()
    for j in range(model.njnt):
        at = model.jnt_qposadr[j]
        if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE:
            qpos[at : at + 3] += rng.normal(size=3) * 0.1
            quat = rng.normal(size=4)
            qpos[at + 3 : at + 7] = quat / np.linalg.norm(quat)
        elif model.jnt_limited[j]:
            qpos[at] = rng.uniform(*model.jnt_range[j])
        else:
            qpos[at] += rng.normal() * 0.5
    return qpos, speed * rng.normal(size=model.nv)


def compare_motion(name, mine, theirs, rng):
    """`(largest difference of a coordinate or velocity, most contacts)` over all starts and steps; infinite when MuJoCo warns."""
    worst, contacts = 0.0, 0
    for _ in range(STARTS):
        a, b = mujoco.MjData(mine), mujoco.MjData(theirs)
        a.qpos, a.qvel = random_state(name, theirs, rng)
        b.qpos, b.qvel = a.qpos, a.qvel
        for _ in range(STEPS):
            a.ctrl = rng.uniform(-1, 1, mine.nu)
            b.ctrl = a.ctrl
            mujoco.mj_step(mine, a)
            mujoco.mj_step(theirs, b)
            contacts = max(contacts, b.ncon)
            error = max(np.abs(a.qpos - b.qpos).max(), np.abs(a.qvel - b.qvel).max())
            worst = max(worst, error if np.isfinite(error) else np.inf)
        if any(warning.number for warning in a.warning):
            worst = np.inf
    return worst, contacts


def main():
    """Prints the table and exits with the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", choices=[[], *NAMES], metavar="MODEL")
    names = parser.parse_args().models or list(NAMES)
    print(f"MuJoCo {mujoco.__version__}; {STARTS} x {STEPS} steps")
    print(f"{'model':<12} nq nv nu  bodies  constants  largest difference  motion    contacts")
    failed = False
    for name in names:
        mine, theirs = ours(name), original(name)
        rows = compare_constants(name, mine, theirs)
        different = [row for row in rows if not row[1] <= CONSTANTS]
        motion, contacts = (np.inf, 0)
        if (mine.nq, mine.nv, mine.nu) == (theirs.nq, theirs.nv, theirs.nu):
            motion, contacts = compare_motion(name, mine, theirs, np.random.default_rng(7))
        bad = bool(different) or not motion <= MOTION
        failed |= bad
        sizes = f"{mine.nq:>2} {mine.nv:>2} {mine.nu:>2} {mine.nbody:>7}"
        largest = max(error for _, error in rows)
        verdict = "  DIFFERENT" if bad else ""
        print(f"{name:<12} {sizes}  {len(rows):>9}  {largest:>18.1e}  {motion:<8.1e}  {contacts:>8}{verdict}")
        for what, error in different[:12]:
            print(f"    {what}: {error:.1e}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
