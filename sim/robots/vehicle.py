"""Builds the vehicle of `assets/vehicle`: an electric driverless racer with Ackermann steering.

Actuators: `steering`, the steering column's angle (that of a bicycle's front wheel), and `drive`,
the mean speed of the rear wheels, in rad/s. Its signals beside IMU and encoders, `lidar` and
`gnss_*`, come from `sim.sensors`.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

import mujoco

from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig
from edge_runtime.policy.contract import POSITION, VELOCITY, Actuator
from edge_runtime.signals import Signal
from sim.robots.car import Car
from sim.robots.robot import SimRobot
from sim.sensors.readings import Sensor

WHEELS = ("front_left", "front_right", "rear_left", "rear_right")
WHEELBASE = 1.2  # m
TRACK = 0.9  # m, between the centres of left and right wheels
WHEEL_RADIUS = 0.2  # m
TOP_SPEED = 12.0  # m/s
CHASSIS_HEIGHT = 0.198  # m, of the chassis frame when the car stands on its springs
LIDAR_POSITION = (1.05, 0.0, 0.25)  # m, in the chassis frame
# The car seen from above, in the chassis frame: wings and wheels and the sides between, m.
OUTLINE = tuple((x, y) for x in (-0.45, 0.6, 1.73) for y in (-0.55, 0.55))

CAR = Car(
    wheels=WHEELS,
    wheel_radius=WHEEL_RADIUS,
    wheelbase=WHEELBASE,
    track=TRACK,
    top_speed=TOP_SPEED,
    standing_height=CHASSIS_HEIGHT,
    lidar=LIDAR_POSITION,
    outline=OUTLINE,
    # With the sensors of its task.
    estimator=WheeledConfig(
        rear_axle=(-0.53, 0.0, 0.0),
        antenna=(-0.13, 0.0, 0.32),
        understeer=0.0,
        sideslip=0.012,
        tilt_std=0.03,
        start_push=4.0,
        gyro_noise=0.002,  # 0.01 rad/s in the mean over 0.04 s, as its task's sensor
        accel_noise=0.05,
        gyro_bias_std=0.01,
        accel_bias_std=0.15,
        mount_std=0.001,
        wheel_scale_std=0.005,
        steering_std=0.01,
        fix_std=0.05,
        fix_velocity_std=0.05,
        wander_std=0.5,
        wander_time=60.0,
        velocity_time=0.0,
        imu=ImuCheckConfig(largest_noise=0.1),
    ),
    lidar_odometry=LidarOdometryConfig(),
)


def vehicle_folder() -> Path:
    """Returns the folder of the model's files."""
    return Path(str(files("assets") / "vehicle"))


@cache
def vehicle() -> SimRobot:
    """Returns the vehicle. Action 0 is wheels straight and at rest; ±1 is full lock, 1 is top
    speed."""
    path = vehicle_folder() / "scene.xml"
    model = mujoco.MjModel.from_xml_path(str(path))
    steering, drive = model.actuator("steering"), model.actuator("drive")
    lock, top = float(steering.ctrlrange[1]), TOP_SPEED / WHEEL_RADIUS
    actuators = (
        Actuator(
            name="steering",
            mode=POSITION,
            stiffness=float(steering.gainprm[0]),
            action_scale=lock,
            lower=-lock,
            upper=lock,
            # Its own damping holds it to half of this; the motor still has all its torque there.
            max_velocity=6.0,
            max_effort=float(steering.forcerange[1]),
        ),
        Actuator(
            name="drive",
            mode=VELOCITY,
            damping=float(drive.gainprm[0]),
            action_scale=top,
            lower=0.0,
            upper=top,
            max_velocity=1.4 * top,
            max_effort=float(drive.forcerange[1]),
        ),
    )
    return SimRobot(
        name="vehicle",
        model=path,
        actuators=actuators,
        task="VehicleTrack",
        main_body="chassis",
        ground=tuple(f"{w}_tyre" for w in WHEELS),
        toppling_torque=4000.0,
        weakened={"steering": True, "drive": False},
        car=CAR,
        sensors=(
            Sensor(Signal("imu_gyro", 3, "rad/s", "imu"), ("imu_gyro",)),
            Sensor(Signal("imu_accel", 3, "m/s^2", "imu"), ("imu_accel",)),
            Sensor(Signal("wheel_speed", 4, "rad/s"), tuple(f"{w}_encoder" for w in WHEELS)),
            Sensor(Signal("steering_angle", 1, "rad"), ("steering_encoder",)),
        ),
    )
