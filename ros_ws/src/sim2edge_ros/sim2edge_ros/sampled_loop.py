"""Ticks a control loop by the robot's samples instead of the system's clock: for simulated time."""

import threading
import time
from collections.abc import Callable

from edge_runtime.loop import ControlLoop

_LOOK = 0.02  # s between two looks at the time when no sample comes


class SampledLoop:
    """One tick a sample, and one a period of the node's clock where samples cease.

    Simulated time may stand still, and then nothing happens. It has the part of a `ControlLoop`
    that `Drive` needs of one that runs in a thread.

    Args:
        loop: which nobody else ticks; its clock must be the node's.
        woken: set when the robot has a new sample.
        clock: the node's, ns.
    """

    def __init__(self, loop: ControlLoop, woken: threading.Event, clock: Callable[[], int]) -> None:
        self._loop, self._woken, self._clock = loop, woken, clock
        self._thread = threading.Thread(target=self._run, name="control loop", daemon=True)
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Wait for the end after the loop's `stop`; False after `timeout` seconds.

        Raises:
            BaseException: what ended it, if not the operator.
        """
        until = time.monotonic() + timeout
        while self._thread.is_alive() and time.monotonic() < until:
            self._thread.join(_LOOK)
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._drive()
        except BaseException as error:
            self._error = error

    def _drive(self) -> None:
        loop, last = self._loop, self._clock()
        while not (loop.stopping and (loop.safe.at_rest or not loop.ticks)):
            fresh = self._woken.wait(_LOOK)
            now = self._clock()
            if fresh:
                self._woken.clear()
            elif now - last < 1.5 * loop.period:
                continue
            last = now
            loop.tick()
