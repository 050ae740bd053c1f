"""Builds the humanoid of `assets/humanoid`: 19 joints, PD position targets, IMU, encoders, sole
touch."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from edge_runtime.fusion.legged.config import ContactConfig, LeggedConfig
from sim.robots.legs import Legs
from sim.robots.mjcf import robot_from_mjcf
from sim.robots.robot import SimRobot
from sim.sensors.readings import Noise

_SCENE = Path(str(files("assets") / "humanoid" / "scene.xml"))
# Knees and hips slightly bent: a straight knee cannot push.
DEFAULT_POSE = {
    "hip_pitch": -0.3,
    "knee": 0.6,
    "ankle_pitch": -0.3,
    "shoulder_pitch": 0.15,
    "left_shoulder_roll": 0.12,
    "right_shoulder_roll": -0.12,
    "elbow": -0.5,
}
MAX_VELOCITY = {
    "waist_yaw": 12.0,
    "hip_yaw": 14.0,
    "hip_roll": 14.0,
    "hip_pitch": 16.0,
    "knee": 18.0,
    "ankle_pitch": 14.0,
    "ankle_roll": 14.0,
    "shoulder_pitch": 15.0,
    "shoulder_roll": 15.0,
    "elbow": 15.0,
}


LEGS = Legs(
    feet=("left_foot", "right_foot"),
    leading=("left_foot",),
    posture={
        "hip_yaw": 1.0,
        "hip_roll": 0.6,
        "waist_yaw": 1.0,
        "ankle_roll": 0.5,
        "shoulder_pitch": 0.8,
        "shoulder_roll": 1.5,
        "elbow": 0.8,
    },
    stepping={"hip_pitch": -0.15, "knee": 0.3, "ankle_pitch": -0.15},
    arm_swing={"left_shoulder_pitch": -0.3, "right_shoulder_pitch": 0.3},
    arms=("shoulder_pitch", "shoulder_roll", "elbow"),
    hands=("left_forearm", "right_forearm"),
    touch_force=5.0,
    touch_noise=Noise(5.0, 5.0),
    nominal_height=0.755,
    fallen_height=0.45,
    # As the model has it, to the last bit as policies were trained.
    start_height=0.7396288126054122,
    length=0.7,
    sole=((-0.1, 0.0, 0.0), (0.1, 0.0, 0.0)),
    estimator=LeggedConfig(
        # It is switched on upright, on its feet or a crane, and nearly at rest.
        tilt_std=0.05,
        velocity_std=0.3,
        # Its soles are boxes that rock and turn under a gait at 0.5 m/s.
        foot_walk=0.01,
        point_walk=0.1,
        # In the same sense with every step, and standing: the contacts are soft, and creep.
        slip_turn=0.02,
        slip_gate=16.0,
        slip_walk=0.15,
    ),
    contact=ContactConfig(),
)


@cache
def humanoid(action_scale: float = 0.3) -> SimRobot:
    """Returns the humanoid; `action_scale` is in rad per unit of action."""
    return robot_from_mjcf(
        "humanoid",
        _SCENE,
        action_scale=action_scale,
        default=DEFAULT_POSE,
        max_velocity=MAX_VELOCITY,
        task="HumanoidVelocity",
        main_body="torso",
        legs=LEGS,
        toppling_torque=150.0,
        weakened={
            "left_knee": True,
            "left_hip_pitch": True,
            "left_ankle_pitch": True,
            "left_elbow": False,
        },
    )
