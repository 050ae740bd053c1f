"""Measures the estimators on public recordings and simulated robots, beside their peers.

The recordings, as `sim2edge fuse` reads them, are expected in DIR/broad/*.mat, DIR/cassie/*.npz and
DIR/comma2k19/*.npz; rows without their recordings are left out, and stderr says so.
"""

import argparse
import dataclasses
import importlib.util
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from estimation.attitude_motions import MOTIONS, judge, record
from estimation.attitude_peers import madgwick, vqf_defaults
from estimation.durations import attitude_step, durations
from estimation.legged_peers import PlainInvariantFilter
from estimation.recorded_car import on_comma2k19
from estimation.recorded_errors import against, rms
from estimation.rover import (
    Rover,
    dead_reckoning,
    drive_rover,
    estimated_paths,
    largest_step,
    mean_at_rest,
    path_error,
)
from figures import Figure, report

from edge_runtime.fusion.attitude.filter import AttitudeFilter
from edge_runtime.fusion.legged.config import LeggedConfig
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, so3_exp
from edge_runtime.fusion.measurement import Feet, Imu
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.presets import differential_drive, skid_steer
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.readers.cassie import CassieNoise, read_cassie
from edge_runtime.replay.replay_log import EstimateSeries, replay_log
from edge_runtime.signals import Float

SETTLING = 1.0  # s at the start of a walk that do not count
WRONG_TILT, WRONG_VELOCITY = math.radians(10.0), 0.6  # rad and m/s at the start of a walk
DEGREES = 180.0 / math.pi


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the recordings", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one JSON row per figure")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    arguments = parser.parse_args()
    data = arguments.data or Path(os.environ.get("SIM2EDGE_DATA", "data"))
    figures: list[Figure] = []
    for folder, pattern, measure in (
        ("broad", "*.mat", on_broad),
        ("cassie", "*.npz", on_cassie),
        ("comma2k19", "*.npz", on_comma2k19),
    ):
        paths = sorted((data / folder).glob(pattern))
        if paths:
            figures += measure(paths, arguments.quick)
        else:
            print(f"left out: '{data / folder}' has no {pattern}; give --data", file=sys.stderr)
    figures += over_motions(arguments.quick)
    figures += attitude_step(arguments.quick)
    figures += dead_reckoned(arguments.quick)
    figures += durations(arguments.quick)
    if importlib.util.find_spec("sim") and importlib.util.find_spec("mujoco"):
        from estimation.estimated_robots import estimated_robots  # noqa: PLC0415  the rest needs no simulator

        figures += estimated_robots(arguments.quick)
    return report(figures, arguments.json)


def on_broad(paths: Sequence[Path], quick: bool) -> list[Figure]:
    """Measures attitude by IMU and magnetometer: RMSE in motion, averaged over the trials."""
    if quick:
        paths = paths[:2]
    names = ["ours", "VQF defaults"]
    names += ["Madgwick"] if importlib.util.find_spec("ahrs") and not quick else []
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for path in paths:
        log = read_broad(path)
        runs = {"ours": replay_log(AttitudeFilter(), log)}
        peers = {"VQF defaults": vqf_defaults, "Madgwick": madgwick}
        for name in names[1:]:
            runs[name] = dataclasses.replace(runs["ours"], attitude=peers[name](log))
        for name, run in runs.items():
            errors = against(run, log)
            parts = (errors.total, errors.heading, errors.inclination)
            found[name].append(tuple(DEGREES * rms(part) for part in parts))
    means = {name: np.mean(rows, axis=0) for name, rows in found.items()}
    return [
        Figure(
            f"BROAD, {what} RMSE over {len(paths)} trials",
            float(means["ours"][column]),
            "°",
            target,
            ", ".join(f"{name} {means[name][column]:.2f}" for name in names[1:]),
            at_least=False,
        )
        for column, (what, target) in enumerate(
            (("total", 2.5), ("heading", None), ("inclination", 0.75))
        )
    ]


def on_cassie(paths: Sequence[Path], quick: bool) -> list[Figure]:
    """Measures a biped's walk with noise, biases and a wrong start, after a second."""
    ours, plain = [], []
    for path in paths:
        for seed in range(2 if quick else 8):
            log = read_cassie(path, seed=seed)
            assert log.reference is not None
            attitude, velocity = wrong_start(log.reference, seed)
            estimator = LeggedFilter(LeggedConfig())
            estimator.start(float(log.reference.stamp[0]), attitude, velocity)
            run = replay_log(estimator, log)
            ours.append(walk_errors(run, log))
            plain.append(walk_errors(plain_run(run, log, attitude, velocity), log))
    means, peer = np.mean(ours, axis=0).tolist(), np.mean(plain, axis=0).tolist()
    return [
        Figure(
            f"Cassie's walk, mean of {len(ours)} noises, {what} RMS",
            means[k],
            unit,
            target,
            f"plain right-invariant filter {peer[k]:.3g}",
            at_least=False,
        )
        for k, (what, unit, target) in enumerate((("velocity", "m/s", 0.022), ("tilt", "°", 0.45)))
    ]


