import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from policies.config_json import from_json, to_json
from policies.run_folder import config_from_json, config_to_json
from tests.policies.conftest import short


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


finite = st.floats(allow_nan=False)
outers = st.builds(
    Outer,
    inner=st.builds(Inner, pair=st.tuples(finite, finite), many=st.lists(st.integers()).map(tuple)),
    kind=st.sampled_from(["a", "b"]),
    limit=st.none() | finite,
    where=st.none() | st.just(Path("runs/x")),
    named=st.dictionaries(st.text(), finite),
    on=st.booleans(),
)


@given(outers)
def test_a_config_survives_the_way_through_a_file(config: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(config))), "x") == config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nonsense": 1}, "unknown field 'nonsense'"),
        ({"kind": "c"}, r"x\.kind"),
        ({"on": 1}, r"x\.on"),
        ({"limit": "much"}, r"x\.limit"),
        ({"inner": 3}, r"x\.inner"),
        ({"inner": {"pair": [1.0, "b"], "many": []}}, r"x\.inner\.pair"),
        ({"inner": {"pair": [1.0], "many": []}}, r"x\.inner\.pair"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        from_json(Outer, {**to_json(Outer()), **change}, "x")


@pytest.mark.parametrize("task", ["HumanoidVelocity", "VehicleTrack", "Humanoid-v5"])
def test_every_training_survives_the_way_through_its_run_folder(task: str, tmp_path: Path) -> None:
    config = short(tmp_path, task, minutes=3.5, algorithm="tqc")
    assert config_from_json(config_to_json(config), "x") == config


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task": {"name": "Nonsense"}}', '{"task": 3}'])
def test_a_damaged_config_is_a_users_error(text: str) -> None:
    with pytest.raises(UserError):
        config_from_json(text, "config.json")
