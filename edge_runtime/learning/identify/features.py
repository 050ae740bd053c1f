"""Sums up what a robot feels under its policy, in numbers that tell how it is worn.

Everything is added up, so that an hour takes as much memory as a second: one step of N robots side
by side, in simulation, where the identifier is trained; or many steps of one robot at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.observation.terms import projected_gravity
from edge_runtime.policy.contract import POSITION, Actuator, Contract
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    COMMAND,
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_GYRO,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
    Bool,
    Float,
    Signals,
)

_SATURATED = 0.85  # share of the largest torque past which gains are not seen
_STANDS = 0.8  # share of the force on all soles with which a foot stands alone
_RIDGE = 1e-3  # of the gains' regression, in the units of its mean squares
_SLOWEST = 2.0  # m/s, below which a car's curvature is not seen
_WHEEL_RADIUS = 0.3  # m, roughly: it scales a feature

_LEGGED = (
    *(ATTITUDE, BASE_VELOCITY, COMMAND, FOOT_FORCE, IMU_ACCEL, IMU_GYRO, JOINT_POS),
    *(JOINT_TORQUE, JOINT_VEL),
)
_WHEELED = (IMU_ACCEL, IMU_GYRO, STEERING_ANGLE, WHEEL_SPEED)


def can_sum_up(signals: Collection[str]) -> bool:
    """Returns whether a robot with these signals feels enough to tell how it is worn."""
    return any(all(name in signals for name in needed) for needed in (_LEGGED, _WHEELED))


@dataclass(frozen=True)
class Step:
    """Holds what is read and sent in one control step of N robots, or in N steps of one."""

    signals: Signals  # read after `target` was sent, and estimated
    target: Array  # (N, A) that was sent a step before
    target_before: Array  # (N, A) two steps before


class Sums:
    """Adds up a vector and its square for N robots, where a mask says so."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.count = np.zeros(rows)
        self._first: Float | None = None
        self._second: Float | None = None

    def add(self, values: Float, mask: Bool) -> None:
        """Adds values, (N, F) or for one robot (T, F), where the mask, (N,) or (T,), says so."""
        if self._first is None or self._second is None:
            shape = (self._rows, values.shape[1])
            self._first, self._second = np.zeros(shape), np.zeros(shape)
        seen = np.where(mask[:, None], values, 0.0)
        self.count += _per_robot(mask.astype(float), self._rows)
        self._first += _per_robot(seen, self._rows)
        self._second += _per_robot(seen**2, self._rows)

    def state(self) -> dict[str, Float]:
        """Returns everything that was added up, by name."""
        totals = {"first": self._first, "second": self._second}
        return {"count": self.count} | {k: v for k, v in totals.items() if v is not None}

    def restore(self, state: Mapping[str, Float]) -> None:
        """Restores a state that `state` returned."""
        self.count = np.asarray(state["count"], float)
        if "first" in state:
            self._first = np.asarray(state["first"], float)
            self._second = np.asarray(state["second"], float)

    @property
    def mean(self) -> Float:
        """Returns the mean, (N, F); 0 where nothing was added."""
        if self._first is None:
            return np.zeros((self._rows, 0))
        return self._first / np.maximum(self.count, 1)[:, None]

    @property
    def deviation(self) -> Float:
        """Returns the standard deviation, (N, F)."""
        if self._second is None:
            return np.zeros((self._rows, 0))
        square = self._second / np.maximum(self.count, 1)[:, None]
        return np.sqrt(np.maximum(square - self.mean**2, 0.0))


class Gains:
    """Regresses torque on the distance to the target and on speed: each motor's real gains.

    The torque is k (target - q + w (target_before - target)) - d v, where w is the share of the
    step in which the target before was still at work.

    Args:
        actuators: position actuators, with the gains that are commanded.
        rows: N.
    """

    def __init__(self, actuators: Sequence[Actuator], rows: int) -> None:
        self._stiffness = np.array([a.stiffness for a in actuators])
        self._damping = np.array([a.damping for a in actuators])
        self._most = _SATURATED * np.array([a.max_effort for a in actuators])
        count, self._rows = len(actuators), rows
        self._normal = np.zeros((rows, count, 3, 3))
        self._right = np.zeros((rows, count, 3))

    def add(self, error: Array, change: Array, speed: Array, torque: Array, mask: Bool) -> None:
        """Adds a step of N robots, or T of one: (N, A) or (T, A) each, rad, rad, rad/s and Nm."""
        counts = mask[:, None] & (np.abs(torque) < self._most)
        columns = np.stack([error, change, -speed], axis=-1) * counts[..., None]
        products: Float = (columns[..., :, None] * columns[..., None, :]).astype(float)
        self._normal += _per_robot(products, self._rows)
        self._right += _per_robot((columns * torque[..., None]).astype(float), self._rows)

    def state(self) -> dict[str, Float]:
        """Returns everything that was added up, by name."""
        return {"normal": self._normal, "right": self._right}

    def restore(self, state: Mapping[str, Float]) -> None:
        """Restores a state that `state` returned."""
        self._normal = np.asarray(state["normal"], float)
        self._right = np.asarray(state["right"], float)

    def shares(self) -> Float:
        """Returns the gains as shares of those commanded, (N, 2 A): stiffness, then damping."""
        scale = np.einsum("nakk->nak", self._normal) + 1e-9
        ridge = _RIDGE * scale[..., None] * np.eye(3)
        nominal = np.stack([self._stiffness, 0 * self._stiffness, self._damping], axis=-1)
        right = self._right + _RIDGE * scale * nominal
        found = np.linalg.solve(self._normal + ridge, right[..., None])[..., 0]
        stiffness = found[..., 0] / self._stiffness
        damping = found[..., 2] / self._damping
        return np.clip(np.concatenate([stiffness, damping], axis=1), -1.0, 4.0)


