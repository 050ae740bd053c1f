"""A loop over the small robot, to be ticked by hand."""

import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model


@pytest.fixture
def robot() -> LegRobot:
    return LegRobot()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loop(robot: LegRobot, clock: ManualClock) -> ControlLoop:
    policy = Policy(make_model(make_contract()))
    return ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), LoopConfig(), clock)
