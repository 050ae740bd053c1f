"""Logs come back as they were, and what is wrong with one is named in one line."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.measurement import (
    Displacement,
    Feet,
    GnssFix,
    Imu,
    Magnetometer,
    Measurement,
    Wheels,
)
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.cassie import CassieNoise, read_cassie
from edge_runtime.replay.readers.estimator_log import (
    Recorder,
    read_estimator_log,
    write_estimator_log,
)
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.replay_log import choose_estimator, make_estimator
from tests.edge_runtime.fusion.recordings import recordings, turning

ONE = np.arange(3.0)
EVERY_KIND: tuple[Measurement, ...] = (
    Wheels(0.01, np.array([1.0, 2.0, 3.0, 4.0]), -0.1),
    Imu(0.0, ONE, ONE + 9.0),
    Imu(math.nan, np.full(3, np.nan), ONE),  # faults are kept too
    GnssFix(-0.5, ONE, ONE + 1.0, None),
    GnssFix(0.2, ONE, ONE + 1.0, ONE - 1.0, 0.3),
    Magnetometer(0.2, ONE),
    Feet(0.3, np.arange(12.0).reshape(4, 3), np.array([0.0, 0.5, 1.0, 0.9])),
    Displacement(0.4, 0.3, ONE, np.eye(3)),
    Imu(0.4, ONE, ONE),
)


def every_kind() -> Log:
    return Log(
        measurements=EVERY_KIND,
        arrivals=np.linspace(0.0, 1.0, len(EVERY_KIND)),
        reference=Reference(
            np.array([0.0, 1.0]), np.eye(4)[:2], np.full((2, 3), np.nan), np.ones((2, 3))
        ),
        name="every kind",
        estimator="attitude",
        config=AttitudeConfig(tau_acc=5.0),
    )


def assert_same(got: Measurement, expected: Measurement) -> None:
    assert type(got) is type(expected)
    for a, b in zip(got, expected):
        if b is None:
            assert a is None
        else:
            np.testing.assert_array_equal(a, b)


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    path, log = tmp_path / "log.npz", every_kind()
    write_estimator_log(path, log)
    back = read_log(path)
    assert len(back.measurements) == len(log.measurements)
    for got, expected in zip(back.measurements, log.measurements):
        assert_same(got, expected)
    np.testing.assert_array_equal(back.arrivals, log.arrivals)
    assert back.reference is not None and log.reference is not None
    for name in ("stamp", "attitude", "velocity", "position"):
        np.testing.assert_array_equal(getattr(back.reference, name), getattr(log.reference, name))
    assert (back.name, back.estimator) == ("every kind", "attitude")
    estimator = make_estimator("attitude", back)
    assert isinstance(estimator, AttitudeFilter)
    assert estimator.config == log.config


def test_a_recorder_keeps_what_its_estimator_was_given() -> None:
    ticks = iter(range(1000))
    recorder = Recorder(AttitudeFilter(), clock=lambda: 0.1 * next(ticks))
    buffer = np.zeros(3)
    for imu, _ in turning(0.5):
        buffer[:] = imu.gyro  # a robot's driver uses its buffers again
        recorder.predict(imu._replace(gyro=buffer))
    log = recorder.log("a run", "attitude")
    assert len(log.measurements) == 100
    assert log.arrivals[-1] == pytest.approx(9.9)
    for (imu, _), kept in zip(turning(0.5), log.measurements):
        assert_same(kept, imu)
    assert log.config == AttitudeConfig()


def test_a_full_disk_leaves_no_half_log(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_estimator_log(tmp_path / "file" / "log.npz", every_kind())


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(2000, len(content) - 200, 97):
        content[place] ^= 0xFF
    path.write_bytes(content)


def without(path: Path, name: str) -> None:
    with np.load(path) as file:
        arrays: dict[str, Any] = {n: file[n] for n in file.files if n != name}
    np.savez(path, **arrays)


def replaced(path: Path, **changed: Any) -> None:
    with np.load(path) as file:
        arrays: dict[str, Any] = {n: file[n] for n in file.files}
    np.savez(path, **{**arrays, **changed})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "truncated, damaged or no .npz"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("stamp,gyro"), "text without a table of numbers"),
        (lambda path: path.unlink(), "there is no"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
        (lambda path: without(path, "imu_gyro"), "it lacks 'imu_gyro'"),
        (lambda path: without(path, "format"), "no column that is known as the time"),
        (lambda path: replaced(path, imu_accel=np.zeros((2, 3))), "imu_accel has the shape"),
        (lambda path: replaced(path, imu_gyro=np.zeros((3, 2))), "imu_gyro has the shape"),
        (lambda path: replaced(path, reference_attitude=np.zeros((2, 3))), "reference_attitude"),
        (lambda path: replaced(path, about=np.array("{")), "is damaged"),
        (lambda path: replaced(path, about=np.array("[" * 100_000)), "nested more than 40 deep"),
        (lambda path: replaced(path, about=np.array("[1]")), "must hold values by name"),
        (lambda path: replaced(path, format=np.array("sim2edge log 9")), "sim2edge log 9"),
        (lambda path: np.savez(path, x=np.zeros(3)), "no columns that are known as 'gyro'"),
    ],
)
def test_a_damaged_log_is_refused_in_one_line(tmp_path: Path, damage: Any, said: str) -> None:
    path = tmp_path / "log.npz"
    write_estimator_log(path, every_kind())
    damage(path)
    with pytest.raises(UserError, match=said) as error:
        read_log(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_corrupted_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.npz"
    long = dataclasses.replace(
        every_kind(), measurements=EVERY_KIND * 300, arrivals=np.arange(2700.0)
    )
    write_estimator_log(path, long)
    flipped(path)
    with pytest.raises(UserError, match="damaged"):
        read_estimator_log(path)


def test_a_foreign_matlab_file_is_refused(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    path = tmp_path / "log.mat"
    scipy_io.savemat(path, {"imu_gyr": np.zeros((3, 3))})
    with pytest.raises(UserError, match="no columns that are known as 'accel'"):
        read_log(path)
    truncated(path)
    with pytest.raises(UserError, match="damaged or no MATLAB file"):
        read_log(path)
    with pytest.raises(UserError, match="there is no"):
        read_log(tmp_path / "none.mat")


def test_the_estimator_is_chosen_by_what_the_log_holds() -> None:
    def of(*kinds: type) -> str:
        kept = [m for m in EVERY_KIND if isinstance(m, kinds)]
        return choose_estimator(Log(kept, np.zeros(len(kept))))

    assert of(Imu) == of(Imu, Magnetometer) == "attitude"
    assert of(Imu, Feet) == "legged"
    assert of(Imu, Wheels) == of(Imu, GnssFix) == "wheeled"


def test_trials_of_broad() -> None:
    pytest.importorskip("scipy")
    log = read_log(recordings("broad", "*.mat")[0])
    assert log.reference is not None
    assert choose_estimator(log) == "attitude"
    assert {type(m) for m in log.measurements} == {Imu, Magnetometer}
    known = np.isfinite(log.reference.attitude).all(axis=1)
    assert 0.3 < known.mean() < 0.9
    np.testing.assert_allclose(np.linalg.norm(log.reference.attitude[known], axis=1), 1.0, 1e-3)


def test_walks_of_cassie_get_the_noise_of_their_seed() -> None:
    path = recordings("cassie", "*.npz")[0]
    clean = read_cassie(path, CassieNoise(0.0, 0.0, 0.0, 0.0, 0.0))
    noisy, again, other = (
        read_cassie(path, seed=1),
        read_cassie(path, seed=1),
        read_cassie(path, seed=2),
    )
    assert_same(noisy.measurements[7], again.measurements[7])
    rates = [
        np.array([m.gyro for m in log.measurements if isinstance(m, Imu)])
        for log in (clean, noisy, other)
    ]
    np.testing.assert_allclose(np.abs((rates[1] - rates[0]).mean(axis=0)), 0.01, atol=2e-4)
    np.testing.assert_allclose((rates[1] - rates[0]).std(axis=0), 0.002, rtol=0.05)
    assert not np.array_equal(rates[1], rates[2])
    assert choose_estimator(noisy) == "legged"


def test_drives_of_comma2k19_know_their_car() -> None:
    log = read_log(recordings("comma2k19", "*.npz")[0])
    assert choose_estimator(log) == "wheeled"
    assert log.config is not None
    assert np.all(np.diff(log.arrivals) >= 0.0)
