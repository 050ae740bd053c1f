"""Derives a joint's limits: its range, and the effort and speed of its actuators."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from edge_runtime.policy.contract import Actuator

UNKNOWN_VELOCITY = 100.0  # rad/s or m/s, used if unknown: URDF requires a number
_UNBOUNDED = 1e9  # a larger range counts as unlimited


@dataclass(frozen=True)
class Limits:
    """Holds the limits of one joint, in rad or m, Nm or N, rad/s or m/s."""

    lower: float | None  # None if it turns without end
    upper: float | None
    effort: float  # 0 if nothing drives it
    velocity: float
    knows_effort: bool
    knows_velocity: bool


def joint_limits(model: mujoco.MjModel, joint: int, actuators: Mapping[str, Actuator]) -> Limits:
    """Returns the limits of a hinge or slide.

    Args:
        model: the model that has the joint.
        joint: number of the joint.
        actuators: properties of the robot's actuators beside the model, by name; MJCF has no top
            speed of a motor.
    """
    lower = upper = None
    if model.jnt_limited[joint]:
        lower, upper = (float(v) for v in model.jnt_range[joint])
    elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE:
        lower, upper = -_UNBOUNDED, _UNBOUNDED  # URDF has no unlimited slide
    drives = joint_actuators(model, joint)
    effort = sum(abs(share) * _force(model, actuator) for actuator, share in drives)
    if drives and model.jnt_actfrclimited[joint]:
        effort = min(effort, float(np.abs(model.jnt_actfrcrange[joint]).max()))
    velocity = min((_speed(model, a, actuators) for a, _share in drives), default=math.inf)
    return Limits(
        lower=lower,
        upper=upper,
        effort=effort if math.isfinite(effort) else 0.0,
        velocity=velocity if math.isfinite(velocity) else UNKNOWN_VELOCITY,
        knows_effort=math.isfinite(effort),
        knows_velocity=math.isfinite(velocity) or not drives,
    )


def joint_actuators(model: mujoco.MjModel, joint: int) -> list[tuple[int, float]]:
    """Returns the actuators of a joint, each with the joint's Nm (or N) per N of actuator force."""
    kinds, found = mujoco.mjtTrn, []
    for actuator in range(model.nu):
        kind, target = int(model.actuator_trntype[actuator]), int(model.actuator_trnid[actuator, 0])
        gear = float(model.actuator_gear[actuator, 0])
        if kind in (kinds.mjTRN_JOINT, kinds.mjTRN_JOINTINPARENT) and target == joint:
            found.append((actuator, gear))
        elif kind == kinds.mjTRN_TENDON:
            found += [(actuator, gear * c) for c in _coefficients(model, target, joint)]
    return [(actuator, share) for actuator, share in found if share]


def _coefficients(model: mujoco.MjModel, tendon: int, joint: int) -> list[float]:
    """Returns the change of a fixed tendon's length per rad (or m) of a joint."""
    first = int(model.tendon_adr[tendon])
    return [
        float(model.wrap_prm[wrap])
        for wrap in range(first, first + int(model.tendon_num[tendon]))
        if model.wrap_type[wrap] == mujoco.mjtWrap.mjWRAP_JOINT and model.wrap_objid[wrap] == joint
    ]


def _force(model: mujoco.MjModel, actuator: int) -> float:
    """Returns an actuator's largest force before its gear; infinite if not specified."""
    if model.actuator_forcelimited[actuator]:
        return float(np.abs(model.actuator_forcerange[actuator]).max())
    is_motor = (
        model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
        and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE
        and model.actuator_dyntype[actuator] == mujoco.mjtDyn.mjDYN_NONE
    )
    if is_motor and model.actuator_ctrllimited[actuator]:
        largest = float(np.abs(model.actuator_ctrlrange[actuator]).max())
        return largest * abs(float(model.actuator_gainprm[actuator, 0]))
    return math.inf


def _speed(model: mujoco.MjModel, actuator: int, actuators: Mapping[str, Actuator]) -> float:
    """Returns the top speed of what an actuator drives; infinite if not specified."""
    described = actuators.get(model.actuator(actuator).name)
    return described.max_velocity if described is not None else math.inf
