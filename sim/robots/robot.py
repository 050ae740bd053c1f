"""Defines a robot for the simulator: its model, its actuators, and its sensors' signals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mujoco

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Actuator
from sim.robots.car import Car
from sim.robots.legs import Legs
from sim.sensors.readings import Sensor


@dataclass(frozen=True)
class AddedSensor:
    """Describes a sensor that the robot's MJCF leaves out."""

    name: str
    kind: mujoco.mjtSensor
    of: mujoco.mjtObj  # the sort of object it is attached to
    at: str  # the name of that object


@dataclass(frozen=True)
class SimRobot:
    """Describes a robot in simulation. All numbers are SI; everything is found in the model by
    name."""

    name: str
    model: Path  # MJCF of the robot in its scene
    actuators: tuple[Actuator, ...]  # in the order of the model's actuators
    sensors: tuple[Sensor, ...]
    task: str = ""  # the task that simulates it by default, as in `sim2edge up`
    main_body: str = ""  # where pushes and payload act
    ground: tuple[str, ...] = ("floor",)  # geoms whose friction is that of the ground
    # By actuator of a robot that is symmetric: 1 if its joint's mirror turns the same way, else -1.
    mirror_signs: tuple[float, ...] = ()
    legs: Legs | None = None
    car: Car | None = None
    # Fault trials push it over with this torque about its forward axis, Nm, by default half a
    # metre times its weight, and let these actuators fail, each with whether the robot may go down
    # without it.
    toppling_torque: float | None = None
    weakened: Mapping[str, bool] = field(default_factory=dict)
    added: tuple[AddedSensor, ...] = ()

    def find_legs(self) -> Legs:
        """Returns what walking has to know of the robot.

        Raises:
            UserError: it has no legs.
        """
        if self.legs is None:
            raise UserError(
                f"robot '{self.name}' has no legs to walk with; give it Legs, or another task"
            )
        return self.legs

    def find_car(self) -> Car:
        """Returns what driving has to know of the robot.

        Raises:
            UserError: it is no car.
        """
        if self.car is None:
            raise UserError(f"robot '{self.name}' is no car to drive; give it Car, or another task")
        return self.car

    def spec(self) -> mujoco.MjSpec:
        """Returns the robot in its scene, with the sensors that its MJCF leaves out."""
        spec = mujoco.MjSpec.from_file(str(self.model))
        for sensor in self.added:
            spec.add_sensor(
                name=sensor.name, type=sensor.kind, objtype=sensor.of, objname=sensor.at
            )
        return spec