class Features:
    """Sums up the steps of N robots of one kind.

    Args:
        contract: the policy's, trimmed or not; default, gains and limits count.
        rows: N.
    """

    def __init__(self, contract: Contract, rows: int) -> None:
        self._contract, self.rows = contract, rows
        self._all, self._left, self._right = Sums(rows), Sums(rows), Sums(rows)
        self._default = np.array([a.default for a in contract.actuators])
        self._effort = np.array([a.max_effort for a in contract.actuators])
        straight = [a.default for a in contract.actuators if a.mode == POSITION]
        self._straight = straight[0] if straight else 0.0  # of a car's steering, rad
        self._gains: Gains | None = None

    @property
    def _sums(self) -> tuple[Sums, ...]:
        return (self._all, self._left, self._right)

    @property
    def steps(self) -> Float:
        """Returns how many steps each robot has added, (N,)."""
        return self._all.count

    def add(self, step: Step, mask: Bool) -> None:
        """Adds a control step of the robots that the mask (N,) names, or steps (T,) of one."""
        if FOOT_FORCE in step.signals:
            self._add_legged(step, mask)
        else:
            self._add_wheeled(step, mask)

    def state(self) -> dict[str, Float]:
        """Returns everything that was added up, by name."""
        parts: dict[str, Sums | Gains] = dict(zip(("all", "left", "right"), self._sums))
        if self._gains is not None:
            parts["gains"] = self._gains
        found = {name: part.state() for name, part in parts.items()}
        return {f"{name}.{key}": v for name, part in found.items() for key, v in part.items()}

    def restore(self, state: Mapping[str, Float]) -> None:
        """Restores a state that `state` returned."""
        for name, sums in zip(("all", "left", "right"), self._sums):
            sums.restore(_part(state, name))
        if gains := _part(state, "gains"):
            self._gains = Gains(self._contract.actuators, self.rows)
            self._gains.restore(gains)

    def values(self) -> Float:
        """Returns the features, (N, F)."""
        found = [self._all.mean, self._all.deviation]
        if self._gains is not None:
            found += [self._left.mean, self._right.mean, self._gains.shares()]
        return np.concatenate(found, axis=1)

    def _add_legged(self, step: Step, mask: Bool) -> None:
        signals = step.signals
        position, speed = signals[JOINT_POS], signals[JOINT_VEL]
        torque, force = signals[JOINT_TORQUE], signals[FOOT_FORCE]
        if self._gains is None:
            self._gains = Gains(self._contract.actuators, self.rows)
        error, change = step.target - position, step.target_before - step.target
        self._gains.add(error, change, speed, torque, mask)
        gravity, velocity = projected_gravity(signals[ATTITUDE]), signals[BASE_VELOCITY]
        command = signals[COMMAND]
        parts = [position - self._default, error, torque / self._effort, gravity]
        parts += [signals[IMU_GYRO], signals[IMU_ACCEL], force, velocity, command]
        parts += [velocity[:, :2] - command[:, :2], speed]
        values = np.concatenate(parts, axis=1, dtype=np.float64)
        share = force / np.maximum(force.sum(axis=1, keepdims=True), 1.0)
        self._all.add(values, mask)
        self._left.add(values, mask & (share[:, 0] > _STANDS))
        self._right.add(values, mask & (share[:, 1] > _STANDS))

    def _add_wheeled(self, step: Step, mask: Bool) -> None:
        signals = step.signals
        steering, wheels = signals[STEERING_ANGLE][:, 0] - self._straight, signals[WHEEL_SPEED]
        gyro, accel = signals[IMU_GYRO], signals[IMU_ACCEL]
        speed = wheels.mean(axis=1) * _WHEEL_RADIUS
        seen = mask & (speed > _SLOWEST)
        curvature = gyro[:, 2] / np.maximum(speed, _SLOWEST)
        lateral = gyro[:, 2] * speed
        products = [
            *(curvature, steering, curvature * steering, curvature * np.abs(steering)),
            *(steering * np.abs(steering), lateral, np.abs(lateral), lateral**2),
            *(np.abs(steering), np.abs(curvature), curvature * lateral**2, steering * lateral**2),
            *(np.abs(accel[:, 1]), accel[:, 1] - lateral, speed, speed**2, speed * steering),
            *(speed**2 * steering, steering**2, curvature**2, np.abs(steering) * lateral**2),
        ]
        spread = [wheels[:, i] - wheels.mean(axis=1) for i in range(wheels.shape[1])]
        parts = [np.stack([*products, *spread], axis=1), gyro, accel, step.target - self._default]
        self._all.add(np.concatenate(parts, axis=1, dtype=np.float64), seen)


def _part(state: Mapping[str, Float], name: str) -> dict[str, Float]:
    """Returns the entries of a part, by their own names."""
    start = f"{name}."
    return {key.removeprefix(start): v for key, v in state.items() if key.startswith(start)}


def _per_robot(values: Float, rows: int) -> Float:
    """Returns what is added to each of N robots; of one robot, the sum over its steps."""
    if rows == 1:
        total: Float = values.sum(axis=0, keepdims=True)
        return total
    return values
