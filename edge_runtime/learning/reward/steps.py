"""Holds consecutive control steps of a robot, as the reward's terms read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.signals import Bool, Float


@dataclass(frozen=True)
class Steps:
    """Holds T control steps, one after another: what was sensed when each was over.

    A step's signals are those of the next tick, before the policy acts in it: `last_action` is
    what the policy did in the step, and `control_step` counts it. Joints are in the policy's order.
    """

    signals: Mapping[str, Any]  # (T, size) each
    first: Bool  # (T,), which steps are the first of an episode, or come after a gap
    ended: Bool  # (T,), in which steps the robot fell or crashed

    def __len__(self) -> int:
        return len(self.first)

    def signal(self, name: str) -> Float:
        """Returns a signal in double precision, (T, size)."""
        return np.asarray(self.signals[name], np.float64)

    def change(self, values: Float) -> Float:
        """Returns by how much values (T, n) changed since the step before, 0 in a first one."""
        changed = np.zeros_like(values)
        changed[1:] = np.diff(values, axis=0)
        changed[self.first] = 0.0
        if len(values):
            changed[0] = 0.0  # nothing is known of the step before
        return changed
