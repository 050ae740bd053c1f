"""Models how a target becomes motion: delayed by a bus, limited by the motor's torque and speed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Array, Float, Rows
from sim.engines.engine import Engine

# Full torque up to this share of the maximum speed; above it the torque falls to zero, as a motor's
# back-EMF uses up its voltage.
CORNER_SPEED = 0.7


def command_gains(engine: Engine, before: Sequence[Actuator], now: Sequence[Actuator]) -> None:
    """Gives all simulations the gains that a policy commands, as shares of those before.

    Args:
        engine: whose model and fields are changed.
        before: the actuators whose gains they have, in the order of the model's.
        now: those whose gains they get.
    """
    model = engine.model
    gain, bias = engine.field("actuator_gainprm"), engine.field("actuator_biasprm")
    for k, (old, new) in enumerate(zip(before, now, strict=True)):
        stiffness = new.stiffness / old.stiffness if old.stiffness else 1.0
        damping = new.damping / old.damping if old.damping else 1.0
        scale_gains(model.actuator_gainprm, model.actuator_biasprm, k, stiffness, damping)
        scale_gains(gain, bias, k, stiffness, damping)


def scale_gains(gain: Float, bias: Float, actuator: int, stiffness: float, damping: float) -> None:
    """Scales the position gain and the velocity gain of an actuator.

    Args:
        gain: `actuator_gainprm` of a model, (A, 10), or of N simulations, (N, A, 10).
        bias: `actuator_biasprm`, likewise.
        actuator: its number.
        stiffness: factor on the position gain.
        damping: factor on the velocity gain, which is that of a velocity actuator's target too.
    """
    is_position = (bias[..., actuator, 1] != 0.0).any()
    gain[..., actuator, 0] *= stiffness if is_position else damping
    bias[..., actuator, 1] *= stiffness
    bias[..., actuator, 2] *= damping


class Actuators:
    """Models the actuators of N simulations.

    Args:
        engine: the engine whose actuators these are.
        actuators: in the order of the model's.
        velocity_sensors: sensors of the actuators' speeds in the same order; without any, torque
            does not depend on speed.
    """

    def __init__(
        self,
        engine: Engine,
        actuators: Sequence[Actuator],
        velocity_sensors: Sequence[str] = (),
    ) -> None:
        rows, count = engine.rows, len(actuators)
        self._engine = engine
        self.delay = np.zeros(rows, np.int64)  # physics steps until a new target arrives
        self.strength = np.ones((rows, count))  # share of the nominal torque; `reset` applies it
        self._target = np.zeros((rows, 1, count))
        self._control = np.zeros((rows, engine.substeps, count))
        self._substeps = np.arange(engine.substeps)[None, :, None]
        self._max_effort = np.array([a.max_effort for a in actuators])
        self._effort = self.strength * self._max_effort
        self._slope = 1.0 / ((1.0 - CORNER_SPEED) * np.array([a.max_velocity for a in actuators]))
        self._knee = 1.0 / (1.0 - CORNER_SPEED)
        self._velocity = engine.columns(*velocity_sensors) if velocity_sensors else None
        self._range = engine.field("actuator_forcerange") if velocity_sensors else None

    def reset(self, rows: Rows, target: Array) -> None:
        """Starts these simulations with `target`, (A,) or (n, A), as the only one under way."""
        self._target[rows, 0] = target
        self._effort[rows] = self.strength[rows] * self._max_effort
        if self._range is not None:
            self._range[rows, :, 0] = -self._effort[rows]
            self._range[rows, :, 1] = self._effort[rows]

    def control(self, target: Array) -> Float:
        """Returns the inputs of each physics step, (N, substeps, A), for new targets (N, A).

        The next call overwrites the returned buffer.
        """
        arrived = self._substeps >= self.delay[:, None, None]
        self._control[:] = self._target
        np.copyto(self._control, target[:, None], where=arrived)
        self._target[:, 0] = target
        return self._control

    def limit_torque(self) -> None:
        """Limits each motor to the torque that it has at its present speed."""
        if self._velocity is None or self._range is None:
            return
        falling = self._engine.sensordata.take(self._velocity, axis=1)
        falling *= self._slope
        for share, limit in ((self._knee - falling, 1), (self._knee + falling, 0)):
            np.minimum(share, 1.0, out=share)  # np.clip takes longer
            np.maximum(share, 0.0, out=share)
            np.multiply(self._effort, share, out=self._range[:, :, limit])
        np.negative(self._range[:, :, 0], out=self._range[:, :, 0])

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        return {
            "delay": self.delay.copy(),
            "strength": self.strength.copy(),
            "target": self._target.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self.delay[:], self.strength[:] = state["delay"], state["strength"]
        self._target[:] = state["target"]
        self._effort[:] = self.strength * self._max_effort
