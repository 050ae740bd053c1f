"""Defines what a physics engine offers to the tasks: N simulations of one model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from edge_runtime.signals import Bool, Float, Rows


class Engine(ABC):
    """Steps N simulations and provides their sensors by name.

    The compiled MJCF `model` is the only description of robot and ground: whatever the engine, it
    names bodies, joints, geoms, actuators and sensors, and orders the arrays below. All arrays are
    live: an engine writes them, and reads those that are said to be writable. Units and frames are
    MuJoCo's: SI, quaternions wxyz, a free joint's linear velocity in the world and its angular
    velocity in the body.
    """

    model: mujoco.MjModel
    rows: int
    substeps: int
    qpos: Float
    """Positions of all joints, (N, nq)."""
    qvel: Float
    """Velocities of all joints, (N, nv)."""
    external_force: Float
    """Force and torque on each body at its centre of mass, (N, bodies, 6) N and Nm in the world;
    writable, and holds until it is written again."""
    sensordata: Float
    """Newest values of all sensors, (N, nsensordata)."""
    burst: Float
    """Values of all sensors at each physics step of the last `step`, (N, substeps, nsensordata)."""
    diverged: Bool
    """Whether the last `step` of a simulation broke off, (N,)."""

    @property
    def sensor_names(self) -> frozenset[str]:
        """Returns the names of the model's sensors."""
        return frozenset(self.model.sensor(k).name for k in range(self.model.nsensor))

    def columns(self, *sensors: str) -> Rows:
        """Returns the columns of these sensors in `sensordata`, in this order."""
        found = [self.model.sensor(name) for name in sensors]
        return np.concatenate([np.arange(s.adr[0], s.adr[0] + s.dim[0]) for s in found])

    def sensor(self, name: str) -> Float:
        """Returns a live view of one sensor's newest values, (N, size)."""
        found = self.columns(name)
        return self.sensordata[:, found[0] : found[-1] + 1]

    @abstractmethod
    def field(self, name: str) -> Float:
        """Returns live per-simulation values of a model field, (N, ...), writable, for
        randomization.

        Fields of actuators and friction take effect from the next `step` on, others from the next
        `reset` with `constants_changed`.

        Raises:
            UserError: the engine has one value of this field for all simulations.
        """

    @abstractmethod
    def step(self, control: Float) -> None:
        """Advances all simulations by `substeps`.

        Sensors describe the state before the last physics step, as `mj_step` leaves them. A
        simulation that diverges restarts in the model's initial state; `diverged` says which.

        Args:
            control: actuator inputs for each physics step, (N, substeps, nu).
        """

    @abstractmethod
    def reset(self, rows: Rows, qpos: Float, qvel: Float, *, constants_changed: bool) -> None:
        """Puts some simulations in a new state and reads their sensors.

        Args:
            rows: which simulations, (n,).
            qpos: (n, nq).
            qvel: (n, nv).
            constants_changed: whether masses or other fields that derived constants depend on were
                written since the last reset of these rows.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""

    @abstractmethod
    def close(self) -> None:
        """Ends threads and processes."""
