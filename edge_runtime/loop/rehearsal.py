"""Rehearses a tick shortly before its release, so that the tick finds its code in the caches."""

import time

from edge_runtime.fusion import Fusion
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.observer import Observer, RehearsingObserver
from edge_runtime.loop.pacing import sleep_until
from edge_runtime.robot.robot import ActuatorCommand, RehearsingRobot, Robot, Sample
from edge_runtime.robot.sensors import Sensors

_SHARE = 0.25  # of the period; a tick that takes longer is not rehearsed
_IN_TIME = 0.7  # share of the rehearsals that end before the release
_ADAPTS = 0.05  # by what share one rehearsal changes the time that the next one is given
_FORGETS = 1e-3  # by what share a period without a rehearsal shortens that time
_SPIN = 100_000  # ns that are too short to sleep: waking up takes longer


class EchoRobot:
    """Gives the newest sample of another robot again, as if it were one period younger.

    It rehearses the other robot's `read` too, if that robot allows it (`RehearsingRobot`).

    Args:
        robot: the other robot.
        sensors: what was read of it last.
        period: the control period, ns.
    """

    def __init__(self, robot: Robot, sensors: Sensors, period: int) -> None:
        self.description = robot.description
        self._rehearse = robot.rehearse if isinstance(robot, RehearsingRobot) else None
        self._sensors, self._period = sensors, period * 1e-9
        self._read = 0

    def read(self) -> Sample | None:
        """Rehearses the other robot's `read`, and returns the sample; None before the first."""
        if not self._sensors.new:
            return None
        if self._rehearse is not None:
            self._rehearse()
        self._read += 1
        return Sample(self._read, self._read * self._period, self._sensors.values)

    def write(self, command: ActuatorCommand) -> None:
        """Ignores the command."""

    def close(self) -> None:
        """Does nothing: the other robot stays connected."""


class Rehearsal:
    """Runs a copy of a control loop shortly before each of its ticks.

    A core that slept through most of a period has lost code and weights from its caches, so a tick
    takes several times as long as one that follows another at once. The copy has an estimator, a
    guard and buffers of its own. It shares the policy's weights, reads the loop's newest sample,
    and its commands go nowhere. Of the loop's observers those are rehearsed that offer it. It takes
    as much processor time again as the ticks do.

    The loop's thread calls `wait_until`.

    Args:
        loop: the control loop to copy.
        fusion: another estimator of the same kind as the loop's, for one row.

    Raises:
        ContractError: policy, estimator and robot do not fit together.
    """

    def __init__(self, loop: ControlLoop, fusion: Fusion) -> None:
        self._loop = loop
        self._policy = loop.controller.policy  # that is rehearsed at present
        echo = EchoRobot(loop.robot, loop.sensors, loop.period)
        self._copy = ControlLoop(self._policy.with_own_buffers(), echo, fusion, loop.config)
        self._most = _SHARE * loop.period  # ns
        self._given = self._most / 2  # ns from the planned start of a rehearsal to the release
        self._observers: tuple[Observer, ...] = ()  # of the loop, as they were last
        self._rehearsing: list[RehearsingObserver] = []  # those among them that are rehearsed too
        self.failure = ""  # why nothing is rehearsed any more

    def wait_until(self, release: int) -> None:
        """Waits until `release`, ns of the monotonic clock, and rehearses right before it."""
        if not self.failure:
            try:
                self._follow()
                self._rehearse(release)
            except Exception as error:  # the robot is driven without
                self.failure = f"{type(error).__name__}: {error}"
                self._loop.realtime_report["rehearsal"] = f"none (it failed: {self.failure})"
        if release - time.monotonic_ns() > _SPIN:
            sleep_until(release)
        while time.monotonic_ns() < release:
            pass

    def _rehearse(self, release: int) -> None:
        start = release - int(self._given)
        if self._given > self._most:
            self._given *= 1 - _FORGETS
            return
        if start < time.monotonic_ns():
            return
        sleep_until(start)
        self._copy.tick()
        for observer in self._rehearsing:
            observer.rehearse(self._copy.last_tick)
        took = time.monotonic_ns() - start
        # Converges to the quantile `_IN_TIME` of what waking up and a rehearsal take.
        self._given *= 1 + _ADAPTS * (_IN_TIME if took > self._given else _IN_TIME - 1)

    def _follow(self) -> None:
        """Rehearses the policy and the observers that the loop was given since."""
        observers = self._loop.observers
        if observers is not self._observers:
            self._observers = observers
            self._rehearsing = [o for o in observers if isinstance(o, RehearsingObserver)]
        policy = self._loop.controller.policy
        if policy is not self._policy:
            self._copy.swap(policy.with_own_buffers())
            self._policy = policy
