"""Commands stay in their ranges, change when due, and say to stand as often as asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.tasks.velocity_commands import VelocityCommand, VelocityCommands

ROWS = 2000


def commands(config: VelocityCommand, seed: int = 0) -> tuple[VelocityCommands, np.ndarray]:
    signal = np.zeros((ROWS, 3), np.float32)
    drawn = VelocityCommands(config, signal, 0.02, np.random.default_rng(seed))
    drawn.reset(np.arange(ROWS))
    return drawn, signal


@settings(max_examples=20)
@given(
    forward=st.tuples(st.floats(-2, 0), st.floats(0, 2)),
    yaw=st.floats(0, 2),
    seed=st.integers(0, 99),
)
def test_commands_stay_in_range(forward: tuple[float, float], yaw: float, seed: int) -> None:
    _, signal = commands(VelocityCommand(forward=forward, yaw_rate=(-yaw, yaw)), seed)
    assert (signal[:, 0] >= forward[0] - 1e-6).all()
    assert (signal[:, 0] <= forward[1] + 1e-6).all()
    assert (np.abs(signal[:, 2]) <= yaw + 1e-6).all()


def test_the_asked_share_stands() -> None:
    _, signal = commands(VelocityCommand(standing=0.3, deadband=0.0))
    assert (signal == 0).all(axis=1).mean() == pytest.approx(0.3, abs=0.05)


def test_a_command_lasts_its_interval() -> None:
    drawn, signal = commands(VelocityCommand(interval=(1.0, 2.0)))
    first = signal.copy()
    for _ in range(49):
        drawn.advance()
    np.testing.assert_array_equal(signal, first)
    for _ in range(52):
        drawn.advance()
    moving = (first != 0).any(axis=1) | (signal != 0).any(axis=1)
    assert (signal != first).any(axis=1)[moving].all()
