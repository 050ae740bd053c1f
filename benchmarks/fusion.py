"""Measures the estimators on public recordings and simulated robots, beside their peers.

The recordings, as `sim2edge fuse` reads them, are expected in DIR/broad/*.mat, DIR/cassie/*.npz and
DIR/comma2k19/*.npz; rows without their recordings are left out, and stderr says so.
"""

import argparse
import dataclasses
import importlib.util
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from estimation.attitude_motions import MOTIONS, judge, record
from estimation.attitude_peers import madgwick, vqf_defaults
from estimation.legged_peers import PlainInvariantFilter
from estimation.rover import (
    Rover,
    dead_reckoning,
    drive_rover,
    estimated_paths,
    largest_step,
    mean_at_rest,
    path_error,
)
from figures import Figure, report, seconds
from vqf import VQF

from edge_runtime.fusion.attitude.filter import AttitudeFilter
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.legged.config import LeggedConfig
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, so3_exp
from edge_runtime.fusion.measurement import Feet, GnssFix, Imu, Magnetometer, Wheels
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.presets import differential_drive, skid_steer
from edge_runtime.replay.errors_against_reference import Errors, errors_against_reference
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.readers.cassie import CassieNoise, read_cassie
from edge_runtime.replay.readers.comma2k19 import RAV4, read_comma2k19
from edge_runtime.replay.replay_log import EstimateSeries, replay_log
from edge_runtime.signals import Float

SETTLING = 1.0  # s at the start of a walk that do not count
WRONG_TILT, WRONG_VELOCITY = math.radians(10.0), 0.6  # rad and m/s at the start of a walk
OUTAGE = 20.0  # s without GNSS
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


def attitude_step(quick: bool) -> list[Figure]:
    """Measures one IMU reading with all checks, beside a call of VQF's own binding."""
    rng = np.random.default_rng(0)
    count = 100  # so few that some of the runs meet no other process
    gyro = 0.002 * rng.standard_normal((count, 3))
    accel = np.array([0.0, 0.0, GRAVITY]) + 0.02 * rng.standard_normal((count, 3))
    field = np.array([0.0, 18.0, -45.0]) + 0.1 * rng.standard_normal((count, 3))
    filter_, both, bare, bare_both = AttitudeFilter(), AttitudeFilter(), VQF(0.005), VQF(0.005)
    readings = list(zip(gyro, accel, field))
    stamped: list[tuple[Imu, Magnetometer]] = []

    def step() -> None:
        for imu, _ in stamped:
            filter_.predict(imu)

    def peer_step() -> None:
        for w, f, _ in readings:
            bare.update(w, f)

    def all_of_it() -> None:
        for imu, m in stamped:
            both.predict(imu)
            both.update(m)
            _ = both.estimate

    def peer_all() -> None:
        for w, f, m in readings:
            bare_both.update(w, f, m)
            bare_both.getQuat9D()

    taken: dict[str, list[float]] = {}
    for turn in range(100 if quick else 400):
        stamps = 0.005 * (count * turn + np.arange(count))
        stamped[:] = [
            (Imu(stamp, w, f), Magnetometer(stamp, m))
            for stamp, (w, f, m) in zip(stamps.tolist(), readings)
        ]
        for run in (step, peer_step, all_of_it, peer_all):
            taken.setdefault(run.__name__, []).append(1e6 * seconds(run) / count)
    taken = {name: sorted(times) for name, times in taken.items()}
    undisturbed = {name: times[len(times) // 10] for name, times in taken.items()}
    return [
        Figure(
            "attitude with checks, one IMU step, over a call of VQF's own binding",
            undisturbed["step"] / undisturbed["peer_step"],
            "x",
            5.0,
            f"VQF {undisturbed['peer_step']:.2f} µs",
            at_least=False,
        ),
        Figure(
            "… with magnetometer and the whole estimate",
            undisturbed["all_of_it"] / undisturbed["peer_all"],
            "x",
            peer=f"VQF with magnetometer and attitude {undisturbed['peer_all']:.2f} µs",
            at_least=False,
        ),
    ]


def durations(quick: bool) -> list[Figure]:
    """Measures the median time of one update, through the same calls that a robot makes."""
    count = 1_000 if quick else 10_000
    rng = np.random.default_rng(0)
    places = np.array([[0.0, 0.1, -0.8], [0.0, -0.1, -0.8]])
    standing = np.ones(2)
    legged, car = LeggedFilter(), WheeledFilter()
    plain = PlainInvariantFilter(2e-4, 3e-3, 0.005)
    taken: dict[str, list[float]] = {}

    def clock(what: str, call: Callable[..., object], *arguments: object) -> None:
        started = time.perf_counter_ns()
        call(*arguments)
        taken.setdefault(what, []).append((time.perf_counter_ns() - started) / 1e3)

    for k in range(count):
        stamp = 0.005 * k
        gyro = 0.002 * rng.standard_normal(3)
        accel = np.array([0.0, 0.0, GRAVITY]) + 0.02 * rng.standard_normal(3)
        imu = Imu(stamp, gyro, accel)
        feet = Feet(stamp, places + 0.003 * rng.standard_normal((2, 3)), standing)
        wheels = Wheels(stamp, 5.0 + 0.02 * rng.standard_normal(4), 0.0)
        clock("legged step", legged.predict, imu)
        clock("legged", legged.update, feet)
        clock("car step", car.predict, imu)
        clock("car", car.update, wheels)
        clock("plain step", plain.predict, gyro, accel, 0.005)
        clock("plain", plain.update, feet.position, standing)
    # The first calls compile.
    median = {what: statistics.median(times[count // 10 :]) for what, times in taken.items()}
    ours = median["legged"] + median["legged step"]
    theirs = median["plain"] + median["plain step"]
    return [
        Figure(
            "legged update, two stance feet, median",
            median["legged"],
            "µs",
            40.0,
            f"IMU step {median['legged step']:.1f}; plain numpy filter {median['plain']:.0f}",
            at_least=False,
        ),
        Figure("legged IMU step and update", theirs / ours, "x as fast as plain numpy", 10.0),
        Figure(
            "car update by wheels, median",
            median["car"],
            "µs",
            25.0,
            f"IMU step {median['car step']:.1f}",
            at_least=False,
        ),
    ]


def against(run: EstimateSeries, log: Log) -> Errors:
    """Returns the errors of a log that has a reference."""
    errors = errors_against_reference(run, log)
    assert errors is not None
    return errors


def rms(values: Float) -> float:
    """Returns the RMS of the finite values."""
    return math.sqrt(float(np.nanmean(values**2)))


if __name__ == "__main__":
    sys.exit(main())
