"""The launch files start the graph, wherever launch_ros can be imported; it is not on PyPI."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")
pytest.importorskip("launch_ros", reason="launch_ros cannot be imported; it comes with ROS alone")

from launch import LaunchContext
from launch.launch_description_sources import get_launch_description_from_python_launch_file

from edge_runtime.errors import UserError
from sim2edge_ros.processes import launching
from sim2edge_ros.processes.up import default_parameters
from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.conftest import PACKAGE
from tests.ros.graph.ros_graph import GRACE, Graph, Probe, running
from tests.ros.graph.watcher import Watcher
from tests.ros.recorder.bags import rosbags_count

# `ros2 launch FILE NAME:=VALUE ...` as it is without a terminal, and without ros2cli.
_LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *given = sys.argv[1:]
arguments = [argument.split(":=", 1) for argument in given]
service = LaunchService(argv=given, noninteractive=True)
source = PythonLaunchDescriptionSource(file)
included = IncludeLaunchDescription(source, launch_arguments=arguments)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""
_NODES = ("edge_node", "recorder", "sim_node")
_LOCKSTEP = ("speed:=0.0", "clock:=true")


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """AMENT_PREFIX_PATH of a folder in which the package is installed as colcon would."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    executables = tmp_path / "lib" / "sim2edge_ros"
    for folder in (index, executables):
        folder.mkdir(parents=True)
    (index / "sim2edge_ros").touch()
    for name in _NODES:
        script = executables / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom sim2edge_ros.processes.start import {name}\n"
            f"sys.exit({name}())\n"
        )
        script.chmod(0o755)
    return os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("AMENT_PREFIX_PATH", "")]))


def launched(prefix: str, robot: str, *arguments: str) -> Any:
    file = PACKAGE / "launch" / f"{robot}.launch.py"
    command = [sys.executable, "-c", _LAUNCH, str(file), *arguments]
    return running(command, AMENT_PREFIX_PATH=prefix)


@pytest.mark.parametrize("robot", ["humanoid", "vehicle", "robot"])
def test_every_argument_is_described_and_has_a_default(robot: str) -> None:
    file = PACKAGE / "launch" / f"{robot}.launch.py"
    arguments = get_launch_description_from_python_launch_file(str(file)).get_launch_arguments()
    names = {argument.name for argument in arguments}
    assert {"robot", "policy", "namespace", "record", "odometry_rate", "respawn"} <= names
    for argument in arguments:
        assert argument.default_value is not None, argument.name
        assert len(argument.description) > 10, argument.name


def actions_of(prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> list[Any]:
    """What a launch with these arguments would do."""
    monkeypatch.setenv("AMENT_PREFIX_PATH", prefix)
    context = LaunchContext()
    context.launch_configurations.update(given)
    file = PACKAGE / "launch" / "vehicle.launch.py"
    entities = get_launch_description_from_python_launch_file(str(file)).entities
    return [action for entity in entities for action in entity.execute(context) or ()]


def started(prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> set[str]:
    """The executables that a launch with these arguments would start, and messages."""
    actions = actions_of(prefix, monkeypatch, given)
    return {getattr(action, "node_executable", "a message") for action in actions}


def installed(prefix: str, package: str) -> str:
    """The prefix, with another package in it."""
    (
        Path(prefix.split(os.pathsep)[0]) / "share/ament_index/resource_index/packages" / package
    ).touch()
    return prefix


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"edge_node", "sim_node", "robot_state_publisher"}),
        ({"record": "bags"}, {"edge_node", "sim_node", "recorder", "robot_state_publisher"}),
        ({"robot": "real"}, {"edge_node"}),
        (
            {"robot": "real", "robot_state_publisher": "true"},
            {"edge_node", "robot_state_publisher"},
        ),
        ({"robot_state_publisher": "false"}, {"edge_node", "sim_node"}),
    ],
)
def test_the_arguments_say_which_nodes_there_are(
    prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: set[str]
) -> None:
    prefix = installed(prefix, "robot_state_publisher")
    assert started(prefix, monkeypatch, given) == expected


