"""Describes how a tick lies in the memory that the control loop shares with the learner."""

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import setting
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.signals import Signal

FeedRows = npt.NDArray[np.void]  # structured, with the dtype of a layout


class State(IntFlag):
    """Names what a bit of a tick's state says."""

    DROVE = 1
    """The policy's target was sent."""
    RESET = 2
    """The estimator was reset before, so the tick goes on from no other."""
    FELL = 4
    """The robot tilted further than it may."""


@dataclass(frozen=True)
class FeedLayout:
    """Describes the ticks of one robot under policies of one kind; joints are in its own order."""

    observation: int = setting(sentence="Numbers of an observation.", above=0)
    action: int = setting(sentence="Numbers of an action.", above=0)
    command: int = setting(sentence="Numbers of the operator's command.", at_least=0)
    sensed: tuple[Signal, ...] = ()
    """The robot's signals."""
    estimated: tuple[Signal, ...] = ()
    """What the estimator provides."""
    capacity: int = setting(3000, "Ticks that the memory holds.", at_least=2, at_most=1_000_000)

    @classmethod
    def of(cls, loop: ControlLoop, seconds: float) -> "FeedLayout":
        """Returns the layout of a loop's ticks.

        Args:
            loop: the loop.
            seconds: how far the learner may lag behind it, s.
        """
        contract = loop.controller.contract
        return cls(
            observation=contract.observation_size,
            action=len(contract.actuators),
            command=len(contract.commands),
            sensed=loop.robot.description.signals,
            estimated=tuple(loop.fusion.provides),
            capacity=max(8, round(seconds * 1e9 / loop.period)),
        )

    @property
    def parts(self) -> dict[str, int]:
        """Returns the sizes of what a tick's values are joined of, in order."""
        return {
            "observation": self.observation,
            "action": self.action,
            "target": self.action,
            "command": self.command,
            "control_step": 1,
            **{f"sensed {signal.name}": signal.size for signal in self.sensed},
            **{f"estimated {signal.name}": signal.size for signal in self.estimated},
        }

    @property
    def size(self) -> int:
        """Returns how many values a tick has."""
        return sum(self.parts.values())

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Returns the dtype of a tick in memory.

        `count` numbers the ticks from 1, `sum` is a checksum of all that follows it, `policy` the
        beginning of the SHA-256 of the one that drove, and `missed` counts the periods that were
        skipped right before.
        """
        return np.dtype(
            [
                ("count", "<u8"),
                ("sum", "<u4"),
                ("state", "<u4"),
                ("number", "<i8"),
                ("policy", "<u8"),
                ("log_prob", "<f4"),
                ("missed", "<u4"),
                ("values", "<f4", (self.size,)),
            ]
        )

    def split(self, values: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Returns views of ticks' values, (T, size), by the name of the part."""
        ends = np.cumsum([*self.parts.values()])
        return dict(zip(self.parts, np.split(values, ends[:-1], axis=1), strict=True))


def tag_of(sha256: str) -> int:
    """Returns the number by which a tick names the policy that drove."""
    return int(sha256[:16], 16)
