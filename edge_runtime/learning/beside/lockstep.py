"""Ticks a loop whose robot waits for it, and for the learner: faster than time, and repeatable."""

import time
from collections.abc import Callable

from edge_runtime.learning.feed.feed import Feed
from edge_runtime.loop.control_loop import ControlLoop

_LOOK = 0.0002  # s between two looks at how far the learner is
_PATIENCE = 0.2  # s after which it may have died


class SimulatedClock:
    """Tells the time of a simulation, ns: it stands still while a tick is computed."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """Returns the time, ns."""
        return self.now


class LockstepPace:
    """Ticks a loop as fast as it goes, and waits for the learner now and then.

    So the learner is as far behind the robot in each run, and the same seed gives the same run.

    Args:
        loop: the loop, which nothing else ticks.
        clock: the loop's.
        feed: what the learner reads.
        look: does what is due between two ticks.
        revive: starts a learner that has died.
        ticks: after which the loop is stopped; 0 for none.
        every: s of simulated time between two looks.
    """

    def __init__(
        self,
        loop: ControlLoop,
        clock: SimulatedClock,
        feed: Feed,
        look: Callable[[], None],
        revive: Callable[[], object],
        ticks: int = 0,
        every: float = 1.0,
    ) -> None:
        self._loop, self._clock, self._feed, self._look = loop, clock, feed, look
        self._revive, self._ticks = revive, ticks
        self._every = max(1, round(every * 1e9 / loop.period))
        self.is_learning: Callable[[], bool] = lambda: True
        """Returns whether there is a learner to wait for."""

    def __call__(self) -> None:
        """Ticks until the loop has ended."""
        loop = self._loop
        while not loop.ended:
            self._clock.now += loop.period
            loop.tick()
            if loop.stopping:
                continue
            if loop.ticks % self._every == 0:
                self._wait()
            if self._ticks and loop.ticks >= self._ticks:
                loop.stop()

    def _wait(self) -> None:
        self._feed.release()
        looked = time.monotonic()
        while self._feed.taken < self._feed.written and self.is_learning():
            time.sleep(_LOOK)
            if self._loop.stopping:
                return
            if time.monotonic() - looked > _PATIENCE:
                self._revive()
                looked = time.monotonic()
        self._look()
