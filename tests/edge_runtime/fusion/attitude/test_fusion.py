"""Attitude from gyroscope and accelerometer."""

import numpy as np
import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.plausibility import LEAP, NOT_FINITE, SATURATED
from edge_runtime.observation.terms import projected_gravity
from tests.edge_runtime.leg import BURST

PERIOD = 0.02


def readings(gyro: np.ndarray, accel: np.ndarray) -> dict[str, np.ndarray]:
    """A sample of N IMUs that read these, (N, 3), all through the control period."""
    both = np.concatenate([gyro, accel], axis=1).astype(np.float32)
    return {
        "imu_gyro": both[:, :3],
        "imu_accel": both[:, 3:],
        "imu_burst": np.tile(both, BURST),
    }


def pitched(angle: float) -> np.ndarray:
    """Specific force at rest when pitched (nose down) by `angle`, (1, 3)."""
    return GRAVITY * np.array([[-np.sin(angle), 0, np.cos(angle)]])


def pitch(attitude: np.ndarray) -> float:
    gravity = projected_gravity(attitude)[0]
    return float(np.arctan2(gravity[0], -gravity[2]))


def test_the_first_attitude_is_right() -> None:
    fusion = AttitudeFusion(PERIOD, BURST)
    attitude = fusion.update(readings(np.zeros((1, 3)), pitched(0.3)))["attitude"]
    assert pitch(attitude) == pytest.approx(0.3, abs=1e-3)
    assert not fusion.lost


def test_free_fall_at_the_start_is_taken_as_upright() -> None:
    fusion = AttitudeFusion(PERIOD, BURST)
    falling = np.array([[0.05, 0.02, -0.01]])
    attitude = fusion.update(readings(np.zeros((1, 3)), falling))["attitude"]
    assert pitch(attitude) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("burst", [0, BURST])
def test_follows_a_rotation(burst: int) -> None:
    """Half a second at 0.8 rad/s, with a gyroscope bias of 0.02 rad/s."""
    fusion = AttitudeFusion(PERIOD, burst)
    angle = 0.0
    for _ in range(100):
        fusion.update(readings(np.zeros((1, 3)), pitched(0.0)))
    for _ in range(25):
        angle += 0.8 * PERIOD
        attitude = fusion.update(readings(np.array([[0, 0.82, 0]]), pitched(angle)))["attitude"]
    assert pitch(attitude) == pytest.approx(angle, abs=0.02)


