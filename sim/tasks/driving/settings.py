"""Declares the settings of VehicleTrack."""

from dataclasses import dataclass

from edge_runtime.config.fields import LONGEST, Range, setting
from sim.racing.tracks import TrackConfig
from sim.sensors.estimates import EstimateErrors, GaussMarkov
from sim.sensors.gnss_receivers import GnssConfig
from sim.sensors.lidar import LidarConfig
from sim.sensors.readings import Noise
from sim.tasks.driving.rewards import DrivingRewards
from sim.tasks.randomization import DomainRandomization
from sim.tasks.task import TaskConfig


@dataclass(frozen=True)
class VehicleNoise:
    """Sets the errors of the vehicle's sensors."""

    imu_gyro: Noise = Noise(0.01, 0.01)  # rad/s, mean over a control period
    imu_accel: Noise = Noise(0.15, 0.15)  # m/s²
    wheel_speed: Noise = Noise(0.2, 0.0)  # rad/s
    steering_angle: Noise = Noise(0.002, 0.01)  # rad; the bias is alignment
    estimates: EstimateErrors = EstimateErrors(GaussMarkov(0.01), GaussMarkov(0.06, 0.4))


@dataclass(frozen=True)
class DrivingPractice:
    """Shows training more of what is rare: a partly blind lidar, wet roads, load."""

    blind: Range | None = setting(None, unit="rad", at_least=0)
    """Width of the lidar's blind sector; none: as in `lidar`."""
    friction: Range | None = setting(None, at_least=0)
    """Sliding friction of the ground; none: as in `randomization`."""
    payload: Range | None = setting(None, unit="kg", at_least=0)
    """Mass added to the main body; none: as in `randomization`."""


@dataclass(frozen=True)
class DrivingSettings(TaskConfig):
    """Sets the task of driving closed tracks fast without leaving them."""

    episode_seconds: float = 40.0
    control_period: float = 0.04
    action_clip: float = 1.0
    max_tilt: float = 0.6
    randomization: DomainRandomization = DomainRandomization(
        mass=(0.95, 1.05),
        payload=(0.0, 25.0),
        centre_of_mass=(-0.03, 0.03),
        friction=(0.85, 1.1),
        stiffness=(0.9, 1.1),
        damping=(0.9, 1.1),
    )
    tracks: int = setting(256, "Number of different tracks.", above=0)
    track_seed: int = setting(0, at_least=0)
    """Seed of the tracks; another one gives tracks never seen."""
    track: TrackConfig = TrackConfig()
    start_speed: Range = setting((0.0, 6.0), "Speed at the start.", "m/s", at_least=0)
    room: float = setting(0.4, "Distance to a wall, below which nearness costs.", "m", above=0)
    stuck_seconds: float = setting(4.0, unit="s", above=0, at_most=LONGEST)
    """Time without a metre of progress after which an episode ends."""
    lidar: LidarConfig = LidarConfig()
    gnss: GnssConfig = GnssConfig()
    errors: VehicleNoise = VehicleNoise()
    rewards: DrivingRewards = DrivingRewards()
    practice: DrivingPractice = DrivingPractice()
