"""Provides a bench whose robot is driven by the policy."""

import pytest

from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Reaction
from tests.edge_runtime.safety.bench import Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    assert bench.tick(10) is Reaction.NONE
    assert bench.mode is Mode.RUN
    return bench
