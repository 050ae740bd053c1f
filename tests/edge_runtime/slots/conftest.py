"""Provides a loop with a policy in shadow."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.slots.policy_slots import PolicySlots
from tests.edge_runtime.leg import LegRobot
from tests.edge_runtime.slots.shadowing import EVERY, Swinging, make_session


@pytest.fixture
def shadowed() -> Iterator[tuple[ControlLoop, LegRobot, PolicySlots]]:
    """A loop to be ticked by hand, and its slots."""
    robot = Swinging()
    session = make_session(robot)
    with closing(PolicySlots(session, EVERY)) as slots:
        yield session.loop, robot, slots
