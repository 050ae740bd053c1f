"""Judges two policies that drove in turn by their scores, and says how it was decided."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from statistics import fmean, stdev
from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.loop.tick import Tick

Score = Callable[[Tick], float]  # of a tick, larger is better; the loop's thread calls it


class Outcome(Enum):
    """Names how a canary ended."""

    GOOD = "good"
    BAD = "bad"
    UNDECIDED = "undecided"  # what ended it says nothing of the policy


@dataclass
class Tally:
    """Counts what a policy did in the slices of time in which it drove."""

    slices: list[float] = field(default_factory=list)  # mean score of each; none without a score
    ticks: int = 0  # that counted
    trips: int = 0  # ticks in which the guard reacted, or the envelope was left
    missed: int = 0  # periods
    _sum: float = 0.0  # of the scores in this slice
    _count: int = 0

    def add(self, score: float | None) -> None:
        """Counts a tick, and its score if there is one."""
        self.ticks += 1
        if score is not None:
            self._sum += score
            self._count += 1

    def end_slice(self) -> None:
        """Keeps the mean score of the slice that has ended."""
        if self._count:
            self.slices.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0

    @property
    def mean(self) -> float:
        """Returns the mean of the slices' scores; NaN without one."""
        return fmean(self.slices) if self.slices else math.nan

    @property
    def spread(self) -> float:
        """Returns the standard deviation from slice to slice; NaN below two slices."""
        return stdev(self.slices) if len(self.slices) > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Returns the standard error of the mean, from slice to slice; NaN below two slices."""
        return _standard_error(self.slices)

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry."""
        return {
            "ticks": self.ticks,
            "score": _finite(self.mean),
            "standard_error": _finite(self.standard_error),
            "slices": list(self.slices),
            "trips": self.trips,
            "missed": self.missed,
        }

    def described(self) -> str:
        """Describes the score in a few words; empty without one."""
        if not self.slices:
            return ""
        error = "" if math.isnan(self.standard_error) else f" ± {self.standard_error:.2g}"
        return f"{self.mean:.3g}{error}"


@dataclass(frozen=True)
class CanaryVerdict:
    """Says how a policy did as a canary, beside the one before it."""

    outcome: Outcome
    why: str
    source: str  # of the policy that was tried
    sha256: str
    old: Tally
    new: Tally
    # A drop of the score that is smaller would not have been seen; NaN without scores.
    smallest_drop: float

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry; scores are in the unit of the caller's function."""
        return {
            "outcome": self.outcome.value,
            "why": self.why,
            "file": self.source,
            "sha256": self.sha256,
            "old": self.old.as_dictionary(),
            "new": self.new.as_dictionary(),
            "smallest_drop_seen": _finite(self.smallest_drop),
        }

    def described(self) -> str:
        """Describes the verdict in one line."""
        line = f"{self.source} is {self.outcome.value}: {self.why}"
        if not self.new.slices:
            return f"{line} ({self.new.ticks} ticks)"
        scores = f"score {self.new.described()}, {self.old.described()} before"
        seen = ""
        if not math.isnan(self.smallest_drop):
            seen = f"; a drop below {self.smallest_drop:.2g} would not be seen"
        return f"{line} ({scores}{seen})"


def score_of(score: Score | None, tick: Tick) -> float | None:
    """Returns the score of a tick; None without a function for it.

    Raises:
        UserError: it is not finite.
    """
    if score is None:
        return None
    found = float(score(tick))
    if not math.isfinite(found):
        raise UserError(f"the score of tick {tick.number} is {found}")
    return found


def seen_drop(old: Tally, new: Tally, errors: float, share: float) -> float:
    """Returns the smallest drop of the score that counts; NaN below two slices of each.

    Args:
        old: the scores before.
        new: the scores of slices that followed those of `old`, one each.
        errors: standard errors of the drop from slice to slice that it must exceed.
        share: share of the old score that it must exceed.
    """
    drops = [before - after for before, after in zip(old.slices, new.slices)]
    return max(errors * _standard_error(drops), share * abs(old.mean))


def _standard_error(values: list[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
