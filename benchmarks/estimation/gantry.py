"""Holds robots upright where they stand, as a gantry does while they are switched on."""

import numpy as np

from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import Float
from sim.engines.engine import Engine

# Soft for a robot of 40 kg whose forces are updated every 20 ms.
_PLACE, _SPEED = 2000.0, 500.0  # N/m and N s/m, horizontally: the feet carry the weight
_TILT, _TILT_RATE = 600.0, 30.0  # Nm and Nms per rad, about horizontal axes
_YAW, _YAW_RATE = 200.0, 10.0  # the same about the vertical


class Gantry:
    """Holds the body on the free joint of N robots by springs and dampers to the world.

    Args:
        engine: whose external forces are written.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        root = int(np.argmax(engine.model.body_dofnum == 6))
        self._force = engine.external_force[:, root]
        self._place = engine.qpos[:, :2].copy()
        self._heading = _forward(rotation_matrix(engine.qpos[:, 3:7]))

    def hold(self) -> None:
        """Pulls the robots for the next control period towards where they were."""
        position, velocity = self._engine.qpos, self._engine.qvel
        rotation = rotation_matrix(position[:, 3:7])
        rate = np.einsum("nij,nj->ni", rotation, velocity[:, 3:6])
        pull = _PLACE * (self._place - position[:, :2]) - _SPEED * velocity[:, :2]
        lean = np.cross(rotation[:, :, 2], [0.0, 0.0, 1.0])[:, :2]
        off = np.cross(_forward(rotation), self._heading)[:, 2]
        self._engine.external_force[:] = 0.0  # nothing else pushes them meanwhile
        self._force[:, :2] = pull
        self._force[:, 3:5] = _TILT * lean - _TILT_RATE * rate[:, :2]
        self._force[:, 5] = _YAW * off - _YAW_RATE * rate[:, 2]

    def release(self) -> None:
        """Releases the robots."""
        self._force[:] = 0.0


def _forward(rotation: Float) -> Float:
    """Returns unit vectors along the bodies' x axes on the ground, (N, 3)."""
    forward = rotation[:, :, 0] * [1.0, 1.0, 0.0]
    unit: Float = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    return unit
