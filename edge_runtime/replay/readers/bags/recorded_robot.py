"""Describes the robot that a bag is of."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge_runtime.config.config_file import read_config
from edge_runtime.errors import UserError
from edge_runtime.files import cache_folder
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.presets import differential_drive, skid_steer
from edge_runtime.robot.robot_file import RobotFile

_PRESETS = ("differential", "skid", "car")
TRACK = 0.4  # m between the two wheels that odometry stands for; its turn rate gives their speeds
_LEFT_AND_RIGHT = ((0.0, 0.5 * TRACK), (0.0, -0.5 * TRACK))
_ENDING = ".json"


@dataclass(frozen=True)
class RecordedRobot:
    """Describes a robot by its file, by how its wheels move it, or not at all."""

    preset: str = ""
    file: RobotFile | None = None

    @property
    def estimator(self) -> str:
        """Returns the estimator that uses most of the robot."""
        description = self.file.description if self.file else None
        if description is not None and description.legged is not None:
            return "legged"
        wheeled = self.preset or (description is not None and description.wheeled is not None)
        return "wheeled" if wheeled else "attitude"

    def config(self, estimator: str, odometry: bool) -> Any:
        """Returns the estimator's config for this robot; None for its defaults.

        Wheels of which nothing else is known may slip, as those of a skid-steered robot.

        Args:
            estimator: 'attitude', 'legged' or 'wheeled'.
            odometry: whether its wheels are known by odometry, as a left and a right one.
        """
        description = self.file.description if self.file else None
        if estimator == "legged" and description is not None and description.legged is not None:
            return description.legged.estimator
        if estimator != "wheeled":
            return None
        if description is not None and description.wheeled is not None:
            made = description.wheeled.estimator
            return replace(made, wheels=_LEFT_AND_RIGHT, wheelbase=0.0) if odometry else made
        if self.preset == "car":
            return replace(WheeledConfig(), wheels=_LEFT_AND_RIGHT, wheelbase=0.0)
        return differential_drive(TRACK) if self.preset == "differential" else skid_steer(TRACK)


def find_robot(name: str) -> RecordedRobot:
    """Returns the robot that is asked for; one that is not described for an empty name.

    Raises:
        UserError: there is no such robot file, or it does not fit.
    """
    if not name or name in _PRESETS:
        return RecordedRobot(name)
    path = _robot_file(name)
    if path is None:
        known = ", ".join((*_PRESETS, *sorted(p.stem for p in _shipped().glob(f"*{_ENDING}"))))
        raise UserError(f"no robot '{name}'; name {known}, or a robot file ({_ENDING})")
    return RecordedRobot(file=read_config(RobotFile, path, "robot file"))


def _robot_file(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.suffix == _ENDING:
        return path
    places = (_shipped(), cache_folder("robots"))  # where `sim2edge up` writes them
    found = (place / f"{name}{_ENDING}" for place in places)
    return next((path for path in found if path.is_file()), None)


def _shipped() -> Path:
    """Returns the folder of the ROS package's robot files; nothing of it is imported."""
    package = find_spec("sim2edge_ros")
    return Path((package.origin if package else None) or "/").parent / "robots"
