"""What an edge node needs of a robot before it commands it, over DDS."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState, LaserScan

from edge_runtime.errors import UserError
from sim2edge_ros.edge.diagnostics import Diagnostics
from sim2edge_ros.edge.drive import Drive
from sim2edge_ros.messages import topics
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.parameters import EdgeParameters
from sim2edge_ros.settings.robot_file import default_policy

CAR = robot_file.load("vehicle")
PERIOD, READINGS = 0.04, 8


class CarDriver:
    """Publishes what the drivers of a car at rest do, from a node and a thread of its own."""

    def __init__(self, context: Any) -> None:
        self.node = Node("car_driver", context=context)
        self.force = (0.0, 0.0, 9.81)  # m/s^2
        make = self.node.create_publisher
        self._imu = make(Imu, topics.IMU, topics.SENSOR)
        self._joints = make(JointState, topics.JOINTS, topics.STATE)
        self._scan = make(LaserScan, topics.SCAN, topics.SENSOR)
        self.names = [CAR.steering_joint, *CAR.wheel_joints]
        wheeled = CAR.description.wheeled
        assert wheeled is not None and wheeled.lidar is not None
        self._view = wheeled.lidar.field_of_view
        self._beams = next(s.size for s in CAR.description.signals if s.name == "lidar")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self.node.destroy_node()

    def _run(self) -> None:
        number, began = 0, time.time_ns()
        while not self._ending.is_set():
            number += 1
            end = began + number * round(PERIOD * 1e9)
            time.sleep(max(0.0, (end - time.time_ns()) * 1e-9))
            self._joints.publish(joint_states(self.names, end, 0.001 * (number % 7)))
            scan = LaserScan(range_max=20.0, angle_min=-self._view / 2, angle_max=self._view / 2)
            scan.angle_increment = self._view / (self._beams - 1)
            scan.ranges = [5.0 + 0.001 * (number % 3)] * self._beams
            _stamp(scan, end)
            self._scan.publish(scan)
            for reading in range(READINGS):
                imu = Imu()
                imu.angular_velocity.z = 1e-4 * ((number + reading) % 11)
                force = imu.linear_acceleration
                force.x, force.y, force.z = self.force
                force.x += 1e-4 * (number % 5)
                _stamp(imu, end - round((READINGS - 1 - reading) * PERIOD / READINGS * 1e9))
                self._imu.publish(imu)


def joint_states(names: list[str], stamp: int, velocity: float = 0.0) -> JointState:
    zeros = [0.0] * len(names)
    message = JointState(name=names, position=zeros, velocity=[velocity] * len(names))
    _stamp(message, stamp)
    return message


def _stamp(message: Any, nanoseconds: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)


@pytest.fixture
def driver(node: Any) -> Iterator[CarDriver]:
    made = CarDriver(node.context)
    yield made
    made.close()


@contextmanager
def car(node: Any) -> Iterator[Drive]:
    policy = str(default_policy("vehicle"))
    parameters = EdgeParameters(robot="vehicle", policy=policy, stop_seconds=0.1)
    with closing(Drive(node, parameters)) as drive:
        yield drive
        if drive.active:
            assert drive.stop() is None


@contextmanager
def stray(context: Any, names: list[str], name: str = "fake_driver") -> Iterator[None]:
    """Another node that publishes joints at 55 Hz, stamped now."""
    node, ending = Node(name, context=context), threading.Event()
    publisher = node.create_publisher(JointState, topics.JOINTS, topics.STATE)

    def publish() -> None:
        while not ending.wait(1 / 55):
            publisher.publish(joint_states(names, time.time_ns()))

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    ending.set()
    thread.join()
    node.destroy_node()


def test_activation_waits_for_first_samples(node: Any, driver: CarDriver) -> None:
    """As lifecycle managers need it, who activate as soon as it is configured."""
    with car(node) as drive:
        threading.Timer(0.7, driver.start).start()
        drive.start()
        assert drive.active


def test_without_a_robot_activation_says_what_the_graph_shows(node: Any) -> None:
    with car(node) as drive, pytest.raises(UserError) as refusal:
        drive.start()
    assert "imu/data: nothing was received: no other node is seen in domain " in str(refusal.value)
    assert "is the robot's driver on" in str(refusal.value)


def test_a_robot_that_lies_is_not_activated(node: Any, driver: CarDriver) -> None:
    driver.force = (9.81 * math.sin(1.2), 0.0, 9.81 * math.cos(1.2))
    driver.start()
    with car(node) as drive:
        with pytest.raises(UserError, match=r"lies: it is tilted by 1.2 rad, and 0.6 rad is the"):
            drive.start()
        assert not drive.active


def test_two_publishers_of_a_sensor_are_named_and_the_first_is_believed(
    node: Any, driver: CarDriver
) -> None:
    both = "joint_states: /car_driver and /fake_driver publish it; stop one"
    driver.start()
    with car(node) as drive:
        with stray(node.context, ["finger"]):
            drive.start()  # for a gripper's joints are no second source of the robot's
            drive.watch()
            assert drive.robot.crowded == []
        with stray(node.context, driver.names):
            refused = drive.robot.sources[1].rejected
            _spin(drive, 0.5)
            sources = {source.topic: source for source in drive.robot.sources}
            joints = sources[topics.JOINTS]
            assert joints.rejected > refused + 10
            assert joints.trouble.startswith(both)
            assert not drive.robot.confused
            sensors = Diagnostics("edge_node", drive).statuses(0.0)[1]
            assert sensors.level == DiagnosticStatus.ERROR
            assert sensors.message.startswith(both)
            assert drive.loop.reaction.name == "NONE"
            assert drive.loop.sensors.new > 10
            assert drive.stop() is None
            with pytest.raises(UserError, match="/car_driver and /fake_driver publish it"):
                drive.start()
        _spin(drive, 0.3)
        assert drive.robot.crowded == []


def test_a_driver_that_was_restarted_is_not_taken_for_two(node: Any, driver: CarDriver) -> None:
    """One that was killed stays in the graph, silent, until its lease ends."""
    killed = Node("car_driver", context=node.context)
    killed.create_publisher(JointState, topics.JOINTS, topics.STATE)
    driver.start()
    with car(node) as drive:
        _spin(drive, 0.5)
        assert node.count_publishers(topics.JOINTS) == 2
        drive.start()
        drive.watch()
        assert drive.robot.crowded == []
        with stray(node.context, driver.names, name="car_driver"):
            _spin(drive, 0.5)
            assert [source.topic for source in drive.robot.crowded] == [topics.JOINTS]
    killed.destroy_node()


def _spin(drive: Drive, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        drive.watch()
        time.sleep(0.05)
