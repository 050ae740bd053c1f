"""Converts joint equalities: their linear part is what URDF calls mimic."""

from dataclasses import dataclass

import mujoco
import numpy as np

from sim.urdf.model_robot import ModelRobot

# Points of the leader's range at which the deviation from the linear part is computed
_POINTS = 101
_FREE_RANGE = 1.0  # rad or m, half the range of a joint without limits


@dataclass(frozen=True)
class Mimic:
    """Couples joints as follower = offset + multiplier * leader, in rad or m."""

    leader: int  # number of the joint that is followed
    multiplier: float
    offset: float
    deviation: float  # largest deviation of the model's polynomial over the leader's range


def mimics(model: mujoco.MjModel, robot: ModelRobot) -> dict[int, Mimic]:
    """Returns what each following joint of a robot follows, by the follower.

    The linear part is the tangent at the leader's reference, so that a wheel that points straight
    ahead in the model does so in the file.
    """
    found = {}
    for equality in range(model.neq):
        follower, leader = (int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality]))
        is_joint = model.eq_type[equality] == mujoco.mjtEq.mjEQ_JOINT
        if is_joint and model.eq_active0[equality] and {follower, leader} <= {*robot.joints}:
            found[follower] = _tangent(model, follower, leader, model.eq_data[equality, :5])
    return found


def _tangent(model: mujoco.MjModel, follower: int, leader: int, polynomial: np.ndarray) -> Mimic:
    y0, x0 = (float(model.qpos0[model.jnt_qposadr[joint]]) for joint in (follower, leader))
    constant, slope = float(polynomial[0]), float(polynomial[1])
    low, high = -_FREE_RANGE, _FREE_RANGE
    if model.jnt_limited[leader]:
        low, high = (float(limit) for limit in model.jnt_range[leader])
    x = np.linspace(low, high, _POINTS) - x0
    off = np.abs(np.polynomial.polynomial.polyval(x, polynomial) - (constant + slope * x)).max()
    return Mimic(leader, slope, y0 + constant - slope * x0, float(off))
