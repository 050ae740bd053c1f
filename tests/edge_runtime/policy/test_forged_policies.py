"""Policy files whose checksum fits whatever they hold are refused, or run like any other."""

import dataclasses
import hashlib
import json
import re
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_runtime.config.config_file import from_json
from edge_runtime.console import plain
from edge_runtime.errors import ContractError, UserError
from edge_runtime.policy import inference
from edge_runtime.policy.contract import CHECKSUM_KEY, KEY, Contract, from_metadata, to_metadata
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.inspection import describe
from tests.edge_runtime.leg import make_contract, make_model

SOUND = onnx.load_from_string(make_model(make_contract()))
DOCUMENT: dict[str, Any] = json.loads(
    next(prop.value for prop in SOUND.metadata_props if prop.key == KEY)
)


def sealed(text: str, others: dict[str, str] | None = None) -> dict[str, str]:
    """Metadata with this document and the checksum that fits it."""
    checksum = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return (others or {}) | {KEY: text, CHECKSUM_KEY: checksum}


def forged(document: Any) -> Policy:
    """The policy of a file whose other metadata agrees with the document, if it can."""
    text = json.dumps(document)
    others: dict[str, str] = {}
    with suppress(Exception):  # the document may be of any kind
        fields = {key: value for key, value in document.items() if key != "format"}
        others = to_metadata(from_json(Contract, fields, "it"))
    model = onnx.ModelProto()
    model.CopyFrom(SOUND)
    del model.metadata_props[:]
    helper.set_model_props(model, sealed(text, others))
    return Policy(model.SerializeToString(), "forged.onnx")


def changed(place: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
    inner: Any = document
    for part in path:
        inner = inner[part]
    inner[last] = value
    return document


NO_NUMBERS = [float("nan"), float("inf"), 1e300, -1e300, 10**30, 10**400, "1", None, True, [], {}]
SIZES = [-1, 0, 2**31, 10**12, 2**63, 1.5, *NO_NUMBERS]
OUT_OF_BOUNDS: dict[str, list[Any]] = {
    "control_period": [1e-12, 1e-5, 0, -1, 1e9, *NO_NUMBERS],
    "physics_period": [1e-12, 0, -1, 1e9, *NO_NUMBERS],
    "action_clip": [0, -1, *NO_NUMBERS],
    "signals.0.size": SIZES,
    "observations.0.history": SIZES,
    "observations.0.scale": NO_NUMBERS,
    "observations.6.params": [{"steps": 0.0}, {"steps": "x"}, {"nonsense": 1.0}, [1], 5],
    "actuators.0.stiffness": [-1, *NO_NUMBERS],
    "actuators.0.action_scale": NO_NUMBERS,
    "actuators.0.default": [2.0, *NO_NUMBERS],
    "actuators.0.name": [5, None, ["hip"]],
    "actuators": [None, 5, "hip", [[]], [DOCUMENT["actuators"][0]] * 2000],
    "commands": [[DOCUMENT["commands"][0]] * 2000, {}],
    "signals": [[], [DOCUMENT["signals"][0]] * 2000],
    "provenance.steps": [-1, 1.5, *NO_NUMBERS],
    "provenance.versions": [[], "x", {"numpy": 2}],
    "golden_observations": [[], [[]], [[1.0]], [[1e300] * 23] * 4, [[[1.0]]], "x", 5],
    "golden_actions": [[], [[0.0] * 3] * 4, [[float("nan")] * 3] * 4],
    "format": [0, 2, None, "1"],
}
CASES = [(place, value) for place, values in OUT_OF_BOUNDS.items() for value in values]


@pytest.mark.parametrize(("place", "value"), CASES, ids=[f"{p} {str(v)[:20]}" for p, v in CASES])
def test_what_no_policy_has_is_refused_before_anything_is_allocated(place: str, value: Any) -> None:
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        forged(changed(place, value))
    assert len(str(error.value)) < 500
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' + "[" * 100_000,
        "[" * 100_000,
        '{"format": 1, "format": 1}',
        '{"format": 1, "task": ' + "9" * 100_000 + "}",
        "null",
        "",
        '"' + "x" * 10**6,
        '{"' + "x" * 10**6 + '": 1, "format": 1}',
    ],
)
def test_a_document_of_another_kind_is_one_short_line(text: str) -> None:
    with pytest.raises(ContractError) as error:
        from_metadata(sealed(text), "forged.onnx")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_what_it_says_cannot_forge_a_line_or_move_the_cursor() -> None:
    evil = "sim2edge train\x1b[2J\r\n  rate       1000 Hz\u2028\x9b1m"
    for place in ("provenance.command", "provenance.commit", "robot", "signals.0.frame"):
        lines = describe(forged(changed(place, evil)))
        assert all(line.isprintable() for line in lines)
        assert sum(line.startswith("  rate ") for line in lines) == 1
    assert plain(evil) in "\n".join(describe(forged(changed("provenance.command", evil))))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from([10**30, -1e300, 1e-320, "\x1b[31m", "\ud800", "x" * 1000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def places(value: Any, path: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items)[:8]:
        yield f"{path}{key}"
        if isinstance(item, (dict, list)):
            yield from places(item, f"{path}{key}.")


PLACES = sorted(place for place in places(DOCUMENT) if not place.startswith("golden_obs"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=2))
def test_any_document_is_refused_or_runs(changes: list[tuple[str, Any]]) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    for place, value in changes:
        *path, last = place.split(".")
        inner: Any = document
        with suppress(LookupError, TypeError, ValueError):  # the change before may have removed it
            for part in path:
                inner = inner[int(part)] if isinstance(inner, list) else inner[part]
            inner[int(last) if isinstance(inner, list) else last] = value
    try:
        policy = forged(document)
    except UserError:
        return
    assert 1e-4 <= policy.contract.control_period <= 10
    assert all(line.isprintable() for line in describe(policy))


def test_a_newer_format_names_the_version_to_install() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(SOUND)
    model.ir_version = 99
    with pytest.raises(ContractError, match=re.escape(f"'onnxruntime>{ort.__version__}'")):
        Policy(model.SerializeToString(), "new.onnx")
    model.ir_version = 8
    model.opset_import[0].version = 99
    with pytest.raises(ContractError, match="pip install 'onnxruntime>"):
        Policy(model.SerializeToString(), "new.onnx")
    assert "'onnxruntime>=1.23'" in inference._remedy("Unsupported model IR version: 12, max 11")


def hungry(make: str, count: int) -> bytes:
    """A policy file whose network makes so many numbers, while it is loaded or when it runs."""
    contract = dataclasses.replace(
        make_contract(), golden_observations=((0.0,) * 23,), golden_actions=((0.0,) * 3,)
    )
    numbers = {
        "ConstantOfShape": helper.make_node("ConstantOfShape", ["size"], ["big"]),
        "Expand": helper.make_node("Expand", ["sum", "size"], ["big"]),
        "Tile": helper.make_node("Tile", ["flat", "size"], ["big"]),
        "Range": helper.make_node("Range", ["start", "stop", "step"], ["big"]),
        "Pad": helper.make_node("Pad", ["flat", "ends"], ["big"]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["obs", "from", "to", "axis"], ["begin"]),
            helper.make_node("ReduceSum", ["begin"], ["sum"], keepdims=0),
            helper.make_node("Reshape", ["sum", "one"], ["flat"]),
            helper.make_node("Add", ["zero", "sum"], ["start"]),
            helper.make_node("Add", ["most", "sum"], ["stop"]),
            numbers[make],
            helper.make_node("ReduceMin", ["big"], ["least"], keepdims=0),
            helper.make_node("Mul", ["begin", "least"], ["actions"]),
        ],
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, 23])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor("size", TensorProto.INT64, [1], [count]),
            helper.make_tensor("ends", TensorProto.INT64, [2], [0, count]),
            helper.make_tensor("most", TensorProto.FLOAT, [], [float(count)]),
            helper.make_tensor("step", TensorProto.FLOAT, [], [1.0]),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [3]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, to_metadata(contract))
    serialized: bytes = model.SerializeToString()
    return serialized


