"""Finds the legs of any MJCF as the estimator needs them: chains from the IMU to the feet."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.config import LegChain, LegJoint, Vector


def leg_chains(
    model: mujoco.MjModel,
    imu_site: str,
    feet: Sequence[str],
    points: Sequence[Vector] = ((0.0, 0.0, 0.0),),
) -> tuple[LegChain, ...]:
    """Returns chains from the IMU to points of each foot.

    Args:
        model: the robot.
        imu_site: the IMU's site.
        feet: a site on each foot.
        points: m, in the frame of a foot's site.

    Raises:
        UserError: a joint between IMU and foot is no hinge, or the two are not connected.
    """
    return tuple(_chain(model, imu_site, foot, points) for foot in feet)


@cache
def find_chains(
    path: Path, feet: tuple[str, ...], points: tuple[Vector, ...]
) -> tuple[LegChain, ...]:
    """Returns the chains of the robot in an MJCF file whose IMU is at the site `imu`."""
    return leg_chains(mujoco.MjModel.from_xml_path(str(path)), "imu", feet, points)


@cache
def robot_mass(path: Path) -> float:
    """Returns the mass of the robot in an MJCF file whose IMU is at the site `imu`, kg."""
    model = mujoco.MjModel.from_xml_path(str(path))
    return float(model.body_subtreemass[model.body_rootid[model.site("imu").bodyid[0]]])


def _chain(model: mujoco.MjModel, imu_site: str, foot: str, points: Sequence[Vector]) -> LegChain:
    imu, sole = model.site(imu_site).id, model.site(foot).id
    path = _joints_between(model, int(model.site_bodyid[imu]), int(model.site_bodyid[sole]))
    data = mujoco.MjData(model)
    for joint, _sign in path:
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_HINGE:
            name = model.joint(joint).name
            raise UserError(f"joint '{name}' between '{imu_site}' and '{foot}' is not a hinge")
        data.qpos[model.jnt_qposadr[joint]] = 0.0
    mujoco.mj_kinematics(model, data)
    to_imu = data.site_xmat[imu].reshape(3, 3).T
    at = data.site_xpos[imu]
    joints = []
    for joint, sign in path:
        anchor = data.xanchor[joint]
        joints.append(
            LegJoint(
                name=model.joint(joint).name,
                offset=_vector(to_imu @ (anchor - at)),
                axis=_vector(sign * (to_imu @ data.xaxis[joint])),
            )
        )
        at = anchor
    frame, origin = data.site_xmat[sole].reshape(3, 3), data.site_xpos[sole]
    ends = tuple(_vector(to_imu @ (origin + frame @ np.asarray(p) - at)) for p in points)
    return LegChain(name=foot, joints=tuple(joints), points=ends)


def _joints_between(model: mujoco.MjModel, start: int, end: int) -> list[tuple[int, float]]:
    """Returns the joints from one body to another, with the sign by which an angle turns what
    follows.

    On the way up, towards the root, a joint turns the parent about the child: backwards.
    """
    up, down = _ancestry(model, start), _ancestry(model, end)
    common = next(body for body in up if body in down)
    if common == 0 and 0 not in (start, end):
        raise UserError("the IMU and the feet are not parts of one robot")
    path = []
    for body in up[: up.index(common)]:
        path += [(joint, -1.0) for joint in reversed(_joints(model, body))]
    for body in reversed(down[: down.index(common)]):
        path += [(joint, 1.0) for joint in _joints(model, body)]
    return path


def _ancestry(model: mujoco.MjModel, body: int) -> list[int]:
    """Returns a body and all above it, the world last."""
    line = [body]
    while line[-1] != 0:
        line.append(int(model.body_parentid[line[-1]]))
    return line


def _joints(model: mujoco.MjModel, body: int) -> list[int]:
    first = int(model.body_jntadr[body])
    return list(range(first, first + int(model.body_jntnum[body])))


def _vector(v: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in v)
    return (x, y, z)
