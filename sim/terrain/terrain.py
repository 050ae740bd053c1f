"""Lays patches on a map: the kinds side by side along y, harder and harder along x.

The simulations of a batch share one model and do not meet, so each starts on the patch of its kind
and level (Rudin et al., "Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement
Learning", CoRL 2021).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import setting
from edge_runtime.signals import Float
from sim.terrain.patches import Box, Flat, Patch, Rough, Slopes, Steps

Kind = Literal["flat", "slope", "steps", "rough"]
_UNSEEN = 1_000_000  # seeds from here on are not for training
SPACING = 60.0  # m between the centres of two patches
_NAME = "terrain_"
_COLOUR = (0.52, 0.55, 0.5, 1.0)


@dataclass(frozen=True)
class TerrainConfig:
    """Sets the ground of a task; flat by default."""

    kinds: tuple[Kind, ...] = ()
    """Kinds of patches, such as slope steps rough; none: a plane."""
    levels: int = setting(5, "Levels of difficulty, up to what follows.", above=0)
    slope: float = setting(0.0873, "Steepest slope.", "rad", at_least=0, at_most=0.8)
    step: float = setting(0.02, "Height of the highest step.", "m", at_least=0)
    stone: float = setting(0.02, "Height of the highest stone on rough ground.", "m", at_least=0)
    seed: int = setting(0, "Seed of the random ground.", at_least=0)
    curriculum: bool = True
    """Go from the easiest level to harder ones by the distance walked."""

    @property
    def is_flat(self) -> bool:
        """Returns whether the ground is the plane alone."""
        return not self.kinds

    def unseen(self, seed: int) -> "TerrainConfig":
        """Returns other ground of the same kinds, levels drawn evenly, as no training has seen."""
        return replace(self, seed=_UNSEEN + seed, curriculum=False)


class Terrain:
    """Holds the ground of all simulations; the patch of a kind and level lies at its `origin`."""

    def __init__(self, config: TerrainConfig) -> None:
        self.config = config
        seeds = iter(np.random.SeedSequence(config.seed).spawn(len(config.kinds) * config.levels))
        self._patches: list[list[Patch]] = [
            [
                self._patch(k, level, np.random.default_rng(next(seeds)))
                for level in range(config.levels)
            ]
            for k in config.kinds
        ]

    def _patch(self, kind: Kind, level: int, rng: np.random.Generator) -> Patch:
        config, share = self.config, (level + 1) / self.config.levels
        if kind == "slope":
            return Slopes(share * config.slope)
        if kind == "steps":
            return Steps(share * config.step)
        return Rough(share * config.stone, rng) if kind == "rough" else Flat()

    def origin(self, kind: npt.NDArray[np.intp], level: npt.NDArray[np.intp]) -> Float:
        """Returns the centres of patches by kind (n,) and level (n,), (n, 2) m."""
        centres: Float = SPACING * np.stack([level, kind], axis=-1).astype(np.float64)
        return centres

    def height(self, xy: Float) -> Float:
        """Returns the ground's height at these places (..., 2), m."""
        level, kind = (
            np.rint(xy[..., axis] / SPACING).astype(np.intp).clip(0, count - 1)
            for axis, count in enumerate((self.config.levels, len(self._patches)))
        )
        height = np.zeros(xy.shape[:-1])
        patch = kind * self.config.levels + level
        for number in np.unique(patch):
            k, step = divmod(int(number), self.config.levels)
            here = patch == number
            x, y = (xy[here] - SPACING * np.array([step, k])).T
            height[here] = self._patches[k][step].height(x, y)
        return height

    def names(self) -> tuple[str, ...]:
        """Names its geoms."""
        count = sum(len(patch.boxes()) for row in self._patches for patch in row)
        return tuple(f"{_NAME}{number}" for number in range(count))

    def add_to(self, spec: mujoco.MjSpec, floor: str) -> None:
        """Adds its geoms to a scene; they collide as the geom `floor` does."""
        ground = spec.geom(floor)
        for number, (x, y, box) in enumerate(self._placed()):
            bx, by, bz = box.centre
            spec.worldbody.add_geom(
                name=f"{_NAME}{number}",
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=[x + bx, y + by, bz],
                size=list(box.half),
                quat=_quaternion(box),
                contype=ground.contype,
                conaffinity=ground.conaffinity,
                condim=ground.condim,
                friction=ground.friction,
                priority=ground.priority,
                solref=ground.solref,
                solimp=ground.solimp,
                rgba=_COLOUR,
            )

    def _placed(self) -> list[tuple[float, float, Box]]:
        """Returns every box, and the position of its patch."""
        return [
            (SPACING * level, SPACING * kind, box)
            for kind, row in enumerate(self._patches)
            for level, patch in enumerate(row)
            for box in patch.boxes()
        ]


@cache
def find_terrain(config: TerrainConfig) -> Terrain:
    """Returns the terrain of a config, built once."""
    return Terrain(config)


def _quaternion(box: Box) -> list[float]:
    """Returns the quaternion wxyz of a rotation about y, then about z."""
    cp, sp = np.cos(box.pitch / 2), np.sin(box.pitch / 2)
    cy, sy = np.cos(box.yaw / 2), np.sin(box.yaw / 2)
    return [float(v) for v in (cy * cp, -sy * sp, cy * sp, sy * cp)]
