"""What failures have in common: the settings that tell them from successes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from policies.evaluation.quantities import LABELS, engine_name, number, percent, title
from policies.evaluation.suite_result import SuiteResult
from policies.report.blocks import folded, named, paragraph, section
from policies.report.charts import common_axis, label, line, svg
from policies.report.evaluation_report import Evaluation
from policies.report.figures import Share, separation
from policies.report.markup import Markup, element, join

SHOWN = 12  # of those that may be chance
BINS = 5
FEWEST = 5  # failures, and successes, below which a comparison says nothing


@dataclass(frozen=True)
class Influence:
    """How one setting relates to success in one engine."""

    name: str
    engine: str
    values: tuple[float, ...]
    success: tuple[bool, ...]
    strength: float  # of `separation`, -1 to 1
    beyond_chance: bool  # at 5 % over all settings together


def settings_section(evaluation: Evaluation) -> Markup | None:
    """The strongest influences; None where trials have no settings or all went alike."""
    found = [i for result in evaluation.results for i in influences(result)]
    if not found:
        return None
    found.sort(key=lambda i: -abs(i.strength))
    clear, others = ([i for i in found if i.beyond_chance == b] for b in (True, False))
    count = len({i.name for i in found})
    if clear:
        text = (
            f"Of {count} settings that differ from trial to trial, these tell failures from "
            "successes better than chance would."
        )
    else:
        text = (
            f"None of the {count} settings that differ from trial to trial tells failures from "
            "successes better than chance would."
        )
    how = paragraph(
        f"A dot is the share {evaluation.goal} of a fifth of the trials, in order of the setting, "
        "on its 95 % interval.",
        class_="legend",
    )
    parts = [paragraph(text)]
    if clear:
        parts += [how, element("div", *map(_card, clear), class_="grid2")]
    if others:
        cards = element("div", *map(_card, others[:SHOWN]), class_="grid2")
        explained = cards if clear else join(how, cards)
        parts.append(folded("Settings whose differences may be chance", explained))
    return section("settings", "What failures have in common", *parts)


def influences(result: SuiteResult) -> list[Influence]:
    """Of every setting that varies, where there are enough of both failures and successes.

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
    """Trials in order of a setting, in up to `BINS` equal parts: their median, share of success.

    Equal values stay together, so a setting of few values has as many parts as values.
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


def _card(influence: Influence) -> Markup:
    more = "more" if influence.strength > 0 else "less"
    caption = element(
        "figcaption",
        named(influence.name),
        element("span", f" {engine_name(influence.engine)}: {more} of it where trials fail"),
    )
    return element("figure", caption, _chart(influence), class_="card")


def _chart(influence: Influence) -> Markup:
    axis = common_axis([influence.values], 46.0, 290.0)
    top, height = 8.0, 92.0

    def y(share: float) -> float:
        return top + height * (1 - share)

    parts = [axis.draw(top, height)]
    for level in (0.0, 0.5, 1.0):
        parts.append(line(axis.left, y(level), axis.left + axis.width, y(level), "grid"))
        parts.append(label(axis.left - 6, y(level) + 4, percent(level), "end"))
    words = []
    for value, share in fifths(influence.values, influence.success):
        x = axis.at(value)
        low, high = share.interval
        parts.append(line(x, y(low), x, y(high), "interval"))
        parts.append(element("circle", cx=x, cy=round(y(share.value), 2), r=4, class_="dot"))
        words.append(f"{percent(share.value)} of {share.count} around {number(value)}")
    alt = f"Share of success by {title(influence.name)}: {', '.join(words)}"
    return svg(350, 126, alt, *parts, class_="chart")
