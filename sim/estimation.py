"""How well the legged filter knows simulated humanoids that a policy drives: against the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.legged_config import LeggedRobotConfig
from edge_runtime.fusion.legged_fusion import LeggedFusion
from edge_runtime.fusion.lie import quaternion_to_matrix, so3_exp, so3_log
from edge_runtime.signal import Array
from sim.tasks.humanoid_velocity import HumanoidVelocity
from sim.vector_env import TaskVectorEnv

Float = npt.NDArray[np.float64]

NEES_BOUNDS = (1.237, 14.449)  # hold 95 % of a chi-squared variable of 6 degrees of freedom
SETTLING = 1.0  # s after a start that do not count
YAW_SPAN = 10.0  # s over which yaw drift is told


@dataclass(frozen=True)
class EstimationErrors:
    """Of all robots, at all times but the first second after a start."""

    velocity_rms: float  # m/s, of the error's norm, in the body frame
    tilt_rms: float  # rad
    yaw_drift: float  # rad/s, root mean square over spans of `YAW_SPAN`
    consistency: float  # share of times whose normalised error is within `NEES_BOUNDS`
    normalised_error: float  # its mean; 6 if the covariance is right
    good: float  # share of times at which health is GOOD
    samples: int


def measure_estimation(
    task: HumanoidVelocity,
    act: Callable[[Array], Array],
    robots: int = 8,
    seconds: float = 20.0,
    seed: int = 0,
    standing: float = 0.0,
    config: LeggedRobotConfig | None = None,
) -> EstimationErrors:
    """Let a policy drive humanoids and compare their estimators with the truth.

    Args:
        task: with or without noise, randomization and pushes.
        act: observations (N, n) -> actions (N, A); it does not see the estimates.
        robots: N.
        seconds: how long.
        seed: of everything random.
        standing: s at the start for which they are told to stand, which do not count: as on a
            robot that is switched on, the gyroscope's bias is found meanwhile.
        config: of the estimators; the task's by default.
    """
    env = TaskVectorEnv(task, robots, seed=seed, all_signals=True)
    env.operator = np.zeros(len(task.commands), np.float32)
    observations, _ = env.reset(seed=seed)
    joints = [a.name for a in task.robot.actuators]
    config = config or task.legged
    period = task.control_period
    fusion = LeggedFusion(config, joints, period, env.engine.substeps, robots)
    attitude, velocity = (env.engine.sensor(f"true_{n}") for n in ("attitude", "velocity"))
    logs = [_Log(round((standing + SETTLING) / period)) for _ in range(robots)]
    for step in range(round((standing + seconds) / period)):
        if step * period >= standing:
            env.operator = None
        if step:
            observations, _, terminated, truncated, _ = env.step(act(observations))
            ended = np.flatnonzero(terminated | truncated)
            fusion.reset(ended)
            for row in ended.tolist():
                logs[row].start()
        fusion.update(env.signals)
        for row, log in enumerate(logs):
            log.add(fusion.states[row], attitude[row], velocity[row])
    return _summary(logs, round(YAW_SPAN / period), period)


class _Log:
    """One robot's errors; a new stretch after each start."""

    def __init__(self, settling: int) -> None:
        self._settling = settling
        self.velocity: list[float] = []  # squared
        self.tilt: list[float] = []  # squared
        self.normalised: list[float] = []
        self.good: list[bool] = []
        self.yaw: list[list[float]] = []
        self.start()

    def start(self) -> None:
        self._samples = 0
        self.yaw.append([])

    def add(self, estimate: Estimate, attitude: Float, velocity: Float) -> None:
        """Compare an estimate with the true attitude, wxyz, and velocity in the body frame."""
        truth, estimated = quaternion_to_matrix(attitude), quaternion_to_matrix(estimate.attitude)
        if self._samples == 0:  # the estimator's yaw is 0 at the start
            heading = np.array([0.0, 0.0, np.arctan2(truth[1, 0], truth[0, 0])])
            self._to_start = so3_exp(-heading)
        self._samples += 1
        if self._samples <= self._settling:
            return
        truth = self._to_start @ truth
        turn = so3_log(truth @ estimated.T)
        error = np.concatenate([turn, truth @ velocity - estimate.velocity])
        in_body = velocity - estimated.T @ estimate.velocity
        self.velocity.append(float(in_body @ in_body))
        self.tilt.append(float(turn[:2] @ turn[:2]))
        covariance = estimate.covariance[:6, :6]
        self.normalised.append(float(error @ np.linalg.solve(covariance, error)))
        self.good.append(estimate.health is Health.GOOD)
        self.yaw[-1].append(float(turn[2]))


def _summary(logs: list[_Log], span: int, period: float) -> EstimationErrors:
    def of_all(values: list[list[float]]) -> Float:
        return np.concatenate([np.asarray(v, np.float64) for v in values])

    normalised = of_all([log.normalised for log in logs])
    drifts = [
        (yaw[end] - yaw[end - span]) / (span * period)
        for log in logs
        for yaw in log.yaw
        for end in range(span, len(yaw), span)
    ]
    inside = (normalised > NEES_BOUNDS[0]) & (normalised < NEES_BOUNDS[1])
    return EstimationErrors(
        velocity_rms=float(np.sqrt(of_all([log.velocity for log in logs]).mean())),
        tilt_rms=float(np.sqrt(of_all([log.tilt for log in logs]).mean())),
        yaw_drift=float(np.sqrt(np.mean(np.square(drifts)))) if drifts else float("nan"),
        consistency=float(inside.mean()),
        normalised_error=float(normalised.mean()),
        good=float(np.mean([g for log in logs for g in log.good])),
        samples=len(normalised),
    )
