"""Refuses finite readings that no healthy sensor of this robot gives: wrong units, wrong joints.

Such a reading is no fault of the policy, so it must not reach it: a stray publisher, an encoder
that slipped and a driver in degrees all give numbers.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.signals import (
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
    Float,
)

_FAR = 0.5  # rad beyond its range at least, or half of the range, where no joint is
_FASTER = 1.5  # factor by which a joint may be faster than its motor, as when it is pushed
_SPEED_MARGIN, _EFFORT_MARGIN = 3.0, 5.0  # factors beyond what a motor makes
_UNSURE = 0.05  # rad, of two readings' difference, for stamps and encoders are not exact
_SETTLES = 1.0  # s after which joints that jumped and then go on are believed
_AVERAGED = 0.2  # s, over which an IMU's readings are averaged
_FASTEST = 40.0  # rad/s; the range of most gyroscopes ends at 35
_SPINNING = 12.0  # rad/s on average: no robot turns twice a second
_WEIGHTLESS, _CRUSHED = 3.0, 60.0  # m/s^2 on average, between which every robot is
_FARTHER = 10.0  # factor by which a lidar may reach farther than the robot's description says
_PUSH, _PULL = 100e3, 100.0  # N, by which no ground presses or pulls a sole
_RECEIVER = 150.0  # m/s, of anything on wheels
_UNIT = 0.1  # by which the length of a quaternion may differ from 1
_NOTHING: Array = np.zeros(0, np.float32)


class ImpossibleReading(Exception):  # noqa: N818  the reading is wrong, not the program
    """Says which reading cannot be, and why."""


class JointBounds:
    """Judges the readings of joints, wheels and steering by what their motors can do.

    Args:
        joints: names of the joints, in the order of their signals.
        wheels: likewise, of the wheels.
        steering: name of the joint that steers; "" if there is none.
        actuators: ranges and speeds; a joint without an actuator is not judged.
        period: s, between two readings, for the time that a lost one leaves.
    """

    def __init__(
        self,
        joints: Sequence[str],
        wheels: Sequence[str],
        steering: str,
        actuators: Sequence[Actuator],
        period: float,
    ) -> None:
        self._named = {a.name: a for a in actuators}
        self._patience = 1.5 * period  # s, after a reading that jumped
        turning = [a.max_velocity for a in actuators if a.mode != POSITION]
        wheel = _SPEED_MARGIN * max(turning, default=math.inf)
        self._names = {
            JOINT_POS: joints,
            JOINT_VEL: joints,
            JOINT_TORQUE: joints,
            WHEEL_SPEED: wheels,
            STEERING_ANGLE: (steering,),
        }
        self._ranges = {n: self._range(self._names[n]) for n in (JOINT_POS, STEERING_ANGLE)}
        speeds = {name: self._each(self._names[name], "max_velocity") for name in self._ranges}
        self._steps = {name: _FASTER * speed for name, speed in speeds.items()}
        self._limits = {
            JOINT_VEL: _SPEED_MARGIN * self._each(joints, "max_velocity"),
            JOINT_TORQUE: _EFFORT_MARGIN * self._each(joints, "max_effort"),
            WHEEL_SPEED: np.full(len(wheels), wheel),
        }
        self._good: tuple[float, Mapping[str, Array]] | None = None  # stamp and values
        self._odd: tuple[float, Mapping[str, Array]] | None = None  # the last that jumped
        self._since = math.nan  # s, stamp from which on those that jumped agree
        self._judged: tuple[str, ...] = ()  # signals of the readings, as laid out below
        # Most readings pass all rules at once, (2, n): how far each value may be from the middle of
        # what is possible, and from the last good reading after half a period or more.
        self._from = self._reach = np.zeros((2, 0))
        self._soon = 0.5 * period  # s

    def check(self, stamp: float, values: Mapping[str, Array], restarted: bool) -> None:
        """Takes a reading.

        Args:
            stamp: s.
            values: by signal, (size,) each; NaN passes, for the guard judges it.
            restarted: whether the stamps have just jumped.

        Raises:
            ImpossibleReading: it is impossible; names the joint.
        """
        judged = {name: found for name, found in values.items() if name in self._names}
        if tuple(judged) != self._judged:
            self._lay_out(judged)
        stacked = np.concatenate(tuple(judged.values())) if judged else _NOTHING
        if self._is_ordinary(stamp, stacked, restarted):
            self._good = stamp, values
        else:
            self._check_each(stamp, values, restarted)
        self._from[1] = stacked

    def _lay_out(self, values: Mapping[str, Array]) -> None:
        size = sum(map(len, values.values()))
        self._from, self._reach = np.zeros((2, size)), np.full((2, size), math.inf)
        self._from[1] = math.nan  # no reading is near it, so the first one is judged rule by rule
        self._judged, start = tuple(values), 0
        for signal, found in values.items():
            part = slice(start, start := start + len(found))
            if signal in self._limits:
                self._reach[0, part] = self._limits[signal]
            if signal in self._ranges:
                _, _, lowest, highest = self._ranges[signal]
                with np.errstate(invalid="ignore"):
                    middle = 0.5 * (lowest + highest)  # NaN where neither end is known
                one_end = np.isinf(middle)
                self._from[0, part] = np.where(np.isfinite(middle), middle, 0.0)
                self._reach[0, part] = np.where(one_end, -1.0, 0.5 * (highest - lowest))
                self._reach[1, part] = self._steps[signal] * self._soon + _UNSURE

    def _is_ordinary(self, stamp: float, stacked: Array, restarted: bool) -> bool:
        """Returns whether a reading passes all rules; False where that needs a closer look."""
        if self._good is None or self._odd is not None or restarted:
            return False
        if not stamp - self._good[0] >= self._soon:
            return False
        return bool((np.abs(stacked - self._from) <= self._reach).all())

    def _check_each(self, stamp: float, values: Mapping[str, Array], restarted: bool) -> None:
        for signal, found in values.items():
            self._check_range(signal, found)
            self._check_limit(signal, found)
        if self._good is None or restarted:
            self._good, self._odd = (stamp, values), None
            return
        before, known = self._good
        passed = stamp - before if self._odd is None else min(stamp - before, self._patience)
        jumped = self._jump(known, values, passed)
        if jumped and not self._has_settled(stamp, values):
            raise ImpossibleReading(jumped)
        self._good, self._odd = (stamp, values), None

    def _check_range(self, signal: str, found: Array) -> None:
        if signal not in self._ranges:
            return
        lower, upper, lowest, highest = self._ranges[signal]
        if (found < lowest).any() or (found > highest).any():
            place = int(np.argmax((found < lowest) | (found > highest)))
            raise ImpossibleReading(
                f"joint '{self._names[signal][place]}' is at {found[place]:.3g} rad, far outside "
                f"its range of {lower[place]:.3g} to {upper[place]:.3g}"
            )

    def _check_limit(self, signal: str, found: Array) -> None:
        if signal not in self._limits:
            return
        beyond = np.abs(found) > self._limits[signal]
        if beyond.any():
            place = int(np.argmax(beyond))
            what = (
                f"has an effort of {found[place]:.3g} Nm"
                if signal == JOINT_TORQUE
                else f"turns at {found[place]:.3g} rad/s (is that deg/s?)"
            )
            raise ImpossibleReading(
                f"joint '{self._names[signal][place]}' {what}, more than its motor can make"
            )

    def _jump(self, known: Mapping[str, Array], values: Mapping[str, Array], passed: float) -> str:
        """Returns which joint moved farther in this time than its motor can; empty if none."""
        for signal, speed in self._steps.items():
            if signal in values and signal in known:
                moved = np.abs(values[signal] - known[signal])
                impossible = moved > speed * passed + _UNSURE
                if impossible.any():
                    place = int(np.argmax(impossible))
                    return (
                        f"joint '{self._names[signal][place]}' jumped by {moved[place]:.3g} rad in "
                        f"{passed:.3g} s, faster than its motor can"
                    )
        return ""

    def _has_settled(self, stamp: float, values: Mapping[str, Array]) -> bool:
        """Returns whether the joints have gone on from where they jumped to for long enough."""
        if self._odd is None or self._jump(self._odd[1], values, stamp - self._odd[0]):
            self._since = stamp
        self._odd = (stamp, values)
        return stamp - self._since > _SETTLES

    def _range(self, names: Sequence[str]) -> tuple[Float, ...]:
        """Returns each joint's lower and upper end, and the angles beyond which it cannot be."""
        found = [self._named.get(name) for name in names]
        known = [a is not None and a.mode == POSITION for a in found]
        pairs = list(zip(found, known))
        lower = np.array([a.lower if a and is_known else -math.inf for a, is_known in pairs])
        upper = np.array([a.upper if a and is_known else math.inf for a, is_known in pairs])
        far = np.maximum(_FAR, 0.5 * (upper - lower))
        return lower, upper, lower - far, upper + far

    def _each(self, names: Sequence[str], field: str) -> Float:
        return np.array([getattr(self._named.get(name), field, math.inf) for name in names])


