import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError


@dataclass(frozen=True)
class Inner:
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    kind: Literal["a", "b"] = "a"
    limit: float | None = None
    where: Path | None = None
    named: Mapping[str, float] = dataclasses.field(default_factory=dict)
    on: bool = True
    either: int | str = 0
    number: float | int = 0.0


@dataclass(frozen=True)
class Part:
    share: float = setting(0.5, above=0, at_most=1)
    ends: tuple[float, float] = setting((0.0, 1.0), at_least=0)


@dataclass(frozen=True)
class Whole:
    part: Part = Part()
    parts: tuple[Part, ...] = ()
    mixed: tuple[Part, float] = setting((Part(), 0.5), at_most=1)


finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(1 - 2**63, 2**63 - 1)
outers = st.builds(
    Outer,
    inner=st.builds(
        Inner,
        pair=st.tuples(finite, finite).map(lambda pair: (min(pair), max(pair))),
        many=st.lists(whole).map(tuple),
    ),
    kind=st.sampled_from(["a", "b"]),
    limit=st.none() | finite,
    where=st.none() | st.just(Path("runs/x")),
    named=st.dictionaries(st.text(), finite),
    on=st.booleans(),
    either=whole | st.text(),
    number=finite | whole,
)


@given(outers)
def test_a_config_survives_the_way_through_a_file(config: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(config))), "x") == config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nonsense": 1}, "unknown key 'nonsense'"),
        ({"kind": "c"}, "x: kind"),
        ({"on": 1}, "x: on"),
        ({"either": 0.5}, r"x: either: 0\.5 is not a whole number or text"),
        ({"limit": 10**400}, r"x: limit: 10+\.\.\.0+ is not a number"),
        ({"limit": "much"}, "x: limit"),
        ({"inner": 3}, "x: inner"),
        ({"inner": {"pair": [1.0, "b"], "many": []}}, r"x: inner\.pair"),
        ({"inner": {"pair": [1.0], "many": []}}, r"x: inner\.pair"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        from_json(Outer, {**to_json(Outer()), **change}, "x")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"part": {"share": 2.0}}, "x: part.share is 2; it must be above 0 and at most 1"),
        ({"parts": [{}, {"share": 0.0}]}, r"x: parts\[1\].share is 0; it must be above 0"),
        ({"part": {"ends": [2.0, 1.0]}}, "x: part.ends 2 1 is no range: put the lower first"),
        ({"mixed": [{"share": -1.0}, 0.5]}, r"x: mixed\[0\].share is -1"),
        ({"mixed": [{}, 2.0]}, r"x: mixed\[1\] is 2; it must be at most 1"),
    ],
)
def test_bounds_hold_however_deep_a_number_lies(document: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        from_json(Whole, document, "x")
