"""Compares a policy with the one that drives, tick by tick."""

import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.latency_histogram import LatencyHistogram, percentiles
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand
from edge_runtime.signals import Array

# Tick, control step, and whether the driver observed, acted on that, and was reset before it.
_HEAD = struct.Struct("<qd???5x")


@dataclass(frozen=True)
class Comparison:
    """Compares a policy in shadow with the one that drives.

    Differences are between the two policies' targets, by joint in the robot's order: rad, or
    rad/s for a velocity actuator. Times cover observation and network, ns.
    """

    source: str
    sha256: str
    ticks: int  # compared ones: both policies acted on the same history
    lost: int  # ticks that the shadow was too slow for
    not_finite: int  # ticks with a NaN or infinite action
    clipped: int  # ticks with an action beyond the clip
    rms: dict[str, float]
    largest: dict[str, float]
    took: tuple[int, int, int]  # p50, p99, max
    over_share: int  # ticks that took longer than the loop's budget for inference
    failure: str  # the error that ended the trial, if one did

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry; times are in µs."""
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
        """Describes the comparison in one line."""
        if self.failure:
            return f"{self.source}: ended after {self.ticks} ticks: {self.failure}"
        joint = max(self.largest, key=self.largest.__getitem__)
        rms = float(np.sqrt(np.mean(np.square(list(self.rms.values())))))
        return (
            f"{self.source}: {self.ticks} ticks, targets off by {rms:.3g} rms, at most "
            f"{self.largest[joint]:.3g} ({joint}); {self.not_finite} not finite, {self.clipped} "
            f"clipped, {self.lost} lost; p99 {self.took[1] / 1e3:.0f} µs"
        )


def row_size(tick: Tick, joints: int) -> int:
    """Returns the bytes of a tick's row."""
    return _HEAD.size + 4 * _floats(tick, joints)


def row(tick: Tick, sent: ActuatorCommand) -> bytes:
    """Packs everything that a trial needs of a tick."""
    step = tick.controller.step[0, 0]
    head = _HEAD.pack(tick.number, step, tick.observed, tick.drove, tick.was_reset)
    arrays = tick.sensed_and_estimated
    parts: tuple[Any, ...] = (head, *arrays, tick.command, tick.action, sent.target)
    return b"".join(parts)


def _floats(tick: Tick, joints: int) -> int:
    return sum(array.size for array in (*tick.sensed_and_estimated, tick.command)) + 2 * joints


class Trial:
    """Runs a policy on rows of ticks, in buffers of its own, and compares its targets.

    Args:
        policy: the policy to try.
        loop: the loop whose driving policy it is compared with.

    Raises:
        ContractError: the policy does not fit the robot or the loop.
    """

    def __init__(self, policy: Policy, loop: ControlLoop) -> None:
        self.policy = policy
        robot, fusion = loop.robot.description, loop.fusion
        self._values: Array = np.zeros(_floats(loop.last_tick, len(robot.joint_names)), np.float32)
        parts = [robot.sample_size, *(s.size for s in fusion.provides)]
        parts += [loop.controller.command.size, len(robot.joint_names), len(robot.joint_names)]
        sample, *estimates, command, followed, target = np.split(
            self._values, np.cumsum(parts)[:-1]
        )
        signals = robot.split(sample)
        signals |= {s.name: values[None] for s, values in zip(fusion.provides, estimates)}
        self._command, self._followed, self._target = command, followed, target
        self._before = followed.copy()  # the driver's action in the tick before
        self._controller = loop.controller_for(policy, signals)
        self._joints = robot.joint_names
        self._share = loop.budget.infer_limit
        self._squares = np.zeros(len(self._joints))
        self._largest = np.zeros(len(self._joints))
        self._took = LatencyHistogram()
        self._tick = -1  # number of the tick before; -1 before the first
        self._history = max((t.history for t in policy.contract.observations), default=1)
        self._incomparable = 0  # ticks until the whole observed history is the driver's
        self.ticks, self.lost, self.not_finite, self.clipped, self.over_share = 0, 0, 0, 0, 0
        self.failure = ""

    def take(self, row: bytes) -> None:
        """Runs the policy on a tick's row."""
        tick, step, observed, drove, was_reset = _HEAD.unpack_from(row)
        self._values[:] = np.frombuffer(row, np.float32, offset=_HEAD.size)
        controller = self._controller
        if tick <= self._tick:
            self._tick = -1  # the session has started anew, and counts its ticks from 0 again
        if tick != self._tick + 1 or self._tick < 0:
            self.lost += tick - self._tick - 1 if self._tick >= 0 else 0
            controller.restart()
            self._incomparable = self._history
        if was_reset:
            controller.restart()
        else:
            controller.set_last_action(self._before)
        controller.step[:] = step
        if observed:
            self._try(controller, drove)
        self._tick = tick
        self._before[:] = self._followed

    def comparison(self) -> Comparison:
        """Compares the ticks so far."""
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
        """Runs the loop's inference stage on this policy; compares its target with the sent one."""
        began = time.monotonic_ns()
        # A copy, because the controller takes an array that it has seen for the same command.
        controller.set_command(self._command.copy())
        finite = controller.observe()
        if not finite:
            return  # the fault lies in the sensors, not in the policy
        largest = controller.infer()
        took = time.monotonic_ns() - began
        self._took.record(took)
        self.over_share += took > self._share
        if not np.isfinite(largest):
            self.not_finite += 1
            return
        self.clipped += largest > 1
        if self._incomparable:
            self._incomparable -= 1
        elif drove:
            difference = np.abs(controller.target().astype(np.float64) - self._target)
            self._squares += difference**2
            np.maximum(self._largest, difference, out=self._largest)
            self.ticks += 1
