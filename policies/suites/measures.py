"""What a trial is measured by, from signals that any engine gives."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.engines.engine import Float, Rows
from sim.tasks.humanoid_velocity import WalkingTask
from sim.tasks.vehicle_track import DrivingTask

if TYPE_CHECKING:
    from sim.vector_env import TaskVectorEnv

GRAVITY = 9.81
_BINS = 200  # of shares between 0 and 1
_STRIDE = 1.0  # s between two looks at the way walked, over which a pelvis's sway cancels


class Shares:
    """Quantiles of shares of a limit, of many joints over many steps, for N rows."""

    def __init__(self, rows: int) -> None:
        self._counts = np.zeros((rows, _BINS + 1), np.int64)
        self._first = np.arange(rows)[:, None] * (_BINS + 1)

    def clear(self, rows: Rows) -> None:
        """Begin anew."""
        self._counts[rows] = 0

    def add(self, shares: Float) -> None:
        """Take in shares (N, joints); what is beyond the limit counts as at it."""
        bins = np.minimum(np.abs(shares) * _BINS, _BINS).astype(np.int64)
        size = self._counts.size
        self._counts += np.bincount((bins + self._first).ravel(), minlength=size).reshape(
            self._counts.shape
        )

    def quantile(self, row: int, share: float) -> float:
        """Of that row; NaN before anything was added."""
        counts = np.cumsum(self._counts[row])
        if not counts[-1]:
            return float("nan")
        return int(np.searchsorted(counts, share * counts[-1])) / _BINS


class Measures:
    """Adds up over the trial of each row.

    Cost of transport is Σ |torque × speed| dt / (m g d), with d the way between looks a second
    apart; use of torque and of a joint's range is the 95th percentile of the share of the limit.
    """

    def __init__(self, env: "TaskVectorEnv") -> None:
        self._env, rows = env, env.num_envs
        engine, actuators = env.engine, env.config.robot.actuators
        self.steps = np.zeros(rows, np.int64)
        self._sums: dict[str, Float] = {}
        self._energy, self._way = np.zeros(rows), np.zeros(rows)
        self._last = np.zeros((rows, 2))
        self._every = max(1, round(_STRIDE / env.config.control_period))
        self._torque, self._range = Shares(rows), Shares(rows)
        task = env.task
        self._stride = task.config.gait_steps if isinstance(task, WalkingTask) else 1
        self._errors = np.zeros((self._stride, rows, 3))
        self._all = np.arange(rows)
        names = [engine.model.sensor(k).name for k in range(engine.model.nsensor)]
        self._has_joints = all(f"{a.name}_torque" in names for a in actuators)
        if self._has_joints:
            kinds = ("pos", "vel", "torque")
            self._columns = [engine.columns(*(f"{a.name}_{k}" for a in actuators)) for k in kinds]
            lower, upper = (
                np.array([getattr(a, n) for a in actuators]) for n in ("lower", "upper")
            )
            self._middle, self._half = (lower + upper) / 2, (upper - lower) / 2
            self._effort = np.array([a.max_effort for a in actuators])

    def begin(self, rows: Rows) -> None:
        """New trials in these rows."""
        self.steps[rows] = 0
        for total in (self._energy, self._way, *self._sums.values()):
            total[rows] = 0.0
        self._errors[:, rows] = 0.0
        self._last[rows] = self._env.engine.qpos[rows, :2]
        self._torque.clear(rows)
        self._range.clear(rows)

    def add(self) -> None:
        """Take in one control period of all rows."""
        env, period = self._env, self._env.config.control_period
        self.steps += 1
        for name, value in self._values().items():
            total = self._sums.setdefault(name, np.zeros(env.num_envs))
            total += value
        looked = self.steps % self._every == 0
        moved = env.engine.qpos[:, :2] - self._last
        self._way += np.where(looked, np.sqrt((moved**2).sum(axis=1)), 0.0)
        self._last[looked] = env.engine.qpos[looked, :2]
        if self._has_joints:
            sensed = env.engine.sensordata
            position, speed, torque = (sensed.take(c, axis=1) for c in self._columns)
            self._energy += np.abs(torque * speed).sum(axis=1) * period
            self._torque.add(torque / self._effort)
            self._range.add((position - self._middle) / self._half)

    def _values(self) -> dict[str, Float]:
        """Whose means over the trial are of interest, (N,)."""
        task = self._env.task
        if isinstance(task, WalkingTask):
            speed = np.sqrt((task.foot_velocity[:, :, :2] ** 2).sum(axis=2))
            sliding = (speed * task.contact).sum(axis=1) / np.maximum(task.contact.sum(axis=1), 1)
            return {"foot_slip": sliding, **self._velocity_errors(task.error)}
        if isinstance(task, DrivingTask):
            slip = np.abs(task.wheel_slip).sum(axis=1) / 2
            return {"speed": task.progress / self._env.config.control_period, "wheel_slip": slip}
        return {}

    def _velocity_errors(self, error: Float) -> dict[str, Float]:
        """Of the mean over each robot's last stride, as the task's own metrics are.

        Each robot's stride begins with its trial, so that its rounding is its own.
        """
        self._errors[self.steps % self._stride, self._all] = error
        mean = self._errors.sum(axis=0) / np.minimum(self.steps, self._stride)[:, None]
        across = np.sqrt(mean[:, 0] ** 2 + mean[:, 1] ** 2)
        return {"velocity_error": across, "yaw_rate_error": np.abs(mean[:, 2])}

    def of(self, row: int) -> dict[str, float]:
        """The figures of that row's trial; NaN where there is none."""
        steps = max(int(self.steps[row]), 1)
        figures = {name: float(total[row]) / steps for name, total in self._sums.items()}
        if self._has_joints:
            way, mass = float(self._way[row]), float(self._mass(row))
            figures["cost_of_transport"] = (
                float(self._energy[row]) / (mass * GRAVITY * way) if way > 1.0 else np.nan
            )
            figures["torque_use"] = self._torque.quantile(row, 0.95)
            figures["joint_range_use"] = self._range.quantile(row, 0.95)
        task = self._env.task
        if isinstance(task, DrivingTask):
            last = task.metrics()
            figures |= {name: float(last[name][row]) for name in ("lap_time", "laps")}
        return figures

    def _mass(self, row: int) -> npt.NDArray[np.float64]:
        return np.asarray(self._env.engine.field("body_mass")[row].sum())
