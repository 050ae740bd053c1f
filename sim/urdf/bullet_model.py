"""Loads a URDF file in PyBullet."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import Float
from sim.urdf.bodies import BodyFrames, Masses


@dataclass(frozen=True)
class JointData:
    """Holds PyBullet's data of a movable joint; the range, rad or m, is None if it turns freely."""

    number: int
    range: tuple[float, float] | None
    damping: float
    friction: float


class BulletModel:
    """Loads a robot in a PyBullet client of its own.

    Args:
        bullet: the module.
        client: id of a connected client.
        body: the robot's id in that client.
    """

    def __init__(self, bullet: Any, client: int, body: int) -> None:
        self._bullet, self._client, self._body = bullet, client, body
        self._links = range(bullet.getNumJoints(body, physicsClientId=client))
        infos = [bullet.getJointInfo(body, link, physicsClientId=client) for link in self._links]
        base = bullet.getBodyInfo(body, physicsClientId=client)[0].decode()
        self.names = (base, *(info[12].decode() for info in infos))
        self.joints = {
            info[1].decode(): JointData(
                number=info[0],
                range=(info[8], info[9]) if info[8] <= info[9] else None,
                damping=info[6],
                friction=info[7],
            )
            for info in infos
            if info[2] != bullet.JOINT_FIXED
        }

    def move(self, joints: Sequence[str], positions: Float) -> tuple[BodyFrames, Masses]:
        """Returns all links in each of P poses, in the base link's frame.

        Args:
            joints: names, J of them.
            positions: rad or m, (P, J).
        """
        bullet, at = self._bullet, {"physicsClientId": self._client}
        numbers = [self.joints[joint].number for joint in joints]
        dynamics = [bullet.getDynamicsInfo(self._body, link, **at) for link in (-1, *self._links)]
        inertial = _frames(self.names, np.array([[(*d[3], *d[4]) for d in dynamics]]))
        rows = []
        for pose in positions:
            for number, position in zip(numbers, pose.tolist()):
                bullet.resetJointState(self._body, number, position, **at)
            base = bullet.getBasePositionAndOrientation(self._body, **at)
            states = bullet.getLinkStates(
                self._body, list(self._links), computeForwardKinematics=True, **at
            )
            rows.append([(*state[0], *state[1]) for state in (base, *states)])
        axes = _frames(self.names, np.array(rows))
        # PyBullet gives principal axes in full precision, but a link's own frame only in float32.
        rotation = np.einsum(
            "plij,plkj->plik",
            axes.rotation,
            np.broadcast_to(inertial.rotation, axes.rotation.shape),
        )
        position = axes.position - np.einsum("plij,plj->pli", rotation, inertial.position)
        frames = BodyFrames(self.names, position, rotation)
        origin = frames.position[:, 0], frames.rotation[:, 0]
        mass, moments = np.array([d[0] for d in dynamics]), np.array([d[2] for d in dynamics])
        return frames.seen_from(*origin), Masses(axes.seen_from(*origin), mass, moments)

    def rays(self, starts: Float, ends: Float) -> Float:
        """Returns the distance at which each ray (R, 3) to (R, 3) meets a collision shape; NaN for
        none, m."""
        self._bullet.performCollisionDetection(physicsClientId=self._client)  # updates positions
        hits = self._bullet.rayTestBatch(starts, ends, physicsClientId=self._client)
        shares = np.array([hit[2] if hit[0] == self._body else np.nan for hit in hits])
        lengths: Float = shares * np.linalg.norm(ends - starts, axis=1)
        return lengths


def _frames(names: tuple[str, ...], values: Float) -> BodyFrames:
    """Builds frames from positions and quaternions xyzw, (P, L, 7)."""
    rotation = rotation_matrix(values[..., [6, 3, 4, 5]].reshape(-1, 4))
    return BodyFrames(names, values[..., :3], rotation.reshape(*values.shape[:2], 3, 3))


@contextlib.contextmanager
def open_bullet(urdf: Path) -> Iterator[BulletModel]:
    """Loads a file with the inertias that it specifies.

    Raises:
        UserError: PyBullet is not installed, or cannot load the file.
    """
    if not urdf.is_file():
        raise UserError(f"{urdf}: no such file")
    try:
        with _silence():
            import pybullet as bullet  # noqa: PLC0415  it is large, and optional
    except ModuleNotFoundError:
        raise UserError(
            f"comparing needs pybullet, which is not installed; {install_line('bullet')}"
        ) from None
    client = bullet.connect(bullet.DIRECT)
    try:
        with _silence():
            # Otherwise inertias are computed from the shapes
            flags = bullet.URDF_USE_INERTIA_FROM_FILE
            body = bullet.loadURDF(str(urdf), flags=flags, physicsClientId=client)
        yield BulletModel(bullet, client, body)
    except bullet.error as error:
        raise UserError(f"PyBullet cannot load {urdf}: {error}") from None
    finally:
        bullet.disconnect(client)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppresses what a C library prints on stdout and stderr."""
    streams = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with open(os.devnull, "wb") as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        for number, own in zip((1, 2), kept):
            os.dup2(own, number)
            os.close(own)
