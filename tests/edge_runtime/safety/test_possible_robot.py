"""A robot's impossible samples do not reach the loop; what it does in motion does."""

import numpy as np
import pytest

from edge_runtime.robot.robot import RehearsingRobot
from edge_runtime.safety.possible_robot import PossibleRobot
from tests.edge_runtime.leg import LegRobot, make_contract


@pytest.fixture
def judged(robot: LegRobot) -> PossibleRobot:
    contract = make_contract()
    return PossibleRobot(robot, contract.actuators, contract.control_period)


def test_a_possible_sample_passes_as_it_is(judged: PossibleRobot, robot: LegRobot) -> None:
    for position in np.linspace(-1.0, 1.0, 50):
        robot.values["joint_pos"][:] = position
        sample = judged.read()
        assert sample is not None
        assert sample.sequence == robot.sequence
    assert (judged.refused, judged.complaint) == (0, "")


def test_a_stray_sample_counts_as_none_and_the_next_one_passes(
    judged: PossibleRobot, robot: LegRobot
) -> None:
    assert judged.read()
    robot.values["joint_pos"][0, 1] = 57.3
    assert judged.read() is None
    robot.dead = True  # the same sample again, which is counted once
    assert judged.read() is None
    assert judged.described() == (
        "1 sample that cannot be; joint 'knee' is at 57.3 rad, far outside its range of -1 to 1"
    )
    robot.dead = False
    robot.values["joint_pos"][0, 1] = 0.0
    assert judged.read()
    assert (judged.refused, judged.complaint) == (1, "")


def test_a_gyroscope_in_degrees_is_named(judged: PossibleRobot, robot: LegRobot) -> None:
    assert judged.read()
    robot.live_imu = False
    robot.values["imu_gyro"][:] = [0.0, 0.0, 90.0]
    assert judged.read() is None
    assert "it turns at 90 rad/s; is that deg/s?" in judged.complaint


def test_a_robot_that_rehearses_goes_on_rehearsing(robot: LegRobot) -> None:
    class Rehearsing(LegRobot):
        def rehearse(self) -> None:
            self.rehearsed = True

    contract, rehearsing = make_contract(), Rehearsing()
    judged = PossibleRobot(rehearsing, contract.actuators, contract.control_period)
    assert isinstance(judged, RehearsingRobot)
    judged.rehearse()
    assert rehearsing.rehearsed
    assert not isinstance(
        PossibleRobot(robot, contract.actuators, contract.control_period), RehearsingRobot
    )
