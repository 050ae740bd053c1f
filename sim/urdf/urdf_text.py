"""Writes a tree of links and joints as URDF text."""

from xml.etree import ElementTree

import numpy as np

from edge_runtime.signals import Float
from sim.urdf.pose import Pose
from sim.urdf.shapes import Shape
from sim.urdf.tree import Inertial, Joint, Link, Tree

_ROUNDING = 1e-15  # m or rad: smaller numbers come from rounding, and are written as 0
_PRODUCTS = ("ixy", "ixz", "iyz")
_MOMENTS = ("ixx", "iyy", "izz")


def urdf_text(tree: Tree, mesh_folder: str) -> str:
    """Returns the document, with every number in full precision.

    Args:
        tree: the robot.
        mesh_folder: folder of the mesh files, as a path or URI that ends in a slash.
    """
    robot = ElementTree.Element("robot", name=tree.name)
    materials = _materials(tree)
    for colour, name in materials.items():
        material = ElementTree.SubElement(robot, "material", name=name)
        ElementTree.SubElement(material, "color", rgba=_numbers(colour))
    for link in tree.links:
        robot.append(_link(link, materials, mesh_folder))
    for joint in tree.joints:
        robot.append(_joint(joint))
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, "unicode") + "\n"


def _materials(tree: Tree) -> dict[tuple[float, ...], str]:
    """Names each visible colour: by its material, as long as that name is free."""
    given: dict[tuple[float, ...], str] = {}
    for shape in (shape for link in tree.links for shape in link.visuals):
        if shape.colour not in given:
            name = shape.material or "colour"
            taken = given.values()
            number = len(given) + 1
            given[shape.colour] = (
                f"{name}_{number}" if name in taken or not shape.material else name
            )
    return given


def _link(
    link: Link, materials: dict[tuple[float, ...], str], mesh_folder: str
) -> ElementTree.Element:
    element = ElementTree.Element("link", name=link.name)
    element.append(_inertial(link.inertial))
    for shape in link.visuals:
        visual = ElementTree.SubElement(element, "visual")
        visual.extend(_placed(shape, mesh_folder))
        ElementTree.SubElement(visual, "material", name=materials[shape.colour])
    for shape in link.collisions:
        ElementTree.SubElement(element, "collision").extend(_placed(shape, mesh_folder))
    return element


def _inertial(inertial: Inertial) -> ElementTree.Element:
    """Writes an inertial element, for a massless frame too: Bullet assumes 1 kg without it."""
    element = ElementTree.Element("inertial")
    element.append(_origin(inertial.pose))
    ElementTree.SubElement(element, "mass", value=_number(inertial.mass))
    moments = dict(zip(_MOMENTS, map(_number, inertial.moments)))
    ElementTree.SubElement(element, "inertia", {**moments, **dict.fromkeys(_PRODUCTS, "0")})
    return element


def _placed(shape: Shape, mesh_folder: str) -> list[ElementTree.Element]:
    geometry = ElementTree.Element("geometry")
    sizes = {name: _numbers(values) for name, values in shape.sizes}
    if shape.mesh:
        sizes = {"filename": f"{mesh_folder}{shape.mesh}.stl", **sizes}
    ElementTree.SubElement(geometry, shape.tag, sizes)
    return [_origin(shape.pose), geometry]


def _joint(joint: Joint) -> ElementTree.Element:
    element = ElementTree.Element("joint", name=joint.name, type=_type(joint))
    element.append(_origin(joint.pose))
    ElementTree.SubElement(element, "parent", link=joint.parent)
    ElementTree.SubElement(element, "child", link=joint.child)
    limits = joint.limits
    if joint.axis is None or limits is None:
        return element
    ElementTree.SubElement(element, "axis", xyz=_numbers(joint.axis))
    bounds = {"effort": _number(limits.effort), "velocity": _number(limits.velocity)}
    if limits.lower is not None and limits.upper is not None:
        bounds = {"lower": _number(limits.lower), "upper": _number(limits.upper), **bounds}
    ElementTree.SubElement(element, "limit", bounds)
    dynamics = {"damping": _number(joint.damping), "friction": _number(joint.friction)}
    ElementTree.SubElement(element, "dynamics", dynamics)
    if joint.mimic is not None:
        follows = {"joint": joint.leader, "multiplier": _number(joint.mimic.multiplier)}
        ElementTree.SubElement(element, "mimic", {**follows, "offset": _number(joint.mimic.offset)})
    return element


def _type(joint: Joint) -> str:
    if joint.limits is None:
        return "fixed"
    if joint.slides:
        return "prismatic"
    return "continuous" if joint.limits.lower is None else "revolute"


def _origin(pose: Pose) -> ElementTree.Element:
    place = {"xyz": _numbers(pose.position), "rpy": _numbers(pose.rpy)}
    return ElementTree.Element("origin", place)


def _numbers(values: Float | tuple[float, ...]) -> str:
    return " ".join(_number(float(value)) for value in values)


def _number(value: float) -> str:
    """Returns the shortest text that reads back as the same number."""
    return "0" if abs(value) < _ROUNDING else np.format_float_positional(value, trim="-")
