"""Defines HumanoidVelocity: walk at a commanded velocity, stand still on zero, survive pushes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import mujoco
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array
from sim.engines.engine import Engine
from sim.robots.humanoid import humanoid
from sim.robots.leg_chains import find_chains
from sim.robots.legged_estimator import foot_noise
from sim.robots.legs import of_joint
from sim.robots.robot import SimRobot
from sim.sensors.estimates import EstimateErrors
from sim.sensors.readings import Noise
from sim.tasks.task import changed
from sim.tasks.walking.settings import WalkingSettings
from sim.tasks.walking.task import WalkingTask
from sim.terrain.ground import ground_geoms, on_terrain
from sim.terrain.terrain import Kind


@dataclass(frozen=True)
class WalkingConfig(WalkingSettings):
    """Track a commanded forward, lateral and yaw velocity, with any robot on legs.

    A task of another robot names itself and its robot, and changes what defaults do not suit it::

        @dataclass(frozen=True)
        class HopperVelocity(WalkingConfig):
            name: ClassVar[str] = "HopperVelocity"

            @property
            def robot(self) -> SimRobot:
                return hopper(self.action_scale)
    """

    gauntlet: ClassVar[str] = "walking"
    metric_units: ClassVar[Mapping[str, str]] = {
        "velocity_error": "m/s",
        "velocity_error_instant": "m/s",
        "forward_bias": "m/s",
        "yaw_rate_error": "rad/s",
        "yaw_rate_error_instant": "rad/s",
        "yaw_rate_bias": "rad/s",
        "foot_slip": "m/s",
        "push_speed": "m/s",
    }

    @property
    def ground(self) -> tuple[str, ...]:
        return ground_geoms(self.terrain)

    def model(self) -> mujoco.MjModel:
        return on_terrain(self.robot.spec(), self.terrain)

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
        names = ("imu_gyro", "imu_accel", "joint_pos", "joint_vel", "joint_torque")
        feet = changed(foot_noise(self.robot), **vars(self.errors.foot_force))
        return {name: getattr(self.errors, name) for name in names} | {"foot_force": feet}

    @property
    def estimate_errors(self) -> EstimateErrors:
        return self.errors.estimates

    @property
    def action_prior(self) -> npt.NDArray[np.float64]:
        """Returns stepping on the spot with swinging arms: (joints, 2) on the clock's sine and
        cosine."""
        robot = self.robot
        legs, names = robot.find_legs(), [a.name for a in robot.actuators]
        prior = np.zeros((len(names), 2))
        for leg in find_chains(robot.model, legs.feet, legs.sole):
            sign = 1.0 if leg.name in legs.leading else -1.0
            for joint in (j.name for j in leg.joints if j.name in names):
                prior[names.index(joint), 0] = sign * of_joint(legs.stepping, joint)
        prior[:, 1] = [0.5 * of_joint(legs.arm_swing, joint) for joint in names]
        return prior / self.action_scale

    def nominal(self) -> Self:
        return replace(super().nominal(), pushes=replace(self.pushes, enabled=False))

    def for_training(self) -> Self:
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

    def unseen(self, seed: int, episodes: int = 1) -> Self:
        return replace(self, terrain=self.terrain.unseen(seed))

    def on_terrain(self, kinds: tuple[Kind, ...]) -> Self:
        return replace(self, terrain=replace(self.terrain, kinds=kinds))

    def build(
        self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator
    ) -> WalkingTask:
        return WalkingTask(self, engine, signals, rng)


@dataclass(frozen=True)
class HumanoidVelocity(WalkingConfig):
    """Track a commanded forward, lateral and yaw velocity."""

    name: ClassVar[str] = "HumanoidVelocity"

    @property
    def robot(self) -> SimRobot:
        return humanoid(self.action_scale)
