"""Runs `sim2edge urdf`: writes a robot's URDF, for ROS and other engines, from its MJCF."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Actuator
from sim.robots import ROBOTS, find_robot
from sim.urdf.compare import TOLERANCE, Difference, compare_models
from sim.urdf.shapes import Capsules
from sim.urdf.tree import Parts
from sim.urdf.write import Conversion, convert, write

_HEAD = 2**20  # bytes of a file, among which its first tag is
DIFFERS = 1  # exit code of a check that fails


@dataclass(frozen=True)
class UrdfConfig:
    """Write a robot's URDF from its MJCF, and list what URDF cannot express."""

    robot: str
    """The robot: humanoid, vehicle, one that another package brings, or an MJCF file."""
    output: Path = Path("robot.urdf")
    """The URDF file; meshes go into a folder beside it."""
    check: bool = False
    """Load the file in PyBullet and compare it with MuJoCo's model; exit with 1 if they differ."""
    root: str = ""
    """The robot's first body, if several move."""
    mesh_folder: str = ""
    """What the file calls its own folder, such as package://my_robot/urdf; by default meshes are
    found relative to the file."""
    frames: bool = True
    """Write a link for each site: IMU, soles, antennas."""
    visuals: bool = True
    """Write visual shapes beside the collision shapes."""
    capsules: Capsules = "split"
    """Write capsules as a cylinder and two spheres, which every reader supports, or as Bullet's
    own."""


def main(config: UrdfConfig) -> int:
    """Runs the command.

    Raises:
        UserError: there is no such robot, URDF cannot express it, or the file cannot be written.
    """
    model, actuators = load(config.robot)
    parts = Parts(config.frames, config.visuals, config.capsules)
    conversion = convert(model, actuators, root=config.root, parts=parts)
    write(conversion, config.output, config.mesh_folder)
    print("\n".join(_summary(conversion, config.output)))
    if not config.check:
        return 0
    differences = compare_models(model, config.output, root=config.root, frames=config.frames)
    print("\n".join(_table(differences)))
    return 0 if all(difference.ok for difference in differences) else DIFFERS


def load(robot: str) -> tuple[mujoco.MjModel, Sequence[Actuator]]:
    """Loads the model with all its visual shapes, and the properties of its actuators.

    Args:
        robot: name of a robot, or an MJCF file.

    Raises:
        UserError: there is none, or MuJoCo cannot compile it.
    """
    actuators: Sequence[Actuator] = ()
    path = Path(robot)
    if robot in ROBOTS:
        known = find_robot(robot)
        path, actuators = known.model, known.actuators
    elif not path.is_file():
        raise UserError(f"{ROBOTS.unknown(robot)}, or give an MJCF file")
    _check_root(path)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        spec.compiler.discardvisual = False
        return spec.compile(), actuators
    except ValueError as error:
        raise UserError(f"MuJoCo cannot read {path}: {error}") from None


def _check_root(path: Path) -> None:
    """Refuses XML of another kind, some of which MuJoCo reads into another model than is meant."""
    with path.open("rb") as file:
        root = re.search(rb"<([A-Za-z]\w*)", re.sub(rb"(?s)<!--.*?-->", b"", file.read(_HEAD)))
    name = root[1].decode() if root else ""
    if name and name != "mujoco":
        what = {"robot": "a URDF already", "sdf": "SDF"}.get(name, f"XML of <{name}>")
        raise UserError(f"{path} is {what}; give the robot's MJCF, whose first tag is <mujoco>")


def _summary(conversion: Conversion, path: Path) -> list[str]:
    tree = conversion.tree
    moving = sum(joint.limits is not None for joint in tree.joints)
    mass = sum(link.inertial.mass for link in tree.links)
    head = f"{path}: {tree.name}, {len(tree.links)} links, {moving} joints that move, {mass:.6g} kg"
    meshes = len(conversion.meshes)
    if meshes:
        head += f", {meshes} mesh{'es' if meshes > 1 else ''}"
    return [head, *map(str, conversion.unsupported)]


def _table(differences: Sequence[Difference]) -> list[str]:
    """Returns the largest difference of each kind."""
    largest: dict[str, Difference] = {}
    for difference in differences:  # the largest come first
        largest.setdefault(difference.quantity, difference)
    lines = ["", f"MuJoCo and PyBullet differ at most by (allowed: {TOLERANCE:g})"]
    for quantity, worst in largest.items():
        mark = "ok" if worst.ok else "TOO MUCH"
        lines.append(f"  {quantity:<22} {worst.value:8.1e} {worst.unit:<9} {worst.of:<28} {mark}")
    return lines
