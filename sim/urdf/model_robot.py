"""Finds the robot in a model: a tree of bodies from one root."""

from dataclasses import dataclass

import mujoco

from edge_runtime.errors import UserError
from sim.urdf.limits import joint_actuators

WORLD = 0


@dataclass(frozen=True)
class ModelRobot:
    """Describes a tree of bodies; its parts are numbers in the model, parents first."""

    root: int
    bodies: tuple[int, ...]
    joints: tuple[int, ...]  # without the free joint that lets the root float
    sites: tuple[int, ...]
    geoms: tuple[int, ...]
    floats: bool  # whether the root has a free joint


def find_model_robot(model: mujoco.MjModel, root: str = "") -> ModelRobot:
    """Finds the robot in a scene.

    Args:
        model: may hold other things; what does not move is scenery.
        root: the robot's first body, or "world" if several stand fixed in the world; by default the
            tree that actuators move, or the only one that moves.

    Raises:
        UserError: there is no such body, or it is ambiguous which tree is the robot.
    """
    if root:
        return _tree(model, _named(model, root))
    trees = [body for body in range(1, model.nbody) if model.body_parentid[body] == WORLD]
    robots = [_tree(model, body) for body in trees]
    moving = [r for r in robots if r.floats or r.joints]
    driven = [r for r in moving if any(joint_actuators(model, j) for j in r.joints)]
    for candidates in (driven, moving, robots):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            names = _list([_label(model, r.root) for r in candidates])
            raise UserError(
                f"which body is the robot's root? there are {names}; name one by --root"
            )
    raise UserError("the model has no body, so there is no robot to write")


def _named(model: mujoco.MjModel, name: str) -> int:
    roots = [b for b in range(model.nbody) if b == WORLD or model.body_parentid[b] == WORLD]
    names = [model.body(body).name for body in roots]
    if name not in names:
        raise UserError(
            f"--root {name}: no such body stands in the world; there are {_list(names)}"
        )
    return roots[names.index(name)]


def _tree(model: mujoco.MjModel, root: int) -> ModelRobot:
    inside = {root}
    for body in range(root + 1, model.nbody):  # a child's number is above its parent's
        if int(model.body_parentid[body]) in inside:
            inside.add(body)
    joints = [j for j in range(model.njnt) if int(model.jnt_bodyid[j]) in inside]
    floating = [j for j in joints if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE]
    if root == WORLD and floating:
        free = _label(model, int(model.jnt_bodyid[floating[0]]))
        raise UserError(f"{free} floats freely, so the world can't be the root; take --root {free}")
    if not floating and model.body_jntnum[root]:
        root = WORLD  # its joints move relative to something fixed
        inside.add(root)
    return ModelRobot(
        root=root,
        bodies=tuple(sorted(inside)),
        joints=tuple(j for j in joints if j not in floating),
        sites=tuple(s for s in range(model.nsite) if int(model.site_bodyid[s]) in inside - {WORLD}),
        geoms=tuple(g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in inside - {WORLD}),
        floats=bool(floating),
    )


def _label(model: mujoco.MjModel, body: int) -> str:
    return model.body(body).name or f"body {body}"


def _list(names: list[str]) -> str:
    return ", ".join(filter(None, names))