class ImuBounds:
    """Judges an IMU's readings by what a robot can feel, whether it rests or moves."""

    def __init__(self) -> None:
        self._stamp = math.nan  # s, of the last reading
        self._rate = self._force = 0.0  # rad/s and m/s^2, averages of the magnitudes

    def check(self, stamp: float, reading: Float, restarted: bool) -> None:
        """Takes a reading, (6,): angular rate in rad/s and specific force in m/s^2.

        Raises:
            ImpossibleReading: it is impossible; says what it looks like.
        """
        x, y, z, a, b, c = reading.tolist()
        rate, force = math.hypot(x, y, z), math.hypot(a, b, c)
        if not math.isfinite(rate + force):
            return  # the guard judges it
        if math.isnan(self._stamp) or restarted:
            self._rate, self._force = rate, force
        else:
            weight = min(1.0, max(0.0, (stamp - self._stamp) / _AVERAGED))
            self._rate += weight * (rate - self._rate)
            self._force += weight * (force - self._force)
        self._stamp = stamp
        if max(abs(x), abs(y), abs(z)) > _FASTEST:
            raise ImpossibleReading(f"it turns at {rate:.3g} rad/s; is that deg/s?")
        if self._rate > _SPINNING:
            raise ImpossibleReading(
                f"it turns at {self._rate:.3g} rad/s on average; is that deg/s?"
            )
        if not _WEIGHTLESS < self._force < _CRUSHED:
            unit = "g" if self._force <= _WEIGHTLESS else "mg, or raw counts"
            raise ImpossibleReading(
                f"it feels {self._force:.3g} m/s^2 on average, gravity is 9.8; is that {unit}?"
            )


