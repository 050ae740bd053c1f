"""What may tell the heading's drift: rest does, feet only as far as they do not turn themselves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.fusion.legged.equations import correct, innovation, whitener
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.legged.state import STATE
from edge_runtime.fusion.lie import matrix_to_quaternion, so3_exp
from edge_runtime.fusion.measurement import Feet
from tests.edge_runtime.fusion.legged.test_filter import CONFIG, WALKER

HEEL_AND_TOE = np.array([[-0.1, 0.0, -0.8], [0.1, 0.0, -0.8]])  # m, of a sole, in the body frame


def watch(config, walker, feet=None):
    """Feed the IMU, and what `feet` makes of each moment; the gyroscope's bias and yaw, rad."""
    estimator = LeggedFilter(config)
    for moment in walker.walk():
        estimator.predict(moment.imu)
        if feet is not None:
            estimator.update(feet(moment))
    w, x, y, z = estimator.estimate.attitude
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return estimator.estimate.gyro_bias, yaw


def test_a_body_at_rest_shows_its_gyroscopes_bias_on_all_axes() -> None:
    resting = replace(WALKER, speed=0.0, sway=0.0, seconds=8.0)
    bias, _ = watch(CONFIG, resting)
    assert bias == pytest.approx(WALKER.gyro_bias, abs=3e-4)
    assert watch(replace(CONFIG, rest_ratio=0.0), resting)[0] == pytest.approx(np.zeros(3))


def test_a_body_that_sways_does_not_rest() -> None:
    bias, _ = watch(CONFIG, replace(WALKER, speed=0.0, sway=0.3, seconds=8.0))
    assert bias == pytest.approx(np.zeros(3))


def test_a_bias_that_no_gyroscope_has_is_not_taken_from_rest() -> None:
    """As on a turntable."""
    turning = replace(WALKER, speed=0.0, sway=0.0, gyro_bias=(0.0, 0.0, 0.3))
    assert watch(CONFIG, turning)[0] == pytest.approx(np.zeros(3))


def test_feet_that_turn_on_the_ground_do_not_turn_the_robot() -> None:
    def twisting(moment):
        turned = so3_exp(np.array([0.0, 0.0, -0.02 * moment.stamp]))
        return Feet(moment.stamp, HEEL_AND_TOE @ turned.T, np.ones(2))

    sole = replace(CONFIG, feet=2, points=2, point_walk=5e-4, rest_ratio=0.0)
    standing = replace(WALKER, speed=0.0, sway=0.0, gyro_bias=(0.0, 0.0, 0.0))
    _, followed = watch(sole, standing, twisting)
    bias, yaw = watch(replace(sole, slip_turn=0.02), standing, twisting)
    assert followed > 0.05
    assert abs(yaw) < 0.01
    assert abs(bias[2]) < 1e-5


def test_considering_the_heading_keeps_its_covariance_and_corrects_the_rest() -> None:
    rng = np.random.default_rng(0)
    root = 0.05 * rng.normal(size=(21, 21))
    before = root @ root.T + 1e-4 * np.eye(21)
    x = np.zeros(1, STATE)[0]
    x["rotation"] = so3_exp(np.array([0.2, -0.3, 0.5]))
    x["velocity"], x["position"], *places = rng.normal(size=(4, 3))
    x["feet"]["place"][:2] = places
    positions = rng.normal(size=(2, 3))
    of_heading = np.zeros((2, 21))  # the heading, and the gyroscope's bias about the vertical
    of_heading[0, 2] = 1.0
    of_heading[1, 15:18] = x["rotation"][2]
    weights = np.array([1.0, 0.0])
    z, of_error, s = innovation(x, before, weights, positions, 1e-4)
    states, covariances = {}, {}
    for keep in (False, True):
        states[keep], covariances[keep] = x.copy(), before.copy()
        correct(states[keep], covariances[keep], z, of_error, whitener(s), keep)
    kept, free, after = states[True], states[False], covariances[True]
    assert of_heading @ after @ of_heading.T == pytest.approx(of_heading @ before @ of_heading.T)
    assert np.trace(covariances[False]) < np.trace(after) < np.trace(before)
    assert np.linalg.eigvalsh(after).min() > 0.0
    assert kept["gyro_bias"] @ x["rotation"][2] == pytest.approx(0.0, abs=1e-12)
    assert kept["accel_bias"] == pytest.approx(free["accel_bias"])
    turned = matrix_to_quaternion(kept["rotation"])
    assert turned != pytest.approx(matrix_to_quaternion(x["rotation"]))
