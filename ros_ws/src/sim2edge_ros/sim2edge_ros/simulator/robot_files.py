"""Writes the robot files and URDFs that the package ships, from the simulator's models.

python -m sim2edge_ros.simulator.robot_files [FOLDER]
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, write_file
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    FOOT_FORCE,
    STEERING_ANGLE,
    WHEEL_SPEED,
)
from sim.commands.urdf import load
from sim.robots import find_robot
from sim.tasks.description import describe
from sim.tasks.task import TaskConfig, find_robot_task
from sim.urdf.tree import Parts
from sim.urdf.write import convert, write
from sim2edge_ros.settings import parameter_files, robot_file
from sim2edge_ros.simulator.control_tag import with_control

_MESHES = "package://sim2edge_ros/robots"
_OWN_ESTIMATES = (ATTITUDE, BASE_VELOCITY)  # signals that no sensor measures


def robot(name: str) -> RobotFile:
    """Returns the robot file of one of the simulator's robots.

    Args:
        name: one of `sim.robots.ROBOTS`.

    Raises:
        UserError: there is none, it names no task, or its IMU is not where ROS expects it.
    """
    known = find_robot(name)
    if not known.task:
        raise UserError(f"robot '{name}' names no task to be simulated in; set SimRobot.task")
    task = find_robot_task(known.task)
    model = task.model()
    substeps = round(task.control_period / model.opt.timestep)
    description = _sensed(describe(task, substeps))
    wheels = _joints(model, task, WHEEL_SPEED)
    steering = _joints(model, task, STEERING_ANGLE)
    return RobotFile(
        description,
        task=known.task,
        imu_in_base=_imu_in_base(model, name),
        feet=tuple(s.removesuffix("_touch") for s in _sources(task, FOOT_FORCE)),
        wheel_joints=wheels,
        steering_joint=steering[0] if steering else "",
        passive_joints=_passive(model, (*wheels, *steering)) if wheels else (),
    )


def write_robot(name: str) -> None:
    """Writes file, URDF and parameters of another package's robot, for the nodes.

    Raises:
        UserError: there is no such robot, URDF cannot express it, or a file cannot be written.
    """
    folder = robot_file.written()
    make_folder(folder)
    write_files(name, folder, f"file://{folder}")
    write_file(folder / f"{name}.yaml", parameter_files.text(name))


def write_files(name: str, folder: Path, meshes: str) -> None:
    """Writes file and URDF of a robot; `meshes` is the URDF's name of the meshes' folder."""
    described, path = robot(name), folder / f"{name}.urdf"
    robot_file.save(described, folder / f"{name}.json")
    model, actuators = load(name)
    write(convert(model, actuators, root="", parts=Parts()), path, meshes)
    write_file(path, with_control(path.read_text(encoding="utf-8"), described, actuators))


def _sources(task: TaskConfig, signal: str) -> tuple[str, ...]:
    """Returns the model's sensors that make up a signal."""
    return next((s.sources for s in task.robot.sensors if s.signal.name == signal), ())


def _joints(model: mujoco.MjModel, task: TaskConfig, signal: str) -> tuple[str, ...]:
    """Returns the joints that the encoders of a signal measure."""
    encoders = [model.sensor(source) for source in _sources(task, signal)]
    return tuple(model.joint(encoder.objid[0]).name for encoder in encoders)


def _passive(model: mujoco.MjModel, known: Sequence[str]) -> tuple[str, ...]:
    """Returns the sliding joints without an actuator: a suspension, whose travel ROS may show."""
    slides = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE)
    names = (model.joint(joint).name for joint in slides)
    return tuple(name for name in names if name not in known)


def _imu_in_base(model: mujoco.MjModel, name: str) -> tuple[float, float, float]:
    """Returns the position of the IMU on the robot's first body, m."""
    try:
        site = model.site("imu")
    except KeyError:
        raise UserError(f"robot '{name}' has no site 'imu', which ROS must place") from None
    root = model.body_parentid[site.bodyid[0]] == 0
    if not (root and np.allclose(site.quat, (1, 0, 0, 0))):
        raise UserError(f"the site 'imu' of robot '{name}' must be on its first body, not turned")
    x, y, z = site.pos.tolist()
    return x, y, z


def _sensed(description: RobotDescription) -> RobotDescription:
    signals = tuple(s for s in description.signals if s.name not in _OWN_ESTIMATES)
    return dataclasses.replace(description, signals=signals)


def main() -> int:
    """Writes the files of the robots that the package ships."""
    package = Path(__file__).parents[1]
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else package / "robots"
    for name in robot_file.shipped():
        write_files(name, folder, _MESHES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