def wrong_start(truth: Reference, seed: int) -> tuple[Float, Float]:
    """Returns attitude and velocity, each wrong in a direction that the seed gives."""
    rng = np.random.default_rng((seed, 1))
    way, other = rng.uniform(0.0, 2.0 * math.pi, 2)
    turn = so3_exp(WRONG_TILT * np.array([math.cos(way), math.sin(way), 0.0]))
    attitude = matrix_to_quaternion(turn @ quaternion_to_matrix(truth.attitude[0]))
    push = WRONG_VELOCITY * np.array([math.cos(other), math.sin(other), 0.0])
    return attitude, truth.velocity[0] + push


def walk_errors(run: EstimateSeries, log: Log) -> tuple[float, float]:
    """Returns RMS errors of velocity in the body frame, m/s, and of tilt, degrees."""
    errors = against(run, log)
    late = errors.stamp > errors.stamp[0] + SETTLING
    speed = np.linalg.norm(errors.velocity, axis=1)
    return rms(speed[late]), DEGREES * rms(errors.inclination[late])


def plain_run(run: EstimateSeries, log: Log, attitude: Float, velocity: Float) -> EstimateSeries:
    """Returns the peer's estimates at the moments of ours."""
    step = float(np.median(np.diff(run.stamp)))
    noise = CassieNoise()
    peer = PlainInvariantFilter(noise.gyro * step**0.5, noise.accel * step**0.5, noise.foot)
    peer.start(quaternion_to_matrix(attitude), velocity)
    attitudes, velocities = np.empty_like(run.attitude), np.empty_like(run.velocity)
    row, last = 0, float(log.arrivals[0])
    for measurement in log.measurements:
        if isinstance(measurement, Imu):
            peer.predict(measurement.gyro, measurement.accel, measurement.stamp - last)
            last = measurement.stamp
        elif isinstance(measurement, Feet):
            peer.update(measurement.position, (measurement.contact > 0.9).astype(np.float64))
            attitudes[row] = matrix_to_quaternion(np.ascontiguousarray(peer.rotation))
            velocities[row] = peer.velocity
            row += 1
    return dataclasses.replace(run, attitude=attitudes, velocity=velocities)


ROVERS = {
    "two wheels at 1 m/s": Rover(),
    "skid steering": Rover(
        wheels=(0.28, -0.28, 0.28, -0.28),
        curves=0.5,
        slip=0.8,
        turns_about=0.05,
        vibration=0.8,
        bumps=0.03,
        bias=(0.002, -0.001, 0.001),
    ),
}


def dead_reckoned(quick: bool) -> list[Figure]:
    """Measures robots without GNSS after 3 s at rest, beside dead reckoning by wheels and
    gyroscope."""
    seeds = range(4 if quick else 16)
    figures = []
    for name, rover in ROVERS.items():
        track = rover.wheels[0] - rover.wheels[1]
        config = skid_steer(track, sides=2) if rover.slip else differential_drive(track)
        rows = []
        for seed in seeds:
            recording = drive_rover(rover, seed)
            bias = mean_at_rest(recording.readings, rover.rest)
            peer = dead_reckoning(recording.readings, bias=bias)
            ours, odometry = estimated_paths(WheeledFilter(config, gnss=False), recording.readings)
            paths = (ours, odometry, peer)
            rows.append((*(path_error(path, recording) for path in paths), largest_step(odometry)))
        errors = np.array(rows)
        corrected, continuous, theirs = np.sqrt(np.mean(errors[:, :3] ** 2, axis=0)).tolist()
        figures += [
            Figure(
                f"{name}, no GNSS, {len(rows)} paths of {rover.seconds:g} s, RMS",
                max(corrected, continuous),
                "m",
                1.1 * theirs,
                f"dead reckoning {theirs:.3f}, continuous frame {continuous:.3f}",
                at_least=False,
            ),
            Figure(
                f"{name}, largest step of the continuous frame",
                float(errors[:, 3].max()),
                "m",
                1.3 * rover.speed / rover.imu_rate + 0.02,
                f"{rover.speed / rover.imu_rate:g} by the speed",
                at_least=False,
            ),
        ]
    return figures


def over_motions(quick: bool) -> list[Figure]:
    """Measures the attitude over made-up motions of every kind, beside VQF's defaults."""
    ours, theirs, within = [], [], []
    seeds = range(1 if quick else 5)
    for motion in MOTIONS.values():
        judged = [judge(record(motion, seed)) for seed in seeds]
        ours.append(rms(np.array([found.rms(found.inclination) for found in judged])))
        theirs.append(rms(np.array([found.rms(found.peer) for found in judged])))
        within.append(min(found.within for found in judged))
    rows = f"{len(MOTIONS)} kinds of motion, {len(seeds)} noises each"
    worst = int(np.argmax(np.array(ours) - np.array(theirs)))
    return [
        Figure(
            f"{rows}: inclination RMS while GOOD",
            rms(np.array(ours)),
            "°",
            rms(np.array(theirs)),
            f"VQF defaults {rms(np.array(theirs)):.2f}",
            at_least=False,
        ),
        Figure(
            f"… worst kind, {list(MOTIONS)[worst]}",
            ours[worst],
            "°",
            theirs[worst] + 0.1,
            f"VQF defaults {theirs[worst]:.2f}",
            at_least=False,
        ),
        Figure(
            "… normalised error within its 95 % bound or health not GOOD, worst recording",
            100.0 * min(within),
            "% of time",
            90.0,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
