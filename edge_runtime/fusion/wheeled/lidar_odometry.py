"""Measures a car's motion by its planar lidar.

Scans are registered to a keyframe by generalized ICP (Segal, Haehnel, Thrun, "Generalized-ICP",
RSS 2009) of the `small_gicp` library (Koide, JOSS 9(100), 2024), in a process of its own: the
library holds Python's lock while it works, and a control loop must not wait for it.
"""

import contextlib
import math
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.fusion.measurement import Displacement
from edge_runtime.signals import Float


@dataclass(frozen=True)
class LidarOdometryConfig:
    """Describes a planar lidar on a car, and how to register its scans."""

    field_of_view: float = setting(4.71238898038469, unit="rad", above=0)
    """Angle over which beams are spread evenly, right to left, the middle one forward."""
    mount: tuple[float, float, float] = (0.52, 0.0, 0.0)
    """Place of the lidar in the body frame: x and y in m, yaw in rad."""
    max_range: float = setting(25.0, unit="m", above=0)
    """Range that a beam without an echo reads."""
    range_std: float = setting(0.05, unit="m", above=0)
    """Standard deviation across a wall, of a point against a line between two others: the lidar's
    own noise, and that walls between two beams are not straight."""
    fewest_points: int = setting(20, above=0)
    """Echoes in a scan that can be registered."""
    reach: float = setting(1.0, unit="m", above=0)
    """Distance between two points that may be the same wall."""
    least_overlap: float = setting(0.5, at_least=0, at_most=1)
    """Share of points that must find theirs."""
    worst_fit: float = setting(3.0, above=0)
    """Residual over `range_std`, beyond which a registration is wrong."""
    keyframe_distance: float = setting(2.0, unit="m", at_least=0)
    """Distance from the keyframe after which the scan becomes the next one."""
    keyframe_angle: float = setting(0.4, unit="rad", at_least=0)
    """Angle from the keyframe, likewise."""
    degenerate: float = setting(0.02, at_least=0)
    """Information along the worst direction over that along the best, below which nothing is known
    along it: a straight corridor."""
    unknown_std: float = setting(5.0, unit="m", at_least=0)
    """Standard deviation that stands for knowing nothing."""
    longest_gap: float = setting(0.4, unit="s", at_least=0)
    """Time between two scans that can be one displacement."""


_HEIGHTS = 3  # copies of a scan one above the other, so that walls have normals
_NORMAL_VARIANCE = 1e-3  # m^2 across a surface, to which small_gicp sets every point's covariance
_MORE_NEIGHBOURS = 9  # of a point: itself and one on either side, at all heights
_PLANAR = np.array([3, 4, 2])  # x, y and yaw among small_gicp's rotation and translation


