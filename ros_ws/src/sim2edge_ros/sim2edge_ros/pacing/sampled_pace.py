"""Ticks a control loop with the robot's samples, in simulated time."""

import time
from collections.abc import Callable

from edge_runtime.loop.control_loop import ControlLoop
from sim2edge_ros.messages.wake_up import WakeUp

_LOOK = 0.02  # s between two looks at the clock while no sample comes
# s without sample or progress of time after which a loop that is to end does not wait
_STANDSTILL = 2.0


class SampledPace:
    """Ticks once per sample, and once per period of the node's clock when samples cease.

    Nothing happens while simulated time stands still.

    Args:
        loop: the control loop, which nothing else ticks, on the node's clock.
        woken: woken when the robot has a new sample.
        clock: returns the node's time in ns.
    """

    def __init__(self, loop: ControlLoop, woken: WakeUp, clock: Callable[[], int]) -> None:
        self._loop, self._woken, self._clock = loop, woken, clock

    def __call__(self) -> None:
        """Ticks until the loop has ended."""
        loop, last, silent = self._loop, self._clock(), False
        ticked = time.monotonic()
        while not loop.ended:
            fresh = self._woken.wait(_LOOK)
            now = self._clock()
            if fresh:
                silent = False
            elif now - last < 1.5 * loop.period:
                if loop.stopping and time.monotonic() - ticked > _STANDSTILL:
                    return  # the publisher of the time has gone
                continue
            elif not silent:
                silent = True  # /clock may arrive before the sample of its time
                continue
            last, ticked = now, time.monotonic()
            loop.tick()
