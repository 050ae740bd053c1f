"""Defines trotting as commanded, with an observation and a reward of its own."""

from dataclasses import dataclass
from typing import ClassVar

from edge_runtime.observation.builder import TermConfig
from edge_runtime.signals import Float
from my_robot import terms  # noqa: F401  registers the term
from my_robot.robot import pup
from sim.robots.robot import SimRobot
from sim.tasks import TASKS
from sim.tasks.walking.config import WalkingConfig
from sim.tasks.walking.rewards import WalkingRewards, reward
from sim.tasks.walking.state import WalkingState


@reward
def even_load(now: WalkingState) -> Float:
    """Sums how much more than 60 % of the weight each foot carries, in weights."""
    beyond = now.xp.maximum(now.foot_force / now.robot.weight - 0.6, 0.0)
    return now.xp.sum(beyond, axis=1)


@dataclass(frozen=True)
class PupRewards(WalkingRewards):
    """Weighs the terms of walking, and the one above."""

    foot_flat: float = 0.0  # its feet are points
    even_load: float = -0.5


@TASKS.register("PupTrot")
@dataclass(frozen=True)
class PupTrot(WalkingConfig):
    """Trot at a commanded forward, lateral and yaw velocity."""

    name: ClassVar[str] = "PupTrot"

    action_scale: float = 0.25
    gait_steps: int = 24
    swing_height: float = 0.06
    rewards: PupRewards = PupRewards()

    @property
    def robot(self) -> SimRobot:
        return pup(self.action_scale)

    @property
    def observations(self) -> tuple[TermConfig, ...]:
        return (*super().observations, TermConfig("feet_load", params={"half": 20.0}))
