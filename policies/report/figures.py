"""Computes the figures of a report: shares with their intervals, quantiles of what is known."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 1.959963984540054  # standard deviations that hold 95 %
LOW, HIGH = 0.05, 0.95  # the spread that is reported beside a median

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """Counts how many of how many, and says what that means for the true share."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        """Returns the share; NaN where nothing was counted."""
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Returns the 95 % confidence interval of Wilson (J. Am. Stat. Assoc. 22, 1927).

        It stays within 0 and 1 and says something of 0 failures, where the usual ± does not.
        Nothing tried is known to be anywhere from 0 to 1.
        """
        if not self.count:
            return 0.0, 1.0
        n, p, z = self.count, self.value, CONFIDENCE
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        reach = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        # Where nothing (or all) was hit the bound is 0 (or 1) exactly, but for rounding.
        low = 0.0 if self.hits == 0 else max(0.0, middle - reach)
        high = 1.0 if self.hits == n else min(1.0, middle + reach)
        return low, high


def share_of(hits: Iterable[bool]) -> Share:
    """Returns the share of True among them."""
    flags = [bool(hit) for hit in hits]
    return Share(sum(flags), len(flags))


@dataclass(frozen=True)
class Spread:
    """Describes a sample by six figures; NaN where there is none."""

    count: int
    mean: float
    low: float  # 5 % quantile
    quartiles: tuple[float, float, float]
    high: float  # 95 % quantile

    @property
    def median(self) -> float:
        """Returns the middle quartile."""
        return self.quartiles[1]


def spread_of(values: Iterable[float]) -> Spread:
    """Returns the spread of the finite ones among these values."""
    known = finite(values)
    if not known.size:
        return Spread(0, math.nan, math.nan, (math.nan, math.nan, math.nan), math.nan)
    low, q1, q2, q3, high = np.quantile(known, (LOW, 0.25, 0.5, 0.75, HIGH)).tolist()
    return Spread(known.size, float(known.mean()), low, (q1, q2, q3), high)


def finite(values: Iterable[float]) -> Values:
    """Returns those values that are finite."""
    array = np.fromiter(values, np.float64)
    return array[np.isfinite(array)]


def separation(value: Sequence[float], success: Sequence[bool]) -> float:
    """Returns how well a setting separates failures from successes: 0 not at all, ±1 perfectly.

    2 AUC − 1 (the rank-biserial correlation): the probability that a failure had more of it than a
    success, minus that of less. NaN where all went alike.
    """
    x, ok = np.asarray(value, np.float64), np.asarray(success, bool)
    known = np.isfinite(x)
    failed, passed = x[known & ~ok], x[known & ok]
    if not failed.size or not passed.size:
        return math.nan
    ordered = np.sort(passed)
    below = np.searchsorted(ordered, failed, "left")
    not_above = np.searchsorted(ordered, failed, "right")
    return float((below + not_above).mean() / passed.size - 1.0)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers within a range, at most that many."""
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]
