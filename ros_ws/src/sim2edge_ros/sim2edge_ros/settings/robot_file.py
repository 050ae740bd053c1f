"""What the nodes must know of a robot beside its topics: a JSON file."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edge_runtime.config.document import from_json, to_json
from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.robot.robot import RobotDescription

_HERE = "robots"
TASKS = {"humanoid": "HumanoidVelocity", "vehicle": "VehicleTrack"}


@dataclass(frozen=True)
class RobotFile:
    """A robot as ROS sees it.

    Joint names are those of its URDF and of `joint_states`.
    """

    description: RobotDescription
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


def model(robot: str) -> Path:
    """The URDF of a robot that comes with the package."""
    return Path(str(files("sim2edge_ros") / _HERE / f"{robot}.urdf"))


def default_policy(robot: str) -> Path:
    """The policy that comes with the product for one of the robots that come with the package.

    Raises:
        UserError: for another robot there is none.
    """
    if robot not in TASKS:
        raise UserError(
            f"parameter 'policy' is empty and none comes for robot '{robot}'; "
            "name a policy file (.onnx)"
        )
    return Path(str(files("assets") / "policies" / f"{TASKS[robot]}.onnx"))


def load(robot: str) -> RobotFile:
    """The file of a robot.

    Args:
        robot: the name of one that comes with the package, or a path.

    Raises:
        UserError: there is none, or it does not fit.
    """
    names = shipped()
    path = Path(str(files("sim2edge_ros") / _HERE / f"{robot}.json"))
    if robot not in names:
        path = Path(robot)
    try:
        return from_json(RobotFile, json.loads(path.read_text()), str(path))
    except OSError as error:
        raise UserError(
            f"robot '{robot}': {error.strerror}; name {', '.join(names)} or a robot file"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None


def save(robot: RobotFile, path: Path) -> None:
    """Write a robot's file."""
    write_file(path, json.dumps(to_json(robot), indent=1) + "\n")
