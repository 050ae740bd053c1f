"""Loads a robot's arms: a mass in a hand, or joints that are off their target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import Range, setting
from edge_runtime.errors import UserError
from edge_runtime.signals import Rows
from sim.engines.engine import Engine
from sim.tasks.randomization import add_mass


@dataclass(frozen=True)
class ArmConfig:
    """Sets a load that a hand carries in half of the episodes, and arms off their target in
    others."""

    hand_mass: Range = setting((0.0, 0.0), "Load in one hand.", "kg", at_least=0)
    offset: float = setting(0.0, unit="rad", at_least=0)
    """Offset of each arm joint's target, to either side."""


class Arms:
    """Loads the arms of N simulations.

    Args:
        config: loads and offsets to draw from.
        engine: whose model fields are written.
        hands: bodies that carry.
        joints: actuators of the arms, by number.
        rng: draws everything.
    """

    def __init__(
        self,
        config: ArmConfig,
        engine: Engine,
        hands: Sequence[str],
        joints: Sequence[int],
        rng: np.random.Generator,
    ) -> None:
        self._config, self._engine, self._rng = config, engine, rng
        self._hands = np.array([engine.model.body(name).id for name in hands], np.intp)
        self._joints = np.array(joints, np.intp)
        self._free = config.offset == 0.0 and max(config.hand_mass) == 0.0
        if not (self._free or (hands and joints)):
            raise UserError("--task.arms is for robots with arms and hands; leave it out")

    def draw(self, rows: Rows) -> None:
        """Draws the loads of new episodes, whose bodies are as new; derived constants must then be
        set."""
        if self._free:
            return
        config, engine, rng, count = self._config, self._engine, self._rng, len(rows)
        carries = rng.uniform(size=count) < 0.5
        hand = self._hands[rng.integers(len(self._hands), size=count)]
        add_mass(engine, rows, hand, rng.uniform(*config.hand_mass, count) * carries)
        offset = rng.uniform(-config.offset, config.offset, (count, len(self._joints)))
        offset[carries] = 0.0
        at = np.ix_(rows, self._joints)
        gain = engine.field("actuator_gainprm")[at][..., 0]
        bias = engine.field("actuator_biasprm")
        bias[rows[:, None], self._joints, 0] = gain * offset  # as another target would
