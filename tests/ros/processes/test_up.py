"""`sim2edge up` refuses mistakes in one line, and leaves no robot driving behind it."""

import importlib.util
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from ros_nodes.faults import child
from std_msgs.msg import String

from edge_runtime.errors import UserError
from sim2edge_ros.messages import topics
from sim2edge_ros.node_process import without_sources
from sim2edge_ros.processes.up import (
    UpConfig,
    _command,
    _settings_without_effect,
    default_parameters,
    parameter_files,
    prepare,
)
from sim2edge_ros.settings.robot_file import default_policy, written
from tests.ros.graph.ros_graph import GRACE, Probe, up
from tests.ros.graph.watcher import Watcher


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--domain", "233"), "--domain is 233; it must be from 0 to 232"),
        (("--domain", "-2"), "--domain is -2; it must be from 0 to 232"),
        (("--namespace", "1x"), "--namespace '1x': write letters, digits and _"),
        (("--namespace", "a//b"), "--namespace 'a//b': write letters"),
        (("--seconds", "-5"), "--seconds is -5 s; it must not be negative"),
        (("--seconds", "nan"), "--seconds must be a number"),
        (("--set", "speed"), "--set speed: write NAME:=VALUE"),
        (("--set", "odometry_rat:=5"), "no parameter 'odometry_rat'; did you mean 'odometry_rate'"),
        (("--set", "sim_node:policy:=x"), "no parameter 'policy'; there are: robot"),
        (("--set", "lidar:rate:=5"), "no node 'lidar'; there are edge_node"),
        (("--policy", "nope.onnx"), "cannot read policy nope.onnx: No such file or directory"),
        (("--policy", "Vehicle"), "no policy of that name comes with sim2edge; did you mean"),
        (("--set", "policy:=nope.onnx"), "cannot read policy nope.onnx"),
        (
            ("--params", "nothing.yaml"),
            "cannot read parameter file nothing.yaml: No such file",
        ),
    ],
)
def test_a_mistake_is_one_line(options: tuple[str, ...], problem: str) -> None:
    command = [sys.executable, "-m", "sim2edge", "up", "vehicle", *options]
    done = subprocess.run(command, text=True, capture_output=True, timeout=GRACE)
    assert done.returncode == 2
    assert done.stderr.startswith("sim2edge: ") and problem in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("edge_node: [", "is no YAML"),
        ("", "under each node's name"),
        ("edge_node:\n  cpu: 1\n", "stands 'ros__parameters:'"),
        ("a: 1\n", "under each node's name"),
        (b"\xff\xfe\xff", "no text"),
        ("2020-13-45", "line 1 gives '2020-13-45', which is no timestamp"),
        ("a:\n  b: !!int abc\n", "line 2 gives 'abc', which is no int"),
        ("!!bool maybe", "'maybe', which is no bool"),
        ("!!int |\n a\n b\n", r"'a.nb.n', which is no int"),
        ("? [a, b]\n: 1\n", "line 1 has a key that is no word"),
        ("{{a: 1}: 1}", "line 1 has a key that is no word"),
        ("&a [*a]", "under each node's name"),
        ("edge_node: &a\n  b: *a\n", "is nested too deeply"),
        ("/**/sim_node:\n  ros__parameters:\n", "of '/.*/sim_node' is empty, which ROS refuses"),
    ],
)
def test_a_file_without_parameters_is_refused(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=problem) as refused:
        parameter_files("vehicle", path)
    assert "\n" not in str(refused.value)


def after(command: list[str], flag: str) -> list[str]:
    """What a command line says with a flag, each time."""
    return [command[place + 1] for place, word in enumerate(command) if word == flag]


