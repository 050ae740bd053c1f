"""Thresholds that a policy's evaluation must meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError
from policies.documents import read_document

AT_LEAST, AT_MOST = "at_least", "at_most"


@dataclass(frozen=True)
class Gate:
    """Bounds on the means of an evaluation, by name.

    [at_least]
    survival = 0.95
    [at_most]
    velocity_error = 0.15
    """

    source: str
    at_least: Mapping[str, float]
    at_most: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> "Gate":
        """The gate of a TOML or JSON file.

        Raises:
            UserError: it cannot be read, or holds something else.
        """
        document = _document(path)
        unknown = sorted(set(document) - {AT_LEAST, AT_MOST})
        if unknown or not document:
            found = f"has '{unknown[0]}'" if unknown else "is empty"
            raise UserError(f"{path} {found}; a gate has tables [{AT_LEAST}] and [{AT_MOST}]")
        for table, bounds in document.items():
            if not isinstance(bounds, dict) or not bounds:
                raise UserError(f"{path}: [{table}] must hold thresholds, such as survival = 0.95")
            for name, bound in bounds.items():
                if isinstance(bound, bool) or not isinstance(bound, (int, float)):
                    raise UserError(f"{path}: {table}.{name} = {bound!r} is not a number")
        return cls(str(path), document.get(AT_LEAST, {}), document.get(AT_MOST, {}))

    def judge(self, means: Mapping[str, float]) -> dict[str, str]:
        """For each threshold a line that begins with "met" or "missed".

        A mean that is NaN meets nothing.

        Raises:
            UserError: a threshold is for something that was not measured.
        """
        lines = {}
        for sign, bounds in ((">=", self.at_least), ("<=", self.at_most)):
            for name, bound in bounds.items():
                if name not in means:
                    raise UserError(
                        f"{self.source}: unknown figure '{name}'; this evaluation has "
                        f"{', '.join(means)}"
                    )
                mean = means[name]
                met = mean >= bound if sign == ">=" else mean <= bound
                word = "met   " if met else "missed"
                lines[f"{name} {sign}"] = f"{word} {name} {mean:.4g} {sign} {bound:g}"
        return lines


def _document(path: Path) -> dict[str, Any]:
    document = read_document(path, "gate")
    if not isinstance(document, dict):
        raise UserError(f"gate {path} must have tables [{AT_LEAST}] and [{AT_MOST}]")
    return document
