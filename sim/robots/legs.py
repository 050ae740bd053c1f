"""Holds what walking has to know of a robot on legs, and derives the rest from its model."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mujoco

from edge_runtime.fusion.legged.config import ContactConfig, LeggedConfig, Vector
from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Float
from sim.sensors.readings import Noise


@dataclass(frozen=True)
class Legs:
    """Describes the feet of a robot that walks, and what its joints do in its gait.

    Joints are named in full, or by the end of their names: `knee` is `left_knee` and `right_knee`.
    A foot is a site in the middle of its sole, whose z axis points up and whose shape encloses
    what may touch the ground. `left` and `right` in the names make feet and joints pairs.
    """

    feet: tuple[str, ...]
    leading: tuple[str, ...]
    """Feet that swing in the first half of the gait cycle; the others swing in the second."""
    posture: Mapping[str, float] = field(default_factory=dict)
    """How much a joint should keep its default angle while walking, 0 to about 1."""
    posture_of_others: float = 0.02
    """The same, of the joints that `posture` does not name."""
    stepping: Mapping[str, float] = field(default_factory=dict)
    """Swing of a leg's joints while stepping on the spot, rad; a leading leg at a quarter of the
    gait cycle is at this, from its default angle, and the others are opposite."""
    arm_swing: Mapping[str, float] = field(default_factory=dict)
    """Swing of the arms' joints at 1 m/s, rad, at the start of the gait cycle."""
    arms: tuple[str, ...] = ()
    """Joints of the arms."""
    hands: tuple[str, ...] = ()
    """Bodies that carry what is in the hands, the left one first."""
    feet_apart: float = 0.16
    """Distance to the side that the feet of a pair keep, m."""
    touch_force: float | None = None
    """Force above which a foot touches the ground, N; None: 1.2 % of the weight."""
    touch_noise: Noise | None = None
    """Error of the sensor of that force, N; None: 1.2 % of the weight, noise and bias each."""
    fallen_height: float | None = None
    """Height of the IMU below which the robot has fallen, m; None: 60 % of that while walking."""
    nominal_height: float | None = None
    """Height of the IMU while walking, m; None: 98 % of that standing."""
    start_height: float | None = None
    """Height of the root at the start, m; None: in the default pose with the soles on the
    ground."""
    length: float | None = None
    """Length of a leg, m, by which errors of its encoders move the foot; None: from the first
    joint to the sole, stretched."""
    sole: tuple[Vector, ...] = ((0.0, 0.0, 0.0),)
    """Points of a sole that stand on the ground, m in the foot's frame: one, or heel and toe."""
    estimator: LeggedConfig = LeggedConfig()
    """Settings of the estimator, beside the noise of the sensors and the number of feet."""
    contact: ContactConfig | None = None
    """How the estimator recognizes contact; None: the defaults, scaled to the robot's weight."""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Returns which feet are left and right of each other, by number."""
        return tuple(
            (k, self.feet.index(other_side(foot)))
            for k, foot in enumerate(self.feet)
            if "left" in foot and other_side(foot) in self.feet
        )


def other_side(name: str) -> str:
    """Returns the name of the same thing on the other side: `left_knee` for `right_knee`."""
    return re.sub("left|right", lambda m: "right" if m[0] == "left" else "left", name)


def names_joint(name: str, joint: str) -> bool:
    """Returns whether a name is that of a joint, in full or by its end."""
    return joint == name or joint.endswith(f"_{name}")


def of_joint(table: Mapping[str, float], joint: str, default: float = 0.0) -> float:
    """Returns the value for a joint that a table names in full, or by the end of its name."""
    found = [name for name in table if names_joint(name, joint)]
    return table[max(found, key=len)] if found else default


def numbers_of(names: Sequence[str], joints: Sequence[str]) -> list[int]:
    """Returns which of the joints are named, in full or by the ends of their names."""
    named = dict.fromkeys(names, 1.0)
    return [k for k, joint in enumerate(joints) if of_joint(named, joint)]


def standing_pose(model: mujoco.MjModel, actuators: Sequence[Actuator], legs: Legs) -> Float:
    """Returns the default pose, the lowest sole on the ground, the root upright at x = y = 0,
    (nq,)."""
    data = mujoco.MjData(model)
    data.qpos[:] = model.qpos0
    for actuator in actuators:
        data.qpos[model.joint(actuator.name).qposadr[0]] = actuator.default
    mujoco.mj_kinematics(model, data)
    lowest = min(data.site(foot).xpos[2] for foot in legs.feet)
    qpos: Float = data.qpos.copy()
    qpos[2] = qpos[2] - lowest if legs.start_height is None else legs.start_height
    return qpos


def mirror_signs(model: mujoco.MjModel, joints: Sequence[str]) -> tuple[float, ...]:
    """Returns 1 for each joint whose mirror turns the same way, -1 for the others; () without
    sides, and where a joint of one side has no like on the other.

    In the mirror of the plane of forward and up, a rotation keeps its part about the lateral axis
    and turns over the others.
    """
    sided = [name for name in joints if other_side(name) != name]
    if not sided or any(other_side(name) not in joints for name in sided):
        return ()
    data = mujoco.MjData(model)
    data.qpos[:] = model.qpos0
    mujoco.mj_kinematics(model, data)
    axis = {name: data.joint(name).xaxis for name in joints}
    turned = (axis[other_side(name)] @ (axis[name] * [-1.0, 1.0, -1.0]) for name in joints)
    return tuple(1.0 if same > 0 else -1.0 for same in turned)
