"""Writes a robot's URDF for one world: with that world's masses, without visual shapes.

Bullet has no armature (a rotor's inertia behind its gear, which resists only the joint's own
rotation). The nearest is inertia of the moving link about the joint's axis. It is exact for the
joint itself; unlike in MuJoCo, joints further up the chain feel it too: for the humanoid's hips,
less than a tenth of a leg's inertia.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Float
from sim.urdf.model_robot import ModelRobot, find_model_robot
from sim.urdf.names import find_names
from sim.urdf.pose import Pose, pose

_ENTRIES = ("xx", "xy", "xz", "yy", "yz", "zz")


class WorldUrdf:
    """Writes the URDF of each world.

    Args:
        model: the robot's model.
        urdf: URDF of the same robot, as `sim.urdf` writes it.

    Raises:
        UserError: the robot has an element that Bullet's robots cannot have.
    """

    def __init__(self, model: mujoco.MjModel, urdf: str) -> None:
        self._model = model
        robot = find_model_robot(model)
        _check_single_robot(model, robot)
        names = find_names(model, robot)
        self.root = robot.root
        self.link_of = names.link  # by body
        self.joint_of = names.joint  # by joint
        self._tree = ET.fromstring(urdf)
        _drop_unused(self._tree)
        links = {link.attrib["name"]: link for link in self._tree.iter("link")}
        self._origin = {b: _origin(links[name]) for b, name in names.link.items()}
        self._between = names.between  # by joint
        every = (*names.link.values(), *names.between.values())
        self._inertial = {name: _inertial(links[name]) for name in every}
        last = {int(model.jnt_bodyid[j]): j for j in sorted(robot.joints)}
        self._last_joint = {body: last.get(body) for body in names.link}

    def load(self, fields: Mapping[str, Float]) -> tuple[bytes, dict[str, Float]]:
        """Returns the file's content for one world, and moments of inertia by link.

        The moments are about the axes in the file. They are not in the file, for Bullet refuses
        there what no rigid body has: a rotor's inertia about one axis alone.

        Args:
            fields: values of the model's `AT_RESET` fields in that world.
        """
        model = self._model
        rotors = {joint: self._rotor(joint, fields["dof_armature"]) for joint in self.joint_of}
        moments = {}
        for joint, name in self._between.items():
            moments[name] = self._write(name, 0.0, np.zeros(3), np.zeros((3, 3)), rotors[joint])
        for body, name in self.link_of.items():
            at = self._origin[body] + fields["body_ipos"][body] - model.body_ipos[body]
            frame = pose(np.zeros(3), model.body_iquat[body]).rotation
            own = frame @ np.diag(fields["body_inertia"][body]) @ frame.T
            last = self._last_joint[body]
            rotor = np.zeros((3, 3)) if last is None else rotors[last]
            moments[name] = self._write(name, float(fields["body_mass"][body]), at, own, rotor)
        return ET.tostring(self._tree), moments

    def _rotor(self, joint: int, armature: Float) -> Float:
        """Returns a rotor's inertia in the frame of the link that the joint moves, (3, 3)."""
        model, inertia = self._model, float(armature[self._model.jnt_dofadr[joint]])
        kind = mujoco.mjtJoint(model.jnt_type[joint])
        if inertia and kind != mujoco.mjtJoint.mjJNT_HINGE:
            raise UserError(
                f"joint '{model.joint(joint).name}' slides and has an armature, which Bullet "
                "cannot have; give the body that mass"
            )
        return inertia * np.outer(model.jnt_axis[joint], model.jnt_axis[joint])

    def _write(self, link: str, mass: float, at: Float, own: Float, rotor: Float) -> Float:
        """Writes a link's mass and axes, and returns its moments about them, (3,)."""
        moments, axes = _principal(own + rotor)
        element = self._inertial[link]
        element.clear()
        rpy = Pose(np.zeros(3), axes).rpy
        ET.SubElement(element, "origin", xyz=_text(at), rpy=_text(rpy))
        ET.SubElement(element, "mass", value=repr(mass))
        sphere = repr(float(moments.mean()))
        entries = {f"i{axes}": sphere if axes[0] == axes[1] else "0" for axes in _ENTRIES}
        ET.SubElement(element, "inertia", entries)
        return moments


def _check_single_robot(model: mujoco.MjModel, robot: ModelRobot) -> None:
    """Checks that the model's coordinates are the robot's alone: a free joint's and those of its
    joints."""
    if not robot.floats:
        raise UserError("the robot must float: give its root body a free joint")
    others = set(range(model.njnt)) - set(robot.joints) - {int(model.body_jntadr[robot.root])}
    if others or int(model.body_jntadr[robot.root]) != 0:
        number = min(others, default=0)
        name = model.joint(number).name or number
        raise UserError(f"joint '{name}' is not the robot's; Bullet simulates a robot alone")


def _drop_unused(robot: ET.Element) -> None:
    """Drops visual shapes, empty links, and joint damping, which `JointForces` computes."""
    for joint in robot.findall("joint"):
        for dynamics in joint.findall("dynamics"):
            joint.remove(dynamics)
    for link in robot.findall("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
    bare = {
        link.attrib["name"]: link
        for link in robot.findall("link")
        if link.find("inertial") is None and link.find("collision") is None
    }
    for joint in robot.findall("joint"):
        child = joint.find("child")
        if child is not None and joint.attrib["type"] == "fixed" and child.attrib["link"] in bare:
            robot.remove(joint)
            robot.remove(bare[child.attrib["link"]])


def _inertial(link: ET.Element) -> ET.Element:
    found = link.find("inertial")
    return ET.SubElement(link, "inertial") if found is None else found


def _origin(link: ET.Element) -> Float:
    origin = link.find("inertial/origin")
    text = "0 0 0" if origin is None else origin.get("xyz", "0 0 0")
    return np.array([float(x) for x in text.split()])


def _principal(inertia: Float) -> tuple[Float, Float]:
    """Returns moments (3,) and the rotation to the axes they are about, (3, 3)."""
    if not np.any(inertia - np.diag(np.diag(inertia))):
        return np.diag(inertia).copy(), np.eye(3)
    moments, axes = np.linalg.eigh(inertia)
    return moments, axes * np.sign(np.linalg.det(axes))


def _text(vector: Float) -> str:
    return " ".join(repr(float(x)) for x in vector)
