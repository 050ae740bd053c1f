"""An edge node is configured before a robot is there."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import CPU
from edge_runtime.safety.rules import OVERRUNS, Fault
from edge_runtime.slots.slot_folder import SlotFolder
from sim2edge_ros.commands.commanders import commanders
from sim2edge_ros.edge.diagnostics import Diagnostics
from sim2edge_ros.edge.drive import Drive
from sim2edge_ros.messages import topics
from sim2edge_ros.settings.parameters import EdgeParameters
from sim2edge_ros.settings.robot_file import default_policy


@contextmanager
def drive(node: Any, **parameters: Any) -> Iterator[Drive]:
    parameters.setdefault("policy", str(default_policy("vehicle")))
    given = EdgeParameters(robot="vehicle", **parameters)
    with closing(Drive(node, given)) as made:
        yield made


def policy_status(made: Drive) -> tuple[DiagnosticStatus, dict[str, str]]:
    statuses = Diagnostics("/edge_node", made).statuses(0.0)
    (status,) = (s for s in statuses if s.name == "/edge_node: policy")
    return status, {pair.key: pair.value for pair in status.values}


def test_the_cpu_is_the_default_provider(node: Any) -> None:
    with drive(node) as made:
        status, values = policy_status(made)
    assert status.level == DiagnosticStatus.OK
    assert values["provider"] == CPU.name
    assert "provider_measured" not in values


def test_a_missing_provider_falls_back_to_the_cpu_and_is_reported(node: Any) -> None:
    """Nothing but the CPU is, where this runs."""
    with drive(node, provider="tensorrt") as made:
        status, values = policy_status(made)
    assert status.level == DiagnosticStatus.WARN
    assert "built without TensorrtExecutionProvider" in status.message
    assert values["provider"] == CPU.name
    assert "CPU p99" in values["provider_measured"]


def test_a_refused_file_does_not_change_what_is_said_of_the_driver(node: Any) -> None:
    with drive(node) as made:
        before = made.policies.choice
        with pytest.raises(UserError):
            made.policies.load(default_policy("humanoid"))
        with pytest.raises(UserError, match="not active"):
            made.policies.try_out(default_policy("vehicle"))
        assert made.policies.choice is before
        made.policies.load(default_policy("vehicle"))
        assert made.policies.choice is not before
        made.policies.roll_back()
        assert made.policies.choice is before


def test_an_unknown_provider_is_refused(node: Any) -> None:
    with pytest.raises(UserError, match="unknown provider 'tensort'; take auto, cpu"):
        drive(node, provider="tensort").__enter__()


def test_an_absent_cpu_is_refused(node: Any) -> None:
    with pytest.raises(UserError, match="parameter 'cpu' is 1023, which is not there; the last is"):
        drive(node, cpu=1023).__enter__()


@pytest.mark.parametrize("topic", [topics.POSITION, topics.STIFFNESS, topics.DAMPING])
def test_a_publisher_of_targets_or_gains_counts_as_a_commander(node: Any, topic: str) -> None:
    """Stiffness zero lets a humanoid collapse."""
    assert commanders(node) == []
    node.create_publisher(Float64MultiArray, topic, topics.COMMAND)
    (found,) = commanders(node)
    assert (found.name, found.topic) == ("/probe", topic)
    assert commanders(node, {topic: found.id}) == []


def test_a_stage_over_its_budget_is_in_the_diagnostics(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with drive(node, fuse_share=0.1) as made:
        loop = made.loop
        assert loop.budget.config.fuse == 0.1
        monkeypatch.setattr(made, "active", True)
        made._began = time.monotonic()
        loop.guard.measures[Fault.FUSE_OVER_BUDGET] = 0.2
        status = Diagnostics("/edge_node", made).statuses(0.0)[0]
    assert status.level == DiagnosticStatus.WARN
    assert status.message == (
        "share of ticks over about a second in which fuse took more than its budget of 4 ms: 0.2"
    )


def test_simulated_time_has_no_budget(node: Any) -> None:
    """It stands still within a tick, or jumps by a period."""
    node.set_parameters([Parameter("use_sim_time", value=True)])
    with drive(node) as made:
        assert not {rule.fault for rule in made.loop.guard.rules}.intersection(OVERRUNS)


def test_of_two_new_nodes_of_one_name_the_later_gives_way(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other waits for that a second, and gives way if it does not come."""
    now = time.monotonic()
    context = rclpy.Context()
    rclpy.init(context=context)
    twin = Node("probe", context=context)
    try:
        with drive(node) as one, drive(twin) as two:
            for made in (one, two):
                made._make_publishers()
                monkeypatch.setattr(made, "active", True)
                made._began = now
            until = now + 20.0
            named = "/probe (forward_position_controller/commands)"  # names come after publishers
            while not (named in one.others and named in two.others) and time.monotonic() < until:
                one.look_around()
                two.look_around()
                time.sleep(0.02)
            assert named in one.others and named in two.others
            for made in (one, two):
                made._began = made._others._met = time.monotonic()
            assert sorted((one.must_give_way, two.must_give_way)) == [False, True]
            for made in (one, two):
                made._others._met -= 1.1
            assert one.must_give_way and two.must_give_way
            for made in (one, two):
                made._began -= 5.0
            assert not one.must_give_way and not two.must_give_way
            for made in (one, two):
                monkeypatch.setattr(made, "active", False)
                made.fall_silent()
                made.stop()
    finally:
        twin.destroy_node()
        rclpy.shutdown(context=context)


def test_what_keeps_commands_from_working_is_in_the_diagnostics(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(made: Drive) -> tuple[bytes, str]:
        found = Diagnostics("edge_node", made).statuses(0.0)[0]
        return found.level, found.message

    with drive(node) as made:
        made._make_publishers()
        monkeypatch.setattr(made, "active", True)
        made._began = time.monotonic() - 2.0
        assert status(made) == (
            DiagnosticStatus.WARN,
            "nobody receives the commands; are the robot's controllers active?",
        )
        topic = topics.POSITION
        node.create_subscription(Float64MultiArray, topic, lambda message: None, topics.COMMAND)
        until = time.monotonic() + 20.0
        while made.is_unheard and time.monotonic() < until:
            time.sleep(0.02)
        assert status(made) == (DiagnosticStatus.OK, "policy drives")
        made.loop.realtime_report = {"scheduler": "normal (SCHED_FIFO 50 refused: not permitted)"}
        assert status(made) == (
            DiagnosticStatus.WARN,
            "scheduler: normal (SCHED_FIFO 50 refused: not permitted)",
        )
        monkeypatch.setattr(made, "active", False)
        made.stop()


def test_a_folder_of_slots_gives_the_policy(node: Any, tmp_path: Path) -> None:
    slots = SlotFolder(tmp_path)
    model = default_policy("vehicle").read_bytes()
    slots.install(model, "ann")
    proto = onnx.load_from_string(model)
    proto.doc_string = "the same, in another file"
    slots.install(proto.SerializeToString(), "bob")
    state = slots.status()
    assert state.good is not None
    assert state.pending is not None
    for does, drives, boots in (("drives", state.pending, 1), ("waits", state.good, 1)):
        with drive(node, policy=str(tmp_path), pending_policy=does) as made:
            assert made.policy.sha256 == drives.sha256
            assert slots.status().boots == boots
            with pytest.raises(UserError, match="not active"):
                made.policies.canary(None)
        assert slots.status().boots == 0, "it was not activated, so the start is given back"
