import os
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.measurement import GnssFix, Imu
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.comma2k19 import read_comma2k19
from edge_runtime.signals import Float

DATA = Path(os.environ.get("SIM2EDGE_DATA", Path(__file__).parents[5] / "shared" / "data"))
DRIVE = DATA / "comma2k19" / "rav4_highway_0-35s.npz"
recorded = pytest.mark.skipif(not DRIVE.exists(), reason=f"no recording at {DRIVE}")


def at(log: Log, stamps: Float) -> Float:
    """Reference positions, (K, 3)."""
    assert log.reference is not None
    columns = log.reference.position.T
    return np.stack([np.interp(stamps, log.reference.stamp, c) for c in columns], axis=1)


def run(log: Log, blind_from: float = np.inf, until: float = np.inf) -> tuple[WheeledFilter, Float]:
    """The filter, and (K, 4) stamps and positions at IMU readings."""
    car, rows = WheeledFilter(log.config), []
    for m, arrival in zip(log.measurements, log.arrivals):
        if arrival > until:
            break
        if isinstance(m, Imu):
            car.predict(m)
            estimate = car.estimate
            rows.append([estimate.stamp, *estimate.position])
        elif not (isinstance(m, GnssFix) and arrival >= blind_from):
            car.update(m)
    return car, np.array(rows)


@recorded
def test_fused_is_better_than_the_receiver_alone() -> None:
    log = read_comma2k19(DRIVE)
    car, rows = run(log)
    rows = rows[rows[:, 0] > 0.5]
    fused = np.linalg.norm((rows[:, 1:] - at(log, rows[:, 0]))[:, :2], axis=1)
    fixes = [
        (a, m.position) for m, a in zip(log.measurements, log.arrivals) if isinstance(m, GnssFix)
    ]
    arrivals, positions = np.array([a for a, _ in fixes]), np.array([p for _, p in fixes])
    alone = np.linalg.norm((positions - at(log, arrivals))[:, :2], axis=1)
    assert np.sqrt(np.mean(fused**2)) < 0.6 * np.sqrt(np.mean(alone**2))
    assert car.estimate.health is Health.GOOD


@recorded
def test_outages_drift_by_less_than_a_hundredth_of_the_way() -> None:
    log, drifts = read_comma2k19(DRIVE), []
    assert log.reference is not None
    for start in (4.0, 9.0, 14.0):
        car, rows = run(log, start, start + 20.0)
        rows = rows[rows[:, 0] >= start]
        off = (rows[:, 1:] - at(log, rows[:, 0]))[[0, -1], :2]
        span = (log.reference.stamp >= start) & (log.reference.stamp <= start + 20.0)
        way = np.linalg.norm(np.diff(log.reference.position[span], axis=0), axis=1).sum()
        drifts.append(np.linalg.norm(off[1] - off[0]) / way)
        assert car.estimate.health is Health.DEGRADED
    assert np.mean(drifts) < 0.008 and np.max(drifts) < 0.012


@recorded
def test_the_gyroscope_s_bias_is_found_in_twenty_seconds() -> None:
    log, calibrated = read_comma2k19(DRIVE, uncalibrated=True), read_comma2k19(DRIVE)
    raw, corrected = (
        next(m for m in x.measurements if isinstance(m, Imu)) for x in (log, calibrated)
    )
    car, _ = run(log, until=20.0)
    assert np.abs(car.estimate.gyro_bias - (raw.gyro - corrected.gyro)).max() < 0.003


@recorded
def test_measurements_come_in_the_order_of_their_arrival_and_not_before() -> None:
    log = read_comma2k19(DRIVE)
    assert np.all(np.diff(log.arrivals) >= 0.0) and len(log.arrivals) == len(log.measurements)
    assert all(m.stamp <= a for m, a in zip(log.measurements, log.arrivals))


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", wheel_speed_t=np.zeros(3))
    with pytest.raises(UserError, match="lacks"):
        read_comma2k19(tmp_path / "other.npz")
    with pytest.raises(UserError):
        read_comma2k19(tmp_path / "none.npz")


@recorded
@pytest.mark.parametrize("step", [0.2, -0.2, 18.0])
def test_a_receiver_that_sets_its_clock_is_followed_within_a_second(
    tmp_path: Path, step: float
) -> None:
    """It finds the leap seconds, or the second half of a tenth, while it drives."""
    data = dict(np.load(DRIVE))
    after = data["gnss_t"] > 10.0
    data["gnss"][after, 3] += 1e3 * step
    np.savez(tmp_path / "set.npz", **data)
    stamps, kept = (
        np.array([m.stamp for m in read_comma2k19(of).measurements if isinstance(m, GnssFix)])
        for of in (tmp_path / "set.npz", DRIVE)
    )
    np.testing.assert_allclose(np.sort(stamps)[120:], np.sort(kept)[120:], atol=0.06)
