"""Corrects the legged filter by a reading of the feet, and judges which stand and which slip."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.legged.equations import (
    correct,
    distance,
    forget_foot,
    innovation,
    place_foot,
    whitener,
)
from edge_runtime.fusion.legged.state import D, largest_stds
from edge_runtime.signals import Float


@compiled
def place_sole(x: Record, covariance: Float, first: int, positions: Float, p: Record) -> None:
    """Lets all points of a sole touch down, with an error in common and one of each."""
    points = p["points"]
    for k in range(first, first + points):
        place_foot(x, covariance, k, positions[k])
    for i in range(3):
        for j in range(first, first + points):
            for k in range(first, first + points):
                common = p["foot_noise"] ** 2
                own = p["point_noise"] ** 2 if j == k and points > 1 else 0.0
                covariance[D.feet + 3 * j + i, D.feet + 3 * k + i] += common + own


@compiled
def take_feet(x: Record, covariance: Float, positions: Float, contact: Float, p: Record) -> int:
    """Corrects by a reading of the feet.

    A sole of two points gives two independent readings: the mean of its points, and their
    difference, which shows how it is turned. The records of its points are those of the readings.

    Args:
        x: the state, changed in place.
        covariance: the covariance of the state, changed in place.
        positions: (MOST_FEET, 3) m, in the body frame, of which F count.
        contact: (MOST_FEET,) probabilities, likewise.
        p: the parameters.

    Returns:
        How many readings were believed, or placed a foot anew.
    """
    feet, points = p["feet"], p["points"]
    dt = min(max(x["stamp"] - x["last_feet"], 0.0), 0.1)
    x["last_feet"] = x["stamp"]
    weights = np.zeros(feet)
    believed, standing, slipping = 0, 0, 0
    keep_heading = _knows_drift(x["rotation"], covariance, p["slip_turn"])
    for first in range(0, feet, points):
        probability = _contact(first, points, positions, contact)
        if x["feet"][first]["active"] == 0.0:
            if probability >= p["contact_on"]:
                for k in range(first, first + points):
                    _start_anew(x["feet"][k])
                    x["feet"][k]["active"] = 1.0
                    x["feet"][k]["probability"] = probability
                place_sole(x, covariance, first, positions, p)
                believed += 1
                standing += 1
            continue
        if not probability >= p["contact_off"]:
            for k in range(first, first + points):
                x["feet"][k]["active"] = 0.0
                forget_foot(covariance, k)
            continue
        for k in range(first, first + points):
            foot = x["feet"][k]
            foot["probability"] = probability
            weights[:] = 0.0
            if k == first:
                weights[first : first + points] = 1.0 / points
                variance = p["foot_noise"] ** 2
                if points > 1:
                    variance += p["point_noise"] ** 2 / points
            else:
                weights[k], weights[first] = 1.0, -1.0
                variance = 2.0 * p["point_noise"] ** 2
            z, of_error, s = innovation(x, covariance, weights, positions, variance)
            white = whitener(s)
            squared = distance(z, white)
            if _judge(foot, z, squared, dt, p):
                correct(x, covariance, z, of_error, white, keep_heading)
                believed += 1
            slips = foot["refused"] > p["patience"] or _drift(foot, white, dt, p) > p["slip_gate"]
            if foot["slipping"] == 0.0 and slips:
                _start_anew(foot)
                foot["slipping"] = 1e-9
                if k == first:
                    place_sole(x, covariance, first, positions, p)
                foot["anchor"][:] = _reading_place(x, first, k)
            elif foot["slipping"] > 0.0:
                _come_to_rest(foot, _reading_place(x, first, k), dt, p)
            if k == first:
                x["surprise"] += 0.05 * (min(squared, 100.0) / 3.0 - x["surprise"])
        if x["feet"][first]["slipping"] > 0.0:
            slipping += 1
        else:
            standing += 1
    x["no_foot"] = 0.0 if standing else x["no_foot"] + dt
    x["all_slip"] = x["all_slip"] + dt if slipping and not standing else 0.0
    if x["all_slip"] > p["all_slip_time"]:
        _doubt_velocity(x, covariance, positions, p)
    _settle(x, covariance, p)
    return believed


@compiled
def _start_anew(foot: Record) -> None:
    """Forgets what a foot's innovations have shown so far."""
    foot["innovation"][:] = 0.0
    foot["refused"] = 0.0
    foot["slipping"] = 0.0


