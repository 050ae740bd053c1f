"""Holds what driving has to know of a robot on four wheels."""

from dataclasses import dataclass, replace

from edge_runtime.fusion.wheeled.config import WheeledConfig, WheeledRobotConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Car:
    """Describes the wheels and the outline of a car that steers its front wheels and drives the
    rear ones.

    The chassis frame is that of the robot's main body, x ahead and y left, its origin in the
    middle of the rear axle. A wheel turns about the joint of its name with `_wheel` behind.
    """

    wheels: tuple[str, str, str, str]
    """Names: front left, front right, rear left, rear right."""
    wheel_radius: float
    """Radius of each wheel, m."""
    wheelbase: float
    """Distance between the axles, m."""
    track: float
    """Distance between the centres of left and right wheels, m."""
    top_speed: float
    """Highest speed of the car, m/s."""
    standing_height: float
    """Height of the chassis frame when the car stands on its springs, m."""
    lidar: Point
    """Position of the lidar in the chassis frame, m."""
    outline: tuple[tuple[float, float], ...]
    """Points of the car seen from above that must stay between the walls, m in the chassis
    frame."""
    estimator: WheeledConfig = WheeledConfig()
    """Settings of the estimator, beside the places of the wheels and the wheelbase."""
    lidar_odometry: LidarOdometryConfig | None = None
    """How the estimator uses the lidar; None: not at all."""

    @property
    def wheeled(self) -> WheeledRobotConfig:
        """Returns what an estimator must know of the car."""
        half = self.track / 2
        places = tuple((x, y) for x in (self.wheelbase, 0.0) for y in (half, -half))
        estimator = replace(self.estimator, wheels=places, wheelbase=self.wheelbase)
        return WheeledRobotConfig(estimator, self.wheel_radius, lidar=self.lidar_odometry)
