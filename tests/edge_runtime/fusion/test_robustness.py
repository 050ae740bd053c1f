"""Targets are reached with parameters half as wrong again, and on drives unlike the one tuned on.

Needs the public recordings; skipped, saying so, where they are not.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.measurement import GnssFix
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.replay.errors_against_reference import errors_against_reference
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.readers.comma2k19 import RAV4, read_comma2k19
from edge_runtime.replay.replay_log import replay_log
from tests.edge_runtime.fusion.recordings import recordings

pytestmark = pytest.mark.slow
OUTAGE = 20.0  # s
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def recorded() -> Arrays:
    with np.load(recordings("comma2k19", "*.npz")[0]) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def drive() -> Log:
    return read_comma2k19(recordings("comma2k19", "*.npz")[0])


def horizontal(log: Log, config: WheeledConfig) -> float:
    """m RMS while the health says that it may be used; that must be soon, and for most of it."""
    run = replay_log(WheeledFilter(config), log)
    errors = errors_against_reference(run, log)
    assert errors is not None
    assert log.reference is not None
    usable = run.health >= Health.DEGRADED
    heard = min(a for m, a in zip(log.measurements, log.arrivals) if isinstance(m, GnssFix))
    assert usable[run.stamp > max(heard, log.reference.stamp[0]) + 3.0].all()  # it drives by then
    return float(np.sqrt(np.nanmean(errors.position[usable, :2] ** 2) * 2.0))


def by_receiver(log: Log) -> float:
    """m RMS of the fixes as they arrive."""
    assert log.reference is not None
    timed = [
        (a, m.position) for m, a in zip(log.measurements, log.arrivals) if isinstance(m, GnssFix)
    ]
    arrivals, fixes = np.array([a for a, _ in timed]), np.array([p for _, p in timed])
    truth = log.reference
    true = [np.interp(arrivals, truth.stamp, axis) for axis in truth.position.T[:2]]
    return float(np.sqrt(np.nanmean(np.sum((fixes[:, :2] - np.transpose(true)) ** 2, axis=1))))


def drift(log: Log, config: WheeledConfig, begin: float) -> float:
    """Share of the way driven by which the place is lost while GNSS is silent."""
    kept = [
        k
        for k, (m, a) in enumerate(zip(log.measurements, log.arrivals))
        if a <= begin + OUTAGE and not (isinstance(m, GnssFix) and a >= begin)
    ]
    cut = dataclasses.replace(
        log, measurements=[log.measurements[k] for k in kept], arrivals=log.arrivals[kept]
    )
    errors = errors_against_reference(replay_log(WheeledFilter(config), cut), cut)
    assert errors is not None and log.reference is not None
    before = int(np.searchsorted(errors.stamp, begin))
    span = (log.reference.stamp >= begin) & (log.reference.stamp <= begin + OUTAGE)
    way = np.linalg.norm(np.diff(log.reference.position[span, :2], axis=0), axis=1).sum()
    return float(np.linalg.norm((errors.position[-1] - errors.position[before])[:2]) / way)


# Not how it is tuned, but what is measured once with a ruler or said by a driver.
MEASURED = ("wheelbase", "capacity", "wheels", "antenna", "imu")
TUNED = [f.name for f in dataclasses.fields(WheeledConfig) if f.name not in MEASURED]


def scaled(value: Any, factor: float) -> Any:
    return tuple(factor * v for v in value) if isinstance(value, tuple) else factor * value


@pytest.mark.parametrize("factor", [0.5, 1.5])
@pytest.mark.parametrize("name", TUNED)
def test_each_parameter_of_the_car_may_be_half_wrong(drive: Log, name: str, factor: float) -> None:
    config = dataclasses.replace(RAV4, **{name: scaled(getattr(RAV4, name), factor)})
    assert horizontal(drive, config) < by_receiver(drive)
    assert np.mean([drift(drive, config, begin) for begin in (9.0, 14.0)]) < 0.008


@pytest.mark.parametrize("factor", [0.5, 1.5])
@pytest.mark.parametrize("name", ["tau_acc", "tau_mag", "delay"])
def test_each_parameter_of_the_attitude_may_be_half_wrong(name: str, factor: float) -> None:
    """Those that the attitude depends on; the others are of its covariance and health."""
    pytest.importorskip("scipy")
    default = AttitudeConfig()
    config = dataclasses.replace(default, **{name: factor * getattr(default, name)})
    found = []
    for path in recordings("broad", "*.mat"):
        log = read_broad(path)
        errors = errors_against_reference(replay_log(AttitudeFilter(config), log), log)
        assert errors is not None
        found.append([np.nanmean(of**2) for of in (errors.total, errors.inclination)])
    total, inclination = np.degrees(np.sqrt(found)).mean(axis=0)
    assert total < 2.5 and inclination < 0.75


def thinned(data: Arrays, every: int, *names: str) -> Arrays:
    return data | {n: data[n][::every] for name in names for n in (name, f"{name}_t")}


def after(data: Arrays, start: float, *names: str) -> Arrays:
    """Without what these said before."""
    kept = {name: data[f"{name}_t"] >= start for name in names}
    return data | {n: data[n][k] for name, k in kept.items() for n in (name, f"{name}_t")}


SENSORS = ("wheel_speed", "steering_angle", "gyro", "accel", "gnss")


def from_then_on(start: float) -> Callable[[Arrays], Arrays]:
    return lambda data: after(data, start, *SENSORS)


def mirrored(data: Arrays) -> Arrays:
    """Left is right: as seen in a mirror along the first place's meridian."""
    to_enu = _frame(data["ref_pos_ecef"][0])
    flip = to_enu.T @ np.diag([-1.0, 1.0, 1.0]) @ to_enu
    gnss = data["gnss"].copy()
    here = data["ref_pos_ecef"][0]
    gnss[:, 1] = 2.0 * math.degrees(math.atan2(here[1], here[0])) - gnss[:, 1]
    gnss[:, 5] = -gnss[:, 5]
    w, x, y, z = data["ref_quat_ecef_frd"].T
    turn = _matrices(w, x, y, z)
    return data | {
        "gyro": data["gyro"] * [-1.0, 1.0, -1.0],
        "accel": data["accel"] * [1.0, -1.0, 1.0],
        "steering_angle": -data["steering_angle"],
        "wheel_speed": data["wheel_speed"][:, [1, 0, 3, 2]],
        "gnss": gnss,
        "ref_pos_ecef": here + (data["ref_pos_ecef"] - here) @ flip.T,
        "ref_vel_ecef": data["ref_vel_ecef"] @ flip.T,
        "ref_quat_ecef_frd": _quaternions(flip @ turn @ np.diag([1.0, -1.0, 1.0])),
    }


