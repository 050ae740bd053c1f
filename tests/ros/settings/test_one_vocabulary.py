"""Command line, JSON, TOML and ROS parameters refuse a wrong value by the same name and bound."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")
pytest.importorskip("tomllib")

from rclpy.parameter import Parameter

from edge_runtime.config.config_file import read_config
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from sim2edge.commands import Subcommand
from sim2edge.options import parse
from sim2edge_ros.settings.declaring import declare


@dataclass(frozen=True)
class Vocabulary:
    """Each kind of bound."""

    share: float = setting(0.5, "A share.", at_least=0, at_most=1)
    rate: float = setting(1.0, "A rate.", "Hz", above=0)
    reach: float = setting(1.0, "A reach.", "m", at_least=0.5)
    gain: float = setting(1.0, "A gain.", above=0, at_most=2)
    count: int = setting(3, "A count.", above=0, at_most=9)


MODULE = type(sys)("sample")
MODULE.Vocabulary = Vocabulary  # type: ignore[attr-defined]
NO_NUMBER = st.sampled_from([float("nan"), float("inf"), -float("inf")])
LONG = 2**63 - 1
WRONG = st.one_of(
    st.tuples(st.just("share"), st.floats(max_value=-1e-300) | st.floats(1.001) | NO_NUMBER),
    st.tuples(st.just("rate"), st.floats(max_value=0.0) | NO_NUMBER),
    st.tuples(st.just("reach"), st.floats(max_value=0.499) | NO_NUMBER),
    st.tuples(st.just("gain"), st.floats(max_value=0.0) | st.floats(2.001) | NO_NUMBER),
    st.tuples(st.just("count"), st.integers(-LONG, 0) | st.integers(10, LONG)),
)


def refusal(read: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as error:
        read()
    return str(error.value)


def test_all_four_say_the_same(node: Any, tmp_path: Path) -> None:
    in_json, in_toml = tmp_path / "x.json", tmp_path / "x.toml"
    command = Subcommand("a sample", "sample", "Vocabulary")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(WRONG)
    def refuse(wrong: tuple[str, float]) -> None:
        name, value = wrong
        in_json.write_text(json.dumps({name: value}))
        in_toml.write_text(f"{name} = {value!r}\n")
        node._parameter_overrides = {name: Parameter(name, value=value)}
        said = {
            "--": refusal(lambda: parse("sample", command, MODULE, [f"--{name}={value!r}"])),
            f"{in_json}: ": refusal(lambda: read_config(Vocabulary, in_json, "config")),
            f"{in_toml}: ": refusal(lambda: read_config(Vocabulary, in_toml, "config")),
            "parameters: ": refusal(lambda: declare(node, Vocabulary)),
        }
        assert all(message.startswith(f"{where}{name} ") for where, message in said.items())
        assert len({message.removeprefix(where) for where, message in said.items()}) == 1, said

    refuse()
