"""What a car says of itself that has no GNSS, or does not know its heading yet."""

import dataclasses
import math

import numpy as np
import pytest

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import GnssFix, Wheels
from edge_runtime.fusion.wheeled import filter as wheeled
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from tests.edge_runtime.fusion.drive import CAR, drive, feed, truth_at

GOOD, DEGRADED, LOST, INITIALISING = Health.GOOD, Health.DEGRADED, Health.LOST, Health.INITIALISING


def without_heading(until: float, *cuts: tuple[type, float, float], gnss: bool) -> list[Estimate]:
    """What a car says that GNSS never reaches; its body velocity is right while it may be used."""
    driven, car = drive(until), WheeledFilter(CAR, gnss=gnss)
    given = driven.without(GnssFix, 0.0)
    for kind, start, end in cuts:
        given = given.without(kind, start, end)
    estimates = []
    for k, m in enumerate(given.measurements):
        feed(car, [m])
        if k % 5:
            continue
        estimate = car.estimate
        estimates.append(estimate)
        if estimate.health >= DEGRADED:
            heading, velocity, _ = truth_at(driven.truth, estimate.stamp)
            c, s = math.cos(heading), math.sin(heading)
            x, y, z = velocity
            in_body = quaternion_to_matrix(estimate.attitude).T @ estimate.velocity
            off = np.linalg.norm(in_body - [c * x + s * y, c * y - s * x, z])
            assert off < (0.5 if estimate.health is GOOD else 1.0), estimate.stamp
    return estimates


def said(estimates: list[Estimate], start: float, end: float) -> set[tuple[Health, str]]:
    return {(e.health, e.reason) for e in estimates if start < e.stamp < end}


@pytest.mark.parametrize("gnss", [True, False], ids=["heading awaited", "no receiver"])
def test_wheels_that_stay_silent_before_the_heading_is_known_are_lost(gnss: bool) -> None:
    estimates = without_heading(30.0, (Wheels, 10.0, 25.0), gnss=gnss)
    well = (INITIALISING, wheeled.HEADING_UNKNOWN) if gnss else (GOOD, "")
    before = (INITIALISING, wheeled.VELOCITY_UNKNOWN) if gnss else (DEGRADED, wheeled.NO_WHEELS)
    assert said(estimates, 5.0, 10.0) == {well}
    assert said(estimates, 12.1, 13.9) == {before}
    assert said(estimates, 14.1, 25.0) == {(LOST, wheeled.VELOCITY_UNKNOWN)}
    assert said(estimates, 26.0, 30.0) == {well}


@pytest.mark.parametrize("gnss", [True, False], ids=["heading awaited", "no receiver"])
def test_wheels_that_never_speak_are_waited_for_but_not_long(gnss: bool) -> None:
    estimates = without_heading(6.0, (Wheels, 0.0, math.inf), gnss=gnss)
    assert said(estimates, 0.1, 1.9) == {(INITIALISING, wheeled.VELOCITY_UNKNOWN)}
    assert said(estimates, 2.1, 6.0) == {(LOST, wheeled.VELOCITY_UNKNOWN)}


def test_a_velocity_too_unsure_is_lost_though_wheels_speak() -> None:
    car = WheeledFilter(dataclasses.replace(CAR, lost_velocity=0.01))
    feed(car, drive(5.0).without(GnssFix, 0.0).measurements)
    assert (car.estimate.health, car.estimate.reason) == (LOST, wheeled.VELOCITY_UNKNOWN)


def test_a_car_without_a_receiver_is_judged_by_velocity_and_tilt() -> None:
    assert said(without_heading(40.0, gnss=False), 5.0, 40.0) == {(GOOD, "")}
    for strict, reason in (
        (dataclasses.replace(CAR, degraded_velocity=1e-4), "velocity"),
        (dataclasses.replace(CAR, degraded_tilt=1e-4), "tilt"),
    ):
        car = WheeledFilter(strict, gnss=False)
        feed(car, drive(5.0).without(GnssFix, 0.0).measurements)
        assert car.estimate.health is DEGRADED and reason in car.estimate.reason