def test_without_a_state_publisher_it_says_so(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(prefix, monkeypatch, {}) == {"edge_node", "sim_node", "a message"}


@pytest.mark.parametrize("given", [{"robot": "reel"}, {"respawn": "yes"}])
def test_an_unknown_argument_is_refused(
    prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    with pytest.raises(RuntimeError, match="Valid options are"):
        started(prefix, monkeypatch, given)


@pytest.mark.slow
def test_the_car_drives_is_recorded_and_ends_with_the_launch(
    node: Any, prefix: str, tmp_path: Path
) -> None:
    watcher = Watcher(node, "car")
    other = tmp_path / "other.onnx"
    other.write_bytes(default_policy("vehicle").read_bytes())
    bags = tmp_path / "bags"
    with launched(
        prefix,
        "vehicle",
        *_LOCKSTEP,
        "namespace:=car",
        f"policy:={other}",
        f"record:={bags}",
        "odometry_rate:=5.0",
    ) as graph:
        graph.until("[car.edge_node]: active")
        watcher.drives(6.0)
        assert watcher.speed > 3.0
        watcher.until(
            lambda: watcher.value("policy", "file") == str(other), "the policy is published"
        )
        wanted = {("edge_node", "/car"), ("sim_node", "/car"), ("recorder", "/car")}
        watcher.until(lambda: wanted <= set(node.get_node_names_and_namespaces()), "all are there")
        watcher.drives(4.0)
        assert graph.interrupt(watcher) == 0, graph.output
    assert "process has died" not in graph.output, graph.output
    assert watcher.said("shut down")
    (bag,) = bags.glob("bag_*")
    assert rosbags_count(bag) > 100


@pytest.mark.slow
def test_a_robot_is_launched_by_its_name(node: Any, prefix: str) -> None:
    watcher = Watcher(node)
    with launched(prefix, "robot", "name:=vehicle", *_LOCKSTEP) as graph:
        graph.until("edge_node]: active")
        watcher.drives(2.0)
        assert graph.interrupt(watcher) == 0, graph.output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "unicycle"])
def test_a_robot_that_is_none_is_one_line(prefix: str, name: str) -> None:
    with launched(prefix, "robot", *[f"name:={name}"] * bool(name)) as graph:
        assert graph.process.wait(GRACE) == 1
    assert "unknown robot" in graph.output and "vehicle" in graph.output
    assert "Traceback" not in graph.output, graph.output


@pytest.mark.slow
def test_the_humanoid_stands_and_a_killed_node_comes_back(node: Any, prefix: str) -> None:
    watcher = Watcher(node)
    with launched(prefix, "humanoid", *_LOCKSTEP) as graph:
        graph.until("edge_node]: active")
        watcher.drives(2.0)
        assert watcher.last("/ground_truth/odometry").pose.pose.position.z > 0.6
        killed = _pid(graph, "sim_node")
        os.kill(killed, 9)
        graph.until("process has died")
        watcher.until(lambda: _pid(graph, "sim_node") not in (0, killed), "it is started again")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("provider:=tensort",), "unknown provider 'tensort'"),
        ((f"policy:={default_policy('humanoid')}",), "HumanoidVelocity.onnx: drives joint"),
        (("odometry_rate:=5000",), "odometry_rate is 5000 Hz; it must be from 0 to 1000 Hz"),
    ],
)
def test_a_node_that_is_refused_ends_the_launch(
    prefix: str, given: tuple[str, ...], said: str
) -> None:
    """Started again, it would be refused again."""
    with launched(prefix, "vehicle", *given) as graph:
        assert graph.process.wait(GRACE) == 1
        time.sleep(0.2)
    assert said in graph.output
    assert "edge_node refused its parameters" in graph.output
    assert sum("process started with pid" in line for line in graph.lines) == 2, graph.output


