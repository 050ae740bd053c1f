"""Delay and torque-speed limits, as the physics sees them."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engines.actuators import CORNER_SPEED, Actuators
from sim.engines.mujoco_cpu import MujocoEngine
from sim.robots.humanoid import humanoid

ROBOT = humanoid(0.3)
MODEL = mujoco.MjModel.from_xml_path(str(ROBOT.model))
COUNT = len(ROBOT.actuators)
SPEEDS = tuple(f"{a.name}_vel" for a in ROBOT.actuators)


@pytest.fixture(scope="module")
def engine() -> MujocoEngine:
    return MujocoEngine(MODEL, 3, substeps=4, threads=1)


@settings(max_examples=25)
@given(delays=st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_a_target_arrives_after_its_delay(engine: MujocoEngine, delays: list[int]) -> None:
    actuators = Actuators(engine, ROBOT.actuators)
    old, new = np.zeros(COUNT, np.float32), np.ones((3, COUNT), np.float32)
    actuators.reset(np.arange(3), old)
    actuators.delay[:] = delays
    control = actuators.control(new)
    for row, delay in enumerate(delays):
        np.testing.assert_array_equal(control[row, :, 0], [k >= delay for k in range(4)])
    # A delay of a whole period: the next period starts with this target.
    np.testing.assert_array_equal(actuators.control(2 * new)[:, 0, 0] < 2, np.array(delays) > 0)


@pytest.mark.parametrize(("share", "forward", "backward"), [(0.0, 1, 1), (1.0, 0, 1), (0.5, 1, 1)])
def test_torque_falls_to_nothing_at_the_speed_limit(
    engine: MujocoEngine, share: float, forward: float, backward: float
) -> None:
    actuators = Actuators(engine, ROBOT.actuators, SPEEDS)
    actuators.reset(np.arange(3), np.zeros(COUNT, np.float32))
    columns = engine.columns(*SPEEDS)
    engine.sensordata[:, columns] = share * np.array([a.max_velocity for a in ROBOT.actuators])
    actuators.limit_torque()
    limits = engine.field("actuator_forcerange")
    full = np.array([a.max_effort for a in ROBOT.actuators])
    np.testing.assert_allclose(limits[0, :, 1], forward * full, atol=1e-9)
    np.testing.assert_allclose(limits[0, :, 0], -backward * full, atol=1e-9)
    assert 0 < CORNER_SPEED < 1


def test_a_weak_motor_has_less_torque(engine: MujocoEngine) -> None:
    actuators = Actuators(engine, ROBOT.actuators, SPEEDS)
    engine.sensordata[:] = 0
    actuators.strength[1] = 0.5
    actuators.reset(np.arange(3), np.zeros(COUNT, np.float32))
    actuators.limit_torque()
    limits = engine.field("actuator_forcerange")[:, :, 1]
    np.testing.assert_allclose(limits[1], 0.5 * limits[0])