def test_an_option_that_is_not_given_leaves_the_parameter_file_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("h1:\n  edge_node:\n    ros__parameters:\n      policy: other.onnx\n")
    more = tmp_path / "more.yaml"
    more.write_text("/**:\n  ros__parameters:\n    cpu: 0\n")
    config = UpConfig("vehicle", params=(mine, more))
    command = _command("edge_node", config)
    assert after(command, "--params-file") == [
        str(default_parameters("vehicle")),
        str(mine),
        str(more),
    ]  # the last one counts
    assert "-p" not in command
    given = _command("edge_node", UpConfig("vehicle", policy=Path("a.onnx"), set=("fifo:=0",)))
    assert after(given, "-p") == ["policy:=a.onnx", "fifo:=0"]


def test_without_a_simulator_anothers_robot_needs_its_three_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    folder = written()
    folder.mkdir(parents=True)
    for ending, said in (
        (".json", "unknown robot 'pup'"),
        (".urdf", "pup.urdf is missing; copy it from where the robot is simulated"),
        (".yaml", "pup.yaml is missing; copy it"),
    ):
        with pytest.raises(UserError, match=said):
            prepare("pup")
        (folder / f"pup{ending}").touch()
    prepare("pup")


def test_a_setting_goes_to_the_nodes_that_know_it() -> None:
    config = UpConfig("vehicle", record=Path("bags"), set=("seed:=3", "fifo:=0", "total_mb:=9"))
    taken = {
        node: set(after(_command(node, config), "-p")) - {"folder:=bags"}
        for node in ("edge_node", "sim_node", "recorder")
    }
    assert taken == {
        "edge_node": {"fifo:=0"},
        "sim_node": {"seed:=3", "fifo:=0"},
        "recorder": {"total_mb:=9"},
    }


@pytest.mark.parametrize(
    ("settings", "nodes", "lost"),
    [
        (("recorder:total_mb:=500", "cpu:=0"), ("edge_node",), ["for recorder, give --record"]),
        (("total_mb:=500",), ("edge_node", "recorder"), []),
        (("seed:=3", "topics:=a"), ("edge_node",), ["for sim_node, leave out", "give --record"]),
        (("model_node:robot:=x", "robot:=x"), ("edge_node",), ["model_node, give --real --model"]),
    ],
)
def test_a_setting_for_a_node_that_does_not_start_is_named(
    settings: tuple[str, ...], nodes: tuple[str, ...], lost: list[str]
) -> None:
    found = _settings_without_effect(settings, nodes)
    assert len(found) == len(lost) and all(part in line for part, line in zip(lost, found))


def node_says(module: str, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", f"sim2edge_ros.{module}", "--ros-args", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=GRACE)
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("module", "given", "said"),
    [
        (
            "edge.edge_node",
            "odometry_rat:=5.0",
            "edge_node: parameters: unknown key 'odometry_rat'; did you mean 'odometry_rate'?",
        ),
        ("simulator.sim_node", "seed:=much", "parameters: seed: 'much' is not a whole number"),
        ("recorder.recorder_node", "polcy:=x", "parameters: unknown key 'polcy'; there are"),
        (
            "edge.edge_node",
            "cmd_vel_timeout:=100",
            "cmd_vel_timeout is 100 s; it must be from 0.05 to 60 s",
        ),
    ],
)
def test_a_node_refuses_in_its_last_line(module: str, given: str, said: str) -> None:
    code, line = node_says(module, "-p", given)
    assert code == 2
    assert said in line


def test_a_node_refuses_a_parameter_file_in_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [\n")
    code, line = node_says("edge.edge_node", "--params-file", str(tmp_path / "bad.yaml"))
    assert code == 2
    assert line.startswith("edge_node: Couldn't parse params file")
    assert "/src/" not in line


def test_messages_of_rcl_end_before_its_sources() -> None:
    reported = "failed to initialize rcl: No rule: 'x', at /project/src/a.c:415, at ./b.c:1\n"
    assert without_sources(reported) == "No rule: 'x', at ./b.c:1"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid: int, patience: float = GRACE) -> None:
    until = time.monotonic() + patience
    while alive(pid):
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.05)


