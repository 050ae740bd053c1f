"""A policy in shadow: it sees what the driving one sees, and what it would do is only counted."""

import struct
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.latency import LatencyHistogram, percentiles
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.row_writer import RowWriter
from edge_runtime.signals import Array

# Tick, control step, whether the driver observed, acted on it, and had begun anew before that.
_HEAD = struct.Struct("<qd???5x")
LOOK_EVERY = 0.05  # s between two looks of the shadow's thread at what the loop left for it
_RING_SECONDS = 2.0  # that the shadow may lag behind the loop before ticks are lost to it
_KEPT = 8  # policies that drove before, to go back to


@dataclass(frozen=True)
class Comparison:
    """What a policy did in shadow.

    Differences are between the two policies' targets, by joint in the robot's order: rad, or
    rad/s of a joint that is driven by velocity. Times are of observation and network, in ns.
    """

    source: str
    sha256: str
    ticks: int  # in which both acted on the same past, so that they could be compared
    lost: int  # ticks that the shadow was too slow to see
    not_finite: int  # ticks in which its action was NaN or infinite
    clipped: int  # ticks in which its action was beyond its clip
    rms: dict[str, float]
    largest: dict[str, float]
    took: tuple[int, int, int]  # p50, p99, max
    over_share: int  # ticks in which it took longer than the loop's budget for inference
    failure: str  # what ended it, if not the operator

    def as_dictionary(self) -> dict[str, Any]:
        """For the report; times in µs."""
        return {
            "file": self.source,
            "sha256": self.sha256,
            "ticks": self.ticks,
            "ticks_lost": self.lost,
            "ticks_not_finite": self.not_finite,
            "ticks_clipped": self.clipped,
            "ticks_over_budget": self.over_share,
            "target_difference": {
                joint: {"rms": rms, "max": self.largest[joint]} for joint, rms in self.rms.items()
            },
            "latency_us": dict(zip(("p50", "p99", "max"), (t * 1e-3 for t in self.took))),
            "failure": self.failure or None,
        }

    def described(self) -> str:
        """For people, in a line."""
        if self.failure:
            return f"{self.source}: ended after {self.ticks} ticks: {self.failure}"
        joint = max(self.largest, key=self.largest.__getitem__)
        rms = float(np.sqrt(np.mean(np.square(list(self.rms.values())))))
        return (
            f"{self.source}: {self.ticks} ticks, targets off by {rms:.3g} rms, at most "
            f"{self.largest[joint]:.3g} ({joint}); {self.not_finite} not finite, {self.clipped} "
            f"clipped, {self.lost} lost; p99 {self.took[1] / 1e3:.0f} µs"
        )


