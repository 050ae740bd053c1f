"""An IMU that was turned to the body is judged in its own axes."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.plausibility import SATURATED
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.estimator_log import read_estimator_log, write_estimator_log
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import ReadRequest, rotation_of
from edge_runtime.replay.replay_log import make_estimator, replay_log
from edge_runtime.signals import Float
from tests.edge_runtime.replay.readers.written import write_rows

Read = Callable[[Path], tuple[Log, Float]]
HERTZ, LIMIT = 100.0, 7.36  # rad/s
T_BS = rotation_of((3.0, -88.0, 179.0))


def clipped(path: Path, names: list[str]) -> Float:
    """Writes a body that rests for 5 s and then turns faster than its gyroscope can read.

    Returns:
        The vertical in the IMU's axes, (K, 3).
    """
    rng = np.random.default_rng(0)
    t = np.arange(4000) / HERTZ
    phase = np.maximum(t - 5.0, 0.0)
    rate = 15 * np.sin(2 * math.pi * 0.7 * phase) + 4 * np.sin(2 * math.pi * 0.31 * phase)
    angle = np.cumsum(rate) / HERTZ
    zero = np.zeros(len(t))
    up = np.stack([zero, np.sin(angle), np.cos(angle)], axis=1)
    gyro = np.stack([rate, zero, zero], axis=1) + 0.003 * rng.standard_normal(up.shape)
    accel = GRAVITY * up + 0.03 * rng.standard_normal(up.shape)
    rows = np.concatenate([np.clip(gyro, -LIMIT, LIMIT), accel], axis=1)
    write_rows(path, names, np.round(1e9 * t).astype(np.int64), rows)
    return up


def csv(folder: Path) -> tuple[Log, Float]:
    names = [f"{sensor}_{axis}" for sensor in ("gyro", "accel") for axis in "xyz"]
    up = clipped(folder / "a.csv", ["timestamp_ns", *names])
    asked = (3.0, -2.0, 1.0)
    return read_log(folder / "a.csv", 0, ReadRequest(imu_to_body=asked)), up @ rotation_of(asked).T


def euroc(folder: Path) -> tuple[Log, Float]:
    imu = folder / "mav0" / "imu0"
    imu.mkdir(parents=True)
    up = clipped(imu / "data.csv", ["#timestamp [ns]", *(f"a{k}" for k in range(6))])
    pose = np.block([[T_BS, np.zeros((3, 1))], [0.0, 0.0, 0.0, 1.0]])
    numbers = ", ".join(map(repr, pose.ravel().tolist()))
    (imu / "sensor.yaml").write_text(f"T_BS:\n  data: [{numbers}]\n")
    return read_log(folder), up @ T_BS.T


@pytest.mark.parametrize("read", [csv, euroc])
def test_it_is_not_good_while_the_gyroscope_clips(read: Read, tmp_path: Path) -> None:
    log, up = read(tmp_path)
    run = replay_log(make_estimator("attitude", log), log)
    assert SATURATED in run.reasons
    w, i, j, k = run.attitude.T
    seen = np.stack([2 * (i * k - w * j), 2 * (w * i + j * k), 1 - 2 * (i * i + j * j)], axis=1)
    truth = up[np.rint(run.stamp * HERTZ).astype(int)]
    tilt = np.degrees(np.arccos(np.clip((seen * truth).sum(axis=1), -1.0, 1.0)))
    good = run.health == Health.GOOD
    assert (good & (tilt > 5.0)).sum() / HERTZ < 0.15
    assert good[run.stamp < 5.0].mean() > 0.5


def test_a_log_that_is_written_again_keeps_how_its_imu_is_mounted(tmp_path: Path) -> None:
    log, _ = csv(tmp_path)
    write_estimator_log(tmp_path / "a.npz", log)
    assert read_estimator_log(tmp_path / "a.npz").mounting == log.mounting
