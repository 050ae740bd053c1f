"""Finds what failures have in common: the settings that separate them from successes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from policies.evaluation.quantities import LABELS, number, percent, title
from policies.evaluation.suite_result import SuiteResult
from policies.report.charts import Axis, common_axis
from policies.report.figures import Share, separation

SHOWN = 12  # of those that may be chance
BINS = 5
FEWEST = 5  # failures, and successes, below which a comparison says nothing


@dataclass(frozen=True)
class Influence:
    """Shows how one setting relates to success in one engine."""

    name: str
    engine: str
    values: tuple[float, ...]
    success: tuple[bool, ...]
    strength: float  # of `separation`, -1 to 1
    beyond_chance: bool  # at 5 % over all settings together

    @property
    def axis(self) -> Axis:
        """Returns the chart's horizontal axis, of the setting."""
        return common_axis([np.array(self.values)], 46.0, 290.0)

    @property
    def fifths(self) -> list[tuple[float, Share]]:
        """Returns the chart's points: median of the setting, share of success."""
        return fifths(self.values, self.success)

    @property
    def words(self) -> str:
        """Returns what the chart shows, for those who cannot see it."""
        points = (f"{percent(s.value)} of {s.count} around {number(v)}" for v, s in self.fifths)
        return f"Share of success by {title(self.name)}: {', '.join(points)}"


@dataclass(frozen=True)
class SettingsSection:
    """Shows the influences on success, the strongest first."""

    count: int  # of settings that differ from trial to trial
    clear: list[Influence]  # beyond chance
    others: list[Influence]  # that may be chance; `SHOWN` at most


def settings_section(results: Sequence[SuiteResult]) -> SettingsSection | None:
    """Returns the influences of all settings; None where none differ or all trials went alike."""
    found = [i for result in results for i in influences(result)]
    if not found:
        return None
    found.sort(key=lambda i: -abs(i.strength))
    clear, others = ([i for i in found if i.beyond_chance == b] for b in (True, False))
    return SettingsSection(len({i.name for i in found}), clear, others[:SHOWN])


def influences(result: SuiteResult) -> list[Influence]:
    """Returns every varying setting's influence, if enough trials failed and enough succeeded.

    Beyond chance is by the rank-sum test's normal approximation (Mann and Whitney, Ann. Math.
    Stat. 18, 1947), its level divided by the number of settings (Bonferroni).
    """
    success = [t.success for t in result.trials]
    passed, failed = sum(success), len(success) - sum(success)
    if min(passed, failed) < FEWEST:
        return []
    names = dict.fromkeys(n for t in result.trials for n in t.settings if n not in LABELS)
    columns = {n: [t.settings.get(n, math.nan) for t in result.trials] for n in names}
    varying = {n: c for n, c in columns.items() if len({v for v in c if math.isfinite(v)}) > 1}
    if not varying:
        return []
    deviation = math.sqrt((passed + failed + 1) / (3 * passed * failed))
    limit = NormalDist().inv_cdf(1 - 0.025 / len(varying)) * deviation
    found = []
    for name, values in varying.items():
        strength = separation(values, success)
        if math.isfinite(strength):
            beyond = abs(strength) > limit
            found.append(
                Influence(name, result.engine, tuple(values), tuple(success), strength, beyond)
            )
    return found


def fifths(values: Sequence[float], success: Sequence[bool]) -> list[tuple[float, Share]]:
    """Returns median and share of success of up to `BINS` equal parts of the trials.

    The trials are in order of the setting. Equal values stay together, so a setting of few values
    has as many parts as values.
    """
    x, ok = np.asarray(values, np.float64), np.asarray(success, bool)
    x, ok = x[np.isfinite(x)], ok[np.isfinite(x)]
    edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1])) if x.size else np.array([])
    part = np.searchsorted(edges, x, "left")
    parts = []
    for k in np.unique(part):
        inside = part == k
        share = Share(int(ok[inside].sum()), int(inside.sum()))
        parts.append((float(np.median(x[inside])), share))
    return parts
