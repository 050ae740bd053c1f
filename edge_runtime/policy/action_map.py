"""Maps the network's output to actuator targets: N rows in the simulator, one on the robot."""

from collections.abc import Sequence

import numpy as np

from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Array


class ActionMap:
    """Maps actions to clipped actions and to actuator targets, for N rows.

    The arithmetic is elementwise on float32, so one row alone gives the same bits as among many.
    """

    def __init__(self, actuators: Sequence[Actuator], action_clip: float) -> None:
        def of(attribute: str) -> Array:
            return np.array([getattr(a, attribute) for a in actuators], np.float32)

        self.default = of("default")  # target at action 0, (A,)
        self.scale = of("action_scale")
        self.lower = of("lower")
        self.upper = of("upper")
        self.action_clip = np.float32(action_clip)

    def clip(self, action: Array, out: Array | None = None) -> Array:
        """Clips actions, (N, A), to ±action_clip; NaN stays NaN."""
        # np.clip takes four times as long.
        clipped: Array = np.maximum(action, -self.action_clip, out=out)
        np.minimum(clipped, self.action_clip, out=clipped)
        return clipped

    def target(self, clipped: Array) -> Array:
        """Returns `default + scale * clipped` within the actuators' limits, (N, A), rad, rad/s."""
        target: Array = np.multiply(clipped, self.scale)
        target += self.default
        np.maximum(target, self.lower, out=target)
        np.minimum(target, self.upper, out=target)
        return target
