"""Describes what the quadruped's model does not say."""

from functools import cache
from pathlib import Path

from edge_runtime.fusion.legged.config import LeggedConfig
from sim.robots import ROBOTS
from sim.robots.legs import Legs
from sim.robots.mjcf import robot_from_mjcf
from sim.robots.robot import SimRobot

LEGS = Legs(
    feet=("front_left_foot", "front_right_foot", "rear_left_foot", "rear_right_foot"),
    leading=("front_left_foot", "rear_right_foot"),  # of a trot
    posture={"hip": 0.6, "thigh": 0.05, "calf": 0.05},
    stepping={"thigh": 0.12, "calf": -0.24},
    feet_apart=0.2,
    estimator=LeggedConfig(tilt_std=0.05, velocity_std=0.3, foot_walk=0.02),
)


@ROBOTS.register("pup")
@cache
def pup(action_scale: float = 0.25) -> SimRobot:
    """Returns the robot; `action_scale` is in rad per unit of action."""
    return robot_from_mjcf(
        "pup",
        Path(__file__).with_name("pup.xml"),
        action_scale=action_scale,
        default={"thigh": 0.8, "calf": -1.6},
        max_velocity=25.0,
        task="PupTrot",
        legs=LEGS,
    )
