"""Describes the robot as URDF does: links, and joints between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Float
from sim.urdf.limits import Limits, joint_limits
from sim.urdf.mimic import Mimic, mimics
from sim.urdf.model_robot import ModelRobot
from sim.urdf.names import Names
from sim.urdf.pose import Pose, pose, shift, turn
from sim.urdf.shapes import Capsules, Shape, collides, is_visible, shapes


@dataclass(frozen=True)
class Inertial:
    """Holds mass, kg, and the principal moments of inertia, kg m², about the centre of mass."""

    mass: float = 0.0
    pose: Pose = Pose()  # of the principal axes at the centre of mass
    moments: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Link:
    """Describes a rigid body, or a frame without mass."""

    name: str
    inertial: Inertial = Inertial()
    collisions: tuple[Shape, ...] = ()
    visuals: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Joint:
    """Describes how a link is joined to another; without limits it is fixed."""

    name: str
    parent: str
    child: str
    pose: Pose  # of the child in its parent, at position 0
    axis: Float | None = None  # unit vector (3,) in the child
    slides: bool = False
    limits: Limits | None = None
    damping: float = 0.0  # Nm s/rad or N s/m
    friction: float = 0.0  # Nm or N
    mimic: Mimic | None = None
    leader: str = ""  # the joint that it follows, if any


@dataclass(frozen=True)
class Tree:
    """Describes the whole robot: the root's link comes first, each joint after its parent's."""

    name: str
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]


@dataclass(frozen=True)
class Parts:
    """Collects what is written beside the bodies."""

    frames: bool = True  # a link for each named site
    visuals: bool = True
    capsules: Capsules = "split"


EVERYTHING = Parts()


def link_frame(model: mujoco.MjModel, robot: ModelRobot, body: int) -> Pose:
    """Returns a body's link in the body's own frame: displaced to the anchor of its last hinge.

    In URDF a joint's axis passes through the origin of the link that it moves.
    """
    anchors = [
        model.jnt_pos[joint]
        for joint in _joints_of(model, robot, body)
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
    ]
    return shift(anchors[-1] if anchors else np.zeros(3))


def build_tree(
    model: mujoco.MjModel,
    robot: ModelRobot,
    names: Names,
    actuators: Mapping[str, Actuator],
    parts: Parts,
) -> Tree:
    """Builds the links and joints of a robot.

    Args:
        model: the model that has the robot.
        robot: its bodies, joints and sites.
        names: their names.
        actuators: properties of the robot's actuators beside the model, by name.
        parts: what is written beside the bodies.
    """
    builder = _Builder(model, robot, names, actuators, parts)
    for body in robot.bodies:
        builder.add_body(body)
    if parts.frames:
        builder.add_frames()
    return Tree(_robot_name(model), tuple(builder.links), tuple(builder.joints))


class _Builder:
    def __init__(
        self,
        model: mujoco.MjModel,
        robot: ModelRobot,
        names: Names,
        actuators: Mapping[str, Actuator],
        parts: Parts,
    ) -> None:
        self._model, self._robot, self._names = model, robot, names
        self._actuators, self._parts = actuators, parts
        self._mimics = mimics(model, robot)
        self.links: list[Link] = []
        self.joints: list[Joint] = []

    def add_body(self, body: int) -> None:
        """Adds the body's link, the joints to its parent, and massless links between several
        joints."""
        model, robot, link = self._model, self._robot, self._names.link
        if body == robot.root:
            self.links.append(self._link(body))
            return
        parent = int(model.body_parentid[body])
        frame = link_frame(model, robot, parent)
        step = shift(-frame.position) @ pose(model.body_pos[body], model.body_quat[body])
        joints = _joints_of(model, robot, body)
        if not joints:
            self._fix(link[parent], link[body], step)
        above, anchor = link[parent], np.zeros(3)
        for joint in joints:
            below = link[body] if joint == joints[-1] else self._names.between[joint]
            anchor, step = self._add_joint(joint, above, below, anchor, step)
            if joint != joints[-1]:
                self.links.append(Link(below))
            above = below
        self.links.append(self._link(body))

    def _add_joint(
        self, joint: int, above: str, below: str, anchor: Float, step: Pose
    ) -> tuple[Float, Pose]:
        """Adds a joint; returns the anchor of its child's frame in the body, and the identity to go
        on with.

        A hinge turns about its anchor, a slide has none. If the model's reference pose differs from
        joint position 0, the frame is rotated or moved back to it.
        """
        model, axis = self._model, np.array(self._model.jnt_axis[joint])
        zero = float(model.qpos0[model.jnt_qposadr[joint]])
        slides = bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE)
        if slides:
            back, at = shift(-zero * axis), anchor
        else:
            back, at = turn(axis, -zero), np.array(model.jnt_pos[joint])
        dof, mimic = int(model.jnt_dofadr[joint]), self._mimics.get(joint)
        self.joints.append(
            Joint(
                name=self._names.joint[joint],
                parent=above,
                child=below,
                pose=step @ shift(at - anchor) @ back,
                axis=axis,
                slides=slides,
                limits=joint_limits(model, joint, self._actuators),
                damping=float(model.dof_damping[dof]),
                friction=float(model.dof_frictionloss[dof]),
                mimic=mimic,
                leader=self._names.joint[mimic.leader] if mimic else "",
            )
        )
        return at, Pose()

    def _link(self, body: int) -> Link:
        model, parts = self._model, self._parts
        frame = link_frame(model, self._robot, body)
        inverse = shift(-frame.position)
        geoms = [g for g in self._robot.geoms if model.geom_bodyid[g] == body]
        hard = [s for g in geoms if collides(model, g) for s in self._shapes(g, inverse)]
        seen = [s for g in geoms if is_visible(model, g) for s in self._shapes(g, inverse, True)]
        at = inverse @ pose(model.body_ipos[body], model.body_iquat[body])
        x, y, z = (float(moment) for moment in model.body_inertia[body])
        return Link(
            name=self._names.link[body],
            inertial=Inertial(float(model.body_mass[body]), at, (x, y, z)),
            collisions=tuple(hard),
            visuals=tuple(seen) if parts.visuals else (),
        )

    def _shapes(self, geom: int, body_in_link: Pose, seen: bool = False) -> tuple[Shape, ...]:
        capsules = "split" if seen else self._parts.capsules
        return shapes(self._model, geom, body_in_link, capsules)

    def add_frames(self) -> None:
        """Adds a massless link for the root's own name and for each site."""
        model, robot, names = self._model, self._robot, self._names
        if names.root_frame:
            self._frame(names.root_frame, names.link[robot.root], Pose())
        for site, name in names.frame.items():
            body = int(model.site_bodyid[site])
            inverse = shift(-link_frame(model, robot, body).position)
            at = inverse @ pose(model.site_pos[site], model.site_quat[site])
            self._frame(name, names.link[body], at)

    def _frame(self, name: str, parent: str, at: Pose) -> None:
        self._fix(parent, name, at)
        self.links.append(Link(name))

    def _fix(self, parent: str, child: str, at: Pose) -> None:
        self.joints.append(Joint(self._names.fixed[child], parent, child, at))


def _joints_of(model: mujoco.MjModel, robot: ModelRobot, body: int) -> list[int]:
    return [joint for joint in robot.joints if int(model.jnt_bodyid[joint]) == body]


def _robot_name(model: mujoco.MjModel) -> str:
    """Returns the model's name, the first of its zero-terminated names."""
    own = model.names[: model.names.index(b"\0")].decode()
    return own.removesuffix(" scene").replace(" ", "_") or "robot"
