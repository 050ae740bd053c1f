"""Messages of several topics become samples that a control loop can trust."""

import dataclasses
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState

from edge_runtime.robot.sensors import Sensors
from sim2edge_ros.sensors.ros_robot import RosRobot, RosRobotConfig
from sim2edge_ros.settings import robot_file

PERIOD = 0.02
HUMANOID = robot_file.load("humanoid")
USED = frozenset(("imu_gyro", "imu_accel", "imu_burst", "joint_pos", "joint_vel"))
START = 10_000.0


class Driver:
    """Gives a robot its messages at the times it likes, without a network between."""

    def __init__(self, robot: RosRobot) -> None:
        self.robot = robot
        self.sources = {source.topic: source for source in robot.sources}
        self.rng = np.random.default_rng(0)
        self.shift = 0.0  # s, of the stamps from the node's clock
        self.delay = 0.0  # s, by which messages come late

    def give(self, topic: str, message: Any, stamp: float) -> None:
        reported = stamp + self.shift
        message.header.stamp.sec = math.floor(reported)
        message.header.stamp.nanosec = round((reported - math.floor(reported)) * 1e9)
        source = self.sources[topic]
        source._now = lambda: stamp + self.delay  # the node's clock is at the stamp
        source.take(serialize_message(message))

    def imu(self, stamp: float) -> None:
        message = Imu()
        message.header.frame_id = "imu"
        rate, force = message.angular_velocity, message.linear_acceleration
        rate.x, rate.y, rate.z = self.rng.normal(size=3)
        force.x, force.y, force.z = self.rng.normal((0, 0, 9.81))
        self.give("imu/data", message, stamp)

    def joints(self, stamp: float, value: float = 0.0, **fields: Any) -> None:
        names = list(HUMANOID.description.joint_names)
        values = {"position": [value] * 19, "velocity": [value] * 19} | fields
        self.give("joint_states", JointState(name=names, **values), stamp)

    def period(self, number: int, value: float = 0.0) -> None:
        """All messages of a control period, the last at its end."""
        end = START + number * PERIOD
        self.joints(end, value)
        for part in range(4):
            self.imu(end - (3 - part) * PERIOD / 4)


@pytest.fixture
def driver(node: Any) -> Iterator[Driver]:
    robot = RosRobot(node, HUMANOID, USED, RosRobotConfig(PERIOD), lambda command: None)
    yield Driver(robot)
    robot.close()  # or its thread goes on while the next test runs


def test_nothing_is_read_before_all_sensors_have_reported(driver: Driver) -> None:
    assert driver.robot.read() is None
    driver.joints(START)
    assert driver.robot.read() is None
    assert not driver.robot.ready
    assert driver.robot.trouble() == ["imu/data: nothing was received"]


def test_each_period_is_a_sample_of_its_own(driver: Driver) -> None:
    sensors = Sensors(driver.robot.description)
    for number in range(5):
        driver.period(number, float(number))
        assert sensors.update(driver.robot.read())
        assert not sensors.update(driver.robot.read()), "the same again is not new"
    assert (sensors.new, sensors.lost, sensors.repeats) == (5, 0, 0)
    assert sensors.signals["joint_pos"][0].tolist() == [4.0] * 19
    assert sensors.stamp == pytest.approx(START + 4 * PERIOD)
    assert driver.robot.ready
    assert not driver.robot.trouble()


def test_a_lost_period_is_counted(driver: Driver) -> None:
    sensors = Sensors(driver.robot.description)
    for number in (0, 1, 2, 5, 6):
        driver.period(number)
        sensors.update(driver.robot.read())
    assert (sensors.new, sensors.lost) == (5, 2)


def test_a_sensor_that_ceases_holds_samples_back(driver: Driver) -> None:
    sensors = Sensors(driver.robot.description)
    driver.period(0)
    looks = []
    for number in range(1, 8):
        for part in range(4):
            driver.imu(START + number * PERIOD - (3 - part) * PERIOD / 4)
        looks.append(sensors.update(driver.robot.read()))
    assert looks == [True, True] + [False] * 5  # 2.5 periods
    assert driver.robot.blocked == "joint_states"
    assert "joint_states" in driver.robot.trouble()[0]
    driver.period(8)
    assert sensors.update(driver.robot.read()), "and they come again with it"


def test_joints_of_another_clock_make_no_sample(driver: Driver) -> None:
    for number in range(3):
        driver.joints(START - 50.0 + number * PERIOD)
        for part in range(4):
            driver.imu(START + number * PERIOD - (3 - part) * PERIOD / 4)
    assert driver.robot.read() is None
    assert driver.robot.blocked == "joint_states"


def test_a_bad_message_is_ignored_and_reported(driver: Driver) -> None:
    driver.period(0)
    sensors = Sensors(driver.robot.description)
    sensors.update(driver.robot.read())
    driver.joints(START + 0.02, position=[0.0] * 18)
    assert driver.robot.trouble() == ["joint_states: 18 entries in 'position' for 19 joints"]
    assert driver.sources["joint_states"].rejected == 1


def test_a_bad_message_does_not_make_the_good_ones_late(driver: Driver) -> None:
    """Whatever stamp it has."""
    driver.period(0)
    driver.joints(START + 0.4, position=[0.0] * 18)
    sensors = Sensors(driver.robot.description)
    for number in range(1, 5):
        driver.period(number)
        assert sensors.update(driver.robot.read())
    assert not driver.robot.trouble()