class Shadow:
    """Tries a policy beside the one that drives, lets it drive, and takes that back.

    The loop only copies what a tick saw into memory that is there (`RowWriter`); a thread of its
    own runs the policy on it, tick after tick, so the history it observes is the driver's. A
    policy that is too slow loses ticks, which are counted, and never the loop's time.

    `load`, `drop`, `promote`, `drive`, `roll_back`, `comparison` and `close` are for the operator's
    thread.

    Args:
        loop: which must not run yet, for what gives the loop its priority must find the thread.
        every: s between two looks at what the loop left.
        before: policies that drove before the loop's, the newest last; kept up from here on, so
            that another loop's shadow can go on with it.
    """

    def __init__(
        self,
        loop: ControlLoop,
        every: float = LOOK_EVERY,
        before: list[Policy] | None = None,
    ) -> None:
        self._loop = loop
        self._trial: _Trial | None = None  # what is in shadow
        self._latest: _Trial | None = None  # what was there last
        self._before = [] if before is None else before
        self._using = threading.Lock()  # a policy's buffers; the loop never takes it
        joints = len(loop.robot.description.joint_names)
        commands = loop.controller.command.size
        self._floats = (
            sum(a.size for a in loop.last_tick.sensed_and_estimated) + commands + 2 * joints
        )
        self._row_size = _HEAD.size + 4 * self._floats
        capacity = max(8, round(_RING_SECONDS * 1e9 / loop.period))
        self._writer = RowWriter(self._row_size, capacity, self._see, every)
        loop.add_observer(self)

    @classmethod
    def of(cls, loop: ControlLoop, policy: Policy) -> "Shadow":
        """A loop's shadow with a policy in it.

        Raises:
            ContractError: the policy does not fit the robot or the loop.
        """
        shadow = cls(loop)
        try:
            shadow.load(policy)
        except BaseException:
            shadow.close()
            raise
        return shadow

    def observe(self, tick: Tick) -> None:
        """Leave a tick for the shadow; called by the loop's thread, for which it never waits."""
        sent = tick.sent
        if self._trial is None or sent is None:
            return
        step = tick.controller.step[0, 0]
        head = _HEAD.pack(tick.number, step, tick.observed, tick.drove, tick.was_reset)
        arrays = tick.sensed_and_estimated
        row: tuple[Any, ...] = (head, *arrays, tick.command, tick.action, sent.target)
        self._writer.put(b"".join(row))

    def load(self, policy: Policy) -> None:
        """Put a policy in shadow, in place of the one that is there.

        Raises:
            ContractError: it does not fit the robot or the running loop; the one in shadow stays.
            UserError: it is one that drives, or did and is kept for rolling back.
        """
        self._check_unused(policy)
        trial = _Trial(policy, self._loop, self._floats)
        with self._using:
            self._trial = self._latest = trial

    def drop(self) -> None:
        """Nothing is in shadow any more."""
        with self._using:
            self._trial = None

    @property
    def loaded(self) -> bool:
        """Whether a policy is in shadow."""
        return self._trial is not None

    @property
    def can_roll_back(self) -> bool:
        """Whether a policy was promoted over another."""
        return bool(self._before)

    def promote(self, timeout: float = 5.0) -> None:
        """Let the policy in shadow drive from the next tick on.

        Raises:
            UserError: there is none, it gave actions that are not finite, or the loop does not
                tick; nothing has changed then.
        """
        with self._using:
            trial = self._trial
            if trial is None:
                raise UserError("no policy is in shadow; load one first")
            if trial.not_finite:
                raise UserError(
                    f"{trial.policy.source}: {trial.not_finite} of its actions in shadow were not "
                    "finite, so it must not drive; train or export another"
                )
            self._let_drive(trial.policy, timeout)
            self._trial = None

    def drive(self, policy: Policy, timeout: float = 5.0) -> None:
        """Let a policy drive from the next tick on, untried; what is in shadow stays there.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it is one that drives, or did, or the loop does not tick.
        """
        self._check_unused(policy)
        with self._using:
            self._let_drive(policy, timeout)

    def roll_back(self, timeout: float = 5.0) -> None:
        """Let the policy that drove before the last promotion drive from the next tick on.

        Raises:
            UserError: none was promoted, or the loop does not tick.
        """
        with self._using:
            if not self._before:
                raise UserError("no policy was promoted, so there is none to go back to")
            self._loop.swap(self._before[-1], timeout)
            self._before.pop()

    def comparison(self) -> Comparison | None:
        """What the policy in shadow did so far, or the last one that was; None without any."""
        with self._using:
            return None if self._latest is None else self._latest.comparison()

    def as_dictionary(self) -> dict[str, Any] | None:
        """The comparison for the report; None without any."""
        found = self.comparison()
        return None if found is None else found.as_dictionary()

    def described(self) -> str:
        """The comparison for people."""
        found = self.comparison()
        return "nothing was in it" if found is None else found.described()

    def close(self) -> None:
        """Look at what is left and end the thread; after the loop has ended."""
        self._writer.close()

    def _check_unused(self, policy: Policy) -> None:
        """Its buffers are those of one policy at work."""
        if policy is self._loop.controller.policy or policy in self._before:
            raise UserError(f"{policy.source}: it drives or did; load the file once more")

    def _let_drive(self, policy: Policy, timeout: float) -> None:
        driver = self._loop.controller.policy
        self._loop.swap(policy, timeout)
        self._before.append(driver)
        del self._before[:-_KEPT]

    def _see(self, rows: bytes) -> None:
        for start in range(0, len(rows), self._row_size):
            with self._using:  # for a tick at a time, so that the operator need not wait
                trial = self._trial
                if trial is None:
                    return
                try:
                    trial.see(rows[start : start + self._row_size])
                except Exception as error:  # of an execution provider: whatever it likes to raise
                    trial.failure = f"{type(error).__name__}: {error}"
                    self._trial = None


