"""Randomizes the domain: what differs from one simulated robot to the next.

Peng et al., "Sim-to-Real Transfer of Robotic Control with Dynamics Randomization", ICRA 2018. Every
range is (low, high), drawn uniformly for each simulation at the start of each episode.
"""

from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.config.fields import Range, setting
from edge_runtime.signals import Float, Rows
from sim.engines.actuators import Actuators
from sim.engines.engine import Engine


@dataclass(frozen=True)
class DomainRandomization:
    """Sets the ranges; `enabled=False` switches all of them off."""

    enabled: bool = setting(True, "Vary the robot from episode to episode.")
    mass: Range = setting((0.9, 1.1), "Factor on each body's mass and inertia.", above=0)
    payload: Range = setting((-1.0, 3.0), "Mass added to the main body.", "kg")
    centre_of_mass: Range = setting((-0.02, 0.02), unit="m")
    """Offset of the main body's centre of mass, on each axis."""
    friction: Range = setting((0.4, 1.2), "Sliding friction of the ground.", at_least=0)
    motor_strength: Range = setting((0.9, 1.1), "Factor on each motor's torque limit.", at_least=0)
    stiffness: Range = setting((0.85, 1.15), "Factor on each position gain.", at_least=0)
    damping: Range = setting((0.85, 1.15), at_least=0)
    """Factor on each velocity gain, a velocity actuator's too."""
    action_delay: Range = setting((0.0, 0.02), unit="s", at_least=0)
    """Delay from the policy to the motor."""

    def on_ground(self, factor: float) -> "DomainRandomization":
        """Returns the ranges on ground of another friction, by that factor."""
        low, high = self.friction
        return replace(self, friction=(low * factor, high * factor))


def add_mass(engine: Engine, rows: Rows, body: Rows | int, mass: Float | float) -> None:
    """Adds mass, kg (n,), to a body of each of n simulations, spread as the body's own mass is."""
    masses, inertia = engine.field("body_mass"), engine.field("body_inertia")
    factor = 1.0 + mass / masses[rows, body]
    inertia[rows, body] *= np.expand_dims(factor, -1)
    masses[rows, body] += mass


class Randomizer:
    """Draws a new robot for a simulation.

    Args:
        ranges: what to vary, enabled.
        engine: whose model fields are written.
        actuators: whose delays and strengths are written.
        main_body: the body that carries payload and the centre-of-mass offset.
        ground: the geoms whose friction varies.
        rng: draws everything.
    """

    def __init__(
        self,
        ranges: DomainRandomization,
        engine: Engine,
        actuators: Actuators,
        main_body: str,
        ground: tuple[str, ...],
        rng: np.random.Generator,
    ) -> None:
        self._ranges, self._engine, self._actuators, self._rng = ranges, engine, actuators, rng
        model = engine.model
        self._main = model.body(main_body).id
        self._is_velocity = model.actuator_biasprm[:, 1] == 0.0
        self._ground = np.array([model.geom(name).id for name in ground])

    def draw(self, rows: Rows) -> None:
        """Draws new dynamics for these simulations; derived constants must then be set anew."""
        self._draw_bodies(rows)
        self._draw_ground(rows)
        self._draw_actuators(rows)

    def _draw_bodies(self, rows: Rows) -> None:
        model, engine, main = self._engine.model, self._engine, self._main
        factor = self._uniform(self._ranges.mass, (len(rows), model.nbody))
        mass = model.body_mass * factor
        inertia = model.body_inertia * factor[:, :, None]
        payload = self._uniform(self._ranges.payload, (len(rows),))
        loaded = np.maximum(mass[:, main] + payload, 0.2 * mass[:, main])
        inertia[:, main] *= (loaded / mass[:, main])[:, None]
        mass[:, main] = loaded
        engine.field("body_mass")[rows] = mass
        engine.field("body_inertia")[rows] = inertia
        offset = self._uniform(self._ranges.centre_of_mass, (len(rows), 3))
        engine.field("body_ipos")[rows, main] = model.body_ipos[main] + offset

    def _draw_ground(self, rows: Rows) -> None:
        friction = self._uniform(self._ranges.friction, (len(rows),))
        field = self._engine.field("geom_friction")
        field[rows[:, None], self._ground, 0] = friction[:, None]

    def _draw_actuators(self, rows: Rows) -> None:
        model, ranges = self._engine.model, self._ranges
        shape = (len(rows), model.nu)
        stiffness = self._uniform(ranges.stiffness, shape)
        damping = self._uniform(ranges.damping, shape)
        gain, bias = self._engine.field("actuator_gainprm"), self._engine.field("actuator_biasprm")
        # A velocity actuator's gain is its damping: with another it would settle at another speed.
        own = np.where(self._is_velocity, damping, stiffness)
        gain[rows, :, 0] = model.actuator_gainprm[:, 0] * own
        bias[rows, :, 1] = model.actuator_biasprm[:, 1] * stiffness
        bias[rows, :, 2] = model.actuator_biasprm[:, 2] * damping
        self._actuators.strength[rows] = self._uniform(ranges.motor_strength, shape)
        delay = self._uniform(ranges.action_delay, (len(rows),))
        self._actuators.delay[rows] = np.round(delay / model.opt.timestep)

    def _uniform(self, limits: Range, shape: tuple[int, ...]) -> Float:
        return self._rng.uniform(*limits, shape)
