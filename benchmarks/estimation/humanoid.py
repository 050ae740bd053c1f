"""Measures the legged filter's errors on simulated humanoids that a policy drives, against the
truth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.legged.fusion import LeggedFusion
from edge_runtime.fusion.lie import quaternion_to_matrix, so3_exp, so3_log
from edge_runtime.signals import Array, Float
from estimation.gantry import Gantry
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.task import TaskConfig

NEES_BOUNDS = (1.237, 14.449)  # 95 % interval of a chi-squared variable of 6 degrees of freedom
SETTLING = 1.0  # s after a start that do not count
DRIFT_SPAN, WANDER_SPAN = 60.0, 10.0  # s over which the growth of the yaw's error is measured


@dataclass(frozen=True)
class EstimationErrors:
    """Holds the errors over all robots, from a second after their release until the end or their
    fall."""

    velocity_rms: float  # m/s, of the error's norm, in the body frame
    tilt_rms: float  # rad
    yaw_drift: float  # rad/s, root mean square over spans of `DRIFT_SPAN`; NaN if none was as long
    yaw_wander: float  # rad/s, over `WANDER_SPAN`, where the gyroscope's white noise matters most
    consistency: float  # share of times whose normalised error is within `NEES_BOUNDS`
    good: float  # share of times at which health is GOOD
    samples: int


def measure_estimation(
    task: TaskConfig,
    act: Callable[[Array], Array],
    robots: int = 8,
    seconds: float = 20.0,
    seed: int = 0,
    resting: float = 0.0,
    config: LeggedRobotConfig | None = None,
) -> EstimationErrors:
    """Lets a policy drive humanoids and compares their estimators with the truth.

    Args:
        task: with or without noise, randomization and pushes.
        act: observations (N, n) -> actions (N, A); it does not see the estimates.
        robots: N.
        seconds: how long to drive.
        seed: seed of everything random.
        resting: s at the start during which a gantry holds them, which do not count: as on a robot
            that is switched on, the gyroscope's bias is found meanwhile.
        config: settings of the estimators; the task's by default.
    """
    whole = replace(task, episode_seconds=resting + seconds + 1.0)
    env = TaskVectorEnv(whole, robots, seed=seed, all_signals=True)
    observations, _ = env.reset(seed=seed)
    joints = [a.name for a in task.robot.actuators]
    period, gantry = task.control_period, Gantry(env.engine)
    legged = config or task.legged
    assert legged is not None
    fusion = LeggedFusion(legged, joints, period, env.engine.substeps, robots)
    attitude, velocity = (env.engine.sensor(f"true_{n}") for n in ("attitude", "velocity"))
    rest_pose: Array = np.zeros((robots, len(joints)), np.float32)
    fusion.update(env.signals)
    logs = [_Log(truth) for truth in attitude]
    for step in range(1, round((resting + seconds) / period)):
        held = step * period <= resting
        (gantry.hold if held else gantry.release)()
        action = rest_pose if held else act(observations)
        observations, _, terminated, _, _ = env.step(action)
        fusion.update(env.signals)
        states = fusion.states
        for row, log in enumerate(logs):
            log.fallen |= bool(terminated[row])
            if step * period > resting + SETTLING and not log.fallen:
                log.add(states[row], attitude[row], velocity[row])
    return _summary(logs, period)


class _Log:
    """Collects one robot's errors.

    Args:
        attitude: the true one at the start, wxyz, when the estimator's heading is 0.
    """

    def __init__(self, attitude: Float) -> None:
        truth = quaternion_to_matrix(attitude)
        self._to_start = so3_exp(np.array([0.0, 0.0, -np.arctan2(truth[1, 0], truth[0, 0])]))
        self.fallen = False
        self.velocity: list[float] = []  # squared errors
        self.tilt: list[float] = []  # squared errors
        self.normalised: list[float] = []
        self.good: list[bool] = []
        self.yaw: list[float] = []

    def add(self, estimate: Estimate, attitude: Float, velocity: Float) -> None:
        """Compares an estimate with the true attitude, wxyz, and velocity in the body frame."""
        truth, estimated = quaternion_to_matrix(attitude), quaternion_to_matrix(estimate.attitude)
        truth = self._to_start @ truth
        turn = so3_log(truth @ estimated.T)
        error = np.concatenate([turn, truth @ velocity - estimate.velocity])
        in_body = velocity - estimated.T @ estimate.velocity
        self.velocity.append(float(in_body @ in_body))
        self.tilt.append(float(turn[:2] @ turn[:2]))
        covariance = estimate.covariance[:6, :6]
        self.normalised.append(float(error @ np.linalg.solve(covariance, error)))
        self.good.append(estimate.health is Health.GOOD)
        self.yaw.append(float(turn[2]))


def _summary(logs: list[_Log], period: float) -> EstimationErrors:
    def of_all(values: list[list[float]]) -> Float:
        return np.concatenate([np.asarray(v, np.float64) for v in values])

    def growth(seconds: float) -> float:
        span = round(seconds / period)
        errors = [np.unwrap(log.yaw)[::span] for log in logs if log.yaw]
        grown = np.concatenate([np.diff(e) for e in errors])
        return float(np.sqrt(np.mean(grown**2))) / seconds if len(grown) else float("nan")

    normalised = of_all([log.normalised for log in logs])
    inside = (normalised > NEES_BOUNDS[0]) & (normalised < NEES_BOUNDS[1])
    return EstimationErrors(
        velocity_rms=float(np.sqrt(of_all([log.velocity for log in logs]).mean())),
        tilt_rms=float(np.sqrt(of_all([log.tilt for log in logs]).mean())),
        yaw_drift=growth(DRIFT_SPAN),
        yaw_wander=growth(WANDER_SPAN),
        consistency=float(inside.mean()),
        good=float(np.mean([g for log in logs for g in log.good])),
        samples=len(normalised),
    )
