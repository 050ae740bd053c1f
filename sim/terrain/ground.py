"""Holds the ground under N robots: where each stands, its height, and its level of difficulty."""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from edge_runtime.signals import Array, Bool, Float, Rows
from sim.terrain.curriculum import Curriculum
from sim.terrain.terrain import TerrainConfig, find_terrain

FLOOR = "floor"  # the plane's geom
_SPREAD = 3.0  # m, to either side of a patch's centre, within which robots start
_FOOTPRINT = 0.3  # m, to either side of a robot that stands, what it may touch
_POINTS = 7  # of the footprint, along each axis


def ground_geoms(config: TerrainConfig) -> tuple[str, ...]:
    """Names all geoms on which robots stand."""
    return (FLOOR,) if config.is_flat else (FLOOR, *find_terrain(config).names())


def on_terrain(scene: mujoco.MjSpec, config: TerrainConfig) -> mujoco.MjModel:
    """Compiles a scene with its floor, and the terrain on it."""
    if not config.is_flat:
        find_terrain(config).add_to(scene, FLOOR)
    return scene.compile()


class Ground:
    """Lays the ground of N robots; flat ground by default, which changes and draws nothing.

    Args:
        config: the kinds and levels of ground.
        rows: N.
        rng: draws levels and starting places.
    """

    def __init__(self, config: TerrainConfig, rows: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._terrain = None if config.is_flat else find_terrain(config)
        kinds = max(len(config.kinds), 1)
        self.curriculum = Curriculum(rows, kinds, config.levels, config.curriculum, rng)

    def place(self, rows: Rows, fallen: Bool, qpos: Float) -> None:
        """Moves robots that start to their patches, on top of the ground there.

        Args:
            rows: which simulations, (n,).
            fallen: whose last episode ended by a fall, (n,).
            qpos: state in which they would stand on a plane, (n, nq); written.
        """
        if self._terrain is None:
            return
        self.curriculum.advance(rows, fallen)
        kind, level = self.curriculum.kind[rows], self.curriculum.level[rows]
        spread = self._rng.uniform(-_SPREAD, _SPREAD, (len(rows), 2))
        qpos[:, :2] += self._terrain.origin(kind, level) + spread
        reach = np.linspace(-_FOOTPRINT, _FOOTPRINT, _POINTS)
        footprint = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
        qpos[:, 2] += self._terrain.height(qpos[:, None, :2] + footprint).max(axis=1)

    def above(self, points: Float) -> Float:
        """Returns the height of points (..., 3) above the ground below them, (...) m."""
        height: Float = points[..., 2]
        if self._terrain is not None:
            height = height - self._terrain.height(points[..., :2])
        return height

    def walk(self, asked: Array, velocity: Float, period: float) -> None:
        """Adds a control step to the curriculum: commanded and actual velocity (N, 2) in the same
        frame, m/s."""
        if self._terrain is not None:
            self.curriculum.add(asked, velocity, period)

    def metrics(self) -> dict[str, Float]:
        """Returns the level on which each robot walks, (N,); nothing on flat ground."""
        if self._terrain is None:
            return {}
        return {"terrain_level": self.curriculum.level.astype(np.float64)}

    def decorate(self, spec: mujoco.MjSpec) -> None:
        """Adds the terrain to a scene that is drawn."""
        if self._terrain is not None:
            self._terrain.add_to(spec, FLOOR)

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        return self.curriculum.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self.curriculum.restore(state)
