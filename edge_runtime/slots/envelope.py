"""Bounds what a policy that is tried may do, more tightly than the guard does."""

import math
from dataclasses import dataclass

from edge_runtime.config.fields import setting
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.safety.rules import MEASURES, Fault

# Faults of sensors and operator, which no policy causes.
OF_OTHERS = (
    *(Fault.STALE, Fault.FROZEN, Fault.SENSOR_NOT_FINITE, Fault.OBSERVATION_NOT_FINITE),
    *(Fault.SENSE_OVER_BUDGET, Fault.FUSE_OVER_BUDGET, Fault.GUARD_OVER_BUDGET),
    Fault.ACT_OVER_BUDGET,
)


@dataclass(frozen=True)
class EnvelopeConfig:
    """Sets how far a policy that is tried may go before the one before it drives again."""

    tilt_share: float = setting(
        0.7, "The largest tilt, as a share of the contract's max_tilt.", above=0, at_most=1
    )
    lean: float = setting(
        0.18,
        "How far the robot may tilt, as predicted, beyond the most that it did under the policy "
        "before.",
        "rad",
        above=0,
        at_most=4,
    )
    look_ahead: float = setting(
        0.2, "How far ahead the tilt is predicted from its rate.", "s", at_least=0, at_most=2
    )
    action: float = setting(
        1.5,
        "The largest action that is followed, as a multiple of the contract's clip.",
        above=0,
        at_most=1e6,
    )


class Envelope:
    """Follows the robot's tilt, and finds what has left the envelope.

    Args:
        config: how wide it is.
        loop: the loop whose guard measures the tilt.
    """

    def __init__(self, config: EnvelopeConfig, loop: ControlLoop) -> None:
        self._config, self._guard = config, loop.guard
        self._ahead = config.look_ahead / (loop.period * 1e-9)  # periods
        self._largest_tilt = config.tilt_share * loop.controller.contract.max_tilt  # rad
        self._known = 0.0  # rad, the largest predicted tilt under the policy before
        self._tilt, self._predicted = math.nan, 0.0  # rad

    def follow(self, tick: Tick) -> None:
        """Predicts the tilt from its change since the tick before; call it in each tick."""
        tilt = self._guard.measures[Fault.TILT]
        before = tilt if math.isnan(self._tilt) else self._tilt
        turned = (tilt - before) / (1 + tick.missed)
        self._tilt, self._predicted = tilt, tilt + self._ahead * max(0.0, turned)

    def widen(self) -> None:
        """Lets the robot tilt as far as it does now, under the policy that is trusted."""
        self._known = max(self._known, self._predicted)

    def left(self) -> str:
        """Returns why the robot has left the envelope; empty if it has not."""
        if not self._tilt <= self._largest_tilt:
            return f"{self._tilt:.2f} rad from upright, {self._largest_tilt:.2f} are allowed"
        limit = self._known + self._config.lean
        if not self._predicted <= limit:
            return (
                f"{self._predicted:.2f} rad from upright in {self._config.look_ahead:g} s, "
                f"{limit:.2f} are allowed"
            )
        return ""


def described(action: float) -> str:
    """Says what was wrong with an action, the largest of a tick as a multiple of the clip."""
    if math.isfinite(action):
        return f"an action of {action:.3g} times the clip"
    return "an action that is not finite"


def trips(tick: Tick) -> list[Fault]:
    """Returns the faults to which the guard reacts in a tick."""
    return [rule.fault for rule in tick.broken if rule.reaction]


def is_slow(tick: Tick) -> bool:
    """Returns whether the network takes more than its budget so often that the guard warns."""
    return any(rule.fault is Fault.INFER_OVER_BUDGET for rule in tick.broken)


def named(fault: Fault) -> str:
    """Describes a fault to which the guard has reacted."""
    return f"the guard reacted: {MEASURES[fault]}"