def test_an_argument_that_is_not_given_leaves_the_parameter_file_alone(
    prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**/edge_node:\n  ros__parameters:\n    autostart: false\n    phase: 0\n")
    shipped = str(default_parameters("vehicle"))
    monkeypatch.setattr(launching, "Node", Made)
    monkeypatch.setattr(launching, "LifecycleNode", Made)
    assert made(prefix, monkeypatch, {})["edge_node"] == [shipped]
    assert made(prefix, monkeypatch, {"params": str(mine)})["edge_node"] == [shipped, str(mine)]
    given = {"autostart": "true", "clock": "true", "speed": "2", "robot_state_publisher": "false"}
    nodes = made(prefix, monkeypatch, given)
    assert nodes["edge_node"] == [shipped, {"use_sim_time": True, "autostart": True}]
    assert nodes["sim_node"] == [shipped, {"clock": True, "model": False, "speed": 2.0}]


class Made:
    """In place of a node's action: what it was given."""

    def __init__(self, **given: Any) -> None:
        self.given = given


def made(
    prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> dict[str, list[Any]]:
    """The parameters that each node of a launch gets."""
    actions = actions_of(prefix, monkeypatch, given)
    return {a.given["name"]: a.given["parameters"] for a in actions if isinstance(a, Made)}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"speed": "fast"}, "speed: could not convert string to float: 'fast'"),
        ({"params": "nothing.yaml"}, "cannot read parameter file nothing.yaml: No such file"),
    ],
)
def test_a_value_that_is_no_number_is_refused(
    prefix: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        started(prefix, monkeypatch, given)


@pytest.mark.slow
def test_a_stop_has_the_time_it_takes(prefix: str) -> None:
    """Launch by itself would send SIGTERM after 5 s, and SIGKILL after 10 s."""
    with launched(prefix, "vehicle") as graph:
        graph.until("edge_node]: active")
        os.kill(_pid(graph, "edge_node"), signal.SIGSTOP)  # as one that takes its time
        graph.process.send_signal(signal.SIGINT)
        time.sleep(7.0)
        os.kill(_pid(graph, "edge_node"), signal.SIGCONT)
        graph.process.wait(GRACE)
        time.sleep(0.2)
    assert "sending signal 'SIGTERM'" not in graph.output, graph.output
    assert "edge_node]: shut down" in graph.output


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.1, 0.4, 0.7, 1.0])
def test_interrupted_while_it_starts_it_is_quiet(prefix: str, after: float) -> None:
    with launched(prefix, "vehicle") as graph:
        graph.until("process started with pid")
        time.sleep(after)
        graph.process.send_signal(signal.SIGINT)
        graph.process.wait(GRACE)
        time.sleep(0.2)
    assert "Traceback" not in graph.output, graph.output


@pytest.mark.slow
def test_a_killed_launch_leaves_no_robot_driving(node: Any, prefix: str) -> None:
    watcher = Watcher(node)
    with launched(prefix, "vehicle") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.said("active"), "it drives")
        graph.process.kill()
        watcher.until(lambda: watcher.said("shut down"), "it comes to rest")
    assert watcher.said("commands have ended")


@pytest.mark.slow
def test_a_real_robot_is_waited_for(node: Any, prefix: str) -> None:
    with launched(prefix, "vehicle", "robot:=real") as graph:
        graph.until("not activated: imu/data: nothing was received")
        Probe(node).until(lambda: "edge_node" in node.get_node_names(), "it is found")
        assert "sim_node" not in node.get_node_names()
        assert "sim_node" not in graph.output


def _pid(graph: Graph, name: str) -> int:
    """Returns the process id of a node, from the last line of launch; 0 before."""
    reported = [line for line in graph.lines if "process started with pid" in line and name in line]
    return int(reported[-1].split("pid [")[1].rstrip("]")) if reported else 0
