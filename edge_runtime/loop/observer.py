"""Declares the protocol of what observes the control loop's ticks, the way in for a learner too."""

from typing import Protocol, runtime_checkable

from edge_runtime.loop.tick import Tick


class Observer(Protocol):
    """Observes ticks, as a log, a shadow, odometry, a learner, an energy meter or a viewer does."""

    def observe(self, tick: Tick) -> None:
        """Takes in a tick; the loop's thread calls this at the end of each.

        The observer may read everything and must change nothing. It copies what it keeps. Its time
        counts in the tick's budget (stage ACT), so it must not wait, take a lock, or write to a
        file or socket: slow work belongs in another thread, behind a `RowWriter` or a
        `LatestValue`. An observer that raises is removed and named in the loop's
        `observer_failures`, and the loop goes on.
        """
        ...


@runtime_checkable
class RehearsingObserver(Observer, Protocol):
    """Lets a rehearsal of the next tick prepare it, so that `observe` finds its code in caches."""

    def rehearse(self, tick: Tick) -> None:
        """Does with a tick of the rehearsal what `observe` does, so that nobody can see it."""
        ...
