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
    def read(cls, path: Path) -> "Gate":
        """Reads a gate from a TOML or JSON file.

        Raises:
            UserError: it cannot be read, or holds something else.
        """
        document = read_table(path, "gate")
        unknown = sorted(set(document) - {AT_LEAST, AT_MOST})
        if unknown or not document:
            found = f"has '{unknown[0]}'" if unknown else "is empty"
            raise UserError(f"{path} {found}; a gate has tables [{AT_LEAST}] and [{AT_MOST}]")
        for table, given in document.items():
            if not isinstance(given, dict) or not given:
                raise UserError(f"{path}: [{table}] must hold thresholds, such as survival = 0.95")
        bounds = {
            table: {name: _bound(name, bound, f"{path}: {table}") for name, bound in given.items()}
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

    def judge(self, means: Mapping[str, float]) -> dict[str, str]:
        """Returns for each threshold a line that begins with "met" or "missed".

        A mean that is NaN or missing, as of trials that never began, meets nothing.
        """
        lines = {}
        for sign, bounds in ((">=", self.at_least), ("<=", self.at_most)):
            for name, bound in bounds.items():
                mean = means.get(name, math.nan)
                met = mean >= bound if sign == ">=" else mean <= bound
                word = "met   " if met else "missed"
                lines[f"{name} {sign}"] = f"{word} {name} {mean:.4g} {sign} {bound:g}"
        return lines

    def judge_engines(self, means: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Judges each engine; all of them must pass.

        Args:
            means: the means that `judge` takes, by engine.

        Returns:
            The lines of `judge`, which name the engine where there are several.
        """
        return [
            f"{line} in {engine}" if len(means) > 1 else line
            for engine, figures in means.items()
            for line in self.judge(figures).values()
        ]


def _bound(name: str, given: Any, where: str) -> float:
    """Returns a bound given as a number, or as { value = ..., unit = ... } in its figure's unit."""
    bound: float = read_value(float, given, f"{where}.{name}", Setting(unit=unit(name) or "1"))
    return bound
