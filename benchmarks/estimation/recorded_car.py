"""Measures the wheeled filter on recordings of a car on public roads. Part of `fusion.py`."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import Figure

from edge_runtime.fusion.measurement import GnssFix, Imu
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.replay.errors_against_reference import Errors
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.comma2k19 import RAV4, read_comma2k19
from edge_runtime.replay.replay_log import replay_log
from edge_runtime.signals import Float
from estimation.recorded_errors import against, rms

SETTLING = 1.0  # s at the start of a drive that do not count
OUTAGE = 20.0  # s without GNSS


def on_comma2k19(paths: Sequence[Path], quick: bool) -> list[Figure]:
    """Measures a car on public roads: position, outages of GNSS, and the gyroscope's bias."""
    ours, receiver, carried, drifts, biases = [], [], [], [], []
    for path in paths:
        log = read_comma2k19(path)
        errors = against(replay_log(WheeledFilter(RAV4), log), log)
        ours.append(rms_horizontal(errors))
        carried.append(rms_carried(log, errors.stamp))
        receiver.append(rms_fixes(log))
        drifts += outages(log, 5.0 if quick else 1.0)
        biases.append(bias_error(path))
    rows = f"comma2k19, {len(paths)} drives" if len(paths) > 1 else "comma2k19"
    arriving = float(np.mean(receiver))
    figures = [
        Figure(
            f"{rows}, horizontal RMS",
            float(np.mean(ours)),
            "m",
            float(np.mean(carried)),
            f"the last fix carried on by its own velocity {np.mean(carried):.3f}, "
            f"as it arrives {arriving:.2f}",
            at_least=False,
        ),
        Figure(
            f"{rows}, gyroscope bias off after 20 s",
            max(biases),
            "rad/s",
            0.003,
            at_least=False,
        ),
    ]
    if drifts:
        figures.insert(
            1,
            Figure(
                f"{rows}, drift in {len(drifts)} outages of {OUTAGE:g} s, mean",
                100.0 * float(np.mean(drifts)),
                "% of the way",
                0.8,
                f"worst {100.0 * max(drifts):.2f}",
                at_least=False,
            ),
        )
    return figures


def rms_horizontal(errors: Errors) -> float:
    """Returns the horizontal RMS error after the first second, m."""
    late = errors.stamp > errors.stamp[0] + SETTLING
    return rms(np.linalg.norm(errors.position[late, :2], axis=1))


def rms_fixes(log: Log) -> float:
    """Returns the RMS error of the receiver's fixes when they arrive, m horizontally."""
    timed = [(t, m) for t, m in zip(log.arrivals, log.measurements) if isinstance(m, GnssFix)]
    fixes = np.array([m.position[:2] for _, m in timed])
    arrivals = np.array([t for t, _ in timed])
    late = arrivals > log.arrivals[0] + SETTLING
    return rms(np.linalg.norm(fixes - true_position(log, arrivals), axis=1)[late])


def rms_carried(log: Log, stamps: Float) -> float:
    """Returns the RMS error of the last fix that has arrived, carried on by its own velocity, m."""
    timed = [(t, m) for t, m in zip(log.arrivals, log.measurements) if isinstance(m, GnssFix)]
    newest = np.searchsorted([t for t, _ in timed], stamps, side="right") - 1
    known = (newest >= 0) & (stamps > stamps[0] + SETTLING)
    places = []
    for row, stamp in zip(newest[known], stamps[known]):
        fix = timed[row][1]
        assert fix.velocity is not None
        places.append(fix.position[:2] + fix.velocity[:2] * (stamp - fix.stamp))
    return rms(np.linalg.norm(np.array(places) - true_position(log, stamps[known]), axis=1))


def true_position(log: Log, stamps: Float) -> Float:
    """Returns the true position, (K, 2) m, east and north."""
    truth = log.reference
    assert truth is not None
    return np.stack([np.interp(stamps, truth.stamp, axis) for axis in truth.position.T[:2]], axis=1)


def outages(log: Log, step: float) -> list[float]:
    """Returns drift relative to distance, for outages that begin at increasing times."""
    first, last = float(log.arrivals[0]), float(log.arrivals[-1])
    found = []
    for begin in np.arange(first + 10.0, last - OUTAGE, step):
        kept = [
            k
            for k, m in enumerate(log.measurements)
            if not (isinstance(m, GnssFix) and log.arrivals[k] >= begin)
            and log.arrivals[k] <= begin + OUTAGE
        ]
        cut = dataclasses.replace(
            log,
            measurements=[log.measurements[k] for k in kept],
            arrivals=log.arrivals[kept],
        )
        # Without any fix a log would be compared relative to its start, but here fixes came before.
        errors = against(replay_log(WheeledFilter(RAV4), cut), cut)
        before = int(np.searchsorted(errors.stamp, begin))
        drift = np.linalg.norm((errors.position[-1] - errors.position[before])[:2])
        way = true_position(log, np.arange(begin, begin + OUTAGE, 0.05))
        found.append(float(drift / np.linalg.norm(np.diff(way, axis=0), axis=1).sum()))
    return [drift for drift in found if math.isfinite(drift)]


def bias_error(path: Path) -> float:
    """Returns the difference between our gyroscope bias and the phone's own, rad/s on the worst
    axis."""
    raw, calibrated = read_comma2k19(path, uncalibrated=True), read_comma2k19(path)
    rates = [
        np.array([m.gyro for m in log.measurements if isinstance(m, Imu)])
        for log in (raw, calibrated)
    ]
    true = np.mean(rates[0] - rates[1], axis=0)
    config = dataclasses.replace(RAV4, gyro_bias_std=0.1)
    run = replay_log(WheeledFilter(config), raw)
    after = min(int(np.searchsorted(run.stamp, run.stamp[0] + 20.0)), len(run.stamp) - 1)
    return float(np.abs(run.gyro_bias[after] - true).max())
