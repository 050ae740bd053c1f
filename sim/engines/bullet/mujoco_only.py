"""Refuses elements of a model that only MuJoCo can simulate, instead of leaving them out."""

from collections.abc import Callable, Iterator
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import Bool
from sim.urdf.model_robot import WORLD, ModelRobot

_SLIDING = 3  # condim of a contact whose friction resists sliding, but neither twisting nor rolling
_FLAGS = (  # what Bullet always simulates
    "actuation",
    "clampctrl",
    "constraint",
    "contact",
    "damper",
    "equality",
    "filterparent",
    "frictionloss",
    "gravity",
    "limit",
    "spring",
)

_Check = tuple[str, Bool, Callable[[int], Any], str]
"""Kind of element, which of them (n,), access by number, and the nearest that both engines have."""


def refuse_unsupported(model: mujoco.MjModel, robot: ModelRobot) -> None:
    """Accepts a model of which Bullet leaves nothing out.

    Args:
        model: robot and ground.
        robot: the robot within it.

    Raises:
        UserError: an element would be left out; the message names the nearest supported one.
    """
    for what, found, named, nearest in (
        *_joints(model),
        *_transmissions(model),
        *_shapes(model, robot),
    ):
        if found.any():
            number = int(np.flatnonzero(found)[0])
            name = named(number).name or number
            raise UserError(f"{what} '{name}': only MuJoCo has that; both engines have {nearest}")
    _refuse_options(model)


def _joints(model: mujoco.MjModel) -> Iterator[_Check]:
    free, joint = model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE), model.joint
    held = _nonzero(model.dof_damping) | _nonzero(model.dof_frictionloss)
    held = _joints_of(model, held | _nonzero(model.dof_armature)) | _nonzero(model.jnt_stiffness)
    sprung, damped = _nonzero(model.jnt_stiffnesspoly), _nonzero(model.dof_dampingpoly)
    limited = _nonzero(model.jnt_actfrclimited)
    yield (
        "spring, damper, friction or armature of free joint",
        free & held,
        joint,
        ("them on hinges and slides"),
    )
    yield "polynomial stiffness of joint", sprung, joint, "springs of one stiffness"
    yield "polynomial damping of joint", _joints_of(model, damped), joint, "dampers of one damping"
    yield "actuatorfrcrange of joint", limited, joint, "a forcerange of each actuator"


def _transmissions(model: mujoco.MjModel) -> Iterator[_Check]:
    tendons = ("stiffness", "stiffnesspoly", "damping", "dampingpoly", "frictionloss", "armature")
    acts = _nonzero(model.tendon_limited)
    for field in tendons:
        acts |= _nonzero(getattr(model, f"tendon_{field}"))
    own = _nonzero(model.actuator_damping) | _nonzero(model.actuator_dampingpoly)
    own |= _nonzero(model.actuator_armature)
    limited, late = _nonzero(model.tendon_actfrclimited), _nonzero(model.actuator_delay)
    yield (
        "spring, damper, friction, armature or limit of tendon",
        acts,
        model.tendon,
        ("those of its joints"),
    )
    yield "actuatorfrcrange of tendon", limited, model.tendon, "a forcerange of each actuator"
    yield "damping or armature of actuator", own, model.actuator, "those of its joint"
    yield "delay of actuator", late, model.actuator, "the action delay of a task's robot"


def _shapes(model: mujoco.MjModel, robot: ModelRobot) -> Iterator[_Check]:
    touches = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    elsewhere = touches & ~np.isin(model.geom_bodyid, (WORLD, *robot.bodies))
    yield (
        "gravity compensation of body",
        _nonzero(model.body_gravcomp),
        model.body,
        ("a force from outside, upwards"),
    )
    yield (
        "shape of a body that is not the robot's, geom",
        elsewhere,
        model.geom,
        ("a ground of geoms in <worldbody> itself"),
    )
    yield (
        "condim of geom",
        touches & (model.geom_condim != _SLIDING),
        model.geom,
        (f"contacts of condim {_SLIDING}"),
    )


def _refuse_options(model: mujoco.MjModel) -> None:
    if model.opt.density or model.opt.viscosity:
        raise UserError(
            "density or viscosity of <option>: only MuJoCo has a fluid; both engines have forces "
            "from outside and damping of joints"
        )
    if model.nflex:
        raise UserError("flex: only MuJoCo has that; both engines have rigid bodies and joints")
    for flag in _FLAGS:
        if model.opt.disableflags & int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag.upper()}")):
            raise UserError(
                f'flag {flag}="disable": only MuJoCo has that; leave it out, and what it disables'
            )


def _nonzero(values: npt.NDArray[Any]) -> Bool:
    """Returns which of n elements have any value but 0, (n,)."""
    found: Bool = (values != 0).any(axis=tuple(range(1, values.ndim)))
    return found


def _joints_of(model: mujoco.MjModel, dofs: Bool) -> Bool:
    """Returns which joints have one of these degrees of freedom, (njnt,)."""
    found = np.zeros(model.njnt, bool)
    found[model.dof_jntid[dofs]] = True
    return found
