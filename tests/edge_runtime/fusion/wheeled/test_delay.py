"""How late the fixes of a receiver are shows when the car sets out, speeds up or turns."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.fusion.measurement import GnssFix, Imu
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.drive import CAR, Drive, drive, feed, truth_at

REST = 15.0  # s
ABOUT_KNOWN = replace(CAR, delay_std=0.2)
Course = Callable[[Float], Float]


def straight(t: Float) -> Float:
    return 0.0 * t


def turning(t: Float) -> Float:
    return np.where(t < REST + 2.0, 0.0, 0.15 * np.sin(0.3 * (t - REST - 2.0)))


def setting_out(t: Float) -> Float:
    """m/s: at rest, then at 3 m/s^2 to 10 m/s."""
    return np.clip(3.0 * (t - REST), 0.0, 10.0)


def late_by(delay: float, driven: Drive) -> Drive:
    stamped = [
        m._replace(stamp=m.stamp + delay) if isinstance(m, GnssFix) else m
        for m in driven.measurements
    ]
    return replace(driven, measurements=sorted(stamped, key=lambda m: m.stamp))


def errors_while_driving(car: WheeledFilter, driven: Drive) -> tuple[float, float]:
    """m RMS of the estimate, and of the last fix carried on by its own velocity."""
    ours: list[Float] = []
    carried: list[Float] = []
    fix = None
    for m in driven.measurements:
        feed(car, [m])
        fix = m if isinstance(m, GnssFix) else fix
        if isinstance(m, Imu) and m.stamp > REST + 1.0 and fix is not None:
            _, _, true = truth_at(driven.truth, m.stamp)
            assert fix.velocity is not None
            ours.append(car.state["position"] - true)
            carried.append(fix.position + fix.velocity * (m.stamp - fix.stamp) - true)
    first, second = (
        math.sqrt(float(np.mean(np.sum(np.array(of)[:, :2] ** 2, axis=1))))
        for of in (ours, carried)
    )
    return first, second


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("turns", [straight, turning])
def test_it_is_learned_by_a_car_that_stands_and_then_drives(turns: Course, delay: float) -> None:
    driven = late_by(delay, drive(40.0, speed=setting_out, yaw_rate=turns, seed=3))
    car = WheeledFilter(ABOUT_KNOWN)
    ours, carried = errors_while_driving(car, driven)
    sigma = math.sqrt(car.covariance[23, 23])
    assert sigma < 0.08
    assert float(car.state["delay"]) == pytest.approx(delay, abs=min(2.5 * sigma, 0.15))
    assert ours < max(1.3, 0.6 * carried)


def test_it_is_learned_in_turns() -> None:
    def learned(delay: float) -> float:
        driven = drive(60.0, yaw_rate=lambda t: 0.4 * np.sin(0.25 * t), seed=1)
        car = WheeledFilter(replace(CAR, delay_std=0.05))
        feed(car, late_by(delay, driven).measurements)
        return float(car.state["delay"])

    assert learned(0.1) == pytest.approx(0.1, abs=0.04)
    assert learned(0.0) == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_nothing_shows_it_at_one_speed_on_a_straight_road(delay: float) -> None:
    driven = drive(40.0, speed=lambda t: 10.0 + 0.0 * t, yaw_rate=straight, seed=1)
    car = WheeledFilter(replace(CAR, delay_std=0.05))
    feed(car, late_by(delay, driven).measurements)
    assert abs(float(car.state["delay"])) < 0.01
    assert math.sqrt(car.covariance[23, 23]) > 0.045
