"""What does not match is refused before a motor moves, and the message says which."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ContractError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.binding import bind
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import ImageSignal, Signal
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
        (
            {"signals": sensors("imu_burst", unit="deg/s, m/s^2")},
            "'imu_burst' has unit 'rad/s, m/s.2' in the estimator and 'deg/s, m/s.2'",
        ),
        ({"signals": sensors("imu_accel", unit="g")}, "'imu_accel' has unit .* 'g'"),
        ({"signals": sensors("imu_burst", frame="torso")}, "'imu_burst' has frame .* 'torso'"),
        ({"signals": sensors("imu_burst", size=25)}, "'imu_burst' has 24 entries .* 25 from"),
        ({"images": (ImageSignal("camera", (4, 6, 3), "unit8"),)}, "'camera' has dtype 'unit8'"),
        ({"live": ("lidra",)}, "calls 'lidra' live"),
        ({"live_moving": ("joint_poss",)}, "calls 'joint_poss' live"),
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


@pytest.mark.parametrize("size", [5, 25])
def test_a_burst_holds_whole_readings(size: int) -> None:
    with pytest.raises(ContractError, match=rf"'imu_burst' has {size} entries.*6 entries each"):
        find_fusion("vqf", make_contract(), description(signals=sensors("imu_burst", size=size)))


def test_what_the_guard_reads_is_checked_though_the_policy_does_not_read_it() -> None:
    """The guard takes the tilt from the attitude, and the first target from the joints."""
    blind = make_contract(
        observations=(TermConfig("angular_velocity"),),
        signals=SENSORS[:1],
        estimator_outputs=(),
    )
    attitude = Signal("attitude", 3, "rad", "world")
    with pytest.raises(ContractError, match="'attitude' has 4 entries in the loop, 3 from"):
        bind(blind, description(signals=(*SENSORS, attitude)), NoFusion())
    with pytest.raises(ContractError, match="'joint_pos' has unit 'rad' in the loop and 'deg'"):
        bind(blind, description(signals=sensors("joint_pos", unit="deg")), NoFusion())
