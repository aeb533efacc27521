"""Writes tests/fixtures/physics/*.json: constants and steps of small models, computed by MuJoCo.

    python -m venv v && v/bin/pip install mujoco==3.12.0 dm_control==1.0.45
    v/bin/python tests/reference/physics_fixtures.py            # writes the fixtures
    v/bin/python tests/reference/physics_fixtures.py --check    # computes them anew and compares with the files

The models are those of tests/fixtures/physics/models and, read from the dm_control package, twelve of its suite (of `finger`
the cylinders, which are decoration, do not collide here; `swimmer` has six links). A fixture is a set of numbers: the compiled constants, and for a few
states of random rollouts every stage of the step. MuJoCo's solver runs to convergence. Contacts are sorted by their geoms.
"""

import argparse
import json
import os
import sys
import tempfile

import mujoco
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.normpath(os.path.join(HERE, "..", "fixtures", "physics"))
OWN = "arm tumble grip swing runner pendula shapes notations mixture".split()
SUITE = "pendulum cartpole acrobot point_mass reacher ball_in_cup finger cheetah hopper walker fish swimmer".split()
STATES = 4  # of each model but this one, where many pairs of shapes may or may not touch
MANY_STATES = {"shapes": 12}
TOLERANCE = 1e-9


def suite_path(name, folder):
    """The file of a model of dm_control; for `finger` and `swimmer`, which has six links, a copy in `folder`."""
    import dm_control.suite

    source = os.path.join(os.path.dirname(dm_control.suite.__file__), f"{name}.xml")
    if name == "finger":
        text = open(source).read().replace('type="cylinder"', 'type="cylinder" contype="0" conaffinity="0"')
    elif name == "swimmer":
        from dm_control.suite import swimmer

        text = swimmer.get_model_and_assets(6)[0]
        text = text.decode() if isinstance(text, bytes) else text
    else:
        return source
    text = text.replace("./common/", os.path.join(os.path.dirname(source), "common") + "/")
    path = os.path.join(folder, f"{name}.xml")
    open(path, "w").write(text)
    return path


def matrix(quat):
    m = np.zeros(9)
    mujoco.mju_quat2Mat(m, quat)
    return m.reshape(3, 3)


def inertia(quat, moments):
    """xx yy zz xy xz yz in the axes that `quat` is relative to."""
    r = matrix(quat)
    i = r @ np.diag(moments) @ r.T
    return [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]


def limited(flags, ranges):
    """Ranges, zeros where they do not hold."""
    return np.asarray(ranges) * np.asarray(flags).reshape(-1, 1)


