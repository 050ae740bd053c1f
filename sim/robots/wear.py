"""Wears a robot: what is no longer as the model says, on a device that must adapt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.config.config_file import read_config
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError, suggestion
from edge_runtime.policy.contract import POSITION, Actuator
from sim.engines.actuators import scale_gains
from sim.robots.robot import SimRobot

_LARGEST = 10.0  # times as strong or as stiff as the model


@dataclass(frozen=True)
class Wear:
    """Says how far a device is from its model; nothing by default.

    A device's file is TOML with these fields: `payload = 10.5`, and tables such as
    `[gains]` with `left_knee = 0.4`.
    """

    gains: Mapping[str, float] = field(default_factory=dict)
    """Factor on stiffness and damping, by actuator."""
    strength: Mapping[str, float] = field(default_factory=dict)
    """Factor on the largest torque, by actuator."""
    offsets: Mapping[str, float] = field(default_factory=dict)
    """By how much an encoder reads too high, rad, by joint; of a steering, by how much the wheels
    turn less than it reads."""
    payload: float = setting(0.0, "Mass added to the main body.", "kg", at_least=0, at_most=1000)
    sole: float = setting(0.0, "Thickness added under each sole.", "m", at_least=0, at_most=0.1)
    friction: float = setting(1.0, "Factor on the friction of the ground.", above=0, at_most=10)

    def check(self, robot: SimRobot) -> None:
        """Refuses wear that this robot cannot have.

        Raises:
            UserError: names the joint or number, and what there is.
        """
        positions = [a.name for a in robot.actuators if a.mode == POSITION]
        names = [a.name for a in robot.actuators]
        for what, given, known in (
            ("gains", self.gains, names),
            ("strength", self.strength, names),
            ("offsets", self.offsets, positions),
        ):
            for joint in given:
                if joint not in known:
                    raise UserError(
                        f"wear: robot '{robot.name}' has no {what} of a joint '{joint}'; "
                        f"{suggestion(joint, known)}"
                    )
        _check_between("gains", self.gains, 0.0, _LARGEST)
        _check_between("strength", self.strength, 0.0, _LARGEST)
        _check_between("offsets", self.offsets, -np.pi, np.pi)
        if self.sole and robot.legs is None:
            raise UserError(f"wear: robot '{robot.name}' has no legs, so no soles to thicken")

    def apply(self, model: mujoco.MjModel, robot: SimRobot, ground: Iterable[str]) -> None:
        """Changes a compiled model into that of the worn robot.

        Args:
            model: the robot in its world, compiled by its task.
            robot: whose it is.
            ground: the geoms whose friction is that of the ground.

        Raises:
            UserError: the robot cannot have it.
        """
        self.check(robot)
        for joint, factor in self.gains.items():
            scale_gains(model, joint, factor, factor)
        for joint, offset in self.offsets.items():
            _turn_encoder(model, joint, offset)
        if self.payload:
            body = model.body(robot.main_body).id
            factor = 1 + self.payload / model.body_mass[body]
            model.body_mass[body] *= factor
            model.body_inertia[body] *= factor
        if self.sole and robot.legs is not None:
            for foot in robot.legs.feet:
                _thicken(model, foot, self.sole)
        for name in ground:
            model.geom(name).friction[0] *= self.friction
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def weakened(self, actuators: tuple[Actuator, ...]) -> tuple[Actuator, ...]:
        """Returns the actuators with the torque that their motors still have."""
        return tuple(
            replace(a, max_effort=a.max_effort * self.strength.get(a.name, 1.0)) for a in actuators
        )


def read_wear(path: Path, robot: SimRobot) -> Wear:
    """Reads a device's wear from its file, TOML or JSON.

    Raises:
        UserError: the file cannot be read, or this robot cannot have it.
    """
    wear = read_config(Wear, path, "device")
    try:
        wear.check(robot)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return wear


def _turn_encoder(model: mujoco.MjModel, name: str, offset: float) -> None:
    """Lets an encoder read too high: a hinge's angle is its reading minus its reference."""
    joint = model.joint(name)
    model.qpos0[joint.qposadr[0]] += offset
    model.qpos_spring[joint.qposadr[0]] += offset
    model.jnt_range[joint.id] += offset


def _thicken(model: mujoco.MjModel, foot: str, thickness: float) -> None:
    """Adds a sole under a foot, and moves down what is measured there."""
    body = model.body(foot).id
    for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype > 0)):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX:
            model.geom_size[geom, 2] += thickness / 2
            model.geom_pos[geom, 2] -= thickness / 2
        else:
            model.geom_pos[geom, 2] -= thickness
    model.site_pos[model.site_bodyid == body, 2] -= thickness


def _check_between(what: str, given: Mapping[str, float], low: float, high: float) -> None:
    for joint, value in given.items():
        if not low <= value <= high:
            raise UserError(f"wear: {what} of '{joint}' must be {low:g} to {high:.4g}, not {value}")
