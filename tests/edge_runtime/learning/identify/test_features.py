"""Tests what is summed up of a robot's movement."""

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.learning.identify.features import Features, Gains, Step
from edge_runtime.policy.contract import Actuator, Contract
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import shipped_policies
from edge_runtime.signals import Array

CONTRACT: Contract = Policy(read_model(shipped_policies()["HumanoidVelocity"])).contract
SIZES = {
    "joint_pos": 19,
    "joint_vel": 19,
    "joint_torque": 19,
    "foot_force": 2,
    "attitude": 4,
    "base_velocity": 3,
    "command": 3,
    "imu_gyro": 3,
    "imu_accel": 3,
}


def steps(count: int, rows: int, seed: int = 0) -> list[Step]:
    rng = np.random.default_rng(seed)

    def drawn(size: int) -> Array:
        return rng.normal(size=(rows, size)).astype(np.float32)

    return [
        Step({name: drawn(size) for name, size in SIZES.items()}, drawn(19), drawn(19))
        for _ in range(count)
    ]


def test_a_motor_with_half_its_gains_is_seen_though_its_command_came_late() -> None:
    rng = np.random.default_rng(0)
    actuators = [Actuator("knee", stiffness=150.0, damping=5.0, max_effort=140.0)]
    gains = Gains(actuators, 1)
    for _ in range(400):
        error, change, speed = rng.normal(0, [[[0.2]], [[0.1]], [[1.0]]]).astype(np.float32)
        torque = 75.0 * (error + 0.3 * change) - 2.5 * speed + rng.normal(0, 0.5, (1, 1))
        gains.add(error, change, speed, torque.astype(np.float32), np.ones(1, bool))
    np.testing.assert_allclose(gains.shares(), [[0.5, 0.5]], atol=0.03)


def test_a_robot_alone_has_the_features_that_it_has_among_others() -> None:
    together, alone = Features(CONTRACT, 3), Features(CONTRACT, 1)
    for step in steps(20, 3):
        together.add(step, np.array([True, False, True]))
        own = {name: values[2:] for name, values in step.signals.items()}
        alone.add(Step(own, step.target[2:], step.target_before[2:]), np.ones(1, bool))
    np.testing.assert_allclose(together.values()[2], alone.values()[0])
    assert together.steps.tolist() == [20, 0, 20]


def test_what_is_restored_goes_on_bit_for_bit() -> None:
    whole, first, second = (Features(CONTRACT, 1) for _ in range(3))
    walked = steps(20, 1)
    for number, step in enumerate(walked):
        whole.add(step, np.ones(1, bool))
        (first if number < 10 else second).add(step, np.ones(1, bool))
        if number == 9:
            second.restore({name: v.copy() for name, v in first.state().items()})
    np.testing.assert_array_equal(whole.values(), second.values())


def test_joints_are_measured_from_where_they_rest() -> None:
    knee = CONTRACT.joint_names.index("left_knee")
    moved = [
        replace(a, default=a.default + 0.1) if a.name == "left_knee" else a
        for a in CONTRACT.actuators
    ]
    features = Features(CONTRACT, 1), Features(replace(CONTRACT, actuators=tuple(moved)), 1)
    for step in steps(5, 1):
        for each in features:
            each.add(step, np.ones(1, bool))
    change = features[1].values()[0] - features[0].values()[0]
    assert change[knee] == pytest.approx(-0.1)
    changed = change[np.abs(change) > 1e-6]
    np.testing.assert_allclose(changed, -0.1, rtol=1e-5)