def constants(m):
    """Compiled constants, each one flat list."""
    moving = m.jnt_type >= 2
    spring = m.jnt_stiffness > 0
    one = np.ones(m.nu)
    return {
        "timestep": [m.opt.timestep],
        "mean_inertia": [m.stat.meaninertia],
        "qpos0": m.qpos0,
        "qpos_spring": [q for j in range(m.njnt) if spring[j] and moving[j] for q in [m.qpos_spring[m.jnt_qposadr[j]]]],
        "body_parent": m.body_parentid,
        "body_frame": [np.concatenate([m.body_pos[b], matrix(m.body_quat[b]).ravel()]) for b in range(m.nbody)],
        "body_mass": m.body_mass,
        "body_centre": m.body_ipos,
        "body_inertia": [inertia(m.body_iquat[b], m.body_inertia[b]) for b in range(m.nbody)],
        "body_subtree_mass": m.body_subtreemass,
        "body_inverse_weight": m.body_invweight0,
        "joint_kind": m.jnt_type,
        "joint_position": m.jnt_pos,
        "joint_axis": m.jnt_axis[moving],
        "joint_range": limited(m.jnt_limited, m.jnt_range),
        "joint_margin": m.jnt_margin,
        "joint_stiffness": m.jnt_stiffness,
        "joint_force_range": limited(m.jnt_actfrclimited, m.jnt_actfrcrange),
        "joint_solref": m.jnt_solref[m.jnt_limited > 0],
        "joint_solimp": m.jnt_solimp[m.jnt_limited > 0],
        "dof_parent": m.dof_parentid,
        "dof_armature": m.dof_armature,
        "dof_damping": m.dof_damping,
        "dof_friction_loss": m.dof_frictionloss,
        "dof_inverse_weight": m.dof_invweight0,
        "geom_size": [m.geom_size[g][: [0, 0, 1, 2, 3, 2, 3][m.geom_type[g]]] for g in range(m.ngeom)],
        "geom_frame": [np.concatenate([m.geom_pos[g], matrix(m.geom_quat[g]).ravel()]) for g in range(m.ngeom)],
        "site_frame": [np.concatenate([m.site_pos[s], matrix(m.site_quat[s]).ravel()]) for s in range(m.nsite)],
        "tendon_range": limited(m.tendon_limited, m.tendon_range),
        "tendon_spring_length": m.tendon_lengthspring,
        "tendon_inverse_weight": m.tendon_invweight0,
        "actuator_gear": m.actuator_gear[:, 0],
        "actuator_gain": m.actuator_gainprm[:, :3] * np.stack([one, m.actuator_gaintype, m.actuator_gaintype], 1),
        "actuator_bias": m.actuator_biasprm[:, :3] * m.actuator_biastype.reshape(-1, 1),
        "actuator_control_range": limited(m.actuator_ctrllimited, m.actuator_ctrlrange),
        "actuator_force_range": limited(m.actuator_forcelimited, m.actuator_forcerange),
        "key_qpos": m.key_qpos,
    }


def flat(value):
    """A (nested) list of numbers as one list."""
    parts = [np.asarray(part, dtype=float).ravel() for part in value]
    return [float(x) for x in np.concatenate(parts)] if parts else []


def row_order(d):
    """Constraint rows in the fixture's order: as they are, contacts by their geoms."""
    starts = [(int(c.geom[0]), int(c.geom[1]), int(c.efc_address), i) for i, c in enumerate(d.contact) if c.efc_address >= 0]
    first = min((s[2] for s in starts), default=d.nefc)
    order = list(range(first))
    for _, _, start, i in sorted(starts):
        order += [r for r in range(start, d.nefc) if d.efc_id[r] == i]
    return order


def stages(m, d, qpos, qvel, ctrl, warm):
    """All stages of one step from a state."""
    d.qpos[:], d.qvel[:], d.ctrl[:], d.qacc_warmstart[:] = qpos, qvel, ctrl, warm
    mujoco.mj_forward(m, d)
    mass = np.zeros((m.nv, m.nv))
    try:
        mujoco.mj_fullM(m, d, mass)
    except TypeError:
        mujoco.mj_fullM(m, mass, d.qM)
    order = row_order(d)
    jacobian = d.efc_J.reshape(-1, m.nv) if d.nefc else np.zeros((0, m.nv))
    if d.nefc and mujoco.mj_isSparse(m):
        jacobian = np.zeros((d.nefc, m.nv))
        mujoco.mju_sparse2dense(jacobian, d.efc_J, d.efc_J_rownnz, d.efc_J_rowadr, d.efc_J_colind)
    result = {
        "qpos": qpos,
        "qvel": qvel,
        "control": ctrl,
        "warm": warm,
        "mass": [mass[i, : i + 1] for i in range(m.nv)],
        "bias": d.qfrc_bias,
        "passive": d.qfrc_passive,
        "actuation": d.qfrc_actuator,
        "smooth": d.qacc_smooth,
        "jacobian": jacobian[order],
        "reference": d.efc_aref[order],
        "regulariser": d.efc_R[order],
        "acceleration": d.qacc,
        "sensors": d.sensordata,
    }
    result = {key: flat(value) for key, value in result.items()}
    mujoco.mj_step(m, d)
    result["next_qpos"], result["next_qvel"] = flat(d.qpos), flat(d.qvel)
    return result, d.nefc


