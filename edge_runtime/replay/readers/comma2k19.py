"""Reads recordings of comma2k19: a car's CAN bus, a phone's IMU and a u-blox receiver.

Schafer, Santana, Haden, Biasini, "A Commute in Data: The comma2k19 Dataset", arXiv 1812.05752,
2018. One `.npz` holds a drive as named arrays, with the times of each in s:

`wheel_speed` m/s (front left, front right, rear left, rear right) and `steering_angle` deg of
the steering wheel, positive to the left; `gyro`, `gyro_uncalibrated` rad/s and `accel` m/s^2,
forward-right-down; `gnss` as latitude and longitude deg, speed m/s, time in UTC ms, altitude m,
bearing deg, stamped when it arrived; `ref_pos_ecef`, `ref_vel_ecef` and `ref_quat_ecef_frd`, the
reference of the IMU's frame.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.geodesy import SEMI_MAJOR, earth_centred, east_north_up
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix
from edge_runtime.fusion.measurement import GnssFix, Imu, Measurement, Wheels
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.arrays import Arrays, load_arrays
from edge_runtime.signals import Float

STEERING_RATIO = 16.0  # steering wheel over front wheels, of the recorded car; about
GNSS_LATENCY = 0.085  # s from a fix to its arrival; u-blox M8 at 10 Hz need 0.05 to 0.12
HORIZONTAL_STD, VERTICAL_STD = 0.2, 0.4  # m, of a fix against the next
VELOCITY_STD = 0.1  # m/s; by the data sheet, half of them within 0.05
_CLOCK_STEP, _CLOCK_SET = 0.05, 10  # s; fixes in a row. Their ways differ by 0.06 at most
_FLIP = np.array([1.0, -1.0, -1.0])  # forward-right-down to forward-left-up

RAV4 = WheeledConfig(
    # Rear axle and wheels of a Toyota RAV4 with a phone in the middle of its windscreen.
    wheels=((2.66, 0.78), (2.66, -0.78), (0.0, 0.78), (0.0, -0.78)),
    rear_axle=(-1.6, 0.0, -0.9),
    wheelbase=2.66,
    mount_std=0.07,
    # The zero of its CAN messages is not certain to a quarter of a m/s.
    wheel_offset_std=0.25,
    delay_std=0.02,
)
"""The recorded car. GNSS antenna near the phone."""


def is_comma2k19(arrays: Arrays) -> bool:
    """Returns whether the arrays are of such a drive."""
    return "wheel_speed_t" in arrays


def read_comma2k19(path: str | Path, uncalibrated: bool = False) -> Log:
    """Reads a drive. The world's origin is the reference's first position.

    Args:
        path: the `.npz`.
        uncalibrated: take the gyroscope without the phone's own bias correction.

    Raises:
        UserError: the file is not there or not such a recording.
    """
    path = Path(path)
    gyro = "gyro_uncalibrated" if uncalibrated else "gyro"
    data = _checked(path, gyro)
    origin = _origin(data)
    to_enu = east_north_up(origin)
    timed = _imu(data, gyro)
    timed += _wheels(data) + _gnss(data, origin, to_enu)
    timed.sort(key=lambda item: item[0])
    return Log(
        measurements=[measurement for _, measurement in timed],
        arrivals=np.array([arrival for arrival, _ in timed]),
        reference=_reference(data, origin, to_enu),
        name=path.stem,
        estimator="wheeled",
        config=replace(RAV4, gyro_bias_std=0.1) if uncalibrated else RAV4,
    )


Timed = list[tuple[float, Measurement]]


def _checked(path: Path, gyro: str) -> dict[str, Float]:
    """Returns the recording's arrays, each in the order of its stamps, without unstamped rows."""
    arrays = load_arrays(path)
    columns = {"wheel_speed": 4, "steering_angle": 1, gyro: 3, "accel": 3, "gnss": 6}
    reference = {"ref_pos_ecef": 3, "ref_vel_ecef": 3, "ref_quat_ecef_frd": 4}
    stamps = {name: f"{name}_t" for name in columns}
    if "ref_pos_ecef" in arrays:
        columns |= reference
        stamps |= dict.fromkeys(reference, "ref_t")
    lacking = [n for name in columns for n in (name, stamps[name]) if n not in arrays]
    if lacking:
        named = ", ".join(dict.fromkeys(lacking))
        raise UserError(f"'{path}' is no comma2k19 recording: it lacks {named}")
    data: dict[str, Float] = {}
    for name, width in columns.items():
        times, values = arrays[stamps[name]], arrays[name]
        if times.dtype.kind not in "fiu" or values.dtype.kind not in "fiu":
            raise UserError(f"'{path}' is damaged: {name} or its times are no numbers")
        if times.shape != (len(times),) or values.size != width * len(times):
            raise UserError(
                f"'{path}' is damaged: {name} is {values.shape}, with {times.shape} stamps; "
                f"it should have {width} columns and a row for each stamp"
            )
        order = np.argsort(times, kind="stable")
        order = order[np.isfinite(times[order])]
        data[stamps[name]] = times[order].astype(np.float64)
        data[name] = values.reshape(-1, width)[order].astype(np.float64)
    if not len(data[f"{gyro}_t"]) or not len(data["accel_t"]):
        raise UserError(f"'{path}' has no IMU reading")
    return data


