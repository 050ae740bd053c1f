"""The on-board reward has known values where a robot's motion is known."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.config import LegChain, LeggedRobotConfig, LegJoint
from edge_runtime.fusion.wheeled.config import WheeledConfig, WheeledRobotConfig
from edge_runtime.learning.reward.driving import DRIVING, DrivingFacts
from edge_runtime.learning.reward.onboard_reward import OnboardReward, RewardConfig
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.learning.reward.walking import WALKING, WalkingFacts
from edge_runtime.robot.robot import RobotDescription
from tests.edge_runtime.leg import JOINTS, SENSORS, make_contract

FACTS = WalkingFacts(400.0, 1.0, 0.2, 0.08, ("left",), (1.0, 1.0, 1.0))
WALKS = RewardConfig(dict.fromkeys(WALKING, 1.0), walking=FACTS)
DRIVES = RewardConfig(dict.fromkeys(DRIVING, 1.0), driving=DrivingFacts(0.4, 0.5))
AXIS = (0.0, 1.0, 0.0)
LEGS = LeggedRobotConfig(
    (
        LegChain("left", (LegJoint("hip", (0, 0.1, 0), AXIS),), ((-0.1, 0, -1), (0.1, 0, -1))),
        LegChain("right", (LegJoint("knee", (0, -0.1, 0), AXIS),), ((-0.1, 0, -1), (0.1, 0, -1))),
    )
)
CAR = WheeledRobotConfig(
    WheeledConfig(wheels=((1.2, 0.45), (1.2, -0.45), (0.0, 0.45), (0.0, -0.45)), wheelbase=1.2),
    0.2,
)
ROBOT = RobotDescription("leg", JOINTS, SENSORS, legged=LEGS, wheeled=CAR)
CONTRACT = make_contract()
DEFAULT = np.array([a.default for a in CONTRACT.actuators])


def steps_of(signals: dict[str, Any], count: int) -> Steps:
    """Steps of which each has the same signals, or those of its own."""
    arrays = {n: np.array(np.broadcast_to(v, (count, np.shape(v)[-1]))) for n, v in signals.items()}
    return Steps(arrays, np.arange(count) == 0, np.zeros(count, bool))


def walk(count: int = 4, **changes: Any) -> dict[str, np.ndarray]:
    """Each term of a robot that stands upright, as it should, but for the changes."""
    signals = {
        "attitude": [1.0, 0, 0, 0],
        "imu_gyro": [0.0, 0, 0],
        "base_velocity": [0.0, 0, 0],
        "command": [0.0, 0, 0],
        "joint_pos": [0.0, 0, 0],
        "joint_vel": [0.0, 0, 0],
        "joint_torque": [0.0, 0, 0],
        "foot_force": [200.0, 200.0],
        "last_action": [0.0, 0, 0],
        "control_step": [0.0],
    }
    reward = OnboardReward(WALKS, CONTRACT, ROBOT)
    parts = reward.parts(steps_of(signals | changes, count))
    return dict(zip(reward.names, parts.T))


def drive(count: int = 4, **changes: Any) -> dict[str, np.ndarray]:
    """Each term of a car that drives straight ahead, but for the changes."""
    signals = {
        "wheel_speed": [20.0] * 4,
        "imu_gyro": [0.0, 0, 0],
        "imu_accel": [0.0, 0, 9.81],
        "lidar": [5.0] * 8,
        "last_action": [0.0, 0.5],
    }
    reward = OnboardReward(DRIVES, CONTRACT, ROBOT)
    return dict(zip(reward.names, reward.parts(steps_of(signals | changes, count)).T))


def test_a_robot_that_stands_as_it_should_costs_nothing() -> None:
    found = walk(joint_pos=[0.0, 0.0, 0.2])  # the third has no leg
    for name in ("track_velocity", "track_yaw_rate", "alive", "gait", "swing_height"):
        np.testing.assert_allclose(found.pop(name), 1.0, err_msg=name)
    found.pop("posture"), found.pop("stand_still")
    for name, values in found.items():
        np.testing.assert_allclose(values, 0.0, atol=1e-9, err_msg=name)


def test_errors_of_velocity_lower_its_reward() -> None:
    found = walk(command=[0.5, 0, 0.4], base_velocity=[0.2, 0, 0], imu_gyro=[0, 0, 0.1])
    np.testing.assert_allclose(found["track_velocity"], math.exp(-0.09 / 0.1), rtol=1e-6)
    np.testing.assert_allclose(found["track_yaw_rate"], math.exp(-0.09 / 0.25), rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(-3.1, 3.1))
def test_where_a_robot_is_headed_does_not_count(heading: float) -> None:
    motion: dict[str, Any] = {
        "base_velocity": [0.3, -0.1, 0.05],
        "command": [0.5, 0.1, 0.2],
        "imu_gyro": [0.1, 0.2, 0.3],
        "joint_pos": [0.3, -0.2, 0.1],
    }
    lean = np.array([math.cos(0.1), 0.0, math.sin(0.1), 0.0])
    c, s = math.cos(heading / 2), math.sin(heading / 2)
    turned = [c * lean[0], -s * lean[2], c * lean[2], s * lean[0]]
    before, after = walk(attitude=lean, **motion), walk(attitude=turned, **motion)
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, atol=1e-6, err_msg=name)


def test_tilt_is_gravity_in_the_body() -> None:
    angle = 0.3
    found = walk(attitude=[math.cos(angle / 2), math.sin(angle / 2), 0, 0])
    np.testing.assert_allclose(found["tilt"], math.sin(angle) ** 2, rtol=1e-5)


def test_legs_say_how_high_the_body_and_the_feet_are() -> None:
    angle = 0.4  # of the left leg alone, so that the right one stands
    found = walk(joint_pos=[angle, 0, 0])
    np.testing.assert_allclose(found["height"], 0.0, atol=1e-9)
    raised = 1 - math.cos(angle)
    lowered = 0.5 * (1 + math.exp(-(raised**2) / 0.03**2))
    np.testing.assert_allclose(found["swing_height"], lowered, rtol=1e-5)
    np.testing.assert_allclose(found["foot_rise"], (0.2 * math.sin(angle)) ** 2, rtol=1e-5)
    both = walk(joint_pos=[angle, angle, 0])
    reach = math.cos(angle) + 0.1 * math.sin(angle)  # of the lower end of the soles
    np.testing.assert_allclose(both["height"], (reach - 1.0) ** 2, rtol=1e-5)


def test_feet_that_slide_cost_where_they_touch() -> None:
    sliding = {"base_velocity": [0.5, 0, 0], "foot_force": [200.0, 0.0]}
    np.testing.assert_allclose(walk(**sliding)["foot_slip"], 0.25, rtol=1e-5)
    held = sliding | {"joint_vel": [0.5, 0, 0]}  # the foot moves back as fast, 1 m below the hip
    np.testing.assert_allclose(walk(**held)["foot_slip"], 0.0, atol=1e-9)


def test_the_gait_clock_wants_a_foot_in_the_air() -> None:
    quarter = {"command": [0.5, 0, 0], "control_step": [9.0]}  # of 36: the left foot swings
    assert walk(**quarter, foot_force=[0, 400.0])["gait"][0] == 1.0
    assert walk(**quarter, foot_force=[400.0, 0])["gait"][0] == 0.0


def test_actions_are_compared_with_those_of_the_steps_before() -> None:
    actions = np.zeros((5, 3))
    actions[2:] = 1.0
    found = walk(count=5, last_action=actions)
    np.testing.assert_allclose(found["action_rate"], [0, 0, 3, 0, 0])
    np.testing.assert_allclose(found["action_jerk"], [0, 0, 3, 3, 0])


def test_nothing_is_compared_across_the_start_of_an_episode() -> None:
    first = np.array([True, False, True, False])
    steps = Steps({}, first, np.zeros(4, bool))
    found = steps.change(np.array([[1.0], [3.0], [9.0], [10.0]]))
    np.testing.assert_array_equal(found[:, 0], [0, 2, 0, 1])


def test_a_fall_is_a_cost_of_its_step() -> None:
    reward = OnboardReward(DRIVES, CONTRACT, ROBOT)
    signals = {"wheel_speed": np.zeros((3, 4)), "imu_gyro": np.zeros((3, 3))}
    signals |= {"imu_accel": np.zeros((3, 3)), "lidar": np.ones((3, 8))}
    signals["last_action"] = np.zeros((3, 2))
    steps = Steps(signals, np.zeros(3, bool), np.array([False, True, False]))
    at = reward.names.index("crash")
    np.testing.assert_array_equal(reward.parts(steps)[:, at], [0, 1, 0])


def test_a_car_makes_progress_by_its_free_wheels() -> None:
    found = drive()
    np.testing.assert_allclose(found["progress"], 4.0)
    for name in ("wall_proximity", "wheel_slip", "sideways_drift", "steering_rate", "drive_rate"):
        np.testing.assert_allclose(found[name], 0.0, atol=1e-9, err_msg=name)


def test_a_turn_is_no_slip_and_no_drift() -> None:
    speed, rate = 4.0, 1.0
    wheels = [(speed - rate * y) / 0.2 for y in (0.45, -0.45, 0.45, -0.45)]
    turn: dict[str, Any] = {"imu_gyro": [0, 0, rate], "imu_accel": [0, speed * rate, 9.81]}
    found = drive(wheel_speed=wheels, **turn)
    np.testing.assert_allclose(found["progress"], speed)
    np.testing.assert_allclose(found["wheel_slip"], 0.0, atol=1e-9)
    np.testing.assert_allclose(found["sideways_drift"], 0.0, atol=1e-9)
    spinning = [wheels[0], wheels[1], wheels[2] + 5.0, wheels[3]]  # 1 m/s too fast
    np.testing.assert_allclose(drive(wheel_speed=spinning, **turn)["wheel_slip"], 0.49)


def test_a_wall_that_is_near_costs() -> None:
    np.testing.assert_allclose(drive(lidar=[5.0] * 5 + [0.7] * 3)["wall_proximity"], 0.25)
    np.testing.assert_allclose(drive(lidar=[5.0] * 5 + [0.3] * 3)["wall_proximity"], 1.0)


def test_weights_are_per_second() -> None:
    config = replace(DRIVES, weights={"progress": 2.0, "drive_rate": 0.0})
    reward = OnboardReward(config, CONTRACT, ROBOT)
    signals = {"wheel_speed": np.full((3, 4), 20.0), "imu_gyro": np.zeros((3, 3))}
    signals |= {"imu_accel": np.zeros((3, 3)), "lidar": np.ones((3, 8))}
    signals["last_action"] = np.zeros((3, 2))
    steps = Steps(signals, np.zeros(3, bool), np.zeros(3, bool))
    np.testing.assert_allclose(reward(steps), 2.0 * 4.0 * 0.02)


def test_what_a_robot_cannot_sense_is_refused() -> None:
    with pytest.raises(UserError, match="no reward term 'progres'"):
        OnboardReward(replace(DRIVES, weights={"progres": 1.0}), CONTRACT, ROBOT)
    bare = RobotDescription("leg", JOINTS, SENSORS)
    for config, lacks in ((WALKS, "legs"), (DRIVES, "wheels")):
        with pytest.raises(UserError, match=f"'leg' describes no {lacks}"):
            OnboardReward(config, CONTRACT, bare)
