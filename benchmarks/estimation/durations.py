"""Measures how long a step of each estimator takes, beside its peer. Part of `fusion.py`."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from figures import Figure, seconds
from vqf import VQF

from edge_runtime.fusion.attitude.filter import AttitudeFilter
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.measurement import Feet, Imu, Magnetometer, Wheels
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from estimation.legged_peers import PlainInvariantFilter


def attitude_step(quick: bool) -> list[Figure]:
    """Measures one IMU reading with all checks, beside a call of VQF's own binding."""
    rng = np.random.default_rng(0)
    count = 100  # so few that some of the runs meet no other process
    gyro = 0.002 * rng.standard_normal((count, 3))
    accel = np.array([0.0, 0.0, GRAVITY]) + 0.02 * rng.standard_normal((count, 3))
    field = np.array([0.0, 18.0, -45.0]) + 0.1 * rng.standard_normal((count, 3))
    filter_, both, bare, bare_both = AttitudeFilter(), AttitudeFilter(), VQF(0.005), VQF(0.005)
    readings = list(zip(gyro, accel, field))
    stamped: list[tuple[Imu, Magnetometer]] = []

    def step() -> None:
        for imu, _ in stamped:
            filter_.predict(imu)

    def peer_step() -> None:
        for w, f, _ in readings:
            bare.update(w, f)

    def all_of_it() -> None:
        for imu, m in stamped:
            both.predict(imu)
            both.update(m)
            _ = both.estimate

    def peer_all() -> None:
        for w, f, m in readings:
            bare_both.update(w, f, m)
            bare_both.getQuat9D()

    taken: dict[str, list[float]] = {}
    for turn in range(100 if quick else 400):
        stamps = 0.005 * (count * turn + np.arange(count))
        stamped[:] = [
            (Imu(stamp, w, f), Magnetometer(stamp, m))
            for stamp, (w, f, m) in zip(stamps.tolist(), readings)
        ]
        for run in (step, peer_step, all_of_it, peer_all):
            taken.setdefault(run.__name__, []).append(1e6 * seconds(run) / count)
    taken = {name: sorted(times) for name, times in taken.items()}
    undisturbed = {name: times[len(times) // 10] for name, times in taken.items()}
    return [
        Figure(
            "attitude with checks, one IMU step, over a call of VQF's own binding",
            undisturbed["step"] / undisturbed["peer_step"],
            "x",
            5.0,
            f"VQF {undisturbed['peer_step']:.2f} µs",
            at_least=False,
        ),
        Figure(
            "… with magnetometer and the whole estimate",
            undisturbed["all_of_it"] / undisturbed["peer_all"],
            "x",
            peer=f"VQF with magnetometer and attitude {undisturbed['peer_all']:.2f} µs",
            at_least=False,
        ),
    ]


def durations(quick: bool) -> list[Figure]:
    """Measures the median time of one update, through the same calls that a robot makes."""
    count = 1_000 if quick else 10_000
    rng = np.random.default_rng(0)
    places = np.array([[0.0, 0.1, -0.8], [0.0, -0.1, -0.8]])
    standing = np.ones(2)
    legged, car = LeggedFilter(), WheeledFilter()
    plain = PlainInvariantFilter(2e-4, 3e-3, 0.005)
    taken: dict[str, list[float]] = {}

    def clock(what: str, call: Callable[..., object], *arguments: object) -> None:
        started = time.perf_counter_ns()
        call(*arguments)
        taken.setdefault(what, []).append((time.perf_counter_ns() - started) / 1e3)

    for k in range(count):
        stamp = 0.005 * k
        gyro = 0.002 * rng.standard_normal(3)
        accel = np.array([0.0, 0.0, GRAVITY]) + 0.02 * rng.standard_normal(3)
        imu = Imu(stamp, gyro, accel)
        feet = Feet(stamp, places + 0.003 * rng.standard_normal((2, 3)), standing)
        wheels = Wheels(stamp, 5.0 + 0.02 * rng.standard_normal(4), 0.0)
        clock("legged step", legged.predict, imu)
        clock("legged", legged.update, feet)
        clock("car step", car.predict, imu)
        clock("car", car.update, wheels)
        clock("plain step", plain.predict, gyro, accel, 0.005)
        clock("plain", plain.update, feet.position, standing)
    # The first calls compile.
    median = {what: statistics.median(times[count // 10 :]) for what, times in taken.items()}
    ours = median["legged"] + median["legged step"]
    theirs = median["plain"] + median["plain step"]
    return [
        Figure(
            "legged update, two stance feet, median",
            median["legged"],
            "µs",
            40.0,
            f"IMU step {median['legged step']:.1f}; plain numpy filter {median['plain']:.0f}",
            at_least=False,
        ),
        Figure("legged IMU step and update", theirs / ours, "x as fast as plain numpy", 10.0),
        Figure(
            "car update by wheels, median",
            median["car"],
            "µs",
            25.0,
            f"IMU step {median['car step']:.1f}",
            at_least=False,
        ),
    ]
