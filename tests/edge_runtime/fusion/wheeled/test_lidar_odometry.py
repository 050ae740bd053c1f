import math
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import Displacement
from edge_runtime.fusion.wheeled.lidar_odometry import (
    LidarOdometry,
    LidarOdometryConfig,
    ScanMatcher,
)
from edge_runtime.signals import Float
from sim.racing.tracks import TrackConfig, make_tracks
from sim.robots.vehicle import LIDAR_POSITION
from sim.sensors.lidar import Lidar, LidarConfig

CONFIG = LidarOdometryConfig(mount=(float(LIDAR_POSITION[0]), 0.0, 0.0))
STEP = 0.04  # s


def scans(track: int, speed: float, count: int) -> Iterator[tuple[Float, Float]]:
    """Scans along a track's middle, and the pose (x, y, heading) of each."""
    tracks, rng = make_tracks(track + 1, 0, TrackConfig()), np.random.default_rng(track)
    lidar = Lidar(LidarConfig(), tracks, LIDAR_POSITION)
    points = np.arange(tracks.points)
    heading = np.unwrap(tracks.heading[track])
    for k in range(count):
        at = k * STEP * speed * tracks.points / tracks.length[track]
        x, y = (np.interp(at, points, tracks.center[track][:, i]) for i in range(2))
        psi = np.interp(at, points, heading)
        pose = np.zeros((1, 7))
        pose[0] = [x, y, 0.198, math.cos(psi / 2), 0.0, 0.0, math.sin(psi / 2)]
        ranges = np.zeros((1, lidar.config.beams), np.float32)
        lidar.cast(np.arange(1), np.array([track]), np.array([int(at)]), pose, ranges)
        yield lidar.add_noise(ranges, rng)[0].astype(np.float64), np.array([x, y, psi])


def moved(before: Float, after: Float) -> Float:
    c, s = math.cos(before[2]), math.sin(before[2])
    x, y, turn = after - before
    return np.array([c * x + s * y, c * y - s * x, turn])


def corridor(
    heading: float = 0.0, at: float = 0.0, rng: np.random.Generator | None = None
) -> Float:
    """Walls 2 m to the left and 3 m to the right; nothing ahead within reach."""
    half = 0.5 * CONFIG.field_of_view
    sine = np.sin(np.linspace(-half, half, 64) + heading)
    far = np.where(
        sine > 0.0, (2.0 - at) / np.maximum(sine, 1e-9), (3.0 + at) / -np.minimum(sine, -1e-9)
    )
    noise = 0.0 if rng is None else 0.02 * rng.standard_normal(64)
    return np.minimum(far + noise, CONFIG.max_range)


pytestmark = pytest.mark.filterwarnings("error")
small_gicp = pytest.importorskip("small_gicp", reason="the extra 'lidar' is not installed")


@pytest.mark.parametrize("track", [0, 1])
def test_motion_is_right_and_as_sure_as_it_says(track: int) -> None:
    matcher, before = ScanMatcher(CONFIG), None
    errors, normalised, none = [], [], 0
    for k, (ranges, pose) in enumerate(scans(track, 8.0, 200)):
        found = matcher.match(k * STEP, ranges)
        if found is None:
            none += 1
        elif before is not None:
            error = found.motion - moved(before, pose)
            errors.append(error)
            normalised.append(error @ np.linalg.solve(found.covariance, error))
        before = pose
    rms = np.sqrt(np.mean(np.square(errors), axis=0))
    assert none < 40
    assert rms[1] < 0.02 and rms[2] < 0.01  # across and turning, of 0.32 m a scan
    assert np.mean(np.array(normalised) < 9.348) > 0.9


def test_nothing_is_known_along_a_straight_corridor() -> None:
    rng, matcher = np.random.default_rng(0), ScanMatcher(CONFIG)
    matcher.match(0.0, corridor(rng=rng))
    given = 0
    for k in range(1, 20):
        found = matcher.match(k * STEP, corridor(heading=0.01 * k, at=0.02 * k, rng=rng))
        if found is None:
            continue
        given += 1
        values, vectors = np.linalg.eigh(found.covariance[:2, :2])
        assert math.sqrt(values[1]) > 3.0 and math.sqrt(values[0]) < 0.1
        assert abs(vectors[0, 1]) > 0.95  # it is the way ahead
        assert found.motion[2] == pytest.approx(0.01, abs=0.01)
    assert given > 5


@pytest.mark.parametrize(
    "ranges",
    [np.full(64, 25.0), np.full(64, np.nan), np.zeros(64), np.zeros(0), np.full(64, np.inf)],
)
def test_a_scan_without_echoes_tells_nothing_and_breaks_nothing(ranges: Float) -> None:
    matcher = ScanMatcher(CONFIG)
    seen = [ranges_of for ranges_of, _ in scans(0, 8.0, 6)]
    assert matcher.match(0.0, seen[0]) is None
    assert matcher.match(0.04, seen[1]) is not None
    assert matcher.match(0.08, ranges) is None
    assert matcher.match(0.12, seen[3]) is None  # a new beginning
    assert matcher.match(0.16, seen[4]) is not None


def test_scans_of_other_places_are_not_made_to_fit() -> None:
    matcher = ScanMatcher(CONFIG)
    (here, _), *_ = scans(0, 8.0, 1)
    rng = np.random.default_rng(0)
    matcher.match(0.0, here)
    for k in range(1, 10):
        assert matcher.match(k * STEP, rng.uniform(0.5, 20.0, 64)) is None


def test_a_gap_or_time_gone_back_starts_over() -> None:
    matcher = ScanMatcher(CONFIG)
    (here, _), *_ = scans(0, 8.0, 1)
    matcher.match(0.0, here)
    assert matcher.match(2.0, here) is None
    assert matcher.match(1.0, here) is None
    assert matcher.match(1.04, here) is not None


def test_the_process_never_blocks_and_tells_late() -> None:
    odometry = LidarOdometry(CONFIG)
    try:
        found: list[Displacement] = []
        seen = list(scans(0, 8.0, 30))
        longest = 0.0
        until = time.monotonic() + 30.0
        k = 0
        while len(found) < 10 and time.monotonic() < until:
            start = time.thread_time()
            odometry.offer(k * STEP, seen[k % 30][0])
            found += odometry.collect()
            longest = max(longest, time.thread_time() - start)
            k += 1
            time.sleep(0.01)
        assert len(found) >= 10 and longest < 0.02
        assert all(d.since < d.stamp for d in found)
    finally:
        odometry.close()
    assert not odometry.alive
    odometry.offer(9.0, seen[0][0])  # gone, and nobody waits for it
    assert odometry.collect() == []


def test_without_the_library_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "small_gicp", None)
    with pytest.raises(UserError, match="lidar"):
        ScanMatcher(CONFIG)
