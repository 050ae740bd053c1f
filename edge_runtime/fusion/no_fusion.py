"""Stands in for the estimator of a robot that gives every signal itself, such as an IMU with an
AHRS."""

from collections.abc import Mapping, Sequence

import numpy as np

from edge_runtime.fusion.estimate import Estimate
from edge_runtime.signals import Array, Signal, Signals


class NoFusion:
    """Provides nothing; the robot's own signals reach the policy as they are."""

    reads: tuple[Signal, ...] = ()
    provides: tuple[Signal, ...] = ()
    lost = False
    states: Sequence[Estimate] = ()

    def __init__(self) -> None:
        self.estimates: Mapping[str, Array] = {}

    @property
    def reason(self) -> str:
        return ""

    def reset(self, rows: np.ndarray | None = None) -> None:
        pass

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        return self.estimates

    def close(self) -> None:
        pass
