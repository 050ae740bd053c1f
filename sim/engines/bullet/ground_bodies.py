"""Loads the world's geoms as bodies that never move.

A plane is a body of its own. Other geoms of equal friction are one body, for a ground may consist
of thousands of boxes.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path

import mujoco
import pybullet

from edge_runtime.errors import UserError
from sim.urdf.pose import pose

Group = tuple[int, ...]
"""Geoms that are one body."""
_SHAPES = mujoco.mjtGeom


def group_geoms(model: mujoco.MjModel, geoms: Sequence[int]) -> list[Group]:
    """Groups geoms of the world into bodies.

    Raises:
        UserError: a geom has a shape that only one of the engines can have on the ground.
    """
    alike: dict[tuple[float, ...], list[int]] = {}
    for geom in geoms:
        kind = _SHAPES(model.geom_type[geom])
        if kind not in (_SHAPES.mjGEOM_PLANE, *_TAGS):
            name = model.geom(geom).name or geom
            raise UserError(
                f"geom '{name}': both engines can have a ground of planes, boxes, spheres, "
                "cylinders and capsules only"
            )
        own = float(geom) if kind == _SHAPES.mjGEOM_PLANE else -1.0
        key = (own, float(model.geom_priority[geom]), *model.geom_friction[geom].tolist())
        alike.setdefault(key, []).append(geom)
    return [tuple(group) for group in alike.values()]


def load_ground(model: mujoco.MjModel, group: Group, file: Path, options: dict[str, int]) -> int:
    """Loads a group as a body and returns its id; `file` holds its shapes, and is written if
    missing."""
    if _SHAPES(model.geom_type[group[0]]) != _SHAPES.mjGEOM_PLANE:
        if not file.exists():
            file.write_bytes(_text(model, group))
        return int(pybullet.loadURDF(str(file), useFixedBase=1, **options))
    shape = pybullet.createCollisionShape(pybullet.GEOM_PLANE, **options)
    w, x, y, z = model.geom_quat[group[0]].tolist()
    at = model.geom_pos[group[0]].tolist()
    return int(pybullet.createMultiBody(0, shape, -1, at, [x, y, z, w], **options))


_TAGS = {
    _SHAPES.mjGEOM_BOX: "box",
    _SHAPES.mjGEOM_SPHERE: "sphere",
    _SHAPES.mjGEOM_CYLINDER: "cylinder",
    _SHAPES.mjGEOM_CAPSULE: "capsule",
}


def _text(model: mujoco.MjModel, group: Group) -> bytes:
    """Returns the URDF of one link with all shapes."""
    robot = ET.Element("robot", name="ground")
    link = ET.SubElement(robot, "link", name="ground")
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "mass", value="0")
    ET.SubElement(inertial, "inertia", ixx="0", ixy="0", ixz="0", iyy="0", iyz="0", izz="0")
    for geom in group:
        collision = ET.SubElement(link, "collision")
        at = pose(model.geom_pos[geom], model.geom_quat[geom])
        ET.SubElement(collision, "origin", xyz=_numbers(at.position), rpy=_numbers(at.rpy))
        tag, (x, y, z) = _TAGS[_SHAPES(model.geom_type[geom])], model.geom_size[geom].tolist()
        sizes = {"radius": repr(x), "length": repr(2 * y)}
        if tag == "box":
            sizes = {"size": _numbers((2 * x, 2 * y, 2 * z))}
        elif tag == "sphere":
            del sizes["length"]
        ET.SubElement(ET.SubElement(collision, "geometry"), tag, sizes)
    ET.indent(robot)  # Bullet truncates lines at 8192 characters
    return ET.tostring(robot)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in values)
