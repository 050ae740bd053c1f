"""Declares the protocol of what learns from a robot's experience, and what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.signals import Array, Index


@dataclass(frozen=True)
class Rows:
    """Holds consecutive control steps of one robot, T of them.

    Actions and targets are in the policy's order; the signals are those of the robot.
    """

    number: Index  # (T,) of the tick
    flags: npt.NDArray[np.uint8]  # (T,) bits of `edge_runtime.experience.layout.Flag`
    observation: Array  # (T, n)
    action: Array  # (T, A) as sampled and clipped
    log_prob: Array  # (T,)
    target: Array  # (T, A) that was sent in the tick, rad or rad/s
    signals: Mapping[str, Array]  # (T, size) each: sensed, estimated, and the command


@dataclass(frozen=True)
class Proposal:
    """Proposes another policy to the robot."""

    model: bytes  # a complete policy file
    why: str  # one line for people
    numbers: Mapping[str, float]  # what was changed, by name


class Tier(Protocol):
    """Learns from rows of experience and proposes policies, in the learner's process."""

    name: str

    def take(self, rows: Rows) -> Proposal | None:
        """Takes in the rows of the last second or so; may compute for seconds.

        Returns:
            A policy to try, or None.
        """
        ...

    def judged(self, proposal: Proposal, good: bool, why: str) -> None:
        """Hears what became of a proposal."""
        ...

    def driver(self, model: bytes) -> None:
        """Hears which policy drives from the next rows on."""
        ...

    def progress(self) -> Mapping[str, float | str]:
        """Returns what people see, by name."""
        ...

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs: arrays and numbers by name."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        ...
