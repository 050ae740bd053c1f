"""Estimates how a robot is worn from what it feels, by a regression that was trained in simulation.

The regression sees only simulated robots whose wear is known, as in simulation-based inference
(Cranmer, Brehmer and Louppe, "The frontier of simulation-based inference", PNAS 2020; for robots:
Ramos, Possas and Fox, "BayesSim", RSS 2019), but gives a mean and a standard error in place of a
posterior.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.learning.trims import MOST
from edge_runtime.signals import Array, Float

GAINS, OFFSET = "gains", "offset"  # of an actuator, after its name and a dot
PAYLOAD, SOLE, FRICTION = "payload", "sole", "friction"
_PREFIX = "identifier/"  # of its arrays in a learner kit
_OUTLIER = 6.0  # standard deviations, to which a feature is clipped
_ARRAYS = ("mean", "deviation", "weight_0", "bias_0", "weight_1", "bias_1", "skip")
_SMALLEST = {GAINS: 0.15, OFFSET: 0.03, PAYLOAD: 3.0, SOLE: 0.005, FRICTION: 0.08}
"""What a policy must bear anyway, in the unit of each kind; of gains in their logarithm."""


@dataclass(frozen=True)
class Identified:
    """Holds what a robot has identified of itself, each with its standard error."""

    values: Mapping[str, float]
    errors: Mapping[str, float]

    def significant(self, sigmas: float) -> dict[str, float]:
        """Returns at most ten numbers that differ from a new robot's, the surest first.

        Args:
            sigmas: standard errors by which they must differ.
        """
        surest = sorted(self.values, key=lambda name: -abs(self._distance(name)))
        found = [
            name
            for name in surest
            if abs(self._distance(name)) > sigmas
            and abs(_deviation(name, self.values[name])) > _SMALLEST[kind_of(name)]
        ]
        return {name: self.values[name] for name in found[:MOST]}

    def _distance(self, name: str) -> float:
        return _deviation(name, self.values[name]) / self.errors[name]


class Identifier:
    """Maps features to the numbers of a robot's wear.

    Args:
        names: "ACTUATOR.gains" (factor), "ACTUATOR.offset" (rad), "payload" (kg), "sole" (m),
            "friction" (factor).
        errors: standard error of each on held-out robots; of gains in their logarithm.
        arrays: mean and deviation of the features (F,), two layers of weights, and a matrix past
            them.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        errors: Float,
        arrays: Mapping[str, npt.NDArray[np.float32]],
    ) -> None:
        self.names, self.errors, self.arrays = names, errors, dict(arrays)
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing or len(errors) != len(names) or arrays["bias_1"].shape != (len(names),):
            raise UserError("the identifier's arrays do not fit together; export the kit again")

    @classmethod
    def from_kit(cls, extra: Mapping[str, npt.NDArray[Any]]) -> "Identifier | None":
        """Returns the identifier among a learner kit's arrays; None if the kit has none.

        Raises:
            UserError: its arrays do not fit together.
        """
        arrays = {
            name.removeprefix(_PREFIX): values
            for name, values in extra.items()
            if name.startswith(_PREFIX)
        }
        if not arrays:
            return None
        names, errors = arrays.pop("names", np.array([])), arrays.pop("errors", np.array([]))
        return cls(tuple(map(str, names.tolist())), errors.astype(float), arrays)

    def for_kit(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the arrays by which a learner kit keeps the identifier."""
        arrays = self.arrays | {"names": np.array(self.names), "errors": self.errors}
        return {f"{_PREFIX}{name}": values for name, values in arrays.items()}

    def identify(self, features: Float) -> Identified:
        """Returns what is known of a robot by its features, (F,)."""
        outputs = self.outputs(features[None])[0]
        return Identified(
            {name: _value(name, float(x)) for name, x in zip(self.names, outputs)},
            dict(zip(self.names, self.errors.tolist())),
        )

    def outputs(self, features: Float) -> Float:
        """Returns the numbers of N robots, (N, P), of gains the logarithm, by features (N, F)."""
        of = self.arrays
        inputs = scaled(features, of["mean"], of["deviation"])
        hidden = np.tanh(inputs @ of["weight_0"].T + of["bias_0"])
        found: Float = hidden @ of["weight_1"].T + of["bias_1"] + inputs @ of["skip"].T
        return found


def scaled(features: Float, mean: Float | Array, deviation: Float | Array) -> Float:
    """Returns features, (N, F), in standard deviations from their mean, outliers clipped."""
    found: Float = np.clip((features - mean) / deviation, -_OUTLIER, _OUTLIER)
    return found


def kind_of(name: str) -> str:
    """Returns what sort of number that is: gains, offset, payload, sole or friction."""
    return name.rpartition(".")[2]


def _deviation(name: str, value: float) -> float:
    """Returns how far a value is from that of a new robot; of gains in the logarithm."""
    kind = kind_of(name)
    if kind == GAINS:
        return float(np.log(max(value, 1e-3)))
    return value - 1.0 if kind == FRICTION else value


def _value(name: str, output: float) -> float:
    return float(np.exp(output)) if kind_of(name) == GAINS else output
