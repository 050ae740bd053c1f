"""The edge node's lifecycle, driven from the command line."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from ros_nodes.faults import child

from sim2edge_ros.commands.commanders import Claim, CommandedError
from sim2edge_ros.node_process import split_name
from sim2edge_ros.processes.up import default_parameters
from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.graph.ros_graph import Graph, running, up
from tests.ros.graph.watcher import Watcher

TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}
SHUTDOWN = {"unconfigured": 5, "inactive": 6, "active": 7}
LEADS = {
    ("unconfigured", "configure"): "inactive",
    ("inactive", "cleanup"): "unconfigured",
    ("inactive", "activate"): "active",
    ("active", "deactivate"): "inactive",
}


# What the file gives an edge node of the usual name.
_AS_EDGE_NODE = ("-p", "robot:=vehicle", "-p", "fusion:=wheeled")


class Operator(Watcher):
    """Asks the edge node for transitions, as `ros2 lifecycle set` does."""

    def change(self, transition: str | int) -> bool:
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS.get(str(transition), transition)
        return bool(self.call("/edge_node/change_state", ChangeState, request).success)

    @property
    def state(self) -> str:
        return str(self.call("/edge_node/get_state", GetState).current_state.label)

    def published_state(self) -> str:
        """The message of `~/status`, which is published as soon as it changes."""
        values = self.last("/edge_node/status").values
        return next(str(v.value) for v in values if v.key == "state")


def edge_node(*options: str) -> list[str]:
    """The command of one for the car."""
    arguments = ["--ros-args", "--params-file", str(default_parameters("vehicle"))]
    arguments += ["-p", f"policy:={default_policy('vehicle')}", "-p", "autostart:=false", *options]
    return [sys.executable, "-m", "sim2edge_ros.edge.edge_node", *arguments]


@pytest.fixture
def operator(node: Any) -> Operator:
    return Operator(node)


@pytest.mark.slow
def test_every_transition_from_every_state_that_needs_no_robot(operator: Operator) -> None:
    """One that there is not is refused, and the node lives on."""
    with running(edge_node()) as graph:
        graph.until("unconfigured")
        for state in ("unconfigured", "inactive", "unconfigured"):
            for transition in TRANSITIONS:
                if LEADS.get((state, transition)) not in (None, "active"):
                    continue  # what leads on is asked for below
                assert not operator.change(transition), (state, transition)
                assert operator.state == state
            if state == "inactive":
                graph.until("not activated: imu/data: nothing was received")
            onward = "configure" if state == "unconfigured" else "cleanup"
            assert operator.change(onward)
            assert operator.state == LEADS[state, onward]
        assert not operator.change(SHUTDOWN["active"])
        assert operator.change(SHUTDOWN["inactive"])
        assert operator.state == "finalized"
        operator.until(lambda: operator.published_state() == "finalized", "it is published")
        assert graph.process.poll() is None, graph.output
        assert "Traceback" not in graph.output


@pytest.mark.slow
def test_an_unconfigured_node_is_in_the_diagnostics(operator: Operator) -> None:
    with running(edge_node("-p", "fusion:=guess")) as graph:
        graph.until("unconfigured")
        operator.until(lambda: operator.part("node") is not None, "it is published")
        assert not operator.change("configure")
        operator.until(lambda: "guess" in operator.part("node").message, "the reason is reported")
        assert operator.value("node", "state") == "unconfigured"


@pytest.mark.parametrize(
    ("arguments", "name", "rest"),
    [
        (["edge_node"], "edge_node", ["edge_node"]),
        (
            ["edge_node", "--ros-args", "-r", "__node:=mine", "-r", "a:=b"],
            "mine",
            ["edge_node", "--ros-args", "-r", "a:=b"],
        ),
        (["e", "--ros-args", "--remap", "__name:=mine"], "mine", ["e", "--ros-args"]),
        (
            ["e", "--ros-args", "-r", "__ns:=/h1"],
            "edge_node",
            ["e", "--ros-args", "-r", "__ns:=/h1"],
        ),
        (
            ["e", "--ros-args", "-p", "__node:=x"],
            "edge_node",
            ["e", "--ros-args", "-p", "__node:=x"],
        ),
    ],
)
def test_a_new_name_is_for_this_node_alone(
    arguments: list[str], name: str, rest: list[str]
) -> None:
    assert split_name(arguments, "edge_node") == (name, rest)


@pytest.fixture(scope="module")
def car(environment: dict[str, str]) -> Iterator[tuple[Operator, Graph]]:
    """A car in real time, which the tests leave active."""
    context = rclpy.Context()
    rclpy.init(context=context)
    operator = Operator(rclpy.create_node("operator", context=context))
    with up("vehicle") as graph:
        graph.until("edge_node]: active")
        operator.until(lambda: operator.time > 0 and operator.speed > 3.0, "the car drives")
        yield operator, graph
        assert graph.process.poll() is None, graph.output
    operator.node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.slow
def test_a_deactivation_from_outside_ends_autostart(car: tuple[Operator, Graph]) -> None:
    """It activated itself; what a person ends stays ended until a person begins it."""
    operator, _ = car
    assert operator.change("deactivate")
    operator.until(
        lambda: operator.published_state() == "inactive", "it is published", patience=2.0
    )
    operator.until(lambda: abs(operator.speed) < 0.5, "the car stands")
    operator.spin(2.0)  # it would have tried again by now
    assert operator.state == "inactive"
    assert operator.change("activate")
    operator.until(lambda: operator.published_state() == "active", "it is published")
    operator.until(lambda: operator.speed > 3.0, "the car drives")


@pytest.mark.slow
def test_a_parameter_that_would_have_no_effect_is_refused(car: tuple[Operator, Graph]) -> None:
    operator, _ = car
    for name, value in (("policy", "other.onnx"), ("use_sim_time", True)):
        answer = operator.try_to_set(name, value)
        assert not answer.successful
        assert answer.reason == (
            f"'{name}' is read when the node is configured; deactivate and clean up first"
        )
    assert operator.try_to_set("candidate", "other.onnx").successful


@pytest.mark.slow
def test_a_healthy_robot_is_not_reset(car: tuple[Operator, Graph]) -> None:
    """Its estimator could not start anew in motion."""
    operator, _ = car
    answer = operator.ask("reset")
    assert not answer.success
    assert answer.message == "no reaction is latched, so there is nothing to reset"
    operator.drives(1.0)
    assert operator.speed > 3.0


@pytest.mark.slow
def test_a_robot_that_has_fallen_silent_is_not_activated(car: tuple[Operator, Graph]) -> None:
    operator, graph = car
    simulator = child(graph.process.pid, "sim_node")
    assert operator.change("deactivate")
    os.kill(simulator, signal.SIGSTOP)
    try:
        operator.spin(1.0)
        assert not operator.change("activate")
        graph.until("not activated: imu/data_raw: nothing for ")
    finally:
        os.kill(simulator, signal.SIGCONT)
    operator.spin(1.0)
    assert operator.change("activate")
    operator.until(lambda: operator.speed > 3.0, "the car drives")


@pytest.mark.slow
def test_a_loaded_policy_is_reported_at_once(car: tuple[Operator, Graph], tmp_path: Path) -> None:
    operator, _ = car
    other = tmp_path / "other.onnx"
    other.write_bytes(default_policy("vehicle").read_bytes())

    def reported() -> str:
        values = operator.last("/edge_node/status").values
        return next(str(v.value) for v in values if v.key == "policy")

    assert operator.ask("load", other).success
    operator.until(lambda: reported() == str(other), "it is published", patience=2.0)
    assert operator.ask("roll_back").success
    operator.until(lambda: reported() != str(other), "it is published", patience=2.0)


@pytest.mark.slow
def test_another_node_of_this_machine_is_known_before_dds_finds_it(
    car: tuple[Operator, Graph],
) -> None:
    operator, graph = car
    assert operator.change("deactivate")
    claim = Claim(operator.node)  # as a node that is not discovered yet
    assert not operator.change("activate")
    graph.until("not activated: another node on this machine commands this robot already")
    claim.close()
    assert operator.change("activate")
    with pytest.raises(CommandedError):
        Claim(operator.node)
    operator.until(lambda: operator.speed > 3.0, "the car drives")


@pytest.mark.slow
def test_a_refused_node_does_not_take_over(car: tuple[Operator, Graph]) -> None:
    """When the first is deactivated, a person may be on the way to the robot."""
    operator, _ = car
    second = edge_node("-p", "autostart:=true", "-r", "__node:=second", *_AS_EDGE_NODE)
    with running(second) as graph:
        graph.until("commands this robot already")
        operator.spin(12.0)  # longer than it waits for one that was killed to be gone
        assert operator.change("deactivate")
        operator.spin(4.0)
        assert "second]: active" not in graph.output
        assert abs(operator.speed) < 0.5
    assert operator.change("activate")
    operator.until(lambda: operator.speed > 3.0, "the car drives")
