"""What does not match is refused before a motor moves, and the message says which."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edge_runtime.binding import bind
from edge_runtime.errors import ContractError
from edge_runtime.fusion.attitude import AttitudeFusion
from edge_runtime.fusion.none import NoFusion
from edge_runtime.robot import RobotDescription
from tests.edge_runtime.leg import BURST, JOINTS, SENSORS, LegRobot, make_contract

VQF = AttitudeFusion(0.02, BURST)


def description(**changes: Any) -> RobotDescription:
    return dataclasses.replace(LegRobot().description, **changes)


def sensors(name: str, **changes: Any) -> tuple[Any, ...]:
    return tuple(dataclasses.replace(s, **changes) if s.name == name else s for s in SENSORS)


def test_binds_joints_by_name() -> None:
    names = ("ankle", "hip", "knee")
    binding = bind(make_contract(), description(joint_names=names), VQF)
    assert np.array(names)[binding.to_policy].tolist() == list(JOINTS)
    assert np.array(JOINTS)[binding.to_robot].tolist() == list(names)
    assert not binding.same_order
    assert bind(make_contract(), description(), VQF).same_order


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint_names": ("hip", "knee")}, "drives joint 'ankle'"),
        ({"joint_names": (*JOINTS, "toe")}, "does not drive joint 'toe'"),
        ({"joint_names": (*JOINTS, "hip")}, "'hip' is there twice"),
        ({"signals": sensors("joint_vel", size=2)}, "'joint_vel' has 3 entries .* 2 from"),
        ({"signals": sensors("joint_pos", unit="deg")}, "'joint_pos' has unit 'rad' .* 'deg'"),
        ({"signals": sensors("imu_gyro", frame="torso")}, "'imu_gyro' has frame 'imu' .* 'torso'"),
        ({"signals": SENSORS[:-1]}, "needs signal 'joint_vel'"),
        ({"signals": SENSORS[1:]}, "estimator reads 'imu_gyro'"),
    ],
)
def test_says_what_does_not_match(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message) as error:
        bind(make_contract(), description(**changes), VQF, "walk.onnx")
    assert "\n" not in str(error.value)


def test_says_which_estimate_is_missing() -> None:
    with pytest.raises(ContractError, match=r"needs 'attitude' from an estimator.*--fusion"):
        bind(make_contract(), description(), NoFusion())


def test_a_robot_may_give_the_attitude_itself() -> None:
    own = dataclasses.replace(SENSORS[0], name="attitude", size=4, unit="1", frame="world")
    bind(make_contract(), description(signals=(*SENSORS, own)), NoFusion())


def test_the_runtime_gives_its_own_signals_in_the_right_size() -> None:
    contract = make_contract()
    wrong = tuple(
        dataclasses.replace(s, size=4) if s.name == "last_action" else s for s in contract.signals
    )
    with pytest.raises(ContractError, match="'last_action' has 4 entries"):
        bind(dataclasses.replace(contract, signals=wrong), description(), VQF)
