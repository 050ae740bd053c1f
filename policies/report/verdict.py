"""The top of the page: was the gate passed, by how much, and how many trials succeeded."""

import math
from collections.abc import Sequence

from policies.evaluation.quantities import engine_name, number, percent, title
from policies.report.blocks import Column, Row, mark, named, paragraph, section, table
from policies.report.charts import legend_line, share_bar, still_going
from policies.report.evaluation_report import Bound, Evaluation, failures_by_kind, success_of
from policies.report.markup import Markup, element

SUCCESS_FIGURES = ("completed", "success")  # bounds drawn beside the success share
SURVIVED = "survived"  # a goal that is reached by survival alone, whose bound is drawn then


def verdict(evaluation: Evaluation) -> Markup:
    """The banner."""
    missed = [b for b in evaluation.bounds if not b.met]
    if not evaluation.bounds:
        state, sign, word = "open", "○", "No gate was asked for"
        detail = "These are the figures alone; --gate FILE makes them a verdict."
    elif missed:
        state, sign, word = "fail", "✗", "Gate missed"
        many = len(evaluation.bounds) > 1
        count = f"{len(missed)} of {len(evaluation.bounds)} bounds missed, the farthest: "
        detail = count + _furthest(missed) if many else _sentence(_furthest(missed))
    else:
        state, sign, word = "good", "✓", "Gate passed"
        many = len(evaluation.bounds) > 1
        count = f"All {len(evaluation.bounds)} bounds met, the closest: "
        closest = _closest(evaluation.bounds)
        detail = count + closest if many else _sentence(closest)
    heading = element("strong", element("span", sign, aria_hidden="true"), " ", word)
    tiles = [_tile(evaluation, k) for k in range(len(evaluation.results))]
    return element(
        "div",
        element("div", paragraph(heading, class_="word"), paragraph(detail), class_="words"),
        *tiles,
        class_=f"verdict {state}",
        id="verdict",
    )


def gate_section(evaluation: Evaluation) -> Markup | None:
    """Every bound of the gate; None without one."""
    if not evaluation.bounds:
        return None
    columns = [Column("figure", False), Column("engine", False), Column("measured")]
    columns += [Column("bound"), Column("margin"), Column("verdict", False)]
    rows = [
        (
            named(b.figure),
            engine_name(b.engine),
            number(b.measured, 4),
            f"{'≥' if b.at_least else '≤'} {number(b.bound, 4)}",
            _signed(b.margin),
            mark(b.met, "met" if b.met else "missed"),
        )
        for b in evaluation.bounds
    ]
    return section("gate", "The gate", table("Bounds of the gate", columns, rows))


def success_section(evaluation: Evaluation) -> Markup:
    """How many trials succeeded, how the others failed, and when."""
    goal, results = evaluation.goal, evaluation.results
    columns = [Column("engine", False), Column("trials"), Column(goal), Column("share")]
    columns += [Column("95 % interval"), Column("0 to 100 %", False)]
    rows = []
    for result in results:
        share = success_of(result)
        low, high = share.interval
        interval = f"{percent(low, 1)} to {percent(high, 1)}" if share.count else "–"
        bar = share_bar(share, _bound(evaluation, result.engine))
        cells = (engine_name(result.engine), share.count, share.hits)
        rows.append((*cells, percent(share.value, 1), interval, bar))
    parts = [table(f"Trials {goal}, by engine", columns, rows)]
    if _bound(evaluation, *(r.engine for r in results)) is not None:
        parts.append(
            paragraph("The upright line is the share that the gate asks for.", class_="by")
        )
    if any(success_of(r).hits < len(r.trials) for r in results):
        parts += [element("h3", "How trials failed"), _kinds(evaluation), *_curves(evaluation)]
    elif any(r.trials for r in results):
        parts.append(paragraph("No trial failed."))
    return section("success", "Success", *parts)


def _tile(evaluation: Evaluation, k: int) -> Markup:
    result = evaluation.results[k]
    share = success_of(result)
    low, high = share.interval
    known = f"{share.hits} of {share.count} trials; 95 % interval {percent(low)} to {percent(high)}"
    return element(
        "div",
        paragraph(engine_name(result.engine), class_="by"),
        paragraph(element("strong", percent(share.value)), f" {evaluation.goal}", class_="figure"),
        paragraph(known if share.count else "no trial finished", class_="by"),
        class_="tile",
    )


def _kinds(evaluation: Evaluation) -> Markup:
    by_engine = {r.engine: failures_by_kind(r) for r in evaluation.results}
    kinds = dict.fromkeys(kind for counts in by_engine.values() for kind in counts)
    columns = [Column("failure", False), *(Column(engine_name(e)) for e in by_engine)]
    rows: list[Row] = [(kind, *(c.get(kind, 0) for c in by_engine.values())) for kind in kinds]
    return table("Trials by kind of failure and engine", columns, rows, narrow=True)


def _curves(evaluation: Evaluation) -> list[Markup]:
    curves = [
        (
            engine_name(r.engine),
            [t.seconds for t in r.trials],
            [t.success for t in r.trials],
        )
        for r in evaluation.results
    ]
    keys = [element("span", legend_line(k), name) for k, (name, *_) in enumerate(curves)]
    return [
        element("h3", "When trials failed"),
        element(
            "figure",
            still_going(curves),
            element("figcaption", "Trials that have not failed yet. ", *keys, class_="legend"),
        ),
    ]


def _bound(evaluation: Evaluation, *engines: str) -> float | None:
    """The share of successes that the gate asks of one of these engines."""
    figures = (*SUCCESS_FIGURES, "survival") if evaluation.goal == SURVIVED else SUCCESS_FIGURES
    for bound in evaluation.bounds:
        if bound.at_least and bound.figure in figures and bound.engine in engines:
            return bound.bound
    return None


def _closest(bounds: Sequence[Bound]) -> str:
    bound = min(bounds, key=_relative)
    return f"{_in_words(bound)}, {number(bound.margin)} to spare."


def _furthest(bounds: Sequence[Bound]) -> str:
    bound = min(bounds, key=_relative)
    if math.isnan(bound.measured):
        return f"{title(bound.figure)} ({engine_name(bound.engine)}) was not measured."
    return f"{_in_words(bound)}, {number(-bound.margin)} short."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in_words(bound: Bound) -> str:
    sign = "at least" if bound.at_least else "at most"
    measured, asked = number(bound.measured, 4), number(bound.bound, 4)
    return f"{title(bound.figure)} ({engine_name(bound.engine)}): {measured}, {sign} {asked} wanted"


def _relative(bound: Bound) -> float:
    """A margin in parts of its bound, so that bounds in different units can be compared."""
    if math.isnan(bound.margin):
        return -math.inf
    return bound.margin / (abs(bound.bound) or 1.0)


def _signed(value: float) -> str:
    return f"+{number(value)}" if value >= 0 else number(value)
