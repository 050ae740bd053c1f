"""Pushes robots once in each segment of their tour, and finds who fell by it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from edge_runtime.signals import Float
from policies.evaluation.suite_result import PushResult
from policies.gauntlet.walking.protocol import WalkingGauntlet

_SIDES = (
    "the front",
    "the front left",
    "the left",
    "the back left",
    "the back",
    "the back right",
    "the right",
    "the front right",
)


@dataclass(frozen=True)
class PushPlan:
    """Holds the pushes of one trial, one for each segment."""

    moment: Float  # (W,), share of the segment's way
    direction: Float  # (W,) rad, of the force in the heading frame
    force: Float  # (W,) N, on a robot of the protocol's mass


def draw_pushes(protocol: WalkingGauntlet, rng: Generator) -> PushPlan:
    """Draws one trial's pushes."""
    count = protocol.waypoints
    return PushPlan(
        rng.uniform(*protocol.push_moment, count),
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(*protocol.push_force, count),
    )


class SegmentPushes:
    """Applies their pushes to N robots.

    Args:
        protocol: how long a push lasts, and what falls are put down to it.
        rows: N.
        period: s, of the control loop.
    """

    def __init__(self, protocol: WalkingGauntlet, rows: int, period: float) -> None:
        self._protocol, self._period = protocol, period
        self._steps = max(1, round(protocol.push_seconds / period))
        self._plans: list[PushPlan | None] = [None] * rows
        self._scale = np.ones(rows)  # of the forces, for the robot's mass
        self._moment = np.full((rows, protocol.waypoints), np.inf)
        self._left = np.zeros(rows, np.int64)  # control steps that the present push still lasts
        self._rows = np.arange(rows)
        self.force = np.zeros((rows, 2))
        """N, in the world, of now."""
        self._given: list[list[tuple[float, float, float]]] = [[] for _ in range(rows)]

    def start(self, row: int, plan: PushPlan, mass: float) -> None:
        """Begins a new trial of a robot of that mass, kg."""
        self._plans[row] = plan
        self._moment[row] = plan.moment
        self._scale[row] = mass / self._protocol.push_mass
        self._left[row] = 0
        self.force[row] = 0.0
        self._given[row] = []

    def advance(
        self, walked: Float, segment: npt.NDArray[np.int64], heading: Float, time: Float
    ) -> None:
        """Begins and ends pushes; `force` then is that of the next control period.

        Args:
            walked: share of the present segment, (N,).
            segment: which one that is, (N,); beyond the last there is no push.
            heading: rad, (N,).
            time: s since the trial began, (N,).
        """
        self._left -= 1
        self.force[self._left <= 0] = 0.0
        inside = segment < self._moment.shape[1]
        present = np.where(inside, segment, 0)
        for row in np.flatnonzero(inside & (walked >= self._moment[self._rows, present])).tolist():
            self._push(row, int(segment[row]), float(heading[row]), float(time[row]))

    def _push(self, row: int, segment: int, heading: float, time: float) -> None:
        plan = self._plans[row]
        assert plan is not None
        self._moment[row, segment] = np.inf
        direction, force = float(plan.direction[segment]), float(plan.force[segment])
        force *= float(self._scale[row])
        if force <= 0.0:
            return
        self.force[row] = force * np.cos(heading + direction), force * np.sin(heading + direction)
        self._left[row] = self._steps
        self._given[row].append((time, direction, force))

    def results(self, row: int, fell_at: float | None) -> tuple[PushResult, ...]:
        """Returns what became of that row's pushes; a fall counts against the last one before
        it."""
        given = self._given[row]
        return tuple(
            PushResult(time, direction, force, not self._blamed(number, row, fell_at))
            for number, (time, direction, force) in enumerate(given)
        )

    def _blamed(self, number: int, row: int, fell_at: float | None) -> bool:
        if fell_at is None or number != len(self._given[row]) - 1:
            return False
        return fell_at - self._given[row][number][0] <= self._protocol.recovery


def side(direction: float) -> str:
    """Returns the side that a force with that direction in the heading frame comes from."""
    comes = direction + np.pi
    return _SIDES[round(comes / (np.pi / 4)) % 8]