def _origin(data: dict[str, Float]) -> Float:
    """Returns the first place of the reference or the first fix, (3,) m, ECEF; else any."""
    if "ref_pos_ecef" in data:
        places = data["ref_pos_ecef"]
    else:
        latitude, longitude, _, _, altitude, _ = data["gnss"].T
        places = earth_centred(latitude, longitude, altitude)
    known = places[np.isfinite(places).all(axis=1)]
    return known[0] if len(known) else np.array([SEMI_MAJOR, 0.0, 0.0])


def _imu(data: dict[str, Float], gyro: str) -> Timed:
    stamps = data[f"{gyro}_t"]
    accel = data["accel"]
    if len(data["accel_t"]) != len(stamps) or np.any(data["accel_t"] != stamps):
        columns = [np.interp(stamps, data["accel_t"], column) for column in accel.T]
        accel = np.stack(columns, axis=1)
    return [
        (float(t), Imu(float(t), g, a))
        for t, g, a in zip(stamps, data[gyro] * _FLIP, accel * _FLIP)
    ]


def _wheels(data: dict[str, Float]) -> Timed:
    stamps, speed = data["wheel_speed_t"], data["wheel_speed"]
    # The last steering angle there is: nothing from the future.
    last = np.searchsorted(data["steering_angle_t"], stamps, side="right")
    known = np.concatenate([[np.nan], data["steering_angle"].ravel()])
    angle = np.radians(known[last]) / STEERING_RATIO
    return [(float(t), Wheels(float(t), s, float(a))) for t, s, a in zip(stamps, speed, angle)]


def _gnss(data: dict[str, Float], origin: Float, to_enu: Float) -> Timed:
    """Returns fixes, stamped by the receiver's clock, which does not jitter as the bus does.

    Its offset to the log's clock is the shortest way that any fix so far has taken, until the
    receiver sets its clock: `_CLOCK_SET` fixes in a row take longer by `_CLOCK_STEP`.
    """
    latitude, longitude, speed, utc, altitude, bearing = data["gnss"].T
    arrivals = data["gnss_t"]
    clock = utc / 1e3
    offset = _shortest_lately(arrivals - clock)
    stamps = np.fmin(clock + offset, arrivals) - GNSS_LATENCY
    position = (earth_centred(latitude, longitude, altitude) - origin) @ to_enu.T
    course = np.radians(bearing)
    velocity = np.stack(
        [speed * np.sin(course), speed * np.cos(course), np.full(len(speed), np.nan)], axis=1
    )
    std = np.array([HORIZONTAL_STD, HORIZONTAL_STD, VERTICAL_STD])
    return [
        (float(arrival), GnssFix(float(t), p, std, v, VELOCITY_STD))
        for arrival, t, p, v in zip(arrivals, stamps, position, velocity)
    ]


def _shortest_lately(ways: Float) -> Float:
    """Returns the shortest way so far, (K,) s; a fix without time, NaN, leaves it as it is."""
    shortest, found, longer = math.nan, np.empty_like(ways), 0
    for k, way in enumerate(ways.tolist()):
        longer = longer + 1 if way > shortest + _CLOCK_STEP else 0
        if longer == _CLOCK_SET:
            shortest, longer = float(np.nanmin(ways[k + 1 - _CLOCK_SET : k + 1])), 0
        shortest = found[k] = float(np.fmin(shortest, way))
    return found


def _reference(data: dict[str, Float], origin: Float, to_enu: Float) -> Reference | None:
    if "ref_pos_ecef" not in data:
        return None
    attitude = [
        matrix_to_quaternion(np.ascontiguousarray((to_enu @ quaternion_to_matrix(q)) * _FLIP))
        for q in data["ref_quat_ecef_frd"]
    ]
    return Reference(
        stamp=data["ref_t"],
        attitude=np.array(attitude),
        velocity=data["ref_vel_ecef"] @ to_enu.T,
        position=(data["ref_pos_ecef"] - origin) @ to_enu.T,
    )