@pytest.mark.parametrize("make", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad"])
def test_a_small_file_cannot_take_all_memory(make: str) -> None:
    assert Policy(hungry(make, 50), "small.onnx").golden_error() == 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContractError, match="it needs more than 2048 MB of memory"):
        Policy(hungry(make, 800_000_000), "hungry.onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"


def endless(repetitions: int, observed: float = 0.0) -> bytes:
    """A policy file whose network counts to a number, and to one more that it observes."""
    contract = dataclasses.replace(
        make_contract(),
        golden_observations=((observed, *(0.0,) * 22),),
        golden_actions=((observed, 0.0, 0.0),),
    )
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["sum", "one"], ["more"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, [1, 3]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["obs", "from", "to", "axis"], ["begin"]),
            helper.make_node("ReduceSum", ["begin"], ["seen"], keepdims=0),
            helper.make_node("Cast", ["seen"], ["further"], to=TensorProto.INT64),
            helper.make_node("Add", ["count", "further"], ["all"]),
            helper.make_node("Loop", ["all", "true", "begin"], ["actions"], body=body),
        ],
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, 23])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor("count", TensorProto.INT64, [], [repetitions]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
            helper.make_tensor("one", TensorProto.FLOAT, [1, 3], [0.0] * 3),
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [3]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, to_metadata(contract))
    return bytes(model.SerializeToString())


def folding(products: int, rows: int, columns: int) -> bytes:
    """A policy file whose network multiplies large matrices that do not depend on its input."""
    contract = dataclasses.replace(
        make_contract(), golden_observations=((0.0,) * 23,), golden_actions=((0.0,) * 3,)
    )
    numbers = range(products)
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["size"], ["matrix"]),
            helper.make_node("Transpose", ["matrix"], ["other"]),
            *(helper.make_node("MatMul", ["matrix", "other"], [f"product_{i}"]) for i in numbers),
            *(
                helper.make_node("ReduceMin", [f"product_{i}"], [f"least_{i}"], keepdims=0)
                for i in numbers
            ),
            helper.make_node("Sum", [f"least_{i}" for i in numbers], ["sum"]),
            helper.make_node("Slice", ["obs", "from", "to", "axis"], ["begin"]),
            helper.make_node("Mul", ["begin", "sum"], ["actions"]),
        ],
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, 23])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor("size", TensorProto.INT64, [2], [rows, columns]),
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [3]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, to_metadata(contract))
    return bytes(model.SerializeToString())


ENDLESS = {
    "loop": endless(2**60),
    "loop on what it observes": endless(0, observed=2.0**60),
    "many products of constants": folding(100, 1000, 10_000),
    "one operator": folding(1, 3000, 10_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_network_that_never_ends_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for sound in (endless(3), endless(0, observed=3.0), folding(3, 10, 20)):
        assert Policy(sound, "sound.onnx").golden_error() == 0.0
    monkeypatch.setattr(inference, "_PATIENCE", 0.3)
    began = time.monotonic()
    with pytest.raises(ContractError, match="cannot be run .not done within 0.3 s"):
        Policy(ENDLESS[kind], "endless.onnx")
    assert time.monotonic() - began < 1
