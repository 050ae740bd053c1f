"""A car at work in lockstep: other policies, another commander, bad messages."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from sensor_msgs.msg import JointState

from sim2edge_ros.messages import topics
from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import TRUTH, Watcher

pytestmark = pytest.mark.slow  # each starts a whole graph: ten seconds and more


@pytest.fixture(scope="module")
def car(environment: dict[str, str]) -> Iterator[Watcher]:
    """One for all tests here, which leave it as they found it: on its way."""
    context = rclpy.Context()
    rclpy.init(context=context)
    watcher = Watcher(rclpy.create_node("watcher", context=context))
    with up("vehicle", "--lockstep") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        watcher.until(lambda: watcher.value("control loop", "ticks") != "", "it is published")
        yield watcher
        assert graph.process.poll() is None, graph.output
    watcher.node.destroy_node()  # or the next tests find its subscriptions
    rclpy.shutdown(context=context)


@pytest.fixture
def other_policy(tmp_path: Path) -> Path:
    """A file of its own, of a policy that drives."""
    file = tmp_path / "other.onnx"
    file.write_bytes(default_policy("vehicle").read_bytes())
    return file


def test_a_policy_that_fails_its_check_changes_nothing(car: Watcher, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(default_policy("vehicle").read_bytes()[:-2000])
    swaps = car.value("policy", "swaps")
    for service in ("load", "shadow"):
        for file, complaint in (
            (damaged, "copy or export it again"),
            (default_policy("humanoid"), "its control period is 0.02 s"),
            (tmp_path / "none.onnx", "cannot read policy"),
        ):
            answer = car.ask(service, file)
            assert not answer.success
            assert complaint in answer.message
    car.drives(2.0)
    assert car.value("control loop", "latched") == "none"
    assert car.value("policy", "swaps") == (swaps or "0")
    assert car.speed > 3.0


def test_a_policy_is_tried_in_shadow_promoted_and_taken_back(
    car: Watcher, other_policy: Path
) -> None:
    first, latched = car.value("policy", "file"), "latched"
    before = int(car.value("control loop", "missed") or 0)
    assert "no policy is in shadow" in car.ask("promote").message
    assert car.ask("shadow", other_policy).message == f"{other_policy} is in shadow"
    car.until(lambda: int(car.value("shadow", "ticks") or 0) > 50, "it is compared")
    assert car.value("policy", "file") == first
    assert car.value("shadow", "file") == str(other_policy)
    assert car.value("shadow", "drive_max") == "0", "the same policy asks for the same"
    assert car.value("shadow", "not_finite") == "0"
    assert car.ask("promote").message == f"{other_policy} drives"
    car.until(lambda: car.value("policy", "file") == str(other_policy), "it is published")
    for _ in range(3):
        assert car.ask("load", other_policy).success
    assert car.ask("roll_back").success
    for _ in range(2):
        assert car.ask("roll_back").success
    answer = car.ask("roll_back")
    assert answer.message == f"{first} drives", "over what was promoted and what was loaded"
    assert "none to go back to" in car.ask("roll_back").message
    car.drives(2.0)
    assert car.value("control loop", latched) == "none"
    assert int(car.value("control loop", "missed")) == before
    assert car.speed > 3.0


def test_a_second_edge_node_refuses(car: Watcher) -> None:
    with up("vehicle", "--real", "--lockstep") as second:
        second.until("commands this robot already")
        # DDS may deliver a publisher's node name later than the publisher itself.
        second.until("/edge_node_io (forward_position_controller/commands)")
        # Where it found the first only after it had begun, it gave way.
        begun = second.output.count("edge_node]: active")
        assert begun == second.output.count("gave way: ")
        car.drives(2.0)
        assert second.output.count("edge_node]: active") == begun
    car.drives(2.0)
    assert car.value("control loop", "latched") == "none"
    assert car.speed > 3.0


def test_bad_messages_among_good_ones_are_reported_and_harmless(car: Watcher) -> None:
    speak = car.node.create_publisher(JointState, topics.JOINTS, topics.STATE)
    last = -math.inf

    def send_bad_ones() -> None:
        nonlocal last
        if car.time == last:
            return  # once a sample: as often as the good ones come
        last = car.time
        for message in (
            JointState(name=["steering"], position=[0.0]),
            JointState(name=["steering", "tail"], position=[math.nan]),
            JointState(),
        ):
            message.header.stamp = car.last("/" + TRUTH).header.stamp
            speak.publish(message)

    def named() -> bool:
        return int(car.value("sensors", "joint_states_rejected") or 0) > 10

    car.until(named, "the bad ones are counted", each=send_bad_ones)
    car.node.destroy_publisher(speak)
    car.drives(2.0)
    assert car.value("control loop", "latched") == "none"
    assert car.speed > 3.0
