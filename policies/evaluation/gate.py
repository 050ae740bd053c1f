"""Reads and judges the thresholds that a policy's evaluation must meet."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.config.config_file import read_value
from edge_runtime.config.document import read_table
from edge_runtime.config.fields import Setting
from edge_runtime.errors import UserError
from policies.evaluation.quantities import unit

AT_LEAST, AT_MOST = "at_least", "at_most"
_FORM = (
    f"a gate has tables [{AT_LEAST}] and [{AT_MOST}] of figures that the evaluation prints, such "
    "as survival = 0.95"
)


@dataclass(frozen=True)
class Bound:
    """Holds one threshold of a gate, and what one engine's trials reached of it."""

    engine: str
    figure: str
    measured: float  # NaN where nothing was
    bound: float
    at_least: bool  # else at most

    @property
    def margin(self) -> float:
        """Returns by how much the bound is met; negative where it is missed."""
        over = self.measured - self.bound
        return over if self.at_least else -over

    @property
    def met(self) -> bool:
        """Returns whether the bound is met; NaN, as of trials that never began, meets nothing."""
        return self.margin >= 0

    @property
    def sign(self) -> str:
        """Returns how the figure must compare with the bound."""
        return ">=" if self.at_least else "<="

    def __str__(self) -> str:
        word = "met   " if self.met else "missed"
        return f"{word} {self.figure} {self.measured:.4g} {self.sign} {self.bound:g}"


@dataclass(frozen=True)
class Gate:
    """Holds bounds on the means of an evaluation, by name.

    [at_least]
    survival = 0.95
    [at_most]
    velocity_error = { value = 0.15, unit = "m/s" }

    A bound may say its unit, which must be the one that its figure is measured in.
    """

    source: str
    at_least: Mapping[str, float]
    at_most: Mapping[str, float]

    @classmethod
    def read(cls, path: Path, units: Mapping[str, str]) -> "Gate":
        """Reads a gate from a TOML or JSON file.

        Args:
            path: the path of the file.
            units: the units of the task's metrics, its `metric_units`.

        Raises:
            UserError: it cannot be read, or holds something else.
        """
        document = read_table(path, "gate")
        unknown = sorted(set(document) - {AT_LEAST, AT_MOST})
        if unknown:
            raise UserError(f"{path} has '{unknown[0]}'; {_FORM}")
        for table, given in document.items():
            if not isinstance(given, dict):
                raise UserError(f"{path}: [{table}] must hold bounds by name; {_FORM}")
        if not any(document.values()):
            raise UserError(f"{path} has no bounds, so nothing could fail; {_FORM}")
        bounds = {
            table: {
                name: _bound(bound, f"{path}: {table}.{name}", unit(name, units))
                for name, bound in given.items()
            }
            for table, given in document.items()
        }
        return cls(str(path), bounds.get(AT_LEAST, {}), bounds.get(AT_MOST, {}))

    def check(self, figures: Iterable[str]) -> None:
        """Refuses a threshold for something that the evaluation does not measure.

        Args:
            figures: names of what it does.

        Raises:
            UserError: names it.
        """
        known = list(figures)
        for name in (*self.at_least, *self.at_most):
            if name not in known:
                raise UserError(
                    f"{self.source}: unknown figure '{name}'; this evaluation has "
                    f"{', '.join(known)}"
                )

    def judge(self, means: Mapping[str, Mapping[str, float]]) -> tuple[Bound, ...]:
        """Returns each threshold for each engine, with what was reached of it.

        Args:
            means: the figures that the gate judges, by engine and name; one not there is NaN.
        """
        tables = ((self.at_least, True), (self.at_most, False))
        return tuple(
            Bound(engine, name, figures.get(name, math.nan), float(bound), at_least)
            for engine, figures in means.items()
            for thresholds, at_least in tables
            for name, bound in thresholds.items()
        )


def _bound(given: Any, where: str, measured_in: str) -> float:
    """Returns a bound given as a number, or as { value = ..., unit = ... } in its figure's unit."""
    bound: float = read_value(float, given, where, Setting(unit=measured_in or "1"))
    return bound