def start(m, d, rng):
    """A random state: limited joints in their range, others and velocities a little off."""
    mujoco.mj_resetData(m, d)
    for j in range(m.njnt):
        a, kind = m.jnt_qposadr[j], m.jnt_type[j]
        if kind >= 2:
            lo, hi = m.jnt_range[j] if m.jnt_limited[j] else (-0.3, 0.3)
            d.qpos[a] = rng.uniform(lo, hi) if m.jnt_limited[j] else d.qpos[a] + rng.uniform(lo, hi)
        else:
            q = a + 3 if kind == 0 else a
            d.qpos[q : q + 4] += 0.2 * rng.standard_normal(4)
            d.qpos[q : q + 4] *= rng.choice([-1, 1])  # the same rotation
            if kind == 0:
                d.qpos[a : a + 3] += 0.02 * rng.standard_normal(3)
    d.qvel[:] = 0.5 * rng.standard_normal(m.nv)


def fixture(path, count):
    """Constants and the stages of states with many, few and no constraints."""
    m = mujoco.MjModel.from_xml_path(path)
    m.opt.iterations, m.opt.ls_iterations, m.opt.tolerance, m.opt.ls_tolerance = 200, 200, 0.0, 1e-10
    d = mujoco.MjData(m)
    rng = np.random.default_rng(7)
    low = np.where(m.actuator_ctrllimited, m.actuator_ctrlrange[:, 0], -1)
    high = np.where(m.actuator_ctrllimited, m.actuator_ctrlrange[:, 1], 1)
    seen = []
    for _ in range(6):
        start(m, d, rng)
        for t in range(80):
            if t % 5 == 0:
                d.ctrl[:] = rng.uniform(low, high) * 1.1
            if np.abs(d.qvel).max() > 100:  # a start that MuJoCo cannot hold
                break
            if t % 4 == 3:
                seen.append((d.qpos.copy(), d.qvel.copy(), d.ctrl.copy(), d.qacc_warmstart.copy()))
            mujoco.mj_step(m, d)
    rows = []
    for state in seen:
        d.qpos[:], d.qvel[:] = state[:2]
        mujoco.mj_forward(m, d)
        rows.append(d.nefc)
    order = np.argsort(rows, kind="stable")[::-1]
    chosen = [order[int(k * (len(order) - 1) / (count - 1) / 1.5)] for k in range(count)]
    states = [stages(m, d, *seen[i])[0] for i in chosen]
    return {"constants": {key: flat(value) for key, value in constants(m).items()}, "states": states}


def difference(got, want):
    """Largest difference of two lists over the larger of 1e-3 and the largest entry."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return np.inf
    return float(np.abs(got - want).max() / (1e-3 + np.abs(want).max())) if want.size else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    os.chdir(folder)  # MuJoCo writes its log into the working directory
    paths = {name: os.path.join(FIXTURES, "models", f"{name}.xml") for name in OWN}
    paths.update({name: suite_path(name, folder) for name in SUITE})
    worst = 0.0
    for name, path in paths.items():
        new, file = fixture(path, MANY_STATES.get(name, STATES)), os.path.join(FIXTURES, f"{name}.json")
        if not options.check:
            with open(file, "w") as out:
                json.dump(new, out, separators=(",", ":"))
                out.write("\n")
            print(name, os.path.getsize(file), "bytes; rows", [len(s["reference"]) for s in new["states"]])
            continue
        old = json.load(open(file))
        pairs = [(new["constants"], old["constants"])] + list(zip(new["states"], old["states"]))
        error = max(difference(a[key], b[key]) for a, b in pairs for key in b)
        worst = max(worst, error)
        print(f"{name:12s} {error:.1e}")
    if worst > TOLERANCE:
        sys.exit(f"differs by {worst:.1e}, more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
