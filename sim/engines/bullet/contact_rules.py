"""Which links touch what, and how much they rub, as the MJCF's geoms say it.

MuJoCo gives each pair of geoms a friction: that of the geom with the higher priority, or the larger
one. Bullet multiplies the frictions of two links. So one side of every contact with the ground
carries the pair's friction and the other side 1.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from sim.engines.engine import Float

WORLD = 0


@dataclass(frozen=True)
class _Geoms:
    """Numbers of geoms."""

    ground: list[int]  # that touch the robot
    robot: list[int]  # that touch anything


class ContactRules:
    """Collisions and friction of a robot's bodies and of the geoms of the ground.

    Args:
        model: robot and ground.

    Raises:
        UserError: friction is given in a way that Bullet's links cannot have.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        moving = [g for g in range(model.ngeom) if model.geom_bodyid[g] != WORLD]
        still = [g for g in range(model.ngeom) if model.geom_bodyid[g] == WORLD]
        touching = [(a, b) for a in still for b in moving if _filtered_in(model, a, b)]
        self.ground = sorted({a for a, _ in touching})
        self._on_ground = sorted({b for _, b in touching})
        self.bodies_on_ground = {int(model.geom_bodyid[g]) for g in self._on_ground}
        self.pairs, self._frictionless = self._self_collisions(moving)
        self._ground_decides = self._who_decides()

    def _self_collisions(self, moving: list[int]) -> tuple[set[tuple[int, int]], set[int]]:
        """Pairs of bodies that touch each other, and those that slide without friction."""
        model = self._model
        pairs, frictionless = set(), set()
        for i, a in enumerate(moving):
            for b in moving[i + 1 :]:
                bodies = int(model.geom_bodyid[a]), int(model.geom_bodyid[b])
                if _filtered_in(model, a, b) and not _related(model, *bodies):
                    pairs.add(bodies)
        for p in range(model.npair):
            one, other = (
                int(model.geom_bodyid[g[p]]) for g in (model.pair_geom1, model.pair_geom2)
            )
            pairs.add((one, other))
            if model.pair_dim[p] == 1:
                frictionless |= {one, other}
        return pairs, frictionless

    def _who_decides(self) -> bool:
        """Whether the ground's friction counts; if not, that of what stands on it."""
        priority = self._model.geom_priority
        ground = {int(priority[g]) for g in self.ground}
        robot = {int(priority[g]) for g in self._on_ground}
        if not ground or not robot:
            return False
        if min(ground) > max(robot):
            return True
        if max(ground) > min(robot) or (len(self.ground) > 1 and max(ground) >= min(robot)):
            raise UserError(
                "Bullet cannot mix these geoms' frictions; give all of the ground a higher "
                "priority than the robot, or a lower one"
            )
        return False

    def friction(self, geoms: Float) -> tuple[Float, Float]:
        """Sliding friction of each body and of each geom of the ground.

        Args:
            geoms: sliding friction of each geom, (K, ngeom).

        Returns:
            (K, nbody) and (K, number of `ground`).
        """
        model = self._model
        bodies = np.ones((len(geoms), model.nbody))
        ground = geoms[:, self.ground]
        if not self._ground_decides:
            ground = np.ones_like(ground)
            for g in self._on_ground:
                own = geoms[:, g]
                for other in self.ground:
                    if model.geom_priority[other] == model.geom_priority[g]:
                        own = np.maximum(own, geoms[:, other])
                bodies[:, model.geom_bodyid[g]] = own
        # A link has one friction for all it touches: legs that brush each other count for more
        # than a shank on the ground, which is a fall.
        bodies[:, list(self._frictionless)] = 0.0
        return bodies, ground


def _filtered_in(model: mujoco.MjModel, a: int, b: int) -> bool:
    kind, meets = model.geom_contype, model.geom_conaffinity
    return bool(kind[a] & meets[b] or kind[b] & meets[a])


def _related(model: mujoco.MjModel, a: int, b: int) -> bool:
    """The same body or parent and child, or excluded by name: these pass through each other."""
    signature = (min(a, b) << 16) + max(a, b)
    parents = model.body_parentid
    return a == b or parents[a] == b or parents[b] == a or signature in model.exclude_signature
