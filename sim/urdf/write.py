"""Writes a compiled model to a URDF file, with its meshes beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco

from edge_runtime.errors import UserError
from edge_runtime.files import check_output, is_stream, write_file
from edge_runtime.policy.contract import Actuator
from sim.urdf.meshes import stl, triangles
from sim.urdf.model_robot import ModelRobot, find_model_robot
from sim.urdf.names import Names, find_names
from sim.urdf.tree import EVERYTHING, Parts, Tree, build_tree
from sim.urdf.unsupported import Unsupported, ball_joints, find_unsupported, unsupported_ball
from sim.urdf.urdf_text import urdf_text


@dataclass(frozen=True)
class Conversion:
    """Holds a model as URDF before it is written."""

    model: mujoco.MjModel
    robot: ModelRobot
    names: Names
    tree: Tree
    unsupported: tuple[Unsupported, ...]  # what differs, most severe first

    @property
    def meshes(self) -> tuple[str, ...]:
        """Returns the names of the meshes that the model needs."""
        shapes = [s for link in self.tree.links for s in (*link.collisions, *link.visuals)]
        return tuple(dict.fromkeys(shape.mesh for shape in shapes if shape.mesh))


def convert(
    model: mujoco.MjModel,
    actuators: Sequence[Actuator] = (),
    *,
    root: str = "",
    parts: Parts = EVERYTHING,
) -> Conversion:
    """Converts the robot of a model to links and joints.

    Args:
        model: compiled; what does not belong to the robot is left out.
        actuators: properties of the robot's actuators beside the model, such as top speeds.
        root: the robot's first body, if several move.
        parts: what is written beside the bodies.

    Raises:
        UserError: there is no robot, or one of its joints cannot be expressed in URDF.
    """
    robot = find_model_robot(model, root)
    balls = ball_joints(model, robot)
    if balls:
        gap = unsupported_ball(model, balls)
        raise UserError(f"{gap.what}: {gap.nearest}")
    names = find_names(model, robot)
    tree = build_tree(model, robot, names, {a.name: a for a in actuators}, parts)
    return Conversion(model, robot, names, tree, find_unsupported(model, robot, names, tree))


def write(conversion: Conversion, path: Path, mesh_folder: str = "") -> Path:
    """Writes the file, its meshes first, into the folder `<name>_meshes` beside it.

    A device or a pipe, which has nothing beside it, gets the file alone.

    Args:
        conversion: what to write.
        path: the file.
        mesh_folder: what the file calls the meshes' folder, such as `package://my_robot/urdf`; by
            default a path relative to the file.

    Raises:
        UserError: the file cannot be written.
    """
    folder = f"{path.stem}_meshes"
    check_output(path)
    for mesh in () if is_stream(path) else conversion.meshes:
        write_file(path.parent / folder / f"{mesh}.stl", stl(triangles(conversion.model, mesh)))
    prefix = f"{mesh_folder.rstrip('/')}/{folder}/" if mesh_folder else f"{folder}/"
    write_file(path, urdf_text(conversion.tree, prefix))
    return path


def write_urdf(
    model: mujoco.MjModel,
    path: Path,
    actuators: Sequence[Actuator] = (),
    *,
    root: str = "",
    parts: Parts = EVERYTHING,
) -> Path:
    """Converts and writes; see `convert` and `write`."""
    return write(convert(model, actuators, root=root, parts=parts), path)
