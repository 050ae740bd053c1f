"""Declares the settings of a task that walks as commanded."""

from dataclasses import dataclass

from edge_runtime.config.fields import LONGEST, Range, setting
from sim.sensors.estimates import EstimateErrors, GaussMarkov
from sim.sensors.readings import Noise
from sim.tasks.events import PushConfig
from sim.tasks.task import TaskConfig
from sim.tasks.velocity_commands import VelocityCommand
from sim.tasks.walking.arms import ArmConfig
from sim.tasks.walking.rewards import WalkingRewards
from sim.terrain.terrain import TerrainConfig


@dataclass(frozen=True)
class FootNoise:
    """Sets the error of the feet's force sensors."""

    std: float | None = setting(None, unit="N", at_least=0)
    """White noise of each reading; none: the robot's own."""
    bias: float | None = setting(None, unit="N", at_least=0)
    """Bias, constant over an episode, drawn from ± this; none: the robot's own."""


@dataclass(frozen=True)
class WalkingNoise:
    """Sets the errors of the sensors of a robot that walks."""

    imu_gyro: Noise = Noise(0.02, 0.01)  # rad/s, mean over a control period
    imu_accel: Noise = Noise(0.1, 0.1)  # m/s²
    joint_pos: Noise = Noise(0.005, 0.01)  # rad; the bias is calibration
    joint_vel: Noise = Noise(0.2, 0.0)  # rad/s
    joint_torque: Noise = Noise(0.5, 0.5)  # Nm
    foot_force: FootNoise = FootNoise()
    estimates: EstimateErrors = EstimateErrors(GaussMarkov(0.012), GaussMarkov(0.04, 0.4))


@dataclass(frozen=True)
class Practice:
    """Shows training more starts and pushes than reality has, which are otherwise too rare to
    learn."""

    episode_seconds: float = setting(10.0, "Length of an episode.", "s", above=0, at_most=LONGEST)
    push_interval: Range = setting(
        (2.0, 6.0), "Time between two pushes.", "s", above=0, at_most=LONGEST
    )
    push_speed: Range = setting((0.1, 0.55), unit="m/s", at_least=0)
    """Speed that a push would give the free robot."""
    push_grow: bool = False
    """Go from weak pushes to the strongest, as each simulation withstands them."""
    payload: Range | None = setting(None, unit="kg")
    """Mass added to the main body; none: as in `randomization`."""
    hand_mass: Range | None = setting(None, unit="kg", at_least=0)
    """Load in one hand; none: as in `arms`."""
    arm_offset: float | None = setting(None, unit="rad", at_least=0)
    """Offset of each arm joint's target; none: as in `arms`."""


@dataclass(frozen=True)
class WalkingSettings(TaskConfig):
    """Sets the task of tracking a commanded forward, lateral and yaw velocity."""

    action_scale: float = setting(0.3, "Angle of each joint per unit of action.", "rad", above=0)
    history: int = setting(3, above=0)
    """Control periods that show speed and delay, which have no sensor."""
    gait_steps: int = setting(32, "Control periods in a gait cycle.", above=0)
    catch_lean: float = setting(0.15, unit="rad", at_least=0)
    """Tilt beyond which a standing robot steps to catch itself."""
    catch_rate: float = setting(1.2, "Roll or pitch rate, likewise.", "rad/s", at_least=0)
    swing_height: float = setting(0.08, "Height of the sole at mid swing.", "m", at_least=0)
    recovery_seconds: float = setting(1.0, unit="s", at_least=0, at_most=LONGEST)
    """Time after a push in which only balance counts."""
    nominal_height: float | None = setting(None, unit="m", above=0)
    """Height of the IMU while walking; none: the robot's own."""
    command: VelocityCommand = VelocityCommand()
    pushes: PushConfig = PushConfig()
    arms: ArmConfig = ArmConfig()
    errors: WalkingNoise = WalkingNoise()
    rewards: WalkingRewards = WalkingRewards()
    practice: Practice = Practice()
    terrain: TerrainConfig = TerrainConfig()

    @property
    def stepping(self) -> dict[str, float]:
        """Returns when to step rather than stand, for
        `edge_runtime.observation.terms.should_step`."""
        return {
            "deadband": self.command.deadband / 2,
            "lean": self.catch_lean,
            "rate": self.catch_rate,
        }
