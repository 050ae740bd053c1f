"""Recordings of others are read in spite of oddities; what is wrong is named in one line."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import GnssFix, Imu, Wheels
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.readers.cassie import read_cassie
from edge_runtime.replay.readers.comma2k19 import read_comma2k19

Arrays = dict[str, Any]
ROWS = 450
LEVEL = np.tile([1.0, 0.0, 0.0, 0.0], (ROWS, 1))


def a_drive() -> Arrays:
    """Nine seconds northwards at 10 m/s."""
    fast, slow = np.arange(ROWS) * 0.02, np.arange(90) * 0.1 + 0.05
    gnss = np.zeros((90, 6))
    gnss[:, 0], gnss[:, 1] = 37.0 + slow * 9e-5, -122.0
    gnss[:, 2], gnss[:, 3] = 10.0, 1.5e12 + 1e3 * slow
    force = np.tile([0.0, 0.0, -9.81], (ROWS, 1))
    return {
        "wheel_speed": np.full((ROWS, 4), 10.0),
        "wheel_speed_t": fast,
        "steering_angle": np.zeros(ROWS),
        "steering_angle_t": fast,
        "gyro": np.zeros((ROWS, 3)),
        "gyro_t": fast,
        "accel": force,
        "accel_t": fast,
        "gnss": gnss,
        "gnss_t": slow + 0.09,
    }


def a_trial() -> Arrays:
    return {
        "imu_gyr": np.zeros((ROWS, 3)),
        "imu_acc": np.ones((ROWS, 3)),
        "imu_mag": np.ones((ROWS, 3)),
        "opt_quat": LEVEL,
        "movement": np.ones((ROWS, 1), np.uint8),
        "sampling_rate": 285.714,
    }


def a_walk() -> Arrays:
    return {
        "t": np.arange(ROWS) * 5e-4,
        "gyro": np.zeros((ROWS, 3)),
        "accel": np.ones((ROWS, 3)),
        "contact": np.ones((ROWS, 2)),
        "foot_in_imu": np.zeros((ROWS, 2, 3)),
        "R_world_imu": np.tile(np.eye(3), (ROWS, 1, 1)),
        "v_world": np.zeros((ROWS, 3)),
        "p_world": np.zeros((ROWS, 3)),
    }


def save_npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def save_mat(path: Path, arrays: Arrays) -> Path:
    pytest.importorskip("scipy.io").savemat(path.with_suffix(".mat"), arrays)
    return path.with_suffix(".mat")


@pytest.mark.parametrize(
    ("made", "save", "read"),
    [
        (a_drive, save_npz, read_comma2k19),
        pytest.param(a_trial, save_mat, read_broad, marks=pytest.mark.slow),
        (a_walk, save_npz, read_cassie),
    ],
    ids=["comma2k19", "BROAD", "Cassie"],
)
def test_whatever_an_array_lacks_is_named_in_one_line(
    tmp_path: Path,
    made: Callable[[], Arrays],
    save: Callable[[Path, Arrays], Path],
    read: Callable[[Path], Any],
) -> None:
    read(save(tmp_path / "well", made()))
    for name, values in made().items():
        if name == "steering_angle":  # several would be taken for columns
            continue
        others = {n: v for n, v in made().items() if n != name}
        wrong = [others, {**others, name: np.full(np.shape(values), "x")}]
        if np.ndim(values):
            wrong += [{**others, name: values[:-1]}, {**others, name: np.zeros((ROWS, 7, 11))}]
        for arrays in wrong:
            path = save(tmp_path / "wrong", arrays)
            with pytest.raises(UserError) as error:
                read(path)
            assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_walk_of_nothing_but_its_beginning_is_refused(tmp_path: Path) -> None:
    short = {name: values[:400] for name, values in a_walk().items()}
    with pytest.raises(UserError, match="too short"):
        read_cassie(save_npz(tmp_path / "short", short))


def test_a_trial_without_a_frequency_is_refused(tmp_path: Path) -> None:
    for rate in (0.0, -1.0, math.nan, math.inf):
        path = save_mat(tmp_path / "trial", {**a_trial(), "sampling_rate": rate})
        with pytest.raises(UserError, match="sampling_rate"):
            read_broad(path)


def read_drive(path: Path, **changed: Any) -> list[Any]:
    log = read_comma2k19(save_npz(path / "drive", {**a_drive(), **changed}))
    assert np.all(np.diff(log.arrivals) >= 0.0)
    return list(log.measurements)


def test_a_fix_without_a_time_harms_no_other(tmp_path: Path) -> None:
    gnss = a_drive()["gnss"]
    gnss[10, 3] = math.nan
    stamps = [m.stamp for m in read_drive(tmp_path, gnss=gnss) if isinstance(m, GnssFix)]
    assert np.isfinite(stamps).all()
    np.testing.assert_allclose(
        np.diff(np.delete(stamps, 10)), np.diff(np.delete(a_drive()["gnss_t"], 10)), atol=1e-6
    )


def test_a_first_fix_that_is_none_is_no_origin(tmp_path: Path) -> None:
    gnss = a_drive()["gnss"]
    gnss[0] = math.nan
    fixes = [m for m in read_drive(tmp_path, gnss=gnss) if isinstance(m, GnssFix)]
    assert np.abs(np.array([m.position for m in fixes[1:]])).max() < 100.0


def test_a_drive_without_any_fix_or_steering_is_read(tmp_path: Path) -> None:
    none: Arrays = {"gnss": np.zeros((0, 6)), "gnss_t": np.zeros(0)}
    none |= {"steering_angle": np.zeros(0), "steering_angle_t": np.zeros(0)}
    read = read_drive(tmp_path, **none)
    assert {type(m) for m in read} == {Imu, Wheels}
    assert all(math.isnan(m.steering) for m in read if isinstance(m, Wheels))


def test_unsorted_rows_are_put_in_order_and_those_without_time_left_out(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(ROWS)
    stamps = a_drive()["wheel_speed_t"]
    speed = np.repeat(stamps[:, None], 4, axis=1)[shuffled]
    stamps = stamps[shuffled]
    stamps[7] = math.nan
    wheels = [
        m
        for m in read_drive(tmp_path, wheel_speed=speed, wheel_speed_t=stamps)
        if isinstance(m, Wheels)
    ]
    assert len(wheels) == ROWS - 1
    np.testing.assert_array_equal([m.speed[0] for m in wheels], [m.stamp for m in wheels])


def test_a_drive_without_imu_readings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no IMU"):
        read_drive(tmp_path, gyro=np.zeros((0, 3)), gyro_t=np.zeros(0))
