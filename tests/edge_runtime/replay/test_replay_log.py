"""A replay's estimates, and its errors by another way of computing them."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.measurement import Feet, GnssFix, Imu, Measurement, Wheels
from edge_runtime.replay.errors_against_reference import (
    consistency,
    errors_against_reference,
    summary,
)
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.replay_log import health_shares, make_estimator, replay_log
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.recordings import product, turning_log

RATE = 100


class Prescribed:
    """Estimates what a test has prescribed for each IMU reading."""

    def __init__(
        self, attitude: Float, velocity: Float, position: Float, covariance: Float
    ) -> None:
        self.rows = (attitude, velocity, position)
        self.covariance = covariance
        self.reset()

    def reset(self) -> None:
        self.count = -1
        self.stamp = 0.0

    def predict(self, imu: Imu) -> None:
        self.stamp = imu.stamp
        self.count += 1

    def update(self, measurement: Measurement) -> bool:
        return False

    @property
    def estimate(self) -> Estimate:
        early = self.count < 10
        attitude, velocity, position = (row[self.count] for row in self.rows)
        return Estimate(
            self.stamp,
            attitude,
            velocity,
            position,
            np.zeros(3),
            np.zeros(3),
            self.covariance,
            Health.INITIALISING if early else Health.GOOD,
            "early" if early else "",
        )


def yawed(angle: Float) -> Float:
    return np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)


def journey(count: int = 1000, gnss: bool = False) -> tuple[Log, Reference]:
    """On a circle, without tilt."""
    stamps = np.arange(count) / RATE
    heading = 0.2 * stamps
    velocity = 2.0 * np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
    position = 10.0 * np.stack([np.sin(heading), -np.cos(heading), 0 * heading], axis=1)
    truth = Reference(stamps, yawed(heading), velocity, position)
    measurements: list[Measurement] = [Imu(t, np.zeros(3), np.zeros(3)) for t in stamps.tolist()]
    arrivals = stamps
    if gnss:
        measurements.append(GnssFix(0.0, np.zeros(3), np.ones(3)))
        arrivals = np.append(stamps, stamps[-1])
    return Log(measurements, arrivals, truth, "circle"), truth


def figures(log: Log, estimator: Prescribed) -> dict[str, float]:
    run = replay_log(estimator, log)
    errors = errors_against_reference(run, log)
    assert errors is not None
    return {row.what: row.value for row in summary(errors, run)}


def test_errors_of_an_absolute_estimate() -> None:
    log, truth = journey(gnss=True)
    rng = np.random.default_rng(0)
    wrong = np.array([0.3, -0.4, 0.2])
    estimator = Prescribed(
        np.array([product(yawed(np.array([-0.1]))[0], q) for q in truth.attitude]),
        truth.velocity - 0.1 * rng.standard_normal(truth.velocity.shape),
        truth.position - wrong,
        np.diag([0.1**2] * 3 + [0.1**2] * 3 + [0.3**2] * 3),
    )
    found = figures(log, estimator)
    assert found["heading"] == pytest.approx(math.degrees(0.1))
    assert found["attitude"] == pytest.approx(math.degrees(0.1))
    assert found["tilt"] == pytest.approx(0.0, abs=1e-5)
    assert found["velocity"] == pytest.approx(0.1 * math.sqrt(3), rel=0.05)
    assert found["horizontal position"] == pytest.approx(0.5)
    assert found["height"] == pytest.approx(0.2)
    estimator.reset()
    run = replay_log(estimator, log)
    errors = errors_against_reference(run, log)
    assert errors is not None
    shares = {what: (share, ratio) for what, share, ratio in consistency(errors, run)}
    assert shares["velocity"][0] == pytest.approx(0.95, abs=0.03)
    assert shares["velocity"][1] == pytest.approx(1.0, abs=0.1)


def test_a_relative_estimate_is_judged_from_its_own_start() -> None:
    log, truth = journey()
    turn = yawed(np.array([1.0]))[0]
    cosine, sine = math.cos(1.0), math.sin(1.0)
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    estimator = Prescribed(
        np.array([product(turn, q) for q in truth.attitude]),
        truth.velocity @ matrix.T,
        truth.position @ matrix.T + [5.0, 6.0, 7.0],
        np.eye(9) * 0.01,
    )
    found = figures(log, estimator)
    assert found["yaw drift"] == pytest.approx(0.0, abs=1e-3)
    assert found["velocity, body frame"] == pytest.approx(0.0, abs=1e-9)
    assert found["horizontal position"] == pytest.approx(0.0, abs=1e-6)


def test_yaw_drift_is_given_per_minute() -> None:
    log, truth = journey()
    drift = math.radians(2.0) / 60.0
    estimator = Prescribed(
        np.array(
            [
                product(yawed(np.array([-drift * t]))[0], q)
                for t, q in zip(truth.stamp, truth.attitude)
            ]
        ),
        truth.velocity,
        truth.position,
        np.eye(9) * 0.01,
    )
    assert figures(log, estimator)["yaw drift"] == pytest.approx(2.0, rel=1e-3)


def test_covariance_of_the_body_velocity_takes_tilt_along() -> None:
    log, truth = journey()
    covariance = np.diag([0.1**2] * 3 + [1e-3**2] * 3 + [1.0] * 3)
    run = replay_log(Prescribed(truth.attitude, truth.velocity, truth.position, covariance), log)
    errors = errors_against_reference(run, log)
    assert errors is not None
    # Driving forwards at 2 m/s, a heading wrong by 0.1 is 0.2 m/s to the side, a pitch up or down.
    np.testing.assert_allclose(errors.velocity_sigma[500], [1e-3, 0.2, 0.2], rtol=1e-2)


def test_unknown_truth_is_left_out() -> None:
    log, truth = journey(gnss=True)
    position = truth.position.copy()
    position[::2] = np.nan
    position[1::2] += 1.0
    known = dataclasses.replace(truth, position=position, velocity=np.full_like(position, np.nan))
    log = dataclasses.replace(log, reference=known)
    found = figures(log, Prescribed(truth.attitude, truth.velocity, truth.position, np.eye(9)))
    assert found["horizontal position"] == pytest.approx(math.sqrt(2.0))
    assert "velocity" not in found


def test_the_truth_is_interpolated_but_not_over_gaps() -> None:
    log, truth = journey(gnss=True)
    thin = Reference(*(getattr(truth, f.name)[::20] for f in dataclasses.fields(truth)))
    estimator = Prescribed(truth.attitude, truth.velocity, truth.position, np.eye(9))
    assert figures(dataclasses.replace(log, reference=thin), estimator)["heading"] < 1e-3
    gap = Reference(*(getattr(truth, f.name)[[0, -1]] for f in dataclasses.fields(truth)))
    estimator.reset()
    run = replay_log(estimator, log)
    errors = errors_against_reference(run, dataclasses.replace(log, reference=gap))
    assert errors is not None
    assert np.isnan(errors.position[1:-2]).all()


def test_health_and_refusals_are_counted() -> None:
    log, truth = journey(gnss=True)
    run = replay_log(Prescribed(truth.attitude, truth.velocity, truth.position, np.eye(9)), log)
    assert health_shares(run) == [(Health.GOOD, "", 0.99), (Health.INITIALISING, "early", 0.01)]
    assert run.refused == {"gnss": (1, 1)}


def test_a_replay_is_what_the_estimator_says_live() -> None:
    log = turning_log(5.0)
    run = replay_log(AttitudeFilter(), log)
    live = AttitudeFilter()
    for measurement in log.measurements:
        if isinstance(measurement, Imu):
            live.predict(measurement)
        else:
            live.update(measurement)
    np.testing.assert_array_equal(run.attitude[-1], live.estimate.attitude)
    assert run.stamp[-1] == live.estimate.stamp


def test_a_config_from_a_log_is_checked() -> None:
    log = dataclasses.replace(
        turning_log(0.1), config={"tau_acc": 5.0, "imu": {"gyro_range": 17.0}}
    )
    estimator = make_estimator("attitude", log)
    assert isinstance(estimator, AttitudeFilter)
    assert isinstance(estimator.config, AttitudeConfig)
    assert (estimator.config.tau_acc, estimator.config.imu.gyro_range) == (5.0, 17.0)
    for config, said in (
        ({"tau": 5.0}, "unknown key 'tau'"),
        ({"tau_acc": "x"}, "tau_acc: 'x' is not a number in s"),
        ({"tau_mag": -1.0}, "tau_mag is -1 s; it must be positive"),
    ):
        with pytest.raises(UserError, match=f"the config of the log '.*': {said}"):
            make_estimator("attitude", dataclasses.replace(log, config=config))
    with pytest.raises(UserError, match="unknown estimator"):
        make_estimator("magic", log)
    with pytest.raises(UserError, match="no feet"):
        make_estimator("legged", dataclasses.replace(log, config=None))


IMU = Imu(0.0, np.zeros(3), np.array([0.0, 0.0, 9.81]))
WHEELS, FEET = Wheels(0.0, np.zeros(2), 0.0), Feet(0.0, np.zeros((2, 3)), np.ones(2))
FIX = GnssFix(0.0, np.zeros(3), np.ones(3))


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("legged", (IMU, WHEELS), "no feet.*--estimator attitude or wheeled"),
        ("legged", (IMU,), "no feet.*--estimator attitude$"),
        ("wheeled", (IMU, FEET), "no wheels.*--estimator attitude or legged"),
        ("wheeled", (IMU,), "no wheels.*--estimator attitude$"),
        ("wheeled", (IMU, WHEELS), "2 wheels, and its config describes 4.*config of its robot"),
        ("attitude", (WHEELS, FIX), "no IMU"),
        ("wheeled", (WHEELS, FIX), "no IMU"),
        ("legged", (FEET,), "no IMU"),
    ],
)
def test_an_estimator_that_finds_nothing_of_its_own_is_refused_with_the_way_out(
    name: str, held: tuple[Measurement, ...], said: str
) -> None:
    log = Log(held, np.zeros(len(held)), name="mine")
    with pytest.raises(UserError, match=f"^the log 'mine' has {said}"):
        make_estimator(name, log)


def test_the_config_counts_for_the_wheels_and_feet_of_a_log() -> None:
    two = {"wheels": [[0.0, 0.2], [0.0, -0.2]]}
    log = Log((IMU, WHEELS), np.zeros(2), name="mine", estimator="wheeled", config=two)
    make_estimator("wheeled", log)
    make_estimator("wheeled", Log((IMU, FIX), np.zeros(2)))  # GNSS alone, of any car
    with pytest.raises(UserError, match="2 feet, and its config describes 4"):
        make_estimator(
            "legged", Log((IMU, FEET), np.zeros(2), estimator="legged", config={"feet": 4})
        )


def test_the_documentation_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "reference" / "state-estimation.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    page_names: dict[str, object] = {}  # the second goes on where the first ended
    for code in examples:
        exec(code, page_names)
    assert (tmp_path / "my_log.npz").exists()