class _Trial:
    """A policy with buffers of its own, which hold what the loop's held in a tick."""

    def __init__(self, policy: Policy, loop: ControlLoop, floats: int) -> None:
        self.policy = policy
        self._values: Array = np.zeros(floats, np.float32)
        robot, fusion = loop.robot.description, loop.fusion
        parts = [robot.sample_size, *(s.size for s in fusion.provides)]
        parts += [loop.controller.command.size, len(robot.joint_names), len(robot.joint_names)]
        sample, *estimates, command, followed, target = np.split(
            self._values, np.cumsum(parts)[:-1]
        )
        signals = robot.split(sample)
        signals |= {s.name: values[None] for s, values in zip(fusion.provides, estimates)}
        self._command, self._followed, self._target = command, followed, target
        self._before = followed.copy()  # what was followed in the tick before
        self._controller = loop.controller_for(policy, signals)
        self._joints = robot.joint_names
        self._share = loop.budget.infer_limit
        self._squares = np.zeros(len(self._joints))
        self._largest = np.zeros(len(self._joints))
        self._took = LatencyHistogram()
        self._tick = -1  # of the row before; -1 before the first
        self._history = max((t.history for t in policy.contract.observations), default=1)
        self._unknown = 0  # ticks until all the past that it observes has been the driver's
        self.ticks, self.lost, self.not_finite, self.clipped, self.over_share = 0, 0, 0, 0, 0
        self.failure = ""

    def see(self, row: bytes) -> None:
        """Take in what the loop left of a tick."""
        tick, step, observed, drove, was_reset = _HEAD.unpack_from(row)
        self._values[:] = np.frombuffer(row, np.float32, offset=_HEAD.size)
        controller = self._controller
        if tick != self._tick + 1 or self._tick < 0:
            self.lost += tick - self._tick - 1 if self._tick >= 0 else 0
            controller.restart()
            self._unknown = self._history
        if was_reset:
            controller.restart()
        else:
            controller.remember(self._before)
        controller.step[:] = step
        if observed:
            self._try(controller, drove)
        self._tick = tick
        self._before[:] = self._followed

    def comparison(self) -> Comparison:
        rms = np.sqrt(self._squares / max(1, self.ticks))
        p50, p99 = percentiles(self._took, (50.0, 99.0))
        return Comparison(
            self.policy.source,
            self.policy.sha256,
            self.ticks,
            self.lost,
            self.not_finite,
            self.clipped,
            dict(zip(self._joints, rms.tolist())),
            dict(zip(self._joints, self._largest.tolist())),
            (p50, p99, self._took.max),
            self.over_share,
            self.failure,
        )

    def _try(self, controller: Controller, drove: bool) -> None:
        """Do what the loop's inference stage does, and compare what comes out."""
        began = time.monotonic_ns()
        # An array that was given before would be taken for the same command.
        controller.ask(self._command.copy())
        finite = controller.observe()
        if not finite:
            return  # a fault of the senses, not of the policy
        largest = controller.infer()
        took = time.monotonic_ns() - began
        self._took.record(took)
        self.over_share += took > self._share
        if not np.isfinite(largest):
            self.not_finite += 1
            return
        self.clipped += largest > 1
        if self._unknown:
            self._unknown -= 1
        elif drove:
            difference = np.abs(controller.target().astype(np.float64) - self._target)
            self._squares += difference**2
            np.maximum(self._largest, difference, out=self._largest)
            self.ticks += 1
