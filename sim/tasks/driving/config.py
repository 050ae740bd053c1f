"""Defines VehicleTrack: drive unseen closed tracks fast, between walls, by lidar."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from typing_extensions import Self

from edge_runtime.observation.builder import TermConfig
from edge_runtime.signals import Array, Signal
from sim.engines.engine import Engine
from sim.robots.robot import SimRobot
from sim.robots.vehicle import vehicle
from sim.sensors.estimates import EstimateErrors
from sim.sensors.readings import Noise
from sim.tasks.driving.settings import DrivingSettings
from sim.tasks.driving.task import DrivingTask
from sim.tasks.task import changed

_UNSEEN = 1_000_000  # track seeds from here on are for evaluation


@dataclass(frozen=True)
class VehicleTrack(DrivingSettings):
    """Drive closed tracks fast without leaving them."""

    name: ClassVar[str] = "VehicleTrack"
    gauntlet: ClassVar[str] = "driving"
    metric_units: ClassVar[Mapping[str, str]] = {
        "speed": "m/s",
        "wheel_slip": "m/s",
        "lap_time": "s",
    }

    @property
    def robot(self) -> SimRobot:
        return vehicle()

    @property
    def observations(self) -> tuple[TermConfig, ...]:
        return (
            TermConfig("lidar_closeness", params={"near": 3.0}),
            TermConfig("angular_velocity"),
            TermConfig("specific_force", scale=0.1),
            TermConfig("wheel_speed", scale=0.02),
            TermConfig("steering_angle", scale=2.0),
            TermConfig("last_action"),
        )

    @property
    def sensor_noise(self) -> Mapping[str, Noise]:
        names = ("imu_gyro", "imu_accel", "wheel_speed", "steering_angle")
        noise = {name: getattr(self.errors, name) for name in names}
        return noise | {"lidar": Noise(self.lidar.std)}

    @property
    def estimate_errors(self) -> EstimateErrors:
        return self.errors.estimates

    @property
    def extra_signals(self) -> tuple[Signal, ...]:
        return (
            Signal("lidar", self.lidar.beams, "m", "lidar"),
            Signal("gnss_position", 3, "m", "world"),
            Signal("gnss_velocity", 3, "m/s", "world"),
        )

    def for_training(self) -> Self:
        practice = self.practice
        return replace(
            self,
            lidar=changed(self.lidar, blind=practice.blind),
            randomization=changed(
                self.randomization, friction=practice.friction, payload=practice.payload
            ),
        )

    def unseen(self, seed: int, episodes: int = 1) -> Self:
        return replace(self, track_seed=_UNSEEN + seed, tracks=max(self.tracks, episodes))

    def from_rest(self) -> Self:
        return replace(self, start_speed=(0.0, 0.0))

    def in_one_world(self) -> Self:
        return replace(self, tracks=1)

    def build(
        self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator
    ) -> DrivingTask:
        return DrivingTask(self, engine, signals, rng)
