"""Reads recorded logs of measurements, with a reference where there is one; one reader a format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_runtime.fusion.measurement import Measurement
from edge_runtime.signals import Float


@dataclass(frozen=True)
class Reference:
    """Holds the truth, or a far better measurement; NaN where unknown; frames as in
    `measurement`."""

    stamp: Float  # (K,) s, on the measurements' clock, growing
    attitude: Float  # (K, 4) body to world, wxyz
    velocity: Float  # (K, 3) m/s, world frame
    position: Float  # (K, 3) m, world frame


@dataclass(frozen=True)
class Log:
    """Holds a recording of measurements in the order in which an estimator gets them."""

    measurements: Sequence[Measurement]  # in the order in which they arrived
    arrivals: Float  # (M,) s, when each did, on the clock of the stamps
    reference: Reference | None = None
    name: str = ""
    estimator: str = ""  # that it is meant for; empty to choose by its measurements
    config: Any = None  # that estimator's config for this robot; None for the defaults
    north: bool = True  # whether the reference has the heading and place of magnetometer and GNSS
    mounting: tuple[float, ...] = ()  # as in `ImuCheckConfig`, if readings were turned by it
    notes: tuple[str, ...] = ()  # what is wrong with the recording itself, a line each