@pytest.fixture
def terminal() -> Iterator[None]:
    """Lets a closed terminal end what is started, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_a_closed_terminal_or_an_end_or_a_kill_leaves_no_robot_driving(
    node: Any, terminal: None, number: signal.Signals
) -> None:
    """The edge node brings it to rest, and publishes that."""
    watcher = Watcher(node)
    with up("vehicle") as graph:
        graph.until("edge_node]: active")
        nodes = [child(graph.process.pid, f"{name}") for name in ("edge_node", "sim_node")]
        watcher.until(lambda: watcher.said("active"), "it drives")
        graph.process.send_signal(number)
        watcher.until(lambda: watcher.said("shut down"), "it comes to rest")
        for pid in nodes:
            ends(pid)
        graph.process.wait(GRACE)
    assert watcher.said("commands have ended")
    assert graph.process.returncode == (-number if number == signal.SIGKILL else 0)


@pytest.mark.parametrize(
    "after",
    [0.0, *(pytest.param(seconds, marks=pytest.mark.slow) for seconds in (0.3, 0.6)), 1.0],
)
def test_interrupted_while_it_starts_it_is_quiet(after: float) -> None:
    """Its nodes import for a second."""
    with up("vehicle", "--lockstep") as graph:
        children = Path(f"/proc/{graph.process.pid}/task/{graph.process.pid}/children")
        until = time.monotonic() + GRACE
        while len(children.read_text().split()) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(after)
        graph.process.send_signal(signal.SIGINT)
        code = graph.process.wait(GRACE)
        time.sleep(0.2)
    assert "Traceback" not in graph.output, graph.output
    assert code == 0, graph.output


@pytest.mark.slow
def test_an_absent_robot_gives_exit_code_1() -> None:
    settings = ("--set", "sim_node:seed:=3", "--set", "odometry_rate:=20")
    with up("vehicle", "--real", "--seconds", "3", *settings) as graph:
        assert graph.process.wait(GRACE) == 1
        time.sleep(0.2)
    assert "the robot was not active within 3 s" in graph.output
    lost = "without effect: --set sim_node:seed:=3 is for none of edge_node; for sim_node, leave"
    assert lost in graph.output and graph.output.count("without effect") == 1


@pytest.mark.slow
def test_a_real_robots_model_is_published_on_request(node: Any) -> None:
    probe = Probe(node)
    probe.subscribe("/robot_description", String, topics.LATCHED)
    with up("vehicle", "--real", "--model") as graph:
        probe.until(lambda: bool(probe.received["/robot_description"]), "the model is published")
        assert "<robot" in probe.last("/robot_description").data
        graph.interrupt()
    with pytest.raises(UserError, match="--model needs --real"):
        UpConfig(robot="vehicle", model=True)


@pytest.mark.slow
def test_another_robots_policy_is_refused() -> None:
    with up("vehicle", "--policy", str(default_policy("humanoid"))) as graph:
        assert graph.process.wait(GRACE) == 2
        time.sleep(0.2)
    assert re.search(
        r"sim2edge: not configured: .*HumanoidVelocity.onnx: drives joint", graph.output
    )
    assert "Traceback" not in graph.output


@pytest.mark.slow
def test_a_whole_number_is_a_float_and_an_argument_overrides_the_file(tmp_path: Path) -> None:
    """`autostart: false` of one's own file holds, though `up` starts by itself otherwise."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "/**/edge_node:\n  ros__parameters:\n    autostart: false\n    odometry_rate: 100\n"
    )
    with up("vehicle", "--real", "--params", str(mine), "--seconds", "4") as graph:
        assert graph.process.wait(GRACE) == 1
        time.sleep(0.2)
    assert "edge_node]: unconfigured" in graph.output
    assert "configured: VehicleTrack" not in graph.output


@pytest.mark.parametrize(("options", "moved"), [({}, True), ({"real": True}, False)])
def test_each_simulated_robot_has_a_clock_of_its_own(options: dict[str, bool], moved: bool) -> None:
    """A simulator in place of ours has `/clock`."""
    command = _command("edge_node", UpConfig("vehicle", namespace="h1", lockstep=True, **options))
    assert ("/clock:=clock" in after(command, "-r")) is moved