def test_burst_is_integrated_in_order() -> None:
    """Two quarter turns do not commute: only the burst tells their order, not its mean."""
    period = 20 * PERIOD  # a body cannot turn faster
    half = np.pi / 2 / (BURST / 2) / (period / BURST)
    sample = readings(np.zeros((1, 3)), pitched(0.0))
    roll_then_yaw = np.zeros((1, BURST, 6), np.float32)
    roll_then_yaw[0, : BURST // 2, 0] = half
    roll_then_yaw[0, BURST // 2 :, 2] = half
    sample["imu_burst"] = roll_then_yaw.reshape(1, -1)
    sample["imu_gyro"] = roll_then_yaw[:, :, :3].mean(axis=1)
    sample["imu_accel"] = np.zeros((1, 3), np.float32)
    fusion = AttitudeFusion(period, BURST)
    fusion.update(readings(np.zeros((1, 3)), pitched(0.0)))
    attitude = fusion.update(sample)["attitude"]
    np.testing.assert_allclose(np.abs(attitude[0]), 0.5, atol=1e-3)
    gravity = projected_gravity(attitude)[0]
    np.testing.assert_allclose(gravity, [-1, 0, 0], atol=1e-3)


def test_rows_are_estimated_as_if_alone() -> None:
    rng = np.random.default_rng(0)
    together = AttitudeFusion(PERIOD, BURST, rows=3)
    alone = [AttitudeFusion(PERIOD, BURST) for _ in range(3)]
    for step in range(40):
        sample = readings(rng.normal(0, 1, (3, 3)), rng.normal((0, 0, GRAVITY), 1, (3, 3)))
        if step == 20:
            together.reset(np.array([1]))
            alone[1].reset()
        attitude = together.update(sample)["attitude"]
        for row, fusion in enumerate(alone):
            one = {name: value[row : row + 1] for name, value in sample.items()}
            assert (fusion.update(one)["attitude"][0] == attitude[row]).all()


def test_a_lost_sample_is_bridged_by_the_present_rotation() -> None:
    whole, gappy = AttitudeFusion(PERIOD, BURST), AttitudeFusion(PERIOD, BURST)
    still = readings(np.zeros((1, 3)), pitched(0.0))
    turning = readings(np.array([[0, 0, 1.0]]), pitched(0.0))
    for fusion in (whole, gappy):
        fusion.update(still)
    for _ in range(4):
        expected = whole.update(turning)["attitude"]
    np.testing.assert_allclose(gappy.update(turning, periods=4)["attitude"], expected, atol=1e-5)


def test_is_lost_after_a_long_gap() -> None:
    fusion = AttitudeFusion(PERIOD, BURST)
    fusion.update(readings(np.zeros((1, 3)), pitched(0.0)))
    fusion.update(readings(np.zeros((1, 3)), pitched(0.0)), periods=100)
    assert fusion.lost
    fusion.update(readings(np.zeros((1, 3)), pitched(0.0)))
    assert not fusion.lost


def test_after_a_reset_it_is_lost_until_it_reads_what_is_down() -> None:
    fusion = AttitudeFusion(PERIOD, BURST)
    still = np.zeros((1, 3))
    fusion.update(readings(still, pitched(0.0)))
    fusion.reset()
    lost = [fusion.lost]
    fusion.update(readings(still, 1.5 * pitched(1.0)))
    lost.append(fusion.lost)
    attitude = fusion.update(readings(still, pitched(1.0)))["attitude"]
    assert [*lost, fusion.lost] == [True, True, False]
    assert pitch(attitude) == pytest.approx(1.0, abs=1e-3)


STILL = np.zeros((1, 3))


def resting(burst: int, rows: int = 1) -> AttitudeFusion:
    fusion = AttitudeFusion(PERIOD, burst, rows)
    for _ in range(100):
        fusion.update(readings(np.zeros((rows, 3)), np.repeat(pitched(0.0), rows, 0)))
        assert not fusion.lost
    return fusion


@pytest.mark.parametrize("burst", [0, BURST])
@pytest.mark.parametrize("wrong", [34.0, 35.0, np.nan, np.inf])
def test_a_moment_of_nonsense_is_left_out(burst: int, wrong: float) -> None:
    """A spike, saturation, NaN: the rotation before and after it is kept."""
    fusion, angle = resting(burst), 0.0
    for step in range(20):
        angle += 0.8 * PERIOD
        sample = readings(np.array([[0.0, 0.8, 0.0]]), pitched(angle))
        if step == 10:
            sample["imu_burst"].reshape(BURST, 6)[2, 0] = sample["imu_gyro"][0, 0] = wrong
        attitude = fusion.update(sample)["attitude"]
        assert (fusion.lost, fusion.reason) == (False, "")
    assert pitch(attitude) == pytest.approx(angle, abs=0.01)
    assert abs(projected_gravity(attitude)[0, 1]) < 0.01


@pytest.mark.parametrize("burst", [0, BURST])
@pytest.mark.parametrize(("wrong", "reason"), [(34.95, SATURATED), (np.nan, NOT_FINITE)])
def test_nonsense_that_stays_makes_it_lost_until_a_reading_shows_down(
    burst: int, wrong: float, reason: str
) -> None:
    fusion = resting(burst)
    lost = []
    for _ in range(50):
        attitude = fusion.update(readings(np.array([[wrong, 0, 0]]), pitched(0.0)))["attitude"]
        lost.append(fusion.lost)
        assert fusion.reason == (reason if fusion.lost else "")
        np.testing.assert_allclose(attitude[0], [1, 0, 0, 0], atol=1e-3)
    assert lost == [False] * 12 + [True] * 38  # longer than 0.25 s
    fusion.update(readings(STILL, 1.5 * pitched(0.5)))
    assert (fusion.lost, bool(fusion.reason)) == (True, True)
    attitude = fusion.update(readings(STILL, pitched(0.5)))["attitude"]
    assert (fusion.lost, fusion.reason) == (False, "")
    assert pitch(attitude) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("burst", [0, BURST])
def test_after_a_long_gap_it_is_lost_until_it_reads_what_is_down(burst: int) -> None:
    fusion = resting(burst)
    fusion.update(readings(STILL, pitched(0.0)), periods=12)
    assert (fusion.lost, fusion.reason) == (False, "")
    fusion.update(readings(STILL, 1.5 * pitched(1.0)), periods=30)
    assert (fusion.lost, fusion.reason) == (True, LEAP)
    lost = []
    for _ in range(20):
        fusion.update(readings(STILL, 1.5 * pitched(1.0)))
        lost.append(fusion.lost)
    assert all(lost) and fusion.reason == "no reading shows the vertical yet"
    attitude = fusion.update(readings(STILL, pitched(1.0)))["attitude"]
    assert (fusion.lost, fusion.reason) == (False, "")
    assert pitch(attitude) == pytest.approx(1.0, abs=1e-3)


def test_a_row_out_of_its_senses_leaves_the_others_alone() -> None:
    both, alone = resting(BURST, rows=2), resting(BURST)
    turning = np.array([[0.1, 0.2, 0.3]])
    for step in range(40):
        wrong = np.nan if step < 20 else 0.0
        sample = readings(np.vstack([turning, [[wrong] * 3]]), np.repeat(pitched(0.0), 2, 0))
        attitude = both.update(sample)["attitude"]
        expected = alone.update(readings(turning, pitched(0.0)))["attitude"]
        assert (attitude[0] == expected[0]).all()
        assert both.lost == (12 <= step < 20)
    assert not alone.lost


@pytest.mark.parametrize("burst", [0, BURST])
def test_turning_to_and_fro_from_the_first_sample_it_is_not_lost(burst: int) -> None:
    """Level, with the yaw rate of a robot that looks around, and the noise of a usual IMU."""
    fusion, rng = AttitudeFusion(PERIOD, burst), np.random.default_rng(0)
    for step in range(500):
        gyro = 0.003 * rng.standard_normal((1, 3))
        gyro[0, 2] += np.sin(np.pi * step * PERIOD)
        sample = readings(gyro, pitched(0.0) + 0.03 * rng.standard_normal((1, 3)))
        noise = 0.003 * rng.standard_normal((BURST, 6))
        sample["imu_burst"] += noise.ravel().astype(np.float32)
        fusion.update(sample)
        assert (fusion.lost, fusion.reason) == (False, "")
