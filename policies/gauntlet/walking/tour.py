"""Draws tours of waypoints, and steers robots along them as an operator does."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from edge_runtime.policy.contract import Command
from edge_runtime.rotations import about_vertical
from edge_runtime.signals import Bool, Float
from policies.gauntlet.walking.protocol import WalkingGauntlet

_USED = 0.95  # of the trained range of each command, at most
_WATCHES = 1.5  # s, until the operator has seen most of a drift


def draw_tour(protocol: WalkingGauntlet, rng: Generator) -> Float:
    """Draws waypoints, (W, 2) m, from where the robot stands, in its heading frame."""
    count = protocol.waypoints
    heading = np.cumsum(rng.uniform(*protocol.turn, count))
    distance = rng.uniform(*protocol.distance, count)
    return np.cumsum(distance[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)


class Tours:
    """Steers N robots on their tours.

    The operator sees the robot from outside: position and heading are the true ones. It walks
    straight to the next waypoint, sideways and backwards as fast as it was trained to, while it
    turns its nose there; and where it goes another way than asked for a while, counter-steers.

    Args:
        protocol: pace and how near a waypoint must be passed.
        commands: forward, lateral, yaw rate, with their trained ranges.
        rows: N.
        period: s, between two looks.
    """

    def __init__(
        self, protocol: WalkingGauntlet, commands: Sequence[Command], rows: int, period: float
    ) -> None:
        self._protocol = protocol
        self._lower = _USED * np.array([c.lower for c in commands])
        self._upper = _USED * np.array([c.upper for c in commands])
        self.waypoints = np.zeros((rows, protocol.waypoints, 2))  # m, in the world
        self.reached = np.zeros(rows, np.int64)  # how many
        self._length = np.ones(rows)  # m, of the present segment, from where it began
        self._rows = np.arange(rows)
        self._drift = np.zeros((rows, len(commands)))  # of what it does against what was asked
        self._seen = 1.0 - np.exp(-period / _WATCHES)

    def start(self, row: int, tour: Float, position: Float, heading: float) -> None:
        """Puts that robot at the beginning of a tour (waypoints, 2), see `draw_tour`, which leads
        from a position (2,) m in the direction of a heading, rad."""
        turned = about_vertical(np.full(len(tour), heading), tour)
        self.waypoints[row] = position + turned
        self.reached[row] = 0
        self._drift[row] = 0.0
        self._length[row] = float(np.hypot(*tour[0]))

    @property
    def done(self) -> Bool:
        """Returns whether each robot passed the last waypoint, (N,)."""
        return self.reached >= self._protocol.waypoints

    def follow(self, position: Float, heading: Float, error: Float) -> tuple[Float, Float]:
        """Looks at the robots once, and returns what the operator asks for now.

        Args:
            position: (N, 2) m, in the world.
            heading: (N,) rad.
            error: what each robot does now against what it was asked, (N, 3) as the commands.

        Returns:
            Commands (N, 3), and the share of the present segment that is walked, (N,), 1 where the
            next waypoint is reached.
        """
        self._drift += self._seen * (error - self._drift)
        way = self._to_next(position)
        distance = np.sqrt(way[:, 0] ** 2 + way[:, 1] ** 2)
        passed = np.flatnonzero((distance < self._protocol.reach) & ~self.done)
        if len(passed):
            self.reached[passed] += 1
            way = self._to_next(position)
            distance = np.sqrt(way[:, 0] ** 2 + way[:, 1] ** 2)
            self._length[passed] = distance[passed]
        walked = (self._length - distance) / (self._length - self._protocol.reach)
        walked[passed] = 0.0
        return self._command(way, heading), walked

    def _to_next(self, position: Float) -> Float:
        following = np.minimum(self.reached, self._protocol.waypoints - 1)
        return self.waypoints[self._rows, following] - position

    def _command(self, way: Float, heading: Float) -> Float:
        p = self._protocol
        beside = np.arctan2(way[:, 1], way[:, 0]) - heading
        beside = np.mod(beside + np.pi, 2 * np.pi) - np.pi
        turning = np.clip(1.5 * beside, -p.turning, p.turning)
        velocity = [p.cruise * np.cos(beside), p.cruise * np.sin(beside)]
        wanted = np.stack([*velocity, turning], axis=1) - self._drift
        wanted[self.done] = 0.0
        # As fast in that direction as the trained ranges allow, rather than in another one.
        limit = np.where(wanted > 0.0, self._upper, self._lower)
        share = np.minimum(limit / np.where(wanted == 0.0, limit, wanted), 1.0)
        wanted[:, :2] *= np.minimum(share[:, 0], share[:, 1])[:, None]
        wanted[:, 2] *= share[:, 2]
        return wanted
