"""The humanoid of `assets/humanoid`: 19 joints, PD position targets, IMU, encoders, sole touch."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import mujoco

from edge_runtime.signals import Signal
from sim.robots.robot import Sensor, SimRobot, position_actuators

_SCENE = Path(str(files("assets") / "humanoid" / "scene.xml"))
FEET = ("left_foot", "right_foot")
HANDS = ("left_forearm", "right_forearm")  # the bodies that carry what is in them
ARM = ("shoulder_pitch", "shoulder_roll", "elbow")  # what the names of its joints end with

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


@cache
def humanoid(action_scale: float = 0.3) -> SimRobot:
    """The robot; `action_scale` is in rad per unit of action."""
    model = mujoco.MjModel.from_xml_path(str(_SCENE))
    actuators = position_actuators(model, DEFAULT_POSE, MAX_VELOCITY, action_scale)
    names = [a.name for a in actuators]
    count = len(names)
    return SimRobot(
        name="humanoid",
        model=_SCENE,
        actuators=actuators,
        task="HumanoidVelocity",
        main_body="torso",
        # What turns about y does so the same way on either side.
        mirror_signs=tuple(1.0 if abs(model.joint(n).axis[1]) > 0.5 else -1.0 for n in names),
        sensors=(
            Sensor(Signal("imu_gyro", 3, "rad/s", "imu"), ("imu_gyro",)),
            Sensor(Signal("imu_accel", 3, "m/s^2", "imu"), ("imu_accel",)),
            Sensor(Signal("joint_pos", count, "rad"), tuple(f"{n}_pos" for n in names)),
            Sensor(Signal("joint_vel", count, "rad/s"), tuple(f"{n}_vel" for n in names)),
            Sensor(Signal("joint_torque", count, "Nm"), tuple(f"{n}_torque" for n in names)),
            Sensor(Signal("foot_force", 2, "N", "foot"), tuple(f"{f}_touch" for f in FEET)),
        ),
    )
