"""The parameter files are what the nodes declare."""

import dataclasses
import re
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.parameter import Parameter

from edge_runtime.config.fields import described, setting, settings_of
from edge_runtime.errors import UserError
from edge_runtime.estimators import ESTIMATORS
from edge_runtime.policy import providers
from sim2edge_ros.commands.cmd_vel import KINDS
from sim2edge_ros.processes.up import default_parameters
from sim2edge_ros.settings.declaring import declare, read
from sim2edge_ros.settings.parameter_files import text
from sim2edge_ros.settings.parameters import NODES
from sim2edge_ros.settings.robot_file import shipped

_FREE = ("audit", "base_frame", "odom_frame", "provider_cache", "folder")  # any text will do


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_files_are_up_to_date(robot: str) -> None:
    """Else: python -m sim2edge_ros.settings.parameter_files."""
    assert default_parameters(robot).read_text() == text(robot)


@pytest.mark.parametrize("kind", NODES.values())
def test_each_parameter_is_described_and_its_default_is_in_its_range(kind: Any) -> None:
    for field in dataclasses.fields(kind):
        assert re.fullmatch(r"[A-Z'].*[.]", described(kind, field)), field.name
        declared = settings_of(kind)[field.name]
        lower, upper = declared.at_least, declared.at_most
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert lower <= field.default <= upper, field.name


@pytest.mark.parametrize("name", NODES)
def test_a_descriptor_says_all_that_is_allowed(node: Any, name: str) -> None:
    """As `ros2 param describe` shows it: a range, or in words what a range does not say."""
    kind = NODES[name]
    declare(node, kind)
    for field in dataclasses.fields(kind):
        reported = node.describe_parameter(field.name)
        assert reported.description == described(kind, field)
        ranges = [*reported.floating_point_range, *reported.integer_range]
        bounds = [(r.from_value, r.to_value) for r in ranges]
        declared = settings_of(kind)[field.name]
        lowest = max(declared.at_least, declared.above)
        expected = [(lowest, declared.at_most)] if declared.bounds else []
        assert bounds == expected, field.name
        if isinstance(field.default, str) and field.name not in _FREE:
            assert reported.additional_constraints, field.name
        assert field.name != "interface" or "one of forward" in reported.additional_constraints


@pytest.mark.parametrize(
    ("parameter", "names"),
    [
        ("robot", shipped()),
        ("fusion", ("auto", *ESTIMATORS)),
        ("provider", ("auto", *providers.NAMES)),
    ],
)
def test_its_constraints_list_the_names_that_there_are(
    parameter: str, names: tuple[str, ...]
) -> None:
    declared = settings_of(NODES["edge_node"])[parameter]
    names_alone = declared.allowed.partition(", the name")[0].replace(" or ", " ")
    assert set(re.split(r", *", names_alone)) == set(names)


@dataclasses.dataclass(frozen=True)
class _Above:
    rate: float = setting(1.0, "How often.", "Hz", above=0)
    count: int = setting(3, "How many.", above=0)


def test_a_bound_that_excludes_itself_is_in_words_and_holds(node: Any) -> None:
    declare(node, _Above)
    for name in ("rate", "count"):
        assert node.describe_parameter(name).additional_constraints == "above 0"
    (answer,) = node.set_parameters([Parameter("rate", value=0.0)])
    assert (answer.successful, answer.reason) == (
        False,
        "parameters: rate is 0 Hz; it must be positive",
    )
    (answer,) = node.set_parameters([Parameter("rate", value=2.0)])
    assert answer.successful and read(node, _Above) == _Above(2.0)


def test_a_kind_of_command_is_one_that_there_is(node: Any) -> None:
    node._parameter_overrides = {"cmd_vel_type": Parameter("cmd_vel_type", value="joy")}
    with pytest.raises(UserError, match="'joy' is not one of auto, " + ", ".join(KINDS)):
        declare(node, NODES["edge_node"])


def test_a_whole_number_will_do_for_any(node: Any) -> None:
    node._parameter_overrides = {
        "odometry_rate": Parameter("odometry_rate", value=100),
        "use_sim_time": Parameter("use_sim_time", value=False),
    }
    rate = declare(node, NODES["edge_node"]).odometry_rate
    assert rate == 100.0 and isinstance(rate, float)
