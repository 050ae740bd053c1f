"""Measures the wheeled filter's errors on simulated cars that a policy drives,
against the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.lie import quaternion_to_matrix, so3_log
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.fusion.wheeled.fusion import WheeledFusion
from edge_runtime.signals import Array, Float
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.vehicle import CAR
from sim.tasks.task import TaskConfig

BOUNDS_3 = (0.2158, 9.348)  # 95 % interval of a chi-squared variable of 3 degrees of freedom
BOUNDS_9 = (2.700, 19.023)  # of 9 degrees of freedom
SETTLING = 1.0  # s after a start that do not count


@dataclass(frozen=True)
class CarEstimationErrors:
    """Holds the errors over all cars, without the first second after a start."""

    velocity_rms: float  # m/s, of the error's norm, in the body frame
    tilt_rms: float  # rad
    heading_rms: float  # rad, while the heading is known
    position_rms: float  # m, horizontal, while the heading is known
    gnss_rms: float  # m, horizontal, of the last fix, at the same times
    velocity_consistency: float  # share of times whose normalised error is within its bounds
    consistency: float  # the same of attitude, velocity and position together
    good: float  # share of times at which health is GOOD
    samples: int


def measure_car_estimation(
    task: TaskConfig,
    act: Callable[[Array], Array],
    cars: int = 8,
    seconds: float = 20.0,
    seed: int = 0,
    config: WheeledRobotConfig = CAR.wheeled,
) -> CarEstimationErrors:
    """Lets a policy drive cars and compares their estimators with the truth.

    Args:
        task: with or without noise and randomization.
        act: observations (N, n) -> actions (N, A); it does not see the estimates.
        cars: N.
        seconds: how long to drive.
        seed: seed of everything random.
        config: settings of the estimators.
    """
    env = TaskVectorEnv(task, cars, seed=seed, all_signals=True)
    observations, _ = env.reset(seed=seed)
    period = task.control_period
    fusion = WheeledFusion(config, period, env.engine.substeps, cars)
    truth = _Truth(env, np.array(config.estimator.antenna))
    log = _Log(cars, round(SETTLING / period))
    for step in range(round(seconds / period)):
        if step:
            observations, _, terminated, truncated, _ = env.step(act(observations))
            ended = np.flatnonzero(terminated | truncated)
            fusion.reset(ended)
            log.age[ended] = 0
        fusion.update(env.signals)
        log.age += 1
        for row, car in enumerate(fusion.filters):
            fix = env.signals["gnss_position"][row]
            log.add(row, car.estimate, truth, fix.astype(np.float64) - truth.antenna[row])
    return log.summary()


class _Truth:
    """Holds the true state at the moment of the sensors' readings."""

    def __init__(self, env: TaskVectorEnv, lever: Float) -> None:
        sensor = env.engine.sensor
        self._quaternion, self._gyro = sensor("true_attitude"), sensor("imu_gyro")
        self.antenna, self._antenna_velocity = sensor("gnss_position"), sensor("gnss_velocity")
        self._lever = lever

    def of(self, row: int) -> tuple[Float, Float, Float]:
        """Returns attitude (3, 3) body to world, velocity (3,) and position (3,) of the IMU."""
        attitude = quaternion_to_matrix(self._quaternion[row])
        swing = attitude @ np.cross(self._gyro[row], self._lever)
        velocity = self._antenna_velocity[row] - swing
        return attitude, velocity, self.antenna[row] - attitude @ self._lever


class _Log:
    """Collects the errors of all cars."""

    def __init__(self, cars: int, settling: int) -> None:
        self.age = np.zeros(cars, np.int64)  # samples since the start
        self._settling = settling
        self._squares: dict[str, list[float]] = {
            name: [] for name in ("velocity", "tilt", "heading", "position", "gnss")
        }
        self._normalised: dict[str, list[float]] = {"velocity": [], "all": []}
        self._good: list[bool] = []

    def add(self, row: int, estimate: Estimate, truth: _Truth, fix_error: Float) -> None:
        if self.age[row] <= self._settling:
            return
        attitude, velocity, position = truth.of(row)
        estimated = quaternion_to_matrix(estimate.attitude)
        in_body = attitude.T @ velocity - estimated.T @ estimate.velocity
        turn = so3_log(np.ascontiguousarray(attitude @ estimated.T))
        squares = self._squares
        squares["velocity"].append(float(in_body @ in_body))
        squares["tilt"].append(float(turn[:2] @ turn[:2]))
        self._good.append(estimate.health is Health.GOOD)
        if estimate.health < Health.DEGRADED:
            return
        off = position - estimate.position
        squares["heading"].append(float(turn[2] ** 2))
        squares["position"].append(float(off[:2] @ off[:2]))
        squares["gnss"].append(float(fix_error[:2] @ fix_error[:2]))
        error = np.concatenate([turn, velocity - estimate.velocity, off])
        for name, which in (("velocity", slice(3, 6)), ("all", slice(9))):
            covariance = estimate.covariance[which, which]
            part = error[which]
            self._normalised[name].append(float(part @ np.linalg.solve(covariance, part)))

    def summary(self) -> CarEstimationErrors:
        rms = {name: float(np.sqrt(np.mean(s))) for name, s in self._squares.items() if s}
        inside = {
            name: float(np.mean((np.array(n) > low) & (np.array(n) < high)))
            for (name, n), (low, high) in zip(self._normalised.items(), (BOUNDS_3, BOUNDS_9))
        }
        nothing = float("nan")
        return CarEstimationErrors(
            velocity_rms=rms.get("velocity", nothing),
            tilt_rms=rms.get("tilt", nothing),
            heading_rms=rms.get("heading", nothing),
            position_rms=rms.get("position", nothing),
            gnss_rms=rms.get("gnss", nothing),
            velocity_consistency=inside["velocity"],
            consistency=inside["all"],
            good=float(np.mean(self._good)),
            samples=len(self._good),
        )
