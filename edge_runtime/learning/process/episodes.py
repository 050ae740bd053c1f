"""Makes rows of experience of the ticks that the control loop feeds."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.experience.layout import Flag
from edge_runtime.learning.feed.feed_layout import FeedLayout, FeedRows, State
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.learning.tier import Rows
from edge_runtime.policy.binding import PER_JOINT
from edge_runtime.signals import (
    COMMAND,
    CONTROL_STEP,
    LAST_ACTION,
    RESTARTS,
    Array,
    Bool,
)

_BACK = 2  # steps that the reward's terms look back


@dataclass(frozen=True)
class Experience:
    """Holds rows, and which policy drove in each."""

    rows: Rows
    policy: "np.typing.NDArray[np.uint64]"  # (T,) as `tag_of` names it


class Episodes:
    """Turns ticks into control steps: what a step led to is known with the tick after it.

    Args:
        layout: how a tick lies in memory.
        to_policy: where each joint of the policy stands in the robot's order.
        reward: computes the parts of the reward; None for none.
    """

    def __init__(
        self, layout: FeedLayout, to_policy: tuple[int, ...], reward: OnboardReward | None
    ) -> None:
        self._layout, self._reward = layout, reward
        self._to_policy = np.array(to_policy, np.intp)
        self._before: FeedRows = np.zeros(0, layout.dtype)  # the last ticks, and how many of
        self._known = 0  # them are steps that were given out

    def take(self, ticks: FeedRows) -> Experience:
        """Returns the steps that are complete with these ticks, in which a policy drove."""
        joined = np.concatenate([self._before, ticks])
        first, count = self._known, max(len(joined) - 1, 0)
        self._before = joined[-(_BACK + 1) :].copy()
        self._known = max(len(self._before) - 1, 0)
        values = self._layout.split(joined["values"])
        goes_on = _goes_on(joined)
        drove = joined["state"] & State.DROVE != 0
        flags = self._flags(joined, values, goes_on, drove)
        signals = self._signals(values)
        action = values["action"][:, self._to_policy]
        parts = self._parts(signals, action, values, goes_on & drove[:count], flags)
        kept = np.flatnonzero(drove[:count] & np.isfinite(parts).all(axis=1))
        kept = kept[kept >= first]
        rows = Rows(
            number=joined["number"][kept].astype(np.int64),
            flags=flags[kept],
            observation=values["observation"][kept],
            action=action[kept],
            log_prob=joined["log_prob"][kept],
            target=values["target"][kept][:, self._to_policy],
            signals={name: of[kept] for name, of in signals.items()},
            reward=parts[kept],
        )
        return Experience(rows, joined["policy"][kept])

    def _flags(
        self, ticks: FeedRows, values: dict[str, Array], goes_on: Bool, drove: Bool
    ) -> "np.typing.NDArray[np.uint8]":
        fell = ~drove[1:] & (ticks["state"][1:] & State.FELL != 0)
        if (restarts := values.get(f"sensed {RESTARTS}")) is not None:
            fell |= np.diff(restarts[:, 0]) != 0
        in_order = np.diff(ticks["count"].astype(np.int64)) == 1
        ended = drove[:-1] & in_order & fell
        same = ticks["policy"][1:] == ticks["policy"][:-1]
        cut = ~ended & ~(goes_on & drove[1:] & same)
        return (ended * np.uint8(Flag.END) + cut * np.uint8(Flag.CUT)).astype(np.uint8)

    def _signals(self, values: dict[str, Array]) -> dict[str, Array]:
        """Returns what was sensed and estimated, by signal, and the command; joints in order."""
        layout, signals = self._layout, dict[str, Array]()
        for kind, of in (("sensed", layout.sensed), ("estimated", layout.estimated)):
            for signal in of:
                found = values[f"{kind} {signal.name}"]
                per_joint = signal.name in PER_JOINT
                signals[signal.name] = found[:, self._to_policy] if per_joint else found
        return signals | {COMMAND: values["command"]}

    def _parts(
        self,
        signals: dict[str, Array],
        action: Array,
        values: dict[str, Array],
        goes_on: Bool,
        flags: "np.typing.NDArray[np.uint8]",
    ) -> Array:
        """Returns the parts of each step's reward, (T - 1, r): by what the next tick sensed."""
        count = len(flags)
        if self._reward is None or not count:
            return np.zeros((count, 0), np.float32)
        sensed = {name: of[1:] for name, of in signals.items()}
        sensed |= {COMMAND: values["command"][:-1], LAST_ACTION: action[:-1]}
        sensed |= {CONTROL_STEP: values["control_step"][1:]}
        first = np.ones(count, bool)
        first[1:] = ~goes_on[:-1]
        steps = Steps(sensed, first, flags & Flag.END != 0)
        return self._reward.parts(steps).astype(np.float32)


def _goes_on(ticks: FeedRows) -> Bool:
    """Returns which ticks but the last are followed by the next one, without a gap or a reset."""
    following = ticks[1:]
    in_order = np.diff(ticks["count"].astype(np.int64)) == 1
    in_order &= np.diff(ticks["number"]) == 1
    found: Bool = in_order & (following["missed"] == 0) & (following["state"] & State.RESET == 0)
    return found
