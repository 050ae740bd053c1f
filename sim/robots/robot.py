"""What a robot is to the simulator: its model, its actuators, and the signals its sensors give."""

from dataclasses import dataclass
from pathlib import Path

import mujoco

from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Signal


@dataclass(frozen=True)
class Sensor:
    """A signal, and the model's sensors that make it up, in order."""

    signal: Signal
    sources: tuple[str, ...]


@dataclass(frozen=True)
class SimRobot:
    """A robot in simulation. All numbers are SI; everything is found in the model by name."""

    name: str
    model: Path  # MJCF of the robot in its scene
    actuators: tuple[Actuator, ...]  # in the order of the model's actuators
    sensors: tuple[Sensor, ...]
    task: str = ""  # in which it is simulated where none is named, as by `sim2edge up`
    main_body: str = ""  # where pushes and payload act
    # By actuator of a robot that is symmetric: 1 if its joint's mirror turns the same way, else -1.
    mirror_signs: tuple[float, ...] = ()


def position_actuators(
    model: mujoco.MjModel,
    default: dict[str, float],
    max_velocity: dict[str, float],
    action_scale: float,
) -> tuple[Actuator, ...]:
    """The model's PD position actuators as the contract describes them.

    Args:
        model: its `position` actuators must be named like their joints.
        default: target at action 0 by joint, rad; others 0. A left or right joint may be given
            without its side.
        max_velocity: rad/s, by joint, likewise.
        action_scale: rad per unit of action.
    """
    return tuple(
        Actuator(
            name=name,
            stiffness=float(model.actuator_gainprm[i, 0]),
            damping=float(-model.actuator_biasprm[i, 2]),
            default=_of_joint(default, name),
            action_scale=action_scale,
            lower=float(model.actuator_ctrlrange[i, 0]),
            upper=float(model.actuator_ctrlrange[i, 1]),
            max_velocity=_of_joint(max_velocity, name),
            max_effort=float(model.actuator_forcerange[i, 1]),
        )
        for i, name in enumerate(model.actuator(k).name for k in range(model.nu))
    )


def _of_joint(table: dict[str, float], joint: str) -> float:
    side_free = joint.removeprefix("left_").removeprefix("right_")
    return table.get(joint, table.get(side_free, 0.0))
