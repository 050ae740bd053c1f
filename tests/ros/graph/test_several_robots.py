"""Several robots, in namespaces or domains, each follow their own commands alone."""

import contextlib
import math
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu

from sim2edge_ros.messages import topics
from sim2edge_ros.messages.tf_message import tf_message
from tests.ros.graph.ros_graph import Probe, up
from tests.ros.graph.watcher import TRUTH, Watcher
from tests.ros.model.transforms import transforms

pytestmark = pytest.mark.slow  # up to six processes that simulate

_PATIENT = ("--lockstep", "--set", "edge_node:cmd_vel_timeout:=60.0")
KIND = "twist_stamped"
_ALL_ROBOTS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# tf2 looks for these names in all namespaces.
_FRAMES = {topics.TF: QoSProfile(depth=100), topics.TF_STATIC: _ALL_ROBOTS}
_SHARED = ("/clock", "/diagnostics", "/parameter_events", "/rosout", *_FRAMES)


class Robots(Probe):
    """Receives the motion of several robots, and sends each its own command."""

    def __init__(self, node: Any, speeds: dict[str, float]) -> None:
        super().__init__(node)
        self._speak = []
        for name, speed in speeds.items():
            command = TwistStamped()
            command.twist.linear.x = speed
            publisher = node.create_publisher(TwistStamped, f"/{name}/cmd_vel", 10)
            self._speak.append((publisher, command))
        for topic, qos in _FRAMES.items():
            self.received[topic] = []
            keep = self.received[topic].append
            node.create_subscription(tf_message(), topic, keep, qos, raw=True)

    def command(self) -> None:
        for publisher, command in self._speak:
            publisher.publish(command)

    def seconds(self, name: str) -> float:
        received = self.received[f"/{name}/{TRUTH}"]
        stamp = received[-1].header.stamp if received else None
        return 0.0 if stamp is None else stamp.sec + stamp.nanosec * 1e-9

    def speed(self, name: str) -> float:
        """The mean of the last two seconds, m/s along the robot."""
        received = self.received[f"/{name}/{TRUTH}"][-100:]
        return float(sum(m.twist.twist.linear.x for m in received) / len(received))

    def parents(self, topic: str) -> dict[str, set[str]]:
        """Returns the parents that were given to each frame of /tf or /tf_static."""
        found: dict[str, set[str]] = {}
        for transform in (t for message in self.received[topic] for t in transforms(message)):
            found.setdefault(transform.child_frame_id, set()).add(transform.header.frame_id)
        return found


def test_two_humanoids_and_a_car_each_follow_their_own_commands(node: Any) -> None:
    speeds = {"h1": 0.6, "h2": -0.3}
    robots = Robots(node, speeds)
    names = (*speeds, "car")
    for name in names:
        robots.subscribe(f"/{name}/{TRUTH}", Odometry)
        robots.subscribe(f"/{name}/odometry/filtered", Odometry)  # the car's policy needs none
        robots.subscribe(f"/{name}/imu/data_raw", Imu, topics.SENSOR)
    watchers = {name: Watcher(node, name) for name in names}
    car = ("vehicle", "--lockstep")
    kinds = {"h1": ("humanoid", *_PATIENT), "h2": ("humanoid", *_PATIENT), "car": car}
    with contextlib.ExitStack() as stack:
        for name, arguments in kinds.items():
            graph = stack.enter_context(up(*arguments, "--namespace", name))
            graph.until("edge_node]: active")
        for name in speeds:
            robots.until(
                lambda name=name: watchers[name].value("sensors", "cmd_vel_type") == KIND,
                f"{name} listens",
                each=robots.command,
            )
        start = {name: robots.seconds(name) for name in names}
        robots.until(
            lambda: all(robots.seconds(name) > start[name] + 8.0 for name in names),
            "each drives for eight seconds of its own time",
            patience=240.0,
            each=robots.command,
        )
        driven = {name: robots.speed(name) for name in names}
        for name, speed in speeds.items():
            assert driven[name] == pytest.approx(speed, abs=0.2), driven
        assert driven["car"] > 3.0, driven
        for name in speeds:
            odometry = robots.last(f"/{name}/odometry/filtered")
            frames = (odometry.header.frame_id, odometry.child_frame_id)
            assert frames == (f"{name}/odom", f"{name}/base_link")
        for name in names:
            assert robots.last(f"/{name}/imu/data_raw").header.frame_id == f"{name}/imu"
            watchers[name].until(
                lambda name=name: watchers[name].part("control loop") is not None, "it is published"
            )
            assert watchers[name].value("control loop", "latched") == "none"
        for topic, _ in node.get_topic_names_and_types():
            assert topic in _SHARED or topic.startswith(tuple(f"/{name}/" for name in names))
        for topic in _FRAMES:
            parents = robots.parents(topic)
            assert {child.partition("/")[0] for child in parents} == set(names), parents
            for child, found in parents.items():
                assert [parent.partition("/")[0] for parent in found] == [child.partition("/")[0]]


def test_robots_of_other_domains_do_not_meet(node: Any, environment: dict[str, str]) -> None:
    mine = int(environment["ROS_DOMAIN_ID"])
    watcher = Watcher(node)
    with up("vehicle", "--lockstep", "--domain", str(1 + (mine + 33) % 100)) as other:
        other.until("edge_node]: active")
        with up("vehicle", "--lockstep") as own:
            own.until("edge_node]: active")  # nobody else commands this robot
            watcher.drives(3.0)
            own.interrupt(watcher)
        received = len(watcher.received["/" + TRUTH])
        watcher.spin(2.0)
        assert len(watcher.received["/" + TRUTH]) == received, "the other one is not received"
        assert other.process.poll() is None
    assert math.isfinite(watcher.time)
