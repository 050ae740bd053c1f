"""Derives which links collide, and with which friction, from the geoms of the MJCF.

MuJoCo gives each pair of geoms one friction: that of the geom with the higher priority, or the
larger one (MuJoCo's manual, "Contact parameters"). Bullet multiplies the frictions of two links. So
one side of every contact with the ground carries the pair's friction and the other side carries 1.
"""

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Bool, Float, Rows
from sim.engines.bullet.ground_bodies import group_geoms

WORLD = 0


class ContactRules:
    """Holds collisions and friction of a robot's bodies and of the geoms of the ground.

    Args:
        model: robot and ground.

    Raises:
        UserError: friction is specified in a way that Bullet's links cannot represent.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        moving = np.flatnonzero(model.geom_bodyid != WORLD)
        still = np.flatnonzero(model.geom_bodyid == WORLD)
        touching = _may_collide(model, still[:, None], moving)
        self._ground = still[touching.any(axis=1)]
        self._on_ground = moving[touching.any(axis=0)].tolist()
        self.ground = group_geoms(model, self._ground.tolist())
        self.bodies_on_ground = {int(model.geom_bodyid[g]) for g in self._on_ground}
        self.pairs, self._frictionless = self._self_collisions(moving)
        self._ground_counts = self._ground_has_priority()

    def _self_collisions(self, moving: Rows) -> tuple[set[tuple[int, int]], set[int]]:
        """Returns pairs of bodies that collide, and bodies that slide without friction."""
        model = self._model
        pairs, frictionless = set(), set()
        for i, k in np.argwhere(np.triu(_may_collide(model, moving[:, None], moving), 1)):
            bodies = int(model.geom_bodyid[moving[i]]), int(model.geom_bodyid[moving[k]])
            if not _related(model, *bodies):
                pairs.add(bodies)
        for p in range(model.npair):
            one, other = (
                int(model.geom_bodyid[g[p]]) for g in (model.pair_geom1, model.pair_geom2)
            )
            pairs.add((one, other))
            if model.pair_dim[p] == 1:
                frictionless |= {one, other}
        return pairs, frictionless

    def _ground_has_priority(self) -> bool:
        """Returns whether the ground's friction counts; otherwise that of the robot's body
        counts."""
        priority = self._model.geom_priority
        ground = {int(p) for p in priority[self._ground]}
        robot = {int(priority[g]) for g in self._on_ground}
        if not ground or not robot:
            return False
        if min(ground) > max(robot):
            return True
        if max(ground) > min(robot) or (len(ground) > 1 and max(ground) >= min(robot)):
            raise UserError(
                "Bullet cannot mix these geoms' frictions; give all of the ground a higher "
                "priority than the robot, or a lower one"
            )
        return False

    def friction(self, geoms: Float) -> tuple[Float, Float]:
        """Returns the sliding friction of each body and of each group of the ground.

        Args:
            geoms: sliding friction of each geom, (K, ngeom).

        Returns:
            (K, nbody) and (K, number of groups).

        Raises:
            UserError: geoms that are one body in Bullet have different frictions.
        """
        model = self._model
        bodies = np.ones((len(geoms), model.nbody))
        ground = geoms[:, [group[0] for group in self.ground]]
        for group, own in zip(self.ground, ground.T):
            if (geoms[:, list(group)] != own[:, None]).any():
                name = model.geom(group[0]).name or group[0]
                raise UserError(
                    f"the ground's geoms that have the friction of '{name}' in the model are one "
                    "body in Bullet; change the friction of all of them alike"
                )
        if not self._ground_counts:
            ground = np.ones_like(ground)
            for g in self._on_ground:
                own = geoms[:, g]
                for group in self.ground:
                    if model.geom_priority[group[0]] == model.geom_priority[g]:
                        own = np.maximum(own, geoms[:, group[0]])
                bodies[:, model.geom_bodyid[g]] = own
        # A link has one friction for all contacts: contact between the legs matters more than a
        # shank on the ground, which is a fall.
        bodies[:, list(self._frictionless)] = 0.0
        return bodies, ground


def _may_collide(model: mujoco.MjModel, a: Rows, b: Rows) -> Bool:
    """Returns whether these geoms may collide, by their bit masks."""
    kind, meets = model.geom_contype, model.geom_conaffinity
    touching: Bool = (kind[a] & meets[b] | kind[b] & meets[a]) != 0
    return touching


def _related(model: mujoco.MjModel, a: int, b: int) -> bool:
    """Returns whether two bodies pass through each other: the same body, parent and child, or
    excluded by name."""
    signature = (min(a, b) << 16) + max(a, b)
    parents = model.body_parentid
    return a == b or parents[a] == b or parents[b] == a or signature in model.exclude_signature
