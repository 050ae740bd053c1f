"""Declares the protocol of what learns from a robot's experience, and what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array, Index


@dataclass(frozen=True)
class Rows:
    """Holds consecutive control steps of one robot, T of them.

    Everything that belongs to joints is in the policy's order.
    """

    number: Index  # (T,) of the tick
    flags: npt.NDArray[np.uint8]  # (T,) bits of `edge_runtime.experience.layout.Flag`
    observation: Array  # (T, n)
    action: Array  # (T, A) as sampled and clipped
    log_prob: Array  # (T,)
    target: Array  # (T, A) that was sent in the tick, rad or rad/s
    signals: Mapping[str, Array]  # (T, size) each: sensed, estimated, and the command
    # (T, r) the parts of the on-board reward, not weighted; without a kit there are none
    reward: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@dataclass(frozen=True)
class Proposal:
    """Proposes another policy to the robot."""

    model: bytes  # a complete policy file
    why: str  # one line for people
    numbers: Mapping[str, float]  # what was changed, by name


class Tier(Protocol):
    """Learns from rows of experience and proposes policies, in the learner's process."""

    name: str
    needs_signals: bool
    """Whether it reads signals and targets, and so learns from the policy that drives alone. Else
    it takes rows of policies on trial too, and of the store, which has no signals."""

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


@dataclass(frozen=True)
class Start:
    """Holds what a tier is made of."""

    policy: Policy
    model: bytes  # the policy's file
    kit: LearnerKit | None
    seed: int

    def needed_kit(self, tier: str) -> LearnerKit:
        """Returns the kit.

        Raises:
            UserError: there is none.
        """
        if self.kit is None:
            raise UserError(
                f"tier '{tier}' needs a learner kit of this policy; make one with 'sim2edge export "
                "POLICY --kit FILE'"
            )
        return self.kit
