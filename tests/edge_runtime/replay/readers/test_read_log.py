"""One recording, written in every format, gives the same estimate in every one."""

import math
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.replay.errors_against_reference import errors_against_reference, summary
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.replay_log import (
    EstimateSeries,
    choose_estimator,
    make_estimator,
    replay_log,
)
from tests.edge_runtime.replay.readers.written import FORMATS, recording


def estimates(log: Log) -> EstimateSeries:
    return replay_log(make_estimator(choose_estimator(log), log), log)


def expected() -> Log:
    r = recording()
    seconds = ((r.stamp - r.stamp[0]) / 1e9).tolist()
    both = [
        m
        for t, w, a, b in zip(seconds, r.gyro, r.accel, r.field)
        for m in (Imu(t, w, a), Magnetometer(t, b))
    ]
    return Log(both, np.repeat(seconds, 2), estimator="attitude")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_estimate(form: str, tmp_path: Path) -> None:
    written, r = FORMATS[form], recording()
    log = read_log(written.write(tmp_path), 0, written.request)
    with_field = form not in ("EuRoC", "TUM VI")  # which have none
    kinds = {Imu, Magnetometer} if with_field else {Imu}
    assert {type(m) for m in log.measurements} == kinds
    imu = [m for m in log.measurements if isinstance(m, Imu)]
    np.testing.assert_allclose([m.stamp for m in imu], (r.stamp - r.stamp[0]) / 1e9, atol=1e-9)
    np.testing.assert_allclose([m.gyro for m in imu], r.gyro, atol=1e-12)
    np.testing.assert_allclose([m.accel for m in imu], r.accel, atol=1e-12)
    assert len(log.arrivals) == len(log.measurements)
    assert np.all(np.diff(log.arrivals) >= 0.0)
    run = estimates(log)
    if with_field:
        ours, theirs = run.attitude[-1], estimates(expected()).attitude[-1]
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    errors = errors_against_reference(run, log)
    assert (errors is not None) == written.has_truth
    if errors is not None:
        known = {row.what for row in summary(errors, run)}
        assert known == {"tilt", "yaw drift"}  # this estimator knows no velocity and no place
        assert math.degrees(np.sqrt(np.nanmean(errors.inclination[200:] ** 2))) < 2.0
