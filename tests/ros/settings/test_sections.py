"""A parameter file says what reaches no node, and its wildcards reach the nodes that have it."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from edge_runtime.errors import UserError
from sim2edge_ros.node_process import initialize
from sim2edge_ros.processes.up import parameters_without_effect
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.parameters import EdgeParameters, SimParameters
from sim2edge_ros.settings.sections import Section

EDGE_AND_SIM = ("edge_node", "sim_node")


def section(name: str, *parameters: str) -> str:
    return f"{name}:\n  ros__parameters:\n" + "".join(f"    {line}\n" for line in parameters)


@pytest.mark.parametrize(
    ("content", "line", "key"),
    [
        (section("edge_node", "cpu: 0") + section("edge_node", "fifo: 1"), 4, "edge_node"),
        (section("/**/edge_node", "cpu: 0", "fifo: 1", "cpu: 1"), 5, "cpu"),
        ("h1:\n  sim_node: {}\n  sim_node: {}\n", 3, "sim_node"),
    ],
)
def test_what_is_given_twice_is_refused(tmp_path: Path, content: str, line: int, key: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=f"line {line} gives '{key}' again"):
        parameters_without_effect("", EDGE_AND_SIM, path)


def test_aliases_are_followed_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    doubled = [f"l{k}: &l{k} [*l{k - 1}, *l{k - 1}]" for k in range(1, 60)]
    path.write_text(section("/h2/edge_node", "l0: &l0 [1]", *doubled))
    (said,) = parameters_without_effect("", EDGE_AND_SIM, path)
    assert "'/h2/edge_node' is none of the nodes" in said


@pytest.mark.parametrize(
    ("content", "namespace", "lost"),
    [
        (section("/**/edge_node", "cpu: 0"), "h1", []),
        (section("/**", "odometry_rate: 5.0", "seed: 3", "use_sim_time: true"), "h1", []),
        (section("/h1/*", "fifo: 0"), "/h1/", []),
        ("h1:\n  edge_node:\n    ros__parameters:\n      cpu: 0\n", "h1", []),
        (section("edge_node", "cpu: 0"), "", []),
        (
            section("edge_node", "cpu: 0"),
            "h1",
            ["which are /h1/edge_node, /h1/sim_node"],
        ),
        (section("/h2/edge_node", "cpu: 0"), "h1", ["'/h2/edge_node' is none of the nodes"]),
        (section("/*/edge_node", "cpu: 0"), "", ["'/*/edge_node' is none of the nodes"]),
        (
            section("/**", "odometri_rate: 5.0"),
            "",
            ["no node here takes 'odometri_rate' of '/**'; did you mean 'odometry_rate'"],
        ),
        (section("/**/recorder", "nice: 5"), "", ["'/**/recorder' is none of the nodes"]),
    ],
)
def test_what_has_no_effect_is_named(
    tmp_path: Path, content: str, namespace: str, lost: list[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    found = parameters_without_effect(namespace, EDGE_AND_SIM, path)
    assert len(found) == len(lost)
    assert all(part in line for part, line in zip(lost, found))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/**", ["/a", "/b/a", "/c/b/a"], []),
        ("/*", ["/a"], ["/b/a"]),
        ("/**/a", ["/a", "/b/a", "/c/b/a"], ["/ba", "/a/b"]),
        ("/b/**", ["/b/a", "/b/c/a"], ["/a", "/ba"]),
        ("/b/*/a", ["/b/c/a"], ["/b/a", "/b/c/d/a"]),
    ],
)
def test_wildcards_mean_what_they_do_in_ros(
    tmp_path: Path, pattern: str, matching: list[str], others: list[str]
) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(section(pattern, "answer: 42"))
    context = Context()
    rclpy.init(args=["--ros-args", "--params-file", str(path)], context=context)
    for name in (*matching, *others):
        assert Section(pattern, {}).is_for(name) is (name in matching)
        namespace, _, word = name.rpartition("/")
        node: Any = Node(word, namespace=namespace, context=context)
        assert ("answer" in node._parameter_overrides) is (name in matching), name
        node.destroy_node()
    rclpy.shutdown(context=context)


def started(
    monkeypatch: pytest.MonkeyPatch, path: Path | str, kind: Any, usual: str, name: str, *more: str
) -> Any:
    """The parameters of a node that is started with a parameter file."""
    arguments = ["node", "--ros-args", "--params-file", str(path), *more]
    monkeypatch.setattr(sys, "argv", arguments)
    context = Context()
    initialize(context, arguments, usual, name)
    node = Node(name, context=context)
    try:
        return declare(node, kind)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_a_wildcard_reaches_the_nodes_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shared.yaml"
    path.write_text(section("/**", "fifo: 7", "seed: 3", "odometry_rate: 5.0", "laser: front"))
    edge = started(monkeypatch, path, EdgeParameters, "edge_node", "edge_node")
    assert (edge.fifo, edge.odometry_rate) == (7, 5.0)
    sim = started(monkeypatch, path, SimParameters, "sim_node", "sim_node")
    assert (sim.fifo, sim.seed) == (7, 3)


def test_a_parameter_that_is_given_to_a_node_by_name_must_be_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(section("/**/edge_node", "seed: 3"))
    with pytest.raises(UserError, match="seed"):
        started(monkeypatch, path, EdgeParameters, "edge_node", "edge_node")
    path.write_text(section("/**", "seed: 3"))
    given = ("-p", "seed:=4")
    with pytest.raises(UserError, match="seed"):
        started(monkeypatch, path, EdgeParameters, "edge_node", "edge_node", *given)


def test_a_typing_error_in_a_section_for_all_nodes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(section("/**", "stop_secnds: 2.0", "seed: 3", "bond_timeout: 4.0"))
    started(monkeypatch, path, EdgeParameters, "edge_node", "edge_node")
    said = capfd.readouterr().err
    assert "no node of sim2edge has the parameter 'stop_secnds'; did you mean 'stop_sec" in said
    assert "seed" not in said and "bond" not in said  # of another node of ours, and of others


def test_a_renamed_node_keeps_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        section("/**/edge_node", "fifo: 7", "odometry_rate: 5.0") + section("/mine", "fifo: 9")
    )
    edge = started(monkeypatch, path, EdgeParameters, "edge_node", "mine")
    assert (edge.fifo, edge.odometry_rate) == (9, 5.0)


@pytest.mark.parametrize("written", ["./{}", "..//{folder}//{}", "{}"])
def test_a_renamed_node_finds_files_however_their_paths_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(section("/**/edge_node", "fifo: 7", "cpu: 0"))
    (tmp_path / "last.yaml").write_text(section("/**/edge_node", "fifo: 8"))
    first, last = (written.format(f"{n}.yaml", folder=tmp_path.name) for n in ("first", "last"))
    more = ("--params-file", last)
    edge = started(monkeypatch, first, EdgeParameters, "edge_node", "mine", *more)
    assert (edge.fifo, edge.cpu) == (8, 0)
    more = ("--params-file", last, "--params-file", first)
    assert started(monkeypatch, first, EdgeParameters, "edge_node", "mine", *more).fifo == 7


def test_a_number_is_no_name_of_a_parameter(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(section("/**", "3: 4"))
    (said,) = parameters_without_effect("", EDGE_AND_SIM, path)
    assert "no node here takes '3'" in said
