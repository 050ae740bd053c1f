"""Both robots through the whole graph: two processes, DDS, estimator, policy, guard."""

import itertools
import math
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry

from sim2edge_ros.messages import topics
from tests.ros.graph.ros_graph import Probe, up

PATIENT = ("--lockstep", "--set", "edge_node:cmd_vel_timeout:=60.0")


def seconds(message: Any) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)


def place(message: Odometry) -> tuple[float, float]:
    at = message.pose.pose.position
    return at.x, at.y


@pytest.mark.slow
def test_the_humanoid_walks_as_commanded(node: Any) -> None:
    probe = Probe(node)
    truth, filtered = "ground_truth/odometry", "odometry/filtered"
    probe.subscribe(truth, Odometry)
    probe.subscribe(filtered, Odometry)
    probe.subscribe("edge_node/status", DiagnosticStatus, topics.LATCHED)
    probe.subscribe("/diagnostics", DiagnosticArray)
    speak = node.create_publisher(Twist, "cmd_vel", 10)
    command = Twist()
    command.linear.x = 0.5
    with up("humanoid", *PATIENT) as graph:
        probe.until(lambda: all(map(probe.received.get, (truth, filtered))), "odometry comes")
        start = seconds(probe.last(truth))
        probe.until(
            lambda: (
                seconds(probe.last(truth)) > start + 10.0 and bool(probe.received["/diagnostics"])
            ),
            "ten seconds pass",
            each=lambda: speak.publish(command),
        )
        code = graph.interrupt(probe)
    assert code == 0, graph.output
    begun = next(m for m in probe.received[truth] if seconds(m) > start + 3.0)
    ended = next(m for m in probe.received[truth] if seconds(m) > start + 9.0)
    speed = math.dist(place(ended), place(begun)) / (seconds(ended) - seconds(begun))
    assert speed == pytest.approx(0.5, abs=0.15)
    assert ended.pose.pose.position.z > 0.6, "it did not fall"
    estimate = probe.last(filtered)
    assert (estimate.header.frame_id, estimate.child_frame_id) == ("odom", "base_link")
    assert probe.last("edge_node/status").message == "shut down"
    # The last of all may be of a node that has shut down.
    diagnostics = next(m for m in reversed(probe.received["/diagnostics"]) if len(m.status) > 1)
    statuses = {s.name: s for s in diagnostics.status}
    assert {"edge_node: control loop", "edge_node: policy"} <= set(statuses)
    values = {v.key: v.value for v in statuses["edge_node: policy"].values}
    assert len(values["sha256"]) == 64


@pytest.mark.slow
def test_the_car_drives(node: Any) -> None:
    probe = Probe(node)
    truth = "ground_truth/odometry"
    probe.subscribe(truth, Odometry)
    with up("vehicle", "--lockstep") as graph:
        graph.until("edge_node]: active")
        probe.until(lambda: bool(probe.received[truth]), "the truth is published")
        start = seconds(probe.last(truth))
        probe.until(lambda: seconds(probe.last(truth)) > start + 8.0, "eight seconds pass")
        assert graph.interrupt(probe) == 0, graph.output
    drove = [m for m in probe.received[truth] if seconds(m) > start]
    path = sum(math.dist(place(a), place(b)) for a, b in itertools.pairwise(drove))
    assert path > 30.0
    speeds = [m.twist.twist.linear.x for m in drove]
    assert speeds[-1] < 0.7 * max(speeds), f"a controlled stop, but {speeds[-30:]}"


@pytest.mark.slow
def test_a_policy_of_another_robot_is_refused_in_a_line() -> None:
    from sim2edge_ros.settings.robot_file import default_policy

    with up("humanoid", "--lockstep", "--policy", str(default_policy("vehicle"))) as graph:
        assert graph.process.wait(60.0) == 2
    assert "not configured" in graph.lines[-1]
    assert "which robot 'humanoid' does not" in graph.lines[-1]
    assert "Traceback" not in graph.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("edge_node:cmd_vel_timeout:=-1.0", "cmd_vel_timeout"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("edge_node:fifo:=often", "is not a whole number"),
                ("edge_node:fusion:=guess", "unknown fusion 'guess'"),
            )
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused_in_a_line(setting: str, complaint: str) -> None:
    with up("vehicle", "--lockstep", "--set", setting) as graph:
        assert graph.process.wait(60.0) == 2
    assert complaint in graph.lines[-1]
    assert "Traceback" not in graph.output
