"""Lists what URDF, and so the other engine, cannot express, and the nearest that it can."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import mujoco

from sim.urdf.limits import UNKNOWN_VELOCITY, joint_actuators
from sim.urdf.mimic import Mimic, mimics
from sim.urdf.model_robot import ModelRobot
from sim.urdf.names import Names
from sim.urdf.shapes import collides
from sim.urdf.tree import Tree

Severity = Literal["error", "warning", "note"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")
_EXACT = 1e-9  # rad or m: a mimic joint that deviates less is exact
_MANY = 6  # names that are listed before the rest is counted


@dataclass(frozen=True)
class Unsupported:
    """Describes an element that differs: an error stops, a warning moves differently, a note hardly
    differs."""

    severity: Severity
    what: str  # the elements, by kind and name
    nearest: str  # what is written instead, or how an engine can make up for it

    def __str__(self) -> str:
        return f"{self.severity}: {self.what}: {self.nearest}"


def find_unsupported(
    model: mujoco.MjModel, robot: ModelRobot, names: Names, tree: Tree
) -> tuple[Unsupported, ...]:
    """Lists what URDF cannot express of a robot, the most severe first."""
    found = [
        *_joints(model, robot),
        *_constraints(model, robot, names),
        *_drives(model, robot),
        *_unknown_limits(tree),
        *_bodies(model, robot),
        *_contacts(model, robot),
        *_changed_names(names),
    ]
    return tuple(sorted(found, key=lambda gap: ORDER.index(gap.severity)))


def ball_joints(model: mujoco.MjModel, robot: ModelRobot) -> list[int]:
    """Returns the joints that no URDF joint can represent."""
    return [j for j in robot.joints if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_BALL]


def unsupported_ball(model: mujoco.MjModel, joints: list[int]) -> Unsupported:
    """Describes ball joints, which stop the conversion."""
    nearest = "URDF has none; the nearest are three hinges about x, y and z in the same body"
    return next(_elements("error", "ball joint", joints, model.joint, nearest))


def _joints(model: mujoco.MjModel, robot: ModelRobot) -> Iterator[Unsupported]:
    dof = {j: int(model.jnt_dofadr[j]) for j in robot.joints}
    kinds = (
        (
            "spring of joint",
            [j for j in dof if model.jnt_stiffness[j] or model.jnt_stiffnesspoly[j].any()],
            "left out; an engine must add -stiffness (q - springref) to the joint's torque",
        ),
        (
            "armature of joint",
            [j for j in dof if model.dof_armature[dof[j]] > 0],
            "left out; an engine must add the rotor's inertia to that about the joint's axis",
        ),
        (
            "polynomial damping of joint",
            [j for j in dof if model.dof_dampingpoly[dof[j]].any()],
            "only its linear part is written",
        ),
    )
    for kind, joints, nearest in kinds:
        yield from _elements("warning", kind, joints, model.joint, nearest)


def _constraints(model: mujoco.MjModel, robot: ModelRobot, names: Names) -> Iterator[Unsupported]:
    following = mimics(model, robot)
    for follower, mimic in following.items():
        if mimic.deviation > _EXACT:
            pair = f"joint '{names.joint[follower]}' follows '{names.joint[mimic.leader]}'"
            yield Unsupported(
                "warning",
                f"{pair} nonlinearly",
                f"its tangent is written as mimic, {mimic.deviation:.2g} rad or m off at most; an "
                "engine must hold the joint to the curve",
            )
    equalities = [e for e in range(model.neq) if model.eq_active0[e]]
    others = [e for e in equalities if not _is_mimic(model, e, following)]
    nearest = "left out, as URDF is a tree; an engine must add a constraint of its own"
    yield from _elements("warning", "equality constraint", others, model.equality, nearest)
    pulled = [t for t in range(model.ntendon) if _is_active(model, t)]
    nearest = "left out; the nearest is damping and a range on each of its joints"
    yield from _elements(
        "warning", "spring, damper or limit of tendon", pulled, model.tendon, nearest
    )


def _is_mimic(model: mujoco.MjModel, equality: int, following: Mapping[int, Mimic]) -> bool:
    is_joint = model.eq_type[equality] == mujoco.mjtEq.mjEQ_JOINT
    return bool(is_joint and int(model.eq_obj1id[equality]) in following)


def _is_active(model: mujoco.MjModel, tendon: int) -> bool:
    """Returns whether a tendon has an effect without an actuator."""
    forces = (model.tendon_stiffness, model.tendon_damping, model.tendon_frictionloss)
    return bool(model.tendon_limited[tendon] or any(f[tendon].any() for f in forces))


def _drives(model: mujoco.MjModel, robot: ModelRobot) -> Iterator[Unsupported]:
    if not model.nu:
        yield Unsupported("warning", "there are no actuators", "every joint's effort limit is 0")
    kinds = mujoco.mjtTrn
    every, on_joint = range(model.nu), (kinds.mjTRN_JOINT, kinds.mjTRN_JOINTINPARENT)
    driven = {a for joint in robot.joints for a, _ in joint_actuators(model, joint)}
    muscles = [a for a in every if model.actuator_gaintype[a] == mujoco.mjtGain.mjGAIN_MUSCLE]
    idle = [a for a in every if a not in driven and a not in muscles]
    nearest = "left out; the nearest is a motor of its peak force on each joint it spans"
    yield from _elements("warning", "muscle", muscles, model.actuator, nearest)
    odd = [a for a in idle if int(model.actuator_trntype[a]) not in on_joint]
    nearest = "it moves no joint directly and is left out; the nearest is a motor on a joint"
    yield from _elements("warning", "actuator", odd, model.actuator, nearest)
    shared = [a for a in driven if model.actuator_trntype[a] == kinds.mjTRN_TENDON]
    nearest = "it drives several joints by a tendon; each joint has its share of the force as limit"
    yield from _elements("warning", "actuator", shared, model.actuator, nearest)


def _unknown_limits(tree: Tree) -> Iterator[Unsupported]:
    moving = [(j.name, j.limits) for j in tree.joints if j.limits is not None]
    weak = [name for name, limits in moving if not limits.knows_effort]
    if weak:
        yield Unsupported(
            "warning",
            f"largest effort of joint {_listed(weak)}",
            "unknown and written as 0; give its actuator a forcerange",
        )
    slow = [name for name, limits in moving if not limits.knows_velocity]
    if slow:
        yield Unsupported(
            "note",
            f"largest speed of joint {_listed(slow)}",
            f"unknown, as MJCF has none; {UNKNOWN_VELOCITY:g} rad/s or m/s is written",
        )


def _bodies(model: mujoco.MjModel, robot: ModelRobot) -> Iterator[Unsupported]:
    lifted = [b for b in robot.bodies if model.body_gravcomp[b]]
    nearest = "left out; an engine must apply the body's weight as a force upwards"
    yield from _elements("warning", "gravity compensation of body", lifted, model.body, nearest)
    kinds = mujoco.mjtGeom
    endless = (kinds.mjGEOM_PLANE, kinds.mjGEOM_HFIELD)
    flat = [g for g in robot.geoms if int(model.geom_type[g]) in endless]
    nearest = "left out; the nearest is a thin box"
    yield from _elements("warning", "plane or height field", flat, model.geom, nearest)
    round_ = [
        g
        for g in robot.geoms
        if model.geom_type[g] == kinds.mjGEOM_ELLIPSOID and collides(model, g)
    ]
    nearest = "a mesh of 512 triangles is written"
    yield from _elements("note", "ellipsoid", round_, model.geom, nearest)
    if model.nflex or model.nskin:
        yield Unsupported(
            "warning", f"{model.nflex} flexible bodies, {model.nskin} skins", "left out"
        )


def _contacts(model: mujoco.MjModel, robot: ModelRobot) -> Iterator[Unsupported]:
    if any(collides(model, geom) for geom in robot.geoms):
        yield Unsupported(
            "note",
            "friction and softness of surfaces, and which shapes may touch which",
            "URDF has neither; an engine must set them",
        )


def _changed_names(names: Names) -> Iterator[Unsupported]:
    for kind in dict.fromkeys(change.kind for change in names.changes):
        changed = [f"'{c.own}' is '{c.given}'" for c in names.changes if c.kind == kind]
        severity: Severity = "note" if kind == "site" else "warning"
        yield Unsupported(severity, f"name of {kind}", _listed(changed))


def _elements(
    severity: Severity,
    kind: str,
    numbers: Sequence[int],
    element: Callable[[int], Any],
    nearest: str,
) -> Iterator[Unsupported]:
    """Yields one entry that names these elements of the model, if there are any."""
    if numbers:
        names = [repr(element(n).name) if element(n).name else str(n) for n in numbers]
        yield Unsupported(severity, f"{kind} {_listed(names)}", nearest)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MANY])
    return shown if len(names) <= _MANY else f"{shown} and {len(names) - _MANY} more"
