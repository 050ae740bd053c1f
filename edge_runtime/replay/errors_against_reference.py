"""Computes the errors of an estimator along a log that has a reference.

An estimator without magnetometer and GNSS cannot know where north is, nor where it is. It is then
judged by what it can know: tilt, velocity in the body frame, how its heading drifts, and its path
with the first heading and place taken from the reference.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.measurement import GnssFix, Magnetometer
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.replay_log import EstimateSeries
from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Float

# Two-sided 95 % bounds of chi-squared, by degrees of freedom.
BOUNDS = {2: (0.0506, 7.378), 3: (0.2158, 9.348)}
_HIDDEN = 0.99e3  # standard deviation of what an estimator does not estimate, at least
_LONGEST_STEP = 0.5  # s between two reference stamps to interpolate over


@dataclass(frozen=True)
class Errors:
    """Holds true minus estimated at the moments of a run; NaN where the truth is unknown.

    Without absolute heading and place, `velocity` and its sigma are in the body frame, and
    heading and position are those that are left after the first ones are made equal.
    """

    stamp: Float  # (K,) s
    absolute: bool  # whether heading and place can be known
    truth: Reference  # at these moments, in the estimator's world
    rotation: Float  # (K, 3) rad, world frame; heading last
    velocity: Float  # (K, 3) m/s
    estimated_velocity: Float  # (K, 3) m/s, in the frame of `velocity`
    position: Float  # (K, 3) m
    rotation_sigma: Float  # (K, 3) as the estimator claims
    velocity_sigma: Float  # (K, 3)
    position_sigma: Float  # (K, 3)
    nees: dict[str, tuple[int, Float]]  # what -> degrees of freedom, (K,) normalized squared error
    total: Float  # (K,) rad, angle of the whole rotation error
    heading: Float  # (K,) rad, of its twist about the vertical
    inclination: Float  # (K,) rad, of what is left


def errors_against_reference(run: EstimateSeries, log: Log) -> Errors | None:
    """Returns the errors of a run.

    Args:
        run: the estimates along the log.
        log: the recording that was replayed.

    Returns:
        The errors, or None where the log has no reference.
    """
    if log.reference is None:
        return None
    absolute = log.north and any(isinstance(m, (Magnetometer, GnssFix)) for m in log.measurements)
    truth = _at(log.reference, run.stamp)
    if not absolute:
        truth = _moved(truth, run, _first(run, truth))
    turned = multiply(truth.attitude, run.attitude * [1.0, -1.0, -1.0, -1.0])
    turned *= np.where(turned[:, :1] < 0.0, -1.0, 1.0)
    rotation = _rotation_vector(turned)
    frame = rotation_matrix(run.attitude)
    jacobian = np.zeros((len(frame), 3, 9))
    jacobian[:, :, 3:6] = np.eye(3)
    true, estimated = truth.velocity, run.velocity
    if not absolute:
        in_body = np.swapaxes(frame, 1, 2)
        true = _turn(np.swapaxes(rotation_matrix(truth.attitude), 1, 2), true)
        estimated = _turn(in_body, estimated)
        jacobian[:, :, :3] = _skew(run.velocity)
        jacobian = in_body @ jacobian
    velocity = true - estimated
    spread = jacobian @ run.covariance @ np.swapaxes(jacobian, 1, 2)
    position = truth.position - run.position
    turning, place = run.covariance[:, :3, :3], run.covariance[:, 6:, 6:]
    axes = 3 if absolute else 2
    nees = {"attitude" if absolute else "tilt": _nees(rotation[:, :axes], turning[:, :axes, :axes])}
    nees["velocity"] = _nees(velocity, spread)
    if absolute:
        nees["position"] = _nees(position, place)
    cosine = np.clip(np.hypot(turned[:, 0], turned[:, 3]), 0.0, 1.0)
    return Errors(
        stamp=run.stamp,
        absolute=absolute,
        truth=truth,
        rotation=rotation,
        velocity=velocity,
        estimated_velocity=estimated,
        position=position,
        rotation_sigma=_sigma(turning),
        velocity_sigma=_sigma(spread),
        position_sigma=_sigma(place),
        nees={what: found for what, found in nees.items() if np.isfinite(found[1]).any()},
        total=2.0 * np.arccos(np.clip(turned[:, 0], 0.0, 1.0)),
        heading=2.0 * np.arctan2(turned[:, 3], turned[:, 0]),
        inclination=2.0 * np.arccos(cosine),
    )


@dataclass(frozen=True)
class Summary:
    """Describes one line of figures: what, number, unit."""

    what: str
    value: float
    unit: str


def summary(errors: Errors, run: EstimateSeries) -> list[Summary]:
    """Returns the figures of a run from when it first said that it is no longer initialising."""
    judged = np.cumsum(run.health > Health.INITIALISING) > 0
    rows: list[Summary] = []

    def add(what: str, values: Float, unit: str) -> None:
        kept = values[judged & np.isfinite(values)]
        if len(kept):
            rows.append(Summary(what, math.sqrt(float(np.mean(kept**2))), unit))

    degrees = 180.0 / math.pi
    if errors.absolute:
        add("attitude", degrees * errors.total, "° RMS")
        add("heading", degrees * errors.heading, "° RMS")
    add("tilt", degrees * errors.inclination, "° RMS")
    if not errors.absolute:
        drift = _slope(errors.stamp[judged], np.unwrap(errors.heading)[judged])
        rows.append(Summary("yaw drift", 60.0 * degrees * drift, "°/min"))
    estimated = errors.velocity_sigma.max(axis=1) < _HIDDEN
    if estimated.any():
        frame = "" if errors.absolute else ", body frame"
        add(f"velocity{frame}", np.linalg.norm(errors.velocity, axis=1), "m/s RMS")
        add("horizontal position", np.linalg.norm(errors.position[:, :2], axis=1), "m RMS")
        add("height", errors.position[:, 2], "m RMS")
    return [row for row in rows if math.isfinite(row.value)]


def consistency(errors: Errors, run: EstimateSeries) -> list[tuple[str, float, float]]:
    """Returns each quantity, its share of time within 95 % bounds, and mean over expected value."""
    judged = np.cumsum(run.health > Health.INITIALISING) > 0
    found = []
    for what, (freedom, values) in errors.nees.items():
        kept = values[judged & np.isfinite(values)]
        if len(kept):
            low, high = BOUNDS[freedom]
            share = float(np.mean((kept >= low) & (kept <= high)))
            found.append((what, share, float(np.mean(kept)) / freedom))
    return found


def _nees(error: Float, covariance: Float) -> tuple[int, Float]:
    """Returns the normalized estimation error squared; NaN where something is unknown."""
    freedom = error.shape[1]
    values = np.full(len(error), np.nan)
    largest = np.einsum("kii->ki", covariance).max(axis=1)
    known = np.isfinite(error).all(axis=1) & (largest < _HIDDEN**2) & (largest > 0.0)
    solved = np.linalg.solve(covariance[known], error[known][:, :, None])[:, :, 0]
    values[known] = np.einsum("ki,ki->k", error[known], solved)
    return freedom, values


def _sigma(covariance: Float) -> Float:
    return np.sqrt(np.maximum(np.einsum("kii->ki", covariance), 0.0))


def _slope(stamp: Float, values: Float) -> float:
    known = np.isfinite(values)
    if known.sum() < 2:
        return math.nan
    return float(np.polyfit(stamp[known] - stamp[known][0], values[known], 1)[0])


def _at(reference: Reference, stamp: Float) -> Reference:
    """Returns the reference at other stamps; NaN outside, across gaps, and beside unknowns."""
    known = reference.stamp
    after = np.clip(np.searchsorted(known, stamp), 1, max(len(known) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(known) - 1)
    step = known[after] - known[before]
    share = np.where(step > 0.0, (stamp - known[before]) / np.where(step > 0.0, step, 1.0), 0.0)
    slack = 1e-6
    share[(share < -slack) | (share > 1.0 + slack) | (step > _LONGEST_STEP)] = np.nan
    share = share[:, None]

    def between(values: Float) -> Float:
        first, second = values[before], values[after]
        # An exact hit needs only the one that it hits.
        first = np.where((share > 1.0 - slack), second, first)
        second = np.where((share < slack), first, second)
        return first + share * (second - first)

    first, second = reference.attitude[before], reference.attitude[after]
    flip = np.where(np.sum(first * second, axis=1, keepdims=True) < 0.0, -1.0, 1.0)
    attitude = np.where(share > 1.0 - slack, second * flip, first)
    attitude = attitude + share * (np.where(share < slack, attitude, second * flip) - attitude)
    attitude /= np.linalg.norm(attitude, axis=1, keepdims=True)
    return Reference(stamp, attitude, between(reference.velocity), between(reference.position))


def _first(run: EstimateSeries, truth: Reference) -> int:
    """Returns the row at which heading and place are made equal."""
    usable = (run.health > Health.INITIALISING) & np.isfinite(truth.attitude).all(axis=1)
    return int(np.argmax(usable)) if usable.any() else 0


def _moved(truth: Reference, run: EstimateSeries, row: int) -> Reference:
    """Returns the truth, turned and moved into the world in which the estimator began."""
    conjugate = truth.attitude[row] * [1.0, -1.0, -1.0, -1.0]
    turned = multiply(run.attitude[row][None], conjugate[None])[0]
    size = math.hypot(turned[0], turned[3])
    if not size > 0.0:
        return truth
    yaw = np.array([turned[0] / size, 0.0, 0.0, turned[3] / size])
    matrix = rotation_matrix(yaw[None])[0]
    position = truth.position @ matrix.T
    offset = run.position[row] - position[row]
    return Reference(
        truth.stamp,
        multiply(np.broadcast_to(yaw, truth.attitude.shape), truth.attitude),
        truth.velocity @ matrix.T,
        position + np.where(np.isfinite(offset), offset, 0.0),
    )


def _rotation_vector(quaternion: Float) -> Float:
    vector = quaternion[:, 1:]
    sine = np.linalg.norm(vector, axis=1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternion[:, :1])
    return vector * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)


def _skew(vectors: Float) -> Float:
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), 2, 0)


def _turn(matrices: Float, vectors: Float) -> Float:
    return np.einsum("kij,kj->ki", matrices, vectors)
