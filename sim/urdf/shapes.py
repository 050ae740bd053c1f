"""Converts geoms to collision and visual shapes of URDF."""

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from sim.urdf.meshes import SPHERE, mesh_name
from sim.urdf.pose import Pose, pose, shift

Capsules = Literal["split", "native"]
Sizes = tuple[tuple[str, tuple[float, ...]], ...]
_HIDDEN_GROUP = 3  # MuJoCo's viewers and ours draw groups 0 to 2 by default
_PLAIN = np.array([0.5, 0.5, 0.5, 1.0], np.float32)  # MJCF's default colour
_GEOM = mujoco.mjtGeom


@dataclass(frozen=True)
class Shape:
    """Describes one shape in its link's frame."""

    tag: str  # URDF's element: box, sphere, cylinder, capsule or mesh
    sizes: Sizes  # the element's attributes, m
    pose: Pose
    colour: tuple[float, ...]  # RGBA, 0 to 1
    material: str  # name in the model, "" if it has none
    mesh: str = ""  # name of a mesh, as in `sim.urdf.meshes`


def collides(model: mujoco.MjModel, geom: int) -> bool:
    """Returns whether anything can collide with the geom: by its bits, or as one of a contact
    pair."""
    if model.geom_contype[geom] or model.geom_conaffinity[geom]:
        return True
    return bool(np.any(model.pair_geom1 == geom) or np.any(model.pair_geom2 == geom))


def is_visible(model: mujoco.MjModel, geom: int) -> bool:
    """Returns whether the geom is drawn: shapes for collision alone are in higher groups."""
    return int(model.geom_group[geom]) < _HIDDEN_GROUP and _look(model, geom)[1][3] > 0.0


def shapes(
    model: mujoco.MjModel, geom: int, body_in_link: Pose, capsules: Capsules
) -> tuple[Shape, ...]:
    """Returns a geom as URDF shapes; none for a plane or height field, which URDF lacks.

    An ellipsoid is a scaled mesh of a sphere, which collides as its hull in both engines.

    Args:
        model: the model that has the geom.
        geom: number of the geom.
        body_in_link: the geom's body in the frame of its link.
        capsules: "split" makes each a cylinder and two spheres, which fill the same space, for ROS
            and the URDF standard have no capsule; "native" writes Bullet's `<capsule>`, one
            collision shape instead of three.
    """
    at = body_in_link @ pose(model.geom_pos[geom], model.geom_quat[geom])
    material, rgba = _look(model, geom)
    colour = tuple(round(float(c), 6) for c in rgba)
    return tuple(
        Shape(tag, sizes, at @ inner, colour, material, mesh)
        for tag, sizes, inner, mesh in _parts(model, geom, capsules)
    )


def _parts(
    model: mujoco.MjModel, geom: int, capsules: Capsules
) -> list[tuple[str, Sizes, Pose, str]]:
    """Returns tag, sizes, pose in the geom's frame and mesh of each shape of a geom."""
    kind, centre = int(model.geom_type[geom]), Pose()
    x, y, z = (float(s) for s in model.geom_size[geom])
    if kind == _GEOM.mjGEOM_BOX:
        return [("box", (("size", (2 * x, 2 * y, 2 * z)),), centre, "")]
    if kind == _GEOM.mjGEOM_SPHERE:
        return [("sphere", _round(x), centre, "")]
    if kind == _GEOM.mjGEOM_CYLINDER:
        return [("cylinder", _round(x, 2 * y), centre, "")]
    if kind == _GEOM.mjGEOM_CAPSULE and capsules == "native":
        return [("capsule", _round(x, 2 * y), centre, "")]
    if kind == _GEOM.mjGEOM_CAPSULE:
        ends = [shift(np.array([0.0, 0.0, end])) for end in (-y, y)]
        spheres = [("sphere", _round(x), end, "") for end in ends]
        return [("cylinder", _round(x, 2 * y), centre, ""), *spheres]
    if kind == _GEOM.mjGEOM_ELLIPSOID:
        return [("mesh", (("scale", (x, y, z)),), centre, SPHERE)]
    if kind in (_GEOM.mjGEOM_MESH, _GEOM.mjGEOM_SDF):
        return [("mesh", (), centre, mesh_name(model, int(model.geom_dataid[geom])))]
    return []


def _round(radius: float, length: float | None = None) -> Sizes:
    sizes = (("radius", (radius,)),)
    return sizes if length is None else (*sizes, ("length", (length,)))


def _look(model: mujoco.MjModel, geom: int) -> tuple[str, np.ndarray]:
    """Returns material and colour; a geom's own colour overrides its material's."""
    material, own = int(model.geom_matid[geom]), model.geom_rgba[geom]
    if material < 0:
        return "", own
    if np.array_equal(own, _PLAIN):
        return model.material(material).name, model.mat_rgba[material]
    return "", own