def test_nan_reaches_the_guard(driver: Driver) -> None:
    sensors = Sensors(driver.robot.description)
    driver.period(0)
    sensors.update(driver.robot.read())
    driver.period(1, float("nan"))
    assert sensors.update(driver.robot.read())
    assert sensors.not_finite == 1


def test_a_value_that_is_not_finite_is_named(driver: Driver) -> None:
    driver.period(0)
    values = [0.0] * 19
    values[3] = math.nan
    driver.joints(START + PERIOD, position=values)
    knee = HUMANOID.description.joint_names[3]
    assert driver.robot.trouble() == [f"joint_states: '{knee}' in joint_pos is nan"]
    driver.joints(START + 2 * PERIOD)
    assert not driver.robot.trouble()


@pytest.mark.parametrize(
    ("topic", "rate", "reported"),
    [
        ("imu/data", 200.0, ""),
        ("imu/data", 20.0, "20 messages a second, at least 100 are expected"),
        ("imu/data", 2000.0, "2e+03 messages a second, at most 400 are expected"),
        ("joint_states", 5.0, "5 messages a second, at least 25 are expected"),
        ("joint_states", 200.0, ""),
        ("joint_states", 500.0, "500 messages a second, at most 250 are expected"),
    ],
)
def test_a_wrong_rate_is_reported(driver: Driver, topic: str, rate: float, reported: str) -> None:
    driver.period(0)
    assert driver.robot.remarks({topic: rate}) == ([f"{topic}: {reported}"] if reported else [])


def test_the_joints_of_others_are_ignored(driver: Driver) -> None:
    driver.period(0)
    driver.give("joint_states", JointState(name=["finger"], position=[1.0]), START + 0.001)
    assert not driver.robot.trouble()
    assert driver.sources["joint_states"].received == 1


def test_a_second_driver_beside_grippers_is_found_without_numbers(
    node: Any, driver: Driver
) -> None:
    """As where the middleware does not number messages: each gripper stands for one publisher."""
    joints = driver.sources["joint_states"]

    def publish() -> None:
        """Adds one publisher, and waits for it to be found."""
        before = node.count_publishers("joint_states")
        node.create_publisher(JointState, "joint_states", 10)
        until = time.monotonic() + 10.0
        while node.count_publishers("joint_states") == before and time.monotonic() < until:
            time.sleep(0.01)

    def crowded() -> bool:
        driver.robot.look_around()
        assert driver.robot.confused is bool(joints.publishers)
        return bool(joints.publishers)

    publish()
    driver.period(0)
    assert not crowded()
    publish()
    assert crowded(), "two drivers"
    for _ in range(3):
        driver.give("joint_states", JointState(name=["finger"], position=[1.0]), START + 0.01)
    assert not crowded(), "a driver and a gripper"
    publish()
    assert crowded(), "two drivers and a gripper"
    driver.give("joint_states", JointState(name=["thumb", "palm"]), START + 0.02)
    assert not crowded(), "a driver and two grippers"
    for number in range(1, 102):
        driver.period(number)
    assert crowded(), "no gripper has been heard for two seconds"


def test_an_imu_that_says_it_has_no_rate_is_refused(driver: Driver) -> None:
    message = Imu()
    message.angular_velocity_covariance[0] = -1.0
    driver.give("imu/data", message, START)
    assert "measures no angular velocity" in driver.robot.trouble()[0]


@pytest.mark.parametrize("by", [-3600.0, -3.0, 3.0, 3600.0])
def test_samples_go_on_after_the_robots_clock_was_set(driver: Driver, by: float) -> None:
    """Once it has kept its new time for a second."""
    sensors, looks = Sensors(driver.robot.description), []

    def period(number: int, shift: float) -> bool:
        driver.shift = shift
        driver.period(number)
        return sensors.update(driver.robot.read())

    assert all(period(number, 0.0) for number in range(10))
    stamp, sequence = sensors.stamp, sensors.sequence
    looks = [period(number, by) for number in range(10, 100)]
    assert not any(looks[:50])
    assert all(looks[-35:]), looks
    assert not driver.robot.trouble()
    new = sum(looks)
    assert stamp < sensors.stamp < stamp + 90 * PERIOD
    assert sequence + new <= sensors.sequence <= sequence + 92
    assert sensors.stamp + driver.robot.shift == pytest.approx(START + 99 * PERIOD + by)


def test_a_queue_that_grows_ends_the_samples_until_it_is_gone(driver: Driver) -> None:
    sensors, late = Sensors(driver.robot.description), []
    for number in range(600):
        driver.delay = 0.1 * number * PERIOD
        driver.period(number)
        if sensors.update(driver.robot.read()):
            late.append(driver.delay)
    assert 0.45 < max(late) < 0.55
    line, *_ = driver.robot.trouble()
    assert re.fullmatch(r"imu/data: it falls behind: its messages come 1.\d\d? s late", line)
    driver.delay = 0.1
    for number in range(660, 665):
        driver.period(number)
        assert sensors.update(driver.robot.read())
    assert not driver.robot.trouble()


def test_only_what_is_read_is_subscribed(node: Any) -> None:
    robot = RosRobot(
        node, robot_file.load("vehicle"), frozenset(("wheel_speed",)), RosRobotConfig(0.04), print
    )
    assert [source.topic for source in robot.sources] == ["imu/data", "joint_states"]
    assert {s.name for s in robot.description.signals} == {"imu_gyro", "imu_accel", "wheel_speed"}
    dataclasses.asdict(robot.description)
    robot.close()