def check_ranges(ranges: Array, farthest: float) -> None:
    """Judges a lidar's finite ranges, m; refuses another unit, and what stands for no echo.

    Args:
        ranges: (beams,) m; infinite or NaN where a beam has none.
        farthest: m, that the description says.

    Raises:
        ImpossibleReading: no lidar reads that.
    """
    finite = ranges[np.isfinite(ranges)]
    if not len(finite):
        return
    middle, nearest = float(np.median(finite)), float(finite.min())
    if middle > _FARTHER * farthest:
        raise ImpossibleReading(
            f"its beams reach {middle:.3g} m, the robot's description has {farthest:g} m at most; "
            "is that mm?"
        )
    if nearest < 0:
        raise ImpossibleReading(
            f"a beam reads {nearest:.3g} m; a beam without an echo must read inf (REP-117)"
        )
    if len(finite) == len(ranges) and not finite.any():
        raise ImpossibleReading("every beam reads 0 m; is it covered, or not yet measuring?")


def check_force(force: float) -> None:
    """Judges the force of the ground on a sole, N.

    Raises:
        ImpossibleReading: no ground presses or pulls so much.
    """
    if force > _PUSH:
        raise ImpossibleReading(
            f"the ground presses it with {force:.3g} N; is that mN, or raw counts?"
        )
    if force < -_PULL:
        raise ImpossibleReading(
            f"the ground pulls it with {-force:.3g} N; does its z axis point down?"
        )


def check_receiver_velocity(velocity: Array | Float) -> None:
    """Judges a receiver's velocity, (3,) m/s.

    Raises:
        ImpossibleReading: nothing on wheels is so fast.
    """
    speed = float(np.linalg.norm(velocity))
    if speed > _RECEIVER:
        raise ImpossibleReading(f"the receiver moves at {speed:.3g} m/s; is that mm/s?")


def check_attitude(attitude: Array) -> None:
    """Judges a robot's own attitude, (4,) wxyz.

    Raises:
        ImpossibleReading: it is no unit quaternion, so no rotation.
    """
    length = float(np.linalg.norm(attitude))
    if abs(length - 1.0) > _UNIT:
        raise ImpossibleReading(
            f"its attitude has the length {length:.3g}; a quaternion w x y z has 1"
        )
