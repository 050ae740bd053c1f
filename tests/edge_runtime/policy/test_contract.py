"""The contract, written and read."""

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ContractError
from edge_runtime.policy.contract import (
    CHECKSUM_KEY,
    KEY,
    Actuator,
    Contract,
    Provenance,
    from_metadata,
    to_metadata,
)
from tests.edge_runtime.leg import make_contract

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, allow_infinity=True)
gains = st.floats(0, 1e6)
actuators = st.builds(
    Actuator,
    st.text("abc_", min_size=1, max_size=8),
    st.sampled_from(["position", "velocity"]),
    gains,
    gains,
    default=finite,
    action_scale=finite,
    lower=st.floats(max_value=-1e6, allow_infinity=True),
    upper=st.floats(min_value=1e6, allow_infinity=True),
    max_velocity=positive,
    max_effort=positive,
)


@settings(max_examples=50)
@given(st.lists(actuators, min_size=3, max_size=3), st.text(max_size=20), positive)
def test_comes_back_as_it_was_written(parts: list[Actuator], command: str, tilt: float) -> None:
    contract = make_contract(
        actuators=tuple(parts),
        max_tilt=tilt,
        provenance=Provenance(command=command, versions={"numpy": "2.0"}),
        golden_observations=((0.1, 0.2),),
        golden_actions=((1 / 3,),),
    )
    assert from_metadata(to_metadata(contract), "walk.onnx") == contract


def test_writes_the_keys_that_other_controllers_parse() -> None:
    metadata = to_metadata(make_contract())
    assert metadata["joint_names"] == "hip,knee,ankle"
    assert metadata["joint_stiffness"] == "20.0,21.0,22.0"
    assert metadata["action_scale"] == "0.25,0.25,0.25"
    assert metadata["command_names"] == "forward,lateral,yaw"
    assert metadata["observation_terms_history_length"] == "1,1,2,1,1,1,1"
    sizes = [int(size) for size in metadata["observation_terms_size"].split(",")]
    assert sum(sizes) == make_contract().observation_size
    for key in ("observation_names", "observation_terms_unit", "observation_terms_scale"):
        assert metadata[key].count(",") == len(sizes) - 1


def sealed(contract: Contract, **changes: Any) -> dict[str, str]:
    """Metadata with some fields replaced by others, and a checksum that fits them."""
    document = {"format": 1, **dataclasses.asdict(contract), **changes}
    text = json.dumps(document, sort_keys=True)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return to_metadata(contract) | {KEY: text, CHECKSUM_KEY: checksum}


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"surplus": 1},
        {"actuators": None},
        {"actuators": [{"name": "hip", "surplus": 1}]},
        {"actuators": [7]},
        {"observations": [{"name": "aura"}]},
        {"observations": [{"name": "gait_clock"}]},
        {"observations": [{"name": "joint_vel", "scale": "much"}]},
        {"observations": [{"name": "joint_vel", "history": -1}]},
        {"signals": []},
        {"signals": [{"name": "imu_gyro", "size": "three", "unit": "rad/s"}]},
        {"golden_actions": 3},
        {"control_period": "often"},
    ],
)
def test_a_malformed_contract_is_refused_in_one_line(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="walk") as error:
        from_metadata(sealed(make_contract(), **changes), "walk.onnx")
    assert "\n" not in str(error.value)


def test_a_term_of_a_package_that_is_not_here_wants_the_package() -> None:
    metadata = sealed(make_contract(), observations=[{"name": "aura"}])
    with pytest.raises(ContractError, match=r"'aura'.*install the package.*--import") as error:
        from_metadata(metadata, "walk.onnx")
    assert "export" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "null"])
def test_a_contract_that_is_no_document_is_refused(text: str) -> None:
    metadata = to_metadata(make_contract())
    metadata |= {KEY: text, CHECKSUM_KEY: hashlib.sha256(text.encode()).hexdigest()}
    with pytest.raises(ContractError, match="walk"):
        from_metadata(metadata, "walk.onnx")


def with_knee(**changes: Any) -> list[dict[str, Any]]:
    hip, knee, ankle = map(dataclasses.asdict, make_contract().actuators)
    return [hip, knee | changes, ankle]


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actuators": with_knee(stiffness=NAN)}, r"actuators\[knee\]\.stiffness must be a number"),
        (
            {"actuators": with_knee(stiffness=INFINITY)},
            r"actuators\[knee\]\.stiffness must be finite",
        ),
        (
            {"actuators": with_knee(damping=-1.0)},
            r"\[knee\]\.damping is -1 Nm s/rad; it must be from 0 to",
        ),
        ({"actuators": with_knee(action_scale=NAN)}, r"\[knee\]\.action_scale must be a number"),
        ({"actuators": with_knee(max_effort=NAN)}, r"\[knee\]\.max_effort must be a number"),
        ({"actuators": with_knee(lower=1.0, upper=-1.0)}, "'knee': default .* limits 1.0 and -1.0"),
        ({"actuators": with_knee(default=2.0)}, "'knee': default 2.0 is not between"),
        ({"actuators": with_knee(default=NAN)}, r"\[knee\]\.default must be a number"),
        ({"actuators": with_knee(lower=NAN)}, r"\[knee\]\.lower must be a number"),
        (
            {"actuators": with_knee(mode="torque")},
            r"mode: 'torque' is not one of position, velocity",
        ),
        ({"control_period": NAN}, "control_period must be a number"),
        ({"control_period": INFINITY}, "control_period must be finite"),
        ({"physics_period": 0.0}, "physics_period is 0 s; it must be from 1e-06 to 10 s"),
        ({"action_clip": NAN}, "action_clip must be a number"),
        ({"max_tilt": NAN}, "max_tilt must be a number"),
        (
            {"commands": [{"name": "yaw", "unit": "rad/s", "lower": 1.0, "upper": NAN}]},
            r"commands\[yaw\]\.upper must be a number",
        ),
        (
            {"observations": [{"name": "joint_vel", "scale": NAN}]},
            r"observations\[joint_vel\]\.scale must be a number",
        ),
    ],
)
def test_numbers_without_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message) as error:
        from_metadata(sealed(make_contract(), **changes), "walk.onnx")
    assert "\n" not in str(error.value)


def test_a_joint_may_be_without_limits() -> None:
    unlimited = [dataclasses.replace(a, lower=-INFINITY, upper=INFINITY) for a in JOINTS]
    contract = make_contract(actuators=tuple(unlimited))
    assert from_metadata(to_metadata(contract), "walk.onnx") == contract


JOINTS = make_contract().actuators
