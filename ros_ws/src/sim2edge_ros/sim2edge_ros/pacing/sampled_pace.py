"""Ticks a control loop by the robot's samples instead of the system's clock: for simulated time."""

import time
from collections.abc import Callable

from edge_runtime.loop.control_loop import ControlLoop
from sim2edge_ros.messages.wake_up import WakeUp

_LOOK = 0.02  # s between two looks at the time when no sample comes
_STANDSTILL = 2.0  # s without sample or time after which a loop that is to end does not wait


class SampledPace:
    """One tick a sample, and one a period of the node's clock where samples cease.

    Simulated time may stand still, and then nothing happens.

    Args:
        loop: which nobody else ticks; its clock must be the node's.
        woken: woken when the robot has a new sample.
        clock: the node's, ns.
    """

    def __init__(self, loop: ControlLoop, woken: WakeUp, clock: Callable[[], int]) -> None:
        self._loop, self._woken, self._clock = loop, woken, clock

    def __call__(self) -> None:
        """Until the loop has ended."""
        loop, last, silent = self._loop, self._clock(), False
        ticked = time.monotonic()
        while not loop.ended:
            fresh = self._woken.wait(_LOOK)
            now = self._clock()
            if fresh:
                silent = False
            elif now - last < 1.5 * loop.period:
                if loop.stopping and time.monotonic() - ticked > _STANDSTILL:
                    return  # who made the time has gone
                continue
            elif not silent:
                silent = True  # /clock may be here before the sample of its time
                continue
            last, ticked = now, time.monotonic()
            loop.tick()
