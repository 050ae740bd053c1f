"""Provides a loop over the small robot that is ticked by hand."""

import numpy as np

from edge_runtime.fusion import Fusion
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.budget import BudgetConfig
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Fault, Reaction, Rule
from tests.edge_runtime.leg import (
    BURST,
    LegRobot,
    ManualClock,
    make_contract,
    make_model,
)

PERIOD = 20_000_000  # ns


class Bench:
    """A loop over the small robot that is ticked by hand, a period each."""

    def __init__(
        self,
        rules: tuple[Rule, ...] | None = None,
        robot: LegRobot | None = None,
        fusion: Fusion | None = None,
        budget: BudgetConfig | None = None,
    ) -> None:
        self.robot, self.clock = robot or LegRobot(), ManualClock()
        self.loop = ControlLoop(
            Policy(make_model(make_contract())),
            self.robot,
            fusion or AttitudeFusion(0.02, BURST),
            LoopConfig(budget or BudgetConfig(), rules=rules),
            self.clock,
        )

    def tick(self, times: int = 1, missed: int = 0) -> Reaction:
        for _ in range(times):
            self.clock.now += PERIOD * (1 + missed)
            reaction = self.loop.tick(missed)
        return reaction

    def fault(self) -> Fault:
        """The fault that was found first."""
        guard = self.loop.guard
        found = [
            (first, rule.fault)
            for rule, first in zip(guard.rules, guard.first_tripped)
            if first is not None
        ]
        return min(found)[1]

    @property
    def target(self) -> np.ndarray:
        return self.robot.commands[-1].target

    @property
    def mode(self) -> Mode:
        return self.robot.commands[-1].mode


def assert_comes_to_rest(bench: Bench) -> None:
    """A controlled stop: small steps to the default pose, then limp, and it stays so."""
    before = bench.target.copy()
    for _ in range(50):
        assert bench.mode is Mode.RUN
        assert bench.tick() is Reaction.STOP
        assert np.abs(bench.target - before).max() < 0.05
        before = bench.target.copy()
        if bench.loop.safe.at_rest:
            break
    bench.tick(5)
    np.testing.assert_allclose(bench.target, [0.0, 0.1, 0.2], atol=1e-6)
    assert bench.mode is Mode.DAMP
    assert (bench.robot.commands[-1].stiffness == 0).all()
    assert (bench.robot.commands[-1].damping > 0).all()
    assert bench.loop.safe.at_rest


def asked(bench: Bench) -> list[float]:
    values: list[float] = bench.loop.controller.command[0].tolist()
    return values
