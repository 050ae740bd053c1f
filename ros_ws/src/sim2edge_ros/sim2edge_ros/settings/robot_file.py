"""Finds, reads and writes robot files: what the nodes need to know of a robot beside its topics."""

import json
from importlib.resources import files
from pathlib import Path

from edge_runtime.config.config_file import read_config, to_json
from edge_runtime.errors import UserError
from edge_runtime.files import cache_folder, write_file
from edge_runtime.policy.shipped import shipped_policies
from edge_runtime.robot.robot_file import RobotFile

_HERE = "robots"
_ENDING = ".json"


def shipped() -> tuple[str, ...]:
    """Returns the names of the robots that come with the package."""
    here = Path(str(files("sim2edge_ros") / _HERE))
    return tuple(sorted(path.stem for path in here.glob("*.json")))


def written() -> Path:
    """Returns the folder of the files that `sim2edge up` and `sim_node` write for other packages'
    robots."""
    return cache_folder(_HERE)


def find(robot: str) -> Path:
    """Returns the path of a robot's file, which may not exist.

    Args:
        robot: name of a robot of this or another package, or a path.
    """
    if robot in shipped():
        return Path(str(files("sim2edge_ros") / _HERE / f"{robot}{_ENDING}"))
    path = Path(robot).expanduser()
    return path if path.suffix == _ENDING else written() / f"{robot}{_ENDING}"


def model(robot: str) -> Path:
    """Returns the URDF of a robot, which lies beside its file."""
    return find(robot).with_suffix(".urdf")


def default_policy(robot: str) -> Path:
    """Returns the policy that comes with the product for a robot.

    Raises:
        UserError: there is none for this robot.
    """
    path = shipped_policies().get(load(robot).task)
    if path is None:
        raise UserError(
            f"parameter 'policy' is empty and none comes for robot '{robot}'; "
            "name a policy file (.onnx)"
        )
    return path


def load(robot: str) -> RobotFile:
    """Reads the file of a robot.

    Args:
        robot: name or path, as for `find`.

    Raises:
        UserError: there is no such file, or it does not fit.
    """
    path = find(robot)
    if not path.is_file():
        raise UserError(
            f"no robot '{robot}'; name {', '.join(shipped())}, a robot that 'sim2edge up' has "
            "simulated before, or a robot file"
        )
    return read_config(RobotFile, path, "robot file")


def save(robot: RobotFile, path: Path) -> None:
    """Writes a robot's file."""
    write_file(path, json.dumps(to_json(robot), indent=1) + "\n")
