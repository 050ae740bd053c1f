"""Describes the rows of experience: what was observed, done and rewarded in a tick."""

import re
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError

Rows = npt.NDArray[np.void]  # structured, with the dtype of a layout
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST = 10_000  # numbers of an observation or action


class Flag(IntFlag):
    """Names what a bit of a row's flags says."""

    END = 1
    """The robot fell, crashed or reached its end in this tick: no value comes after it."""
    CUT = 2
    """The episode was cut off after this tick: by a reset, another policy or missing rows."""
    CORRECTED = 4
    """A human or a safety controller sent another command than the sampled action's."""


@dataclass(frozen=True)
class Layout:
    """Describes rows of experience with one policy.

    Raises:
        UserError: the policy is no SHA-256, a size is out of bounds, or a part's name is there
            twice.
    """

    policy: str = setting(sentence="SHA-256 of the policy's file, hexadecimal.")
    robot: str = setting(sentence="Name of the robot that the policy drives.")
    observation: int = setting(
        sentence="Numbers of an observation.", unit="1", at_least=1, at_most=_MOST
    )
    action: int = setting(sentence="Numbers of an action.", unit="1", at_least=1, at_most=_MOST)
    reward: tuple[str, ...] = setting(sentence="Names of the reward's parts.")
    period: float = setting(
        0.0, "Control period; 0 if it is not known.", "s", at_least=0, at_most=10
    )

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.policy):
            raise UserError(f"policy '{self.policy[:80]}' is no SHA-256 in 64 hexadecimal digits")
        for name in ("observation", "action"):
            size = getattr(self, name)
            if not 1 <= size <= _MOST:
                raise UserError(f"an {name} has {size} numbers; it must have from 1 to {_MOST}")
        if len(set(self.reward)) != len(self.reward) or len(self.reward) > _MOST:
            raise UserError(f"the reward's parts must have different names, at most {_MOST}")

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Returns the dtype of a row.

        Its fields are `number` (the tick's, int64), `observation` (n,), `action` (a,), the sampled
        one, `log_prob`, its log-probability, `reward` (r,), a number for each part (all float32),
        and `flags` (uint8, bits of `Flag`).
        """
        return np.dtype(
            [
                ("number", "<i8"),
                ("observation", "<f4", (self.observation,)),
                ("action", "<f4", (self.action,)),
                ("log_prob", "<f4"),
                ("reward", "<f4", (len(self.reward),)),
                ("flags", "u1"),
            ]
        )
