"""Judges for the top of the page: was the gate passed, by how much, how many trials succeeded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from policies.evaluation.gate import Bound
from policies.evaluation.quantities import engine_name, number, title
from policies.report.evaluation_report import EvaluationReport, failures_by_kind
from policies.report.figures import Share, share_of

SUCCESS_FIGURES = ("completed", "success")  # bounds drawn beside the success share
SURVIVED = "survived"  # a goal that is reached by survival alone, whose bound is drawn then


@dataclass(frozen=True)
class GateVerdict:
    """Holds the banner's colour and words."""

    state: str  # "open" without a gate, "good" or "fail"
    word: str
    detail: str


@dataclass(frozen=True)
class EngineSuccess:
    """Shows how the trials in one engine went."""

    engine: str
    share: Share
    bound: float | None  # the share of successes that the gate asks of this engine
    failures: dict[str, int]  # how many failed in which way, the most frequent first


def verdict_of(bounds: Sequence[Bound]) -> GateVerdict:
    """Returns whether all bounds are met, and which of them is closest to, or farthest beyond."""
    if not bounds:
        detail = "These are the figures alone; --gate FILE makes them a verdict."
        return GateVerdict("open", "No gate was asked for", detail)
    missed = sum(not b.met for b in bounds)
    decisive = min(bounds, key=_relative_margin)
    if missed:
        count = f"{missed} of {len(bounds)} bounds missed, the farthest: "
        state, word = "fail", "Gate missed"
    else:
        count = f"All {len(bounds)} bounds met, the closest: "
        state, word = "good", "Gate passed"
    text = _in_words(decisive)
    return GateVerdict(
        state, word, count + text if len(bounds) > 1 else text[:1].upper() + text[1:]
    )


def success_by_engine(report: EvaluationReport) -> list[EngineSuccess]:
    """Returns how many trials succeeded in each engine, and how the others failed."""
    return [
        EngineSuccess(
            engine=result.engine,
            share=share_of(t.success for t in result.trials),
            bound=_bound(report, result.engine),
            failures=failures_by_kind(result),
        )
        for result in report.results
    ]


def _bound(report: EvaluationReport, engine: str) -> float | None:
    figures = (*SUCCESS_FIGURES, "survival") if report.goal == SURVIVED else SUCCESS_FIGURES
    for bound in report.bounds:
        if bound.at_least and bound.figure in figures and bound.engine == engine:
            return bound.bound
    return None


def _in_words(bound: Bound) -> str:
    what = f"{title(bound.figure)} ({engine_name(bound.engine)})"
    if math.isnan(bound.measured):
        return f"{what} was not measured."
    sign = "at least" if bound.at_least else "at most"
    margin = f"{number(abs(bound.margin))} {'to spare' if bound.met else 'short'}"
    return f"{what}: {number(bound.measured, 4)}, {sign} {number(bound.bound, 4)} wanted, {margin}."


def _relative_margin(bound: Bound) -> float:
    """Returns a margin in parts of its bound, so that bounds in different units compare."""
    if math.isnan(bound.margin):
        return -math.inf
    return bound.margin / (abs(bound.bound) or 1.0)
