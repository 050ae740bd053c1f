"""Shows a robot's moving model, as a robot_state_publisher does: URDF, /tf_static and /tf."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from edge_runtime.rotations import multiply, rotation_matrix
from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.tf_message import tf_message
from sim2edge_ros.messages.transforms import TransformsMessage

Float = npt.NDArray[np.float64]
_MOST_OFTEN = 20_000_000  # ns between two messages at least
_TURNS, _SLIDES = ("revolute", "continuous"), "prismatic"


class Joints:
    """Holds the joints of a URDF that are alike: all that move, or all that are fixed.

    Args:
        urdf: its text.
        moving: which of the two.
    """

    def __init__(self, urdf: str, *, moving: bool) -> None:
        found = [
            joint
            for joint in ElementTree.fromstring(urdf).findall("joint")
            if (joint.get("type") != "fixed") is moving
        ]
        self.names = [joint.get("name", "") for joint in found]
        self.links = [(_named(j, "parent", "link"), _named(j, "child", "link")) for j in found]
        self._places = np.array([_vector(j, "origin", "xyz") for j in found]).reshape(-1, 3)
        turned = np.array([_vector(j, "origin", "rpy") for j in found]).reshape(-1, 3)
        self._rotations = _from_euler(turned)
        self._matrices = rotation_matrix(self._rotations)
        axes = np.array([_vector(j, "axis", "xyz", "1 0 0") for j in found]).reshape(-1, 3)
        self._axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        self._turns = np.array([j.get("type") in _TURNS for j in found], bool)
        self._slides = np.array([j.get("type") == _SLIDES for j in found], bool)

    def poses(self, positions: Float) -> Float:
        """Returns the pose of each child link in its parent, (n, 7): m, and a quaternion xyzw.

        Args:
            positions: the positions of the joints, rad or m, (n,).
        """
        half = 0.5 * np.where(self._turns, positions, 0.0)[:, None]
        turns = np.concatenate([np.cos(half), np.sin(half) * self._axes], axis=1)
        moved = np.where(self._slides, positions, 0.0)[:, None] * self._axes
        rotations = multiply(self._rotations, turns)
        places = self._places + np.einsum("nij,nj->ni", self._matrices, moved)
        return np.concatenate([places, rotations[:, [1, 2, 3, 0]]], axis=1)


class ModelPublisher:
    """Publishes the model when it is made, and its moving frames with each `joint_states`.

    Args:
        node: the node that owns publishers and subscription, served by an executor.
        urdf: the model.
        prefix: what stands before the names of its links, as 'h1/'.
    """

    def __init__(self, node: Node, urdf: str, prefix: str) -> None:
        self._moving, fixed = Joints(urdf, moving=True), Joints(urdf, moving=False)
        self._places = {name: place for place, name in enumerate(self._moving.names)}
        self._positions = np.zeros(len(self._places))
        self._stamp = 0  # ns, of the last message
        kind, make = tf_message(), node.create_publisher
        self._model = make(String, topics.MODEL, topics.LATCHED)
        self._model.publish(String(data=urdf))
        if kind is None:
            return
        self._tf = make(kind, topics.TF, topics.STATE)
        self._static = make(kind, topics.TF_STATIC, topics.LATCHED)
        self._message = _message(self._moving, prefix)
        still = _message(fixed, prefix).pack(0, fixed.poses(np.zeros(len(fixed.names))))
        self._static.publish(still)
        node.create_subscription(JointState, topics.JOINTS, self._take, topics.SENSOR, raw=True)

    def _take(self, data: Any) -> None:
        data = cdr.plain(data, JointState)
        seconds, nanoseconds = cdr.stamp(data)
        stamp = seconds * 1_000_000_000 + nanoseconds
        if 0 <= stamp - self._stamp < _MOST_OFTEN:
            return
        names, at = cdr.strings(data, cdr.offset_after_header(data, 4))
        values, _ = cdr.doubles(data, at)
        for name, value in zip(names, values):
            if name in self._places:
                self._positions[self._places[name]] = value
        self._stamp = stamp
        self._tf.publish(self._message.pack(stamp, self._moving.poses(self._positions)))


def _message(joints: Joints, prefix: str) -> TransformsMessage:
    return TransformsMessage([(prefix + parent, prefix + child) for parent, child in joints.links])


def _named(joint: ElementTree.Element, tag: str, attribute: str, default: str = "") -> str:
    part = joint.find(tag)
    return default if part is None else part.get(attribute, default)


def _vector(
    joint: ElementTree.Element, tag: str, attribute: str, default: str = "0 0 0"
) -> list[float]:
    return [float(number) for number in _named(joint, tag, attribute, default).split()]


def _from_euler(angles: Float) -> Float:
    """Returns quaternions wxyz of URDF's fixed-axis roll, pitch and yaw, (n, 3)."""
    result = np.tile([1.0, 0.0, 0.0, 0.0], (len(angles), 1))
    for axis in (2, 1, 0):
        turn = np.zeros_like(result)
        turn[:, 0], turn[:, 1 + axis] = np.cos(angles[:, axis] / 2), np.sin(angles[:, axis] / 2)
        result = multiply(result, turn)
    return result
