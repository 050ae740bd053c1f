"""What the nodes must know of a robot beside its topics: a JSON file."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edge_runtime.config.document import from_json, to_json
from edge_runtime.errors import UserError
from edge_runtime.files import cache_folder, write_file
from edge_runtime.robot.robot import RobotDescription

_HERE = "robots"
_ENDING = ".json"


@dataclass(frozen=True)
class RobotFile:
    """A robot as ROS sees it.

    Joint names are those of its URDF and of `joint_states`.
    """

    description: RobotDescription
    task: str = ""  # in which it is simulated, and whose policy it gets where none is named
    imu_frame: str = "imu"
    imu_in_base: tuple[float, float, float] = (0.0, 0.0, 0.0)  # m, from base_link; not turned
    feet: tuple[str, ...] = ()  # a `<foot>/wrench` each, in the order of `foot_force`
    wheel_joints: tuple[str, ...] = ()  # in the order of `wheel_speed`
    steering_joint: str = ""  # whose position is `steering_angle`
    passive_joints: tuple[str, ...] = ()  # in `joint_states`, but nothing of the policy's


def shipped() -> tuple[str, ...]:
    """The robots that come with the package."""
    here = Path(str(files("sim2edge_ros") / _HERE))
    return tuple(sorted(path.stem for path in here.glob("*.json")))


def written() -> Path:
    """The folder of what `sim2edge up` and `sim_node` write about robots of other packages."""
    return cache_folder(_HERE)


def find(robot: str) -> Path:
    """The file of a robot, which may not be there.

    Args:
        robot: the name of one that comes with the package or with another one, or a path.
    """
    if robot in shipped():
        return Path(str(files("sim2edge_ros") / _HERE / f"{robot}{_ENDING}"))
    path = Path(robot).expanduser()
    return path if path.suffix == _ENDING else written() / f"{robot}{_ENDING}"


def model(robot: str) -> Path:
    """The URDF of a robot, beside its file."""
    return find(robot).with_suffix(".urdf")


def default_policy(robot: str) -> Path:
    """The policy that comes with the product for a robot.

    Raises:
        UserError: there is none.
    """
    path = Path(str(files("assets") / "policies" / f"{load(robot).task}.onnx"))
    if not path.is_file():
        raise UserError(
            f"parameter 'policy' is empty and none comes for robot '{robot}'; "
            "name a policy file (.onnx)"
        )
    return path


def load(robot: str) -> RobotFile:
    """The file of a robot.

    Args:
        robot: as of `find`.

    Raises:
        UserError: there is none, or it does not fit.
    """
    path = find(robot)
    try:
        return from_json(RobotFile, json.loads(path.read_text()), str(path))
    except OSError as error:
        raise UserError(
            f"robot '{robot}': {path}: {error.strerror}; name {', '.join(shipped())}, a robot that "
            "'sim2edge up' has simulated before, or a robot file"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None


def save(robot: RobotFile, path: Path) -> None:
    """Write a robot's file."""
    write_file(path, json.dumps(to_json(robot), indent=1) + "\n")
