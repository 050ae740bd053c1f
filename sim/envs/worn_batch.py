"""Simulates N robots that are worn in N ways, another way in each episode."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edge_runtime.signals import Float, Rows
from sim.engines.engine import Engine
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.wear import FIELDS, Wear
from sim.tasks.task import TaskConfig


class WornBatch(TaskVectorEnv):
    """Steps a batch of simulations whose robots wear differently, in MuJoCo.

    Args:
        task: what to simulate, randomized; its own wear is that of all.
        num_envs: N.
        draw: draws the wear of a robot at the start of each episode; it leaves the motors'
            strength alone.
        seed: the seed of everything random.
        options: as those of `TaskVectorEnv`.

    Attributes:
        wears: how each robot is worn now, (N,).
    """

    def __init__(
        self,
        task: TaskConfig,
        num_envs: int,
        draw: Callable[[np.random.Generator], Wear],
        *,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self._draw_wear = draw
        self._wear_rng = np.random.default_rng([seed, num_envs])
        self.wears = [Wear()] * num_envs
        super().__init__(task, num_envs, seed=seed, **options)

    def _draw_robots(self, rows: Rows) -> None:
        super()._draw_robots(rows)
        engine, task = self.engine, self.config
        for name in FIELDS:
            if name not in _DRAWN:
                engine.field(name)[rows] = getattr(engine.model, name)
        for row in rows.tolist():
            self.wears[row] = wear = self._draw_wear(self._wear_rng)
            wear.apply(engine.model, task.robot, task.ground, partial(_field, engine, row))


# What the randomization draws anew in any case.
_DRAWN = ("actuator_biasprm", "actuator_gainprm", "body_inertia", "body_mass", "geom_friction")


def _field(engine: Engine, row: int, name: str) -> Float:
    field: Float = engine.field(name)[row]
    return field