class ScanMatcher:
    """Turns scans into displacements; each takes about a millisecond.

    Raises:
        UserError: `small_gicp` is not installed.
    """

    def __init__(self, config: LidarOdometryConfig) -> None:
        try:
            import small_gicp  # noqa: PLC0415  an optional extra of the robot's install
        except ImportError:
            raise UserError(
                f"lidar odometry needs small_gicp, which is not installed; {install_line('lidar')}"
            ) from None
        self._gicp = small_gicp
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forgets all scans."""
        self._keyframe: Any = None
        self._tree: Any = None
        self._pose = np.eye(3)  # of the last scan in the keyframe
        self._step = np.eye(3)  # of the last scan in the one before
        self._stamp = math.nan

    def points(self, ranges: Float) -> Float:
        """Returns the echoes of a scan in the body frame, (n, 2) m."""
        half = 0.5 * self.config.field_of_view
        x, y, yaw = self.config.mount
        angle = np.linspace(-half, half, len(ranges)) + yaw
        good = np.isfinite(ranges) & (ranges > 0.0) & (ranges < 0.999 * self.config.max_range)
        directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)[good]
        return ranges[good, None] * directions + [x, y]

    def match(self, stamp: float, ranges: Float) -> Displacement | None:
        """Returns the body's motion since the last scan; None where the scans do not show it.

        Args:
            stamp: s.
            ranges: (B,) m.
        """
        config, since = self.config, self._stamp
        points = self.points(np.asarray(ranges, np.float64))
        span = stamp - since
        if len(points) < config.fewest_points or not 0.0 < span <= config.longest_gap:
            self._begin(stamp, points)
            return None
        cloud, tree = self._cloud(points)
        guess = _to_4(self._pose @ self._step)
        result = self._gicp.align(
            self._keyframe,
            cloud,
            self._tree,
            guess,
            "GICP",
            max_correspondence_distance=config.reach,
            max_iterations=30,
        )
        pose = _to_3(result.T_target_source)
        if not self._is_right(result, len(points), pose @ np.linalg.inv(_to_3(guess))):
            self._begin(stamp, points)
            return None
        step = np.linalg.inv(self._pose) @ pose
        self._pose, self._step, self._stamp = pose, step, stamp
        covariance = self._covariance(np.asarray(result.H), step)
        angle = math.atan2(pose[1, 0], pose[0, 0])
        far = math.hypot(pose[0, 2], pose[1, 2]) > config.keyframe_distance
        if far or abs(angle) > config.keyframe_angle:
            self._keyframe, self._tree, self._pose = cloud, tree, np.eye(3)
        motion = np.array([step[0, 2], step[1, 2], math.atan2(step[1, 0], step[0, 0])])
        return Displacement(stamp, since, motion, covariance)

    def _begin(self, stamp: float, points: Float) -> None:
        """Starts over from this scan, if it has enough echoes; the last step stays the guess."""
        step = self._step
        self.reset()
        self._step = step
        if len(points) >= self.config.fewest_points and math.isfinite(stamp):
            self._keyframe, self._tree = self._cloud(points)
            self._stamp = stamp

    def _cloud(self, points: Float) -> tuple[Any, Any]:
        """Returns upright walls as a cloud, copies of a scan above each other, and its tree."""
        gap = np.linalg.norm(np.diff(points, axis=0), axis=1)
        before, after = np.append(gap[:1], gap), np.append(gap, gap[-1:])
        height = np.clip(np.minimum(before, after), 0.05, 1.0)
        stack = [np.column_stack([points, k * height]) for k in (-1.0, 0.0, 1.0)]
        cloud = self._gicp.PointCloud(np.concatenate(stack))
        tree = self._gicp.KdTree(cloud)
        self._gicp.estimate_covariances(cloud, tree, num_neighbors=_MORE_NEIGHBOURS)
        return cloud, tree

    def _is_right(self, result: Any, count: int, correction: Float) -> bool:
        """Returns whether a registration converged, on enough of the scan, near where it began."""
        config = self.config
        if not result.converged or not np.isfinite(result.T_target_source).all():
            return False
        if result.num_inliers < config.least_overlap * _HEIGHTS * count:
            return False
        fit = 2.0 * result.error / result.num_inliers * 2.0 * _NORMAL_VARIANCE
        near = math.hypot(correction[0, 2], correction[1, 2]) < 2.0 * config.reach
        return bool(near and fit < (config.worst_fit * config.range_std) ** 2)

    def _covariance(self, hessian: Float, step: Float) -> Float:
        """Returns the covariance of x, y and yaw in the frame of the scan before, (3, 3)."""
        config = self.config
        scale = 2.0 * _NORMAL_VARIANCE / (_HEIGHTS * config.range_std**2)
        information = hessian[np.ix_(_PLANAR, _PLANAR)] * scale
        values, vectors = np.linalg.eigh(information[:2, :2])
        if values[0] < config.degenerate * values[1]:
            worst = vectors[:, 0]
            # Take out what the smoothing of the normals claims to know along it.
            information[:2, :2] -= values[0] * np.outer(worst, worst)
            information[:2, 2] -= worst * (worst @ information[:2, 2])
            information[2, :2] = information[:2, 2]
            information[:2, :2] += np.outer(worst, worst) / config.unknown_std**2
        turn = np.eye(3)
        turn[:2, :2] = step[:2, :2]
        # Of this scan and of the one before, both against the keyframe.
        covariance = 2.0 * turn @ np.linalg.inv(information) @ turn.T
        return 0.5 * (covariance + covariance.T)


def _to_4(pose: Float) -> Float:
    full = np.eye(4)
    full[:2, :2], full[:2, 3] = pose[:2, :2], pose[:2, 2]
    return full


def _to_3(full: Float) -> Float:
    """Returns the planar part of a transformation, (3, 3)."""
    angle = math.atan2(full[1, 0] - full[0, 1], full[0, 0] + full[1, 1])
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, full[0, 3]], [s, c, full[1, 3]], [0.0, 0.0, 1.0]])


class LidarOdometry:
    """Runs a `ScanMatcher` in a process of its own.

    `offer` and `collect` return at once. While the process works, only the newest scan waits.

    Raises:
        UserError: `small_gicp` is not installed.
    """

    def __init__(self, config: LidarOdometryConfig = LidarOdometryConfig()) -> None:
        ScanMatcher(config)  # so that a missing library is reported here, not by a silent process
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, config), daemon=True)
        self._process.start()
        there.close()
        self._busy = False
        self._waiting: tuple[float, Float] | None = None

    def offer(self, stamp: float, ranges: Float) -> None:
        """Gives the newest scan; one that still waits is dropped.

        Args:
            stamp: s.
            ranges: (B,) m.
        """
        self._waiting = (stamp, np.array(ranges, np.float64))
        if not self._busy:
            self._hand_over()

    def collect(self) -> list[Displacement]:
        """Returns the displacements found since the last call."""
        found: list[Displacement] = []
        try:
            while self._here.poll():
                displacement = self._here.recv()
                self._busy = False
                if displacement is not None:
                    found.append(displacement)
        except (EOFError, OSError):
            self._busy = True  # the process is gone; nothing more will come
        if not self._busy:
            self._hand_over()
        return found

    @property
    def alive(self) -> bool:
        """Returns whether the process works."""
        return self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Returns the id of the process; None before it starts."""
        return self._process.pid

    def reset(self) -> None:
        """Forgets all scans."""
        self.offer(math.nan, np.zeros(0))

    def close(self) -> None:
        """Ends the process."""
        self._here.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _hand_over(self) -> None:
        """Sends the waiting scan, one at a time, so that the pipe never fills up."""
        if self._waiting is None:
            return
        with contextlib.suppress(OSError):  # the process is gone
            self._here.send(self._waiting)
        self._busy, self._waiting = True, None


def _work(there: Connection, config: LidarOdometryConfig) -> None:
    matcher = ScanMatcher(config)
    try:
        while True:
            stamp, ranges = there.recv()
            there.send(matcher.match(stamp, ranges))
    except (EOFError, OSError, KeyboardInterrupt):
        return
