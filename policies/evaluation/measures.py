"""Measures an episode or a trial, from signals that any engine gives."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.policy.contract import POSITION
from edge_runtime.signals import Bool, Float, Rows
from sim.envs.vector_env import TaskVectorEnv

GRAVITY = 9.81
_BINS = 200  # of shares between 0 and 1
_SWAY = 1.0  # s between two looks at the way of what walks, over which a pelvis's sway cancels
_FAR = 1.0  # m, below which energy per metre says nothing

Values = npt.NDArray[np.float64]  # (E,) of one figure: of each episode, NaN where it has none


def mean_of_known(values: Values) -> float:
    """Returns the mean of the finite values (E,); NaN where there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


class MeasuredEnv(TaskVectorEnv):
    """Steps a batch of simulations and measures each episode from its start to its end.

    See `TaskVectorEnv` for the arguments.
    """

    @cached_property
    def measures(self) -> "Measures":
        """Returns the measures of the episodes under way."""
        return Measures(self)

    @cached_property
    def ended(self) -> list[dict[str, float]]:
        """Returns the figures of each row's last episode that ended; empty before one did."""
        return [{} for _ in range(self.num_envs)]

    def advance(self, control: Float) -> None:
        super().advance(control)
        self.measures.add()

    def _finish(self, rows: Rows, done: Bool) -> dict[str, Any]:
        for row in rows.tolist():
            self.ended[row] = self.measures.of(row)
        return super()._finish(rows, done)

    def _reset_rows(self, rows: Rows) -> None:
        super()._reset_rows(rows)
        self.measures.begin(rows)


class Measures:
    """Adds up over the episode of each row: the task's own metrics, and what the robot spends.

    Cost of transport is `Σ |torque × speed| dt / (m g d)`, with d the way between looks a second
    apart, of a car the way driven; use of torque and of a joint's range is the 95th percentile of
    the share of the limit, over joints and time.
    """

    def __init__(self, env: TaskVectorEnv) -> None:
        self._env, rows = env, env.num_envs
        self.steps = np.zeros(rows, np.int64)
        self._sums: dict[str, Float] = {}
        self._energy, self._way = np.zeros(rows), np.zeros(rows)
        self._last = np.zeros((rows, 2))
        sways = env.config.robot.legs is not None
        self._every = max(1, round(_SWAY / env.config.control_period)) if sways else 1
        self._torque, self._range = Shares(rows), Shares(rows)
        self._bind_motors()

    def _bind_motors(self) -> None:
        """Finds the columns of the motors' measured torque and speed, and the joints' ranges."""
        engine, actuators = self._env.engine, self._env.config.robot.actuators
        motors = [a for a in actuators if f"{a.name}_torque" in engine.sensor_names]
        self._has_motors = bool(motors)
        if motors:
            self._speed_at = engine.columns(*(f"{a.name}_vel" for a in motors))
            self._torque_at = engine.columns(*(f"{a.name}_torque" for a in motors))
        self._effort = np.array([a.max_effort for a in motors])
        joints = [a for a in actuators if a.mode == POSITION]
        self._joint_at = np.array([engine.model.joint(a.name).qposadr[0] for a in joints], np.intp)
        lower, upper = (np.array([getattr(a, n) for a in joints]) for n in ("lower", "upper"))
        self._middle, self._half = (lower + upper) / 2, (upper - lower) / 2

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the names of all figures."""
        return tuple(dict.fromkeys((*self._env.task.metrics(), *self.of(0))))

    def begin(self, rows: Rows) -> None:
        """Begins new episodes in these rows."""
        self.steps[rows] = 0
        for total in (self._energy, self._way, *self._sums.values()):
            total[rows] = 0.0
        self._last[rows] = self._env.engine.qpos[rows, :2]
        self._torque.clear(rows)
        self._range.clear(rows)

    def add(self) -> None:
        """Adds one control period of all rows."""
        env, engine = self._env, self._env.engine
        self.steps += 1
        for name, value in env.task.metrics().items():
            total = self._sums.setdefault(name, np.zeros(env.num_envs))
            if name in env.task.final_metrics:
                total[:] = value
            else:
                total += value
        looked = self.steps % self._every == 0
        moved = engine.qpos[:, :2] - self._last
        went = looked & ~engine.diverged  # a diverged row was put elsewhere
        self._way += np.where(went, np.sqrt((moved**2).sum(axis=1)), 0.0)
        self._last[looked] = engine.qpos[looked, :2]
        self._range.add((engine.qpos.take(self._joint_at, axis=1) - self._middle) / self._half)
        if self._has_motors:
            torque = engine.sensordata.take(self._torque_at, axis=1)
            speed = engine.sensordata.take(self._speed_at, axis=1)
            self._energy += np.abs(torque * speed).sum(axis=1) * env.config.control_period
            self._torque.add(torque / self._effort)

    def of(self, row: int) -> dict[str, float]:
        """Returns the figures of that row's episode; NaN where there is none."""
        final, steps = self._env.task.final_metrics, max(int(self.steps[row]), 1)
        figures = {
            name: float(total[row]) / (1 if name in final else steps)
            for name, total in self._sums.items()
        }
        if self._has_motors:
            way, weight = float(self._way[row]), GRAVITY * self._mass(row)
            energy = float(self._energy[row])
            figures["cost_of_transport"] = energy / (weight * way) if way > _FAR else np.nan
            figures["torque_use"] = self._torque.quantile(row, 0.95)
        figures["joint_range_use"] = self._range.quantile(row, 0.95)
        return figures

    def _mass(self, row: int) -> float:
        return float(self._env.engine.field("body_mass")[row].sum())


class Shares:
    """Counts shares of a limit over many joints and steps, for the quantiles of N rows."""

    def __init__(self, rows: int) -> None:
        self._counts = np.zeros((rows, _BINS + 1), np.int64)
        self._first = np.arange(rows)[:, None] * (_BINS + 1)

    def clear(self, rows: Rows) -> None:
        """Forgets what these rows have added."""
        self._counts[rows] = 0

    def add(self, shares: Float) -> None:
        """Adds shares (N, joints); what is beyond the limit counts as at it."""
        bins = np.minimum(np.abs(shares) * _BINS, _BINS).astype(np.int64)
        size = self._counts.size
        self._counts += np.bincount((bins + self._first).ravel(), minlength=size).reshape(
            self._counts.shape
        )

    def quantile(self, row: int, share: float) -> float:
        """Returns that row's quantile; NaN before anything was added."""
        counts = np.cumsum(self._counts[row])
        if not counts[-1]:
            return float("nan")
        return int(np.searchsorted(counts, share * counts[-1])) / _BINS
