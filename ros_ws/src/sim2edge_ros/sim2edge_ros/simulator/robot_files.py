"""Writes the robot files and URDFs that the package ships, from the simulator's models.

python -m sim2edge_ros.simulator.robot_files [FOLDER]
"""

import dataclasses
import sys
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY
from sim.commands.urdf import load
from sim.robots.humanoid import FEET
from sim.robots.vehicle import WHEELS
from sim.tasks import find_task
from sim.tasks.description import describe
from sim.urdf.tree import Parts
from sim.urdf.write import convert, write
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.robot_file import TASKS, RobotFile

_MESHES = "package://sim2edge_ros/robots"
_OWN_ESTIMATES = (ATTITUDE, BASE_VELOCITY)  # signals that no sensor measures


def robot(name: str) -> RobotFile:
    """Returns the robot file of one of the simulator's robots.

    Args:
        name: "humanoid" or "vehicle".
    """
    task = find_task(TASKS[name])
    model = task.model()
    substeps = round(task.control_period / model.opt.timestep)
    description = _sensed(describe(task, substeps))
    site = model.site("imu")
    assert np.allclose(site.quat, (1, 0, 0, 0))
    assert _is_root(model, site.bodyid[0])
    wheels = () if task.wheeled is None else tuple(f"{wheel}_wheel" for wheel in WHEELS)
    return RobotFile(
        description,
        imu_in_base=tuple(site.pos.tolist()),
        feet=FEET if task.legged is not None else (),
        wheel_joints=wheels,
        steering_joint="steering" if wheels else "",
        passive_joints=tuple(f"{wheel}_suspension" for wheel in WHEELS) if wheels else (),
    )


def _sensed(description: RobotDescription) -> RobotDescription:
    signals = tuple(s for s in description.signals if s.name not in _OWN_ESTIMATES)
    return dataclasses.replace(description, signals=signals)


def _is_root(model: mujoco.MjModel, body: int) -> bool:
    return bool(model.body_parentid[body] == 0)


def main() -> int:
    """Writes the files of all robots."""
    package = Path(__file__).parents[1]
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else package / "robots"
    for name in TASKS:
        robot_file.save(robot(name), folder / f"{name}.json")
        model, actuators = load(name)
        write(convert(model, actuators, root="", parts=Parts()), folder / f"{name}.urdf", _MESHES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
