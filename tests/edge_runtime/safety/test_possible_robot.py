"""A robot's impossible samples do not reach the loop; what it does in motion does."""

import re

import numpy as np
import pytest

from edge_runtime.fusion.wheeled.config import WheeledConfig, WheeledRobotConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig
from edge_runtime.robot.robot import RehearsingRobot, RobotDescription, Sample
from edge_runtime.safety.possible_robot import PossibleRobot
from edge_runtime.signals import Signal
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


@pytest.mark.parametrize(
    ("signal", "values", "said"),
    [
        (Signal("lidar", 3, "m"), [5000.0, 4000.0, 6000.0], "reach 5e.03 m, .* 25 m at most"),
        (Signal("lidar", 3, "m"), [0.0, 0.0, 0.0], "every beam reads 0 m"),
        (Signal("lidar", 3, "m"), [-1.0, 2.0, 2.0], "a beam reads -1 m"),
        (Signal("foot_force", 2, "N"), [0.0, -4e3], "the ground pulls it with 4e.03 N"),
        (Signal("gnss_velocity", 3, "m/s"), [2300.0, 0.0, 0.0], "moves at 2.3e.03 m/s"),
        (Signal("attitude", 4, "1"), [0.0, 0.0, 0.0, 0.0], "its attitude has the length 0"),
    ],
)
def test_other_sensors_are_judged_too(signal: Signal, values: list[float], said: str) -> None:
    class One(LegRobot):
        def read(self) -> Sample | None:
            return Sample(1, 0.02, np.array(values, np.float32))

    robot = One()
    lidar = LidarOdometryConfig(max_range=25.0)
    wheeled = WheeledRobotConfig(WheeledConfig(), 0.2, lidar=lidar)
    robot.description = RobotDescription("one", (), (signal,), wheeled=wheeled)
    judged = PossibleRobot(robot, (), 0.02)
    assert judged.read() is None
    assert re.search(said, judged.complaint)


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