def _frame(place: np.ndarray) -> np.ndarray:
    """Rows east, north, up of the sphere; near enough to mirror by."""
    up = place / np.linalg.norm(place)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    return np.array([east, np.cross(up, east), up])


def _matrices(w: Any, x: Any, y: Any, z: Any) -> np.ndarray:
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _quaternions(matrices: np.ndarray) -> np.ndarray:
    from edge_runtime.fusion.lie import matrix_to_quaternion

    return np.array([matrix_to_quaternion(np.ascontiguousarray(m)) for m in matrices])


def standing_first(data: Arrays) -> Arrays:
    """Twenty seconds at rest before, then off at once as no car can: the worst of beginnings."""
    still = 20.0
    rng = np.random.default_rng(0)
    changed = {n: data[n] + still for n in data if n.endswith("_t")}
    for name, value, std, rate in (
        ("wheel_speed", np.zeros(4), 0.0, 80.0),
        ("steering_angle", np.zeros(1), 0.0, 80.0),
        ("gyro", np.zeros(3), 0.002, 100.0),
        ("accel", np.array([0.0, 0.0, -9.81]), 0.02, 100.0),
        ("gnss", data["gnss"][0] * [1, 1, 0, 1, 1, 1], 0.0, 10.0),
    ):
        stamps = np.arange(0.0, still, 1.0 / rate)
        rows = value + std * rng.standard_normal((len(stamps), len(value)))
        if name == "gnss":
            rows[:, 3] = data["gnss"][0, 3] + 1e3 * (stamps - still)
            rows[:, :2] += 1e-7 * rng.standard_normal((len(stamps), 2))
        rows = rows.reshape(len(stamps), *data[name].shape[1:])
        changed[name] = np.concatenate([rows, data[name]])
        changed[f"{name}_t"] = np.concatenate([stamps, changed[f"{name}_t"]])
    return data | changed


VARIANTS: dict[str, Callable[[Arrays], Arrays]] = {
    "from 5 s on, while it accelerates": from_then_on(5.0),
    "from 12 s on": from_then_on(12.0),
    "beginning with wheels alone": lambda data: after(data, 1.0, "gyro", "accel"),
    "no fix for 10 s": lambda data: after(data, 10.0, "gnss"),
    "no fix for 20 s": lambda data: after(data, 20.0, "gnss"),
    "IMU at 52 Hz": lambda data: thinned(data, 2, "gyro", "accel"),
    "IMU at 26 Hz": lambda data: thinned(data, 4, "gyro", "accel"),
    "wheels at 20 Hz": lambda data: thinned(data, 4, "wheel_speed"),
    "GNSS at 1 Hz": lambda data: thinned(data, 10, "gnss"),
    "stamps of the wall clock": lambda data: (
        data | {n: data[n] + 1.5e9 for n in data if n.endswith("_t")}
    ),
    "tyres 5 % smaller": lambda data: data | {"wheel_speed": 1.05 * data["wheel_speed"]},
    "wheels read 0.3 m/s higher": lambda data: data | {"wheel_speed": data["wheel_speed"] + 0.3},
    "the phone's own bias correction missing": lambda data: (
        data | {"gyro": data["gyro_uncalibrated"]}
    ),
    "in a mirror": mirrored,
    "standing for 20 s first": standing_first,
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_drives_unlike_the_recorded_one(
    tmp_path: Path, recorded: Arrays, variant: Callable[[Arrays], Arrays]
) -> None:
    np.savez(tmp_path / "drive.npz", **variant(recorded))
    log = read_comma2k19(tmp_path / "drive.npz")
    raw = "gyro_uncalibrated" in recorded and np.shares_memory(
        variant(recorded)["gyro"], recorded["gyro_uncalibrated"]
    )
    config = dataclasses.replace(RAV4, gyro_bias_std=0.1) if raw else RAV4
    assert horizontal(log, config) < by_receiver(log)