@compiled
def _reading_place(x: Record, first: int, k: int) -> Float:
    """Returns the sole's place for its first reading, the way between points for the second, m."""
    place = x["feet"][k]["place"].copy()
    if k != first:
        place -= x["feet"][first]["place"]
    return place


@compiled
def _contact(first: int, points: int, positions: Float, contact: Float) -> float:
    """Returns the probability that a sole stands; 0 if any of its readings is not finite."""
    probability = 1.0
    for k in range(first, first + points):
        if not math.isfinite(contact[k] + positions[k, 0] + positions[k, 1] + positions[k, 2]):
            return 0.0
        probability = min(probability, contact[k])
    return probability


@compiled
def _judge(foot: Record, z: Float, squared: float, dt: float, p: Record) -> bool:
    """Notes an innovation in a foot's record, and returns whether it is credible."""
    credible = squared < p["outlier_gate"]
    scale = 1.0 if credible else math.sqrt(p["outlier_gate"] / squared)
    share = dt / (dt + p["slip_time"])
    for i in range(3):
        foot["innovation"][i] += share * (scale * z[i] - foot["innovation"][i])
    foot["refused"] = 0.0 if credible else foot["refused"] + dt
    return credible


@compiled
def _drift(foot: Record, white: Float, dt: float, p: Record) -> float:
    """Returns the squared Mahalanobis distance of the mean of independent innovations."""
    share = max(dt / (dt + p["slip_time"]), 1e-3)
    return distance(foot["innovation"], white) * (2.0 - share) / share


@compiled
def _come_to_rest(foot: Record, place_now: Float, dt: float, p: Record) -> None:
    """Lets a slipping foot stand again if it hardly moved over a window."""
    foot["slipping"] += dt
    if foot["slipping"] < p["slip_window"]:
        return
    moved = 0.0
    for i in range(3):
        moved += (place_now[i] - foot["anchor"][i]) ** 2
    still = math.sqrt(moved) < p["slip_speed"] * p["slip_window"]
    foot["slipping"] = 0.0 if still else 1e-9
    foot["innovation"][:] = 0.0
    foot["anchor"][:] = place_now


@compiled
def _knows_drift(rotation: Float, covariance: Float, slip_turn: float) -> bool:
    """Returns whether the gyroscope's bias about the vertical is known better than by the feet."""
    b = covariance.shape[0] - 6
    variance = 0.0
    for i in range(3):
        for j in range(3):
            variance += rotation[2, i] * covariance[b + i, b + j] * rotation[2, j]
    return variance < slip_turn**2


@compiled
def _doubt_velocity(x: Record, covariance: Float, positions: Float, p: Record) -> None:
    """Widens the covariance of velocity and tilt, because all feet seem to slip for long."""
    for i in range(3):
        covariance[D.velocity + i, D.velocity + i] += p["velocity_std"] ** 2
        if i < 2:
            covariance[i, i] += (0.5 * p["tilt_std"]) ** 2
    for first in range(0, p["feet"], p["points"]):
        if x["feet"][first]["active"] > 0.0:
            for k in range(first, first + p["points"]):
                _start_anew(x["feet"][k])
            place_sole(x, covariance, first, positions, p)
    x["all_slip"] = 0.0
    x["recoveries"] += 1.0


@compiled
def _settle(x: Record, covariance: Float, p: Record) -> None:
    """Notes whether tilt and velocity are known well for the first time."""
    if x["settled"] == 0.0:
        tilt, velocity = largest_stds(covariance)
        if tilt < p["good_tilt"] and velocity < p["good_velocity"]:
            x["settled"] = 1.0
