"""A graph at work: another policy, another commander, bad messages, a simulator that is killed."""

import math
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install 'sim2edge[ros]'")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_graph import Probe, up
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from sim2edge_ros import topics
from sim2edge_ros.up import default_policy

pytestmark = pytest.mark.slow  # each starts a whole graph: ten seconds and more

TRUTH = "ground_truth/odometry"


class Watcher(Probe):
    """Hears what a robot and its edge node tell."""

    def __init__(self, node: Any, namespace: str = "") -> None:
        super().__init__(node)
        self.prefix = namespace and f"/{namespace}/"
        self.hear(self.prefix + TRUTH, Odometry)
        self.hear("/diagnostics", DiagnosticArray)
        self.hear(self.prefix + "edge_node/status", DiagnosticStatus, topics.LATCHED)

    @property
    def time(self) -> float:
        heard = self.heard[self.prefix + TRUTH]
        stamp = heard[-1].header.stamp if heard else None
        return -math.inf if stamp is None else stamp.sec + stamp.nanosec * 1e-9

    @property
    def speed(self) -> float:
        return float(self.last(self.prefix + TRUTH).twist.twist.linear.x)

    def said(self, what: str) -> bool:
        return any(what in m.message for m in self.heard[self.prefix + "edge_node/status"])

    def part(self, name: str) -> DiagnosticStatus | None:
        """The newest diagnostics of a part of the edge node."""
        for message in reversed(self.heard["/diagnostics"]):
            for status in message.status:
                if status.name == f"{self.prefix or '/'}edge_node: {name}":
                    return status
        return None

    def value(self, part: str, key: str) -> str:
        status = self.part(part)
        values = {} if status is None else {v.key: v.value for v in status.values}
        return str(values.get(key, ""))

    def drives(self, seconds: float) -> None:
        until = self.time + seconds
        self.until(lambda: self.time > until, f"{seconds} s pass")

    def set(self, name: str, value: str) -> None:
        parameter = Parameter(name=name, value=ParameterValue(type=4, string_value=value))
        request = SetParameters.Request(parameters=[parameter])
        answer = self.call("edge_node/set_parameters", SetParameters, request)
        assert answer.results[0].successful


@pytest.fixture(scope="module")
def car(environment: dict[str, str]) -> Iterator[Watcher]:
    """One for all tests here, which leave it as they found it: on its way."""
    context = rclpy.Context()
    rclpy.init(context=context)
    watcher = Watcher(rclpy.create_node("watcher", context=context))
    with up("vehicle", "--lockstep") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        yield watcher
        assert graph.process.poll() is None, graph.output
    rclpy.shutdown(context=context)


def test_policies_change_under_motion_and_a_bad_one_changes_nothing(
    car: Watcher, tmp_path: Path
) -> None:
    good = default_policy("vehicle")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(good.read_bytes()[:-2000])
    for file, complaint in (
        (damaged, "copy or export it again"),
        (default_policy("humanoid"), "its control period is 0.02 s"),
        (tmp_path / "none.onnx", "cannot read policy"),
    ):
        car.set("candidate", str(file))
        answer = car.call("edge_node/load", Trigger)
        assert not answer.success
        assert complaint in answer.message
    before = int(car.value("control loop", "missed") or 0)
    car.set("candidate", str(good))
    for _ in range(5):
        assert car.call("edge_node/load", Trigger).success
    assert car.call("edge_node/roll_back", Trigger).success
    car.until(lambda: int(car.value("policy", "swaps") or 0) >= 6, "six swaps are told")
    car.drives(2.0)
    assert car.value("control loop", "latched") == "none"
    assert int(car.value("control loop", "missed")) == before
    assert car.speed > 3.0


def test_a_second_edge_node_refuses(car: Watcher) -> None:
    with up("vehicle", "--real", "--lockstep") as second:
        second.until("commands this robot already")
        assert "/edge_io (forward_position_controller/commands)" in second.output
        car.drives(2.0)
        assert "edge_node]: active" not in second.output
    assert car.speed > 3.0


def test_bad_messages_beside_good_ones_are_named_and_do_no_harm(car: Watcher) -> None:
    speak = car.node.create_publisher(JointState, topics.JOINTS, topics.STATE)
    stamp = car.last(TRUTH).header.stamp

    def spoil() -> None:
        for message in (
            JointState(name=["steering"], position=[0.0]),
            JointState(name=["steering", "tail"], position=[math.nan]),
            JointState(),
        ):
            message.header.stamp = stamp
            speak.publish(message)

    def named() -> bool:
        return int(car.value("sensors", "joint_states_rejected") or 0) > 10

    car.until(named, "the bad ones are counted", each=spoil)
    car.drives(2.0)
    assert car.value("control loop", "latched") == "none"
    assert car.speed > 3.0


def test_a_robot_in_a_namespace_hears_its_own_stamped_commands_alone(node: Any) -> None:
    watcher = Watcher(node, "h1")
    speak = node.create_publisher(TwistStamped, "/h1/cmd_vel", 10)
    other = node.create_publisher(TwistStamped, "/cmd_vel", 10)
    command, against = TwistStamped(), TwistStamped()
    command.twist.linear.x, against.twist.linear.x = 0.6, -0.4

    def tell() -> None:
        speak.publish(command)
        other.publish(against)

    patient = ("--set", "edge_node:cmd_vel_timeout:=60.0")
    with up("humanoid", "--lockstep", "--namespace", "h1", *patient) as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0, "the robot moves")
        kind = "cmd_vel_type"
        watcher.until(lambda: watcher.value("sensors", kind) == "twist_stamped", kind, each=tell)
        start = watcher.time
        watcher.until(lambda: watcher.time > start + 6.0, "six seconds pass", each=tell)
        speeds = [m.twist.twist.linear.x for m in watcher.heard["/h1/" + TRUTH][-100:]]
        assert sum(speeds) / len(speeds) == pytest.approx(0.6, abs=0.2)
        names = {f"{s}/{n}" for n, s in node.get_node_names_and_namespaces()}
        assert {"/h1/edge_node", "/h1/edge_io", "/h1/sim_node"} <= names


def test_a_killed_simulator_stops_the_robot_and_comes_back(node: Any) -> None:
    """In real time: without samples the guard stops; with the operator's reset it goes on."""
    watcher = Watcher(node)
    with up("vehicle") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        found = subprocess.run(
            ["pgrep", "-P", str(graph.process.pid), "-f", "sim_node"],
            capture_output=True,
            text=True,
            check=True,
        )
        os.kill(int(found.stdout), signal.SIGKILL)
        watcher.until(lambda: watcher.said("seconds without a new sample"), "the guard reacts")
        graph.until("sim_node: ended with signal 9; it is started again")
        heard = len(watcher.heard[TRUTH])
        watcher.until(lambda: len(watcher.heard[TRUTH]) > heard + 10, "it is there again")
        for _attempt in range(10):  # a machine that is busy elsewhere may lose it once more
            assert watcher.call("edge_node/reset", Trigger).success
            watcher.spin(3.0)
            if watcher.speed > 3.0:
                return
        pytest.fail(f"it did not drive again:\n{graph.output}")
