"""What a command is asked for: options, over the settings of a file that --config names."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config.config_file import to_json
from edge_runtime.config.fields import Range, setting
from edge_runtime.errors import UserError
from sim2edge.commands import Subcommand
from sim2edge.options import _one_line, parse


@dataclass(frozen=True)
class Inner:
    """What is within."""

    width: Range = setting((1.0, 2.0), "How wide.", "m", above=0)
    depth: float = setting(0.5, unit="m", at_least=0, at_most=9)
    """How deep it is, which takes
    more than a line."""
    kinds: tuple[str, ...] = ()
    on: bool = True


@dataclass(frozen=True)
class SampleConfig:
    """A sample command."""

    thing: str
    """What to do it to."""
    count: int = setting(3, "How often.", above=0)
    way: Literal["up", "down"] = "up"
    limit: float | None = setting(None, "Up to where.", "s", at_least=0)
    out: Path | None = None
    set: tuple[str, ...] = ()
    layers: tuple[int, ...] = setting((8, 4), "Sizes.", above=0)
    inner: Inner = field(default_factory=lambda: Inner(depth=1.0))


MODULE = type(sys)("sample")
MODULE.SampleConfig = SampleConfig  # type: ignore[attr-defined]
COMMAND = Subcommand(
    "a sample", "sample", "SampleConfig", positional=("thing",), short={"out": "-o"}
)


def ask(*words: object) -> Any:
    return parse("sample", COMMAND, MODULE, [str(word) for word in words])


sizes = st.floats(0.001, 9.0)
configs = st.builds(
    SampleConfig,
    thing=st.text(min_size=1),
    count=st.integers(1, 10**9),
    way=st.sampled_from(["up", "down"]),
    limit=st.none() | st.floats(0.0, 1e300),
    out=st.none() | st.just(Path("a/b")),
    set=st.lists(st.text()).map(tuple),
    layers=st.lists(st.integers(1, 99), min_size=1).map(tuple),
    inner=st.builds(
        Inner,
        width=st.tuples(sizes, sizes).map(lambda pair: (min(pair), max(pair))),
        depth=sizes,
        kinds=st.lists(st.sampled_from("abc")).map(tuple),
        on=st.booleans(),
    ),
)


@given(configs)
def test_a_written_config_asks_for_the_same_again(
    tmp_path_factory: pytest.TempPathFactory, config: SampleConfig
) -> None:
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps(to_json(config)))
    assert ask("--config", path) == config
    path.write_text(json.dumps({"config": to_json(config), "result": 3}))  # as in a report
    assert ask(f"--config={path}") == config


def test_options_come_before_the_file_and_the_file_before_the_defaults(tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    path = tmp_path / "sample.toml"
    path.write_text('count = 5\nway = "down"\n[inner]\nwidth = { value = [1, 3], unit = "m" }\n')
    found = ask("it", "--config", path, "--count", 7)
    assert found == SampleConfig("it", 7, "down", inner=Inner(width=(1.0, 3.0), depth=1.0))
    with pytest.raises(UserError, match="THING"):
        ask("--config", path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"cout": 5}', "unknown key 'cout'; did you mean 'count'?"),
        ('{"inner": {"dep": 5}}', ": inner: unknown key 'dep'"),
        ('{"inner": {"width": 5}}', ": inner.width: 5 is not a range [low, high] in m"),
        ('{"count": "many"}', ": count: 'many' is not a whole number"),
        ('{"way": "left"}', ": way: 'left' is not one of up, down"),
        ('{"inner": {"width": [2, 1]}}', ": inner.width 2 1 is no range: put the lower first"),
        ('{"inner": {"depth": 10}}', ": inner.depth is 10 m; it must be from 0 to 9 m"),
        ("[]", "must hold values by name"),
        ("{", "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "sample.json"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(words)) as error:
        ask("it", "--config", path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--config",), "--config: name a JSON or TOML file"),
        (("--config", "--count"), "--config: name a JSON or TOML file"),
        (("--config", "missing.json"), "cannot read config missing.json"),
        (("--count", 0), "--count is 0; it must be positive"),
        (("--count", "1" * 400), "--count has too many digits"),
        (("--limit", "nan"), "--limit must be a number"),
        (("--limit", "inf"), "--limit must be finite"),
        (("--layers", 4, -1), "--layers is -1; it must be positive"),
        (("--inner.width", 2, 1), "--inner.width 2 1 is no range"),
        (("--inner.width", 1, 2, "--inner.width", 1, 3), "--inner.width is given twice; leave"),
    ],
)
def test_what_no_setting_can_be_names_its_option(options: Sequence[object], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        ask("it", *options)


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "a", "b", "-o", "x", "it"),
        ("it", "--set", "a", "-o", "x", "--set", "b"),
        ("it", "--set=a", "-o", "x", "--set=b"),
        ("-o", "x", "it", "--set", "a", "--set=b"),
    ],
)
def test_a_list_that_is_given_twice_keeps_all_its_values(options: Sequence[str]) -> None:
    if options[0] == "--set":
        options = (options[-1], *options[:-1])
    assert ask(*options) == SampleConfig("it", out=Path("x"), set=("a", "b"))


def test_lists_within_and_negative_numbers_are_kept_together() -> None:
    words = ("it", "--inner.kinds", "a", "--layers", 1, "--inner.kinds", "b", "c")
    assert ask(*words).inner.kinds == ("a", "b", "c")
    with pytest.raises(UserError, match="--layers is -3"):
        ask("it", "--layers", 2, "--count", 2, "--layers", -3)


def test_help_has_sentence_unit_and_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ask("--help")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in (
        "How often. Above 0. (default: 3)",
        "How wide. Above 0 m.",
        "How deep it is, which takes more than a line. From 0 to 9 m. (default: 1.0)",
        "What to do it to. (required)",
        "--config",
    ):
        assert words in shown, words
    assert "(default: )" not in shown and "(default: '')" not in shown


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("  no such\n  option \n", "no such option"), ("─────\nwrong\n", "───── wrong")],
)
def test_a_message_without_a_box_is_one_line_too(text: str, line: str) -> None:
    assert _one_line(text) == line
