"""HumanoidVelocity: walk at a commanded velocity, stand still on zero, survive pushes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array
from sim.engines.engine import Engine
from sim.robots.humanoid import humanoid
from sim.robots.robot import SimRobot
from sim.sensors.estimates import EstimateErrors
from sim.sensors.readings import Noise
from sim.tasks.estimators import humanoid_estimator
from sim.tasks.task import changed
from sim.tasks.walking.settings import WalkingSettings
from sim.tasks.walking.task import WalkingTask
from sim.terrain.ground import ground_geoms, on_terrain


@dataclass(frozen=True)
class HumanoidVelocity(WalkingSettings):
    """Track a commanded forward, lateral and yaw velocity."""

    name: ClassVar[str] = "HumanoidVelocity"

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
