"""HumanoidVelocity: walk at a commanded velocity, stand still on zero, survive pushes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import Range, setting
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array
from sim.engines.engine import Engine
from sim.robots.humanoid import humanoid
from sim.robots.robot import SimRobot
from sim.sensors.estimates import EstimateErrors, GaussMarkov
from sim.sensors.readings import Noise
from sim.tasks.commands import VelocityCommand
from sim.tasks.estimators import humanoid_estimator
from sim.tasks.events import PushConfig
from sim.tasks.task import TaskConfig, changed
from sim.tasks.walking.arms import ArmConfig
from sim.tasks.walking.rewards import WalkingRewards
from sim.tasks.walking.task import WalkingTask
from sim.terrain.ground import ground_geoms, on_terrain
from sim.terrain.terrain import TerrainConfig


@dataclass(frozen=True)
class WalkingNoise:
    """Errors of the humanoid's sensors."""

    imu_gyro: Noise = Noise(0.02, 0.01)  # rad/s, mean over a control period
    imu_accel: Noise = Noise(0.1, 0.1)  # m/s²
    joint_pos: Noise = Noise(0.005, 0.01)  # rad; the bias is calibration
    joint_vel: Noise = Noise(0.2, 0.0)  # rad/s
    joint_torque: Noise = Noise(0.5, 0.5)  # Nm
    foot_force: Noise = Noise(5.0, 5.0)  # N
    estimates: EstimateErrors = EstimateErrors(GaussMarkov(0.012), GaussMarkov(0.04, 0.4))


@dataclass(frozen=True)
class Practice:
    """What training has more of than life: starts and pushes, which else are too rare to learn."""

    episode_seconds: float = setting(10.0, "Length of an episode.", "s", above=0)
    push_interval: Range = setting((2.0, 6.0), "Time between two pushes.", "s", above=0)
    push_speed: Range = setting(
        (0.1, 0.55), "Speed that a push would give the free robot.", "m/s", at_least=0
    )
    push_grow: bool = setting(
        False, "Go from weak pushes to the strongest, as each simulation withstands them."
    )
    payload: Range | None = setting(
        None, "Mass added to the main body; none: as in `randomization`.", "kg"
    )
    hand_mass: Range | None = setting(
        None, "Load in one hand; none: as in `arms`.", "kg", at_least=0
    )
    arm_offset: float | None = setting(
        None, "Offset of each arm joint's target; none: as in `arms`.", "rad", at_least=0
    )


@dataclass(frozen=True)
class HumanoidVelocity(TaskConfig):
    """Track a commanded forward, lateral and yaw velocity."""

    name: ClassVar[str] = "HumanoidVelocity"

    action_scale: float = setting(0.3, "Angle of each joint per unit of action.", "rad", above=0)
    history: int = setting(
        3, "Control periods that show speed and delay, which have no sensor.", above=0
    )
    gait_steps: int = setting(32, "Control periods in a gait cycle.", above=0)
    catch_lean: float = setting(
        0.15, "Tilt beyond which a standing robot steps to catch itself.", "rad", at_least=0
    )
    catch_rate: float = setting(1.2, "Roll or pitch rate, likewise.", "rad/s", at_least=0)
    swing_height: float = setting(0.08, "Height of the sole at mid swing.", "m", at_least=0)
    recovery_seconds: float = setting(
        1.0, "Time after a push in which only balance counts.", "s", at_least=0
    )
    nominal_height: float = setting(0.755, "Height of the IMU while walking.", "m", above=0)
    command: VelocityCommand = VelocityCommand()
    pushes: PushConfig = PushConfig()
    arms: ArmConfig = ArmConfig()
    errors: WalkingNoise = WalkingNoise()
    rewards: WalkingRewards = field(default_factory=WalkingRewards)
    practice: Practice = Practice()
    terrain: TerrainConfig = TerrainConfig()

    @property
    def robot(self) -> SimRobot:
        return humanoid(self.action_scale)

    @property
    def ground(self) -> tuple[str, ...]:
        return ground_geoms(self.terrain)

    def model(self) -> mujoco.MjModel:
        return on_terrain(self.robot.model, self.terrain)

    @property
    def observations(self) -> tuple[TermConfig, ...]:
        clock = {"steps": float(self.gait_steps), **self.stepping}
        past = self.history
        return (
            TermConfig("angular_velocity", history=past),
            TermConfig("projected_gravity"),
            TermConfig("base_velocity"),
            TermConfig("command"),
            TermConfig("gait_clock", params=clock),
            TermConfig("joint_pos_rel", history=past),
            TermConfig("joint_vel"),
            TermConfig("last_action", history=past),
        )

    @property
    def stepping(self) -> dict[str, float]:
        """When to step rather than stand, for `edge_runtime.observation.terms.should_step`."""
        return {
            "deadband": self.command.deadband / 2,
            "lean": self.catch_lean,
            "rate": self.catch_rate,
        }

    @property
    def commands(self) -> tuple[Command, ...]:
        return self.command.components

    @property
    def sensor_noise(self) -> Mapping[str, Noise]:
        names = ("imu_gyro", "imu_accel", "joint_pos", "joint_vel", "joint_torque", "foot_force")
        return {name: getattr(self.errors, name) for name in names}

    @property
    def estimate_errors(self) -> EstimateErrors:
        return self.errors.estimates

    @property
    def legged(self) -> LeggedRobotConfig:
        return humanoid_estimator(self.sensor_noise, self.control_period)

    @property
    def action_prior(self) -> npt.NDArray[np.float64]:
        """Stepping on the spot with swinging arms: (joints, 2) on the clock's sine and cosine."""
        swing = {"hip_pitch": -0.15, "knee": 0.3, "ankle_pitch": -0.15}  # rad, on the sine
        names = [a.name for a in self.robot.actuators]
        prior = np.zeros((len(names), 2))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            for joint, amplitude in swing.items():
                prior[names.index(f"{side}_{joint}"), 0] = sign * amplitude
            prior[names.index(f"{side}_shoulder_pitch"), 1] = -sign * 0.15
        return prior / self.action_scale

    def nominal(self) -> "HumanoidVelocity":
        nominal = super().nominal()
        assert isinstance(nominal, HumanoidVelocity)
        return replace(nominal, pushes=replace(self.pushes, enabled=False))

    def for_training(self) -> "HumanoidVelocity":
        practice = self.practice
        pushes = replace(
            self.pushes,
            interval=practice.push_interval,
            speed=practice.push_speed,
            grow=practice.push_grow,
        )
        return replace(
            self,
            episode_seconds=practice.episode_seconds,
            pushes=pushes,
            arms=changed(self.arms, hand_mass=practice.hand_mass, offset=practice.arm_offset),
            randomization=changed(self.randomization, payload=practice.payload),
        )

    def unseen(self, seed: int, episodes: int = 1) -> "HumanoidVelocity":
        return replace(self, terrain=self.terrain.unseen(seed))

    def build(
        self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator
    ) -> WalkingTask:
        return WalkingTask(self, engine, signals, rng)
