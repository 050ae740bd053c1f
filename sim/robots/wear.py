"""Wears a robot: what is no longer as the model says, on a device that must adapt."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import mujoco
import numpy as np

from edge_runtime.config.config_file import read_config
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError, suggestion
from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.signals import Float
from sim.engines.actuators import scale_gains
from sim.robots.robot import SimRobot

_LARGEST = 10.0  # times as strong or as stiff as the model
FIELDS = (  # of a model that wear changes
    *("actuator_biasprm", "actuator_gainprm", "body_inertia", "body_mass", "geom_friction"),
    *("geom_pos", "geom_size", "jnt_range", "qpos0", "qpos_spring", "site_pos"),
)


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

    def apply(
        self,
        model: mujoco.MjModel,
        robot: SimRobot,
        ground: Iterable[str],
        fields: Callable[[str], Float] | None = None,
    ) -> None:
        """Changes a model into that of the worn robot; its constants must then be set anew.

        Args:
            model: the robot in its world, compiled.
            robot: whose it is.
            ground: the geoms whose friction is that of the ground.
            fields: returns the field of that name which is changed; by default the model's own.

        Raises:
            UserError: the robot cannot have it.
        """
        self.check(robot)
        of = fields or (lambda name: cast(Float, getattr(model, name)))
        for name, factor in self.gains.items():
            gain, bias = of("actuator_gainprm"), of("actuator_biasprm")
            scale_gains(gain, bias, model.actuator(name).id, factor, factor)
        for name, offset in self.offsets.items():
            joint = model.joint(name)
            # A hinge's angle is its reading minus its reference.
            of("qpos0")[joint.qposadr[0]] += offset
            of("qpos_spring")[joint.qposadr[0]] += offset
            of("jnt_range")[joint.id] += offset
        if self.payload:
            body, mass = model.body(robot.main_body).id, of("body_mass")
            of("body_inertia")[body] *= 1 + self.payload / mass[body]
            mass[body] += self.payload
        if self.sole and robot.legs is not None:
            for foot in robot.legs.feet:
                _thicken(model, of, int(model.site_bodyid[model.site(foot).id]), self.sole)
        if self.friction != 1.0:
            for name in ground:
                of("geom_friction")[model.geom(name).id, 0] *= self.friction

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


def _thicken(
    model: mujoco.MjModel, of: Callable[[str], Float], foot: int, thickness: float
) -> None:
    """Adds a sole under a foot's body, and moves down what is measured there."""
    position, size = of("geom_pos"), of("geom_size")
    touches = (model.geom_contype | model.geom_conaffinity) > 0
    for geom in np.flatnonzero((model.geom_bodyid == foot) & touches):
        is_box = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX
        if is_box:
            size[geom, 2] += thickness / 2
        position[geom, 2] -= thickness / 2 if is_box else thickness
    of("site_pos")[model.site_bodyid == foot, 2] -= thickness


def _check_between(what: str, given: Mapping[str, float], low: float, high: float) -> None:
    for joint, value in given.items():
        if not low <= value <= high:
            raise UserError(f"wear: {what} of '{joint}' must be {low:g} to {high:.4g}, not {value}")
